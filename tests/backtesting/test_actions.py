"""Splits, dividends, funding, borrow and interest over whole backtests, worked on paper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Actions, Costs, Filters, Orders, backtest, limit, market, stop
from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.signals import Positions

FREE = Costs.free()
DAYS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(6)]


def actions(**columns) -> Actions:
    return Actions(pl.DataFrame(columns))


def test_a_split_of_unadjusted_prices_loses_nothing(market, decide):
    """4:1 on the third day: 10 units at 100 become 40 at 25, sold at 30."""
    candles = market([100, 100, 25, 30], [100, 100, 25, 30])
    result = backtest(
        candles, decide(candles, [1, 1, 0]), costs=FREE, cash=1_000.0, actions=actions(time=[DAYS[2]], split=[4.0])
    )
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_000.0, 1_200.0]
    assert result.equity["units"].to_list() == [0.0, 10.0, 40.0, 0.0]
    (trade,) = result.trades.rows(named=True)
    assert (trade["units"], trade["entry"], trade["pnl"], trade["is_open"]) == (40.0, 25.0, 200.0, False)
    assert (
        backtest(candles, decide(candles, [1, 1, 0]), costs=FREE).equity["equity"][2] == 2_500.0
    )  # as if it had fallen


def test_a_short_pays_its_dividend(market, decide):
    """10 units short through 3 a unit, while the price falls by as much."""
    candles = market([100, 100, 97, 97], [100, 100, 97, 97])
    paid = actions(time=[DAYS[2]], dividend=[3.0])
    result = backtest(candles, decide(candles, [-1, -1, 0]), costs=FREE, cash=1_000.0, actions=paid)
    assert result.equity["equity"].to_list() == pytest.approx([1_000.0] * 4)
    assert result.equity["dividends"].to_list() == [0.0, 0.0, -30.0, -30.0]
    assert result.trades["pnl"].to_list() == pytest.approx([30.0])


def test_what_is_bought_on_the_day_gets_no_dividend(market, decide):
    candles = market([100] * 4, [100] * 4)
    paid = actions(time=[DAYS[1], DAYS[3]], dividend=[5.0, 2.0])
    result = backtest(candles, decide(candles, [1]), costs=FREE, cash=1_000.0, actions=paid)
    assert result.equity["dividends"].to_list() == [0.0, 0.0, 0.0, 20.0]


def test_actions_between_bars_fall_due_at_the_next_open_and_outside_not_at_all(market, decide):
    candles = market([100] * 3, [100] * 3)
    times = [DAYS[0] - timedelta(days=9), DAYS[1] + timedelta(hours=9), DAYS[5]]
    result = backtest(
        candles, decide(candles, [1]), costs=FREE, cash=1_000.0, actions=actions(time=times, dividend=[1.0, 2.0, 4.0])
    )
    assert result.equity["dividends"].to_list() == [0.0, 0.0, 20.0]


def hourly(bars: int) -> Candles:
    times = [DAYS[0] + timedelta(hours=hour) for hour in range(bars)]
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(bars, 100.0))
    return Candles.from_frame(pl.DataFrame({"open_time": times, **prices, "volume": np.ones(bars)}))


def always(candles: Candles, value: float) -> Positions:
    return Positions(candles.frame.select(time="close_time", symbol=pl.lit("asset"), position=pl.lit(value)))


@pytest.mark.parametrize(("position", "sign"), [(1.0, 1.0), (-1.0, -1.0)])
def test_funding_falls_due_every_eight_hours(position, sign):
    """At 08 and 16 h, 1 bp of 1,000; none at 00 h, before which nothing was held."""
    candles = hourly(24)
    result = backtest(candles, always(candles, position), costs=Costs(0, 0, funding_bps=1), cash=1_000.0)
    financing = np.diff(result.equity["financing"].to_numpy())
    assert np.flatnonzero(financing).tolist() == [7, 15]
    assert financing[[7, 15]] == pytest.approx([sign * 0.1] * 2)
    assert result.equity["equity"][-1] == pytest.approx(1_000.0 - sign * 0.2)


def test_true_funding_takes_the_place_of_the_usual_rate():
    candles = hourly(12)
    rates = actions(time=[DAYS[0] + timedelta(hours=8)], funding=[-0.01])
    result = backtest(candles, always(candles, 1.0), costs=Costs(0, 0, funding_bps=50), cash=1_000.0, actions=rates)
    assert result.equity["equity"][-1] == pytest.approx(1_010.0)


def test_borrow_and_interest_by_time(market, decide):
    """A short of 1,000 for a day at 36.525 % a year costs 1; the 1,000 of equity earn half of that."""
    candles = market([100] * 3, [100] * 3)
    costs = Costs(0, 0, borrow_percent=36.525, interest_percent=18.2625)
    result = backtest(candles, decide(candles, [-1]), costs=costs, cash=1_000.0)
    first = 1_000.5  # a day's interest before the short
    assert result.equity["equity"].to_list() == pytest.approx([1_000.0, first, first * (1 - 0.001 + 0.0005)])
    assert result.summary().filter(pl.col("statistic") == "total cost")["value"][0] == pytest.approx(
        -0.5 + first * 0.0005
    )


def test_limits_and_stops_lie_on_the_grid(market_of):
    """A limit to buy at 95.03 rests at 95.0, a stop to sell at 90.07 at 90.0; market prices round against the trader."""
    candles = market_of(
        [(100, 100, 100, 100), (100.02, 101, 95.01, 96), (96, 97, 95, 96), (96, 97, 90.05, 92), (92, 92, 89, 90)]
    )
    first = candles.frame["close_time"][0]
    decided = Orders.of([(first, order) for order in (market(1), limit(1, 95.03), stop(-2, 90.07))])
    result = backtest(candles, decided, costs=FREE, cash=1_000.0, filters=Filters(tick=0.1))
    assert result.fills["price"].to_list() == pytest.approx([100.1, 95.0, 90.0])
    assert result.fills["time"].to_list()[1] == candles.frame["close_time"][2]


def test_the_result_as_a_pandas_frame(market, decide):
    candles = market([100] * 3, [100] * 3)
    result = backtest(candles, decide(candles, [1]))
    frame = result.to_pandas()
    assert frame.index.name == "time"
    assert frame["equity"].tolist() == result.equity["equity"].to_list()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"time": [DAYS[0]]}, "actions have the columns time; expected time, and one or more of split"),
        ({"time": [DAYS[0]], "split": [0.0]}, "the split at .* is 0.0; expected a split above 0"),
        ({"time": [DAYS[0]], "dividend": [-1.0]}, "the dividend at .* is -1.0"),
        ({"time": [DAYS[0]], "funding": [1.5]}, "the funding at .* is 1.5"),
        ({"time": [None, DAYS[0]], "split": [2.0, 2.0]}, "the time at None is None"),
    ],
)
def test_actions_that_cannot_be(columns, words):
    with pytest.raises(ConfigError, match=words):
        Actions(pl.DataFrame(columns))
