"""The account step against ledgers worked on paper."""

from __future__ import annotations

import math
from types import FunctionType

import numpy as np
import pytest

from candlecast.backtesting import Account, Bar, Costs, Rates, account, start, step, trade
from candlecast.errors import ConfigError

FREE = Rates(0.0, 0.0)
DEAR = Rates(fee=0.1, slippage=0.1)  # a unit bought at 100 costs 121, a unit sold brings 81
FEE = Rates(fee=0.1, slippage=0.0)


def test_buying_everything_leaves_no_cash():
    state, fill = trade(start(1_210.0), 100.0, 1.0, DEAR)
    assert state == pytest.approx(Account(0.0, 10.0, 1.0, 0.0), abs=1e-9)
    assert fill == pytest.approx((10.0, 110.0, 110.0, 100.0, False))


def test_selling_all_units_is_exact():
    state, fill = trade(Account(0.0, 10.0, 1.0, 0.0), 120.0, 0.0, DEAR)
    assert state == pytest.approx(Account(972.0, 0.0, 0.0, 0.0))
    assert state.units == 0.0
    assert fill == pytest.approx((-10.0, 108.0, 108.0, 120.0, False))


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
    state, fill = trade(Account(2_000.0, -10.0, -1.0, 0.0), 250.0, math.nan, FREE)
    assert state == Account(0.0, 0.0, 0.0, 500.0)
    assert fill == (10.0, 250.0, 0.0, 0.0, True)
    again, fill = trade(state, 100.0, 1.0, FREE)
    assert again[:2] == (0.0, 0.0)
    assert again.shortfall == 500.0
    assert fill.units == 0.0


def test_ruin_counts_the_costs_of_closing():
    short = Account(2_000.0, -10.0, -1.0, 0.0)
    assert trade(short, 190.0, math.nan, FREE)[0] is short  # 100 left
    assert trade(short, 190.0, math.nan, FEE)[0].shortfall == pytest.approx(90.0)  # closing costs 1900 + 190


def test_ruined_account_does_not_take_the_new_order():
    state, fill = trade(Account(2_000.0, -10.0, -1.0, 0.0), 250.0, 1.0, FREE)
    assert state == Account(0.0, 0.0, 0.0, 500.0)
    assert fill.is_forced


def test_step_trades_at_the_open_and_can_be_ruined_at_the_close():
    state, info = step(start(1_000.0), Bar(open=100.0, close=300.0), -1.0, FREE)
    assert state == Account(0.0, 0.0, 0.0, 1_000.0)
    assert (info.at_open.units, info.at_open.price, info.at_open.is_forced) == (-10.0, 100.0, False)
    assert (info.at_close.units, info.at_close.price, info.at_close.is_forced) == (10.0, 300.0, True)


def test_a_compiler_takes_the_step_unchanged():
    numba = pytest.importorskip("numba")
    names = {**vars(account), "trade": numba.njit(trade)}
    compiled = numba.njit(FunctionType(step.__code__, names))
    rng = np.random.default_rng(0)
    plain = fast = start(1_000.0)
    for _ in range(200):
        bar = Bar(*map(float, rng.uniform(50.0, 110.0, 2)))
        target = float(rng.choice([-1.0, -0.3, 0.0, 0.5, 1.0, math.nan]))
        plain, _ = step(plain, bar, target, DEAR)
        fast, _ = compiled(fast, bar, target, DEAR)
        assert fast == pytest.approx(plain, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("name", "value"), [("fee_bps", -1.0), ("slippage_bps", math.nan), ("fee_bps", 1_001.0)])
def test_costs_that_cannot_be(name, value):
    with pytest.raises(ConfigError, match=rf"{name} is .*expected 0 to 1,000 basis points"):
        Costs(**{name: value})


def test_free_costs():
    assert Costs.free().rates == (0.0, 0.0)
