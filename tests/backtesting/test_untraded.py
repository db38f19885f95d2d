"""No trade, no fill: in bars of volume zero, where earlier bars had some, orders and targets wait, on every path."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from account_paths import BARS, assert_same, walk_orders, walk_stepping, walk_targets, wild_prices
from candlecast.backtesting import (
    Actions,
    Conditions,
    Costs,
    Orders,
    backtest,
    backtest_portfolio,
    limit,
    market as at_market,
    stop,
    sweep,
    target,
    traded_volume,
    trailing,
)
from candlecast.backtesting.engine import compiled
from candlecast.backtesting.untraded import waiting, waiting_from
from candlecast.candles import Candles
from candlecast.signals import Positions
from candlecast.sources import synthetic

START = datetime(2024, 1, 1, tzinfo=UTC)
FREE = Costs.free()
seeds = st.integers(0, 10_000)
examples = settings(max_examples=25, deadline=None)


def market(prices, volume, symbol="asset") -> Candles:
    """Days from (open, high, low, close)."""
    times = [START + timedelta(days=day) for day in range(len(prices))]
    frame = pl.DataFrame(prices, schema=["open", "high", "low", "close"], orient="row").cast(pl.Float64)
    frame = frame.with_columns(open_time=pl.Series(times), volume=pl.Series(volume, dtype=pl.Float64))
    return Candles.from_frame(frame, symbol=symbol)


def flat(*levels) -> list[tuple[float, ...]]:
    return [(level,) * 4 for level in levels]


def decide(candles: Candles, by_bar: dict[int, float], **terms) -> Positions:
    times = candles.frame["close_time"][list(by_bar)]
    frame = pl.DataFrame({"time": times, "symbol": candles.symbol, "position": [float(x) for x in by_bar.values()]})
    return Positions(frame, **terms)


def fills(result) -> list[tuple]:
    times = result.fills["time"].dt.replace_time_zone(None).to_numpy()
    days = (times - np.datetime64("2024-01-01")) / np.timedelta64(1, "D")
    signed = np.where(result.fills["side"] == "buy", 1.0, -1.0) * result.fills["units"].to_numpy()
    return list(zip(days.tolist(), signed.tolist(), result.fills["price"].to_list(), strict=True))


def test_a_target_waits_for_the_next_bar_with_volume():
    candles = market(flat(10, 20, 30, 40, 50), [1, 0, 0, 1, 1])
    result = backtest(candles, decide(candles, {0: 1.0}), costs=FREE, cash=120.0)
    assert fills(result) == [(3.0, 3.0, 40.0)]
    assert result.equity["equity"].to_list() == [120.0, 120.0, 120.0, 120.0, 150.0]
    assert result.benchmark["equity"].to_list() == result.equity["equity"].to_list()
    assert result.pending is None


def test_a_later_target_takes_the_place_of_one_that_waits():
    candles = market(flat(10, 20, 30, 40, 50), [1, 0, 0, 1, 1])
    result = backtest(candles, decide(candles, {0: 1.0, 1: -1.0, 2: 0.5}), costs=FREE, cash=120.0)
    assert fills(result) == [(3.0, 1.5, 40.0)]
    undone = backtest(candles, decide(candles, {0: 1.0, 2: 0.0}), costs=FREE, cash=120.0)
    assert fills(undone) == []


def test_what_waits_behind_the_last_bar_is_pending():
    candles = market(flat(10, 20, 30, 40, 50), [1, 1, 1, 0, 0])
    assert backtest(candles, decide(candles, {0: 0.5, 2: 1.0}), costs=FREE).pending == 1.0
    assert backtest(candles, decide(candles, {0: 0.5, 3: 0.5}), costs=FREE).pending is None
    assert backtest(candles, decide(candles, {0: 0.5, 4: 0.0}), costs=FREE).pending == 0.0
    assert backtest(candles, decide(candles, {3: 0.5}), costs=FREE).pending == 0.5


def test_what_is_held_is_marked_and_pays_what_is_due():
    candles = market(flat(10, 10, 20, 20, 10), [1, 1, 0, 0, 1])
    events = pl.DataFrame({"time": [START + timedelta(days=2), START + timedelta(days=3)]})
    actions = Actions(events.with_columns(dividend=pl.Series([1.0, 0.0]), split=pl.Series([1.0, 2.0])))
    result = backtest(candles, decide(candles, {0: 1.0, 1: 0.0}), costs=FREE, cash=100.0, actions=actions)
    assert fills(result) == [(1.0, 10.0, 10.0), (4.0, -20.0, 10.0)]
    assert result.equity["equity"].to_list() == [100.0, 100.0, 210.0, 410.0, 210.0]
    assert result.equity["dividends"].to_list() == [0.0, 0.0, 10.0, 10.0, 10.0]


def test_an_account_is_liquidated_where_somebody_trades():
    """A short of 10 units at 10 could not pay at 25, but nobody trades there; at 15 it can. Its record ended at 25."""
    prices = [(10, 10, 10, 10), (10, 10, 10, 10), (25, 30, 25, 25), (15, 16, 15, 15)]
    short = {0: -1.0}
    traded = market(prices, [1, 1, 1, 1])
    assert backtest(traded, decide(traded, short), costs=FREE, cash=100.0).ruined_at is not None
    quiet = market(prices, [1, 1, 0, 1])
    result = backtest(quiet, decide(quiet, short), costs=FREE, cash=100.0)
    assert result.ruined_at == result.equity["time"][2]
    assert result.equity["equity"].to_list() == [100.0, 100.0, -50.0, 50.0]
    assert not result.fills["is_forced"].any()
    portfolio = backtest_portfolio([quiet], [decide(quiet, short)], costs=FREE, cash=100.0)
    assert portfolio.equity["equity"].to_list() == result.equity["equity"].to_list()


def test_a_market_that_reports_no_volume_fills_as_ever():
    prices = flat(10, 20, 30, 40, 50)
    positions = {0: 1.0, 2: 0.0}
    without, with_volume = market(prices, [0] * 5), market(prices, [9] * 5)
    results = [backtest(each, decide(each, positions), costs=FREE) for each in (without, with_volume)]
    assert results[0].equity.equals(results[1].equity)
    assert results[0].fills.height == 2
    until_volume = market(prices, [0, 0, 0, 9, 0])
    assert fills(backtest(until_volume, decide(until_volume, {0: 1.0, 1: 0.0, 3: 1.0}), costs=FREE, cash=20.0)) == [
        (1.0, 1.0, 20.0),
        (2.0, -1.0, 30.0),
    ]


def test_orders_wait_and_their_lives_go_on():
    prices = [(10, 10, 10, 10), (10, 20, 5, 10), (10, 20, 5, 10), (10, 20, 5, 10), (10, 10, 10, 10)]
    candles = market(prices, [1, 0, 0, 1, 1])
    closes = candles.frame["close_time"]

    def filled(order) -> list[tuple]:
        result = backtest(candles, Orders.of([(closes[0], order)]), costs=FREE, cash=1_000.0)
        assert result.ambiguous == 0
        return fills(result)

    assert filled(at_market(1.0)) == [(3.0, 1.0, 10.0)]
    assert filled(limit(1.0, 8.0)) == [(4.0, 1.0, 8.0)]  # within bar 3: at its close
    assert filled(limit(1.0, 8.0, bars=3)) == [(4.0, 1.0, 8.0)]
    assert filled(limit(1.0, 8.0, bars=2)) == []
    assert filled(stop(1.0, 15.0)) == [(4.0, 1.0, 15.0)]


def test_a_trailing_stop_does_not_follow_prices_that_nobody_traded_at():
    prices = [(10, 10, 10, 10), (10, 10, 10, 10), (20, 20, 20, 20), (10, 10, 10, 10), (9, 9, 9, 9)]
    orders = [at_market(1.0), trailing(-1.0, 0.2, reduces=True)]

    def result(volume):
        candles = market(prices, volume)
        decided = Orders.of([(candles.frame["close_time"][0], order) for order in orders])
        return backtest(candles, decided, costs=FREE, cash=100.0)

    assert fills(result([1, 1, 1, 1, 1])) == [(1.0, 1.0, 10.0), (3.0, -1.0, 10.0)]
    assert fills(result([1, 1, 0, 1, 1])) == [(1.0, 1.0, 10.0)]


def test_a_strategy_sees_that_its_orders_wait():
    candles = market(flat(10, 20, 30, 40, 50), [1, 0, 0, 1, 1])
    held = []

    def strategy(view):
        held.append(view.state.account.units)
        return [at_market(2.0)] if view.bar == 0 else []

    assert fills(backtest(candles, strategy, costs=FREE, cash=1_000.0)) == [(3.0, 2.0, 40.0)]
    assert held == [0.0, 0.0, 0.0, 2.0, 2.0]


def test_assets_of_a_portfolio_wait_each_for_its_own_bar():
    thin = market(flat(10, 10, 10, 10, 20), [1, 0, 0, 1, 1], "THIN")
    deep = market(flat(10, 10, 20, 20, 20), [1, 1, 1, 1, 1], "DEEP")
    both = [decide(each, {0: 0.5}) for each in (thin, deep)]
    result = backtest_portfolio([thin, deep], both, costs=FREE, cash=100.0)
    by_symbol = {row["symbol"]: (row["time"].day, row["units"]) for row in result.fills.to_dicts()}
    assert by_symbol == {"THIN": (4, 7.5), "DEEP": (2, 5.0)}
    assert result.equity["equity"].to_list() == [100.0, 100.0, 150.0, 150.0, 225.0]
    assert result.benchmark["equity"].to_list() == result.equity["equity"].to_list()


def test_a_fraction_that_waits_counts_against_nobody_elses():
    """What was decided adds up to all of the equity at every moment, though the fills do not line up."""
    thin = market(flat(10, 10, 10, 10, 20), [1, 1, 0, 0, 1], "THIN")
    deep = market(flat(10, 10, 20, 20, 20), [1, 1, 1, 1, 1], "DEEP")
    both = [decide(thin, {0: 1.0, 1: 0.0}), decide(deep, {0: 0.0, 1: 1.0})]
    result = backtest_portfolio([thin, deep], both, costs=FREE, cash=100.0)
    assert result.fills.select("symbol", pl.col("time").dt.day()).rows() == [("THIN", 2), ("DEEP", 3), ("THIN", 5)]


def prices(seed: int) -> compiled.BarArrays:
    """A third of the bars without trades."""
    return wild_prices(seed, [np.nan, 5.0, 500.0])


def orders(seed: int) -> list[list]:
    rng = np.random.default_rng(seed)
    by_bar = []
    for price in prices(seed)[3]:
        units, near = float(rng.choice([-1, 1]) * rng.uniform(1, 30)), price * (1 + rng.uniform(-0.1, 0.1))
        life = float(rng.choice([2, 5, np.inf]))
        choices = [
            [],
            [at_market(units)],
            [limit(units, near, bars=life)],
            [stop(units, near, bars=life)],
            [trailing(units, 0.05, bars=life)],
            [target(float(rng.choice([-1, 0, 0.5, 1])))],
        ]
        by_bar.append(choices[int(rng.integers(len(choices)))])
    return by_bar


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@examples
@given(seed=seeds, impact=st.sampled_from([0, 200]), maintenance=st.sampled_from([0, 5]))
def test_orders_compiled_interpreted_and_stepped(seed, impact, maintenance):
    by_bar, bars = orders(seed), prices(seed)
    conditions = Conditions(Costs(fee_bps=20, impact_bps=impact, maintenance_percent=maintenance).terms())
    stepped = walk_stepping(by_bar, bars, conditions)
    for run in (compiled.run_orders, compiled.run_orders.py_func):
        assert_same(walk_orders(run, by_bar, bars, conditions), stepped)
    assert not np.isnan(bars.volume[stepped[1][:, 0].astype(int)]).any()


@examples
@given(seed=seeds, impact=st.sampled_from([0, 200]))
def test_targets_that_wait_are_orders_that_wait(seed, impact):
    rng = np.random.default_rng(seed)
    targets, bars = rng.choice([-1.0, 0.0, 0.3, 1.0, np.nan], BARS), prices(seed)
    conditions = Conditions(Costs(fee_bps=20, impact_bps=impact).terms())
    by_bar = [[] if np.isnan(value) else [target(float(value))] for value in targets]
    stepped, moved = walk_stepping(by_bar, bars, conditions), waiting_from(targets, bars.volume)
    for run in (compiled.run_targets, compiled.run_targets.py_func):
        held, made, _ = walk_targets(run, moved, bars, conditions)
        np.testing.assert_array_equal(held, stepped[0])
        np.testing.assert_array_equal(made[:, 3:], stepped[1][:, 3:])


@examples
@given(seed=seeds, has_carry=st.booleans())
def test_a_portfolio_of_one_and_a_sweep_are_the_backtest(seed, has_carry):
    rng = np.random.default_rng(seed)
    candles = synthetic.random_walk(60, seed=seed, volatility=0.02).candles
    volume = np.where(rng.random(60) < 0.4, 0.0, 100.0)
    candles = replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volume)))
    values = rng.choice([-0.5, 0.0, 0.5, 1.0, np.nan], 60)
    values[0] = 0.5
    kept = np.flatnonzero(~np.isnan(values))
    positions = decide(candles, dict(zip(kept.tolist(), values[kept].tolist(), strict=True)))
    costs = Costs(fee_bps=20, funding_bps=3 if has_carry else 0, borrow_percent=5 if has_carry else 0, impact_bps=30)
    result = backtest(candles, positions, costs=costs)
    portfolio = backtest_portfolio([candles], [positions], costs=costs)
    np.testing.assert_array_equal(portfolio.equity["equity"], result.equity["equity"])
    for each in (positions, values):
        row = sweep(candles, [each], costs=costs)
        assert row["final_equity"][0] == result.equity["equity"][-1]
        assert row["fills"][0] == result.fills.height
    rows = np.searchsorted(candles.open_time, result.fills["time"].dt.replace_time_zone(None).to_numpy())
    assert not np.isnan(traded_volume(candles)[rows]).any()


@examples
@given(seed=seeds)
def test_waiting_is_the_plain_loop(seed):
    rng = np.random.default_rng(seed)
    targets = rng.choice([np.nan, np.nan, 0.0, 1.0, -1.0], 30)
    closed = rng.random(30) < rng.random()
    expected, held = [], np.nan
    for value, is_closed in zip(targets, closed, strict=True):
        held = held if np.isnan(value) else value
        expected.append(np.nan if is_closed else held)
        held = held if is_closed else np.nan
    np.testing.assert_array_equal(waiting(targets, closed), expected)


def test_later_volume_changes_no_earlier_fill():
    candles = synthetic.random_walk(60, seed=1).candles
    rng = np.random.default_rng(0)
    volume = np.where(rng.random(60) < 0.5, 0.0, 100.0)
    volume[:10] = 0.0
    values = rng.choice([0.0, 0.5, 1.0], 60)
    for cut in range(5, 60, 5):
        other = volume.copy()
        other[cut + 1 :] = rng.choice([0.0, 5.0], 59 - cut)
        levels = []
        for each in (volume, other):
            changed = replace(candles, frame=candles.frame.with_columns(volume=pl.Series(each)))
            result = backtest(changed, decide(changed, dict(enumerate(values.tolist()))))
            levels.append(result.equity["equity"].to_numpy()[: cut + 1])
        np.testing.assert_array_equal(*levels)
