"""Profiles of trials by hand."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.ledger.profile import profile_of

DAY, HOUR = 86_400_000_000, np.timedelta64(1, "h")


def test_a_bar_that_closes_at_midnight_is_of_the_day_before():
    times = np.datetime64("2024-01-01", "us") + np.arange(1, 49) * HOUR
    profile = profile_of(times, np.repeat([0.01, 0.02], 24), step=DAY)
    assert profile.values.shape == (3, 2)
    assert profile.values[0] == pytest.approx([0.5, 1.0])  # in units of the largest
    assert profile.first == np.datetime64("2024-01-01", "D").astype(int)


def test_what_the_benchmark_explains_is_no_alpha():
    generator = np.random.default_rng(0)
    benchmark, own = generator.standard_normal((2, 50))
    times = np.datetime64("2024-01-01", "us") + np.arange(1, 51) * np.timedelta64(1, "D")
    profile = profile_of(times, 2 * benchmark + own, step=DAY, benchmark=benchmark, skills=(times, own))
    beta = (2 * benchmark + own) @ benchmark / (benchmark @ benchmark)
    alpha = 2 * benchmark + own - beta * benchmark
    assert profile.values[1] == pytest.approx(alpha / np.abs(alpha).max(), abs=1e-6)
    assert profile.values[2] == pytest.approx(own / np.abs(own).max(), abs=1e-6)
    assert not profile_of(times, 3 * benchmark, step=DAY, benchmark=benchmark).values[1].any()
