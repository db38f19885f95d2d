"""Tests of timing by slow positions that go against the price: their p-values are too small, and how much they are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.stats.bootstrap import share_above

LAG = 10  # bars over which positions are compared, at most: they are filled a bar late, and in steps
STRETCHES = 20  # of a record, over which changes of position and price are compared
CONFIDENT = 1.645  # standard errors of a bound that holds in 95 %
BIAS = 4.0  # by which the estimated decay of a slow series is too large, on average
SLOWEST, FASTEST = 0.0, 200.0  # decay: of a random walk; from which on the test has nearly its size
STEPS, PATHS = 500, 4_000  # of the simulated records


class Persistence(NamedTuple):
    """How slow the positions of an account are, and whether they go against the price.

    decay: -n ln(rho), n bars and rho the correlation of the positions of one bar and the next; a lower bound of it. 0 is a
    random walk; infinite where not known. correlation: of the changes of position and of the price over the same bars.
    """

    decay: float = math.inf
    correlation: float = 0.0

    @property
    def matters(self) -> bool:
        """Whether p-values of a timing test are too small: positions are slow and go against the price."""
        return self.decay < FASTEST and self.correlation < 0.0


def persistence_of(held: np.ndarray, moves: np.ndarray) -> Persistence:
    """The persistence of exposures (time,), each held through a move, a log return (time,).

    rho^h is the correlation of exposures h bars apart, at most 10. Of the decay c = -n ln(rho), c - 4 - 1.64 sqrt(2 c) is
    taken: estimates of slow series are too large by about 4, with a standard error of sqrt(2 c). Changes are over a
    twentieth of the record, so that late fills and steps do not matter.

    >>> persistence_of(np.tile([1.0, -1.0], 200), np.zeros(400)).matters
    False
    """
    size, stretch = len(held), len(held) // STRETCHES
    if stretch < 1:
        return Persistence()
    lag, prices = min(LAG, stretch), np.concatenate([[0.0], np.cumsum(moves)])[:size]
    apart = held[:-lag], held[lag:]
    changes = held[stretch:] - held[:-stretch], prices[stretch:] - prices[:-stretch]
    if not min(each.std() for each in (*apart, *changes)) > 0:
        return Persistence()
    rho = float(np.corrcoef(*apart)[0, 1])
    if not rho > 0:
        return Persistence()
    decay = max(-size / lag * math.log(rho), 0.0)
    bound = max(decay - BIAS - CONFIDENT * math.sqrt(2 * decay), SLOWEST)
    return Persistence(bound, float(np.corrcoef(*changes)[0, 1]))


def persistent_p_value(p_value: float, persistence: Persistence, *, seed: int = 0) -> float:
    """A one-sided p-value of a timing test, corrected for slow positions that go against the price.

    A record's mean position is known only at its end, and so is whether the price was high: a price that was high then has
    fallen since. So positions that go against the price seem to have timed it. Their t-statistic has no normal distribution:
    for a random walk it is that of Dickey and Fuller (1979), whose 5 % lie beyond 2.86 instead of 1.64. In simulated records
    without timing, of positions x_t = rho x_{t-1} + u_t and returns e_t with this decay and correlation of u_t and e_t,
    t is the statistic of the mean of (x_{t-1} - mean x) e_t; the p-value is the share of them with t at or above the normal
    quantile of the given p-value, and never below that. Stambaugh (1999), Predictive Regressions; Campbell and Yogo (2006).

    >>> persistent_p_value(0.02, Persistence())
    0.02
    """
    if not persistence.matters or not 0.0 < p_value < 0.5:
        return p_value
    from scipy.special import ndtri

    generator = np.random.default_rng(seed)
    rho, delta = math.exp(-persistence.decay / STEPS), persistence.correlation
    position = np.zeros(PATHS)
    if rho < 1.0:
        position = generator.standard_normal(PATHS) / math.sqrt(1.0 - rho**2)
    sums = np.zeros((4, PATHS))  # of x e, x, e, and x^2
    for _ in range(STEPS):
        change, other = generator.standard_normal((2, PATHS))
        move = delta * change + math.sqrt(max(1.0 - delta**2, 0.0)) * other
        sums += position * move, position, move, position**2
        position = rho * position + change
    product, level, total, square = sums / STEPS
    t = math.sqrt(STEPS) * (product - level * total) / np.sqrt(np.maximum(square - level**2, 1e-12))
    return max(p_value, share_above(float(-ndtri(p_value)), t))
