"""HAR and GARCH: the field's own forecasts of volatility, for the target that is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.models.baselines.naive import Baseline, Predict
from candlecast.models.baselines.series import bar_returns, clear_rows, learnt_part, longest_part
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import require_kinds
from candlecast.targets import Target, Volatility


@dataclass(frozen=True)
class HAR(Baseline):
    """Heterogeneous autoregression: least squares on the mean log range of the last day, week and month of bars.

    y_t = c + sum_i b_i mean(x_{t - l_i + 1} ... x_t), x the log range of a bar and l the `lags`. A mean is of the bars
    that moved. Corsi (2009).
    """

    lags: tuple[int, ...] = (1, 5, 22)
    name: str = field(default="har", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = "volatility"

    def __post_init__(self) -> None:
        require_kinds(self)
        require_lags(self)

    def fits(self, target: Target) -> bool:
        return isinstance(target, Volatility)

    def learn(self, job: Job) -> Predict:
        rows, samples = clear_rows(job, max(self.lags)), job.samples
        weights, *_ = np.linalg.lstsq(self._regressors(samples)[rows], samples.outcomes[rows], rcond=None)
        return lambda samples, rows: self._regressors(samples)[rows] @ weights

    def _regressors(self, samples: Samples) -> np.ndarray:
        """A constant and the means, (time, 1 + lags)."""
        return np.column_stack([np.ones(len(samples)), mean_ranges(samples.candles, self.lags)])


@dataclass(frozen=True)
class GARCH(Baseline):
    """GARCH(1, 1) with Student's t: s_{t+1} = omega + alpha (r_t - mu)^2 + beta s_t, the variance of the next bar.

    Parameters are the maximum-likelihood ones of the fold's training part (arch), then followed bar by bar. The log
    range is forecast as a + ln sqrt(sum of the next `horizon` variances), a the mean gap of both in the training part.
    Bollerslev (1986, 1987).
    """

    name: str = field(default="garch", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = "volatility"

    def fits(self, target: Target) -> bool:
        return isinstance(target, Volatility)

    def learn(self, job: Job) -> Predict:
        from arch import arch_model

        returns = learnt_part(job, bar_returns(job.samples.candles))
        returns = returns[np.isfinite(returns)]
        scale = 1.0 / float(returns.std() or 1.0)  # the optimiser's steps are made for numbers near 1
        with deterministic_fit():
            model = arch_model(scale * returns, mean="Constant", dist="t", rescale=False)
            fitted = model.fit(disp="off", show_warning=False)
        learnt = dict(zip(fitted.params.index, fitted.params.to_numpy(), strict=True))
        mean, omega, alpha, beta = (float(learnt[name]) for name in ("mu", "omega", "alpha[1]", "beta[1]"))

        def log_volatility(samples: Samples, rows: np.ndarray, first: int = 0) -> np.ndarray:
            from candlecast.models.baselines.recursions import garch_variance

            known = scale * bar_returns(samples.candles)[first : rows[-1] + 1]
            following = garch_variance(known, mean, omega, alpha, beta, float(returns.var() * scale**2))[rows - first]
            total = following.copy()
            for _ in range(samples.horizon - 1):
                following = omega + (alpha + beta) * following
                total += following
            return 0.5 * np.log(total)

        rows, first = job.fit_rows, 0
        if not job.fold.is_in_time_order:  # what follows a test part has been moved by it
            part = longest_part(job)
            rows, first = rows[(rows >= part.start) & (rows < part.stop)], part.start
        gap = float(np.mean(job.samples.outcomes[rows] - log_volatility(job.samples, rows, first)))
        return lambda samples, rows: gap + log_volatility(samples, rows)


def require_lags(recipe: Any) -> None:
    """Raise ConfigError for a recipe whose `lags` are no bars back; None stands for the usual ones where it is allowed."""
    lags = recipe.lags
    if lags is not None and (not lags or min(lags) < 1):
        raise ConfigError(
            f"lags are {lags}",
            expected="numbers of bars, 1 or more",
            remedy=f"Use {type(recipe).__name__}(lags=(1, 5, 22))",
        )


def mean_ranges(candles: Candles, lags: tuple[int, ...]) -> np.ndarray:
    """Mean log range of the last bars that moved, for each number of bars, (time, lag); at first, of those there are."""
    ranges = Volatility(horizon=1).naive(candles)
    moved = np.isfinite(ranges)
    total, count = (np.concatenate([[0.0], np.cumsum(each)]) for each in (np.where(moved, ranges, 0.0), moved))
    end = np.arange(1, len(ranges) + 1)
    columns = []
    for lag in lags:
        start = np.maximum(end - lag, 0)
        columns.append((total[end] - total[start]) / np.maximum(count[end] - count[start], 1))
    return np.column_stack(columns)
