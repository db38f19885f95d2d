"""Tables of the report as HTML: accuracy, backtest, costs and data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.trial_count import unfinished_words
from candlecast.stats import annual_return
from candlecast.targets.units import unit_of
from candlecast.targets.words import described
from candlecast.text.cells import number, p_value, percent, significant
from candlecast.text.formatting import CELL, count, holds_words, moment

if TYPE_CHECKING:
    import polars as pl

    from candlecast.study.result import StudyResult

SCORES = {  # of volatility, and of forecasts with a width: the column, its heading, and what it means
    "qlike": (
        "QLIKE",
        "loss of the forecast as a variance, the constant that suits it best set aside (Patton 2011); smaller is better.",
    ),
    "log_score": (
        "Log score",
        "mean negative log density of the outcomes under the forecast distributions; smaller is better.",
    ),
    "crps": (
        "CRPS",
        "continuous ranked probability score of the forecast distributions, in the unit of the target; smaller is better.",
    ),
    "pinball": (
        "Pinball",
        "mean pinball loss of the forecast quantiles, in the unit of the target; smaller is better.",
    ),
    "coverage": (
        "Coverage",
        "share of outcomes inside the forecast intervals; equal to the nominal share when calibrated.",
    ),
}
BOUNDS = ("", "_low", "_high")
NUMBER = re.compile(r"-|-?[\d,]+(\.\d+)?")
MEASURES = {
    "RMSE, MAE": "root mean squared error and mean absolute error, in the unit of the target; smaller is better.",
    "R2": "out of sample: 1 - sum of squared errors / that of the naive forecast; below zero is worse than naive.",
    "Hit rate": "share of forecasts with the right sign of the change; forecasts of no change are not counted.",
    "IC": "information coefficient: correlation of forecast and actual change.",
    "p naive, drift, mean": "p-value of the Clark-West test. H0: the model adds no information to the naive forecast (no "
    "change), to drift (the mean change of the training part) or to the mean outcome of the training part. The verdict uses the "
    "largest.",
    "In brackets": "95 % CI, from a block bootstrap.",
}


def accuracy_table(result: StudyResult) -> str:
    """Every model's forecasts, the studied one emphasised."""
    error = unit_of(result.primary_target).error
    rows, chosen = [], None
    scores = _scores(result)
    for index, row in enumerate(result.accuracy.iter_rows(named=True)):
        if row["model"] == result.model:
            chosen = index
        rows.append(
            (
                row["model"],
                error(row["rmse"]),
                error(row["mae"]),
                _bracketed(percent, row["r2"], row["r2_low"], row["r2_high"], digits=2),
                _bracketed(percent, row["hit_rate"], row["hit_rate_low"], row["hit_rate_high"], digits=1),
                _bracketed(number, row["ic"], row["ic_low"], row["ic_high"], digits=3),
                *(
                    _bracketed(percent if name == "coverage" else significant, *(row[name + end] for end in BOUNDS))
                    for name in scores
                ),
                *(p_value(row.get(f"p_{other}")) for other in ("naive", "drift", "mean")),
            )
        )
    heads = (
        "Model",
        "RMSE",
        "MAE",
        "R2",
        "Hit rate",
        "IC",
        *(head for head, _ in scores.values()),
        "p naive",
        "p drift",
        "p mean",
    )
    known = count(result.accuracy["observations"][-1], "known outcome")
    caption = f"Forecasts of the {described(result.primary_target)}, {known}"
    return table(caption, heads, rows, emphasised=chosen)


def measure_notes(result: StudyResult) -> str:
    """A sentence on each column of the accuracy table."""
    measures = MEASURES | dict(_scores(result).values())
    own = f"the unit of the target ({unit_of(result.primary_target).name})"
    notes = (
        f"<dt>{escape(name)}</dt><dd>{escape(words.replace('the unit of the target', own))}</dd>"
        for name, words in measures.items()
    )
    return f'<dl class="notes">{"".join(notes)}</dl>'


def summary_table(result: StudyResult) -> str:
    """The backtest's statistics, and those of buy-and-hold."""
    return account_table(result.summary(), result.model)


def account_table(summary: pl.DataFrame, model: str, *, held: str = "Buy-and-hold") -> str:
    """The statistics of an account (`BacktestResult.summary`) beside those of its benchmark, `held`."""
    rows = []
    for row in summary.iter_rows(named=True):
        words = _statistic_words(row["unit"])
        bounds = CELL if row["low"] is None else f"{words(row['low'])} to {words(row['high'])}"
        name = row["statistic"][0].upper() + row["statistic"][1:]
        if not row["unit"].startswith(("fraction", "ratio", "count")):
            name += f" ({row['unit']})"
        elif row["unit"].endswith("not annualised"):
            name += " (not annualised)"
        rows.append((name, words(row["value"]), bounds, words(row["benchmark"])))
    heads = ("Statistic", model, "95 % CI", held)
    return table("Strategy after costs", heads, rows)


def costs_table(result: StudyResult, gross: BacktestResult) -> str:
    """Rates, what was paid, and returns with and without costs (`gross`)."""
    traded = result.backtest
    values = dict(result.summary().select("statistic", "value").iter_rows())
    annual, annual_gross = values["annual return"], annual_return(gross.returns, bars_per_year=gross.bars_per_year)
    took = CELL if annual is None else f"{number(100 * (annual_gross - annual), 1)} percentage points a year"
    carried = traded.equity["financing"][-1]
    financing = [("Funding, borrow and interest paid", number(carried, 2))] if traded.costs.has_carry else []
    rows = (
        ("Fee", f"{traded.costs.fee_bps:g} bp of each trade's value"),
        ("Slippage", f"{traded.costs.half_spread_bps + traded.costs.slippage_bps:g} bp of each trade's value"),
        ("Fees paid", number(traded.fills["fee"].to_numpy().sum(), 2)),
        ("Slippage paid", number(traded.fills["slippage"].to_numpy().sum(), 2)),
        *financing,
        ("Total cost / initial cash", percent(values["relative cost"])),
        ("Turnover", f"{number(values['turnover'], 1)} times equity a year"),
        ("Annual return without costs", percent(annual_gross)),
        ("Annual return after costs", percent(annual)),
        ("Difference", took),
    )
    return table("Costs", (), rows)


def data_table(result: StudyResult) -> str:
    """Candles, missing bars, dropped rows and trials."""
    candles = result.candles
    frame, counted = candles.frame, result.counted
    effective = f"effective number: {counted.forecasts:,.1f} as forecasts, {counted.trades:,.1f} as strategies"
    rows = (
        ("Symbol", candles.symbol),
        ("Interval", str(candles.interval)),
        ("Period", f"{moment(frame['open_time'][0])} to {moment(frame['close_time'][-1])} UTC"),
        ("Bars", f"{len(candles):,}"),
        ("Bars missing in gaps", f"{candles.check().missing:,}"),
        *((f"Rows dropped: {cause}", f"{bars:,}") for cause, bars in result.lost.items()),
        (
            "Trials counted",
            f"{counted.trials:,}{unfinished_words(counted.unfinished)}; {effective}",
        ),
    )
    return table("Data", (), rows)


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    emphasised: int | None = None,
    style: str = "",
) -> str:
    """An HTML table whose first column names its rows; columns of words stand to the left. Every cell is escaped.

    `style`: a class, such as words.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(*lines, strict=True)) if heads else []
    sides = [side_of(column) if place else "" for place, column in enumerate(columns)]
    sides += [""] * (len(heads) - len(sides))
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(heads, sides, strict=True))
    body = []
    for index, (name, *cells) in enumerate(lines):
        kind = ' class="chosen"' if index == emphasised else ""
        values = "".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip_longest(cells, sides[1:], fillvalue=""))
        body.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{values}</tr>')
    header = f"<thead><tr>{head}</tr></thead>" if heads else ""
    style = style or ("" if heads else "pairs")
    label = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="{style}"><caption>{label}</caption>'
        f"{header}<tbody>{''.join(body)}</tbody></table></div>"
    )


def side_of(column: Sequence[str]) -> str:
    """The class of a column: one of words stands to the left, one of numbers to the right in every style of table."""
    if holds_words(column):
        return ' class="text"'
    return ' class="number"' if all(map(NUMBER.fullmatch, column)) else ""


def _scores(result: StudyResult) -> dict[str, tuple[str, str]]:
    """Those of SCORES that any of the models has."""
    return {name: words for name, words in SCORES.items() if name in result.accuracy.columns}


def _bracketed(
    words: Callable[..., str], value: float | None, low: float | None, high: float | None, **digits: int
) -> str:
    """A value with its interval in brackets; the unit stands at the value alone."""
    if value is None:
        return CELL
    bounds = ", ".join(words(bound, **digits).removesuffix(" %") for bound in (low, high))
    return f"{words(value, **digits)} [{bounds}]"


def _statistic_words(unit: str) -> Callable[[float | None], str]:
    if unit.startswith("fraction") or unit == "mean |position|":
        return percent
    digits = {"count": 0, "bars": 1}.get(unit, 2)
    return lambda value: number(value, digits)
