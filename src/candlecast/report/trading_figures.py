"""Figures of the trading: fills on candles, and equity with its drawdown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from plotly.subplots import make_subplots

from candlecast.backtesting import BacktestResult
from candlecast.report.figures import (
    BLUE,
    BUCKETS,
    CLEAR,
    DETAIL_BARS,
    GREY,
    GRID,
    ORANGE,
    PALE_BLUE,
    PALE_ORANGE,
    Figure,
    View,
    milliseconds,
    recent_views,
    show,
    styled,
    thinned,
)
from candlecast.text.cells import number, percent, significant
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

MARKERS = {"buy": ("triangle-up", BLUE), "sell": ("triangle-down", ORANGE)}
BASELINE_DASHES = ("dot", "dash", "dashdot", "longdash")


def signals(result: StudyResult) -> Figure:
    """Candles with every fill, and the position held."""
    traded = result.backtest
    if traded.fills.is_empty():
        return Figure("signals", "The rule never traded, so there are no fills to show.")
    first = traded.equity["time"].tail(DETAIL_BARS)[0]
    candles = result.candles.frame.filter(pl.col("close_time") >= first)
    fills = _with_reasons(result).filter(pl.col("time") >= candles["open_time"][0])
    held = traded.equity.filter(pl.col("time") >= first)
    plot = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.82, 0.18], vertical_spacing=0.03)
    times = milliseconds(candles["open_time"])
    prices = {name: candles[name].to_numpy() for name in ("open", "high", "low", "close")}
    plot.add_candlestick(
        x=times,
        **prices,
        name="candle",
        increasing={"line": {"color": GREY, "width": 1}, "fillcolor": CLEAR},
        decreasing={"line": {"color": GREY, "width": 1}, "fillcolor": GREY},
        row=1,
        col=1,
    )
    for side, (symbol, colour) in MARKERS.items():
        chosen = fills.filter(pl.col("side") == side)
        plot.add_scatter(
            x=milliseconds(chosen["time"]),
            y=chosen["price"].to_numpy(),
            mode="markers",
            name=side,
            marker={"symbol": symbol, "size": 10, "color": colour, "line": {"color": "white", "width": 0.8}},
            text=chosen["reason"].to_list(),
            hovertemplate="%{text}<extra></extra>",
            row=1,
            col=1,
        )
    position = held["position"].to_numpy()
    for name, values, colour, fill in (
        ("long", np.maximum(position, 0), BLUE, PALE_BLUE),
        ("short", np.minimum(position, 0), ORANGE, PALE_ORANGE),
    ):
        plot.add_scatter(
            x=milliseconds(held["time"]),
            y=100 * values,
            mode="lines",
            name=name,
            line={"color": colour, "width": 0.8, "shape": "vh"},
            fill="tozeroy",
            fillcolor=fill,
            hovertemplate=f"{name} %{{y:.0f}} %<extra></extra>",
            row=2,
            col=1,
        )
    styled(plot, height=520).update_layout(xaxis_rangeslider_visible=False, hovermode="closest")
    plot.update_xaxes(type="date")
    plot.update_yaxes(title="price", row=1).update_yaxes(title="position, %", nticks=4, row=2)
    views = recent_views(times, prices["low"], prices["high"], panels=2)
    show(plot, views)
    return Figure("signals", _signal_words(traded, held.height), plot, views)


def equity(result: StudyResult, gross: BacktestResult) -> Figure:
    """Equity of the account, buy-and-hold, the baselines and the account without costs (`gross`), and the drawdown."""
    traded = result.backtest
    model = escape(result.model)
    lines: list[tuple[str, pl.DataFrame, dict[str, Any]]] = [
        (escape(name), other.equity, {"color": GREY, "width": 1, "dash": dash})
        for (name, other), dash in zip(
            ((name, other) for name, other in result.backtests.items() if name != result.model),
            BASELINE_DASHES * len(result.backtests),
            strict=False,
        )
    ]
    if gross.costs != traded.costs:
        lines.append(("without costs", gross.equity, {"color": BLUE, "width": 1.2, "dash": "dot"}))
    lines.append(("buy-and-hold", traded.benchmark, {"color": ORANGE, "width": 1.8}))
    lines.append((model, traded.equity, {"color": BLUE, "width": 2.4}))
    plot = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.04)
    for name, table, line in lines:
        values = table["equity"].to_numpy()
        rows = thinned(values)
        x = milliseconds(table["time"])[rows]
        plot.add_scatter(x=x, y=values[rows], name=name, mode="lines", line=line, row=1, col=1)
    for name, table, line in lines[-2:]:
        values = -100 * _drawdown(table["equity"].to_numpy())
        rows = thinned(values)
        x = milliseconds(table["time"])[rows]
        plot.add_scatter(x=x, y=values[rows], name=name, mode="lines", line=line, showlegend=False, row=2, col=1)
    for boundary in milliseconds(result.folds["test_first"])[1:]:
        plot.add_vline(x=boundary, line={"color": GRID, "width": 1.5, "dash": "dash"})
    styled(plot, height=560).update_layout(hovermode="x unified")
    plot.update_xaxes(type="date")
    plot.update_yaxes(title="equity", tickformat="~s", row=1).update_yaxes(title="drawdown, %", row=2)
    views = (
        View("Linear scale", {"yaxis.type": "linear", "yaxis.dtick": None}),
        View("Logarithmic scale", {"yaxis.type": "log", "yaxis.dtick": "D2"}),  # ticks at 1, 2 and 5
    )
    return Figure("equity", _equity_words(result, gross), plot, views)


def _drawdown(level: np.ndarray) -> np.ndarray:
    """Fall from the running peak at each bar, as a fraction of it."""
    return 1 - level / np.maximum.accumulate(level)


def _with_reasons(result: StudyResult) -> pl.DataFrame:
    """Fills with the words of their hover label: what was done, what was forecast, what it cost."""
    known = result.forecast.averaged().frame.select("time", "expected_return").with_columns(decided="time")
    fills = result.backtest.fills.sort("time").join_asof(known.sort("time"), on="time", strategy="backward")
    reasons = []
    for fill in fills.iter_rows(named=True):
        wanted = f"to hold {percent(fill['target'], 0)} of equity"
        if fill["is_forced"]:
            wanted = "liquidated"
        elif fill["reason"] == "series ended":
            wanted = "closed because the series ended"
        elif fill["expected_return"] is not None:
            wanted += f", forecast {100 * fill['expected_return']:+.2f} %"
        reasons.append(
            f"<b>{fill['side']} {significant(fill['units'])} at {significant(fill['price'])}</b><br>{fill['time']:%Y-%m-%d %H:%M}"
            f"<br>{wanted}<br>cost {number(fill['fee'] + fill['slippage'], 2)}"
        )
    return fills.with_columns(reason=pl.Series(reasons, dtype=pl.String))


def _signal_words(traded: BacktestResult, drawn: int) -> str:
    position = traded.equity["position"].to_numpy()[1:]
    shares = [percent(float(np.mean(chosen)), 0) for chosen in (position > 0, position < 0, position == 0)]
    words = (
        f"{count(traded.fills.height, 'fill')} in {count(traded.equity.height, 'bar')}. "
        f"Long on {shares[0]} of the bars, short on {shares[1]}, flat on {shares[2]}. "
        "Triangles are executions, at the open after the decision. Hollow candles closed higher, filled candles lower."
    )
    if drawn < traded.equity.height:
        words += f" The figure shows the last {drawn:,} bars; the equity figure covers all."
    return words


def _equity_words(result: StudyResult, gross: BacktestResult) -> str:
    traded = result.backtest
    final, held, free = (table["equity"][-1] for table in (traded.equity, traded.benchmark, gross.equity))
    falls = [percent(float(_drawdown(table["equity"].to_numpy()).max())) for table in (traded.equity, traded.benchmark)]
    words = (
        f"Final equity from {number(result.cash, 0)}: {number(final, 0)} after costs, {number(free, 0)} without costs; "
        f"buy-and-hold {number(held, 0)}. Maximum drawdown {falls[0]}; buy-and-hold {falls[1]}. "
        "Grey lines are the baselines, traded by the same rule."
    )
    if result.folds.height > 1:
        words += " Dashed vertical lines mark the first bar of a fold."
    if traded.equity.height > 2 * BUCKETS:
        stretch = traded.equity.height // BUCKETS
        words += f" For each {count(stretch, 'bar')}, the figure shows the highest and the lowest value."
    return words
