"""`TargetSeries`: the series that a target is computed from, for models that read the past of what they forecast alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.targets import ExcessReturn, NextReturn, Price, ScaledReturn, Target, Volatility

MAX_BARS = 5_000  # newest ones of a training part: enough for a few parameters, and fast


@dataclass(frozen=True, eq=False)
class TargetSeries:
    """The series that a target is computed from, known at the close of each bar; float64 (time,), NaN where undefined.

    `levels`: the log closing price, less that of the benchmark for an excess return, or the log range of the last `horizon`
    bars for a volatility target. `steps`: the change of it in the bar, NaN after a gap; for a volatility target the same as
    `levels`.
    """

    samples: Samples
    levels: np.ndarray
    steps: np.ndarray

    def from_steps(self, rows: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Forecasts in the target's units from those of the next steps, (rows, horizon)."""
        if isinstance(self.samples.target, Volatility):
            return path[:, -1]
        return self.from_levels(rows, self.levels[rows] + path.sum(axis=1))

    def from_levels(self, rows: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Forecasts in the target's units from those of the level `horizon` bars ahead, (rows,)."""
        match self.samples.target:
            case NextReturn():
                return levels - self.levels[rows]
            case ExcessReturn():
                return levels - self.levels[rows]
            case ScaledReturn() as target:
                return (levels - self.levels[rows]) / target.unit(self.samples.candles)[rows]
            case Price():
                return np.exp(levels)
            case _:
                return levels


CONTINUED = "a return, a price or a volatility"  # what has a series, in words


def has_series(target: Target) -> bool:
    """Whether the target is computed from a series: a return of any kind, a price or a volatility."""
    return isinstance(target, NextReturn | ExcessReturn | ScaledReturn | Price | Volatility)


def series_of(samples: Samples) -> TargetSeries:
    """The series of the samples' target, which must have one."""
    if isinstance(samples.target, Volatility):
        levels = samples.naive
        return TargetSeries(samples, levels, levels)
    if isinstance(samples.target, ExcessReturn):
        levels = samples.target.relative_price(samples.candles)
        return TargetSeries(samples, levels, bar_steps(levels, samples.candles))
    return TargetSeries(samples, np.log(samples.candles.close), bar_returns(samples.candles))


def bar_returns(candles: Candles) -> np.ndarray:
    """Log return of each bar, ln(C_t / C_{t-1}), float64 (time,); NaN at the first and after gaps."""
    return bar_steps(np.log(candles.close), candles)


def bar_steps(levels: np.ndarray, candles: Candles) -> np.ndarray:
    """Change of a level in each bar, (time,); NaN at the first and after gaps."""
    steps = np.diff(levels, prepend=np.nan)
    steps[1:][np.diff(candles.segments) != 0] = np.nan
    return steps


def learnt_part(job: Job, values: np.ndarray) -> np.ndarray:
    """The values of the job's training part: of its longest stretch, the newest `MAX_BARS`."""
    part = longest_part(job)
    return values[max(part.start, part.stop - MAX_BARS) : part.stop]


def longest_part(job: Job) -> range:
    """The longest stretch of the job's training part."""
    return max(job.fold.fit.parts, key=len)


def clear_rows(job: Job, bars: int) -> np.ndarray:
    """Rows to learn from whose last `bars` bars contain no tested bar, and none in which the outcome of one is still open;
    all rows to learn from where none lies after a test part.
    """
    rows = job.fit_rows
    if job.fold.is_in_time_order:
        return rows
    is_tested = np.zeros(len(job.samples) + 1, dtype=np.int64)
    for part in job.fold.test.parts:
        is_tested[part.start + 1 : part.stop + job.samples.horizon] = 1
    tested = np.cumsum(is_tested)  # before each bar
    return rows[tested[rows + 1] == tested[np.maximum(rows + 1 - bars, 0)]]
