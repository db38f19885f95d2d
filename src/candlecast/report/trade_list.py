"""The list of trades: its columns for the page's script, and its table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.report.columns import Columns

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

FIELDS = (  # name, heading, how it is written
    ("opened", "Opened", "time"),
    ("side", "Side", "words"),
    ("closed", "Closed", "time"),
    ("bars", "Bars", "count"),
    ("entry", "Entry", "price"),
    ("exit", "Exit", "price"),
    ("pnl", "P&L", "money"),
    ("return", "Return", "percent"),
    ("cost", "Cost", "money"),
    ("mae", "Max adverse", "percent"),
    ("mfe", "Max favourable", "percent"),
    ("exit_reason", "Closed by", "words"),
)
SIDES = ("long", "short")
WRITTEN = {"target": "rule"}  # reasons whose name could be mistaken for something else


def add_trades(result: StudyResult, columns: Columns) -> dict[str, Any]:
    """Add the columns of trades and fills, and give what the script needs to write them in words."""
    trades, fills = result.backtest.trades.sort("opened"), _with_forecasts(result)
    reasons = sorted(set(trades["exit_reason"].drop_nulls()) | set(fills["reason"].drop_nulls()))
    words = {"side": list(SIDES), "exit_reason": [*reasons, "still open"]}
    values: dict[str, np.ndarray] = {
        "opened": _bars(result, trades["opened"]),
        "closed": _bars(result, trades["closed"].fill_null(result.candles.frame["open_time"][-1])),
        "side": (trades["side"] == SIDES[1]).cast(pl.Float64).to_numpy(),
        "exit_reason": _codes(trades["exit_reason"].fill_null("still open"), words["exit_reason"]),
        **{name: trades[name].cast(pl.Float64).to_numpy() for name in ("bars", "entry", "exit", "pnl", "cost")},
        **{name: 100 * trades[name].cast(pl.Float64).to_numpy() for name in ("return", "mae", "mfe")},
    }
    for name, _, _ in FIELDS:
        columns.add(f"trade_{name}", values[name])
    columns.add("fill_bar", _bars(result, fills["time"]))
    columns.add("fill_side", np.where((fills["side"] == "buy").to_numpy(), 1.0, -1.0))
    columns.add("fill_cost", (fills["fee"] + fills["slippage"]).to_numpy())
    columns.add("fill_target", 100 * fills["target"].cast(pl.Float64).to_numpy(), figures=5)
    columns.add("fill_reason", _codes(fills["reason"].fill_null("target"), [*reasons, "target"]))
    for name in ("units", "price"):
        columns.add(f"fill_{name}", fills[name].to_numpy())
    seeds = [str(seed) for seed in result.forecast.seeds]
    for name in ("mean", *(f"seed_{seed}" for seed in seeds)):
        columns.add(f"fill_{name}", 100 * fills[name].cast(pl.Float64).to_numpy(), figures=5)
    model = result.recipe.get("model")
    window = model.get("window", 1) if isinstance(model, dict) else 1
    return {
        "fields": [{"name": name, "title": title, "kind": kind} for name, title, kind in FIELDS],
        "words": words,
        "reasons": [*reasons, "target"],
        "written": WRITTEN,
        "seeds": seeds,
        "window": window if isinstance(window, int) else 1,
    }


def trade_section(trades: int) -> str:
    """Table, whose rows the script fills in, and the place of the trade that was chosen."""
    if not trades:
        return '<p class="absent">The rule never traded, so there is no list of trades.</p>'
    heads = "".join(
        f'<th scope="col" data-name="{name}"><button type="button" data-name="{name}">{escape(title)}</button></th>'
        for name, title, _ in FIELDS
    )
    return (
        '<div id="trade" class="panel" aria-live="polite" hidden></div>'
        '<div id="trades"><div class="head"><h3>Trades</h3><button type="button" class="csv" data-csv="trades" '
        'aria-label="Download the list of trades as CSV">CSV</button></div>'
        '<div class="scroll tall" tabindex="0" role="region" aria-label="Trades"><table class="sorted">'
        "<caption>Round trips from flat to flat, after fees and slippage. A click on a heading sorts; a click on a trade shows "
        f"it in the chart.</caption><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>"
        '<button type="button" class="more" hidden></button></div>'
    )


def _with_forecasts(result: StudyResult) -> pl.DataFrame:
    """Fills in order of time, with the expected return that was known when each was decided: the mean, and of each seed.

    Where several folds forecast a bar, that of a seed is their mean.
    """
    known = result.forecast.frame.select("time", "seed", "expected_return").sort("time")
    wide = known.pivot(on="seed", index="time", values="expected_return", aggregate_function="mean").sort("time")
    names = [name for name in wide.columns if name != "time"]
    wide = wide.rename({name: f"seed_{name}" for name in names}).with_columns(
        mean=pl.mean_horizontal([f"seed_{name}" for name in names])
    )
    return result.backtest.fills.sort("time").join_asof(wide, on="time", strategy="backward")


def _bars(result: StudyResult, times: pl.Series) -> np.ndarray:
    """The bars in which these moments are: a fill at an open is in the bar that opens then, a moment at a close too."""
    opens = result.candles.open_time
    moments = times.dt.replace_time_zone(None).to_numpy().astype(opens.dtype)
    return np.clip(np.searchsorted(opens, moments, side="right") - 1, 0, None).astype(float)


def _codes(values: pl.Series, words: list[str]) -> np.ndarray:
    places = {word: float(place) for place, word in enumerate(words)}
    return np.array([places[value] for value in values], dtype=float)
