"""Positions as users have them: arrays, series, tables, sums of positions, equal weights."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

import candlecast as cc

CANDLES = cc.synthetic.random_walk(50, seed=1).candles
WAVE = np.sign(np.sin(np.arange(50) / 5))


def held(positions: cc.Positions) -> list[float]:
    return positions.frame["position"].to_list()


@pytest.mark.parametrize(
    "given",
    [
        WAVE,
        WAVE.tolist(),
        tuple(WAVE),
        pl.Series(WAVE),
        pd.Series(WAVE),
        CANDLES.frame.select(time="close_time").with_columns(position=WAVE),
        CANDLES.frame.select(time=pl.col("close_time").dt.replace_time_zone(None)).with_columns(position=WAVE),
        CANDLES.frame.select(time="close_time").with_columns(position=WAVE).to_pandas(),
    ],
)
def test_a_backtest_takes_positions_in_any_form(given):
    expected = cc.backtest(CANDLES, cc.Positions.from_array(CANDLES, WAVE))
    assert cc.backtest(CANDLES, given).equity.equals(expected.equity)
    assert cc.break_even(CANDLES, given).curve.equals(cc.break_even(CANDLES, WAVE).curve)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(5), r"of shape \(5,\); expected one number for each of the 50 bars"),
        (np.ones((50, 2)), r"of shape \(50, 2\)"),
        (np.full(50, 3.0), r"is 3.0; expected a number in \[-1, 1\]"),
        (np.array(["long"] * 50), "of type ndarray; expected one number for each"),
        (["long"] * 50, "what was decided is of type list"),
        (CANDLES.frame, "positions lack the column time"),
        (None, "what was decided is of type NoneType"),
    ],
)
def test_anything_else_is_refused(given, message):
    with pytest.raises(cc.ConfigError, match=message):
        cc.backtest(CANDLES, given)


def test_nothing_is_decided_where_an_array_is_nan():
    values = np.where(np.arange(50) % 10 == 0, WAVE, math.nan)
    sparse = cc.Positions.from_array(CANDLES, values, leverage=2.0, band=0.1)
    assert (len(sparse), sparse.leverage, sparse.band) == (5, 2.0, 0.1)
    assert held(sparse) == WAVE[::10].tolist()


def test_positions_are_scaled_and_added_at_the_times_of_both():
    early, late = (cc.Positions.from_array(CANDLES, np.where(mask, 1.0, math.nan)) for mask in (ROWS < 2, ROWS == 3))
    assert held(0.25 * early) == held(early * 0.25) == held(early / 4) == [0.25, 0.25]
    assert held(-early) == [-1.0, -1.0]
    assert held(0.5 * early + 0.5 * late) == [0.5, 0.5, 1.0]  # the last position holds, and zero before the first
    assert held(0.5 * early - 0.5 * late) == [0.5, 0.5, 0.0]
    joined = cc.Positions(early.frame, leverage=3.0, band=0.5) + cc.Positions(late.frame, band=0.2)
    assert (joined.leverage, joined.band, held(joined)) == (3.0, 0.2, [1.0, 1.0, 2.0])


ROWS = np.arange(50)


def test_positions_that_do_not_belong_together_are_not_added():
    ones = cc.Positions.from_array(CANDLES, np.ones(50))
    with pytest.raises(cc.ConfigError, match=r"is 2.0; expected a number in \[-1, 1\]"):
        ones + ones
    with pytest.raises(cc.ConfigError, match="in units and in fractions"):
        ones + cc.Positions(ones.frame, in_units=True)
    with pytest.raises(cc.ConfigError, match="of RANDOM_WALK and of other are joined"):
        ones + cc.Positions(ones.frame.with_columns(symbol=pl.lit("other")))
    for wrong in (lambda: ones * "2", lambda: ones / 0, lambda: ones + 1.0):
        with pytest.raises(cc.ConfigError, match="positions are (multiplied|divided|joined)"):
            wrong()


def test_a_position_without_a_time_is_refused():
    frame = cc.Positions.from_array(CANDLES, np.ones(50)).frame
    timeless = frame.with_columns(time=pl.when(pl.int_range(50) == 0).then(None).otherwise(pl.col("time")))
    with pytest.raises(
        cc.ConfigError, match="1 time of the positions is missing; expected the close of a bar for each"
    ):
        cc.Positions(timeless)


def test_equal_weights_hold_the_benchmark_of_a_portfolio():
    assets = [cc.sample("sp500")[-300:], cc.sample("nasdaq")[-300:]]
    result = cc.backtest_portfolio(assets, cc.equal_weights(assets))
    assert held(cc.equal_weights(assets)[0]) == [0.5]
    np.testing.assert_allclose(result.equity["equity"][-1], result.benchmark["equity"][-1], rtol=1e-3)
    rebalanced = cc.backtest_portfolio(assets, cc.equal_weights(assets, band=0.001))
    assert rebalanced.fills.height > result.fills.height == 2
    arrays = cc.backtest_portfolio(assets, [np.full(300, 0.5), np.full(300, 0.5)])
    assert arrays.equity.equals(result.equity)
    with pytest.raises(cc.ConfigError, match="expected a list of candles"):
        cc.equal_weights(assets[0])
