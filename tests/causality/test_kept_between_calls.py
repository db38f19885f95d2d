"""Features and targets that keep something between calls are found, also where they were called before the walk."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import candlecast as cc
from candlecast.causality import require_causal_features, require_causal_rule, require_causal_target
from candlecast.causality.copies import by_earlier_calls, fresh
from candlecast.features import Feature, Features
from candlecast.sources import synthetic
from candlecast.targets import NextReturn

MARKET = synthetic.garch(900, seed=1).candles
WEIGHTS, SETTINGS = np.ones(3) / 3, {"bars": 3}
STORE: dict[str, float] = {}
FIT: np.ndarray | None = None


def returns(candles):
    return np.append(0.0, np.diff(np.log(candles.close)))


def scaled(candles, store):
    """Returns in units of what the first candles showed."""
    found = returns(candles)
    if "fit" not in store:
        store["fit"] = found.std() + found[-1]
    return found * store["fit"]


def by_module(candles):
    return scaled(candles, STORE)


def by_rebinding(candles):
    global FIT  # noqa: PLW0603
    found = returns(candles)
    if FIT is None:
        FIT = np.array([found.std() + found[-1]])
    return found * FIT[0]


def by_attribute(candles):
    found = returns(candles)
    if not hasattr(by_attribute, "fit"):
        by_attribute.fit = found.std() + found[-1]
    return found * by_attribute.fit


def by_default(candles, store={}):  # noqa: B006
    return scaled(candles, store)


def by_helper(candles):
    return by_module(candles)


@functools.lru_cache
def held():
    return {}


def by_cache(candles):
    return scaled(candles, held())


class Instance:
    def __init__(self):
        self.fit = None

    def __call__(self, candles):
        found = returns(candles)
        if self.fit is None:
            self.fit = np.array([found.std() + found[-1]])
        return found * self.fit[0]


class Class:
    store: dict[str, float] = {}  # noqa: RUF012

    @staticmethod
    def static(candles):
        return scaled(candles, Class.store)

    @classmethod
    def of_class(cls, candles):
        return scaled(candles, cls.store)


def closure():
    store = {}

    def by_closure(candles):
        return scaled(candles, store)

    return by_closure


KEEPING = {
    "module": lambda: by_module,
    "rebinding": lambda: by_rebinding,
    "attribute": lambda: by_attribute,
    "default": lambda: by_default,
    "helper": lambda: by_helper,
    "cache": lambda: by_cache,
    "instance": Instance,
    "static": lambda: Class.static,
    "class": lambda: Class.of_class,
    "closure": closure,
    "partial": lambda: functools.partial(scaled, store={}),
}


@pytest.fixture
def _emptied():
    """Nothing is kept from test to test."""
    yield
    globals()["FIT"] = None
    STORE.clear()
    Class.store.clear()
    held.cache_clear()
    by_default.__defaults__[0].clear()
    vars(by_attribute).clear()


@pytest.mark.usefixtures("_emptied")
@pytest.mark.parametrize("was_called", [False, True], ids=["never called", "called before"])
@pytest.mark.parametrize("name", list(KEEPING))
def test_features_that_keep_their_first_fit_are_refused(name, was_called):
    function = KEEPING[name]()
    if was_called:
        function(MARKET)
    with pytest.raises(cc.LookaheadError, match=rf"feature {name}, column {name}, .* it keeps something between calls"):
        require_causal_features(Features(Feature(name, function, 5)), MARKET)


def averaged(candles):
    return np.convolve(returns(candles), WEIGHTS)[: len(candles)] * SETTINGS["bars"]


def memory():
    known = {}

    def memoised(candles):
        if candles.fingerprint not in known:
            known[candles.fingerprint] = returns(candles)
        return known[candles.fingerprint]

    return memoised


@pytest.mark.parametrize("function", [averaged, memory(), functools.partial(averaged), functools.lru_cache(returns)])
def test_features_that_hold_settings_or_results_by_candles_pass(function):
    require_causal_features(Features(Feature("honest", function, 5)), MARKET)


def test_the_check_leaves_what_a_user_holds_as_it_is():
    known = {"bars": 3}

    def counted(candles):
        return returns(candles) * known["bars"]

    feature = Feature("counted", counted, 1)
    assert by_earlier_calls(feature, lambda copy, given: copy(given), own=MARKET, others=[MARKET[:500]]) is None
    assert known == {"bars": 3}
    copy = fresh(counted)
    assert copy is not counted and np.array_equal(copy(MARKET), counted(MARKET))
    assert fresh(np.log) is np.log and fresh(MARKET) is MARKET and fresh(3.0) == 3.0


def test_a_function_that_calls_itself_is_copied_whole():
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    copy = fresh(power)
    assert copy(2, 5) == 32 and copy.__closure__[0].cell_contents is copy


def test_a_rule_that_keeps_something_is_refused(features):
    forecast = cc.walk_forward(cc.LinearRegression(), MARKET, features=features, folds=cc.WalkForward(folds=2))
    kept = {}

    def by_first_mean(forecast):
        expected = forecast.frame["expected_return"]
        kept.setdefault("mean", expected.mean())
        positions = (expected > kept["mean"]).cast(float)
        return cc.Positions(forecast.frame.select("time", "symbol").with_columns(position=positions))

    for _ in range(2):
        with pytest.raises(cc.LookaheadError, match="rule by_first_mean gives other positions once .* between calls"):
            require_causal_rule(by_first_mean, forecast, MARKET)
        kept.setdefault("mean", 0.0)  # as where it was called before


class Fitted(NextReturn):
    """Returns less the mean of the candles that it saw first."""

    def expected_return(self, forecast, candles):
        if not hasattr(type(self), "mean"):
            type(self).mean = returns(candles)[-1]
        return forecast - type(self).mean


def test_a_target_that_keeps_something_is_refused():
    with pytest.raises(
        cc.LookaheadError, match=r"expected_return of target return .* it keeps something between calls"
    ):
        require_causal_target(Fitted(), MARKET)
    assert not hasattr(Fitted, "mean")
