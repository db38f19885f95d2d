"""What trading costs, in numbers worked on paper: presets, terms, liquidations and bands."""

from __future__ import annotations

import math

import pytest

from candlecast.backtesting import Account, Bar, Conditions, Costs, Filters, Terms
from candlecast.backtesting.engine.account import (
    LIQUIDATION,
    NOTHING,
    CarryEvents,
    Quote,
    Ticket,
    carry,
    execute,
    follow,
    liquidate,
    start,
    trade,
)
from candlecast.backtesting.filters import allowed_units
from candlecast.backtesting.simulate import View, asked_of
from candlecast.sources import synthetic


@pytest.mark.parametrize(
    ("costs", "per_side", "taker", "maker", "slippage", "maintenance"),
    [
        (Costs(), 12.0, 10.0, 10.0, 2.0, 0.0),
        (Costs.binance_spot(), 12.0, 10.0, 10.0, 2.0, 0.0),
        (Costs.binance_perpetual(), 7.0, 5.0, 2.0, 2.0, 0.004),
        (Costs.us_equities(), 2.3, 0.3, 0.3, 2.0, 0.25),
        (Costs(fee_bps=4, slippage_bps=1, half_spread_bps=3, impact_bps=9, maker_fee_bps=2), 8.0, 4.0, 2.0, 4.0, 0.0),
    ],
)
def test_terms(costs, per_side, taker, maker, slippage, maintenance):
    terms = costs.terms()
    assert costs.per_side_bps == pytest.approx(per_side)
    assert [1e4 * value for value in (terms.taker, terms.maker, terms.slippage)] == pytest.approx(
        [taker, maker, slippage]
    )
    assert terms.maintenance == pytest.approx(maintenance)
    assert terms.impact == costs.impact_bps / 10_000


@pytest.mark.parametrize("rate", ["funding_bps", "borrow_percent", "interest_percent", "loan_percent"])
def test_each_rate_is_a_carry(rate):
    assert Costs(**{rate: 1.0}).has_carry
    assert not Costs(maintenance_percent=1.0, impact_bps=5.0).has_carry


def test_a_liquidation_moves_the_price():
    """Short 10 with 2,000: nothing is left at 200. 10 of 40 traded move the price by 0.1 sqrt(1/4): 210 is paid."""
    state, fill = liquidate(
        Account(2_000.0, -10.0, -1.0, 0.0), Quote(100.0, 40.0), 300.0, Conditions(Terms(impact=0.1))
    )
    assert (fill.units, fill.price, fill.reason) == (10.0, pytest.approx(210.0), LIQUIDATION)
    assert state == pytest.approx(Account(0.0, 0.0, -1.0, 100.0))
    _, fill = liquidate(Account(-500.0, 10.0, 2.0, 0.0), Quote(100.0, 40.0), 40.0, Conditions(Terms(impact=0.1)))
    assert fill.price == pytest.approx(50.0 * 0.95)


def test_a_position_is_liquidated_while_what_must_be_kept_is_left():
    """Long 10 owing 500, 20 % must be kept: -500 + 8 p = 0 at 62.5, where 125 is left."""
    state, fill = liquidate(
        Account(-500.0, 10.0, 2.0, 0.0), Quote(100.0, 1.0), 60.0, Conditions(Terms(maintenance=0.2))
    )
    assert fill.price == pytest.approx(62.5)
    assert state == pytest.approx(Account(125.0, 0.0, 2.0, 0.0))
    assert (
        liquidate(Account(-500.0, 10.0, 2.0, 0.0), Quote(100.0, 1.0), 63.0, Conditions(Terms(maintenance=0.2)))[
            1
        ].reason
        == NOTHING
    )


def test_an_open_beyond_the_limit_is_the_price():
    """Short 10 with 2,000 opens at 250: 500 are lost beyond the money; a long that owes 500 opens at 30: 200."""
    state, fill = liquidate(Account(2_000.0, -10.0, -1.0, 0.0), Quote(250.0, 1.0), 250.0, Conditions(Terms()))
    assert (fill.price, state.shortfall) == (250.0, 500.0)
    state, fill = liquidate(Account(-500.0, 10.0, 2.0, 0.0), Quote(30.0, 1.0), 30.0, Conditions(Terms()))
    assert (fill.price, state.shortfall) == (30.0, 200.0)


def test_a_short_meets_its_worst_at_the_high_and_a_long_at_the_low():
    bar = Bar(100.0, 250.0, 40.0, 100.0, 1.0)
    state, *_, ended = follow(Account(2_000.0, -10.0, -1.0, 0.0), bar, math.nan, Conditions(Terms()))
    assert (ended.price, state.cash) == (200.0, 0.0)
    state, *_, ended = follow(Account(-500.0, 10.0, 2.0, 0.0), bar, math.nan, Conditions(Terms()))
    assert (ended.price, state.cash) == (50.0, 0.0)


@pytest.mark.parametrize(
    ("account", "target", "units"),
    [
        (Account(500.0, 5.0, 0.0, 0.0), 0.0, -5.0),  # a half is held where nothing is wanted
        (Account(950.0, 0.5, 0.0, 0.0), 0.0, 0.0),  # a twentieth is within the band
        (Account(300.0, 7.0, 0.5, 0.0), 0.5, -2.0),
        (Account(450.0, 5.5, 0.5, 0.0), 0.5, 0.0),
        (Account(1_700.0, -7.0, -0.5, 0.0), -0.5, 2.0),
    ],
)
def test_a_position_that_drifted_out_of_its_band_is_traded_back(account, target, units):
    _, fill = trade(account, Quote(100.0, 1.0), target, Conditions(Terms(band=0.1)))
    assert fill.units == pytest.approx(units)


def test_without_a_band_nothing_is_traded_back():
    assert trade(Account(300.0, 7.0, 0.5, 0.0), Quote(100.0, 1.0), 0.5, Conditions(Terms()))[1].reason == NOTHING


def test_a_bar_without_trade_fills_nothing_but_carries():
    events = CarryEvents(1.0, 2.0, 0.0, 0.0, 0.0, 0.0)
    state, *fills = follow(
        Account(0.0, 10.0, 1.0, 0.0), Bar(1.0, 1.0, 1.0, 1.0, math.nan, events), -1.0, Conditions(Terms())
    )
    assert state == Account(20.0, 10.0, 1.0, 0.0)
    assert [fill.reason for fill in fills] == [NOTHING] * 3


def test_a_dividend_is_of_the_units_before_the_split():
    state = carry(Account(100.0, 10.0, 1.0, 0.0), 50.0, CarryEvents(2.0, 3.0, 0.0, 0.0, 0.0, 0.0))
    assert state == Account(130.0, 20.0, 1.0, 0.0)


def test_interest_is_for_cash_beyond_the_proceeds_of_a_short_and_a_loan_costs_more():
    events = CarryEvents(1.0, 0.0, 0.0, 0.0, interest=0.01, loan=0.1)
    assert carry(Account(2_000.0, -10.0, -1.0, 0.0), 100.0, events).cash == 2_010.0  # of 1,000
    assert carry(Account(2_000.0, -10.0, -1.0, 0.0), 300.0, events).cash == 1_900.0  # 1,000 are owed
    assert carry(Account(2_000.0, 10.0, 0.3, 0.0), 100.0, events).cash == 2_020.0


def test_a_limit_is_never_exceeded():
    """Bought at 100 with 5 % of slippage, but no dearer than 102; sold no cheaper than 98."""
    for units, limit in ((3.0, 102.0), (-3.0, 98.0)):
        _, fill = execute(start(1_000.0), Quote(100.0, 1.0), Ticket(units, 0.0, 0.05, 3, limit), Conditions(Terms()))
        assert fill.price == limit
    _, fill = execute(start(1_000.0), Quote(100.0, 1.0), Ticket(3.0, 0.0, 0.05, 3, 110.0), Conditions(Terms()))
    assert fill.price == 105.0


def test_lots_round_towards_nothing_and_closing_is_exact():
    assert allowed_units(3.7, 1.0, 0.0, 1.0, 0.0) == 3.0
    assert allowed_units(-3.7, 1.0, 0.0, 1.0, 0.0) == -3.0
    assert allowed_units(3.7, 1.0, 0.0, 0.0, 5.0) == 0.0
    assert allowed_units(-0.5, 1.0, 0.5, 1.0, 5.0) == -0.5
    assert allowed_units(-(0.1 + 0.2), 1.0, 0.3, 1.0, 5.0) == -0.3  # but for rounding


def test_fees_are_charged_in_whole_cents_and_rounded_up():
    terms = Costs(fee_bps=10, slippage_bps=0).terms(Filters(cent=0.01))
    _, fill = execute(start(1_000.0), Quote(100.0, 1.0), Ticket(1.01, terms.taker, 0.0, 1, math.nan), Conditions(terms))
    assert fill.fee == pytest.approx(0.11)  # of 0.101


def test_what_positions_ask_for_is_margin_and_costs():
    assert asked_of(4.0, Terms(taker=0.01, slippage=0.02, impact=0.03, maintenance=0.1)) == pytest.approx(4 * 0.16)


def test_a_view_ends_with_its_bar():
    candles = synthetic.random_walk(20, seed=1).candles
    view = View(candles, 7, None, 1.0)
    assert len(view.candles) == 8 and view.candles.close_time[-1] == candles.close_time[7]
