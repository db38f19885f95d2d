"""Comparisons: the trials of the ledger that were judged together, by `compare`, `sweep` or a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from candlecast.report import svg
from candlecast.report.date_axis import date_ticks, decimal_years
from candlecast.report.figures import Figure, figure_html
from candlecast.serving import Reply
from candlecast.text.cells import annual_return, number
from candlecast.text.formatting import CELL, count
from candlecast.ui.layout import link, page, refusal
from candlecast.ui.listing import Column, Listing, Query, address, field_of
from candlecast.ui.trials import COLUMNS as OF_TRIALS, recorded
from candlecast.ui.workspace import Judged, Workspace

MOST_LINES, MOST_POINTS = 40, 400
LONGEST = 60  # characters of a list of names


@dataclass(frozen=True, eq=False)
class Batch:
    """Trials that were judged together."""

    number: int
    trials: Sequence[Judged]

    def names(self, name: str) -> str:
        """The different values of a field of the trials."""
        found = ", ".join(dict.fromkeys(str(getattr(each.trial, name)) for each in self.trials))
        return (found if len(found) <= LONGEST else f"{found[: LONGEST - 4]} ...") or CELL

    @property
    def best(self) -> float | None:
        """The highest Sharpe ratio."""
        return max((each.sharpe for each in self.trials if each.sharpe is not None), default=None)

    @property
    def best_return(self) -> tuple[float | None, bool]:
        """The highest annual return, and whether it is one."""
        found = [(each.annual_return, each.is_annual) for each in self.trials if each.annual_return is not None]
        return max(found, default=(None, True))


def comparisons_page(workspace: Workspace, query: Query) -> Reply:
    """All batches of two trials or more, the newest first. Raises RunError."""
    batches = [batch for batch in _batches(workspace.trials()) if len(batch.trials) > 1][::-1]
    if not batches:
        words = "No comparisons yet. Make one with: candlecast compare"
        return page("Comparisons", f'<p class="absent">{words}</p>', of="comparisons")
    listing = Listing("comparisons", "Comparisons", COLUMNS, batches, query)
    note = "Trials that were recorded and judged together, each adjusted for all of them."
    content = f'<p class="note">{note}</p>{listing.form()}{listing.table()}'
    return page("Comparisons", content, of="comparisons", lead=str(workspace.ledger.path))


def comparison_page(workspace: Workspace, query: Query) -> Reply:
    """The trials of one batch beside each other. Raises RunError."""
    wanted = field_of(query, "number")
    found = next((batch for batch in _batches(workspace.trials()) if str(batch.number) == wanted), None)
    if found is None:
        message = (
            f"there is no comparison {wanted!r} in {workspace.ledger.path}; expected the number of one. See the list."
        )
        return refusal(message, of="comparisons")
    columns = [column for column in OF_TRIALS if column.name not in ("batch", "recorded")]
    runs = {run.content: run.name for run in workspace.list_runs() if run.content}

    def run_of(row: Judged) -> str:
        name = runs.get(row.trial.content)
        return link(name, "run", name=name) if name else CELL

    rows = sorted(found.trials, key=lambda each: -np.inf if each.sharpe is None else each.sharpe, reverse=True)
    fixed = {"number": wanted}
    listing = Listing("comparison", "Trials", columns, rows, query, tail=run_of, tail_heading="Run", fixed=fixed)
    content = (
        f"<section><div class='pair'>{figure_html(_equity(found))}</div></section><section>{listing.table()}</section>"
    )
    lead = f"{count(len(found.trials), 'trial')}, recorded {recorded(found.trials[0])} UTC"
    return page(f"Comparison {found.number:,}", content, of="comparisons", lead=lead)


def _batches(trials: Sequence[Judged]) -> list[Batch]:
    """In order of time."""
    held: dict[int, list[Judged]] = {}
    for each in trials:
        held.setdefault(each.entry.batch, []).append(each)
    return [Batch(number, members) for number, members in held.items()]


def _equity(batch: Batch) -> Figure:
    """Equity after costs of every trial: the one with the highest Sharpe ratio blue, the others grey."""
    title = "Equity after costs"
    drawn = [each for each in batch.trials if len(each.trial.returns) > 1][:MOST_LINES]
    if not drawn:
        return Figure("equity", title, "No trial has returns to draw.")
    best = max(drawn, key=lambda each: -np.inf if each.sharpe is None else each.sharpe)
    lines = [(each, *_line(each)) for each in sorted(drawn, key=lambda each: each is best)]
    axes = svg.Axes(x=svg.span(*(x for _, x, _ in lines), margin=0.01), y=svg.span(*(y for _, _, y in lines), [1.0]))
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="date", y_title="equity, start = 1", x_ticks=date_ticks(*axes.x)),
        svg.level(axes, 1.0, "grey dotted"),
        *(svg.line(axes, x, y, "blue" if each is best else "grey") for each, x, y in lines),
    )
    name = f"trial {best.entry.number:,}: {best.trial.symbol} {best.trial.interval}, {best.trial.model}"
    others = (("grey", "the others"),) if len(drawn) > 1 else ()
    legend = (("blue", f"highest Sharpe ratio, {name}" if others else name[0].upper() + name[1:]), *others)
    caption = (
        "The best of a comparison is partly lucky; the page of trials shows by how much."
        if others
        else "A study that was judged alone."
    )
    if len(drawn) < len(batch.trials):
        caption += f" {len(drawn)} of {len(batch.trials):,} are drawn."
    return Figure("equity", title, caption, drawing, legend=legend)


def _line(row: Judged) -> tuple[np.ndarray, np.ndarray]:
    level = np.cumprod(np.maximum(1.0 + row.trial.returns, 0.0))
    rows = np.unique(np.linspace(0, len(level) - 1, min(MOST_POINTS, len(level))).round().astype(int))
    years = decimal_years(row.trial.times[rows])
    return years, level[rows]


COLUMNS: tuple[Column[Batch], ...] = (
    Column(
        "number",
        "Comparison",
        lambda batch: float(batch.number),
        lambda batch: f"{batch.number:,}",
        lambda batch: address("comparison", number=str(batch.number)),
    ),
    Column(
        "recorded",
        "Recorded, UTC",
        lambda batch: batch.trials[0].entry.recorded_at,
        lambda batch: recorded(batch.trials[0]),
    ),
    Column("trials", "Trials", lambda batch: float(len(batch.trials)), lambda batch: f"{len(batch.trials):,}"),
    Column(
        "markets", "Markets", lambda batch: batch.names("symbol"), lambda batch: batch.names("symbol"), is_choice=True
    ),
    Column(
        "intervals",
        "Intervals",
        lambda batch: batch.names("interval"),
        lambda batch: batch.names("interval"),
        is_choice=True,
    ),
    Column("models", "Models", lambda batch: batch.names("model"), lambda batch: batch.names("model"), is_choice=True),
    Column("best", "Best Sharpe", lambda batch: batch.best, lambda batch: number(batch.best)),
    Column(
        "return",
        "Best annual return",
        lambda batch: batch.best_return[0],
        lambda batch: annual_return(batch.best_return[0], is_annual=batch.best_return[1]),
    ),
)
