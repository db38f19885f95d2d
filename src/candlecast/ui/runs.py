"""The page of runs: sorted, filtered, two of them to be compared."""

from __future__ import annotations

from candlecast.serving import Reply
from candlecast.targets.words import label_words
from candlecast.text.cells import annual_return, number, percent
from candlecast.text.formatting import CELL
from candlecast.ui.layout import error, page
from candlecast.ui.listing import Column, Listing, Query, address, safe
from candlecast.ui.workspace import Run, Workspace


def runs_page(workspace: Workspace, query: Query) -> Reply:
    """All runs, the newest first."""
    found = workspace.list_runs()
    readable = [run for run in found if run.manifest is not None]
    broken = "".join(error(f"{run.name} cannot be read: {run.error}") for run in found if run.manifest is None)
    if not readable:
        words = f"No runs in {workspace.runs}. Make one with: candlecast run"
        return page("Runs", f'<p class="absent">{safe(words)}</p>{broken}', of="")
    listing = Listing("", "Runs", COLUMNS, readable, query, chooser=_chooser, tail=_links, tail_heading="Report")
    content = (
        f'{listing.form()}<form action="differences">{listing.table()}'
        '<p class="actions"><button id="compare">Compare the two chosen runs</button>'
        '<span class="hint">Choose two with the boxes on the left.</span></p></form>'
        f"{broken}"
    )
    return page("Runs", content, of="", lead=str(workspace.runs))


def _chooser(run: Run) -> str:
    return f'<input type="checkbox" name="run" value="{safe(run.name)}" aria-label="Compare {safe(run.name)}">'


def _links(run: Run) -> str:
    return f'<a href="{safe(address("report", run=run.name))}">open</a>'


def model_of(run: Run) -> str:
    """The name of its model."""
    return str((run.manifest or {})["model"])


def market_of(run: Run) -> str:
    """The symbol of its candles."""
    return str((run.manifest or {})["candles"]["symbol"])


def interval_of(run: Run) -> str:
    """The interval of its candles."""
    return str((run.manifest or {})["candles"]["interval"])


def target_of(run: Run) -> str:
    """What it forecasts."""
    name, horizon = run.recipe("target", "name") or run.recipe("target", "type"), run.recipe("target", "horizon")
    if not isinstance(name, str):
        return CELL
    return label_words(f"{name}_{horizon if isinstance(horizon, int) else 1}")


def _trials(run: Run) -> float | None:
    counted = (run.manifest or {}).get("trial_count")
    held = counted.get("trials") if isinstance(counted, dict) else None
    return float(held) if isinstance(held, int) else None


COLUMNS: tuple[Column[Run], ...] = (
    Column("run", "Run", lambda run: run.name.lower(), lambda run: run.name, lambda run: address("run", name=run.name)),
    Column("forecast", "Forecast?", lambda run: run.answers[0], lambda run: run.answers[0], is_choice=True),
    Column("pays", "Pays?", lambda run: run.answers[1], lambda run: run.answers[1], is_choice=True),
    Column("market", "Market", market_of, market_of, is_choice=True),
    Column("interval", "Interval", interval_of, interval_of, is_choice=True),
    Column("model", "Model", model_of, model_of, is_choice=True),
    Column("target", "Target", target_of, target_of, is_choice=True),
    Column("r2", "R2", lambda run: run.score("r2"), lambda run: percent(run.score("r2"), 2)),
    Column(
        "return",
        "Annual return",
        lambda run: run.statistic("annual return"),
        lambda run: annual_return(run.statistic("annual return"), is_annual=run.is_annual),
    ),
    Column(
        "sharpe", "Sharpe", lambda run: run.statistic("Sharpe ratio"), lambda run: number(run.statistic("Sharpe ratio"))
    ),
    Column(
        "drawdown",
        "Max drawdown",
        lambda run: run.statistic("maximum drawdown"),
        lambda run: percent(run.statistic("maximum drawdown")),
    ),
    Column("trials", "Trials", _trials, lambda run: number(_trials(run), 0)),
    Column(
        "written",
        "Written, UTC",
        lambda run: run.written_at and run.written_at.timestamp(),
        lambda run: f"{run.written_at:%Y-%m-%d %H:%M}" if run.written_at else CELL,
    ),
)
