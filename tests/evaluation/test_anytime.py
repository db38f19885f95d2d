"""E-processes: by hand, valid at every look, and what they can and cannot show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast.errors import ConfigError
from candlecast.evaluation.anytime import BETS, Bets, anytime_p, bars_until_shown, beats, earns, falls_short


def test_the_process_is_the_mean_of_its_bets_by_hand():
    bets, x = Bets(bound=0.5), [0.1, -0.2, 0.4]
    by_hand = np.mean([math.prod(1 + f * value for value in x) for f in bets.fractions])
    state = bets.init()
    for value in x:
        state = bets.step(state, value)
    assert bets.e_value(state) == pytest.approx(by_hand)
    assert bets.path(np.array(x))[-1] == pytest.approx(by_hand)
    assert len(bets.fractions) == BETS
    assert bets.fractions.max() < 1 / 0.5


def test_step_and_path_agree_and_what_is_unknown_counts_for_nothing():
    x = np.random.default_rng(0).normal(0.1, 0.3, 200).clip(-1, 1)
    x[50:60] = np.nan
    bets, state, found = Bets(), Bets().init(), []
    for value in x:
        state = bets.step(state, float(value))
        found.append(bets.e_value(state))
    np.testing.assert_allclose(found, bets.path(x))
    assert state.values == 190
    assert bets.p_value(state) == pytest.approx(anytime_p(np.array(found))[-1])


@pytest.mark.parametrize("name", ["normal", "student", "clustered"])
def test_looked_at_after_every_bar_it_is_wrong_in_at_most_one_of_twenty_lives(name):
    """2,000 lives of 300 bars in which nothing is earned; the bound holds for any number of looks."""
    rng = np.random.default_rng(7)
    noise = rng.standard_t(4, (2_000, 300)) / math.sqrt(2) if name == "student" else rng.standard_normal((2_000, 300))
    scale = np.exp(0.5 * rng.standard_normal((2_000, 1)) + 0.02 * np.cumsum(rng.standard_normal((2_000, 300)), axis=1))
    returns = (0.01 * noise * (scale if name == "clustered" else 1.0)).clip(-0.1, 0.1)
    wrong = (Bets(0.1).path(returns) >= 20.0).any(axis=1).mean()
    assert wrong <= 0.05
    alarms = (Bets(0.1).path(-returns) >= 20.0).any(axis=1).mean()
    assert alarms <= 0.05


def test_what_is_there_is_shown_and_what_falls_short_is_too():
    rng = np.random.default_rng(3)
    returns = rng.normal(0.002, 0.01, 1_500)
    assert earns(returns)[-1] > 20.0
    assert earns(-returns).max() < 20.0
    assert falls_short(returns, 0.002).max() < 20.0
    assert falls_short(returns - 0.002, 0.002)[-1] > 20.0


def test_a_better_forecast_is_shown_and_overlapping_outcomes_are_interleaved():
    rng = np.random.default_rng(5)
    outcome = rng.standard_normal(2_000)
    own, naive = (outcome - 0.8 * outcome) ** 2, outcome**2
    assert beats(own, naive)[-1] > 20.0
    assert beats(naive, own).max() <= 1.0 + 1e-9
    one, three = beats(own, naive), beats(own, naive, horizon=3)
    assert three[-1] > 20.0
    assert three[10] < one[10]
    assert beats(np.array([0.0, np.nan]), np.array([0.0, 1.0])).tolist() == [1.0, 1.0]


def test_how_long_it_takes_is_about_right():
    rng = np.random.default_rng(2)
    returns = rng.normal(0.001, 0.01, 50_000)
    needed = bars_until_shown(returns)
    reached = [int(np.argmax(earns(returns[start : start + 5_000]) >= 20.0)) for start in range(0, 50_000, 5_000)]
    assert 0.3 * needed < np.median(reached) < 1.5 * needed
    assert math.isinf(bars_until_shown(-returns))
    assert math.isinf(bars_until_shown(np.empty(0)))


def test_what_makes_no_series_is_refused():
    with pytest.raises(ConfigError, match="returns have the shape"):
        earns(np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="bound"):
        Bets(0.0)
