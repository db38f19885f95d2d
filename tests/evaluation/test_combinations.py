"""Forecasts that are made of those of earlier trials are tested as the best of all such combinations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator

import candlecast as cc
from candlecast.evaluation.combinations import directions_of
from candlecast.features import Feature
from candlecast.ledger import Ledger
from candlecast.ledger.profile import Profile
from candlecast.sources import synthetic
from candlecast.stats import combined_p_value

BUCKETS = 700


def profile(skills: np.ndarray) -> Profile:
    values = np.zeros((3, len(skills)), np.float32)
    values[2] = skills / np.abs(skills).max()
    return Profile(86_400_000_000, 0, values)


@pytest.fixture
def signals():
    return np.random.default_rng(0).normal(size=(60, BUCKETS))


def test_a_sum_of_signals_with_the_signs_that_did_better_has_many_directions(signals):
    signs = np.sign(signals.mean(axis=1, keepdims=True))
    own = profile((signs * signals).sum(axis=0))
    assert directions_of(own, [profile(each) for each in signals]) == pytest.approx(60, rel=0.3)
    whole = signals.sum(axis=0)
    ablations = [profile(whole), *(profile(whole - each) for each in signals)]
    assert directions_of(own, ablations) > 30


def test_one_of_its_own_one_of_many_and_one_among_similar_ones_has_one(signals):
    generator, every = np.random.default_rng(1), [profile(each) for each in signals]
    assert directions_of(profile(generator.normal(size=BUCKETS)), every) == 1.0
    assert directions_of(profile(signals[3]), every) == pytest.approx(1.0)
    common = generator.normal(size=BUCKETS)
    alike = [profile(common + 0.3 * generator.normal(size=BUCKETS)) for _ in range(13)]
    assert directions_of(alike[0], alike[1:]) < 1.2
    assert directions_of(profile(common), []) == directions_of(profile(common), every[:1]) == 1.0
    assert directions_of(profile(np.ones(40)), [profile(signals[0]), profile(np.ones(40))]) == pytest.approx(1.0)


def test_the_best_combination_of_signals_without_skill_is_significant_as_often_as_it_should_be():
    """Squares of its t-statistic are chi-square with as many degrees of freedom as there are signals."""
    generator, found = np.random.default_rng(2), []
    for _ in range(400):
        t = generator.normal(size=12)
        best = float(np.sqrt(t @ t))  # of the combination with weights t
        found.append(combined_p_value(float(stats.norm.sf(best)), 12.0))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.isnan(combined_p_value(np.nan, 12.0)) and combined_p_value(0.01, 1.2) == 0.01


class Lags(BaseEstimator):
    """The returns of some bars ago, each with its sign, in the size of the outcomes."""

    def __init__(self, chosen=((0, 1),)):
        self.chosen = chosen

    def fit(self, x, y):
        self.size = 0.05 * np.std(y) / np.std(x)
        return self

    def predict(self, x):
        return self.size * sum(sign * x[:, lag] for lag, sign in self.chosen)


def test_signs_that_were_read_off_the_baselines_of_an_earlier_study_are_no_forecast():
    candles, ledger, count = synthetic.random_walk(1_200, seed=3).candles, Ledger.in_memory(), 30

    def study(model, baselines=()):
        return cc.Study(
            model=model,
            features=cc.Features(cc.log_return()),
            folds=cc.WalkForward(folds=2),
            baselines=baselines,
            seeds=1,
            costs=cc.Costs(fee_bps=1, slippage_bps=0),
        )

    singles = [cc.Sklearn(Lags(((lag, 1),)), name=f"lag {lag}", window=count) for lag in range(count)]
    first = study(cc.Ridge(), tuple(singles)).run(candles, ledger=ledger)
    signs = []
    for lag in range(count):
        frame = first.forecasts[f"lag {lag}"].frame.drop_nulls("target")
        signs.append((lag, 1 if (frame["mean"] * frame["target"]).mean() > 0 else -1))
    summed = cc.Sklearn(Lags(tuple(signs)), name="sum", window=count)
    verdict = study(summed).run(candles, ledger=ledger).verdict
    assert verdict.evidence.trial_count.directions > 10 and verdict.evidence.forecast_p < 0.001
    assert not verdict.is_forecastable and "its forecast is a combination of those of earlier trials" in verdict.text
    assert (
        study(summed).run(candles, ledger=Ledger.in_memory()).verdict.is_forecastable
    )  # what was tried elsewhere is unknown


LAGS = 30


def lagged_days(candles: cc.Candles) -> np.ndarray:
    """Returns of each of the last days, as they were known at the last midnight; (time, LAGS)."""
    is_midnight = candles.frame["close_time"].dt.hour().to_numpy() == 0
    moves = np.append(np.nan, np.diff(np.log(candles.close[is_midnight])))
    days = np.cumsum(is_midnight) - 1
    found = [np.where(days >= lag, moves[np.maximum(days - lag, 0)], np.nan) for lag in range(LAGS)]
    return np.column_stack(found)


def test_a_combination_is_known_on_bars_of_another_length():
    """The sum of daily signals on half days: skills are compared by the time at which their outcomes are known."""
    halves, ledger = synthetic.random_walk(2_400, seed=3, interval="12h").candles, Ledger.in_memory()
    names = tuple(f"day_{lag}" for lag in range(LAGS))

    def study(model, feature, baselines=()):
        return cc.Study(
            model=model,
            features=cc.Features(feature),
            folds=cc.WalkForward(folds=2),
            baselines=baselines,
            seeds=1,
            costs=cc.Costs(fee_bps=1, slippage_bps=0),
        )

    singles = [cc.Sklearn(Lags(((lag, 1),)), name=f"lag {lag}") for lag in range(LAGS)]
    days = Feature("days", lagged_days, LAGS + 1, outputs=names)
    first = study(cc.Ridge(), days, tuple(singles)).run(halves.resample("1d"), ledger=ledger)
    signs = []
    for lag in range(LAGS):
        frame = first.forecasts[f"lag {lag}"].frame.drop_nulls("target")
        signs.append(1 if (frame["mean"] * frame["target"]).mean() > 0 else -1)
    summed = Feature("sum", lambda candles: lagged_days(candles) @ np.array(signs), 2 * LAGS + 3)
    found = study(cc.LinearRegression(), summed).run(halves, ledger=ledger)
    assert found.verdict.evidence.forecast_p < 0.01
    assert found.trial_count.directions > 10 and not found.verdict.is_forecastable
