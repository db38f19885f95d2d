"""The statistics of an account made by hand, and the blocks that their intervals are resampled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast import stats
from candlecast.backtesting import BacktestResult, Costs


def result(returns, *, fills=None, trades=None, benchmark=None, cost=0.0, position=None) -> BacktestResult:
    """An account of 1,000 with these returns, on a market whose year has 100 bars."""
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(len(returns) + 1)]

    def table(returns, cost=0.0, position=None):
        level = 1_000 * np.concatenate([[1.0], np.cumprod(1 + np.asarray(returns))])
        held = np.ones(len(level)) if position is None else np.array(position)
        return pl.DataFrame(
            {"time": times, "equity": level, "position": held, "cost": np.linspace(0, cost, len(level))}
        )

    nothing = pl.DataFrame(schema={"time": pl.Datetime("us", "UTC"), "notional": pl.Float64, "is_forced": pl.Boolean})
    none = pl.DataFrame(schema={"pnl": pl.Float64, "bars": pl.Int64})
    return BacktestResult(
        symbol="A", equity=table(returns, cost, position), fills=nothing if fills is None else fills,
        trades=none if trades is None else trades, benchmark=table(0 * returns if benchmark is None else benchmark),
        benchmark_fills=nothing, benchmark_trades=none, costs=Costs(), cash=2_000.0, bars_per_year=100.0, pending=None,
        shortfall=0.0, bounds=None, ambiguous=0,
    )  # fmt: skip


def values(given, column="value"):
    return dict(given.summary().select("statistic", column).iter_rows())


def test_trading_statistics():
    """Four bars, 4 / 100 of a year; equity of 1,000, 1,100, 990, 990, 1,188."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    fills = pl.DataFrame(
        {
            "time": [start + timedelta(days=1), start + timedelta(days=2)],
            "notional": [500.0, 700.0],
            "is_forced": [False] * 2,
        }
    )
    trades = pl.DataFrame({"pnl": [30.0, -10.0, 15.0, 0.0], "bars": [1, 2, 4, 5]})
    made = result(
        np.array([0.1, -0.1, 0.0, 0.2]), fills=fills, trades=trades, cost=50.0, position=[0.0, 1.0, -1.0, -0.5, 0.5]
    )
    found = values(made)
    mean = np.mean([1_000, 1_100, 990, 990, 1_188])
    assert {name: found[name] for name in list(found)[7:]} == pytest.approx(
        {
            "exposure": 0.6,
            "turnover": 1_200 / mean / 0.04,
            "trades": 4,
            "win rate": 0.5,
            "profit factor": 4.5,
            "mean holding": 3.0,
            "total cost": 50.0,
            "relative cost": 0.025,
        }
    )
    assert found["total return"] == pytest.approx(0.188)
    assert found["annual return"] == pytest.approx(0.188)  # less than a year
    assert found["maximum drawdown"] == pytest.approx(0.1)


def test_intervals_are_resampled_in_blocks_as_long_as_squares_need():
    generator = np.random.default_rng(2)
    returns = np.repeat(generator.choice([0.002, 0.03], 20), 40) * generator.standard_normal(800)
    block = stats.block_length(np.column_stack([returns, returns**2]))
    assert block > 2 * stats.block_length(returns)
    made = result(returns)
    paths = stats.bootstrap_moments(made.returns, block=block, seed=0)
    draws = np.array([path.figures(bars_per_year=100.0) for path in paths])
    for place, (low, high) in enumerate(made.summary().select("low", "high").head(7).iter_rows()):
        assert (low, high) == pytest.approx(stats.percentile_interval(draws[:, place]))


def test_buy_and_hold_ends_where_the_account_did():
    made = result(np.array([0.1, -1.0, 0.0, 0.0]), benchmark=np.array([0.1, 0.1, 0.5, 0.5]))
    assert values(made, "benchmark")["total return"] == pytest.approx(0.21)
    assert made.benchmark_returns_until_ruin == pytest.approx([0.1, 0.1])
    assert values(made)["total return"] == -1.0
