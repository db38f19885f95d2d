"""Tables of the report as HTML: accuracy, backtest, costs and data."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.report.words import UNKNOWN, count, moment, number, p_value, percent, target_words
from candlecast.stats import annual_return

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

LIBRARIES = ("candlecast", "numpy", "plotly", "polars", "torch")
SCORES = {  # of forecasts with a width: the column, its heading, and what it means
    "log_score": ("Log score", "how improbable the outcomes were under the forecast distributions; smaller is better."),
    "crps": (
        "CRPS",
        "distance of the forecast distributions from the outcomes, in the unit of the forecast; smaller is better.",
    ),
    "pinball": ("Pinball", "mean loss of the forecast quantiles, in the unit of the forecast; smaller is better."),
    "coverage": (
        "Coverage",
        "share of outcomes inside the forecast intervals; what they promise when the widths are right.",
    ),
}
BOUNDS = ("", "_low", "_high")
MEASURES = {
    "RMSE, MAE": "root mean squared and mean absolute error, in the unit of the forecast; smaller is better.",
    "R2": "share of the naive forecast's squared error that the model removes, out of sample; "
    "zero is no better than naive, below zero is worse.",
    "Hit rate": "share of forecasts that name the right direction of change; a forecast of no change names none.",
    "IC": "correlation of forecast and actual change, from -1 to 1.",
    "p naive, drift, mean": "p-values of Clark-West tests. H0: the model adds nothing to the naive forecast (no change), "
    "to drift (the mean change) or to the mean of the past. The verdict takes the largest.",
    "In brackets": "where the value lies with 95 % probability, from a bootstrap that keeps blocks of bars together.",
}


def accuracy_table(result: StudyResult) -> str:
    """Every model's forecasts, the studied one emphasised."""
    error = _error_words(result.lead.name)
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
                    _bracketed(percent if name == "coverage" else number, *(row[name + end] for end in BOUNDS))
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
    caption = f"Forecasts of {target_words(result.lead)}, {count(result.accuracy['observations'][-1], 'known outcome')}"
    return table(caption, heads, rows, emphasised=chosen)


def measure_notes(result: StudyResult) -> str:
    """A sentence on each column of the accuracy table."""
    measures = MEASURES | dict(_scores(result).values())
    notes = (f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in measures.items())
    return f'<dl class="notes">{"".join(notes)}</dl>'


def summary_table(result: StudyResult, summary: pl.DataFrame) -> str:
    """The backtest's statistics with buy-and-hold beside them."""
    rows = []
    for row in summary.iter_rows(named=True):
        words = _statistic_words(row["unit"])
        bounds = UNKNOWN if row["low"] is None else f"{words(row['low'])} to {words(row['high'])}"
        name = row["statistic"][0].upper() + row["statistic"][1:]
        if not row["unit"].startswith(("fraction", "ratio", "count")):
            name += f" ({row['unit']})"
        rows.append((name, words(row["value"]), bounds, words(row["benchmark"])))
    heads = ("Statistic", result.model, "95 % interval", "Buy-and-hold")
    return table("The strategy after costs", heads, rows)


def costs_table(summary: pl.DataFrame, traded: BacktestResult, gross: BacktestResult) -> str:
    """What trading costs, what was paid, and what that took from the same positions (`gross` is without costs)."""
    values = dict(summary.select("statistic", "value").iter_rows())
    annual, annual_gross = values["annual return"], annual_return(gross.returns, bars_per_year=gross.bars_per_year)
    took = UNKNOWN if annual is None else f"{number(100 * (annual_gross - annual), 1)} percentage points a year"
    carried = traded.equity["financing"][-1]
    financing = [("Funding, borrow and interest paid", number(carried, 2))] if traded.costs.has_carry else []
    rows = (
        ("Fee", f"{traded.costs.fee_bps:g} bp of each trade's value"),
        ("Slippage", f"{traded.costs.half_spread_bps + traded.costs.slippage_bps:g} bp against each trade"),
        ("Fees paid", number(traded.fills["fee"].to_numpy().sum(), 2)),
        ("Slippage paid", number(traded.fills["slippage"].to_numpy().sum(), 2)),
        *financing,
        ("All costs, of initial cash", percent(values["relative cost"])),
        ("Turnover", f"{number(values['turnover'], 1)} times equity a year"),
        ("Annual return without costs", percent(annual_gross)),
        ("Annual return after costs", percent(annual)),
        ("Costs took", took),
    )
    return table("Costs", (), rows)


def data_table(result: StudyResult) -> str:
    """Which candles, what was missing, and what was lost."""
    candles = result.candles
    frame, counted = candles.frame, result.counted
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    rows = (
        ("Symbol", candles.symbol),
        ("Interval", str(candles.interval)),
        ("Period", f"{moment(frame['open_time'][0])} to {moment(frame['close_time'][-1])} UTC"),
        ("Bars", f"{len(candles):,}"),
        *((("From", str(candles.origin)),) if candles.origin else ()),
        ("Bars missing in gaps", f"{candles.check().missing:,}"),
        *((f"Lost: {cause}", count(bars, "bar")) for cause, bars in result.lost.items()),
        ("Fingerprint", candles.fingerprint[:12]),
        ("Seeds", ", ".join(map(str, result.forecast.seeds))),
        (
            "Trials counted",
            f"{counted.trials:,}; effective: {counted.forecasts:,.1f} as forecasts, {counted.trades:,.1f} as strategies",
        ),
        ("Reported with", f"Python {platform.python_version()}, {versions}"),
    )
    return table("Data", (), rows)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, emphasised: int | None = None) -> str:
    """An HTML table whose first column names its rows; every cell is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = []
    for index, (name, *cells) in enumerate(rows):
        kind = ' class="chosen"' if index == emphasised else ""
        values = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        body.append(f'<tr{kind}><th scope="row">{escape(str(name))}</th>{values}</tr>')
    header = f"<thead><tr>{head}</tr></thead>" if heads else ""
    label = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><caption>{label}</caption>{header}<tbody>{''.join(body)}</tbody></table></div>"
    )


def _scores(result: StudyResult) -> dict[str, tuple[str, str]]:
    """Those of SCORES that any of the models has."""
    return {name: words for name, words in SCORES.items() if name in result.accuracy.columns}


def _bracketed(
    words: Callable[..., str], value: float | None, low: float | None, high: float | None, **digits: int
) -> str:
    """A value with its interval in brackets; the unit stands at the value alone."""
    if value is None:
        return UNKNOWN
    bounds = ",\u00a0".join(words(bound, **digits).removesuffix("\u00a0%") for bound in (low, high))
    return f"{words(value, **digits)} [{bounds}]"


def _error_words(target: str) -> Any:
    """How errors are written: those of returns in percent, all others in the target's own unit."""
    return (lambda value: percent(value, 3)) if target == "return" else number


def _statistic_words(unit: str) -> Any:
    if unit.startswith("fraction") or unit == "mean |position|":
        return percent
    return (lambda value: number(value, 0)) if unit == "count" else (lambda value: number(value, 2))
