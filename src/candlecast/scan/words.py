"""A scan in words: the answer in a paragraph, and the cells with the smallest p-values."""

from __future__ import annotations

import polars as pl

from candlecast.evaluation.trial_count import TrialCount
from candlecast.text import formatting
from candlecast.text.cells import number, p_value

SHOWN = 5  # cells named in a sentence
ROWS = 20  # of the table on the terminal


def paragraph(frame: pl.DataFrame, failures: pl.DataFrame, trial_count: TrialCount, *, level: float) -> str:
    """What came out; `frame` and `failures` as in `Scan`, false discoveries held to `level`."""
    if frame.is_empty():
        return f"No cell has a result: {formatting.count(failures.height, 'failure')}."
    edges, known = frame.filter("has_edge"), frame.filter("is_forecastable")
    if not edges.is_empty():
        found = f"{'An edge was' if edges.height == 1 else 'Edges were'} found: {named(edges)}."
    elif not known.is_empty():
        found = f"No edge found. Information was found in {named(known)}, but trading it does not pay."
    else:
        found = "No edge found, and nothing that can be forecast."
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
    found += (
        f" Judged: {formatting.count(frame.height, 'cell')}, among {formatting.count(trial_count.trials, 'trial')} counted "
        f"in this workspace; effective number of trials: {trial_count.forecasts:.1f} as forecasts, "
        f"{trial_count.trades:.1f} as strategies."
    )
    if failures.height:
        found += f" Without a result: {formatting.count(failures.height, 'failure')}."
    return found


def results_table(frame: pl.DataFrame, rows: int = ROWS) -> str:
    """The cells with the smallest p-values; in brackets, the 95 % CI. Empty for no cells."""
    if frame.is_empty():
        return ""
    headings = ["cell", "R2, %", "p", "all trials", "discovery", "Sharpe difference", "p pays", "discovery", "found"]
    shown = [
        [
            cell_words(row),
            _bounded(row, "r2", 100, 2),
            p_value(row["p"]),
            p_value(row["p_trials"]),
            p_value(row["p_discovery"]),
            _bounded(row, "sharpe_difference", 1, 2),
            p_value(row["p_pay"]),
            p_value(row["p_pay_discovery"]),
            found_words(row),
        ]
        for row in ranked(frame).head(rows).iter_rows(named=True)
    ]
    lines = formatting.table(shown, headings)
    return lines + (f"\n... and {frame.height - rows:,} more" if frame.height > rows else "")


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


def found_words(row: dict[str, object]) -> str:
    """What was found in a cell, in a word."""
    return "EDGE" if row["has_edge"] else "forecast" if row["is_forecastable"] else "nothing"


def cell_words(row: dict[str, object]) -> str:
    """A cell by its name."""
    return f"{row['model']} {row['target']} {row['symbol']} {row['interval']} {row['costs']}"


def named(rows: pl.DataFrame) -> str:
    """The first of the cells by name, and how many more there are."""
    shown = [cell_words(row) for row in rows.head(SHOWN).iter_rows(named=True)]
    return ", ".join(shown) + (f" and {rows.height - SHOWN:,} more" if rows.height > SHOWN else "")


def _bounded(row: dict[str, float | None], name: str, scale: int, digits: int) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value is None:
        return formatting.CELL
    bounds = " to ".join(number(None if bound is None else scale * bound, digits) for bound in (low, high))
    return f"{number(scale * value, digits)} ({bounds})"
