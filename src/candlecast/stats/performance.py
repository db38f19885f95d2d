"""How an account did: growth, risk, and one over the other.

All take simple returns per bar, float64, shape (time,), net of whatever was paid; `bars_per_year` makes a year of them.
Each is known when the last of its returns is. No returns at all is nothing gained and nothing risked: 0.0 where that
is a statement, NaN where it is not. NaN among the returns gives NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.stats.samples import ratio


class Moments(NamedTuple):
    """The moments of returns that the figures below are computed from.

    `observations` n, `growth` prod_t (1 + r_t), `mean` mean(r), `deviation` its standard deviation (n - 1), `downside`
    sqrt(mean(min(r, 0)^2)), and `max_drawdown` of its equity curve. What is undefined is NaN.
    """

    observations: int
    growth: float
    mean: float
    deviation: float
    downside: float
    max_drawdown: float

    def figures(self, *, bars_per_year: float) -> tuple[float, float, float, float, float, float, float]:
        """Total and annual return, annual volatility, Sharpe and Sortino ratio, maximum drawdown, Calmar ratio.

        The annual return of less than a year is the total return, as in `annual_return`.

        >>> moments(np.array([-0.5, 2.0])).figures(bars_per_year=2)[-2:]
        (0.5, 1.0)
        """
        annual = annualised(self.growth, observations=self.observations, bars_per_year=bars_per_year)
        scale = math.sqrt(bars_per_year)
        return (
            self.growth - 1.0,
            annual,
            scale * self.deviation,
            scale * ratio(self.mean, self.deviation),
            scale * ratio(self.mean, self.downside),
            self.max_drawdown,
            ratio(annual, self.max_drawdown),
        )


def figures_by_path(moments: np.ndarray, *, observations: int, bars_per_year: float) -> np.ndarray:
    """`Moments.figures` of many histories of `observations` returns each, float64 (paths, 7), in one pass.

    `moments` (paths, 5): growth, mean, deviation, downside and max_drawdown of each.

    >>> figures_by_path(np.array([[1.5, 0.75, 1.77, 0.35, 0.5]]), observations=2, bars_per_year=2)[0, -2:]
    array([0.5, 1. ])
    """
    growth, mean, deviation, downside, fall = moments.T
    annual = np.maximum(growth - 1.0, -1.0)
    if observations >= bars_per_year:
        logs = np.log(growth, out=np.full(len(growth), -np.inf), where=growth > 0.0)
        annual = np.expm1(logs * bars_per_year / observations)
    scale = math.sqrt(bars_per_year)
    return np.column_stack(
        [
            growth - 1.0,
            annual,
            scale * deviation,
            scale * _ratios(mean, deviation),
            scale * _ratios(mean, downside),
            fall,
            _ratios(annual, fall),
        ]
    )


def _ratios(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """`samples.ratio` of each pair."""
    is_defined = np.abs(denominator) > 1e-12 * np.abs(numerator)
    undefined = np.where(numerator == 0.0, 0.0, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=is_defined)


def moments(returns: np.ndarray) -> Moments:
    """The moments of simple returns, float64 (time,).

    >>> moments(np.array([0.5, -0.5])).growth
    0.75
    """
    n, fall = len(returns), max_drawdown(equity_curve(returns))
    if n == 0:
        return Moments(0, 1.0, math.nan, math.nan, math.nan, fall)
    deviation = float(np.std(returns, ddof=1)) if n > 1 else math.nan
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return Moments(n, float(np.prod(1.0 + returns)), float(np.mean(returns)), deviation, downside, fall)


def equity_curve(returns: np.ndarray) -> np.ndarray:
    """Value of 1.0 invested before the first return: E_0 = 1, E_t = E_{t-1} (1 + r_t). Shape (time + 1,).

    >>> equity_curve(np.array([0.5, -0.5]))
    array([1.  , 1.5 , 0.75])
    """
    return np.concatenate([[1.0], np.cumprod(1.0 + returns)])


def total_return(returns: np.ndarray) -> float:
    """Growth over all bars, as a fraction (0.25 = a quarter more): prod_t (1 + r_t) - 1. Empty gives 0.0.

    >>> total_return(np.array([0.5, -0.5]))
    -0.25
    """
    return float(np.prod(1.0 + returns)) - 1.0


def log_returns(returns: np.ndarray) -> np.ndarray:
    """ln(1 + r_t), float64 (time,): minus infinity where everything was lost, or more.

    An account whose mean log return is zero or less does not grow, however high the mean of its returns: mean(r) -
    variance(r) / 2 approximates it. Breiman (1961).

    >>> log_returns(np.array([0.0, -1.0]))
    array([  0., -inf])
    """
    returns = np.asarray(returns, dtype=np.float64)
    return np.log1p(returns, out=np.where(np.isnan(returns), np.nan, -np.inf), where=returns > -1.0)


def annual_return(returns: np.ndarray, *, bars_per_year: float) -> float:
    """Compound annual growth rate, a fraction per year: (prod_t (1 + r_t))^(bars_per_year / n) - 1.

    Less than a year, n < bars_per_year, is not annualised: it gives the total return, prod_t (1 + r_t) - 1, which is where
    the formula arrives after a year. What a week earned says little about a year. Empty gives 0.0, a lost account -1.0.

    >>> annual_return(np.array([0.1, 0.1]), bars_per_year=1)
    0.1...
    >>> annual_return(np.array([0.5, 0.0]), bars_per_year=252)
    0.5
    """
    return annualised(float(np.prod(1.0 + returns)), observations=len(returns), bars_per_year=bars_per_year)


def annual_volatility(returns: np.ndarray, *, bars_per_year: float) -> float:
    """Standard deviation of returns scaled to a year, as a fraction.

    sqrt(bars_per_year) s, with s^2 = sum_t (r_t - mean(r))^2 / (n - 1). The scaling supposes returns without
    autocorrelation. Fewer than two returns give NaN.

    >>> annual_volatility(np.array([0.01, -0.01, 0.01, -0.01]), bars_per_year=300)
    0.2...
    """
    if len(returns) < 2:
        return math.nan
    return math.sqrt(bars_per_year) * float(np.std(returns, ddof=1))


def sharpe(returns: np.ndarray, *, bars_per_year: float) -> float:
    """Sharpe ratio per year: sqrt(bars_per_year) mean(r) / s, with s as in `annual_volatility`.

    The riskless rate is taken as zero; pass returns in excess of it for another. Returns that are all zero give 0.0;
    equal returns other than zero, or fewer than two, give NaN. Sharpe (1994), The Sharpe Ratio.

    >>> sharpe(np.array([0.03, -0.01]), bars_per_year=8)
    1.0
    """
    if len(returns) < 2:
        return math.nan
    return math.sqrt(bars_per_year) * ratio(float(np.mean(returns)), float(np.std(returns, ddof=1)))


def sortino(returns: np.ndarray, *, bars_per_year: float) -> float:
    """Sortino ratio per year: sqrt(bars_per_year) mean(r) / sqrt(mean(min(r, 0)^2)); the target return is zero.

    Returns that are all zero give 0.0; no losing bar but some gain, or no returns, give NaN. Sortino and Price (1994).

    >>> sortino(np.array([0.06, -0.02]), bars_per_year=1)
    1.4142...
    """
    if len(returns) == 0:
        return math.nan
    downside = float(np.mean(np.minimum(returns, 0.0) ** 2))
    return math.sqrt(bars_per_year) * ratio(float(np.mean(returns)), math.sqrt(downside))


def max_drawdown(equity: np.ndarray) -> float:
    """Largest fall from a running peak, as a fraction of that peak (0.25 = lost a quarter).

    max_t (1 - E_t / max_{s<=t} E_s), of positive starting equity, shape (time,). Empty or never-falling equity gives
    0.0.

    >>> max_drawdown(np.array([100., 120., 90., 130.]))
    0.25
    """
    if len(equity) == 0:
        return 0.0
    return float(np.max(1.0 - equity / np.maximum.accumulate(equity)))


def calmar(returns: np.ndarray, *, bars_per_year: float) -> float:
    """Calmar ratio: annual return (of less than a year: total return) over maximum drawdown, both of all bars given.

    Nothing gained and nothing lost gives 0.0; gain without any drawdown gives NaN. Young (1991), who takes 36 months.

    >>> calmar(np.array([-0.5, 2.0]), bars_per_year=2)
    1.0
    """
    fall = max_drawdown(equity_curve(returns))
    return ratio(annual_return(returns, bars_per_year=bars_per_year), fall)


def annualised(growth: float, *, observations: int, bars_per_year: float) -> float:
    """`annual_return` of an account that has grown by a factor over a number of bars.

    >>> annualised(4.0, observations=504, bars_per_year=252), annualised(1.01, observations=5, bars_per_year=252) < 0.011
    (1.0, True)
    """
    if observations == 0:
        return 0.0
    if growth <= 0.0:
        return -1.0
    if observations < bars_per_year:
        return growth - 1.0
    return math.expm1(math.log(growth) * bars_per_year / observations)
