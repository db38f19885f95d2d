"""How sure a Sharpe ratio is: against a benchmark, after many trials, and how long a record would have to be.

Everything here is *per bar*, not per year: multiply a ratio by sqrt(bars_per_year), divide a number of bars by
bars_per_year. The riskless rate is zero, as in `performance.sharpe`. Returns are taken as independent, of any
distribution with four moments; `bootstrap` needs neither.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.errors import ConfigError
from candlecast.parameters import is_number
from candlecast.stats.performance import sharpe
from candlecast.stats.samples import aligned

EULER_MASCHERONI = 0.5772156649015329


class TrackRecord(NamedTuple):
    """A Sharpe ratio per bar, the `observations` behind it, and `skewness` and `kurtosis` (3 for a normal) of the returns."""

    sharpe: float
    observations: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @property
    def variance(self) -> float:
        """Sampling variance of the ratio: (1 - g3 S + (g4 - 1) / 4 S^2) / (n - 1), at least 0; Mertens (2002).

        >>> TrackRecord(0.0, 101).variance
        0.01
        """
        s, n, g3, g4 = self
        return max(1.0 - g3 * s + (g4 - 1.0) / 4.0 * s**2, 0.0) / (n - 1) if n > 1 else math.nan


def track_record(returns: np.ndarray) -> TrackRecord:
    """The record of simple net returns per bar, float64 (time,). Without any spread, or with one return only, NaN.

    Raises ConfigError for returns that are not finite.

    >>> track_record(np.array([1.0, -1.0, 1.0, -1.0]))
    TrackRecord(sharpe=0.0, observations=4, skewness=0.0, kurtosis=1.0)
    """
    (returns,) = aligned(returns=returns)
    ratio = sharpe(returns, bars_per_year=1.0)
    spread = float(returns.std()) if len(returns) else 0.0
    if math.isnan(ratio) or not spread:
        return TrackRecord(ratio, len(returns), math.nan, math.nan)
    scaled = (returns - returns.mean()) / spread
    return TrackRecord(ratio, len(returns), float(np.mean(scaled**3)), float(np.mean(scaled**4)))


def probabilistic_sharpe(record: TrackRecord, *, benchmark: float = 0.0) -> float:
    """Confidence that the true Sharpe ratio is above `benchmark` (per bar), given how long and how skewed the record is.

    Phi((S - benchmark) / sqrt(variance)), with the variance in `TrackRecord`. NaN for an undefined record.
    Bailey and Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, eq. 11.

    >>> round(probabilistic_sharpe(TrackRecord(0.458, 24, -2.448, 10.164)), 3)      # their hedge fund
    0.913
    """
    if not record.variance > 0.0:
        return math.nan
    return _normal((record.sharpe - benchmark) / math.sqrt(record.variance))


def minimum_track_record(record: TrackRecord, *, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Bars that a record like this one needs before its `probabilistic_sharpe` against `benchmark` reaches `level`.

    1 + (1 - g3 S + (g4 - 1) / 4 S^2) (z_level / (S - benchmark))^2. Infinite where the ratio is at or below the benchmark;
    NaN for an undefined record. Raises ConfigError for a level outside (0.5, 1).
    Bailey and Lopez de Prado (2012), eq. 13.

    >>> round(minimum_track_record(TrackRecord(0.1, 250)))      # 1 + 1.005 x (1.645 / 0.1)^2
    273
    """
    if not is_number(level) or not 0.5 < level < 1.0:
        raise ConfigError(
            f"level is {level!r}", expected="a confidence between 0.5 and 1", remedy="Use for example 0.95"
        )
    if not record.variance > 0.0:
        return math.nan
    if record.sharpe <= benchmark:
        return math.inf
    spread = record.variance * (record.observations - 1)
    return 1.0 + spread * (_quantile(level) / (record.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(trials: float, *, variance: float) -> float:
    """The Sharpe ratio per bar that the best of `trials` independent trials shows by luck alone.

    sqrt(variance) ((1 - c) z(1 - 1 / N) + c z(1 - 1 / (N e))), c = 0.5772, z the normal quantile, at least 0: a single
    trial has no luck in being chosen. `variance` is that of the trials' ratios. Raises ConfigError for fewer than 1.
    Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio, eq. 1.

    >>> round(expected_maximum_sharpe(100, variance=1 / 2 / 250), 4)      # theirs: 100 trials, variance 1/2 per year
    0.1132
    """
    if not trials >= 1.0:
        raise ConfigError(f"trials is {trials}", expected="1 or more", remedy="Count the trial itself too")
    if trials == 1.0:
        return 0.0
    common, rare = _quantile(1.0 - 1.0 / trials), _quantile(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * max((1.0 - EULER_MASCHERONI) * common + EULER_MASCHERONI * rare, 0.0)


def deflated_sharpe(record: TrackRecord, *, trials: float, variance: float | None = None) -> float:
    """Confidence that the Sharpe ratio is above the expected best of `trials` trials without skill.

    `probabilistic_sharpe` with `expected_maximum_sharpe` as the benchmark. `trials`: how many independent ones were made,
    see `selection.effective_trials`. `variance`: of their ratios per bar; when not given, that of ratios without any
    skill, 1 / (n - 1). One trial gives the probabilistic Sharpe ratio. Bailey and Lopez de Prado (2014), eq. 2.

    >>> theirs = TrackRecord(2.5 / 250**0.5, 1250, -3.0, 10.0)
    >>> round(deflated_sharpe(theirs, trials=100, variance=1 / 2 / 250), 4)
    0.9004
    """
    if variance is None:
        variance = 1.0 / max(record.observations - 1, 1)
    return probabilistic_sharpe(record, benchmark=expected_maximum_sharpe(trials, variance=variance))


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
