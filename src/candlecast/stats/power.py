"""Power: the smallest edge that this much data detects, so the edges that a test without a finding has ruled out.

An edge is detectable when a one-sided test at `level` finds it with probability `power`: its expected statistic is then
z_(1 - level) + z_power (2.49 for 5 % and 80 %). A level or power outside (0, 1), and fewer observations than 2 or than
the horizon, raise ConfigError.
"""

from __future__ import annotations

import math

from candlecast.errors import ConfigError


def detectable_r2(observations: int, *, horizon: int = 1, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest share of the target's variance, out of sample against naive, that Clark-West would have found.

    (z_(1 - level) + z_power)^2 h / n: a forecast that explains R2 has expected statistic sqrt(n R2), and outcomes of
    `horizon` h bars that overlap count as n / h. For the best possible forecast; one that was estimated needs more.

    >>> round(detectable_r2(2_500), 5)      # 2.486^2 / 2,500
    0.00247
    """
    _require_observations(observations, horizon)
    return _needed(level, power) ** 2 * horizon / observations


def detectable_sharpe(
    observations: int,
    *,
    bars_per_year: float,
    correlation: float | None = None,
    level: float = 0.05,
    power: float = 0.8,
) -> float:
    """The smallest Sharpe ratio per year that this many returns distinguish from zero, or from that of a benchmark.

    (z_(1 - level) + z_power) sqrt(v bars_per_year / n), with v = 1 against zero, and v = 2 (1 - correlation) for a
    difference to a benchmark whose returns have that `correlation` with the strategy's; ratios per bar are small, so that
    their squares do not count (Jobson and Korkie 1981; Memmel 2003).

    Raises ConfigError for a correlation outside [-1, 1].

    >>> round(detectable_sharpe(2_520, bars_per_year=252), 2)      # ten years of days
    0.79
    """
    _require_observations(observations, 1)
    if correlation is not None and not -1.0 <= correlation <= 1.0:
        raise ConfigError(
            f"correlation is {correlation}", expected="a number in [-1, 1]", remedy="Leave it out to test against zero"
        )
    variance = 1.0 if correlation is None else 2.0 * (1.0 - correlation)
    return _needed(level, power) * math.sqrt(variance * bars_per_year / observations)


def _needed(level: float, power: float) -> float:
    """Expected statistic of what is detectable."""
    from scipy.special import ndtri

    for name, value in {"level": level, "power": power}.items():
        if not 0.0 < value < 1.0:
            raise ConfigError(
                f"{name} is {value}", expected="a probability between 0 and 1", remedy="Use level=0.05 and power=0.8"
            )
    return float(ndtri(1.0 - level) + ndtri(power))


def _require_observations(observations: int, horizon: int) -> None:
    if horizon < 1 or observations < max(horizon, 2):
        raise ConfigError(
            f"{observations} observations of outcomes of {horizon} bars",
            expected="at least 2 observations, and one whole outcome",
            remedy="Give the number of judged bars and the horizon of the target",
        )
