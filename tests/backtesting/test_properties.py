"""What holds for any prices, positions and costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from candlecast.backtesting import Bar, Costs, backtest
from candlecast.backtesting.engine.account import Conditions, Quote, follow, start, trade

BARS = 12
fractions = st.integers(-100, 100).map(lambda percent: percent / 100)
targets = st.lists(st.sampled_from([-1.0, 0.0, 1.0]) | fractions, min_size=BARS, max_size=BARS)
calm = st.lists(st.floats(80.0, 120.0), min_size=BARS, max_size=BARS)
wild = st.lists(st.floats(1.0, 1_000.0), min_size=BARS, max_size=BARS)
costs = st.builds(Costs, fee_bps=st.integers(0, 500), slippage_bps=st.integers(0, 500))
examples = settings(max_examples=40, deadline=None)


def bar(opened: float, closed: float) -> Bar:
    return Bar(opened, max(opened, closed), min(opened, closed), closed, 1.0)


@examples
@given(opens=wild, closes=wild, decided=targets, paid=costs)
def test_money_is_conserved_at_every_step(opens, closes, decided, paid):
    """Equity changes by units x price moves - fees - slippage, and by what the broker bears in ruin."""
    account, mark = start(10_000.0), opens[0]
    for o, c, target in zip(opens, closes, decided, strict=True):
        before = account.cash + account.units * mark
        after, *info = follow(account, bar(o, c), target, Conditions(paid.terms()))
        gapped, filled, ended = info
        overnight = account.units * (o - mark)
        at_open = account.units + gapped.units + filled.units
        reached = ended.price - ended.slippage / ended.units if ended.units else c  # of the market, where it was closed
        intraday = at_open * ((reached if ended.units else c) - o)
        spent = sum(fill.fee + fill.slippage for fill in info)
        borne = after.shortfall - account.shortfall
        change = after.cash + after.units * c - before
        scale = max(before, abs(overnight), abs(intraday), spent, borne)
        assert change == pytest.approx(overnight + intraday - spent + borne, rel=1e-9, abs=1e-9 * scale)
        account, mark = after, c


@examples
@given(opens=wild, closes=wild, decided=targets, paid=costs)
def test_trades_and_fills_add_up_to_the_equity(market, decide, opens, closes, decided, paid):
    candles = market(opens, closes)
    result = backtest(candles, decide(candles, decided), costs=paid)
    equity, trades, spent = (
        result.equity["equity"],
        result.trades,
        result.fills["fee"].sum() + result.fills["slippage"].sum(),
    )
    scale = max(equity.max(), result.fills["notional"].sum(), result.shortfall)
    assert trades["pnl"].sum() + result.shortfall == pytest.approx(equity[-1] - equity[0], abs=1e-9 * scale)
    assert trades["cost"].sum() == pytest.approx(spent, rel=1e-9)
    assert result.equity["cost"][-1] == pytest.approx(spent, rel=1e-9)
    assert (equity >= 0).all()


@examples
@given(opens=wild, closes=wild, decided=targets, paid=costs, more=st.integers(0, 500))
def test_higher_costs_never_end_in_more_money(market, decide, opens, closes, decided, paid, more):
    """At every bar, for any positions: each trade multiplies equity by a factor that falls as its costs rise."""
    candles = market(opens, closes)
    positions = decide(candles, decided)
    more_fee, more_slippage = (
        Costs(paid.fee_bps + more, paid.slippage_bps),
        Costs(paid.fee_bps, paid.slippage_bps + more),
    )
    cheap, *others = (
        backtest(candles, positions, costs=each).equity["equity"].to_numpy() for each in (paid, more_fee, more_slippage)
    )
    for dear in others:
        assert (dear <= cheap * (1 + 1e-9) + 1e-6).all()


@examples
@given(opens=wild, closes=wild, decided=targets, paid=costs)
def test_eight_times_the_cash_is_eight_times_everything(market, decide, opens, closes, decided, paid):
    candles = market(opens, closes)
    positions = decide(candles, decided)
    small, large = (backtest(candles, positions, costs=paid, cash=cash) for cash in (1_000.0, 8_000.0))
    for name in ("equity", "cash", "units", "cost"):
        assert (large.equity[name] == 8 * small.equity[name]).all()  # bit for bit: 8 is a power of two
    assert (large.equity["position"] == small.equity["position"]).all()
    assert large.trades["return"].to_list() == small.trades["return"].to_list()


@examples
@given(opens=wild, closes=wild, decided=targets, cut=st.integers(1, BARS - 1), seed=st.integers(0, 99))
def test_the_future_moves_nothing_before_it(market, decide, opens, closes, decided, cut, seed):
    candles = market(opens, closes)
    rng = np.random.default_rng(seed)
    other = market([*opens[:cut], *rng.uniform(1, 999, BARS - cut)], [*closes[:cut], *rng.uniform(1, 999, BARS - cut)])
    changed = [*decided[:cut], *rng.uniform(-1, 1, BARS - cut)]
    ours, theirs = backtest(candles, decide(candles, decided)), backtest(other, decide(other, changed))
    moment = candles.frame["close_time"][cut - 1]
    for name in ("equity", "benchmark"):
        assert getattr(ours, name)[:cut].equals(getattr(theirs, name)[:cut])
    was, now = (result.fills.filter(result.fills["time"] < moment) for result in (ours, theirs))
    assert was.equals(now)


@examples
@given(opens=calm, closes=calm, decided=targets, paid=costs)
def test_long_positions_never_borrow(market, decide, opens, closes, decided, paid):
    candles = market(opens, closes)
    result = backtest(candles, decide(candles, np.abs(decided)), costs=paid)
    assert (result.equity["cash"] >= -1e-9 * 10_000).all()
    assert result.ruined_at is None


@examples
@given(opens=calm, decided=targets, paid=costs)
def test_a_fill_reaches_its_target_after_costs(opens, decided, paid):
    account = start(1_000.0)
    for price, target in zip(opens, decided, strict=True):
        is_new = target != account.target
        if account.cash + account.units * price <= 0.0:
            break
        account, _ = trade(account, Quote(price, 1.0), target, Conditions(paid.terms()))
        if is_new:
            assert account.units * price == pytest.approx(target * (account.cash + account.units * price), abs=1e-7)


@examples
@given(opens=wild, closes=wild, decided=targets, paid=costs)
def test_backtest_equals_stepping_bar_by_bar(market, decide, opens, closes, decided, paid):
    candles = market(opens, closes)
    result = backtest(candles, decide(candles, decided), costs=paid, cash=500.0)
    account, equity = start(500.0), [500.0]
    for o, c, target in zip(opens[1:], closes[1:], decided, strict=False):
        account, *_ = follow(account, bar(o, c), target, Conditions(paid.terms()))
        equity.append(account.cash + account.units * c)
    assert result.equity["equity"].to_list() == equity
    assert result.shortfall == account.shortfall
