"""Each kind of order against ledgers worked on paper. A bar is (open, high, low, close)."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from candlecast.backtesting import (
    Account,
    Actions,
    Bar,
    CarryEvents,
    Conditions,
    Costs,
    Orders,
    State,
    Terms,
    backtest,
    bracket,
    limit,
    market,
    start,
    step,
    stop,
    stop_limit,
    target,
    trailing,
)
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError
from candlecast.sources import synthetic

FREE = Terms()
DEAR = Terms(taker=0.1, maker=0.05, slippage=0.1)
LONG = Account(cash=0.0, units=10.0, target=math.nan, shortfall=0.0)
SHORT = Account(cash=2_000.0, units=-10.0, target=math.nan, shortfall=0.0)


def bar(*prices: float) -> Bar:
    return Bar(*map(float, prices), 1.0)


def held(account: Account) -> State:
    return start(0.0)._replace(account=account)


def walk(state, bars, orders, terms=FREE, pessimism=1.0, events=None):
    """Executions as (units, price), and the state at the end; the orders rest from the first bar on."""
    executed = []
    for number, each in enumerate(bars):
        state, info = step(
            state,
            each._replace(events=events),
            orders if number == 0 else [],
            conditions=Conditions(terms, None, pessimism),
        )
        executed += [(fill.units, fill.price) for fill in info.fills]
    return executed, state


def test_market_order_pays_slippage_and_the_takers_fee():
    executed, state = walk(start(1_000.0), [bar(100, 120, 90, 110)], [market(2)], DEAR)
    assert executed == [(2.0, pytest.approx(110.0))]
    assert state.account.cash == pytest.approx(1_000 - 220 - 22)
    assert len(state.book) == 0


def test_limit_buy_waits_for_its_price_and_pays_the_makers_fee_without_slippage():
    executed, state = walk(start(1_000.0), [bar(100, 105, 96, 104), bar(104, 104, 94, 95)], [limit(2, 95)], DEAR)
    assert executed == [(2.0, 95.0)]
    assert state.account.cash == pytest.approx(1_000 - 190 - 9.5)


def test_limit_sell_waits_for_its_price():
    executed, state = walk(held(LONG), [bar(100, 109, 90, 100), bar(100, 110, 90, 100)], [limit(-10, 110)])
    assert executed == [(-10.0, 110.0)]
    assert state.account.cash == 1_100.0


def test_limit_is_filled_at_a_better_open():
    assert walk(start(1_000.0), [bar(90, 99, 85, 95)], [limit(2, 95)])[0] == [(2.0, 90.0)]
    assert walk(held(LONG), [bar(120, 125, 100, 110)], [limit(-10, 110)])[0] == [(-10.0, 120.0)]


def test_stop_sells_where_the_price_falls_to_it():
    executed, state = walk(held(LONG), [bar(100, 105, 94, 96)], [stop(-10, 95)], DEAR)
    assert executed == [(-10.0, pytest.approx(85.5))]
    assert state.account.cash == pytest.approx(855 - 85.5)


def test_stop_buys_where_the_price_rises_to_it():
    assert walk(held(SHORT), [bar(100, 106, 94, 96)], [stop(10, 105)])[0] == [(10.0, 105.0)]


def test_gap_through_a_stop_is_filled_at_the_open():
    assert walk(held(LONG), [bar(100, 105, 96, 100), bar(80, 85, 75, 82)], [stop(-10, 95)])[0] == [(-10.0, 80.0)]
    assert walk(held(SHORT), [bar(130, 140, 120, 125)], [stop(10, 105)])[0] == [(10.0, 130.0)]


def test_stop_that_is_not_met_rests():
    executed, state = walk(held(LONG), [bar(100, 105, 96, 100)] * 3, [stop(-10, 95)])
    assert executed == []
    assert len(state.book) == 1


def test_stop_limit_turns_into_a_limit():
    """Falls through the stop at 95 with limit 93: fills at the stop, where the price is above the limit."""
    assert walk(held(LONG), [bar(100, 101, 90, 92)], [stop_limit(-10, 95, 93)])[0] == [(-10.0, 95.0)]


def test_stop_limit_after_a_gap_waits_for_its_limit():
    bars = [bar(80, 85, 75, 82), bar(82, 92, 81, 90), bar(90, 94, 88, 91)]
    executed, state = walk(held(LONG), bars[:2], [stop_limit(-10, 95, 93)])
    assert executed == []
    assert len(state.book) == 1
    assert walk(held(LONG), bars, [stop_limit(-10, 95, 93)])[0] == [(-10.0, 93.0)]


def test_trailing_stop_follows_the_high_and_never_moves_back():
    """10 % behind: 110 x 0.9 = 99, then 120 x 0.9 = 108."""
    bars = [bar(100, 110, 99.5, 109), bar(109, 120, 109, 118), bar(118, 119, 107, 110)]
    assert walk(held(LONG), bars, [trailing(-10, 0.1)])[0] == [(-10.0, pytest.approx(108.0))]


def test_trailing_stop_of_a_short_follows_the_low():
    bars = [bar(100, 100.5, 80, 81), bar(81, 90, 80.5, 89)]
    assert walk(held(SHORT), bars, [trailing(10, 0.1)])[0] == [(10.0, pytest.approx(88.0))]


def test_bracket_takes_its_profit_and_cancels_its_stop():
    bars = [bar(100, 105, 95, 104), bar(104, 121, 100, 115), bar(115, 116, 80, 85)]
    executed, state = walk(start(1_000.0), bars, bracket(market(3), stop=90, take_profit=120))
    assert executed == [(3.0, 100.0), (-3.0, 120.0)]
    assert len(state.book) == 0
    assert state.account.cash == 1_060.0


def test_bracket_is_stopped_in_the_bar_that_it_entered_at_the_open():
    executed, _ = walk(start(1_000.0), [bar(100, 105, 85, 104)], bracket(market(3), stop=90, take_profit=120))
    assert executed == [(3.0, 100.0), (-3.0, 90.0)]


def test_where_the_bar_cannot_tell_the_worse_comes_first():
    orders = bracket(market(3), stop=90, take_profit=110)
    both = bar(100, 112, 88, 100)
    assert walk(start(1_000.0), [both], orders)[0] == [(3.0, 100.0), (-3.0, 90.0)]
    assert walk(start(1_000.0), [both], orders, pessimism=-1.0)[0] == [(3.0, 100.0), (-3.0, 110.0)]
    shorted = bracket(market(-3), stop=110, take_profit=90)
    assert walk(start(1_000.0), [both], shorted)[0] == [(-3.0, 100.0), (3.0, 110.0)]


def test_a_limit_entry_and_its_stop_in_one_bar():
    """The low is behind the entry on either path."""
    executed, _ = walk(start(1_000.0), [bar(100, 104, 85, 101)], bracket(limit(3, 95), stop=90, take_profit=120))
    assert executed == [(3.0, 95.0), (-3.0, 90.0)]


def test_a_profit_above_the_entry_needs_the_low_before_the_high():
    orders = bracket(limit(3, 95), stop=80, take_profit=103)
    each = bar(100, 104, 90, 96)
    assert walk(start(1_000.0), [each], orders)[0] == [(3.0, 95.0)]  # high first, low, close: worth 3 at the close
    assert walk(start(1_000.0), [each], orders, pessimism=-1.0)[0] == [(3.0, 95.0), (-3.0, 103.0)]


def test_two_orders_of_a_group_cancel_each_other():
    pair = [stop(2, 105)._replace(group=7.0), stop(-2, 95)._replace(group=7.0)]
    executed, state = walk(start(1_000.0), [bar(100, 106, 96, 105), bar(105, 106, 90, 91)], pair)
    assert executed == [(2.0, 105.0)]
    assert len(state.book) == 0


def test_an_order_that_reduces_never_opens():
    executed, state = walk(
        held(LONG), [bar(100, 105, 80, 90)], [stop(-25, 95, reduces=True), stop(-5, 85, reduces=True)]
    )
    assert executed == [(-10.0, 95.0)]
    assert state.account.units == 0.0


def test_time_in_force():
    quiet, low = bar(100, 101, 99, 100), bar(100, 101, 90, 95)
    assert walk(start(1_000.0), [quiet, low], [limit(1, 95, bars=1)])[0] == []
    assert walk(start(1_000.0), [quiet, low], [limit(1, 95, bars=2)])[0] == [(1.0, 95.0)]


def test_exits_of_an_entry_that_never_came_are_gone():
    _, state = walk(start(1_000.0), [bar(100, 101, 99, 100)] * 2, bracket(limit(1, 50, bars=1), stop=40))
    assert len(state.book) == 0


def test_a_target_after_exits_enters_again():
    executed, _ = walk(start(1_000.0), [bar(100, 100, 89, 95)], [target(1.0), stop(-math.inf, 90, reduces=True)])
    assert executed == [(10.0, 100.0), (-10.0, 90.0)]
    state = walk(start(1_000.0), [bar(100, 100, 89, 95)], [target(1.0), stop(-math.inf, 90, reduces=True)])[1]
    assert walk(state, [bar(90, 91, 89, 90)], [target(1.0)])[0] == [(10.0, 90.0)]


def test_liquidation_comes_before_a_stop_that_is_farther():
    """Short 10 on 2,000 with a quarter as margin: closed at 160, before the stop at 170."""
    executed, _ = walk(held(SHORT), [bar(100, 180, 100, 150)], [stop(10, 170, reduces=True)], Terms(maintenance=0.25))
    assert executed == [(10.0, 160.0)]


def test_a_stop_saves_from_liquidation():
    executed, _ = walk(held(SHORT), [bar(100, 180, 100, 150)], [stop(10, 150, reduces=True)], Terms(maintenance=0.25))
    assert executed == [(10.0, 150.0)]


def test_orders_are_split_with_the_units():
    events = CarryEvents(split=4.0, dividend=0.0, funding=0.0, borrow=0.0, interest=0.0, loan=0.0)
    state, _ = step(held(LONG), bar(100, 101, 99, 100), [stop(-10, 80)], conditions=Conditions(FREE))
    state, info = step(state, bar(25, 25.5, 19, 20)._replace(events=events), [], conditions=Conditions(FREE))
    assert [(fill.units, fill.price) for fill in info.fills] == [(-40.0, 20.0)]


def test_short_through_a_dividend_with_a_stop():
    events = CarryEvents(1.0, 3.0, 0.0, 0.0, 0.0, 0.0)
    _, state = walk(held(SHORT), [bar(97, 110, 96, 100)], [stop(10, 105)], events=events)
    assert state.account == Account(2_000.0 - 30.0 - 1_050.0, 0.0, pytest.approx(math.nan, nan_ok=True), 0.0)


def test_ruin_ends_the_account():
    state, info = step(held(SHORT), bar(100, 300, 100, 100), [], conditions=Conditions(FREE))
    assert state.account[:2] == (0.0, 0.0)
    assert info.fills[0].price == 200.0
    assert walk(state, [bar(100, 101, 99, 100)], [market(1)])[0] == []


def test_the_state_given_is_left_as_it_was():
    state, _ = step(start(1_000.0), bar(100, 101, 99, 100), [limit(1, 95)], conditions=Conditions(FREE))
    before = state.book.copy()
    step(state, bar(100, 101, 90, 95), [limit(1, 94)], conditions=Conditions(FREE))
    assert (state.book == before)[~(before != before)].all()
    assert len(state.book) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: limit(0.0, 10), "units is 0.0; expected units above zero to buy"),
        (lambda: limit(1.0, 0.0), "the order's price is 0.0; expected a price above zero"),
        (lambda: stop(math.inf, 10), "units is inf"),
        (lambda: stop(1.0, math.nan), "the order's price is nan"),
        (lambda: trailing(1.0, 1.5), "distance is 1.5; expected a fraction in"),
        (lambda: bracket(market(1), trail=2.0), "distance is 2.0"),
        (lambda: limit(1.0, 10, bars=0), "bars is 0; expected 1 bar or more"),
        (lambda: market(math.nan), "units is nan"),
        (lambda: target(math.inf), "position is inf"),
        (lambda: market(0.0), "units is 0.0; expected units above zero to buy"),
        (lambda: bracket(market(1), stop=9, group=0), "group is 0; expected a number above zero"),
        (lambda: bracket(market(1), stop=math.nan), "the order's price is nan"),
        (lambda: bracket(market(1)), "there is no exit; expected a stop"),
        (lambda: bracket(target(0.0), stop=9), r"the entry is Order\(.*; expected an order that enters"),
        (lambda: bracket(1.0, stop=9), "the entry is 1.0"),  # pyright: ignore[reportArgumentType]
        (lambda: bracket(market(1), stop=9, take_profit=8), "stop is 9 and take_profit is 8; expected the stop below"),
        (lambda: bracket(market(-1), stop=8, take_profit=9), "stop is 8 and take_profit is 9"),
        (lambda: Orders([1.0]), "orders are of type list"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_orders_that_cannot_be(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_an_order_waits_for_one_that_rests():
    flat, conditions = bar(100, 100, 100, 100), Conditions(FREE)
    entry, exit_ = bracket(limit(1.0, 90.0), stop=80.0)
    state, _ = step(start(1_000.0), flat, [entry], conditions=conditions)
    state, _ = step(state, flat, [exit_], conditions=conditions)
    assert len(state.book) == 2
    with pytest.raises(
        ConfigError, match="an order waits for the order with id 1; expected an order with that id that"
    ):
        step(start(1_000.0), flat, [exit_], conditions=conditions)


def test_more_orders_than_a_book_holds():
    with pytest.raises(ConfigError, match="65 orders rest at once; expected 64 or fewer"):
        step(start(1.0), bar(100, 101, 99, 100), [limit(1, 10)] * 65, conditions=Conditions(FREE))


# Orders as a table, in a whole backtest.


def test_a_table_of_orders(market_of):
    candles = market_of([(100, 100, 100, 100), (100, 105, 95, 104), (104, 121, 100, 115), (115, 116, 80, 85)])
    first = candles.frame["close_time"][0]
    orders = Orders.of([(first, order) for order in bracket(market(3), stop=90, take_profit=120)])
    result = backtest(candles, orders, costs=Costs.free(), cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 1_012.0, 1_060.0, 1_060.0]
    assert result.fills["reason"].to_list() == ["market", "take profit"]
    assert result.fills["time"].to_list() == [candles.frame["open_time"][1], candles.frame["close_time"][2]]
    assert result.fills["target"].to_list() == [None, None]
    (trade,) = result.trades.rows(named=True)
    assert (trade["entry_reason"], trade["exit_reason"], trade["bars"]) == ("market", "take profit", 2)
    assert (trade["mae"], trade["mfe"]) == pytest.approx((0.05, 0.2))  # sold at 120 on the way to 121
    assert result.bounds == (1_060.0, 1_060.0)


def test_both_bounds_of_an_ambiguous_bar(market_of):
    candles = market_of([(100, 100, 100, 100), (100, 112, 88, 100)])
    first = candles.frame["close_time"][0]
    orders = Orders.of([(first, order) for order in bracket(market(3), stop=90, take_profit=110)])
    result = backtest(candles, orders, costs=Costs.free(), cash=1_000.0)
    assert result.equity["equity"][-1] == 970.0
    assert result.bounds == (970.0, 1_030.0)
    assert result.ambiguous == 1
    assert (
        backtest(candles, orders, costs=Costs.free(), cash=1_000.0, pessimistic=False).equity["equity"][-1] == 1_030.0
    )


def test_a_strategy_of_the_users_own_sees_no_later_bar(market_of):
    candles = market_of([(100, 100, 100, 100), (100, 105, 95, 104), (104, 121, 100, 115), (115, 116, 80, 85)])
    seen = []

    def strategy(view):
        seen.append((len(view.candles), view.equity))
        if len(view.candles) == 1:
            return bracket(market(3), stop=90, take_profit=120)
        return []

    events = []
    result = backtest(candles, strategy, costs=Costs.free(), cash=1_000.0, progress=events.append)
    told = [(event.stage, event.done, event.total) for event in events if event.stage != "compile"]
    assert told == [("backtest", 4, 4)]
    assert result.bounds is None
    assert result.equity["equity"].to_list() == [1_000.0, 1_012.0, 1_060.0, 1_060.0]
    assert seen == [(1, 1_000.0), (2, 1_012.0), (3, 1_060.0), (4, 1_060.0)]


ROW = {"time": datetime(2024, 1, 2, tzinfo=UTC), "symbol": "asset", "kind": "limit", "units": 1.0, "limit": 10.0}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "limt"}, "an order is of kind 'limt'.*Did you mean limit"),
        ({"units": 0.0}, "the limit order at .* has units 0.0; expected units above zero"),
        ({"limit": -1.0}, "has limit -1.0; expected prices above zero"),
        ({"limit": None}, "has limit nan; expected a limit price"),
        ({"kind": "trailing stop", "limit": None}, "has trail nan; expected a distance in"),
        ({"kind": "trailing stop", "trail": 0.1}, "has limit 10.0; expected no limit price"),
        ({"kind": "market"}, "the market order at .* has limit 10.0; expected no limit price"),
        ({"kind": "stop"}, "the stop order at .* has stop nan; expected a stop price"),
        ({"stop": 9.0}, "the limit order at .* has stop 9.0; expected no stop price"),
        ({"limit": math.inf}, "has limit inf; expected prices above zero"),
        ({"bars": math.nan}, "has bars nan; expected 1 bar or more"),
        ({"units": None}, "1 orders have no units; expected one in every row"),
        ({"time": None}, "1 orders have no time; expected one in every row"),
        ({"symbol": None}, "1 orders have no symbol; expected one in every row"),
        ({"parent": 7.0}, "an order waits for the order with id 7; expected an order with that id"),
        ({"units": "many"}, "units String.*; expected times, text and numbers"),
        ({"time": "2024-01-02"}, "time String.*; expected times, text and numbers"),
        ({"bars": 0.0}, "has bars 0.0; expected 1 bar or more"),
        ({"units": math.inf}, "has units inf; expected infinite units only where the order reduces"),
    ],
)
def test_tables_of_orders_that_cannot_be(changed, words):
    with pytest.raises(ConfigError, match=words):
        Orders(pl.DataFrame([ROW | changed], infer_schema_length=None))


def test_orders_off_the_bars_and_of_others(market_of):
    candles = market_of([(100, 100, 100, 100)] * 3)
    with pytest.raises(CandleError, match="orders are of 'B'; expected orders of 'asset'"):
        backtest(candles, Orders(pl.DataFrame([ROW | {"symbol": "B"}])))
    with pytest.raises(CandleError, match="the order at 2024-01-09 00:00:00 UTC is on no bar"):
        backtest(candles, Orders(pl.DataFrame([ROW | {"time": datetime(2024, 1, 9, tzinfo=UTC)}])))
    with pytest.raises(NotEnoughDataError, match="there are no orders"):
        backtest(candles, Orders(pl.DataFrame([ROW]).clear()))
    with pytest.raises(ConfigError, match="times of the orders fall"):
        Orders(pl.DataFrame([ROW | {"time": datetime(2024, 1, 3, tzinfo=UTC)}, ROW]))
    with pytest.raises(ConfigError, match="orders lack the column units"):
        Orders(pl.DataFrame([ROW]).drop("units"))


def test_too_many_orders_at_once_in_a_table(market_of):
    candles = market_of([(100, 100, 100, 100)] * 3)
    rows = [ROW | {"time": candles.frame["close_time"][0]}] * 65
    with pytest.raises(ConfigError, match="65 orders rest at once"):
        backtest(candles, Orders(pl.DataFrame(rows)))


def test_a_strategy_gives_the_bits_of_the_same_orders_in_a_table():
    candles = synthetic.garch(300, seed=4, interval="1h").candles
    times, close = candles.frame["close_time"], candles.close

    def orders_at(bar):
        if bar % 10:
            return []
        return bracket(limit(2.0, close[bar], bars=5), stop=close[bar] * 0.99, trail=0.02, group=bar + 1)

    table = Orders.of([(times[bar], order) for bar in range(300) for order in orders_at(bar)], symbol=candles.symbol)
    one = backtest(candles, table, costs=Costs.us_equities())
    two = backtest(candles, lambda view: orders_at(view.bar), costs=Costs.us_equities())
    priced_in_python = backtest(candles, table, costs=replace(Costs.us_equities(), extra=lambda *_: 0.0))
    assert one.fills.height > 20
    for other in (two, priced_in_python):
        assert other.equity.equals(one.equity)
        assert other.fills.equals(one.fills)
        assert other.trades.equals(one.trades)


# Limits that can be filled at once, and those that rest.

PAID = Terms(taker=0.005, maker=0.002, slippage=0.01, impact=0.02)


@pytest.mark.parametrize(
    ("order", "price"),
    [
        (limit(1, 1_000), 103.0),
        (limit(1, 102), 102.0),
        (limit(1, 100), 100.0),
        (limit(-1, 50), 97.0),
        (limit(-1, 99), 99.0),
    ],
)
def test_a_limit_that_can_be_filled_at_once_takes_liquidity(order, price):
    """1 % of slippage and 2 % of impact (one unit of a volume of one), up to its limit; the taker's fee."""
    _, state = walk(start(1_000.0), [bar(100, 101, 99, 100)], [order], PAID)
    assert state.account.cash == pytest.approx(1_000 - order.units * price - 0.005 * price)


def test_it_costs_what_a_market_order_does():
    bars = [bar(100, 101, 99, 100)]
    assert (
        walk(start(1_000.0), bars, [limit(1, 1_000)], PAID)[1].account[:2]
        == walk(start(1_000.0), bars, [market(1)], PAID)[1].account[:2]
    )


def test_a_limit_that_rests_is_a_maker_also_at_an_open_that_gaps_through_it():
    for bars, price in (
        ([bar(100, 101, 94, 96)], 95.0),
        ([bar(100, 101, 99, 100), bar(90, 91, 89, 90)], 90.0),
        ([bar(100, 101, 99, 100), bar(95, 96, 94, 95)], 95.0),
    ):
        executed, state = walk(start(1_000.0), bars, [limit(1, 95)], PAID)
        assert executed == [(1.0, price)]
        assert state.account.cash == pytest.approx(1_000 - price * 1.002)


def test_limits_met_at_one_price_within_a_bar_are_both_makers():
    executed, state = walk(start(1_000.0), [bar(100, 101, 94, 96)], [limit(1, 95), limit(2, 95)], PAID)
    assert executed == [(1.0, 95.0), (2.0, 95.0)]
    assert state.account.cash == pytest.approx(1_000 - 3 * 95 * 1.002)


def test_a_stop_limit_that_is_triggered_takes_what_is_there_and_else_rests():
    """Met at 105 with room to 107: 3 % would be 108.15, its limit is 107. After a gap to 110 it waits for 107."""
    executed, state = walk(start(1_000.0), [bar(100, 106, 99, 106)], [stop_limit(1, 105, 107)], PAID)
    assert executed == [(1.0, 107.0)]
    assert state.account.cash == pytest.approx(1_000 - 107 * 1.005)
    bars = [bar(110, 112, 109, 111), bar(111, 112, 106, 108)]
    executed, state = walk(start(1_000.0), bars, [stop_limit(1, 105, 107)], PAID)
    assert executed == [(1.0, 107.0)]
    assert state.account.cash == pytest.approx(1_000 - 107 * 1.002)


def test_a_profit_that_its_entry_has_already_passed_is_taken_as_a_market_order_would():
    """Entered at an open of 104; 3 % of slippage would sell at 100.88, and its limit is 103."""
    executed, state = walk(start(1_000.0), [bar(104, 104, 104, 104)], bracket(market(1), take_profit=103), PAID)
    assert executed == [(1.0, pytest.approx(104 * 1.03)), (-1.0, 103.0)]
    assert state.account.cash == pytest.approx(1_000 - 104 * 1.03 * 1.005 + 103 * 0.995)


def test_a_tick_does_not_carry_it_past_its_limit():
    terms = PAID._replace(tick=0.25)
    executed, _ = walk(start(1_000.0), [bar(100.1, 101, 99, 100)], [limit(1, 100.25), limit(-1, 100.0)], terms)
    assert executed == [(1.0, 100.25), (-1.0, 100.0)]


# How far the price went against a trade, and in its favour.


def trades_of(market_of, bars, plan, **costs):
    candles = market_of(bars)
    result = backtest(
        candles, lambda view: plan.get(view.bar, []), costs=Costs(**{"fee_bps": 0, "slippage_bps": 0} | costs)
    )
    return result.trades.select("mae", "mfe").rows()


QUIET = (100, 100, 100, 100)


def test_excursions_hold_the_prices_of_entry_and_exit(market_of):
    """Bought at 100, the exit's open at 80 after a flat bar: a loss of 20 % went 20 % against it."""
    bars = [QUIET, QUIET, (80, 130, 70, 75)]
    assert trades_of(market_of, bars, {0: [market(1)], 1: [market(-1)]}) == [(pytest.approx(0.2), 0.0)]
    assert trades_of(market_of, [QUIET, QUIET, (130, 150, 70, 75)], {0: [market(1)], 1: [market(-1)]}) == [
        (0.0, pytest.approx(0.3))
    ]
    assert trades_of(market_of, bars, {0: [market(-1)], 1: [market(1)]}) == [(0.0, pytest.approx(0.2))]
    ((against, _),) = trades_of(market_of, bars, {0: [market(1)], 1: [market(-1)]}, slippage_bps=100)
    assert against == pytest.approx(1 - 80 * 0.99 / 101)


def test_excursions_of_a_bar_that_is_left_within_end_there(market_of):
    """Stopped at 90 in a bar from 100 over 120 to 70: 70 came later, and whether 120 came before nobody knows."""
    bars = [QUIET, (100, 104, 97, 100), (100, 120, 70, 95)]
    assert trades_of(market_of, bars, {0: bracket(market(1), stop=90)}) == [(pytest.approx(0.1), pytest.approx(0.04))]
    bars = [QUIET, (100, 104, 97, 100), (98, 120, 96, 99)]
    assert trades_of(market_of, bars, {0: bracket(market(1), take_profit=110)}) == [
        (pytest.approx(0.03), pytest.approx(0.1))
    ]


def test_excursions_of_a_bar_that_is_entered_within_begin_there(market_of):
    """A limit at 95 buys on the way to the low of 85, and the high of 130 may have come before; the close came after."""
    bars = [QUIET, (100, 130, 85, 97), QUIET]
    assert trades_of(market_of, bars, {0: [limit(1, 95)]}) == [(pytest.approx(10 / 95), pytest.approx(5 / 95))]
    assert trades_of(market_of, bars, {0: [stop(1, 110)]}) == [(pytest.approx(13 / 110), pytest.approx(20 / 110))]
    assert trades_of(market_of, bars, {0: [limit(-1, 110)]}) == [(pytest.approx(20 / 110), pytest.approx(13 / 110))]
    assert trades_of(market_of, bars, {0: bracket(limit(1, 95), stop=90)}) == [(pytest.approx(5 / 95), 0.0)]


def test_excursions_are_in_units_after_a_split(market_of):
    """4:1 overnight: 100 before is 25 after."""
    candles = market_of([QUIET, (100, 104, 96, 100), (25, 27, 24, 25)])
    split = Actions(pl.DataFrame({"time": [candles.frame["open_time"][2]], "split": [4.0]}))
    result = backtest(candles, lambda view: [market(1)] if view.bar == 0 else [], costs=Costs.free(), actions=split)
    assert result.trades.select("entry", "mae", "mfe").rows() == [(25.0, pytest.approx(0.04), pytest.approx(0.08))]
