"""Chart of the account: equity, drawdown, rolling Sharpe ratio and volatility, exposure and turnover over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.report.columns import Columns
from candlecast.report.figures import Figure
from candlecast.report.market_chart import bars_of
from candlecast.stats import drawdown_curve, rolling_sharpe, rolling_volatility
from candlecast.text.cells import number, percent
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

SHORTEST_WINDOW = 20  # returns of a rolling figure
DASHES = (1, 2, 3, 4)  # of the chart library
GREYS = ("grey", "soft")  # of the style sheet; with the dashes, eight lines that can be told apart


def account_figure(result: StudyResult, columns: Columns, gross: BacktestResult) -> Figure:
    """Equity of the account, buy-and-hold, the baselines and the account without costs (`gross`), and what it did."""
    traded = result.backtest
    offset = int(bars_of(result, traded.equity["time"])[0])

    def added(name: str, values: np.ndarray, figures: int = 7) -> str:
        columns.add(name, values, offset=offset + traded.equity.height - len(values), figures=figures)
        return name

    window = rolling_window(result)
    held = {"model": traded.equity, "hold": traded.benchmark}
    styles: dict[str, dict[str, Any]] = {
        "hold": {"kind": "line", "label": "buy-and-hold", "colour": "orange", "width": 2},
        "model": {"kind": "line", "label": result.model, "colour": "blue", "width": 2},
    }
    others = [(name, other) for name, other in result.backtests.items() if name != result.model]
    equity = [
        {
            "kind": "line",
            "label": name,
            "colour": GREYS[row // len(DASHES) % len(GREYS)],
            "width": 1,
            "dash": DASHES[row % len(DASHES)],
            "column": added(f"equity_{row}", _level(other)),
        }
        for row, (name, other) in enumerate(others)
    ]
    if gross.costs != traded.costs:
        free = {"kind": "line", "label": "without costs", "colour": "blue", "width": 1, "dash": 2}
        equity.append({**free, "column": added("equity_free", _level(gross))})
    equity += [{**styles[name], "column": added(f"equity_{name}", _level_of(held[name]))} for name in ("hold", "model")]
    returns = {"hold": traded.benchmark_returns, "model": traded.returns}
    falls, ratios, spreads = [], [], []
    for name in ("hold", "model"):
        style = {**styles[name], "width": 1 if name == "hold" else 2}
        fall = added(f"drawdown_{name}", -100 * drawdown_curve(_level_of(held[name])), 5)
        falls.append({**style, "label": "drawdown" if name == "model" else "", "column": fall, "percent": True})
        if window is None:
            continue
        ratio = rolling_sharpe(returns[name], window=window, bars_per_year=traded.bars_per_year)
        spread = rolling_volatility(returns[name], window=window, bars_per_year=traded.bars_per_year)
        ratios.append(
            {
                **style,
                "label": "rolling Sharpe" if name == "model" else "",
                "column": added(f"sharpe_{name}", ratio, 5),
                "digits": 1,
            }
        )
        spreads.append(
            {
                **style,
                "label": "rolling volatility" if name == "model" else "",
                "column": added(f"volatility_{name}", 100 * spread, 5),
                "percent": True,
            }
        )
    exposure = {
        "kind": "area",
        "column": added("exposure", 100 * traded.equity["position"].to_numpy(), 4),
        "label": "exposure",
        "percent": True,
        "digits": 0,
    }
    traded_share = {
        "kind": "line",
        "column": added("turnover", _turnover(traded, window or 1), 4),
        "label": "turnover, times equity a year",
        "colour": "blue",
        "width": 1,
        "digits": 0,
    }
    panes = [{"weight": 4, "series": equity}, {"weight": 2, "series": falls}]
    if ratios:
        ratios[0]["zero"] = 0
        panes += [{"weight": 2, "series": ratios}, {"weight": 2, "series": spreads}]
    panes += [{"weight": 1.5, "series": [exposure]}, {"weight": 1.5, "series": [traded_share]}]
    chart = {"group": "account", "height": 300 + 90 * len(panes), "panes": panes}
    return Figure("equity", "Account after costs", _equity_words(result, gross, window), chart=chart)


def account_view(result: StudyResult) -> tuple[int, int]:
    """The bars of the record."""
    bars = bars_of(result, result.backtest.equity["time"])
    return int(bars[0]), int(bars[-1]) + 1


def rolling_window(result: StudyResult) -> int | None:
    """Returns in a rolling figure: a year, a quarter of a shorter record; None for one that is too short."""
    returns = len(result.backtest.returns)
    window = min(round(result.backtest.bars_per_year), returns // 4)
    return window if window >= SHORTEST_WINDOW else None


def _level(backtest: BacktestResult) -> np.ndarray:
    return _level_of(backtest.equity)


def _level_of(table: pl.DataFrame) -> np.ndarray:
    return table["equity"].to_numpy()


def _turnover(traded: BacktestResult, window: int) -> np.ndarray:
    """Value traded in the last `window` bars over mean equity, a year; (bars,), NaN before the first window."""
    times, fills = traded.equity["time"], traded.fills
    rows = np.searchsorted(times.to_numpy(), fills["time"].to_numpy(), side="left").clip(0, len(times) - 1)
    value = np.bincount(rows, weights=fills["notional"].to_numpy(), minlength=len(times))
    level = np.maximum(_level_of(traded.equity), 1e-12)
    sums = np.concatenate([[0.0], np.cumsum(value / level)])
    rate = np.full(len(times), np.nan)
    rate[window - 1 :] = (sums[window:] - sums[:-window]) * traded.bars_per_year / window
    return np.maximum(rate, 0.0)


def _equity_words(result: StudyResult, gross: BacktestResult, window: int | None) -> str:
    traded = result.backtest
    final, held, free = (table["equity"][-1] for table in (traded.equity, traded.benchmark, gross.equity))
    falls = [percent(float(drawdown_curve(_level_of(table)).max())) for table in (traded.equity, traded.benchmark)]
    words = (
        f"Final equity from {number(result.cash, 0)}: {number(final, 0)} after costs, {number(free, 0)} without costs; "
        f"buy-and-hold {number(held, 0)}. Maximum drawdown {falls[0]}; buy-and-hold {falls[1]}. "
        "Grey lines are the baselines, traded by the same rule; a click on a name hides its line, and shows it again."
    )
    if window is not None:
        words += (
            f" Rolling figures are of the last {count(window, 'bar')}; blue is {result.model}, orange buy-and-hold."
        )
    return words
