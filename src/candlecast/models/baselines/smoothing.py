"""Seasonal naive, moving average and exponential smoothing: forecasts by weighted memory of the series itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.interval import SECONDS
from candlecast.models.baselines.naive import Baseline, Predict
from candlecast.models.baselines.series import CONTINUED, has_series, learnt_part, series_of
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import require_kinds
from candlecast.targets import Target

BUSINESS_DAYS, YEAR_WEEKS = 5, 52


@dataclass(frozen=True)
class SeasonalNaive(Baseline):
    """What the same place in the last season brought: x_{t+k} is forecast by x_{t+k-m}, m bars a `season`.

    Not given, m is a day of bars; for daily bars a week (five bars where weekends are closed), for weekly ones a year; as
    the candles up to the end of the training part have it.
    Where the season before is not known, the naive forecast. Hyndman and Athanasopoulos (2021), 5.2.
    """

    season: int | None = None
    name: str = field(default="seasonal", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = CONTINUED

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.season is not None and self.season < 1:
            raise ConfigError(
                f"season is {self.season}", expected="1 bar or more", remedy="Use for example SeasonalNaive(season=24)"
            )

    def fits(self, target: Target) -> bool:
        return has_series(target)

    def learn(self, job: Job) -> Predict:
        season = self.season or season_bars(job.samples.candles[: job.fold.fit.last + 1])

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            series = series_of(samples)
            ahead = np.arange(1, samples.horizon + 1)
            back = ahead - np.ceil(ahead / season).astype(int) * season  # (horizon,), each 0 or less
            places = rows[:, None] + back
            path = np.where(places >= 0, series.steps[np.maximum(places, 0)], np.nan)
            forecast = series.from_steps(rows, path)
            return np.where(np.isfinite(forecast), forecast, samples.naive[rows])

        return predict


@dataclass(frozen=True)
class EWMA(Baseline):
    """Exponentially weighted mean of the steps so far: m_t = m_{t-1} + a (x_t - m_{t-1}), a = 1 - 2^(-1 / halflife).

    Of returns it is momentum with a memory of `halflife` bars, of log ranges the RiskMetrics (1996) idea of volatility.
    The mean of the training part is where it starts.
    """

    halflife: float = 20.0
    name: str = field(default="ewma", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = CONTINUED

    def __post_init__(self) -> None:
        require_kinds(self)
        if not 0 < self.halflife < math.inf:
            raise ConfigError(
                f"halflife is {self.halflife}", expected="a number of bars above 0", remedy="Use EWMA(halflife=20)"
            )

    def fits(self, target: Target) -> bool:
        return has_series(target)

    def learn(self, job: Job) -> Predict:
        start = float(np.nanmean(learnt_part(job, series_of(job.samples).steps)))
        alpha = 1 - 2 ** (-1 / self.halflife)

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            from candlecast.models.baselines.recursions import smooth

            series = series_of(samples)
            level = smooth(series.steps[: rows[-1] + 1], alpha, 0.0, 1.0, start, 0.0)[rows, 0]
            return series.from_steps(rows, np.repeat(level[:, None], samples.horizon, axis=1))

        return predict


@dataclass(frozen=True)
class ETS(Baseline):
    """Exponential smoothing with additive errors and a damped trend, ETS(A, Ad, N), of the log price or log range.

    l_t = l_{t-1} + phi b_{t-1} + alpha e_t, b_t = phi b_{t-1} + beta e_t; the forecast k bars ahead is
    l_t + (phi + ... + phi^k) b_t. alpha, beta and phi are the maximum-likelihood ones of the fold's training part
    (statsmodels), of the recursion that is then followed bar by bar: from the first value, without a trend. Hyndman,
    Koehler, Ord and Snyder (2008).
    """

    name: str = field(default="ets", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = CONTINUED

    def fits(self, target: Target) -> bool:
        return has_series(target)

    def learn(self, job: Job) -> Predict:
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        values = learnt_part(job, series_of(job.samples).levels)
        values = values[np.isfinite(values)]
        start = {"initial_level": values[0], "initial_trend": 0.0}  # as it is followed below
        with deterministic_fit():
            model = ETSModel(values, trend="add", damped_trend=True, initialization_method="known", **start)
            learnt: Any = model.fit(disp=False)
        alpha, beta, phi = learnt.alpha, learnt.beta, learnt.phi

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            from candlecast.models.baselines.recursions import smooth

            series = series_of(samples)
            known = series.levels[: rows[-1] + 1]
            first = known[np.isfinite(known)][0]
            level, trend = smooth(known, alpha, beta, phi, first, 0.0)[rows].T
            damping = float(np.sum(phi ** np.arange(1, samples.horizon + 1)))
            return series.from_levels(rows, level + damping * trend)

        return predict


def season_bars(candles: Candles) -> int:
    """Bars of a season: those of a usual day, a week of daily bars, a year of longer ones.

    A usual day is the median of the days (in UTC) that the candles hold from their first bar to their last, the first and
    last left out where there are others.
    """
    seconds = candles.interval.seconds
    if seconds < SECONDS["d"]:
        _, bars = np.unique(candles.open_time.astype("datetime64[D]"), return_counts=True)
        whole = bars[1:-1] if len(bars) > 2 else bars
        return max(2, round(float(np.median(whole))))
    if seconds < SECONDS["w"]:
        return 7 if _trades_on_weekends(candles) else BUSINESS_DAYS
    return max(2, 12 // candles.interval.months) if candles.interval.months else YEAR_WEEKS


def _trades_on_weekends(candles: Candles) -> bool:
    return bool((candles.frame["open_time"].dt.weekday() > BUSINESS_DAYS).any())
