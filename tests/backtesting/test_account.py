"""The account step against ledgers worked on paper."""

from __future__ import annotations

import math

import pytest

from candlecast.backtesting import Account, Bar, CarryEvents, Conditions, Costs, Fill, Filters, Terms
from candlecast.backtesting.engine.account import (
    LIQUIDATION,
    NOTHING,
    TARGET,
    Quote,
    Ticket,
    carry,
    execute,
    follow,
    liquidate,
    start,
    trade as trade_in,
)
from candlecast.errors import ConfigError

FREE = Terms()
DEAR = Terms(taker=0.1, slippage=0.1)  # a unit bought at 100 costs 121, a unit sold brings 81
FEE = Terms(taker=0.1)


def trade(account: Account, price: float, target: float, terms: Terms) -> tuple[Account, Fill]:
    return trade_in(account, Quote(price, 1.0), target, Conditions(terms))


def close(account: Account, price: float, terms: Terms, extreme: float | None = None) -> tuple[Account, Fill]:
    return liquidate(account, Quote(price, 1.0), price if extreme is None else extreme, Conditions(terms))


def test_buying_everything_leaves_no_cash():
    state, fill = trade(start(1_210.0), 100.0, 1.0, DEAR)
    assert state == pytest.approx(Account(0.0, 10.0, 1.0, 0.0), abs=1e-9)
    assert fill == pytest.approx((10.0, 110.0, 110.0, 100.0, TARGET))


def test_selling_all_units_is_exact():
    state, fill = trade(Account(0.0, 10.0, 1.0, 0.0), 120.0, 0.0, DEAR)
    assert state == pytest.approx(Account(972.0, 0.0, 0.0, 0.0))
    assert state.units == 0.0
    assert fill == pytest.approx((-10.0, 108.0, 108.0, 120.0, TARGET))


def test_short_is_as_large_as_the_equity_left_after_its_costs():
    state, _ = trade(start(1_100.0), 100.0, -1.0, FEE)
    assert state == pytest.approx(Account(2_000.0, -10.0, -1.0, 0.0))  # equity 2000 - 1000, all of it short
    state, _ = trade(state, 80.0, 0.0, FEE)
    assert state.cash == pytest.approx(1_120.0)


def test_half_a_position_is_half_of_the_equity_left_after_its_costs():
    state, _ = trade(start(1_050.0), 100.0, 0.5, FEE)
    assert state == pytest.approx(Account(500.0, 5.0, 0.5, 0.0))


def test_flip_from_long_to_short():
    state, fill = trade(Account(0.0, 11.0, 1.0, 0.0), 120.0, -1.0, FEE)
    assert state == pytest.approx(Account(2_160.0, -9.0, -1.0, 0.0))
    assert fill.units == pytest.approx(-20.0)
    assert fill.fee == pytest.approx(240.0)


@pytest.mark.parametrize("target", [0.5, math.nan])
def test_an_equal_or_absent_target_keeps_the_units(target):
    held = Account(500.0, 5.0, 0.5, 0.0)
    state, fill = trade(held, 300.0, target, FEE)
    assert state is held
    assert fill.units == 0.0


def test_a_changed_target_that_is_already_held_trades_nothing_and_is_remembered():
    state, fill = trade(Account(500.0, 5.0, 0.4, 0.0), 100.0, 0.5, FEE)
    assert state == Account(500.0, 5.0, 0.5, 0.0)
    assert fill.units == 0.0


def test_short_that_lost_everything_is_closed_for_good():
    state, fill = close(Account(2_000.0, -10.0, -1.0, 0.0), 250.0, FREE)
    assert state == Account(0.0, 0.0, -1.0, 500.0)
    assert fill == (10.0, 250.0, 0.0, 0.0, LIQUIDATION)
    again, fill = trade(state, 100.0, 1.0, FREE)
    assert again[:2] == (0.0, 0.0)
    assert again.shortfall == 500.0
    assert fill.reason == NOTHING


def test_ruin_counts_the_costs_of_closing():
    short = Account(2_000.0, -10.0, -1.0, 0.0)
    assert close(short, 190.0, FREE)[0] is short  # 100 left
    assert close(short, 190.0, FEE)[0].shortfall == pytest.approx(90.0)  # closing costs 1900 + 190


def test_a_long_that_owes_nothing_is_never_closed():
    held = Account(0.0, 10.0, 1.0, 0.0)
    assert close(held, 1e-6, Terms(maintenance=0.5))[0] is held


def test_liquidation_of_a_short_within_a_bar():
    """C - 10 P (1 + 0.25) = 0 at P = 160: closing there leaves the margin, 400."""
    state, fill = close(Account(2_000.0, -10.0, -1.0, 0.0), 100.0, Terms(maintenance=0.25), extreme=170.0)
    assert fill == (10.0, 160.0, 0.0, 0.0, LIQUIDATION)
    assert state == Account(400.0, 0.0, -1.0, 0.0)


def test_liquidation_of_a_long_on_borrowed_money():
    """20 units for 2,000 of which 1,000 are borrowed: 20 P (1 - 0.2) = 1,000 at P = 62.5."""
    state, fill = close(Account(-1_000.0, 20.0, 2.0, 0.0), 100.0, Terms(maintenance=0.2), extreme=60.0)
    assert fill.price == 62.5
    assert state.cash == 250.0


def test_a_gap_through_the_liquidation_price_closes_at_the_open():
    state, fill = close(Account(-1_000.0, 20.0, 2.0, 0.0), 40.0, Terms(maintenance=0.2), extreme=30.0)
    assert fill.price == 40.0
    assert state == Account(0.0, 0.0, 2.0, 200.0)


def test_a_bar_trades_at_its_open_and_can_be_ruined_within_it():
    state, gapped, filled, ended = follow(start(1_000.0), Bar(100.0, 300.0, 100.0, 300.0, 1.0), -1.0, Conditions(FREE))
    assert state == Account(0.0, 0.0, -1.0, 0.0)
    assert gapped.reason == NOTHING
    assert (filled.units, filled.price) == (-10.0, 100.0)
    assert (ended.units, ended.price, ended.reason) == (10.0, 200.0, LIQUIDATION)


def test_a_target_in_units():
    state, fill = trade_in(Account(0.0, 10.0, 1.0, 0.0), Quote(120.0, 1.0), 4.0, Conditions(FEE, in_units=True))
    assert state == Account(6 * 120.0 * 0.9, 4.0, 4.0, 0.0)
    assert fill.units == -6.0


def test_impact_grows_with_the_root_of_the_share_of_volume():
    """0.1 sqrt(25 / 100) = 0.05 over 0.01: 25 units bought at 100 x 1.06."""
    terms = Terms(slippage=0.01, impact=0.1)
    state, fill = trade_in(start(10_000.0), Quote(100.0, 100.0), 25.0, Conditions(terms, in_units=True))
    assert fill.price == pytest.approx(106.0)
    assert fill.slippage == pytest.approx(150.0)
    assert state.cash == pytest.approx(10_000.0 - 2_650.0)


@pytest.mark.parametrize("volume", [25.0, 10.0, 0.0])
def test_impact_is_whole_where_the_order_is_the_volume_or_there_is_none(volume):
    _, fill = trade_in(start(10_000.0), Quote(100.0, volume), 25.0, Conditions(Terms(impact=0.1), in_units=True))
    assert fill.price == pytest.approx(110.0)


def test_lots_ticks_and_cents():
    """1,000 at 30.03 is 33.3 units: 33 whole ones, at 30.1 on the grid of 0.1; the fee 0.9933 rounds up to 1.00."""
    terms = Costs(fee_bps=10, slippage_bps=0).terms(Filters(tick=0.1, lot=1.0, cent=0.01))
    state, fill = trade(start(1_000.0), 30.03, 1.0, terms)
    assert (fill.units, fill.price, fill.fee) == pytest.approx((33.0, 30.1, 1.0))
    assert state.cash == pytest.approx(1_000.0 - 33 * 30.1 - 1.0)


def test_orders_below_the_minimum_are_refused_but_closing_never_is():
    terms = Terms(minimum=50.0, lot=0.3)
    assert trade(start(1_000.0), 100.0, 0.04, terms)[1].reason == NOTHING
    state, fill = trade(Account(990.0, 0.1, 0.01, 0.0), 100.0, 0.0, terms)
    assert (fill.units, state.units) == (-0.1, 0.0)


def test_a_cost_of_the_users_own():
    """A flat 7 per order and 2 for each unit."""
    ticket = Ticket(3.0, FEE.taker, 0.0, TARGET, math.nan)
    conditions = Conditions(FEE, lambda units, price, volume: 7 + 2 * units)
    _, fill = execute(start(1_000.0), Quote(10.0, 1.0), ticket, conditions)
    assert fill.fee == pytest.approx(3 + 7 + 6)


def test_a_short_pays_the_dividend_and_a_long_is_paid():
    events = CarryEvents(split=1.0, dividend=2.0, funding=0.0, borrow=0.0, interest=0.0, loan=0.0)
    assert carry(Account(2_000.0, -10.0, -1.0, 0.0), 98.0, events) == Account(1_980.0, -10.0, -1.0, 0.0)
    assert carry(Account(0.0, 10.0, 1.0, 0.0), 98.0, events) == Account(20.0, 10.0, 1.0, 0.0)


def test_a_split_changes_units_and_no_money():
    events = CarryEvents(4.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert carry(Account(100.0, 10.0, 1.0, 0.0), 25.0, events) == Account(100.0, 40.0, 1.0, 0.0)


def test_funding_moves_from_longs_to_shorts():
    events = CarryEvents(1.0, 0.0, funding=0.01, borrow=0.0, interest=0.0, loan=0.0)
    assert carry(Account(0.0, 10.0, 1.0, 0.0), 100.0, events).cash == -10.0
    assert carry(Account(2_000.0, -10.0, -1.0, 0.0), 100.0, events).cash == 2_010.0


def test_borrow_is_paid_on_what_is_short_and_interest_on_the_rest():
    """Short 10 at 90: borrow 1 % of 900; interest 2 % of 2,000 - 900."""
    events = CarryEvents(1.0, 0.0, 0.0, borrow=0.01, interest=0.02, loan=0.05)
    assert carry(Account(2_000.0, -10.0, -1.0, 0.0), 90.0, events).cash == pytest.approx(2_000 - 9 + 22)
    assert carry(Account(-500.0, 10.0, 2.0, 0.0), 90.0, events).cash == pytest.approx(-525.0)


@pytest.mark.parametrize(("name", "value"), [("fee_bps", -1.0), ("slippage_bps", -0.5), ("fee_bps", 1_001.0)])
def test_costs_that_cannot_be(name, value):
    with pytest.raises(ConfigError, match=rf"{name} is .*expected 0 to 1,000 basis points"):
        Costs(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("borrow_percent", -1.0), ("maintenance_percent", 60.0), ("funding_bps", 1e4)]
)
def test_carrying_costs_that_cannot_be(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        Costs(**{name: value})


@pytest.mark.parametrize("value", [-0.1, math.inf])
def test_filters_that_cannot_be(value):
    with pytest.raises(ConfigError, match=f"lot is {value}; expected a step above zero"):
        Filters(lot=value)


def test_free_costs():
    assert Costs.free().terms() == Terms()


@pytest.mark.parametrize("preset", [Costs.binance_spot, Costs.binance_perpetual, Costs.us_equities])
def test_presets_say_their_date_and_source(preset):
    assert "20" in preset.__doc__
    assert preset().per_side_bps > 0
    assert preset().terms().maker <= preset().terms().taker
