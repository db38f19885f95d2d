"""Break-even costs, capacity, and positions as tables for other engines."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.adapters.tables import nautilus_table, vectorbt_table
from candlecast.backtesting import (
    Costs,
    Filters,
    Orders,
    backtest,
    backtest_portfolio,
    bracket,
    break_even,
    break_even_bps,
    capacity,
    market as buy,
)
from candlecast.errors import CandleError, ConfigError
from candlecast.signals import Positions
from candlecast.sources import synthetic


def test_break_even_by_hand(market, decide):
    """Bought at 100, sold at 110: 1.1 (1 - f) / (1 + f) = 1 at f = 0.1 / 2.1."""
    candles = market([100, 100, 110], [100, 110, 110])
    found = break_even(candles, decide(candles, [1, 0]))
    assert found.bps == pytest.approx(1e4 * 0.1 / 2.1, abs=0.02)
    assert found.curve["cost_bps"].to_list() == [0, 1, 2, 5, 10, 20, 50, 100]
    free, _, _, _, ten, *_ = found.curve["total_return"]
    assert free == pytest.approx(0.1)
    assert ten == pytest.approx(1.1 * 0.999 / 1.001 - 1)
    assert found.curve["total_return"].is_sorted(descending=True)
    dear = Costs(fee_bps=20, maker_fee_bps=5, slippage_bps=30, half_spread_bps=40)  # replaced, all of them
    assert break_even_bps(candles, decide(candles, [1, 0]), costs=dear) == found.bps


def test_break_even_of_what_never_earns_and_of_what_always_does(market, decide):
    falls = market([100, 100, 90], [100, 90, 90])
    assert math.isnan(break_even(falls, decide(falls, [1, 0])).bps)  # none: it loses without costs
    assert math.isnan(break_even_bps(falls, decide(falls, [0, 0])))  # none: it never trades
    flat = market([100, 100, 100], [100, 100, 100])
    assert math.isnan(break_even_bps(flat, decide(flat, [1, 0])))  # none: it earns nothing
    soars = market([100, 100, 900], [100, 900, 900])
    assert break_even(soars, decide(soars, [1, 0])).bps == math.inf
    with pytest.raises(ConfigError, match=r"fees_bps is \[-1\]"):
        break_even(falls, decide(falls, [1, 0]), fees_bps=[-1])


def test_financing_is_not_given_back(market, decide):
    """A day of funding at 30 bp each 8 hours takes 0.9 % of 1,100 bought at the open and held over one night, 9.9 of 100."""
    candles = market([100, 100, 110], [100, 110, 110])
    held = decide(candles, [1, 0])
    funded = Costs(fee_bps=0, slippage_bps=0, funding_bps=30)
    paid = backtest(candles, held, costs=funded, cash=1_000.0)
    assert paid.equity["equity"][-1] == pytest.approx(1_100 - 9.9)
    # 1.1 (1 - f) / (1 + f) = 1 + 0.0099 / (1 + f)
    assert break_even_bps(candles, held, costs=funded) == pytest.approx(1e4 * (0.1 - 0.0099) / 2.1, abs=0.01)
    dear = replace(funded, funding_bps=400)
    assert math.isnan(break_even_bps(candles, held, costs=dear))


def test_break_even_stays_what_all_else_costs(market, decide):
    """A flat 20 for each order (its own), impact, maker fees that positions never pay, and the fee that is replaced."""
    candles = market([100, 100, 110], [100, 110, 110])
    held = decide(candles, [1, 0])
    plain = break_even_bps(candles, held)
    assert plain == pytest.approx(1e4 * 0.1 / 2.1, abs=1e-3)
    assert break_even_bps(candles, held, costs=Costs(fee_bps=77, maker_fee_bps=3, half_spread_bps=5)) == plain
    own = Costs(extra=lambda units, price, volume: 20.0)
    assert break_even_bps(candles, held, costs=own, cash=1_000.0) == pytest.approx(plain - 1e4 * 0.04 / 2.1, rel=0.02)
    assert break_even_bps(candles, held, costs=Costs(impact_bps=100)) == pytest.approx(plain - 100, rel=0.02)


@pytest.mark.parametrize("sizing", [{}, {"band": 0.02}, {"in_units": True}, {"leverage": 20.0}])
def test_the_account_earns_below_it_and_not_above_it(sizing):
    """Whatever positions are: fractions, with a band, in units, on credit that high costs could not even open."""
    candles = synthetic.ar1(600, seed=3, phi=0.5, volatility=0.01).candles
    known = np.sign(np.diff(np.log(candles.close), prepend=math.log(candles.close[0]) - 1e-9))
    scale = {"in_units": 3.0, "leverage": 5.0}.get(next(iter(sizing), ""), 1.0)
    frame = pl.DataFrame({"time": candles.frame["close_time"], "symbol": candles.symbol, "position": scale * known})
    positions = Positions(frame, **sizing)
    bps = break_even_bps(candles, positions)
    assert 1.0 < bps < 1_000.0

    def final(cost):
        return backtest(candles, positions, costs=Costs(fee_bps=cost, slippage_bps=0)).equity["equity"][-1]

    assert final(bps - 0.001) > 10_000.0
    assert final(bps + 0.001) <= 10_000.0
    assert break_even(candles, positions).bps == bps


def test_the_lowest_cost_at_which_it_stops_earning_counts(market, decide):
    """10 % earned, then 40 % of a half lost, unless costs have left too little for that order: there is no break-even."""
    candles = market([100, 100, 110, 110, 66], [100, 110, 110, 66, 66])
    held, filters = decide(candles, [1.0, 0.0, 0.5, 0.0]), Filters(minimum=548.0)
    final = [
        backtest(candles, held, costs=Costs(fee_bps=fee, slippage_bps=0), cash=1_000.0, filters=filters).equity[
            "equity"
        ][-1]
        for fee in (0, 30)
    ]
    assert final == [pytest.approx(880.0), pytest.approx(1_100 * 0.997 / 1.003)]
    assert math.isnan(break_even_bps(candles, held, cash=1_000.0, filters=filters))
    ruined = market([100, 100, 100, 400], [100, 100, 100, 400])
    assert math.isnan(break_even_bps(ruined, decide(ruined, [-1, -1, -1])))


def test_credit_that_no_cost_leaves_out_of_the_usual_range(market, decide):
    candles = market([100, 100, 110], [100, 110, 110])
    held = replace(decide(candles, [1.0, 0.0]), leverage=125.0)
    found = break_even(candles, held)
    assert found.curve["cost_bps"].to_list() == [0, 1, 2, 5, 10, 20, 50]  # 125 x 1 % is more than all of the equity
    assert 50 < found.bps < 1e4 / 125 + 1
    with pytest.raises(ConfigError, match="positions of 125 times equity ask for 125 %"):
        break_even(candles, held, fees_bps=[100.0])


def test_capacity_by_hand(market, decide):
    """10 units of a volume of 1 each time, for 1,000: a tenth of the volume is 100 times too much."""
    candles = market([100, 100, 100], [100, 100, 100])
    result = backtest(candles, decide(candles, [1, 0]), costs=Costs.free(), cash=1_000.0)
    assert capacity(result, candles, participation=0.1) == pytest.approx(10.0)
    quiet = candles.frame.with_columns(volume=pl.lit(0.0))
    assert capacity(result, type(candles)(quiet, candles.symbol, candles.interval)) == 0.0
    still = backtest(candles, decide(candles, [0, 0]))
    assert capacity(still, candles) == math.inf
    with pytest.raises(ConfigError, match="share is 0"):
        capacity(result, candles, share=0)


def test_capacity_takes_the_bar_that_filled(market_of):
    """Entered at the open of the second bar (volume 8), stopped within the third (volume 2): half a unit of it."""
    candles = market_of([(100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 80, 90), (90, 90, 90, 90)])
    frame = candles.frame.with_columns(volume=pl.Series([1.0, 8.0, 2.0, 1.0]))
    candles = type(candles)(frame, candles.symbol, candles.interval)
    orders = Orders.of([(frame["close_time"][0], order) for order in bracket(buy(1), stop=90)])
    result = backtest(candles, orders, cash=1_000.0)
    assert result.fills["reason"].to_list() == ["market", "stop"]
    assert capacity(result, candles, participation=0.1, share=1.0) == pytest.approx(1_000 * 0.1 / 0.5)


def test_table_for_vectorbt(market, decide):
    candles = market([100, 101, 102, 103], [100.5, 101.5, 102.5, 103.5])
    table = vectorbt_table(candles, decide(candles, [1, 1, 0]))
    assert table["price"].to_list() == [101, 102, 103]
    assert table["close"].to_list() == [101.5, 102.5, 103.5]
    np.testing.assert_array_equal(table["size"].to_numpy(), [1.0, np.nan, 0.0])
    assert table["time"].to_list() == candles.frame["open_time"][1:].to_list()


def test_table_for_nautilus(market, decide):
    candles = market([100, 101], [100, 101])
    (first, _) = nautilus_table(decide(candles, [1, 0]), venue="BINANCE").rows(named=True)
    nanoseconds = int(candles.close_time[0].astype("datetime64[ns]").astype(np.int64))
    assert first == {
        "name": "position",
        "instrument_id": "asset.BINANCE",
        "value": 1.0,
        "ts_event": nanoseconds,
        "ts_init": nanoseconds,
    }


def test_capacity_of_a_portfolio_and_of_a_gap_through_a_stop(market, market_of, decide):
    """Each fill by the volume of its own asset; a stop that gaps is filled at the open of its own bar."""
    one, two = (replace(market([100] * 3, [100] * 3), symbol=symbol) for symbol in ("A", "B"))
    two = replace(two, frame=two.frame.with_columns(volume=pl.lit(4.0)))
    result = backtest_portfolio(
        [one, two], [decide(one, [0.5], "A"), decide(two, [0.5], "B")], costs=Costs.free(), cash=1_000.0
    )
    assert capacity(result, [one, two], participation=0.1, share=1.0) == pytest.approx(1_000 * 0.1 / 5)
    assert capacity(result, [two, one], participation=0.1, share=1.0) == pytest.approx(1_000 * 0.1 / 5)
    with pytest.raises(ConfigError, match="candles of 'A' are not given; expected those that the backtest traded"):
        capacity(result, two)
    with pytest.raises(CandleError, match="the fill at 2024-01-02 00:00 UTC is on no bar of A"):
        capacity(result, [one[2:], two])
    candles = market_of([(100, 100, 100, 100), (100, 100, 100, 100), (80, 80, 80, 80)])
    candles = replace(candles, frame=candles.frame.with_columns(volume=pl.Series([1.0, 100.0, 10.0])))
    decided = candles.frame["close_time"][0]
    stopped = backtest(candles, Orders.of([(decided, order) for order in bracket(buy(1), stop=90)]))
    assert stopped.fills.select("price", "is_at_open").rows()[1] == (pytest.approx(80 * 0.9998), True)
    assert capacity(stopped, candles, participation=1.0, share=1.0) == pytest.approx(10_000 * 10)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"participation": "much"}, "participation is 'much'"), ({"share": 2.0}, "share is 2.0; expected a fraction")],
)
def test_shares_that_cannot_be(market, decide, given, words):
    candles = market([100] * 3, [100] * 3)
    with pytest.raises(ConfigError, match=words):
        capacity(backtest(candles, decide(candles, [1])), candles, **given)
    with pytest.raises(ConfigError, match="result is of type int"):
        capacity(1, candles)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=r"fees_bps is \['5'\]; expected one or more costs"):
        break_even(candles, decide(candles, [1]), fees_bps=["5"])  # pyright: ignore[reportArgumentType]
