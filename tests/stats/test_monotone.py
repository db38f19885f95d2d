"""The closest monotone function of a signal."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.stats.monotone import monotone_part, rising_part


def test_a_rising_function_of_the_signal_stays():
    signal = np.random.default_rng(0).standard_normal(200)
    np.testing.assert_allclose(rising_part(np.tanh(signal), signal), np.tanh(signal))


def test_of_a_falling_one_the_mean_is_left():
    signal = np.random.default_rng(0).standard_normal(200)
    values = np.exp(-signal)
    np.testing.assert_allclose(rising_part(values, signal), values.mean())
    np.testing.assert_allclose(monotone_part(values, signal), values)


def test_equal_signals_have_equal_values_and_the_mean_is_kept():
    generator = np.random.default_rng(1)
    signal, values = generator.integers(0, 5, 300).astype(float), generator.standard_normal(300)
    found = rising_part(values, signal)
    assert found.mean() == pytest.approx(values.mean())
    by_signal = [set(found[signal == each].round(12)) for each in range(5)]
    assert all(len(each) == 1 for each in by_signal)
    levels = [each.pop() for each in by_signal]
    assert levels == sorted(levels)


def test_nothing_else_that_rises_is_closer():
    generator = np.random.default_rng(2)
    signal, values = generator.permutation(6).astype(float), generator.standard_normal(6)
    error = np.square(rising_part(values, signal) - values).sum()
    for _ in range(2_000):
        other = np.sort(generator.standard_normal(6))[signal.astype(int)]
        assert np.square(other - values).sum() >= error


def test_of_nothing_nothing_is_left():
    assert len(rising_part(np.empty(0), np.empty(0))) == 0
