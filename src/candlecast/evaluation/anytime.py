"""Tests that may be looked at after every bar: e-processes, which stay valid whenever one stops (Ville 1939; Shafer 2021).

An e-process is a bet against the hypothesis that is worth 1 in the beginning and does not grow on average while the
hypothesis holds. So it ever reaches 1 / alpha with a chance of at most alpha, however often it is looked at. Each process here
bets with fixed fractions lambda of its wealth and averages them (Waudby-Smith and Ramdas 2024, section 4):

    E_t = mean over lambda of  prod_{s <= t} (1 + lambda x_s),    0 < lambda < 1 / bound,    x_s >= -bound

Hypotheses, all about means given the past:

    earns          the strategy earns nothing after costs           x = r
    falls_short    the strategy earns at least what is expected     x = expected - r
    beats          the forecast is no better than the reference     x = (L_ref - L) / (L_ref + L)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from candlecast.errors import ConfigError
from candlecast.parameters import require_kinds, require_parameters

BETS = 8  # fractions, geometric up to the largest
SPREAD = 32.0  # the largest over the smallest
LARGEST = 0.99  # of what the bound allows, so that no bet loses everything
LEVEL = 0.05
HIGHEST_LOG = 600.0  # of an e-value, below the largest float


class BetState(NamedTuple):
    """Logarithm of the wealth of each bet, (bets,), the highest e-value so far, and the number of values."""

    log_wealth: np.ndarray
    highest: float
    values: int


@dataclass(frozen=True)
class Bets:
    """An e-process against the hypothesis that the mean of x, given the past, is at most 0.

    bound: x is never below -bound. A value below it counts as -bound, which favours the process: choose it so large that
        this does not happen.

    >>> bets = Bets(bound=1.0)
    >>> state = bets.init()
    >>> for x in [0.5, 0.5, -0.25, 0.5]:
    ...     state = bets.step(state, x)
    >>> round(bets.e_value(state), 3), round(bets.p_value(state), 3)
    (1.448, 0.691)
    """

    bound: float = 1.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(self, {"bound": (0 < self.bound < math.inf, "a number above 0")})

    @property
    def fractions(self) -> np.ndarray:
        """The fractions lambda, (bets,)."""
        return LARGEST / self.bound * np.geomspace(1 / SPREAD, 1.0, BETS)

    def init(self) -> BetState:
        """Before the first value."""
        return BetState(np.zeros(BETS), 1.0, 0)

    def step(self, state: BetState, x: float) -> BetState:
        """After one more value; NaN is none."""
        if math.isnan(x):
            return state
        wealth = state.log_wealth + np.log1p(self.fractions * max(x, -self.bound))
        return BetState(wealth, max(state.highest, _mean_exp(wealth)), state.values + 1)

    def e_value(self, state: BetState) -> float:
        """The evidence against the hypothesis now: 1 is none, 20 is as much as p = 5 %."""
        return _mean_exp(state.log_wealth)

    def p_value(self, state: BetState) -> float:
        """A p-value that holds at every look: 1 over the highest e-value so far."""
        return min(1.0, 1.0 / state.highest)

    def path(self, x: np.ndarray) -> np.ndarray:
        """The e-value after each of the values, float64, shape of x, along its last axis; NaN is no value."""
        x = np.maximum(np.nan_to_num(x, nan=0.0), -self.bound)
        logs = np.stack([np.cumsum(np.log1p(fraction * x), axis=-1) for fraction in self.fractions])
        most = logs.max(axis=0)
        return np.exp(np.minimum(most, HIGHEST_LOG)) * np.exp(logs - most).mean(axis=0)


def earns(returns: np.ndarray, *, largest_loss: float = 0.1) -> np.ndarray:
    """E-values against "the strategy earns nothing after costs", after each return, float64 (time,).

    Args:
        returns: simple net returns of the bars, (time,).
        largest_loss: no bar loses more than this share.

    >>> bool(earns(np.full(400, 0.01))[-1] > 20.0), float(earns(np.zeros(5))[-1])
    (True, 1.0)
    """
    return Bets(largest_loss).path(_series(returns, "returns"))


def falls_short(returns: np.ndarray, expected: float, *, largest_gain: float = 0.1) -> np.ndarray:
    """E-values against "the strategy earns at least `expected` in a bar on average": an alarm that results are worse.

    Args:
        returns: simple net returns of the bars, (time,).
        expected: mean return of a bar, such as the backtest's.
        largest_gain: no bar gains more than this share.
    """
    return Bets(largest_gain + abs(expected)).path(expected - _series(returns, "returns"))


def beats(losses: np.ndarray, reference: np.ndarray, *, horizon: int = 1) -> np.ndarray:
    """E-values against "the forecast is no better than the reference", by relative differences of their losses.

    x = (L_ref - L) / (L_ref + L), in [-1, 1], 0 where both are 0: its mean is above 0 where the forecast takes away more
    than it adds, in shares of the loss at hand, so that no large move decides alone. Outcomes of several bars overlap: every
    `horizon`th of them is a process of its own, and the processes are averaged (Arnold, Henzi and Ziegel 2023).

    Args:
        losses: of the forecast, 0 or more, (time,), NaN where unknown.
        reference: losses of the other, such as the naive forecast, (time,).
        horizon: bars until an outcome is known.

    >>> float(beats(np.ones(3), np.ones(3))[-1])
    1.0
    """
    return shares(_relative(_series(losses, "losses"), _series(reference, "reference")), horizon)


def shares(x: np.ndarray, horizon: int) -> np.ndarray:
    """The average of the processes of every `horizon`th value; values in [-1, 1]."""
    bets, paths = Bets(1.0), []
    for first in range(horizon):
        own = np.full(len(x), np.nan)
        own[first::horizon] = x[first::horizon]
        paths.append(bets.path(own))
    return np.mean(paths, axis=0)


def anytime_p(e_values: np.ndarray) -> np.ndarray:
    """P-values that hold at every look, (time,): 1 over the highest e-value so far.

    >>> anytime_p(np.array([0.5, 4.0, 2.0])).tolist()
    [1.0, 0.25, 0.25]
    """
    return np.minimum(1.0, 1.0 / np.maximum.accumulate(np.maximum(e_values, 1.0), axis=-1))


def bars_until_shown(returns: np.ndarray, *, largest_loss: float = 0.1, level: float = LEVEL) -> float:
    """About how many bars like these it takes until `earns` shows them at a level; infinity where it would not.

    ln(bets / 2 level) over the growth of the best bet: mean of ln(1 + lambda r).

    >>> bars_until_shown(np.array([-0.01, -0.02, 0.01]))
    inf
    """
    bets, clipped = Bets(largest_loss), np.maximum(_series(returns, "returns"), -largest_loss)
    growth = max(float(np.log1p(fraction * clipped).mean()) for fraction in bets.fractions) if len(clipped) else 0.0
    return math.log(BETS / (2 * level)) / growth if growth > 0 else math.inf


def _mean_exp(logs: np.ndarray) -> float:
    most = float(logs.max())
    return math.exp(min(most, HIGHEST_LOG)) * float(np.exp(logs - most).mean())


def _relative(losses: np.ndarray, reference: np.ndarray) -> np.ndarray:
    total = losses + reference
    return np.divide(reference - losses, total, out=np.zeros(len(total)), where=total > 0) + 0.0 * total


def _series(values: np.ndarray, name: str) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise ConfigError(
            f"{name} have the shape {found.shape}",
            expected="one value for each bar",
            remedy="Pass one series at a time",
        )
    return found
