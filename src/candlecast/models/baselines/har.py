"""`CalendarHAR` and `ThresholdHAR`: HAR with the calendar and other known causes of volatility, refitted; HAR of two regimes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.features import calendar
from candlecast.features.calendar import YEAR_MONTHS
from candlecast.features.volatility import STILL
from candlecast.interval import SECONDS, span_seconds
from candlecast.models.baselines.naive import Baseline, Predict
from candlecast.models.baselines.series import bar_returns, clear_rows
from candlecast.models.baselines.smoothing import BUSINESS_DAYS, season_bars
from candlecast.models.baselines.volatility import mean_ranges, require_lags
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import require_kinds
from candlecast.targets import Target, Volatility

LAGS = (1, 5, 22)
WEEK_DAYS = 7
FAINT = 1e-7  # penalty as a share of the mean square of the regressors: decides between weights that forecast the same
SPLITS = np.linspace(0.15, 0.85, 29)  # quantiles among which a threshold is searched (Hansen 1999)
TINY = 1e-12  # of it, where no row is learnt from


@dataclass(frozen=True)
class CalendarHAR(Baseline):
    """HAR with the calendar, past returns and volume, refitted as time goes on.

    y_t = c + sum_i b_i x_t^(i) + d' D_t + g_1 r_t^- + g_2 |r_t| + g_3 r_t^(5)- + g_4 v_t, by least squares: x^(i) the mean log
    range of the last bar, week and month (5 and 22 bars), and of the last day and week of bars shorter than a day; D the
    indicators of `calendar()`, of the bar to come; r^- the return where it is negative, else 0, r^(5) the mean of the last five
    (both in units of the monthly range, Corsi and Reno 2012); v the log volume against that of the month.

    It is fitted anew every `refit` (a span such as "1d", or a bar where that is longer) in a test part, by all outcomes known by
    then; None: once. In folds that are not in the order of time, once.
    """

    lags: tuple[int, ...] | None = None
    refit: str | None = "1d"
    name: str = field(default="har-calendar", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = "volatility"

    def __post_init__(self) -> None:
        require_kinds(self)
        require_lags(self)
        if self.refit is not None:
            span_seconds(self.refit)

    def fits(self, target: Target) -> bool:
        return isinstance(target, Volatility)

    def learn(self, job: Job) -> Predict:
        lags = self.lags or _lags(job)
        bars = None
        if self.refit is not None and job.fold.is_in_time_order:
            bars = max(1, round(span_seconds(self.refit) / job.samples.candles.interval.seconds))
        rows, first = clear_rows(job, max(lags)), job.fold.test.first
        own = _regressors(job.samples, lags)
        learnt, outcomes = own[rows], job.samples.outcomes[rows]

        def predict(samples: Samples, asked: np.ndarray) -> np.ndarray:
            inputs = own if samples is job.samples else _regressors(samples, lags)
            found = np.empty(len(asked))
            with deterministic_fit():
                moments = _LeastSquares(learnt, outcomes)
                for part, known in _blocks(samples, asked, start=int(rows[-1]) + 1, first=first, bars=bars):
                    moments.add(inputs[known], samples.outcomes[known])
                    if len(part):
                        found[np.searchsorted(asked, part)] = _products(inputs[part], moments.weights)
            return found

        return predict


@dataclass(frozen=True)
class ThresholdHAR(Baseline):
    """HAR with two sets of weights: of bars whose range is high against that of the month, and of all others.

    y_t = a' X_t if z_t > tau, b' X_t otherwise, with X the regressors of `HAR` and z_t the log range of the bar less its mean
    over the longest lag. tau is the quantile of z in the training part that gives the least squared error there.
    Tong (1990); Hansen (1999).
    """

    lags: tuple[int, ...] = LAGS
    name: str = field(default="har-threshold", init=False)
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
        inputs, outcomes, state = (
            _with_one(samples, self.lags)[rows],
            samples.outcomes[rows],
            self._state(samples)[rows],
        )
        with deterministic_fit():
            threshold, weights = _best_split(inputs, outcomes, state)

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            chosen = weights[(self._state(samples)[rows] > threshold).astype(int)]
            return np.sum(_with_one(samples, self.lags)[rows] * chosen, axis=1)

        return predict

    def _state(self, samples: Samples) -> np.ndarray:
        """z of each bar, (time,)."""
        means = mean_ranges(samples.candles, (1, max(self.lags)))
        return means[:, 0] - means[:, 1]


def _best_split(inputs: np.ndarray, outcomes: np.ndarray, state: np.ndarray) -> tuple[float, np.ndarray]:
    """The threshold of the state with the least squared error, and the weights below and above it, (2, column)."""
    best = (np.inf, 0.0, np.zeros((2, inputs.shape[1])))
    for threshold in np.unique(np.quantile(state, SPLITS)):
        is_high = state > threshold
        weights = np.array([_LeastSquares(inputs[part], outcomes[part]).weights for part in (~is_high, is_high)])
        error = float(np.sum((outcomes - np.sum(inputs * weights[is_high.astype(int)], axis=1)) ** 2))
        best = min(best, (error, float(threshold), weights), key=lambda found: found[0])
    return best[1], best[2]


class _LeastSquares:
    """Least squares by sums over rows, to which rows can be added."""

    def __init__(self, inputs: np.ndarray, outcomes: np.ndarray) -> None:
        self._gram, self._products = inputs.T @ inputs, inputs.T @ outcomes

    def add(self, inputs: np.ndarray, outcomes: np.ndarray) -> None:
        if len(inputs):
            self._gram = self._gram + inputs.T @ inputs
            self._products = self._products + inputs.T @ outcomes

    @property
    def weights(self) -> np.ndarray:
        """Weights of the columns; indicators that sum to one share their constant."""
        size = len(self._gram)
        faint = max(FAINT * np.trace(self._gram) / size, TINY)
        return np.linalg.solve(self._gram + faint * np.eye(size), self._products)


def _blocks(
    samples: Samples, asked: np.ndarray, *, start: int, first: int, bars: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts of the rows asked for that have the same weights, and the rows whose outcomes became known before each.

    Weights change at rows `first` + k `bars`, whatever is asked for, so that a forecast does not depend on what is asked with it.
    """
    nothing = np.empty(0, dtype=np.int64)
    if bars is None or not len(asked) or asked[-1] < first:
        yield asked, nothing
        return
    yield asked[asked < first], nothing
    usable = samples.is_complete & samples.is_known
    for begin in range(first, int(asked[-1]) + 1, bars):
        end = max(start, begin - samples.horizon + 1)  # the outcome of row t is known at the close of t + horizon
        fresh = np.arange(start, end)
        start = end
        yield asked[(asked >= begin) & (asked < begin + bars)], fresh[usable[fresh]]


def _products(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """inputs @ weights, each row by itself: the order of a sum does not depend on how many rows there are."""
    return np.sum(inputs * weights, axis=1)


def _lags(job: Job) -> tuple[int, ...]:
    """Bars, and of bars shorter than a day those of a usual day and week up to the end of the training part."""
    candles = job.samples.candles
    if candles.interval.seconds >= SECONDS["d"]:
        return LAGS
    day = season_bars(candles[: job.fold.fit.last + 1])
    week = day * (BUSINESS_DAYS if candles.has_sessions else WEEK_DAYS)
    return tuple(sorted({*LAGS, day, week}))


def _with_one(samples: Samples, lags: tuple[int, ...]) -> np.ndarray:
    return np.column_stack([np.ones(len(samples)), mean_ranges(samples.candles, lags)])


def _regressors(samples: Samples, lags: tuple[int, ...]) -> np.ndarray:
    """A constant, mean ranges, indicators, returns and volume, (time, column)."""
    candles = samples.candles
    usual = np.exp(mean_ranges(candles, (LAGS[-1],))[:, 0])
    returns = np.nan_to_num(bar_returns(candles))
    scaled = returns / np.maximum(usual, STILL)
    recent = _past_mean(returns, LAGS[1]) / np.maximum(usual, STILL)
    volume = np.nan_to_num(candles.volume)
    usual_volume = _past_mean(volume, LAGS[-1])
    has_volume = (volume > 0) & (usual_volume > 0)
    activity = np.log(np.where(has_volume, volume, 1.0) / np.where(has_volume, usual_volume, 1.0))
    columns = [np.minimum(scaled, 0.0), np.abs(scaled), np.minimum(recent, 0.0), activity]
    has_calendar = candles.interval.months < YEAR_MONTHS
    return np.column_stack([_with_one(samples, lags), *([calendar()(candles)] if has_calendar else []), *columns])


def _past_mean(values: np.ndarray, bars: int) -> np.ndarray:
    """Mean of the last `bars` values, over the first ones of those there are, (time,)."""
    bars = min(bars, len(values))
    head = np.cumsum(values[: bars - 1]) / np.arange(1, bars)
    return np.concatenate([head, np.lib.stride_tricks.sliding_window_view(values, bars).mean(axis=1)])
