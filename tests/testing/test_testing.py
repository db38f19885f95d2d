"""The public checks find what is wrong, name it, and pass what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from candlecast.dataset.folds import CombinatorialPurged, Fold, Holdout, PurgedKFold, WalkForward
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.features import Feature, ema_ratio, feature, log_return
from candlecast.sources import sample, synthetic
from candlecast.targets import Direction, NextReturn, Price, TripleBarrier
from candlecast.testing import check_feature, check_folds, check_target


@feature(warmup=0)
def whole_sample_score(candles):
    return (candles.close - candles.close.mean()) / candles.close.std()


@feature(warmup=5)
def centred_mean(candles):
    return pd.Series(candles.close).rolling(5, center=True).mean().to_numpy()


@feature(warmup=0)
def next_volume(candles):
    return np.append(candles.volume[1:], np.nan)


@feature(warmup=0, outputs=("fine", "leaking"))
def one_of_two(candles):
    return np.column_stack([candles.close, np.maximum.accumulate(candles.high[::-1])[::-1]])


@feature(warmup=0)
def tiny_leak(candles):
    return candles.close * (1 + 1e-15 * len(candles))


@feature(warmup=0)
def wary_of_any_wild_bar(candles):
    return candles.close * (1 + ((candles.high / candles.low).max() > 1.18))


@pytest.mark.parametrize(
    ("leaking", "column"),
    [
        (whole_sample_score, "whole_sample_score"),
        (centred_mean, "centred_mean"),
        (next_volume, "next_volume"),
        (one_of_two, "one_of_two_leaking"),
        (tiny_leak, "tiny_leak"),
        (wary_of_any_wild_bar, "wary_of_any_wild_bar"),
    ],
)
def test_features_that_look_ahead_are_named(leaking, column):
    with pytest.raises(LookaheadError) as error:
        check_feature(leaking)
    assert str(error.value).startswith(f"feature {leaking.name}, column {column}, moved from ")
    assert "expected values that do not move by a bit when later candles do. Use only earlier bars" in str(error.value)


def test_the_message_says_which_bar_moved_and_by_how_much():
    candles = synthetic.random_walk(400, seed=0).candles
    with pytest.raises(LookaheadError) as error:
        check_feature(next_volume, candles)
    assert f"moved from {candles.volume[21]:.6g} to nan at bar 20 (2015-01-22 00:00 UTC)" in str(error.value)
    assert "although only candles after bar 20 had changed" in str(error.value)


def rolling_mean(warmup: int) -> Feature:
    return Feature("mean", lambda candles: pd.Series(candles.close).rolling(30).mean().to_numpy(), warmup)


def test_a_warm_up_one_bar_too_short_is_told_the_right_one():
    check_feature(rolling_mean(29))
    with pytest.raises(ConfigError) as error:
        check_feature(rolling_mean(28))
    assert str(error.value) == (
        "feature mean has a warm-up of 28 bars, and still depends on where the candles begin, or is undefined, 28 bars "
        "after the first; expected values that differ by at most 0.001 standard deviations from row `warmup` on. "
        "Use warmup=29."
    )


def exponential(warmup: int) -> Feature:
    return Feature("ema", ema_ratio(20).compute, warmup)


def test_the_warm_up_named_would_do_for_a_memory_that_fades():
    with pytest.raises(ConfigError, match=r"Use warmup=\d+\.$") as error:
        check_feature(exponential(20))
    named = int(error.value.remedy.split("=")[1])
    assert 30 < named <= ema_ratio(20).warmup
    check_feature(exponential(named), synthetic.garch(1_080, seed=0, interval="1h").candles)


def test_a_memory_that_never_fades_has_no_warm_up():
    total = Feature("total", lambda candles: np.cumsum(candles.volume), 10)
    with pytest.raises(
        ConfigError, match=r"still depends on where the candles begin.*over a window of fixed length\.$"
    ):
        check_feature(total)


def test_undefined_values_are_for_real_markets_only():
    scarce = Feature(
        "scarce", lambda candles: np.where(candles.open_time.astype(np.int64) % 7 == 0, np.nan, candles.close), 0
    )
    check_feature(scarce, sample("sp500")[:500])
    with pytest.raises(ConfigError, match="or is undefined"):
        check_feature(scarce)


def test_values_of_a_wrong_shape_or_type():
    with pytest.raises(ConfigError, match=r"feature short gave shape \(999, 1\) for 1000 candles"):
        check_feature(Feature("short", lambda candles: candles.close[1:], 0))
    with pytest.raises(ConfigError, match="feature text gave values of type <U1; expected numbers"):
        check_feature(Feature("text", lambda candles: np.full(len(candles), "a"), 0))


def test_too_few_candles_to_check():
    with pytest.raises(NotEnoughDataError) as error:
        check_feature(log_return(10), synthetic.random_walk(79, seed=0).candles)
    assert str(error.value).startswith(
        "RANDOM_WALK has 79 candles to check feature log_return_10 with a warm-up of 10 bars; expected at least 80."
    )
    check_feature(log_return(10), synthetic.random_walk(80, seed=0).candles)
    with pytest.raises(NotEnoughDataError, match="candles to check target return with a horizon of 10 bars"):
        check_target(NextReturn(10), synthetic.random_walk(79, seed=0).candles)


class DeclaredShort(NextReturn):
    """Says one bar, and looks two ahead."""

    def values(self, candles):
        values = NextReturn(2).values(candles)
        return np.where(np.isnan(values) & (np.arange(len(values)) < len(values) - 1), 0.0, values)


class DeclaredLong(NextReturn):
    """Says three bars, and knows its values after one."""

    def values(self, candles):
        return NextReturn(1).values(candles)


class Absent(NextReturn):
    """Knows every second value only."""

    def values(self, candles):
        return np.where(np.arange(len(candles)) % 2 == 0, super().values(candles), np.nan)


class ForeseeingNaive(Price):
    """A naive forecast that is tomorrow's price."""

    def naive(self, candles):
        return np.append(candles.close[1:], candles.close[-1])


class ForeseeingSize(Direction):
    """Sized by the mean return of all candles."""

    def expected_return(self, forecast, candles):
        return (2 * forecast - 1) * np.abs(np.diff(np.log(candles.close))).mean()


class ForeseeingForecast(NextReturn):
    """Takes the mean of all forecasts off each."""

    def expected_return(self, forecast, candles):
        return forecast - forecast.mean()


class Rows(NextReturn):
    """One row too few."""

    def naive(self, candles):
        return np.zeros(len(candles) - 1)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (DeclaredShort(1), LookaheadError, r"^values of target return \(horizon 1\), column values, moved from"),
        (
            DeclaredLong(3),
            LookaheadError,
            r"^target return has value .* at bar 1,009, 2 bars before the end of the candles",
        ),
        (
            Absent(),
            ConfigError,
            r"^target return is nan at bar 1 of 1,004; expected a finite value at every bar up to 1,002",
        ),
        (ForeseeingNaive(), LookaheadError, r"^naive of target price \(horizon 1\), column naive, moved from"),
        (ForeseeingSize(), LookaheadError, r"^expected_return of target direction \(horizon 1\)"),
        (ForeseeingForecast(), LookaheadError, r"^expected_return of target return \(horizon 1\)"),
        (
            Rows(),
            ConfigError,
            r"^naive of target return has shape \(1003,\) and type float64; expected \(1004,\) and float64",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, NextReturn | Price | Direction) else "",
)
def test_targets_that_are_not_what_they_say(target, error, message):
    with pytest.raises(error, match=message):
        check_target(target)


@pytest.mark.parametrize(
    "folds",
    [
        WalkForward(),
        WalkForward(train=500, test=100),
        WalkForward(train="20d", test="5d"),
        Holdout(),
        PurgedKFold(),
        CombinatorialPurged(),
    ],
)
def test_our_folds_pass(folds):
    assert check_folds(folds) == folds.split(
        synthetic.garch(2_000, seed=0, interval="1h").candles.close_time, range(200, 2_000), horizon=24, memory=10
    )


@dataclass(frozen=True)
class Given:
    """The folds given."""

    folds: tuple[Fold, ...]

    def split(self, times, usable, *, horizon, memory):
        return self.folds


NONE = range(0)


@pytest.mark.parametrize(
    ("folds", "error", "message"),
    [
        ((Fold(0, range(10, 50), NONE, range(50, 90)),), LookaheadError, "horizon 5 bars.*inside the test range"),
        (
            (Fold(0, range(50), NONE, range(60, 90)),),
            ConfigError,
            r"^train of fold 0 is Rows\(range\(0, 50\)\); expected rows inside",
        ),
        ((Fold(0, range(10, 50), NONE, range(60, 101)),), ConfigError, r"^test of fold 0 is Rows\(range\(60, 101\)\)"),
        ((Fold(0, range(10, 50), NONE, NONE),), NotEnoughDataError, "40 rows to train on and 0 to test on"),
        (
            (Fold(0, range(10, 50), NONE, range(60, 70)), Fold(1, range(10, 50), NONE, range(75, 90))),
            ConfigError,
            "^after rows that fold 0 tests, 5 rows are tested by no fold; expected every row from the first tested one on",
        ),
        (
            (Fold(0, range(10, 50), NONE, range(60, 80)), Fold(1, range(10, 50), NONE, range(79, 90))),
            ConfigError,
            "^row 79 is tested by 2 folds, row 60 by 1; expected every tested row in equally many folds.",
        ),
    ],
)
def test_folds_that_are_not_honest(folds, error, message):
    with pytest.raises(error, match=message):
        check_folds(Given(folds), bars=100, horizon=5)


def test_the_seed_chooses_the_market():
    threshold = synthetic.garch(1_000, seed=1, interval="1h").candles.close[-1]
    only_there = Feature("odd", lambda candles: candles.close * (1 + (candles.close[-1] == threshold)), 0)
    check_feature(only_there, seed=0)
    with pytest.raises(LookaheadError):
        check_feature(only_there, seed=1)


class Hasty(TripleBarrier):
    """Says that it is known earlier than it is, or at no time at all."""

    early = 1

    def bars_until_known(self, candles):
        return np.maximum(super().bars_until_known(candles) - self.early, 0 if self.early > 1 else 1)


def test_an_outcome_that_is_known_later_than_it_says_is_found():
    with pytest.raises(LookaheadError, match="target triple_barrier, column (values|bars_until_known), moved from"):
        check_target(Hasty(5))
    never = type("Never", (Hasty,), {"early": 9})
    with pytest.raises(
        ConfigError, match="bars_until_known of target triple_barrier .*whole numbers from 1 to the horizon of 5"
    ):
        check_target(never(5))
