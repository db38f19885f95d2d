"""What is refused at the door: values of another kind, and numbers that no account can trade with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import (
    Actions,
    Costs,
    DrawdownStop,
    Filters,
    Orders,
    backtest,
    backtest_portfolio,
    limit,
    market as buy,
    sweep,
    target,
)
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.models import Naive
from candlecast.signals import InverseVolatility, Kelly, Positions, Threshold, VolatilityTarget
from candlecast.study import Study

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def candles(market):
    return market([100] * 4, [100] * 4)


@pytest.fixture(scope="module")
def held(candles, decide):
    return decide(candles, [1, 0, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"costs": 10}, "costs is of type int; expected Costs"),
        ({"costs": Costs.free}, "costs is of type method; expected Costs"),
        ({"filters": 0.01}, "filters is of type float; expected Filters"),
        ({"actions": pl.DataFrame()}, "actions is of type DataFrame; expected Actions"),
        ({"cash": "10"}, "cash is '10'; expected a positive amount of money"),
        ({"cash": None}, "cash is None"),
        ({"cash": 1e300}, "cash is 1e.300"),
        ({"costs": Costs(extra=lambda units, price, volume: float("nan"))}, "extra gives nan for .* units at 100"),
    ],
)
def test_what_an_account_is_given(candles, held, given, message):
    with pytest.raises(ConfigError, match=message):
        backtest(candles, held, **given)


@pytest.mark.parametrize("decided", ["long", {"position": 1.0}, None, 1.0, buy(1.0)])
def test_what_was_decided(candles, decided):
    with pytest.raises(ConfigError, match=r"what was decided is of type .*; expected Positions"):
        backtest(candles, decided)


def test_candles_of_another_kind_and_none(candles, held):
    with pytest.raises(ConfigError, match="candles is of type DataFrame; expected Candles"):
        backtest(candles.frame, held)  # pyright: ignore[reportArgumentType]
    for decided in (held, lambda view: []):
        with pytest.raises(NotEnoughDataError, match="there are no candles"):
            backtest(candles[:0], decided)
    with pytest.raises(NotEnoughDataError, match="there is 1 candle"):
        sweep(candles[:1], np.ones((1, 1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Costs(fee_bps="10"), "fee_bps is '10'"),
        (lambda: Costs(fee_bps=True), "fee_bps is True"),
        (lambda: Costs(extra=5), "extra is 5; expected a function"),
        (lambda: Filters(tick="0.01"), "tick is '0.01'"),
        (lambda: Filters(lot=True), "lot is True"),
        (lambda: Costs(maintenance_percent=60), "maintenance_percent is 60; .* Write 5 % as 5"),
        (lambda: Kelly(fraction="half"), "fraction is 'half'"),
        (lambda: Threshold(enter="0.1"), "enter is '0.1'"),
        (lambda: VolatilityTarget(annual="15 %"), "annual is '15 %'"),
        (lambda: InverseVolatility(step="0.1"), "step is '0.1'"),
        (lambda: DrawdownStop(limit="0.2"), "limit is '0.2'"),
        (lambda: buy("1"), "units is '1'"),
        (lambda: limit(1.0, "9"), "price is '9'"),
        (lambda: target(126.0), r"position is 126.0; expected a fraction of equity in \[-125, 125\]"),
        (lambda: Orders.of([buy(1.0)]), "expected pairs of a datetime and an order"),
        (lambda: Orders.of([("2024-01-01", buy(1.0))]), "expected pairs of a datetime and an order"),
        (
            lambda: Orders.of([(NEW_YEAR, buy(1.0)._replace(kind=1.0, units=1e6))]),
            "the target order .* has units 1000000",
        ),
        (lambda: Study(model=Naive(), cash=0.0), "cash is 0.0"),
        (
            lambda: Study(model=Naive(), rule="direction"),
            r"rule is 'direction'; expected a rule, called as rule\(forecast, candles\)",
        ),
        (lambda: Study(model=Naive(), rule=lambda: None), "rule is <function"),
        (lambda: VolatilityTarget(rule=5), "rule is 5; expected a rule"),
        (lambda: DrawdownStop(rule=lambda one, two, three: None), "rule is <function"),
        (lambda: Study(model=Naive(), costs=10), "costs is of type int; expected Costs"),
    ],
)
def test_values_that_mean_nothing(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("rule", [Kelly(), VolatilityTarget(), DrawdownStop()], ids=lambda rule: type(rule).__name__)
def test_rules_that_need_candles_say_so(rule, candles):
    name, forecast = type(rule).__name__, None  # the candles come first
    with pytest.raises(ConfigError, match=rf"{name} is called without candles; .* Call it as {name}\(...\)\(forecast"):
        rule(forecast)
    with pytest.raises(ConfigError, match=f"{name} is called with a DataFrame for candles"):
        rule(forecast, candles.frame)


def test_a_rule_is_no_decision(candles):
    with pytest.raises(ConfigError, match=r"the forecast is of type View; .* Call a rule as rule\(forecast, candles\)"):
        backtest(candles, Threshold())


def test_orders_of_a_strategy(candles):
    by_hand = [
        buy(1.0)._replace(kind=99.0),
        buy(1.0)._replace(units=float("nan")),
        buy(1.0)._replace(limit=-5.0),
        limit(1.0, 9.0)._replace(limit=float("nan")),
        target(1.0)._replace(units=999.0),
    ]
    for wrong in ([1.0], 1.0, "buy", buy(1.0), *([order] for order in by_hand)):
        with pytest.raises(ConfigError, match="among the orders; expected orders"):
            backtest(candles, lambda view, wrong=wrong: wrong)  # pyright: ignore[reportArgumentType]


def test_a_column_of_orders_that_there_is_not():
    frame = pl.DataFrame({"time": [NEW_YEAR], "symbol": "asset", "kind": "market", "units": 1.0, "reduce": True})
    with pytest.raises(ConfigError, match=r"orders have a column reduce; .* Did you mean reduces\?"):
        Orders(frame)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"dividend": [float("nan")]}, "the dividend at .* is nan"),
        ({"dividend": [float("inf")]}, "the dividend at .* is inf"),
        ({"split": [float("inf")]}, "the split at .* is inf"),
        ({"spilt": [2.0]}, "actions have the columns time, spilt"),
        ({"split": ["two"]}, "split String; expected times and numbers"),
    ],
)
def test_actions(columns, message):
    with pytest.raises(ConfigError, match=message):
        Actions(pl.DataFrame({"time": [NEW_YEAR], **columns}))
    with pytest.raises(ConfigError, match="times of the actions are String"):
        Actions(pl.DataFrame({"time": ["2024-01-01"], "split": [2.0]}))
    with pytest.raises(ConfigError, match="times of the actions are Time"):
        Actions(pl.DataFrame({"time": [NEW_YEAR.time()], "split": [2.0]}))
    with pytest.raises(ConfigError, match="actions are of type list"):
        Actions([2.0])  # pyright: ignore[reportArgumentType]


def test_a_portfolio(candles, held):
    with pytest.raises(ConfigError, match="one asset was given; expected a list of candles"):
        backtest_portfolio(candles, held)
    split = Actions(pl.DataFrame({"time": [NEW_YEAR], "split": [2.0]}))
    with pytest.raises(ConfigError, match=r"actions are of 'aset'.*Did you mean asset\?"):
        backtest_portfolio([candles], [held], actions={"aset": split})
    with pytest.raises(ConfigError, match="positions is of type str"):
        backtest_portfolio([candles], ["long"])
    with pytest.raises(ConfigError, match="actions is of type Actions; expected dict"):
        backtest_portfolio([candles], [held], actions=split)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="candles is of type NoneType; expected Sequence"):
        backtest_portfolio(None, [held])  # pyright: ignore[reportArgumentType]


def test_a_sweep(candles, held):
    with pytest.raises(ConfigError, match="positions is of type Positions; expected Iterable"):
        sweep(candles, held)
    with pytest.raises(ConfigError, match="positions are of <U1; expected numbers"):
        sweep(candles, [np.array(["a"] * 4)])
    bold = replace(held, leverage=50.0)
    with pytest.raises(ConfigError, match="positions of 50 times equity ask for 1,2[0-9]{2} % of it"):
        sweep(candles, [bold], costs=Costs.us_equities())
    with pytest.raises(ConfigError, match="a set of positions is of type float64; expected Positions or ndarray"):
        sweep(candles, np.ones(4))
    for count in (1, 3):
        with pytest.raises(ConfigError, match=f"there are {count} costs; expected one for each set"):
            sweep(candles, np.ones((2, 4)), costs=[Costs()] * count)


def test_positions_of_another_kind():
    with pytest.raises(ConfigError, match="positions are of type list"):
        Positions([1.0])  # pyright: ignore[reportArgumentType]
    frame = pl.DataFrame({"time": [NEW_YEAR], "symbol": ["A"], "position": ["much"]})
    with pytest.raises(ConfigError, match="position String; expected times, text and numbers"):
        Positions(frame)
    with pytest.raises(ConfigError, match="positions hold 0 symbols"):
        Positions(frame.with_columns(symbol=None, position=1.0))
    with pytest.raises(ConfigError, match="leverage is '2'"):
        Positions(frame.with_columns(position=1.0), leverage="2")  # pyright: ignore[reportArgumentType]


def test_a_loop_that_is_new_to_the_process_is_announced(candles, held, monkeypatch):
    """Compiling can take seconds."""
    from candlecast.backtesting.engine import compiled

    events = []
    backtest(candles, held)
    backtest(candles, held, progress=events.append)
    assert events == []
    fresh = compiled._compiled(compiled.run_targets.py_func)
    monkeypatch.setattr(compiled, "run_targets", fresh)
    backtest(candles, held, progress=events.append)
    assert [(event.stage, event.done, event.total) for event in events] == [("compile", 0, 1), ("compile", 1, 1)]
