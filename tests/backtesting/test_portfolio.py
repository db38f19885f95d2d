"""Many assets on one cash account: by hand, beside single accounts, and whatever their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from candlecast.backtesting import Actions, Costs, Filters, backtest, backtest_portfolio
from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.signals import Positions

BARS = 15
FREE = Costs.free()
FEE = Costs(fee_bps=1_000, slippage_bps=0)


def named(candles: Candles, symbol: str) -> Candles:
    return replace(candles, symbol=symbol)


@pytest.fixture(scope="module")
def assets(market):
    def build(seed: int, count: int, hole: bool = True) -> list[Candles]:
        rng = np.random.default_rng(seed)
        made = []
        for number in range(count):
            close = 100 * np.exp(np.cumsum(rng.normal(0, 0.05, BARS)))
            candles = named(market(close * np.exp(rng.normal(0, 0.01, BARS)), close), f"A{number}")
            if hole and number:  # bars that do not line up
                keep = np.ones(BARS, dtype=bool)
                keep[rng.choice(np.arange(3, BARS - 1), 2, replace=False)] = False
                candles = replace(candles, frame=candles.frame.filter(pl.Series(keep)))
            made.append(candles)
        return made

    return build


def random_positions(candles: Candles, seed: int, part: float) -> Positions:
    values = np.random.default_rng(seed).choice([-1.0, 0.0, 0.5, 1.0], len(candles)) * part
    return Positions(pl.DataFrame({"time": candles.frame["close_time"], "symbol": candles.symbol, "position": values}))


def test_two_assets_share_the_cash(market, decide):
    """Half of 1,000 in each: A doubles, B halves; then all of 1,250 goes to B."""
    one = named(market([100, 100, 200, 200], [100, 200, 200, 200]), "A")
    two = named(market([50, 50, 25, 25], [50, 25, 25, 50]), "B")
    held = [decide(one, [0.5, 0.0], "A"), decide(two, [0.5, 1.0], "B")]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 1_250.0, 1_250.0, 2_500.0]
    assert result.equity["position"].to_list() == [0.0, 1.0, 1.0, 1.0]
    assert result.fills.select("symbol", "side", "notional").rows() == [
        ("A", "buy", 500.0),
        ("B", "buy", 500.0),
        ("A", "sell", 1_000.0),
        ("B", "buy", 1_000.0),
    ]
    assert dict(result.trades.select("symbol", "pnl").rows()) == {"A": 500.0, "B": 1_000.0}


def test_all_are_sized_by_what_is_left_after_all_costs(market, decide):
    """Half in each at a fee of 10 %: E' = 1,100 - 0.1 E' = 1,000, so 5 units of each at 100."""
    one, two = (named(market([100, 100], [100, 100]), symbol) for symbol in "AB")
    held = [decide(one, [0.5], "A"), decide(two, [0.5], "B")]
    result = backtest_portfolio([one, two], held, costs=FEE, cash=1_100.0)
    assert result.fills["units"].to_list() == pytest.approx([5.0, 5.0])
    assert result.equity["cash"][-1] == pytest.approx(0.0, abs=1e-9)
    assert result.equity["equity"][-1] == pytest.approx(1_000.0)


def test_an_asset_without_a_bar_waits(market_of, decide):
    """B has no bar on the second day: its order waits for the third."""
    days = [(100, 100, 100, 100)] * 4
    one, two = named(market_of(days), "A"), named(market_of([*days[:2], (80, 80, 80, 80), days[0]]), "B")
    two = replace(two, frame=two.frame.filter(pl.Series([True, False, True, True])))
    result = backtest_portfolio(
        [one, two], [decide(one, [0.5], "A"), decide(two, [0.5], "B")], costs=FREE, cash=1_000.0
    )
    assert result.fills.select("symbol", "price").rows() == [("A", 100.0), ("B", 80.0)]
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_000.0, 1_125.0]


def test_interest_is_paid_once_and_a_dividend_to_its_holder(market, decide):
    one, two = (named(market([100] * 3, [100] * 3), symbol) for symbol in "AB")
    paid = Actions(pl.DataFrame({"time": one.frame["open_time"][2:3], "dividend": [2.0]}))
    costs = Costs(fee_bps=0, slippage_bps=0, interest_percent=36.525)  # 0.1 % a day
    held = [decide(one, [0.25], "A"), decide(two, [0.25], "B")]
    result = backtest_portfolio([one, two], held, costs=costs, cash=1_000.0, actions={"A": paid})
    """A day's interest on 1,000, a quarter of 1,001 in each, then 2.5025 x 2 and a day on what is free."""
    free = 1_001 / 2 + 2 * 2.5025
    assert result.equity["cash"].to_list() == pytest.approx([1_000.0, 500.5, free * 1.001])


def test_ruin_closes_everything(market, decide):
    one, two = named(market([100, 100, 350], [100, 100, 350]), "A"), named(market([100] * 3, [100] * 3), "B")
    held = [decide(one, [-0.5], "A"), decide(two, [0.5], "B")]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 0.0]
    assert result.shortfall == 250.0
    assert result.fills.filter("is_forced")["symbol"].to_list() == ["A", "B"]
    assert result.ruined_at is not None


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    fee=st.integers(0, 200),
    sizing=st.sampled_from([{}, {"band": 0.02}, {"in_units": True}]),
    extra=st.sampled_from([None, lambda units, price, volume: 1.0]),
)
def test_one_asset_is_the_single_account(assets, seed, fee, sizing, extra):
    """To the last bit."""
    (candles,) = assets(seed, 1)
    positions = replace(random_positions(candles, seed, 1.0), **sizing)
    costs, filters = Costs(fee, fee / 2, impact_bps=10, borrow_percent=2, extra=extra), Filters(lot=0.01)
    alone = backtest(candles, positions, costs=costs, filters=filters)
    together = backtest_portfolio([candles], [positions], costs=costs, filters=filters)
    assert together.equity["equity"].to_list() == alone.equity["equity"].to_list()
    assert together.fills.drop("symbol").equals(alone.fills)
    assert together.trades.drop("symbol").equals(alone.trades)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_shuffling_assets_changes_nothing(assets, seed):
    candles = assets(seed, 4)
    held = [random_positions(each, seed + number, 0.25) for number, each in enumerate(candles)]
    straight = backtest_portfolio(candles, held)
    order = np.random.default_rng(seed).permutation(4)
    shuffled = backtest_portfolio([candles[place] for place in order], [held[place] for place in order])
    assert shuffled.equity.equals(straight.equity)
    assert shuffled.fills.equals(straight.fills)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), fee=st.integers(0, 300))
def test_money_is_conserved(assets, seed, fee):
    candles = assets(seed, 3)
    held = [random_positions(each, seed + number, 0.3) for number, each in enumerate(candles)]
    result = backtest_portfolio(candles, held, costs=Costs(fee_bps=fee, slippage_bps=5))
    change = result.equity["equity"][-1] - 10_000.0
    assert result.trades["pnl"].sum() + result.shortfall == pytest.approx(change, abs=1e-6)
    spent = result.fills["fee"].sum() + result.fills["slippage"].sum()
    assert result.equity["cost"][-1] == pytest.approx(spent)


def test_every_target_is_reached_after_all_costs(assets):
    """Mixed directions: the equity left is found although each direction depends on it."""
    candles = assets(3, 4, hole=False)
    held = [random_positions(each, number, 0.25) for number, each in enumerate(candles)]
    result = backtest_portfolio(candles, held, costs=Costs(fee_bps=500, slippage_bps=300))
    first = result.fills["time"][0]
    bought = result.fills.filter(pl.col("time") == first)
    spent = (bought["fee"] + bought["slippage"]).sum()
    for fill in bought.iter_rows(named=True):
        market_price = fill["price"] / (1.03 if fill["side"] == "buy" else 0.97)
        assert fill["units"] * market_price == pytest.approx(abs(fill["target"]) * (10_000.0 - spent))


def test_summary_of_a_portfolio(assets):
    candles = assets(1, 3)
    result = backtest_portfolio(candles, [random_positions(each, 1, 0.3) for each in candles])
    values = dict(result.summary().select("statistic", "value").iter_rows())
    assert values["total return"] == pytest.approx(result.equity["equity"][-1] / 10_000 - 1)
    assert result.symbol == "A0+A1+A2"
    assert result.benchmark["position"][-1] == pytest.approx(1.0, abs=0.01)


def test_what_is_refused(assets):
    one, two = assets(1, 2)
    held = [random_positions(one, 1, 0.5), random_positions(two, 1, 0.5)]
    with pytest.raises(ConfigError, match="candles are of A0, A1, positions of A1, A0"):
        backtest_portfolio([one, two], held[::-1])
    with pytest.raises(ConfigError, match=r"add up to .* times equity; expected 1 or less together"):
        backtest_portfolio([one, two], [random_positions(each, 1, 1.0) for each in (one, two)])
    with pytest.raises(ConfigError, match="cash is -1"):
        backtest_portfolio([one], held[:1], cash=-1)
    with pytest.raises(ConfigError, match="intervals are 1d, 2d"):
        backtest_portfolio([one, named(one.resample("2d"), "A1")], [held[0], replace(held[1])])


def test_units_of_one_asset_and_a_banded_fraction_of_another(market, decide):
    """1 unit of A for 200 and its fee of 20; half of what is left is in B: E' = 980 - 0.1 E' / 2.

    B doubles, to two thirds of the equity, beyond the band: sold down to half of what is left.
    """
    one = named(market([200] * 4, [200] * 4), "A")
    two = named(market([100, 100, 200, 200], [100, 100, 200, 200]), "B")
    held = [
        replace(decide(one, [1.0], "A"), in_units=True),
        replace(decide(two, [0.5, 0.5, 0.5], "B"), band=0.1),
    ]
    result = backtest_portfolio([one, two], held, costs=FEE, cash=1_000.0)
    left = 980 / 1.05
    bought = left / 2 / 100
    assert result.fills.select("symbol", "side", "units").head(2).rows() == [
        ("A", "buy", 1.0),
        ("B", "buy", pytest.approx(bought)),
    ]
    equity = left + bought * 100  # after the rise, before trading; sold until E' = equity - 0.1 (value - E' / 2)
    left = (equity - 0.1 * bought * 200) / (1 - 0.1 / 2)
    assert result.fills.select("symbol", "side", "units").rows()[2] == (
        "B",
        "sell",
        pytest.approx(bought - left / 2 / 200),
    )
    assert result.fills.height == 3
    assert result.equity["equity"][-1] == pytest.approx(left)


def test_a_liquidation_at_an_open_is_dated_there(market, decide):
    one = named(market([100, 100, 350, 350], [100, 100, 350, 350]), "A")
    result = backtest_portfolio([one], [decide(one, [-1.0], "A")], costs=FREE)
    (forced,) = result.fills.filter("is_forced").rows(named=True)
    assert (forced["time"], forced["is_at_open"]) == (one.frame["open_time"][2], True)
    assert result.ruined_at == one.frame["open_time"][2]


def test_an_asset_without_a_bar_is_liquidated_at_its_last_close(market, decide):
    one = named(market([100, 100, 350, 350], [100, 100, 350, 350]), "A")
    whole = named(market([50] * 4, [50] * 4), "B")
    two = replace(whole, frame=whole.frame.filter(pl.Series([True, True, False, True])))
    held = [decide(one, [-0.5], "A"), decide(whole, [0.5], "B")]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    forced = result.fills.filter("is_forced").select("symbol", "time", "price")
    times = {"A": one.frame["open_time"][2], "B": whole.frame["close_time"][1]}
    assert sorted(forced.rows()) == [("A", times["A"], 350.0), ("B", times["B"], 50.0)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leverage=st.sampled_from([1.0, 3.0, 8.0]),
    maintenance=st.sampled_from([0.0, 5.0]),
    impact=st.sampled_from([0, 50]),
)
def test_one_asset_meets_the_same_squeeze(market_of, seed, leverage, maintenance, impact):
    """Wild bars, short and on borrowed money: liquidated within the bar, at the same price, and ruined alike."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.1, BARS)))
    opened = close * np.exp(rng.normal(0, 0.05, BARS))
    high = np.maximum(opened, close) * (1 + rng.exponential(0.15, BARS))
    low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.3, BARS))
    candles = market_of(np.column_stack([opened, high, low, close]).tolist())
    positions = replace(random_positions(candles, seed, 1.0), leverage=leverage)
    positions = replace(positions, frame=positions.frame.with_columns(pl.col("position") * leverage))
    costs = Costs(5, 2, impact_bps=impact, maintenance_percent=maintenance)
    alone = backtest(candles, positions, costs=costs)
    together = backtest_portfolio([candles], [positions], costs=costs)
    assert together.equity["equity"].to_list() == alone.equity["equity"].to_list()
    assert together.fills.drop("symbol").equals(alone.fills)
    assert together.trades.drop("symbol").equals(alone.trades)
    assert (together.shortfall, together.ruined_at) == (alone.shortfall, alone.ruined_at)


def test_a_squeeze_within_a_bar_by_hand(market_of, decide):
    """10 short at 100 on 1,000: nothing is left at 200, on the way to a high of 250, though the bar closes at 100."""
    candles = market_of([(100, 100, 100, 100), (100, 250, 100, 100), (100, 100, 100, 100)])
    result = backtest_portfolio([candles], [decide(candles, [-1.0])], costs=FREE, cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 0.0, 0.0]
    assert result.fills.select("price", "is_forced", "is_at_open").rows() == [
        (100.0, False, True),
        (200.0, True, False),
    ]
    assert result.ruined_at == candles.frame["close_time"][1]


def test_one_of_two_is_squeezed_while_the_other_stands_still(market_of, decide):
    """5 short of A and 5 long of B at 100 on 1,000: A alone takes everything at 300 (500 + 5 x 100 is lost at +200)."""
    flat = (100, 100, 100, 100)
    one, two = named(market_of([flat, (100, 400, 100, 100)]), "A"), named(market_of([flat, flat]), "B")
    held = [decide(one, [-0.5], "A"), decide(two, [0.5], "B")]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    forced = result.fills.filter("is_forced").select("symbol", "price").rows()
    assert forced == [("A", pytest.approx(300.0)), ("B", pytest.approx(100.0))]
    assert result.equity["equity"][-1] == 0.0
    assert result.shortfall == pytest.approx(0.0, abs=1e-9)
    assert result.ruined_at is not None


@pytest.mark.parametrize(
    ("other", "is_closed"),
    [((100, 100, 40, 100), True), ((100, 160, 100, 100), False)],
    ids=["all fall together", "one falls while the other rises"],
)
def test_assets_that_move_together_within_a_bar(market_of, decide, other, is_closed):
    """10 of each at 100 for 2,000 of which 1,000 are borrowed: nothing is left with both at 50, and 400 with one at 40."""
    flat = (100, 100, 100, 100)
    one, two = named(market_of([flat, (100, 100, 40, 100)]), "A"), named(market_of([flat, other]), "B")
    held = [replace(decide(each, [1.0], each.symbol), leverage=2.0) for each in (one, two)]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    assert result.fills.filter("is_forced")["price"].to_list() == [50.0, 50.0] * is_closed
    assert result.equity["equity"].to_list() == [1_000.0, 0.0 if is_closed else 1_000.0]


def test_longs_and_shorts_do_not_meet_their_worst_prices_at_once(market_of, decide):
    """10 long of A and 10 short of B, both between 60 and 140: apart they lose 800 at most, and nothing together."""
    flat = (100, 100, 100, 100)
    one, two = (named(market_of([flat, (100, 140, 60, 100)]), symbol) for symbol in "AB")
    held = [replace(decide(one, [1.0], "A"), leverage=2.0), replace(decide(two, [-1.0], "B"), leverage=2.0)]
    result = backtest_portfolio([one, two], held, costs=FREE, cash=1_000.0)
    assert not result.fills["is_forced"].any()
    assert result.ruined_at is None


def test_the_others_stay_open_while_one_is_without_a_bar(market_of, decide):
    """B has no bar on the third day; A alone is squeezed there, B is closed at its last close."""
    flat = (100, 100, 100, 100)
    one = named(market_of([flat, flat, (100, 400, 100, 100), flat]), "A")
    whole = named(market_of([flat] * 4), "B")
    two = replace(whole, frame=whole.frame.filter(pl.Series([True, True, False, True])))
    result = backtest_portfolio([one, two], [decide(one, [-0.5], "A"), decide(whole, [0.5], "B")], costs=FREE)
    forced = result.fills.filter("is_forced").select("symbol", "price").rows()
    assert sorted(forced) == [("A", pytest.approx(300.0)), ("B", 100.0)]


def test_a_dividend_is_no_cost(market, decide):
    """Short 1,000 units through a dividend of 1: equity falls by 1,000, as in the single account, and nothing is a cost."""
    candles = market([10] * 5, [10] * 5)
    paid = Actions(pl.DataFrame({"time": [candles.frame["open_time"][2]], "dividend": [1.0]}))
    held = decide(candles, [-1])
    together = backtest_portfolio([candles], [held], costs=FREE, actions={"asset": paid}).equity
    alone = backtest(candles, held, costs=FREE, actions=paid).equity
    assert together["equity"].to_list() == [10_000.0, 10_000.0, 9_000.0, 9_000.0, 9_000.0]
    names = ["equity", "cash", "cost", "financing", "dividends"]
    assert together.select(names).equals(alone.select(names))
    assert together.select("cost", "dividends").rows()[-1] == (0.0, -1_000.0)
