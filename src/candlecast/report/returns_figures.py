"""Returns by month and year, drawdowns, and the distribution of returns."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.report import svg
from candlecast.report.figures import Figure
from candlecast.report.tables import table
from candlecast.stats import drawdowns, monthly_returns, yearly_returns
from candlecast.text.cells import number, percent
from candlecast.text.formatting import CELL, LONGEST_YEAR, close_moment, count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STRONGEST = 0.10  # a month's return with the full colour
DEEPEST = 10  # drawdowns listed
BINS = 41
OUTER = 0.01  # share of the returns at each end that the outermost bars hold


def monthly_frame(traded: BacktestResult) -> pl.DataFrame:
    """Returns by year and month: `year`, Jan to Dec, `Year`, and `Buy-and-hold` of the year; null outside the record."""
    times = traded.equity["time"].dt.replace_time_zone(None).to_numpy()
    years, months = monthly_returns(times, traded.equity["equity"].to_numpy())
    _, held = monthly_returns(times, traded.benchmark["equity"].to_numpy())
    columns = {name: months[:, row] for row, name in enumerate(MONTHS)}
    sums = {"Year": yearly_returns(months), "Buy-and-hold": yearly_returns(held)}
    return pl.DataFrame({"year": years} | columns | sums).with_columns(pl.exclude("year").fill_nan(None))


def monthly_table(traded: BacktestResult) -> str:
    """Returns by month and year as an HTML table whose cells are shaded: blue for gains, orange for losses."""
    frame = monthly_frame(traded)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Year", *MONTHS, "Total", "Hold"))
    body = []
    for year, *values in frame.iter_rows():
        cells = "".join(_shaded(value) for value in values)
        body.append(f'<tr><th scope="row">{year}</th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Returns by month and year">'
        '<table class="heat"><caption>%, after costs; the last column is buy-and-hold</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _shaded(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    strength = min(abs(value) / STRONGEST, 1.0)
    kind = "gain" if value > 0 else "loss"
    return f'<td class="{kind}" style="--share:{strength:.2f}">{escape(number(100 * value, 1))}</td>'


def drawdown_frame(traded: BacktestResult) -> pl.DataFrame:
    """The deepest drawdowns: `depth` (a fraction), `peak`, `trough`, `recovered` (null if not yet), `days` and `bars`."""
    times = traded.equity["time"]
    rows = []
    for fall in drawdowns(traded.equity["equity"].to_numpy(), most=DEEPEST):
        end = times[fall.recovered] if fall.recovered is not None else None
        days = ((end or times[-1]) - times[fall.peak]).total_seconds() / 86_400
        bars = (fall.recovered or len(times) - 1) - fall.peak
        rows.append((fall.depth, times[fall.peak], times[fall.trough], end, days, bars))
    time = pl.Datetime("us", "UTC")
    schema = {
        "depth": pl.Float64,
        "peak": time,
        "trough": time,
        "recovered": time,
        "days": pl.Float64,
        "bars": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def drawdown_table(traded: BacktestResult) -> str:
    """The deepest drawdowns with dates and lengths."""
    digits = 0 if traded.bars_per_year < LONGEST_YEAR + 1 else 1
    rows = [
        (
            percent(depth),
            close_moment(peak, traded.bars_per_year),
            close_moment(trough, traded.bars_per_year),
            "not yet" if recovered is None else close_moment(recovered, traded.bars_per_year),
            number(days, digits),
            f"{bars:,}",
        )
        for depth, peak, trough, recovered, days, bars in drawdown_frame(traded).iter_rows()
    ]
    heads = ("Depth", "Peak", "Trough", "Recovered", "Days", "Bars")
    return table("After costs, from peak to recovery", heads, rows or [("none", *[CELL] * 5)])


def distribution(result: StudyResult) -> Figure:
    """Histogram of the returns by bar, beside a normal distribution of the same mean and deviation."""
    returns = 100 * result.backtest.returns_until_ruin
    moved = returns[returns != 0]
    title = "Distribution of returns"
    if len(moved) < BINS:
        return Figure("distribution", title, f"{count(len(moved), 'bar')} with a return: too few for a histogram.")
    low, high = np.quantile(moved, [OUTER, 1 - OUTER])
    edges = np.linspace(low, high, BINS + 1)
    counted, _ = np.histogram(np.clip(moved, low, high), edges)
    middle = (edges[:-1] + edges[1:]) / 2
    mean, deviation = float(moved.mean()), float(moved.std(ddof=1))
    width = edges[1] - edges[0]
    normal = len(moved) * width * np.exp(-0.5 * ((middle - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    axes = svg.Axes(x=(float(low), float(high)), y=(0.0, float(max(counted.max(), normal.max())) * 1.05))
    labels = [
        f"{left:.2f} to {right:.2f} %: {bars:,} bars"
        for left, right, bars in zip(edges[:-1], edges[1:], counted, strict=True)
    ]
    drawing = svg.drawing(
        axes,
        title,
        svg.frame(axes, x_title="return by bar, %", y_title="bars"),
        svg.bars(axes, edges, counted.astype(float), "blue", labels),
        svg.line(axes, middle, normal, "orange dashed"),
        svg.mark(axes, 0.0, "grey"),
    )
    skewness = float(np.mean((moved - mean) ** 3) / deviation**3)
    kurtosis = float(np.mean((moved - mean) ** 4) / deviation**4)
    worst, best = (number(value, 2) for value in (moved.min(), moved.max()))
    words = (
        f"Returns of the {count(len(moved), 'bar')} with a position; the outermost bars hold all that is beyond them. "
        f"Mean {number(mean, 3)} %, standard deviation {number(deviation, 2)} %, skewness {number(skewness, 1)}, "
        f"kurtosis {number(kurtosis, 1)} (normal: 3). Worst bar {worst} %, best {best} %. 5 % of the bars lose more than "
        f"{number(-float(np.quantile(moved, 0.05)), 2)} %."
    )
    data = pl.DataFrame({"from_percent": edges[:-1], "to_percent": edges[1:], "bars": counted, "normal": normal})
    legend = (("blue bar", "returns"), ("orange dashed", "normal distribution of the same mean and deviation"))
    return Figure("distribution", title, words, drawing, legend=legend, data=data)
