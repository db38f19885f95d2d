"""Results of signals without skill, and of the sum of them that was made by looking at the results."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def signals():
    """Of 60 signals at 700 moments, (signals, moments)."""
    return np.random.default_rng(0).normal(size=(60, 700))


@pytest.fixture
def best_sum(signals):
    """Of the sum of all, each with the sign that did better."""
    return (np.sign(signals.sum(axis=1, keepdims=True)) * signals).sum(axis=0)
