"""Exits that belong to their own entry, and orders that are taken back. A bar is (open, high, low, close)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from candlecast.backtesting import (
    Account,
    Bar,
    CarryEvents,
    Conditions,
    Costs,
    Filters,
    Orders,
    Terms,
    backtest,
    bracket,
    cancel,
    limit,
    market,
    start,
    step,
    stop,
    target,
    trailing,
)
from candlecast.backtesting.engine.matching import drop_orphans
from candlecast.backtesting.orders import ID, KIND, PARENT
from candlecast.errors import ConfigError

FLAT = (100, 100, 100, 100)
DAY = datetime(2024, 1, 2, tzinfo=UTC)


def walk(plan, bars, terms=None, state=None, events=None):
    """Executions as (bar, units, price), and the state at the end; `plan` has the orders that arrive at each bar."""
    state, executed = start(10_000.0) if state is None else state, []
    for number, prices in enumerate(bars):
        state, info = step(
            state,
            Bar(*map(float, prices), 1.0, (events or {}).get(number)),
            plan.get(number, []),
            conditions=Conditions(Terms() if terms is None else terms),
        )
        executed += [(number, fill.units, fill.price) for fill in info.fills]
    return executed, state


def test_two_brackets_sell_each_its_own_units():
    both = bracket(market(1), stop=90, take_profit=110, group=1) + bracket(market(2), stop=95, take_profit=120, group=2)
    executed, state = walk({0: both}, [FLAT, (100, 112, 100, 112), (112, 125, 112, 125), (125, 125, 80, 80)])
    assert executed == [(0, 1.0, 100.0), (0, 2.0, 100.0), (1, -1.0, 110.0), (2, -2.0, 120.0)]
    assert state.account[:2] == (10_050.0, 0.0)
    assert state.orders == ()


def test_two_brackets_are_stopped_each_at_its_own_price():
    both = bracket(market(1), stop=90, group=1) + bracket(market(2), stop=95, group=2)
    executed, state = walk({0: both}, [FLAT, (100, 100, 92, 93), (93, 93, 80, 85)])
    assert executed[2:] == [(1, -2.0, 95.0), (2, -1.0, 90.0)]
    assert state.account.units == 0.0


def test_exits_are_gone_once_the_position_has_been_flat():
    plan = {0: bracket(market(1), stop=90, take_profit=130), 2: [market(-1)], 4: [market(1)]}
    executed, state = walk(plan, [FLAT] * 5 + [(100, 140, 80, 120)])
    assert executed == [(0, 1.0, 100.0), (2, -1.0, 100.0), (4, 1.0, 100.0)]
    assert state.account.units == 1.0


def test_exits_are_gone_once_the_position_has_turned():
    plan = {0: bracket(market(1), stop=90, take_profit=130), 1: [market(-3)]}
    executed, state = walk(plan, [FLAT, FLAT, (100, 140, 80, 120)])
    assert executed == [(0, 1.0, 100.0), (1, -3.0, 100.0)]
    assert state.orders == ()


def test_what_is_closed_by_hand_is_no_longer_the_brackets():
    """3 bought, 2 sold by hand, 5 bought by hand: the stop sells the 1 that is left of its entry."""
    plan = {0: bracket(market(3), stop=90), 1: [market(-2)], 2: [market(5)]}
    executed, state = walk(plan, [FLAT, FLAT, FLAT, (100, 100, 85, 88)])
    assert executed[-1] == (3, -1.0, 90.0)
    assert state.account.units == 5.0


def test_a_position_of_the_users_own_is_not_the_brackets():
    plan = {0: [market(4)], 1: bracket(market(3), stop=90)}
    executed, state = walk(plan, [FLAT, FLAT, (100, 100, 85, 88)])
    assert executed[-1] == (2, -3.0, 90.0)
    assert state.account.units == 4.0


def test_a_liquidation_takes_the_exits_along():
    """Short 10 on 1,000 is ruined at 200, before its stop at 250; what is traded later has no stop."""
    plan = {0: bracket(market(-10), stop=250)}
    executed, state = walk(plan, [FLAT, (100, 230, 100, 100)], state=start(1_000.0))
    assert executed == [(0, -10.0, 100.0), (1, 10.0, 200.0)]
    assert state.orders == ()


def test_an_entry_that_only_closes_has_nothing_to_protect():
    executed, state = walk({0: [market(-3)], 1: bracket(market(1), stop=90)}, [FLAT, FLAT, (100, 100, 80, 85)])
    assert executed == [(0, -3.0, 100.0), (1, 1.0, 100.0)]
    assert state.orders == ()


def test_an_entry_cut_by_lots_or_by_what_is_held_is_exited_as_it_was_filled():
    executed, _ = walk({0: bracket(market(1.25), stop=90)}, [FLAT, (100, 100, 80, 85)], Terms(lot=0.5))
    assert executed == [(0, 1.0, 100.0), (1, -1.0, 90.0)]
    entry = [market(5, reduces=True, id=3), stop(-math.inf, 90, reduces=True)._replace(parent=3.0)]
    executed, state = walk({0: [market(-2)], 1: entry}, [FLAT, FLAT, (100, 100, 80, 85)])
    assert executed == [(0, -2.0, 100.0), (1, 2.0, 100.0)]
    assert state.orders == ()


def test_a_target_as_entry_is_exited_by_the_units_that_it_bought():
    plan = {0: [market(50)], 1: bracket(target(1.0), stop=90)}
    executed, _ = walk(plan, [FLAT, FLAT, (100, 100, 80, 85)])
    assert executed == [(0, 50.0, 100.0), (1, 50.0, 100.0), (2, -50.0, 90.0)]


def test_a_split_scales_what_the_exits_may_close():
    split = CarryEvents(4.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    plan = {0: [*bracket(market(3), stop=80), market(1)]}
    executed, state = walk(plan, [FLAT, (25, 25, 19, 20)], events={1: split})
    assert executed[-1] == (1, -12.0, 20.0)
    assert state.account.units == 4.0


def test_residue_does_not_keep_exits_alive():
    plan = {0: bracket(market(0.1), stop=90), 1: [market(0.2)], 2: [market(-0.3)], 3: [market(1)]}
    executed, state = walk(plan, [FLAT] * 4 + [(100, 100, 80, 85)])
    assert [bar for bar, *_ in executed] == [0, 1, 2, 3]
    assert state.account.units == 1.0


def test_two_profits_of_half_an_entry_each():
    """Finite exits stay as they are, up to what the entry has filled."""
    entry = market(2, id=1)
    exits = [limit(-1, price, reduces=True)._replace(parent=1.0) for price in (110, 120)]
    executed, state = walk({0: [entry, *exits]}, [FLAT, (100, 125, 100, 125)])
    assert executed[1:] == [(1, -1.0, 110.0), (1, -1.0, 120.0)]
    assert state.orders == ()


def test_reducing_orders_without_a_parent_close_whatever_is_held():
    plan = {0: [market(1), stop(-math.inf, 90, reduces=True)], 1: [market(-1)], 2: [market(2)]}
    assert walk(plan, [FLAT, FLAT, FLAT, (100, 100, 80, 85)])[0][-1] == (3, -2.0, 90.0)


# Cancelling.


def test_a_bracket_is_cancelled_before_and_after_its_entry():
    waiting, low = bracket(limit(1, 95), stop=90, take_profit=120), (100, 100, 80, 85)
    executed, state = walk({0: waiting, 1: [cancel(group=1)]}, [FLAT, low])
    assert (executed, state.orders) == ([], ())
    executed, state = walk({0: bracket(market(1), stop=90), 1: [cancel(group=1)]}, [FLAT, low])
    assert executed == [(0, 1.0, 100.0)]
    assert state.orders == ()


def test_one_order_is_cancelled_by_its_id():
    plan = {0: [limit(1, 95, id=7), limit(2, 94, id=8)], 1: [cancel(id=7)]}
    assert walk(plan, [FLAT, (100, 100, 80, 85)])[0] == [(1, 2.0, 94.0)]
    for make in (lambda: stop(-1, 90, id=7), lambda: trailing(-1, 0.01, id=7)):
        assert walk({0: [make()], 1: [cancel(id=7)]}, [FLAT, (100, 100, 80, 85)])[0] == []


def test_everything_is_cancelled_and_nothing_left_to_cancel_is_fine():
    plan = {
        0: [limit(1, 95), stop(-2, 96), *bracket(limit(1, 90), stop=80)],
        1: [cancel()],
        2: [cancel(), cancel(id=9)],
    }
    executed, state = walk(plan, [FLAT, FLAT, (100, 100, 70, 85)])
    assert (executed, state.orders) == ([], ())


def test_a_cancel_acts_on_what_was_given_before_it():
    old, new = bracket(market(1), stop=90), bracket(market(1), stop=95, take_profit=101)
    plan = {0: old, 1: [cancel(group=1), *new]}
    executed, state = walk(plan, [FLAT, FLAT, (100, 100, 92, 92), (92, 92, 80, 80)])
    assert executed == [(0, 1.0, 100.0), (1, 1.0, 100.0), (2, -1.0, 95.0)]
    assert state.account.units == 1.0
    assert walk({0: [limit(1, 95, id=2), cancel(id=2)]}, [(100, 100, 80, 85)])[0] == []


def test_what_waits_goes_with_its_parent_at_any_depth():
    """An entry, its exit, an entry that waits for the exit, and the exit of that."""
    chain = [
        limit(1, 95, bars=2, id=1),
        stop(-1, 90, id=2)._replace(parent=1.0),
        market(1, id=3)._replace(parent=2.0),
        stop(-1, 70)._replace(parent=3.0),
    ]
    assert len(walk({0: chain}, [FLAT])[1].orders) == 4
    assert walk({0: chain}, [FLAT, FLAT])[1].orders == ()  # expired
    assert walk({0: chain, 1: [cancel(id=1)]}, [FLAT, FLAT])[1].orders == ()
    flat_again = {0: [market(1), *bracket(limit(1, 95), stop=90)], 1: [market(-1)]}
    assert len(walk(flat_again, [FLAT, FLAT])[1].orders) == 2  # an entry that still waits is no exit
    other = [limit(1, 99)._replace(group=5.0), chain[0]._replace(group=5.0), *chain[1:]]
    assert walk({0: other}, [(100, 100, 98, 98)])[1].orders == ()  # cancelled by the other of its group


def test_numbers_that_are_taken_are_refused():
    entry = bracket(market(1), stop=90)
    with pytest.raises(
        ConfigError, match="there are two orders with the id 1, or exits of one rest; expected a number of"
    ):
        walk({0: entry + bracket(market(1), stop=80)}, [FLAT])
    with pytest.raises(ConfigError, match="there are two orders with the id 1"):
        walk({0: entry, 1: bracket(market(1), stop=80)}, [FLAT, FLAT])
    assert len(walk({0: entry, 1: bracket(market(1), stop=80, group=2)}, [FLAT, FLAT])[1].orders) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cancel(group=-1), "group is -1; expected a number above zero, or 0 for none"),
        (lambda: cancel(id=math.nan), "id is nan"),
        (lambda: limit(1, 10, id=-2), "id is -2"),
        (
            lambda: Orders.of([(DAY, limit(1, 10)._replace(parent=-1.0))]),
            "has parent -1.0; expected a number above zero",
        ),
        (lambda: walk({0: [limit(1, 10)._replace(rests=1.0)]}, [FLAT]), "as rests 0, since no order rests before"),
    ],
)
def test_numbers_that_cannot_be(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_tables_cancel_too_and_give_the_bits_of_a_strategy(market_of):
    candles = market_of([FLAT, FLAT, (100, 103, 97, 101), (101, 103, 95, 96), (96, 99, 88, 90), FLAT])
    plan = {
        0: bracket(market(2), stop=90, take_profit=120, group=1),
        1: [limit(1, 98, id=5), *bracket(limit(1, 96), stop=89, group=2)],
        2: [cancel(group=1), cancel(id=77)],
    }
    times = candles.frame["close_time"]
    table = Orders.of([(times[bar], order) for bar, orders in plan.items() for order in orders])
    one = backtest(candles, table, costs=Costs(fee_bps=5), filters=Filters(tick=0.01))
    two = backtest(candles, lambda view: plan.get(view.bar, []), costs=Costs(fee_bps=5), filters=Filters(tick=0.01))
    assert one.equity.equals(two.equity)
    assert one.fills.equals(two.fills)
    assert one.fills.select("reason", "units").rows() == [
        ("market", 2.0),
        ("limit", 1.0),
        ("limit", 1.0),
        ("stop", 1.0),
    ]
    late = Orders.of([(times[0], bracket(market(1), stop=90)[0]), (times[2], bracket(market(1), stop=90)[1])])
    with pytest.raises(ConfigError, match="an order waits for the order with id 1"):
        backtest(candles, late)


def test_closing_is_exact_whatever_the_size():
    """Many small parts of a position, of 1e-8 of one coin and 1e9 of another."""
    for unit in (1e-8, 0.1, 1e9 / 3):
        state = start(1e15)
        for sign in (1, -1):
            plan = {bar: [market(sign * unit)] for bar in range(7)}
            plan[7] = [market(-sign * unit * 3)]
            plan |= {bar: [market(-sign * unit)] for bar in range(8, 12)}
            _, state = walk(plan, [FLAT] * 12, state=state)
            assert state.account.units == 0.0
    kept = walk({0: [market(1.0)], 1: [market(-(1.0 - 1e-9))]}, [FLAT, FLAT])[1]
    assert kept.account.units == pytest.approx(1e-9, rel=1e-6)  # small, and no rounding


def test_a_residue_meets_no_lot_and_no_minimum():
    terms = Terms(lot=0.1, minimum=50.0)
    state = walk({0: [market(0.5)], 1: [market(0.6)], 2: [market(-1.1)]}, [FLAT] * 3, terms)[1]
    assert state.account.units == 0.0
    held = start(0.0)._replace(account=Account(1_000.0, 0.1 + 0.2, math.nan, 0.0))
    _, state = walk({0: [market(-0.3)]}, [FLAT], terms, held)
    assert state.account[:2] == (1_000.0 + (0.1 + 0.2) * 100.0, 0.0)  # below the minimum, and closing


def test_what_waits_for_an_order_that_waits_for_a_dropped_one_is_dropped_in_any_order_of_rows():
    """Rows are taken again, so that a grandchild may stand before its parent."""
    for rows in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        book = np.zeros((3, 32))
        for row, (own, parent) in zip(rows, ((2.0, 1.0), (3.0, 2.0), (4.0, 3.0)), strict=True):
            book[row, [ID, PARENT, KIND]] = own, parent, 1.0
        drop_orphans(book, 3)
        assert (book[:, KIND] == 0.0).all()
