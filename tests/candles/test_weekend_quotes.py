"""Quotes that move away at weekends and come back."""

from __future__ import annotations

import numpy as np
import pytest

from bar_paths import STEPS, of
from candlecast.candles.weekend_quotes import weekend_quotes
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic

HOURS = 168 * 30
HOUR = (np.arange(HOURS) + 72) % 168  # of the week, which begins on Monday; the first bar is a Thursday's


def hours(seed: int, *, returning: bool, quiet: float = 1.0, half: float = 0.0):
    """Hours of a market that is quiet at weekends, with a bounce of half a spread; and quotes which return to Friday's price."""
    generator = np.random.default_rng(seed)
    is_weekend = HOUR >= 120
    steps = 0.001 / np.sqrt(STEPS) * generator.standard_normal((HOURS, STEPS))
    steps[is_weekend] *= quiet
    moves = steps.sum(axis=1)
    for start in np.flatnonzero(HOUR == 120) if returning else ():
        away, back = slice(start, start + 40), slice(start + 40, start + 48)
        steps[back] -= 0.95 * moves[away].sum() / 8 / STEPS
    bounce = half * generator.choice([-1, 1], HOURS)
    steps[:, -1] += np.diff(bounce, prepend=0.0)
    return of(steps, "1h")


@pytest.mark.parametrize("seed", range(4))
def test_quotes_that_come_back_are_found(seed):
    found = weekend_quotes(hours(seed, returning=True, quiet=0.5))
    assert found.are_found and found.ratio < 0.3
    assert tradability(hours(seed, returning=True)).faults == ("quotes that come back after weekends",)


@pytest.mark.parametrize("half", [0.0, 0.0005, 0.005])
@pytest.mark.parametrize("quiet", [0.0, 0.1, 1.0])
def test_quiet_weekends_and_bounces_are_not_accused(quiet, half):
    for seed in range(4):
        assert not weekend_quotes(hours(seed, returning=False, quiet=quiet, half=half)).are_found


@pytest.mark.parametrize("phi", [-0.3, 0.3])
def test_markets_are_not_accused(phi):
    for seed in range(4):
        assert not weekend_quotes(synthetic.ar1(4_000, seed=seed, phi=phi, interval="1h").candles).are_found


def test_what_has_no_weekends_shows_nothing():
    for candles in (
        sample("sp500"),
        synthetic.random_walk(200, seed=0, interval="1h").candles,
        hours(0, returning=True)[:0],
    ):
        assert np.isnan(weekend_quotes(candles).ratio) and not weekend_quotes(candles).are_found
