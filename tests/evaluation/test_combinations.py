"""Trials that are made of earlier ones are tested as the best of all such combinations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator

import candlecast as cc
from candlecast.evaluation.combinations import Made, made_of
from candlecast.evaluation.trial_count import count
from candlecast.features import Feature
from candlecast.ledger import Ledger, Trial
from candlecast.ledger.profile import Profile
from candlecast.sources import synthetic
from candlecast.stats import combined_p_value
from candlecast.stats.combined import shared_p_value

BUCKETS, COUNT = 700, 60  # of the fixtures


def profile(skills: np.ndarray, alphas: np.ndarray | None = None) -> Profile:
    values = np.zeros((3, len(skills)))
    values[2] = skills / np.abs(skills).max()
    if alphas is not None:
        values[1] = alphas / np.abs(alphas).max()
    return Profile(86_400_000_000, 0, values)


def score(series: np.ndarray) -> float:
    return float(series.sum() / np.sqrt(series @ series))


def own_score(own: np.ndarray, earlier: list[np.ndarray]) -> float:
    """What is left of the t-statistic of a forecast's skill."""
    return made_of(profile(own), [profile(each) for each in earlier])["skills"].own * score(own)


def test_of_a_sum_of_signals_with_the_signs_that_did_better_little_is_its_own(signals, best_sum):
    found = made_of(profile(best_sum), [profile(each) for each in signals])
    assert score(best_sum) > 5 and found["skills"].own * score(best_sum) < 2
    assert found["skills"].directions == pytest.approx(COUNT, rel=0.3) and found["alphas"] == Made()
    whole = signals.sum(axis=0)
    assert own_score(best_sum, [whole, *(whole - each for each in signals)]) < 2


@pytest.mark.parametrize("size", [0.5, 0.1, 1e-3, 1e-6, 1e-8])
def test_small_differences_of_trials_that_share_one_large_signal_are_combinations(signals, best_sum, size):
    common = np.random.default_rng(1).normal(size=BUCKETS)
    earlier = list(common + size * signals)
    assert own_score(best_sum, earlier) < 2
    assert own_score(best_sum / np.sqrt(COUNT) + 0.7 * common, earlier) < 2.5  # hidden in what they share
    assert own_score(best_sum / np.sqrt(COUNT) + 0.7 * np.random.default_rng(2).normal(size=BUCKETS), earlier) < 2.5
    best = max(signals, key=score)
    assert (
        score(best) > 2 and own_score(best, earlier) < 1.5
    )  # one of the differences, which the best trial hardly shows


def test_a_combination_that_was_studied_before_is_still_one(signals, best_sum):
    generator = np.random.default_rng(3)
    again = best_sum + 0.2 * best_sum.std() * generator.normal(size=BUCKETS)
    assert score(again) > 5 and own_score(again, [*signals, best_sum]) < 2.5


def test_an_edge_stays_its_own_among_variants_and_other_ideas(signals):
    generator = np.random.default_rng(4)
    idea = generator.normal(0.25, 1.0, size=BUCKETS)
    variants = [idea + spread * generator.normal(size=BUCKETS) for spread in np.tile([0.05, 0.3, 0.6], 14)]
    for earlier in (list(signals), variants, [*signals, *variants]):
        for own in (idea, variants[0], idea + 0.4 * generator.normal(size=BUCKETS), np.mean(variants, axis=0)):
            assert score(own) > 5 and own_score(own, earlier) > 0.95 * score(own)
    assert made_of(profile(idea), [])["skills"] == made_of(profile(idea), [profile(idea)])["skills"] == Made()
    assert own_score(np.ones(40), [signals[0], np.ones(40)]) == pytest.approx(score(np.ones(40)))


def climbed(signals, step=0.3):
    """Trials that each change the best one so far by a part of a new signal, or of its opposite; the best is the last."""
    best, earlier = signals[0], [signals[0]]
    for signal in signals[1:]:
        for side in (1.0, -1.0):
            changed = best / best.std() + side * step * signal
            earlier.append(changed)
            if score(changed) > score(best):
                best = changed
                break
    return best, [each for each in earlier if each is not best]


def test_a_trial_that_was_improved_step_by_step_is_a_combination_of_all_steps(signals):
    best, earlier = climbed(signals)
    assert score(best) > 4.5 and own_score(best, earlier) < 2.5
    assert made_of(profile(best), [profile(each) for each in earlier])["skills"].directions > COUNT / 4
    generator = np.random.default_rng(5)
    again = best + 0.3 * best.std() * generator.normal(size=BUCKETS)  # like the last step, which was studied too
    assert own_score(again, [*earlier, best]) < 2.5


def test_variants_of_one_idea_their_mean_and_a_better_one_keep_what_is_theirs():
    generator = np.random.default_rng(6)
    idea = generator.normal(size=BUCKETS) + 4.0 / np.sqrt(BUCKETS)
    variants = [idea + 0.4 * generator.normal(size=BUCKETS) for _ in range(20)]
    mean = np.mean(variants, axis=0)
    for own in (variants[-1], mean, mean + 0.5 * (generator.normal(size=BUCKETS) + 3.0 / np.sqrt(BUCKETS))):
        assert own_score(own, variants[:-1]) > 0.9 * score(own) > 2.5


def test_positions_are_combinations_as_forecasts_are(signals, best_sum):
    flat = np.random.default_rng(5).normal(size=(COUNT + 1, BUCKETS))  # a forecast of its own
    common = np.random.default_rng(6).normal(size=BUCKETS)
    for series in (signals, common + 0.1 * signals):
        earlier = [profile(flat[place], each) for place, each in enumerate(series)]
        assert made_of(profile(flat[-1], best_sum), earlier)["alphas"].own * score(best_sum) < 2
    forecasts = [
        profile(each, flat[place]) for place, each in enumerate(signals)
    ]  # positions from forecasts of earlier trials
    assert made_of(profile(flat[-1], best_sum), forecasts)["alphas"].own * score(best_sum) < 2


def test_an_account_is_not_near_to_the_skill_of_another_forecast(signals, best_sum):
    """A forecast of volatility has a large t-statistic, of which an account that goes with it a little has none."""
    large = np.random.default_rng(7).normal(0.3, 1.0, size=BUCKETS)
    own = best_sum + 0.4 * best_sum.std() * large
    earlier = [profile(large, each) for each in signals]
    assert score(own) > 6 and made_of(profile(large, own), earlier)["alphas"].own * score(own) < 2.5


def test_the_tests_of_an_account_count_what_is_its_own(signals, best_sum):
    times = np.datetime64("2024-01-01", "us") + np.arange(1, BUCKETS + 1) * np.timedelta64(1, "D")
    ledger = Ledger.in_memory()

    def trial(name, alphas):
        outline = replace(profile(np.random.default_rng(8).normal(size=BUCKETS), alphas), first=19_723)
        return Trial("d", {"name": name}, "0.1", "A", "1d", name, 365.0, times, alphas / 100, profile=outline)

    for place, each in enumerate(signals):
        ledger.record(trial(f"{place}", each))
    found = count(trial("sum", best_sum), ledger.entries())
    assert found.trade_own < 0.4 and found.trade_directions > 30 and found.forecast_own == 1.0
    assert shared_p_value(1e-8, found.trade_own) > 0.01 and np.isnan(shared_p_value(np.nan, 0.5))
    assert shared_p_value(0.7, 0.0) == 0.7 and shared_p_value(0.0, 0.5) < 1e-60


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
    assert verdict.evidence.trial_count.forecast_directions > 10 and verdict.evidence.forecast_p < 0.001
    assert not verdict.is_forecastable and "its forecast is a combination of those of earlier trials" in verdict.text
    alone = study(summed).run(candles, ledger=Ledger.in_memory()).verdict  # what was tried elsewhere is unknown
    assert alone.is_forecastable
    halved = alone.evidence.among(replace(alone.evidence.trial_count, trade_own=0.5))
    for test in ("return_p_adjusted", "timing_p_adjusted", "sharpe_p_adjusted"):
        assert getattr(halved, test) > 2 * getattr(alone.evidence, test)


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
    assert found.verdict.evidence.trial_count.forecast_directions > 10 and not found.verdict.is_forecastable
