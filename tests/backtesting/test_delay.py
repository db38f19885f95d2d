"""The same positions filled later: shifted by bars, or filled at the close of their bar."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest, delayed, filled_at_close, filled_at_worse
from candlecast.errors import CandleError, ConfigError
from candlecast.signals import Positions
from candlecast.sources import synthetic

FREE = Costs.free()


def test_positions_move_by_bars_and_the_last_ones_are_dropped(market, decide):
    candles = market([10, 10, 11, 12], [10, 11, 12, 13])
    positions = decide(candles, {0: 1.0, 2: 0.5, 3: 0.0})
    later = delayed(candles, positions)
    closes = candles.frame["close_time"]
    assert later.frame["time"].to_list() == [closes[1], closes[3]]
    assert later.frame["position"].to_list() == [1.0, 0.5]
    assert delayed(candles, positions, bars=0).frame.equals(positions.frame)
    assert len(delayed(candles, positions, bars=4)) == 0
    assert backtest(candles, positions, costs=FREE, cash=100.0).equity["equity"].to_list() == [100, 110, 120, 125]
    assert backtest(candles, later, costs=FREE, cash=100.0).equity["equity"].to_list() == pytest.approx(
        [100, 100 * 12 / 11, 100 * 13 / 11]
    )


def test_terms_of_the_positions_stay(market):
    candles = market([10, 10, 11, 12], [10, 11, 12, 13])
    frame = candles.frame[:1].select(time="close_time", symbol=pl.lit("asset"), position=pl.lit(2.0))
    given = Positions(frame, leverage=2.0, band=0.1)
    later = delayed(candles, given)
    assert (later.leverage, later.in_units, later.band) == (2.0, False, 0.1)


def test_filled_at_the_close_of_the_next_bar(market, decide):
    candles = market([10, 10, 11, 12], [10, 11, 12, 13])
    result = backtest(filled_at_close(candles), decide(candles, {0: 1.0}), costs=FREE, cash=110.0)
    assert result.fills["price"].to_list() == [11.0]
    assert result.equity["equity"].to_list() == [110.0, 110.0, 120.0, 130.0]


def test_filled_at_the_worse_of_open_and_close(market, decide):
    candles = market([10, 10, 11, 12, 11], [10, 11, 12, 11, 11])
    positions = decide(candles, {0: 1.0, 2: 0.0})
    own = backtest(candles, positions, costs=FREE, cash=110.0)
    assert own.fills["price"].to_list() == [10.0, 12.0]
    worse = backtest(filled_at_worse(candles, own.fills), positions, costs=FREE, cash=110.0)
    assert worse.fills["price"].to_list() == [11.0, 11.0]  # bought at the close of its bar, sold at the close
    assert worse.equity["equity"].to_list() == [110.0, 110.0, 120.0, 110.0, 110.0]


def test_bounce_is_gone_a_bar_later():
    """Positions against the last move on bid and ask earn at the open, and nothing at the close after it."""
    generator = np.random.default_rng(0)
    candles = synthetic.random_walk(4_000, seed=0).candles
    close = 100 * np.exp(np.cumsum(0.005 * generator.standard_normal(4_000)))
    close *= 1 + 0.005 * generator.choice([-1, 1], 4_000)
    opened = np.append(close[0], close[:-1])
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    bounced = candles.frame.with_columns(pl.Series(name, values) for name, values in columns.items())
    bounced = type(candles)(bounced, "W", candles.interval)
    against = -np.sign(np.diff(close, prepend=close[0]))
    frame = bounced.frame.select(time="close_time", symbol=pl.lit("W"), position=pl.Series(against))
    positions = Positions(frame)

    def earned(table, decided) -> float:
        return float(np.log(backtest(table, decided, costs=FREE).equity["equity"][-1] / 10_000.0))

    assert earned(bounced, positions) > 5.0
    assert abs(earned(bounced, delayed(bounced, positions))) < 1.0
    assert abs(earned(filled_at_close(bounced), positions)) < 1.0


def test_what_cannot_be_delayed_is_refused(market, decide):
    candles = market([10, 10, 11, 12], [10, 11, 12, 13])
    positions = decide(candles, {0: 1.0})
    for bars in (-1, 1.0, True):
        with pytest.raises(ConfigError, match=r"bars is .*; expected a whole number of 0 or more"):
            delayed(candles, positions, bars=bars)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="positions is of type DataFrame; expected Positions"):
        delayed(candles, positions.frame)  # type: ignore[arg-type]
    with pytest.raises(CandleError, match="positions are of 'other'"):
        delayed(candles, decide(candles, {0: 1.0}, symbol="other"))
