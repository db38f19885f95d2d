"""A scan in words: the answer in a paragraph, and the cells with the smallest p-values."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from candlecast.evaluation.trial_count import TrialCount
from candlecast.study.comparison_words import bounded, first_of, found_words, judged_words
from candlecast.targets.words import label_words
from candlecast.text import formatting
from candlecast.text.cells import p_value

ROWS = 20  # of the table on the terminal


def paragraph(frame: pl.DataFrame, failures: pl.DataFrame, trial_count: TrialCount, *, level: float) -> str:
    """What came out; `frame` and `failures` as in `Scan`, false discoveries held to `level`."""
    if frame.is_empty():
        return f"No cell has a result: {formatting.count(failures.height, 'failure')}."
    found = found_words(frame, named)
    for column, one, many in (
        ("p_discovery", "carries information", "carry information"),
        ("p_pay_discovery", "pays", "pay"),
    ):
        tested = frame.filter(pl.col(column).is_not_null())
        if tested.is_empty():
            continue
        passed, in_any = (tested.filter(pl.col(name) < level) for name in (column, f"{column}_any"))
        found += f" At a false discovery rate of {formatting.percent(level, 0)}, {passed.height:,} of "
        found += f"{formatting.count(tested.height, 'cell')} {one if passed.height == 1 else many}"
        found += f" ({in_any.height:,} under any dependence)" if passed.height else ""
        found += f": {named(passed)}." if passed.height else "."
    found += f" {judged_words(formatting.count(frame.height, 'cell'), trial_count)}"
    if failures.height:
        found += f" Without a result: {formatting.count(failures.height, 'failure')}."
    return found


def results_table(frame: pl.DataFrame, rows: int = ROWS) -> str:
    """The cells with the smallest p-values, for each question; in brackets, the 95 % CI. Empty for no cells.

    p adj.: adjusted for all trials; FDR: adjusted for the false discovery rate.
    """
    if frame.is_empty():
        return ""
    shown = ranked(frame).head(rows)
    heading, names = _row_names(shown)
    forecasts, accounts = [], []
    for name, row in zip(names, shown.iter_rows(named=True), strict=True):
        adjusted = [p_value(row[each]) for each in ("p", "p_trials", "p_discovery")]
        forecasts.append([name, bounded(row, "r2", 100, 2), *adjusted])
        adjusted = [p_value(row[each]) for each in ("p_pay", "p_pay_discovery")]
        accounts.append([name, bounded(row, "sharpe_difference", 1, 2), *adjusted, verdict_word(row)])
    lines = formatting.table(forecasts, [heading, "R2 vs naive, %", "p", "p adj.", "FDR"])
    lines += "\n\n" + formatting.table(accounts, [heading, "Sharpe difference", "p", "FDR", "found"])
    return lines + (f"\n... and {frame.height - rows:,} more" if frame.height > rows else "")


def _row_names(frame: pl.DataFrame) -> tuple[str, list[str]]:
    """The heading of the first column, with what all cells have in common, and their names, with what they have not."""
    parts = ("model", "target", "symbol", "interval", "costs")
    common = [name for name in parts[1:] if frame[name].n_unique() == 1 and name != "symbol"]
    frame = frame.with_columns(pl.col("target").map_elements(label_words, return_dtype=pl.String))
    named = [" ".join(row) for row in frame.select(name for name in parts if name not in common).rows()]
    return " ".join(frame[name][0] for name in common) or "cell", named


def ranked(frame: pl.DataFrame) -> pl.DataFrame:
    """The cells of a scan, those with an edge first, then by p-value of the forecast, then in the order of the plan."""
    return (
        frame.with_row_index("place")
        .sort(
            "has_edge",
            "is_forecastable",
            "p",
            "p_pay",
            "place",
            descending=[True, True, False, False, False],
            nulls_last=True,
        )
        .drop("place")
    )


def verdict_word(row: dict[str, object]) -> str:
    """What was found in a cell, in a word."""
    return "EDGE" if row["has_edge"] else "forecast" if row["is_forecastable"] else "nothing"


def cell_words(row: Mapping[str, object]) -> str:
    """A cell by its name: model, target, symbol, interval and costs."""
    return f"{row['model']} {label_words(str(row['target']))} {row['symbol']} {row['interval']} {row['costs']}"


def named(rows: pl.DataFrame) -> str:
    """The first of the cells by name, and how many more there are."""
    return first_of(rows, cell_words)
