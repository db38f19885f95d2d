"""Timing tests of slow positions that go against the price: the size that they claim, and the one that they have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from candlecast.stats.persistence import Persistence, persistence_of, persistent_p_value


@pytest.mark.parametrize(("quantile", "level"), [(-2.57, 0.10), (-2.86, 0.05), (-3.12, 0.025), (-3.43, 0.01)])
def test_the_quantiles_of_dickey_and_fuller(quantile, level):
    """Fuller (1976), table 8.5.2, with a constant: positions that are the price itself, turned around."""
    assert persistent_p_value(float(ndtr(quantile)), Persistence(0.0, -1.0)) == pytest.approx(level, rel=0.15)


def test_what_is_fast_or_goes_with_the_price_is_not_corrected():
    for persistence in (Persistence(), Persistence(0.0, 0.5), Persistence(500.0, -1.0)):
        assert persistent_p_value(0.02, persistence) == 0.02
    corrected = [persistent_p_value(0.02, Persistence(decay, -1.0)) for decay in (0.0, 10.0, 50.0, 199.0)]
    assert corrected == sorted(corrected, reverse=True) and corrected[0] > 0.2 and corrected[-1] < 0.04
    assert persistent_p_value(0.02, Persistence(0.0, -0.5)) < corrected[0]
    assert math.isnan(persistent_p_value(math.nan, Persistence(0.0, -1.0)))


def test_persistence_of_positions():
    moves = 0.01 * np.random.default_rng(1).normal(size=2_000)
    price = np.concatenate([[0.0], np.cumsum(moves)[:-1]])
    slow = persistence_of(-price, moves)
    assert slow.decay < 5 and slow.correlation < -0.99 and slow.matters
    late = persistence_of(-np.concatenate([[0.0], price[:-1]]), moves)
    assert late.correlation < -0.8 and late.matters, "filled a bar late"
    assert not persistence_of(price, moves).matters
    reverting = -np.concatenate([[0.0], moves[:-1]])
    assert not persistence_of(reverting, moves).matters
    weekly = -price + np.concatenate([np.zeros(5), price[:-5]])
    assert not persistence_of(weekly, moves).matters
    for held in (np.ones(2_000), np.zeros(3), np.empty(0)):
        assert not persistence_of(held, np.zeros(len(held))).matters
