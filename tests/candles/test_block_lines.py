"""Bars within weeks, months and days that were computed from their ends."""

from __future__ import annotations

import numpy as np
import pytest

from bar_paths import STEPS, of
from candlecast.candles import Candles
from candlecast.candles.block_lines import block_lines
from candlecast.candles.blocks import blocks
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic

MONDAY = 4  # rows from the first bar of a synthetic table, 1 January 2015, to a Monday


def filled(seed: int, *, bars: int, size: int, kept: float, interval: str, first: int = 0) -> Candles:
    """Blocks of a random walk of which only the ends are true, with a share of the deviations from the line between them."""
    generator = np.random.default_rng(seed)
    increments = 0.01 / np.sqrt(STEPS) * generator.standard_normal((bars, STEPS))
    for start in range(first, bars - size + 1, size):
        block = slice(start, start + size)
        line = increments[block].mean()
        increments[block] = line + kept * (increments[block] - line)
    return of(increments, interval)


@pytest.mark.parametrize("seed", range(4))
def test_weeks_that_were_filled_from_their_ends_are_found(seed):
    candles = filled(seed, bars=2_800, size=7, kept=0.6, interval="1d", first=MONDAY)
    found = block_lines(candles)
    assert (found.is_found, found.block) == (True, "week") and found.excess > 0.4
    assert tradability(candles).faults == ("bars computed from the ends of longer ones",)


def test_days_that_were_filled_from_their_ends_are_found_wherever_they_begin():
    for first in (0, 17):
        found = block_lines(filled(1, bars=24 * 300, size=24, kept=0.6, interval="1h", first=first))
        assert (found.is_found, found.block) == (True, "day")


def test_they_count_only_where_the_tested_bars_have_them():
    bad, good = filled(1, bars=2_800, size=7, kept=0.5, interval="1d", first=MONDAY), np.random.default_rng(5)
    increments = 0.01 / np.sqrt(STEPS) * good.standard_normal((1_400, STEPS))
    closes = np.log(bad.close)
    first = np.diff(closes, prepend=closes[0] - 0.01)[:, None] / STEPS * np.ones(STEPS)
    candles = of(np.concatenate([first, increments]), "1d")
    assert block_lines(candles).is_found and block_lines(candles, first=700).is_found
    assert not block_lines(candles, first=2_800).is_found


@pytest.mark.parametrize("interval", ["1h", "4h", "1d"])
@pytest.mark.parametrize("phi", [-0.3, 0.0, 0.3])
def test_the_same_autocorrelation_anywhere_is_none(phi, interval):
    for seed in range(4):
        assert not block_lines(synthetic.ar1(2_500, seed=seed, phi=phi, interval=interval).candles).is_found


def test_trends_that_last_for_some_blocks_are_none():
    for seed in (*range(4), 18, 34, 37):  # months and four weeks of the last three have a large statistic
        generator = np.random.default_rng(seed)
        trend = np.zeros(2_500)
        for row in range(1, 2_500):
            trend[row] = 0.95 * trend[row - 1] + 0.0009 * generator.standard_normal()
        increments = 0.01 / np.sqrt(STEPS) * generator.standard_normal((2_500, STEPS)) + trend[:, None] / STEPS
        assert not block_lines(of(increments, "1d")).is_found


def test_a_split_and_drifts_by_day_are_none():
    generator = np.random.default_rng(3)
    increments = 0.01 / np.sqrt(STEPS) * generator.standard_normal((2_800, STEPS))
    increments[MONDAY::7] += 0.004 / STEPS
    increments[1_401, 0] -= 1.9
    found = block_lines(of(increments, "1d"))
    assert not found.is_found and found.statistic < 3
    hours = 0.005 / np.sqrt(STEPS) * generator.standard_normal((2_500, STEPS))
    hours[24 * 52 + 2, 0] -= 1.9
    assert block_lines(of(hours, "1h")).statistic < 3


def test_real_indices_are_not_accused():
    for name in ("sp500", "nasdaq"):
        found = block_lines(sample(name))
        assert not found.is_found and found.statistic < 2.5


@pytest.mark.parametrize("bars", [0, 1, 5, 60])
def test_few_bars_show_nothing(bars):
    for interval in ("1h", "1d"):
        found = block_lines(synthetic.random_walk(60, seed=0, interval=interval).candles[:bars])
        assert np.isnan(found.statistic) and not found.is_found


def test_kinds_of_blocks_by_interval():
    def names(interval: str, bars: int = 400) -> set[str]:
        return {kind.name for kind in blocks(synthetic.random_walk(bars, seed=0, interval=interval).candles)}

    assert names("1m") == {"hour", "four-hour block", "day", "week"}
    assert names("1h") == {"four-hour block", "day", "week"}
    assert names("1d") == {"week", "four-week block", "month"}
    assert names("1w") == {"quarter"}
    weeks = next(kind for kind in blocks(sample("sp500")) if kind.name == "week")
    assert (weeks.size, weeks.shift) == (5, 0) and set(np.unique(weeks.day)) == {0, 1, 2, 3, 4}
    starts = np.flatnonzero(np.diff(weeks.block)) + 1
    assert np.mean(weeks.day[starts] == 0) > 0.85  # Mondays, but for holidays
