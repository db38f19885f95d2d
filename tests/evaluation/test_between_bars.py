"""Gains that nobody could have made: between adjoining bars, and at a price limit."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles.fills import is_locked
from candlecast.evaluation.between_bars import between_bars

RNG = np.random.default_rng(5)
HOURS = 4_000


def hourly(log_opens: np.ndarray, log_closes: np.ndarray) -> cc.Candles:
    """Hours of a market that never closes, with ranges around their opens and closes."""
    reach = 0.002 * RNG.random((2, len(log_opens)))
    frame = pl.DataFrame(
        {
            "time": np.datetime64("2022-01-01", "us") + np.arange(len(log_opens)) * np.timedelta64(1, "h"),
            "open": np.exp(log_opens),
            "high": np.exp(np.maximum(log_opens, log_closes) + reach[0]),
            "low": np.exp(np.minimum(log_opens, log_closes) - reach[1]),
            "close": np.exp(log_closes),
            "volume": RNG.uniform(1e6, 2e6, len(log_opens)),
        }
    )
    return cc.Candles.from_frame(frame, symbol="X", interval="1h", zone="UTC")


def spliced(basis: float) -> cc.Candles:
    """A random walk; by night, the prices of a venue that is always dearer."""
    closes = np.cumsum(0.004 * RNG.standard_normal(HOURS)) + 5.0
    opens = np.concatenate([[5.0], closes[:-1]])
    clock = np.arange(HOURS) % 24
    dearer = np.where((clock < 8) | (clock >= 20), basis, 0.0)
    return hourly(opens + dearer, closes + dearer)


def long_into_the_night(candles: cc.Candles) -> cc.Positions:
    """Long from the open of 19:00 to that of 21:00, short from that of 7:00 to that of 9:00."""
    clock = np.arange(len(candles)) % 24
    return cc.Positions.from_array(
        candles, np.select([(clock == 18) | (clock == 19), (clock == 6) | (clock == 7)], [1.0, -1.0])
    )


def test_the_gain_of_two_venues_in_one_table_is_made_where_no_time_passes():
    candles = spliced(0.004)
    found = between_bars(candles, cc.backtest(candles, long_into_the_night(candles), costs=cc.Costs.free()))
    assert found.step_share > 0.7 and found.step_p < 0.005 and found.closed_share == 0.0


def test_a_gain_within_the_bars_is_not_made_between_them():
    candles = cc.synthetic.ar1(4_000, phi=0.3, seed=2).candles
    follow = np.sign(np.diff(np.log(candles.close), prepend=np.log(candles.open[0])))
    found = between_bars(candles, cc.backtest(candles, follow, costs=cc.Costs.free()))
    assert found.step_share < 0.1 and found.step_p > 0.005


def test_steps_of_a_market_with_rare_trades_are_moves_of_the_price():
    closes = np.cumsum(0.004 * RNG.standard_normal(HOURS)) + 5.0
    opens = closes - 0.002 * RNG.standard_normal(
        HOURS
    )  # the first trade comes late in the bar: most of the move is before it
    candles = hourly(opens, closes)
    ahead = np.sign(np.append(np.diff(closes), 0.0))
    assert between_bars(candles, cc.backtest(candles, ahead, costs=cc.Costs.free())).step_p == 1.0


def test_gains_over_night_are_made_while_the_market_is_closed():
    candles = cc.sample("nasdaq")[-500:]
    found = between_bars(candles, cc.backtest(candles, np.ones(500), costs=cc.Costs.free()))
    close, opened = candles.close, candles.open
    nights = float((opened[2:] / close[1:-1] - 1).sum())
    whole = nights + float((close[1:] / opened[1:] - 1).sum())
    assert found.closed_share == pytest.approx(nights / whole, abs=0.05) and found.step_share == 0.0


def limited(days: int, *, tick: float = 0.0) -> cc.Candles:
    """A share whose price may move 10 % a day: after larger news it trades at the limit, or a tick off it, day after day."""
    value = np.cumsum(
        0.02 * RNG.standard_normal(days) + np.where(RNG.random(days) < 0.02, RNG.choice([-0.35, 0.35], days), 0.0)
    )
    prices, price = np.empty((days, 2)), 0.0
    for day in range(days):
        prices[day] = np.clip([value[day] - 0.01 * RNG.standard_normal(), value[day]], price - 0.1, price + 0.1)
        price = prices[day, 1]
    opened, close = np.exp(5.0 + prices.T)
    locked = opened == close
    frame = pl.DataFrame(
        {
            "time": np.datetime64("2010-01-01", "us") + np.arange(days) * np.timedelta64(1, "D"),
            "open": opened,
            "high": np.maximum(opened, close) * np.where(locked, 1.0 + tick, 1.004),
            "low": np.minimum(opened, close) * np.where(locked, 1.0 - tick, 0.996),
            "close": close,
            "volume": RNG.uniform(1e6, 2e6, days),
        }
    )
    return cc.Candles.from_frame(frame, symbol="LIMITED", interval="1d")


@cc.feature(warmup=1)
def at_limit(candles: cc.Candles) -> np.ndarray:
    moves = np.diff(np.log(candles.close), prepend=np.nan)
    return np.where(np.abs(moves) > 0.094, np.sign(moves), 0.0)


@pytest.mark.parametrize("tick", [0.0, 1e-4])
def test_no_edge_is_claimed_that_needs_fills_at_a_price_limit(tick):
    candles = limited(3_000, tick=tick)
    assert 20 < is_locked(candles).sum() < 400
    study = cc.Study(
        model=cc.LinearRegression(),
        features=cc.Features(at_limit),
        rule=cc.Threshold(enter=0.01, exit=0.0),
        costs=cc.Costs(fee_bps=1, slippage_bps=1),
        baselines=(),
    )
    verdict = study.run(candles, ledger=cc.Ledger.in_memory()).verdict
    assert verdict.is_forecastable and not verdict.pays
    assert verdict.evidence.conditions.stresses.locked_share > 0.2
    assert "price limit" in verdict.headline or "does not pay" in verdict.headline


def test_a_bar_of_one_price_near_the_close_before_is_not_locked():
    candles = cc.synthetic.random_walk(300, seed=3).candles
    one = candles.frame["close"][100]
    columns = {
        name: pl.when(pl.arange(0, 300) == 101).then(one).otherwise(pl.col(name))
        for name in ("open", "high", "low", "close")
    }
    flat = cc.Candles.from_frame(candles.frame.with_columns(**columns), symbol="FLAT", interval="1d")
    assert not is_locked(flat).any()
