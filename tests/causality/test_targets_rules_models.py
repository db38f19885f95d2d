"""Targets, rules and models of users as a walk begins: nothing is known before it is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.causality import require_causal_rule, require_causal_target
from candlecast.models import Baseline
from candlecast.signals import FollowDirection, Positions
from candlecast.signals.rule import decide
from candlecast.sources import synthetic
from candlecast.targets import NextReturn

MARKET = synthetic.ar1(1_500, seed=2, phi=0.3, interval="1h").candles


# Targets


class Early(NextReturn):
    """Says one bar, and needs two."""

    def values(self, candles):
        return NextReturn(2).values(candles)


class PeekingNaive(NextReturn):
    """A naive forecast that knows."""

    def naive(self, candles):
        return np.nan_to_num(NextReturn().values(candles))


class PeekingReturn(NextReturn):
    """An expected return in units of the next bar's move."""

    def expected_return(self, forecast, candles):
        return forecast * np.append(candles.close[1:] / candles.close[:-1], 1.0)


class NextForecast(NextReturn):
    """An expected return that reads the forecast of the next bar."""

    def expected_return(self, forecast, candles):
        return np.append(forecast[1:], 0.0)


class WithoutReversals(NextReturn):
    """Sharp turns against the last move are left out: the sample is selected by its outcomes."""

    def values(self, candles):
        move = np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))
        later = NextReturn().values(candles)
        return np.where((later * move < 0) & (np.abs(later) > 0.01), np.nan, later)


class PeekingAtWeekends(NextReturn):
    """The expected return of the last bars of weeks alone knows what comes."""

    def expected_return(self, forecast, candles):
        weeks = candles.open_time.astype("datetime64[W]")
        is_last = np.append(weeks[1:] != weeks[:-1], False)
        return np.where(is_last, np.append(np.diff(np.log(candles.close)), 0.0), forecast)


class AfterRises(NextReturn):
    """Rows are left out by what is known at their time, and where the price has not moved or the bar did not trade."""

    def values(self, candles):
        later = NextReturn().values(candles)
        is_fall = candles.close < candles.open
        is_flat = np.append(candles.close[1:] == candles.close[:-1], False)
        return np.where(is_fall | is_flat | np.append(candles.volume[1:] == 0, False), np.nan, later)


@dataclass(frozen=True, eq=False)
class Remembered(NextReturn):
    """An expected return found by date."""

    answers: dict = field(default_factory=dict)

    def expected_return(self, forecast, candles):
        return np.array([self.answers.get(time, 0.0) for time in candles.close_time.tolist()])


@dataclass(frozen=True, eq=False)
class Elsewhere(NextReturn):
    """Outcomes may come from elsewhere."""

    outcomes: dict = field(default_factory=dict)

    def values(self, candles):
        found = np.array([self.outcomes.get(time, np.nan) for time in candles.close_time.tolist()])
        return np.append(found[:-1], np.nan)


ANSWERS = dict(zip(MARKET.close_time.tolist(), np.append(np.diff(np.log(MARKET.close)), 0.0), strict=True))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Early(), r"values of target return \(horizon 1\), column values, moved"),
        (PeekingNaive(), "naive of target return .* moved"),
        (PeekingReturn(), "expected_return of target return .* moved"),
        (NextForecast(), "expected_return of target return .* moved"),
        (PeekingAtWeekends(), "expected_return of target return .* moved"),
        (Remembered(answers=ANSWERS), "expected_return of target return .* and 0 on the same candles with other dates"),
    ],
)
def test_targets_that_know_too_early_are_refused(target, message, features):
    with pytest.raises(cc.LookaheadError, match=message):
        cc.walk_forward(cc.Drift(), MARKET, target=target, features=features)


def test_targets_that_wait_pass():
    class Mine(NextReturn):
        pass

    for target in (Mine(3), Elsewhere(outcomes=ANSWERS), cc.Several(NextReturn(), Mine(2)), cc.TripleBarrier()):
        require_causal_target(target, MARKET)
    require_causal_target(Mine(), MARKET[:30])  # too few to tell


# Rules


@pytest.fixture(scope="module")
def forecast(features):
    return cc.walk_forward(cc.LinearRegression(), MARKET, features=features, folds=cc.WalkForward(folds=2))


def held(frame, values):
    return Positions(frame.select("time", "symbol").with_columns(position=pl.Series(values, dtype=pl.Float64)))


def peeking(forecast):
    return held(forecast.frame, forecast.frame["target"].sign().fill_null(0.0))


def scaled_by_all(forecast):
    expected = forecast.frame["expected_return"]
    return held(forecast.frame, (expected / expected.abs().max()).clip(-1, 1))


def next_forecast(forecast):
    return held(forecast.frame, forecast.frame["expected_return"].sign().shift(-1).fill_null(0.0))


def last_known(forecast):
    """The sign of the outcome before, which is known at the bar."""
    known = forecast.frame["target"].shift(1).sign().fill_null(0.0)
    return held(forecast.frame, known * forecast.frame["expected_return"].sign())


def by_date(forecast):
    return held(
        forecast.frame, [np.sign(ANSWERS.get(time, 0.0)) for time in forecast.frame["time"].dt.replace_time_zone(None)]
    )


def remembering(forecast):
    """Outcomes, and the same from memory where they are missing: only other outcomes tell."""
    times = forecast.frame["time"].dt.replace_time_zone(None)
    known = pl.Series([np.sign(ANSWERS.get(time, 0.0)) for time in times])
    return held(forecast.frame, forecast.frame["target"].sign().fill_null(known))


def sized_by_the_move(forecast):
    """By the size of the outcome, whose sign it does not read: only missing outcomes tell."""
    return held(forecast.frame, (forecast.frame["target"].abs() > 0.001).fill_null(False).cast(pl.Float64))


def where_it_is_known(forecast):
    """Positions of the bars alone whose outcome is there."""
    known = forecast.frame.drop_nulls("target")
    return held(known, known["expected_return"].sign())


def by_night(forecast):
    return held(forecast.frame, forecast.frame["expected_return"].sign() * (forecast.frame["time"].dt.hour() < 6))


def calm(forecast, candles):
    return cc.VolatilityTarget(halflife=10).scaled(FollowDirection()(forecast), candles)


def next_close(forecast, candles):
    """The sign of the return after each bar, the last one again where there is none."""
    moves = np.sign(np.diff(candles.close))
    known = dict(zip(candles.frame["close_time"], np.append(moves, moves[-1:]), strict=True))
    return held(forecast.frame, [known[time] for time in forecast.frame["time"]])


def next_close_after_jumps(forecast, candles):
    """Along the forecast, but after the largest 2 % of moves the sign of the next return."""
    moves = np.diff(np.log(candles.close), prepend=np.log(candles.close[:1]))
    is_large = np.abs(moves) > 2.3 * 0.01
    following = dict(zip(candles.frame["close_time"], np.append(np.sign(moves[1:]), 0.0), strict=True))
    large = dict(zip(candles.frame["close_time"], is_large, strict=True))
    signs = forecast.frame["expected_return"].sign()
    times = forecast.frame["time"]
    return held(forecast.frame, [following[t] if large[t] else sign for t, sign in zip(times, signs, strict=True)])


def by_mean(forecast, candles):
    """Above or below the mean of all closes, later ones too."""
    above = dict(zip(candles.frame["close_time"], np.sign(candles.close - candles.close.mean()), strict=True))
    return held(forecast.frame, [above[time] for time in forecast.frame["time"]])


def momentum(forecast, candles):
    """Of the candles alone: the sign of the last ten bars."""
    moves = np.sign(candles.close - np.concatenate([candles.close[:10], candles.close[:-10]]))
    known = dict(zip(candles.frame["close_time"], moves, strict=True))
    return held(forecast.frame, [known[time] for time in forecast.frame["time"]])


def by_market_date(forecast, candles):
    return by_date(forecast)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (peeking, "the position of rule peeking at .* moved from"),
        (scaled_by_all, "the position of rule scaled_by_all at .* moved"),
        (next_forecast, "the position of rule next_forecast at .* moved"),
        (remembering, "the position of rule remembering at .* moved"),
        (where_it_is_known, "rule where_it_is_known gives .* instead of .* positions up to"),
        (sized_by_the_move, "the position of rule sized_by_the_move at .* moved"),
        (
            by_date,
            "the positions of rule by_date do not depend on the forecast or the candles, and are others for the same dates 28",
        ),
        (by_market_date, "the positions of rule by_market_date do not depend on the forecast or the candles"),
        (next_close, "the position of rule next_close at .* moved .* when only forecasts and candles after"),
        (next_close_after_jumps, "the position of rule next_close_after_jumps at .* moved"),
        (by_mean, "the position of rule by_mean at .* moved"),
        (cc.VolatilityTarget(rule=next_close), "the position of rule VolatilityTarget at .* moved"),
        (cc.DrawdownStop(rule=peeking), "the position of rule DrawdownStop at .* moved"),
    ],
)
def test_rules_that_know_what_comes_are_refused(rule, message, forecast):
    with pytest.raises(cc.LookaheadError, match=message):
        require_causal_rule(rule, forecast, MARKET)


@pytest.mark.parametrize(
    "rule",
    [
        FollowDirection(),
        last_known,
        by_night,
        calm,
        momentum,
        cc.Kelly(),
        cc.VolatilityTarget(rule=last_known),
        lambda forecast: held(forecast.frame, [1.0] * len(forecast)),
    ],
)
def test_rules_that_decide_at_the_time_pass(rule, forecast):
    require_causal_rule(rule, forecast, MARKET, positions=decide(rule, forecast, MARKET, costs=None))
    naive = replace(forecast, frame=forecast.frame.with_columns(pl.col("mean", "expected_return") * 0.0 + 0.001))
    require_causal_rule(rule, naive, MARKET)  # a forecast that hardly changes is no reason


def test_a_rule_that_fails_without_outcomes_says_so(forecast):
    bars = len(forecast)

    def needs_all(forecast):
        if len(forecast) < bars:
            raise KeyError("target")
        return FollowDirection()(forecast)

    with pytest.raises(cc.LookaheadError, match="rule needs_all fails when .* are missing .KeyError"):
        require_causal_rule(needs_all, forecast, MARKET)


# Models


@dataclass(frozen=True)
class Mine(Baseline):
    """A model of a user: `learns` and `says` what it is told."""

    learns: object
    says: object
    name: str = "mine"
    window: int = 1
    is_seeded: bool = False

    def learn(self, job):
        learnt = self.learns(job)
        return lambda samples, rows: self.says(samples, rows, learnt)


def train_mean(job):
    return job.samples.outcomes[job.fit_rows].mean()


def all_mean(job):
    return np.nanmean(job.samples.outcomes)


def mean_alone(samples, rows, learnt):
    return np.full(len(rows), learnt)


@pytest.mark.parametrize(
    ("learns", "says", "message"),
    [
        (
            train_mean,
            lambda samples, rows, _: np.nan_to_num(samples.outcomes[rows]),
            "Read only bars up to each row's own",
        ),
        (
            train_mean,
            lambda samples, rows, _: np.log(samples.candles.close[rows]) - np.log(samples.candles.close[-1]),
            "Read only",
        ),
        (all_mean, mean_alone, "Fit on job.fit_rows, or job.train_rows"),
    ],
)
def test_models_that_read_the_outcomes_of_the_test_are_refused(learns, says, message, features):
    with pytest.raises(cc.LookaheadError, match=f"model mine moved its forecast at bar .*{message}"):
        cc.walk_forward(Mine(learns, says), MARKET, features=features, folds=cc.WalkForward(folds=2))


def test_models_that_learn_from_the_past_pass(features):
    honest = Mine(train_mean, lambda samples, rows, mean: mean + 0.1 * samples.inputs[rows, 0])
    for folds in (cc.WalkForward(folds=2), cc.PurgedKFold(3)):
        cc.walk_forward(honest, MARKET, features=features, folds=folds)


def test_our_models_are_not_fitted_again(features, monkeypatch):
    fitted = []
    learn = cc.LinearRegression.learn
    monkeypatch.setattr(cc.LinearRegression, "learn", lambda self, job: fitted.append(job.key) or learn(self, job))
    cc.walk_forward(cc.LinearRegression(), MARKET, features=features, folds=cc.WalkForward(folds=2))
    assert len(fitted) == 2


def test_a_target_that_leaves_out_outcomes_by_what_they_are_is_refused():
    with pytest.raises(cc.LookaheadError, match="the sample is selected by its outcomes"):
        require_causal_target(WithoutReversals(), MARKET)


def test_a_target_may_leave_out_rows_by_what_is_known_and_bars_that_did_not_trade():
    frame = MARKET.frame.with_columns(volume=pl.when(pl.int_range(pl.len()) % 40 == 7).then(0.0).otherwise("volume"))
    assert np.isnan(AfterRises().values(MARKET)).sum() > 20
    require_causal_target(AfterRises(), replace(MARKET, frame=frame))
