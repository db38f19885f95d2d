"""`Refitting`: the linear part of a net, fitted anew as a test part goes on, by the outcomes known by then.

From its first test row on, the linear part is the mean of three ridge regressions, which begin with the sums over the training
and validation rows and add every outcome when it becomes known:

    fast      all columns; what it learnt fades with a half-life of a sixteenth of the rows that it was first fitted to
    medium    all columns; with a half-life of a quarter of them
    slow      few columns, where the features have them (ranges, calendar, leverage effect, strength of the trend, volume); every
              row counts the same

Means of forecasts that err differently are better than each (Bates and Granger 1969). Sums are added bar by bar, so that a
forecast has the same bits in one pass over all bars and bar by bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.features import Feature, Scaling
from candlecast.fleet.linear_part import LinearPart, constant_naive
from candlecast.fleet.sums import add_rows, advance
from candlecast.interval import SECONDS, Interval, span_seconds
from candlecast.targets import Volatility, primary

FADING = (16.0, 4.0)  # of the fast and the medium one: rows that it was first fitted to, over the half-life
LESS = 1 / 3  # penalty of a refitted regression, over that of one that stays: it has less to fear from old rows
LEAST_PENALTY = 0.003  # of the few regressors of the slow one
# kinds of the columns of the slow one, beside ranges
CAUSES = ("calendar", "intraday_calendar", "leverage_effect", "trend_strength", "volume_change")
MONTH, WEEK_DAYS = 22, 7


class Regression(NamedTuple):
    """One of the regressions: its columns, their penalty (N,), and what is left of a row's weight one learnt row later."""

    columns: np.ndarray
    penalty: np.ndarray
    decay: float


class RefitState(NamedTuple):
    """The regressions before a bar.

    row: number of the bar in the job's samples.
    sums: of each regression, (1 + C + N, 1 + C + N): over learnt rows, of products of one, C columns and N outcomes.
    coefficients: of each regression, (1 + C, N).
    rows: scaled features of the last `horizon` bars, (horizon, column), and whether each had a complete window, `is_whole`.
    """

    row: int
    sums: tuple[np.ndarray, ...]
    coefficients: tuple[np.ndarray, ...]
    rows: np.ndarray
    is_whole: np.ndarray


@dataclass(frozen=True, eq=False)
class Refitting:
    """How the linear part of one job is fitted anew.

    job: the training, in the order of time.
    linear: the linear part as trained.
    inputs, outcomes: the scalings that it was trained with.
    span: time after which it is fitted anew.
    """

    job: Job
    linear: LinearPart
    inputs: Scaling
    outcomes: Scaling
    span: str

    @cached_property
    def bars(self) -> int:
        """Bars after which it is fitted anew."""
        return max(1, round(span_seconds(self.span) / self.job.samples.candles.interval.seconds))

    @cached_property
    def learnt(self) -> np.ndarray:
        """The rows that it was trained on, rising."""
        return np.sort(np.concatenate([self.job.train_rows, self.job.valid_rows]))

    @property
    def first(self) -> int:
        """The row at which it is fitted anew for the first time."""
        return self.job.fold.test.first

    @cached_property
    def regressions(self) -> tuple[Regression, ...]:
        """Fast, medium and slow."""
        penalty = self._chosen("penalty") * LESS
        every = np.arange(len(self.linear.weights))
        own = _regressors(self.job.samples)
        fading = [Regression(every, penalty, float(0.5 ** (times / len(self.learnt)))) for times in FADING]
        slow = (
            Regression(own, np.full_like(penalty, LEAST_PENALTY), 1.0) if len(own) else Regression(every, penalty, 1.0)
        )
        return (*fading, slow)

    @cached_property
    def _naive(self) -> np.ndarray:
        """The naive forecast of the first target in its scale where it is the same for all rows; else NaN, (N,)."""
        found = np.full(len(self.outcomes.shift), np.nan)
        constant = constant_naive(self.job, self.learnt, self.outcomes)
        if constant is not None:
            found[0] = constant
        return found

    def _chosen(self, name: str) -> np.ndarray:
        found = getattr(self.linear, name)
        assert found is not None  # of one that is refitted
        return found

    @cached_property
    def _start(self) -> RefitState:
        samples = self.job.samples
        x, y = self._scaled(samples.inputs[self.learnt]), self.outcomes.apply(samples.y[self.learnt])
        sums, coefficients = [], []
        for columns, _, _ in self.regressions:
            size = 1 + len(columns) + y.shape[1]
            total = np.zeros((size, size))
            add_rows(total, _with_one(x[:, columns], y))
            sums.append(total)
            coefficients.append(np.zeros((1 + len(columns), y.shape[1])))
        past = np.zeros((samples.horizon, x.shape[1]))
        row = int(self.learnt[-1]) + 1
        return RefitState(row, tuple(sums), tuple(coefficients), past, np.zeros(samples.horizon, dtype=bool))

    def start(self, at: int | None = None) -> RefitState:
        """The state before row `at` of the job's samples, by what they say was known by then; None: after the learnt rows."""
        if at is None or at <= self._start.row:
            return self._start
        return self._over(self._start, self.job.samples, np.arange(self._start.row, at), 0)[0]

    def step(
        self, state: RefitState, scaled: np.ndarray, is_whole: np.ndarray, known: np.ndarray
    ) -> tuple[RefitState, np.ndarray]:
        """Bars that follow each other: the state after them, and the scaled forecast of the linear part at each, (time, N).

        Args:
            state: before the first of them.
            scaled: their features, float64 (time, column).
            is_whole: whether each has a complete window, bool (time,).
            known: the scaled outcomes that become known at the close of each, those of `horizon` bars before, (time, N); NaN
                where there is none that may be learnt.
        """
        count, horizon = len(scaled), len(state.rows)
        x = _defined(scaled)
        row = state.row + np.arange(count)
        every, whole = np.concatenate([state.rows, x]), np.concatenate([state.is_whole, is_whole])
        learns = whole[:count] & np.isfinite(known).all(axis=1) & (row - horizon >= self._start.row)
        fits = (row >= self.first) & ((row - self.first) % self.bars == 0)
        found, sums, coefficients = [], [], []
        for each, total, now in zip(self.regressions, state.sums, state.coefficients, strict=True):
            total, now, said = total.copy(), now.copy(), np.zeros((count, known.shape[1]))  # noqa: PLW2901 - changed in place
            own = np.ascontiguousarray(x[:, each.columns])
            fresh = _with_one(every[:count, each.columns], np.nan_to_num(known))
            rules = (each.decay, each.penalty, self._chosen("share"), self._naive, float(horizon))
            advance(total, now, fresh, learns, fits, own, rules, said)
            found.append(said)
            sums.append(total)
            coefficients.append(now)
        forecast = np.where((row >= self.first)[:, None], sum(found) / len(found), self.linear.forecast(x))
        after = RefitState(state.row + count, tuple(sums), tuple(coefficients), every[count:], whole[count:])
        return after, forecast

    def forecast(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """The scaled forecast of the linear part at `rows` (rising) of samples, (rows, N).

        Other samples than the job's are those of the same bars, or of more: what they hold after the learnt rows is learnt.
        """
        offset = self._offset(samples)
        found = self.linear.forecast(self._scaled(samples.inputs[rows]))
        later = rows >= self.first + offset
        if later.any():
            begin = max(self._start.row + offset, 0)
            state = self.start(begin - offset)
            every = np.arange(begin, int(rows[-1]) + 1)
            found[later] = self._over(state, samples, every, offset)[1][rows[later] - begin]
        return found

    def _over(
        self, state: RefitState, samples: Samples, rows: np.ndarray, offset: int
    ) -> tuple[RefitState, np.ndarray]:
        """`step` over `rows` of samples, which follow each other; `offset`: of their numbers to those of the job's samples."""
        past = rows - samples.horizon
        known = np.full((len(rows), samples.y.shape[1]), np.nan)
        usable = past >= max(self._start.row + offset, 0)
        usable[usable] = samples.is_known[past[usable]]
        known[usable] = self.outcomes.apply(samples.y[past[usable]])
        return self.step(state, self.inputs.apply(samples.inputs[rows]), samples.is_complete[rows], known)

    def _offset(self, samples: Samples) -> int:
        """Number of a bar in samples less its number in the job's."""
        if samples is self.job.samples:
            return 0
        own, times = self.job.samples.candles.close_time, samples.candles.close_time
        if times[0] > own[self.first]:  # bars of later times only
            return -int(np.searchsorted(own, times[0]))
        return int(np.searchsorted(times, own[self.first])) - self.first

    def _scaled(self, inputs: np.ndarray) -> np.ndarray:
        return _defined(self.inputs.apply(inputs))


def _defined(scaled: np.ndarray) -> np.ndarray:
    return np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)


def _with_one(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x, y])


def _regressors(samples: Samples) -> np.ndarray:
    """Numbers of the columns that the slow regression reads; none for other targets than volatility, or without ranges."""
    if not isinstance(primary(samples.target), Volatility):
        return np.empty(0, dtype=np.int64)
    interval = samples.candles.interval
    is_own = [_is_range(each, interval) or each.kind in CAUSES for each in samples.features.features]
    if not any(_is_range(each, interval) for each in samples.features.features):
        return np.empty(0, dtype=np.int64)
    widths = [len(each.columns) for each in samples.features.features]
    return np.flatnonzero(np.repeat(is_own, widths))


def _is_range(feature: Feature, interval: Interval) -> bool:
    """Whether a feature is the mean range of up to a month of bars, or of a day or a week of shorter ones."""
    period, day = feature.parameters.get("period"), SECONDS["d"] / interval.seconds
    if feature.kind != "log_range" or not isinstance(period, int):
        return False
    return period <= MONTH or (day > 1 and period in (day, WEEK_DAYS * day))
