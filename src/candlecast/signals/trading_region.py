"""Which positions are kept and which are traded: the no-trade region of a forecast under proportional costs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

STATES, SIZES = 41, 21  # points of the forecast's process and of the position
MOST_PERSISTENT = 0.99  # a forecast that lasts for more than about 100 bars is treated as one of 100
TOLERANCE, MOST_STEPS = 1e-3, 5_000  # of the marginal values, in costs a side


class Region(NamedTuple):
    """Bounds of the positions that are kept, by forecast: `low` and `high` (state,) at the forecasts `at` (state,), rising."""

    at: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def bounds(self, forecasts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bound at each forecast, (time,)."""
        return np.interp(forecasts, self.at, self.low), np.interp(forecasts, self.at, self.high)


@lru_cache(maxsize=1_024)
def trading_region(
    *, cost: float, mean: float, std: float, persistence: float, full: float, lowest: float = -1.0
) -> Region:
    """The no-trade region of a trader who holds a position p, `lowest` <= p <= 1, and pays `cost` for each unit that he trades.

    The forecast is the expected return of the next bar, and follows f' = mean + persistence (f - mean) + noise, with the
    stationary deviation `std`. Each bar earns f p - a p^2 / 2, where the aversion to risk a = full x std makes 1 the best
    position, without costs, at a forecast of full x std. The value of one more unit at p is then

        v(f, p) = f - a p + E[min(max(v(f', p), -cost), cost)]

    since a unit is worth no more than it costs to buy, and no less than it costs to be rid of. A unit is bought while
    v > cost and sold while v < -cost: in between, nothing is traded. Davis and Norman (1990) for the region under
    proportional costs; Garleanu and Pedersen (2013) for what persistence does to the position that is aimed at; de Lataillade
    and others (2012) for the recursion. The process is that of Rouwenhorst (1995) with `STATES` states, the persistence at
    most `MOST_PERSISTENT`.

    >>> region = trading_region(cost=0.001, mean=0.0, std=0.001, persistence=0.0, full=1.0)
    >>> [side.round(2).item() for side in region.bounds(np.array(0.0015))]  # flat buys 0.17, long sells nothing
    [0.17, 1.0]
    """
    persistence = min(max(persistence, -MOST_PERSISTENT), MOST_PERSISTENT)
    forecasts = mean + std * np.linspace(-1.0, 1.0, STATES) * np.sqrt(STATES - 1)
    sizes = np.linspace(lowest, 1.0, SIZES)
    if cost == 0.0:
        aimed = np.clip(forecasts / (full * std), lowest, 1.0)
        return Region(forecasts, aimed, aimed)
    chances = _transitions(persistence)
    earned = (forecasts[:, None] - full * std * sizes) / cost  # (state, size), in costs a side
    value = earned
    for _ in range(MOST_STEPS):
        before, value = value, earned + chances @ np.clip(value, -1.0, 1.0)
        if np.abs(value - before).max() < TOLERANCE:
            break
    low = [np.interp(-1.0, -row, sizes) if row[0] > 1.0 else lowest for row in value]
    high = [np.interp(1.0, -row, sizes) if row[-1] < -1.0 else 1.0 for row in value]
    return Region(forecasts, np.array(low), np.array(high))


def _transitions(persistence: float) -> np.ndarray:
    """Probabilities of each state after each, (state, state): Rouwenhorst's chain, whose states are evenly spaced.

    >>> _transitions(0.5).sum(axis=1).round(12).min().item()
    1.0
    """
    stay = (1.0 + persistence) / 2.0
    chances = np.array([[stay, 1.0 - stay], [1.0 - stay, stay]])
    for states in range(3, STATES + 1):
        larger = np.zeros((states, states))
        larger[:-1, :-1] += stay * chances
        larger[:-1, 1:] += (1.0 - stay) * chances
        larger[1:, :-1] += (1.0 - stay) * chances
        larger[1:, 1:] += stay * chances
        larger[1:-1] /= 2.0
        chances = larger
    return chances
