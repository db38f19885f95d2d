"""A series that is known to have ended: what is held is closed at its last close, on every path, and never otherwise."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from account_paths import BARS, CASH, walk_orders, walk_targets, wild_prices
from candlecast.backtesting import (
    Actions,
    Conditions,
    Costs,
    Orders,
    account_returns,
    backtest,
    backtest_portfolio,
    break_even,
    limit,
    market as at_market,
    start,
    step,
    stop,
    sweep,
    target,
)
from candlecast.backtesting.engine import compiled
from candlecast.backtesting.engine.account import SERIES_END, Account, Bar, follow
from candlecast.backtesting.engine.portfolio_step import Asked, Prices, Sizing, Written, run
from candlecast.candles import Candles
from candlecast.candles.table import Ending, Origin
from candlecast.evaluation.stresses import without_last_closes
from candlecast.signals import Positions

START = datetime(2024, 1, 1, tzinfo=UTC)
FREE, FEE = Costs.free(), Costs(fee_bps=1_000, slippage_bps=0)
seeds = st.integers(0, 10_000)
examples = settings(max_examples=25, deadline=None)


def series(closes, *, symbol="asset", volume=None, ended=True) -> Candles:
    """Days that open at the last close and go straight to their own; known to have ended, or not."""
    closes = [float(close) for close in closes]
    opens = [closes[0], *closes[:-1]]
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(days=day) for day in range(len(closes))],
            "open": opens,
            "high": [max(pair) for pair in zip(opens, closes, strict=True)],
            "low": [min(pair) for pair in zip(opens, closes, strict=True)],
            "close": closes,
            "volume": [1.0] * len(closes) if volume is None else [float(each) for each in volume],
        }
    )
    candles = Candles.from_frame(frame, symbol=symbol)
    ending = Ending(candles.frame["close_time"][-1].isoformat(), "the exchange no longer lists it")
    return replace(candles, origin=Origin("exchange", ended=ending)) if ended else candles


def held(candles: Candles, values) -> Positions:
    times = candles.frame["close_time"][: len(values)]
    return Positions(
        pl.DataFrame({"time": times, "symbol": candles.symbol, "position": [float(each) for each in values]})
    )


def test_a_long_is_sold_at_the_last_close_and_pays_for_it():
    """8 units at 100 for 800 and a fee of 80 of the 880; sold at 50 for 400 less 40."""
    candles = series([100, 100, 50])
    result = backtest(candles, held(candles, [1.0]), costs=FEE, cash=880.0)
    bought, sold = result.fills.rows(named=True)
    assert (bought["side"], bought["reason"], bought["is_at_open"]) == ("buy", "target", True)
    assert (sold["side"], sold["reason"], sold["is_at_open"]) == ("sell", "series ended", False)
    assert (sold["target"], sold["is_forced"], sold["price"]) == (0.0, False, 50.0)
    assert (sold["units"], bought["fee"], sold["fee"]) == pytest.approx((8.0, 80.0, 40.0))
    assert result.fills["time"][-1] == candles.frame["close_time"][-1]
    last = result.equity.select("equity", "cash", "cost", "position", "units").rows()[-1]
    assert last == pytest.approx((360.0, 360.0, 120.0, 0.0, 0.0))
    (trade,) = result.trades.rows(named=True)
    assert (trade["is_open"], trade["exit"], trade["exit_reason"], trade["bars"]) == (False, 50.0, "series ended", 2)
    assert trade["closed"] == candles.frame["close_time"][-1]
    assert trade["pnl"] == pytest.approx(360.0 - 880.0)
    assert (trade["mae"], trade["mfe"]) == (0.5, 0.0)
    assert result.pending is None
    assert result.benchmark.rows() == result.equity.rows()
    values = dict(result.summary().select("statistic", "value").rows())
    assert (values["total cost"], values["trades"], values["win rate"]) == pytest.approx((120.0, 1.0, 0.0))
    assert values["turnover"] * (880.0 + 800.0 + 360.0) / 3 * (2 / result.bars_per_year) == pytest.approx(1_200.0)


def test_a_short_is_bought_back():
    """10 units sold at 100; bought back at 150 for 1,500: half of the 1,000 is left."""
    candles = series([100, 100, 150])
    result = backtest(candles, held(candles, [-1.0]), costs=FREE, cash=1_000.0)
    assert result.fills.select("side", "units", "price", "reason").rows()[-1] == ("buy", 10.0, 150.0, "series ended")
    assert result.equity["equity"][-1] == 500.0


def test_what_closing_leaves_owing_is_a_shortfall():
    """A short of 10 at 190 is worth 100 after 1,000; buying back with 10 % costs 2,090 of 2,000."""
    account, *_, ended = follow(
        Account(2_000.0, -10.0, -1.0, 0.0),
        Bar(190.0, 190.0, 190.0, 190.0, 1.0, ends=True),
        math.nan,
        Conditions(Costs(fee_bps=0, slippage_bps=0, impact_bps=1_000).terms()),
    )
    assert ended.reason == SERIES_END
    assert account == Account(0.0, 0.0, -1.0, pytest.approx(90.0))


def test_a_last_bar_without_trades_is_closed_too():
    candles = series([100, 100, 100], volume=[5, 5, 0])
    paid = Costs(fee_bps=0, slippage_bps=0, impact_bps=1_000)
    result = backtest(candles, held(candles, [1.0]), costs=paid, cash=1_000.0)
    assert result.fills["reason"].to_list() == ["target", "series ended"]
    assert result.fills["price"][-1] == pytest.approx(90.0)  # the whole impact
    by_orders = backtest(candles, orders(candles, {0: [target(1.0)]}), costs=paid, cash=1_000.0)
    assert by_orders.equity.rows() == result.equity.rows()


def orders(candles: Candles, by_bar) -> Orders:
    times = candles.frame["close_time"]
    return Orders.of([(times[bar], order) for bar, given in by_bar.items() for order in given])


def test_orders_and_strategies_end_alike():
    """One unit bought at 100, one more at a limit of 80 on the last bar, both sold at its close; a stop goes unfilled."""
    candles = series([100, 100, 100, 70])
    by_bar = {0: [at_market(1.0), stop(-1.0, 60.0)], 2: [limit(1.0, 80.0)]}
    given = backtest(candles, orders(candles, by_bar), costs=FREE, cash=1_000.0)
    walked = backtest(candles, lambda view: by_bar.get(view.bar, []), costs=FREE, cash=1_000.0)
    for result in (given, walked):
        assert result.fills.select("side", "units", "price", "reason").rows() == [
            ("buy", 1.0, 100.0, "market"),
            ("buy", 1.0, 80.0, "limit"),
            ("sell", 2.0, 70.0, "series ended"),
        ]
        assert result.equity["equity"][-1] == 1_000.0 - 100.0 - 80.0 + 140.0
    assert given.equity.rows() == walked.equity.rows()


def test_no_order_rests_after_the_end():
    bar = Bar(10.0, 11.0, 9.0, 10.0, 1.0, ends=True)
    state, info = step(start(100.0), bar, [at_market(1.0), stop(-1.0, 5.0)], conditions=Conditions(FREE.terms()))
    assert [fill.reason for fill in info.fills][-1] == SERIES_END
    assert state.orders == ()
    assert state.account.units == 0.0


def test_only_a_known_end_closes():
    candles = series([100, 100, 50, 60])
    known, cut, unknown = candles, candles[:-1], replace(candles, origin=None)
    assert [each.has_ended for each in (known, cut, unknown)] == [True, False, False]
    for each in (cut, unknown):
        result = backtest(each, held(each, [1.0]), costs=FREE)
        assert result.fills["reason"].to_list() == ["target"]
        assert result.trades["is_open"].to_list() == [True]
    assert len({each.fingerprint for each in (known, unknown)}) == 2  # other results from the same bars


def test_long_bars_of_an_ended_series_have_ended():
    hours = pl.DataFrame({"time": [START + timedelta(hours=hour) for hour in range(60)]})
    frame = hours.with_columns(**{name: pl.lit(10.0) for name in ("open", "high", "low", "close", "volume")})
    candles = Candles.from_frame(frame, symbol="A")
    candles = replace(
        candles, origin=Origin("x", ended=Ending(candles.frame["close_time"][-1].isoformat(), "it is gone"))
    )
    days = candles.resample("1d")
    assert len(days) == 2
    assert days.has_ended
    assert not days[:1].has_ended


def test_sweeps_returns_and_break_even_end_alike():
    candles = series([100, 100, 105, 110])
    positions = held(candles, [1.0, 1.0, 1.0])
    result = backtest(candles, positions, costs=FEE, cash=1_000.0)
    np.testing.assert_array_equal(account_returns(candles, positions, costs=FEE, cash=1_000.0), result.returns)
    (row,) = sweep(candles, [positions], costs=FEE, cash=1_000.0).rows(named=True)
    assert row["final_equity"] == result.equity["equity"][-1]
    assert (row["fills"], row["cost"]) == (2, result.equity["cost"][-1])
    found = break_even(candles, positions, costs=FREE, cash=1_000.0).bps
    assert found == pytest.approx(1e4 * 0.1 / 2.1, abs=1e-3)  # 1.1 (1 - f) / (1 + f) = 1


def test_in_a_portfolio_the_cash_is_there_for_the_others():
    """Half of 1,000 in each; A ends at twice its price, and B takes all of the 1,500."""
    one = series([100, 100, 200], symbol="A")
    two = series([50, 50, 50, 50, 100], symbol="B", ended=False)
    result = backtest_portfolio(
        [one, two], [held(one, [0.5]), held(two, [0.5, 0.5, 0.5, 1.0])], costs=FREE, cash=1_000.0
    )
    assert result.fills.select("symbol", "side", "units", "price", "reason").rows() == [
        ("A", "buy", 5.0, 100.0, "target"),
        ("B", "buy", 10.0, 50.0, "target"),
        ("A", "sell", 5.0, 200.0, "series ended"),
        ("B", "buy", 20.0, 50.0, "target"),
    ]
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_500.0, 1_500.0, 3_000.0]
    assert result.equity["position"].to_list() == [0.0, 1.0, 1 / 3, 1 / 3, 1.0]
    assert result.trades.select("symbol", "is_open", "exit_reason").rows() == [
        ("A", False, "series ended"),
        ("B", True, None),
    ]


@examples
@given(
    seed=seeds,
    asked=st.builds(lambda fee, bps: Costs(fee_bps=fee, slippage_bps=bps), st.integers(0, 300), st.integers(0, 300)),
)
def test_a_portfolio_of_one_is_the_account(seed, asked):
    rng = np.random.default_rng(seed)
    candles = series(100 * np.exp(np.cumsum(rng.normal(0, 0.05, BARS))))
    positions = held(candles, rng.choice([0.0, 0.5, 1.0, -1.0], BARS - 1))
    alone = backtest(candles, positions, costs=asked)
    together = backtest_portfolio([candles], [positions], costs=asked)
    for name in ("equity", "cash", "cost"):
        np.testing.assert_array_equal(alone.equity[name].to_numpy(), together.equity[name].to_numpy())
    assert together.fills.drop("symbol").rows() == alone.fills.rows()


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@examples
@given(seed=seeds, fee=st.integers(0, 300), impact=st.sampled_from([0, 200]))
def test_money_is_conserved(seed, fee, impact):
    """Cash at the end is what fills have moved, and what could not be paid; nothing is held."""
    rng = np.random.default_rng(seed)
    bars = wild_prices(seed, [5.0, 500.0, math.nan])._replace(ends=True)
    conditions = Conditions(Costs(fee_bps=fee, slippage_bps=3, impact_bps=impact).terms())
    targets = rng.choice([-1.0, 0.0, 0.3, 1.0], BARS)
    by_bar = [[at_market(float(units))] for units in rng.uniform(-3, 3, BARS)]
    for walked in (
        walk_targets(compiled.run_targets, targets, bars, conditions),
        walk_orders(compiled.run_orders, by_bar, bars, conditions),
    ):
        (money, units), fills, account = walked[0][-1], walked[1], walked[2]
        assert units == account.units == 0.0
        moved = -(fills[:, 3] * fills[:, 4]).sum() - fills[:, 5].sum()
        assert money - account.shortfall == pytest.approx(CASH + moved, abs=1e-6)
        is_end = fills[:, 7] == SERIES_END
        assert is_end.sum() <= 1
        assert (fills[is_end, 0] == BARS - 1).all()


@examples
@given(seed=seeds, fee=st.integers(0, 300), assets=st.integers(1, 4))
def test_money_of_a_portfolio_is_conserved(seed, fee, assets):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.08, (BARS, assets)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.03, close.shape))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    ends = rng.integers(-1, BARS, assets)
    for asset, row in enumerate(ends):
        if row >= 0:
            for column in (opened, high, low, close):
                column[row + 1 :, asset] = math.nan
    targets = rng.choice([-0.5, 0.0, 0.5, 1.0], close.shape) / assets
    targets[np.isnan(opened)] = math.nan
    asked = Asked(
        Conditions(Costs(fee_bps=fee, slippage_bps=3).terms()),
        Sizing(np.zeros(assets, bool), np.full(assets, math.inf)),
    )
    prices = Prices(opened, high, low, close, np.ones(close.shape), None, ends)
    both = []
    for loop in (run, compiled.run_portfolio):
        written = Written(np.empty(close.shape), np.empty((BARS, 5)), np.empty((2 * BARS * assets + 2 * assets, 9)))
        shortfall, count = loop(prices, targets, asked, CASH, written)
        fills = written.fills[:count].copy()
        both.append((shortfall, written.held.copy(), written.sums.copy(), fills))
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one, other)
    shortfall, units, sums, fills = both[0]
    for asset, row in enumerate(ends):
        if row >= 0:
            assert not units[row:, asset].any()
    moved = -(fills[:, 4] * fills[:, 5]).sum() - fills[:, 6].sum()
    assert sums[-1, 1] - shortfall == pytest.approx(CASH + moved, abs=1e-6)


def test_dividends_and_the_end_add_up():
    candles = series([100, 100, 50, 40])
    paid = Actions(pl.DataFrame({"time": [candles.frame["open_time"][2]], "dividend": [10.0]}))
    result = backtest(candles, held(candles, [1.0]), costs=FEE, cash=1_100.0, actions=paid)
    (trade,) = result.trades.rows(named=True)
    ended = result.equity.rows(named=True)[-1]
    assert trade["pnl"] == pytest.approx(
        ended["equity"] - 1_100.0 - result.shortfall + ended["financing"] - ended["dividends"]
    )


def test_what_was_held_at_the_end_can_be_counted_as_lost():
    """5 units at 100 of 1,000, and 500 in cash; closed at 110, which nobody may have paid: 500 are left."""
    candles = series([100, 100, 100, 110])
    result = backtest(candles, held(candles, [0.5]), costs=FREE, cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_000.0, 1_050.0]
    found = without_last_closes(result)
    assert found.positions == 1 and not found.is_short
    assert found.growth.annual == pytest.approx(-0.5)
    assert found.growth.p_value > 0.5
    short = backtest(candles, held(candles, [-0.5]), costs=FREE, cash=1_000.0)
    found = without_last_closes(short)  # a short gains by a bankruptcy, and loses by a takeover: 5 x 220 are paid
    assert found.positions == 1 and found.is_short
    assert found.growth.annual == pytest.approx((1_000 + 500 - 5 * 220) / 1_000 - 1)
