"""One bar of resting orders as plain Python, worked on paper."""

from __future__ import annotations

import math

import pytest

from candlecast.backtesting import (
    Bar,
    CarryEvents,
    Conditions,
    Terms,
    bracket,
    limit,
    market,
    start,
    step,
    stop,
    trailing,
)

FREE, DEAR = Terms(), Terms(taker=0.01, maker=0.001, slippage=0.02)


def after(bars, orders, *, terms=FREE, pessimism=1.0, events=None):
    """The state after bars of (open, high, low, close), with orders given before the first or by bar, and all fills."""
    state, fills = start(10_000.0), []
    given = orders if isinstance(orders, dict) else {0: orders}
    for row, prices in enumerate(bars):
        conditions = Conditions(terms, pessimism=pessimism)
        bar = Bar(*prices, 1.0, events if row else None)
        state, info = step(state, bar, given.get(row, []), conditions=conditions)
        fills += [(fill.units, round(fill.price, 9), round(fill.fee, 9)) for fill in info.fills]
    return state, fills, info


def test_a_limit_is_filled_at_its_price_by_the_makers_terms():
    _, fills, _ = after([(100.0, 101.0, 90.0, 92.0)], [limit(10.0, 95.0)], terms=DEAR)
    assert fills == [(10.0, 95.0, 0.95)]


def test_a_stop_behind_a_gap_is_filled_at_the_open():
    _, fills, _ = after([(100.0,) * 4, (90.0, 91.0, 88.0, 89.0)], {0: [market(10.0)], 1: [stop(-10.0, 95.0)]})
    assert fills == [(10.0, 100.0, 0.0), (-10.0, 90.0, 0.0)]


def test_a_stop_within_a_bar_is_filled_at_its_price_with_slippage_and_the_takers_fee():
    _, fills, _ = after(
        [(100.0,) * 4, (100.0, 101.0, 94.0, 96.0)], {0: [market(10.0)], 1: [stop(-10.0, 95.0)]}, terms=DEAR
    )
    assert fills[1] == (-10.0, pytest.approx(95.0 * 0.98), pytest.approx(9.31))


BRACKET = bracket(market(10.0), stop=95.0, take_profit=110.0)


def test_one_exit_cancels_the_other():
    state, fills, _ = after([(100.0, 112.0, 99.0, 111.0)], BRACKET)
    assert fills == [(10.0, 100.0, 0.0), (-10.0, 110.0, 0.0)]
    assert state.orders == ()
    assert state.account.cash == 10_100.0


def test_one_entry_of_a_group_cancels_the_other():
    orders = [limit(1.0, 95.0)._replace(group=1.0), stop(1.0, 120.0)._replace(group=1.0), limit(1.0, 50.0)]
    state, fills, _ = after([(100.0, 101.0, 94.0, 96.0)], orders)
    assert fills == [(1.0, 95.0, 0.0)]
    assert [order.limit for order in state.orders] == [50.0]


@pytest.mark.parametrize(("pessimism", "price"), [(1.0, 95.0), (-1.0, 110.0)])
def test_a_bar_that_meets_both_exits_is_the_worse_one(pessimism, price):
    _, fills, info = after([(100.0, 112.0, 94.0, 105.0)], BRACKET, pessimism=pessimism)
    assert fills == [(10.0, 100.0, 0.0), (-10.0, price, 0.0)]
    assert info.is_ambiguous


def test_exits_are_cut_to_what_is_left():
    state, *_ = after([(100.0,) * 4, (100.0,) * 4], {0: BRACKET, 1: [market(-6.0)]})
    assert [order.units for order in state.orders] == [-4.0, -4.0]


def test_a_trailing_stop_never_moves_back():
    """10 % below the highest price: 108 behind the high of 120, still there when the price falls to 110."""
    bars = [(100.0,) * 4, (100.0, 120.0, 115.0, 118.0), (118.0, 118.0, 110.0, 111.0)]
    state, fills, _ = after(bars, {0: [market(10.0), trailing(-10.0, 0.1)]})
    assert state.orders[0].stop == pytest.approx(108.0)
    _, fills, _ = after([*bars, (111.0, 111.0, 100.0, 101.0)], {0: [market(10.0), trailing(-10.0, 0.1)]})
    assert fills[-1][:2] == (-10.0, pytest.approx(108.0))


def test_an_order_lives_for_as_many_bars_as_it_says():
    for bars in (1, 2, 3):
        state, *_ = after([(100.0,) * 4] * bars, [limit(1.0, 50.0, bars=2)])
        assert len(state.orders) == (bars < 2)


def test_orders_follow_a_split():
    events = CarryEvents(2.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    state, *_ = after([(100.0,) * 4, (50.0,) * 4], [limit(10.0, 80.0), stop(8.0, 130.0)], events=events)
    first, second = state.orders
    assert (first.units, first.limit, second.units, second.stop) == (20.0, 40.0, 16.0, 65.0)
    assert math.isnan(first.stop) and math.isnan(second.limit)


def test_prices_on_the_grid_are_never_worse_than_asked():
    state, *_ = after(
        [(100.0,) * 4],
        [limit(1.0, 95.07), limit(-1.0, 105.03), stop(1.0, 110.03), stop(-1.0, 90.07)],
        terms=Terms(tick=0.1),
    )
    assert [order.limit for order in state.orders[:2]] == pytest.approx([95.0, 105.1])
    assert [order.stop for order in state.orders[2:]] == pytest.approx([110.1, 90.0])
