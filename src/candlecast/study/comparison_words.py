"""A comparison in words: the answer in a paragraph, and two tables, one for each question of the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl

from candlecast.evaluation.trial_count import TrialCount
from candlecast.text import formatting
from candlecast.text.cells import number, p_value

SHOWN = 5  # results named in a sentence


def paragraph(frame: pl.DataFrame, trial_count: TrialCount, *, level: float) -> str:
    """What came out; `frame` as in `Comparison`, false discoveries held to `level`."""
    found = found_words(frame, named)
    tested = frame.filter(pl.col("p_discovery").is_not_null())
    discovered = tested.filter(pl.col("p_discovery") < level)
    if not tested.is_empty():
        found += f" Of {formatting.count(tested.height, 'forecast')} tested, "
        found += f"{discovered.height:,}" if discovered.height else "none"
        found += f" {'carry' if discovered.height > 1 else 'carries'} information"
        found += f" at a false discovery rate of {formatting.percent(level, 0)}"
        found += f": {named(discovered)}." if discovered.height else "."
    return f"{found} {judged_words(formatting.count(frame.height, 'result'), trial_count)}"


def found_words(frame: pl.DataFrame, named: Callable[[pl.DataFrame], str]) -> str:
    """Which rows have an edge or can be forecast (`has_edge`, `is_forecastable`); `named` gives the names of some rows."""
    edges, known = frame.filter("has_edge"), frame.filter("is_forecastable")
    if not edges.is_empty():
        return f"{'An edge was' if edges.height == 1 else 'Edges were'} found: {named(edges)}."
    if not known.is_empty():
        return f"No edge found. Information was found in {named(known)}, but trading it does not pay."
    return "No edge found, and nothing that can be forecast, after adjustment for all trials of the workspace."


def judged_words(counted: str, trial_count: TrialCount) -> str:
    """How much was judged (`counted`, in words), and among how many trials."""
    return (
        f"Judged: {counted}, among {formatting.count(trial_count.trials, 'trial')} counted in this workspace; effective number "
        f"of trials: {trial_count.forecasts:.1f} as forecasts, {trial_count.trades:.1f} as strategies."
    )


def first_of(rows: pl.DataFrame, name: Callable[[dict[str, Any]], str]) -> str:
    """The first rows by name, and how many more there are."""
    shown = [name(row) for row in rows.head(SHOWN).iter_rows(named=True)]
    return ", ".join(shown) + (f" and {rows.height - SHOWN:,} more" if rows.height > SHOWN else "")


def bounded(row: dict[str, float | None], name: str, scale: int, digits: int) -> str:
    """A value with its interval; `scale` is 100 for percent."""
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value is None:
        return formatting.CELL
    bounds = " to ".join(number(None if bound is None else scale * bound, digits) for bound in (low, high))
    return f"{number(scale * value, digits)} ({bounds})"


def named(rows: pl.DataFrame) -> str:
    """Results of a comparison by name."""
    return first_of(rows, lambda row: f"{row['model']} on {row['symbol']} {row['interval']}")


def forecast_table(frame: pl.DataFrame) -> str:
    """Can it be forecast? In brackets, the 95 % CI; FDR: the p-value adjusted for the false discovery rate."""
    heading, names = row_names(frame)
    rows = [
        [
            name,
            bounded(row, "r2", 100, 2),
            p_value(row["p"]),
            p_value(row["p_trials"]),
            p_value(row["p_discovery"]),
            "yes" if row["is_superior"] else "no",
        ]
        for name, row in zip(names, frame.iter_rows(named=True), strict=True)
    ]
    return formatting.table(rows, [heading, "R2 vs naive, %", "p", "p adj.", "FDR", "beats naive"])


def pay_table(frame: pl.DataFrame) -> str:
    """Does it pay after costs? In brackets, the 95 % CI; the difference from buy-and-hold, break-even costs in bp a side."""
    heading, names = row_names(frame)
    rows = [
        [
            name,
            bounded(row, "annual_return", 100, 1),
            bounded(row, "sharpe_difference", 1, 2),
            "> 1,000" if row["break_even_bps"] == math.inf else number(row["break_even_bps"], 1),
            "EDGE" if row["has_edge"] else "forecast" if row["is_forecastable"] else "nothing",
        ]
        for name, row in zip(names, frame.iter_rows(named=True), strict=True)
    ]
    return formatting.table(rows, [heading, "return/year, %", "Sharpe difference", "break-even", "found"])


def row_names(frame: pl.DataFrame) -> tuple[str, list[str]]:
    """The heading of the first column and its names: the models, with their candles where there are several."""
    candles = [f"{row['symbol']} {row['interval']}" for row in frame.iter_rows(named=True)]
    if len(set(candles)) == 1:
        return candles[0], frame["model"].to_list()
    return "candles, model", [f"{name} {model}" for name, model in zip(candles, frame["model"], strict=True)]
