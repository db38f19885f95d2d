"""Summaries of many sets: the same numbers as one backtest each, in memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest, sweep
from candlecast.errors import ConfigError
from candlecast.signals import Positions
from candlecast.sources import synthetic

CANDLES = synthetic.garch(400, seed=2, interval="1h").candles


def arrays(sets: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(rng.choice([-1.0, 0.0, 0.5, 1.0], (sets, len(CANDLES) // 8)), 8, axis=1)


def as_positions(values: np.ndarray) -> Positions:
    frame = {"time": CANDLES.frame["close_time"], "symbol": CANDLES.symbol, "position": values}
    return Positions(pl.DataFrame(frame))


def test_each_row_is_the_summary_of_its_own_backtest():
    costs = [Costs(fee_bps=fee, slippage_bps=1, borrow_percent=5) for fee in (0, 5, 50)]
    table = sweep(CANDLES, arrays(3), costs=costs)
    for number, values in enumerate(arrays(3)):
        result = backtest(CANDLES, as_positions(values), costs=costs[number])
        expected = dict(result.summary().select("statistic", "value").iter_rows())
        row = table.row(number, named=True)
        assert row["final_equity"] == result.equity["equity"][-1]
        assert row["fills"] == result.fills.height
        names = {
            "total_return": "total return",
            "annual_return": "annual return",
            "annual_volatility": "annual volatility",
            "sharpe": "Sharpe ratio",
            "sortino": "Sortino ratio",
            "max_drawdown": "maximum drawdown",
            "exposure": "exposure",
            "turnover": "turnover",
        }
        for ours, theirs in names.items():
            assert row[ours] == pytest.approx(expected[theirs], rel=1e-9), ours


def test_positions_arrays_and_generators_are_the_same():
    one = sweep(CANDLES, arrays(4))
    assert sweep(CANDLES, [as_positions(values) for values in arrays(4)]).equals(one)
    assert sweep(CANDLES, iter(arrays(4))).equals(one)
    assert sweep(CANDLES, []).is_empty()


def test_memory_is_flat_in_the_number_of_sets():
    values = arrays(1)[0]

    def peak(sets: int) -> int:
        tracemalloc.start()
        sweep(CANDLES, (values for _ in range(sets)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    small, large = peak(512), peak(4_096)
    assert large - small < 3_584 * 2_000  # rows of sums and of the table, where a set has 3,200 bytes


def test_progress_is_told():
    events = []
    sweep(CANDLES, arrays(300), progress=events.append)
    assert [(event.stage, event.done, event.total) for event in events] == [("sweep", 256, 300), ("sweep", 300, 300)]


def test_ruin_is_said(market):
    candles = market([100, 100, 300], [100, 100, 300])
    row = sweep(candles, np.array([[-1.0, -1.0, -1.0]]), costs=Costs.free()).row(0, named=True)
    assert (row["is_ruined"], row["final_equity"], row["max_drawdown"]) == (True, 0.0, 1.0)


@pytest.mark.parametrize("bad", [np.full(400, 1.5), np.full(399, 0.5), np.full(400, np.inf)])
def test_positions_that_cannot_be(bad):
    with pytest.raises(
        ConfigError, match=r"positions are .*; expected fractions in \[-1, 1\] or NaN, one for each of 400"
    ):
        sweep(CANDLES, [bad])
