"""Pages of the store: what is kept with its coverage, and one series with its months, issues and changes of the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import CandleReport
from candlecast.errors import CandlecastError
from candlecast.report.history_tables import issues_table
from candlecast.report.returns_figures import MONTHS
from candlecast.report.tables import table
from candlecast.serving import Reply
from candlecast.text.cells import number
from candlecast.text.formatting import CELL, count, moment
from candlecast.text.redaction import redacted
from candlecast.ui.coverage import Coverage, equal_edges
from candlecast.ui.layout import error, page
from candlecast.ui.listing import Column, Listing, Query, address, field_of, safe
from candlecast.ui.workspace import Workspace

BUCKETS = 240  # of a strip
MOST_CHECKED = 200_000  # bars of a series whose issues are counted in the list
MOST_ROWS = 100  # of a table of changes
PRICES = ("open", "high", "low", "close", "volume")
Key = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Stored:
    """A series with its coverage and, of one that is not too long, its issues; `error` says why it cannot be read."""

    row: dict[str, Any]
    coverage: Coverage | None
    report: CandleReport | None
    error: str = ""

    @property
    def key(self) -> Key:
        """Source, symbol and interval."""
        return _key(self.row)

    @property
    def bars(self) -> int:
        """Bars of which each counts once, however often it was stored."""
        return self.row["bars"] if self.coverage is None else int(self.coverage.bars.sum())

    @property
    def missing(self) -> float | None:
        """Bars missing in gaps."""
        return None if self.coverage is None else float(self.coverage.missing.sum())

    @property
    def issues(self) -> float | None:
        """Issues other than gaps."""
        return None if self.report is None else float(self.report.issues.filter(pl.col("kind") != "gap").height)


def candles_page(workspace: Workspace, query: Query) -> Reply:
    """Everything stored. Raises StoreError."""
    rows = workspace.series().rows(named=True)
    place = workspace.store.url
    if not rows:
        words = f"Nothing is stored in {place}. Fetch candles with: candlecast fetch SYMBOL"
        return page("Candles", f'<p class="absent">{safe(words)}</p>', of="candles")
    first, last = min(row["first"] for row in rows), max(row["last"] for row in rows)
    edges = equal_edges(first, last, BUCKETS)
    stored = [_stored(workspace, row, edges) for row in rows]
    heading = f"Coverage, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    listing = Listing("candles", "Series", COLUMNS, stored, query, tail=_strip_of, tail_heading=heading)
    legend = (
        '<ul class="legend"><li><i class="key bar blue"></i>all bars there</li>'
        '<li><i class="key bar orange"></i>bars missing</li>'
        '<li><i class="key bar none"></i>no bars expected, or none stored</li></ul>'
    )
    note = f'<p class="note">Issues of series of more than {MOST_CHECKED:,} bars stand on their own pages.</p>'
    content = f"{listing.form()}{legend}{listing.table()}{note if any(each.report is None for each in stored) else ''}"
    return page("Candles", content, of="candles", lead=redacted(place))


def series_page(workspace: Workspace, query: Query) -> Reply:
    """One series. Raises StoreError when it is not stored."""
    key = (field_of(query, "source"), field_of(query, "symbol"), field_of(query, "interval"))
    workspace.require_series(key)
    row = next(each for each in workspace.series().iter_rows(named=True) if key == _key(each))
    strip = _strip(workspace.coverage(key, equal_edges(row["first"], row["last"], BUCKETS)))
    report, months = workspace.checked(key), workspace.monthly(key)
    changed = workspace.store.changes(*key)
    words = (
        f"{count(report.bars, 'bar')}, {'sound' if report.is_sound else 'not sound'}; {report.missing:,} missing in gaps, "
        f"{report.halted:,} of them in known halts of the exchange; "
        f"{changed['open_time'].n_unique():,} changed by the vendor after they were first seen."
    )
    hours = "".join(f'<p class="note">{safe(each)}</p>' for each in report.hours)
    content = (
        f'<section><p class="note">{safe(words)}</p>{hours}{strip}{months_table(months)}</section>'
        f"<section><h2>Issues</h2>{issues_table(report)}</section>"
        f"<section><h2>Changes by the vendor</h2>{changes_table(changed)}</section>"
    )
    return page(f"{key[1]} {key[2]}", content, of="candles", lead=f"from {key[0]}")


def months_table(months: pl.DataFrame) -> str:
    """A row for each year: the share of bars that are there by month, in percent; shaded where bars are missing."""
    held = {(row["year"], row["month"]): row for row in months.iter_rows(named=True)}
    body = []
    for year in sorted({year for year, _ in held}):
        cells = "".join(_month(held.get((year, month))) for month in range(1, 13))
        body.append(f'<tr><th scope="row">{year}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Year", *MONTHS))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Bars by month">'
        '<table class="heat months"><caption>Bars that are there, % of those that the market\'s clock expects</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def changes_table(changes: pl.DataFrame) -> str:
    """Bars that differ from what was first seen, the last ones first."""
    if changes.is_empty():
        return '<p class="note">No bar was changed.</p>'
    rows = []
    for row in changes.reverse().head(MOST_ROWS).iter_rows(named=True):
        moved = [name for name in PRICES if row[name] != row[f"{name}_before"]]
        words = "; ".join(
            f"{name} {number(row[f'{name}_before'], None)}, then {number(row[name], None)}" for name in moved
        )
        rows.append((moment(row["open_time"]), moment(row["seen_at"]), words or "a dividend or split"))
    more = f", the last {MOST_ROWS} of {changes.height:,}" if changes.height > MOST_ROWS else ""
    return table(f"Changes{more}", ("Bar", "Seen, UTC", "Change"), rows, style="words")


def _stored(workspace: Workspace, row: dict[str, Any], edges: np.ndarray) -> Stored:
    try:
        report = workspace.checked(_key(row)) if row["bars"] <= MOST_CHECKED else None
        return Stored(row, workspace.coverage(_key(row), edges), report)
    except CandlecastError as found:
        return Stored(row, None, None, str(found))


def _key(row: dict[str, Any]) -> Key:
    return row["source"], row["symbol"], row["interval"]


def _strip_of(stored: Stored) -> str:
    return error(stored.error) if stored.coverage is None else _strip(stored.coverage)


def _strip(coverage: Coverage) -> str:
    """The buckets in a row: runs of equal buckets are one rectangle, each with its dates."""
    kinds = np.where(coverage.missing >= 0.5, 1, np.where(coverage.bars > 0, 0, 2))
    firsts = np.flatnonzero(np.diff(kinds, prepend=-1))
    parts = []
    for first, last in zip(firsts, [*firsts[1:], len(kinds)], strict=True):
        kind = ("there", "partly", "none")[kinds[first]]
        days = " to ".join(str(coverage.edges[edge].astype("datetime64[D]")) for edge in (first, last))
        missing = round(float(coverage.missing[first:last].sum()))
        words = f"{days}: {coverage.bars[first:last].sum():,} bars, {missing:,} missing"
        parts.append(
            f'<rect class="{kind}" x="{first}" y="0" width="{last - first}" height="1"><title>{escape(words)}</title></rect>'
        )
    share = float(coverage.bars.sum()) / max(float(coverage.bars.sum() + coverage.missing.sum()), 1.0)
    label = f"Coverage: {100 * share:.1f} % of the expected bars"
    return (
        f'<svg class="strip" viewBox="0 0 {len(kinds)} 1" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _month(row: dict[str, int] | None) -> str:
    if row is None or row["bars"] + row["missing"] == 0:
        return "<td></td>"
    share = row["bars"] / (row["bars"] + row["missing"])
    words = f"{row['bars']:,} bars, {row['missing']:,} missing"
    if not row["missing"]:
        return f'<td title="{words}">100</td>'
    strength = 0.25 + 0.75 * (1 - share)
    return f'<td class="loss" style="--share:{strength:.2f}" title="{words}">{min(100 * share, 99.9):.1f}</td>'


def _text(name: str) -> Column[Stored]:
    is_choice = name != "symbol"
    link = (
        None
        if is_choice
        else (lambda stored: address("series", **dict(zip(("source", "symbol", "interval"), stored.key, strict=True))))
    )
    return Column(
        name,
        name.capitalize(),
        lambda stored: str(stored.row[name]),
        lambda stored: str(stored.row[name]),
        link,
        is_choice,
    )


def _time(name: str) -> Column[Stored]:
    def words(stored: Stored) -> str:
        held = stored.row[name]
        return CELL if held is None else str(held)[:10]

    return Column(name, name.capitalize(), words, words)


COLUMNS: tuple[Column[Stored], ...] = (
    _text("symbol"),
    _text("interval"),
    _text("source"),
    Column("bars", "Bars", lambda stored: stored.bars, lambda stored: f"{stored.bars:,}"),
    _time("first"),
    _time("last"),
    Column("missing", "Missing", lambda stored: stored.missing, lambda stored: number(stored.missing, 0)),
    Column("issues", "Issues", lambda stored: stored.issues, lambda stored: number(stored.issues, 0)),
    _text("state"),
)
