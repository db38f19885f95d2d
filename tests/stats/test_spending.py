"""Alpha spending: the shares add up to 1, and the family-wise error rate stays at 5 %."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr

from candlecast import stats
from candlecast.errors import ConfigError


def test_shares_of_a_sequence_add_up_to_one():
    shares = [stats.spent_share(k - 1, k) for k in range(1, 2_001)]
    assert shares[:3] == pytest.approx([0.9, 9 / 190, 9 / 532])
    assert sum(shares) == pytest.approx(stats.spent_share(0, 2_000))
    assert sum(shares) < 1.0
    assert stats.spent_share(2.5, 7.25) + stats.spent_share(7.25, 9.5) == pytest.approx(stats.spent_share(2.5, 9.5))


def test_a_copy_is_adjusted_as_the_trial_that_it_copies():
    assert stats.spent_share(4.0, 4.0) == stats.spent_share(3.0, 4.0)
    assert stats.adjusted_p_value(0.001, before=4.0, after=4.01) == pytest.approx(
        stats.adjusted_p_value(0.001, before=3.0, after=4.0), rel=0.01
    )


def test_a_batch_has_the_shares_of_all_its_tests():
    """Four at once cost as much as their shares together, which is less than the fourth of four in sequence."""
    together, last = (stats.adjusted_p_value(0.002, before=before, after=4) for before in (0, 3))
    assert together == pytest.approx((1 - 0.998**4) / stats.spent_share(0, 4))
    assert together < last


def test_the_chance_of_any_false_alarm_in_a_sequence_is_at_most_the_level():
    """50 independent tests in sequence: at 5 % / k each, 20 % of users see a false alarm; with alpha spending, 5 %."""
    p_values = np.random.default_rng(0).random((4_000, 50))
    factors = np.array([stats.adjusted_p_value(1e-6, before=k, after=k + 1) / 1e-6 for k in range(50)])
    assert np.mean((p_values * np.arange(1, 51) < 0.05).any(axis=1)) > 0.15
    assert 0.035 < np.mean((p_values * factors < 0.05).any(axis=1)) < 0.055


def loadings(kind: str, correlation: float, tests: int = 20) -> np.ndarray:
    """Unit rows whose products are the correlations of tests in sequence: each with all, or each with the one before."""
    own = math.sqrt(1 - correlation**2 if kind == "chain" else 1 - correlation) * np.eye(tests)
    if kind == "equal":
        return np.hstack([own, np.full((tests, 1), math.sqrt(correlation))])
    own[0, 0] = 1.0
    for row in range(1, tests):
        own[row] += correlation * own[row - 1]
    return own


@pytest.mark.parametrize(("kind", "correlation"), [("equal", 0.3), ("equal", 0.9), ("chain", 0.9), ("chain", 0.99)])
def test_dependent_tests_count_as_fewer(kind, correlation):
    """Variants of one idea cost less than unrelated ones, and the family-wise error rate stays near 5 %."""
    rows, generator = loadings(kind, correlation), np.random.default_rng(1)
    sample = generator.standard_normal((1_000, rows.shape[1])) @ rows.T
    unit = stats.unit_columns(sample, np.ones(sample.shape, dtype=bool))
    counts = [0.0, *stats.effective_counts(unit, range(1, len(rows) + 1))]
    z = generator.standard_normal((10_000, rows.shape[1])) @ rows.T
    factors = np.array(
        [stats.adjusted_p_value(1e-7, before=a, after=max(a, b, 1.0)) / 1e-7 for a, b in pairwise(counts)]
    )
    assert counts[-1] < 0.95 * len(rows)
    assert 0.035 < np.mean((ndtr(-z) * factors < 0.05).any(axis=1)) < 0.06


def test_what_is_undefined_stays_so_and_certainty_is_the_most():
    assert math.isnan(stats.adjusted_p_value(math.nan, before=0, after=1))
    assert stats.adjusted_p_value(1.0, before=0, after=1) == 1.0
    with pytest.raises(ConfigError, match="tests from 3 to 2"):
        stats.spent_share(3, 2)
    with pytest.raises(ConfigError, match="after of 1 or more"):
        stats.adjusted_p_value(0.1, before=0, after=0.5)
