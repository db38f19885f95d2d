"""The tally: what all trials of a workspace mean for the one that is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from candlecast.interval import Interval
from candlecast.ledger import Trial
from candlecast.stats import effective_trials, overfitting_probability

MOST_MOMENTS = 4_000  # at which trials are compared: long records are summed up to coarser bars
BLOCKS, FEWEST_BARS, FEWEST_TRIALS = 16, 64, 5  # of the overfitting probability; with fewer, it says nothing


@dataclass(frozen=True)
class Tally:
    """Trials counted when one of them was judged.

    trials: distinct ones in the ledger, the judged one among them; effective: how many independent ones they are worth
    (`effective_trials`); sharpe_variance: of their Sharpe ratios, per bar of the judged trial; overfitting: probability
    that choosing the best of those on the same candles picks one below their median (`overfitting_probability`). NaN
    where there are too few to compare.
    """

    trials: int = 1
    effective: float = 1.0
    sharpe_variance: float = math.nan
    overfitting: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """The tally as JSON values; what is undefined is None."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Tally:
        """What `to_dict` gave."""
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        return cls(**known)


def count(trial: Trial, ledger: Sequence[Trial]) -> Tally:
    """The tally of one trial among those of a ledger; it counts once, in the ledger or not.

    Every trial of the workspace counts, on whatever asset: who looks at twenty and trades the best has chosen among
    twenty. Returns are aligned by time; trials whose times do not overlap are unrelated.

    >>> day = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D")
    >>> trial = Trial("d1", {}, "0.1", "BTCUSDT", "1d", "a", 365.0, day, np.array([0.01, 0.0, -0.01]))
    >>> count(trial, [trial]).trials
    1
    """
    return count_each([trial], ledger)[0]


def count_each(judged: Sequence[Trial], ledger: Sequence[Trial]) -> list[Tally]:
    """The tally of each of several trials, all of them counted for each; see `count`."""
    trials = list({trial.identity: trial for trial in (*ledger, *judged)}.values())
    if len(trials) < 2:
        return [Tally() for _ in judged]
    effective = effective_trials(_aligned(trials))
    ratios = np.array([_sharpe(trial.returns) * math.sqrt(trial.bars_per_year) for trial in trials])
    variance = float(ratios.var(ddof=1))
    overfitting = {
        key: _overfitting([trial for trial in trials if _series(trial) == key]) for key in map(_series, judged)
    }
    return [
        Tally(len(trials), effective, variance / trial.bars_per_year, overfitting[_series(trial)]) for trial in judged
    ]


def _series(trial: Trial) -> tuple[str, str]:
    """What trials on the same candles have in common."""
    return trial.data, trial.interval


def _sharpe(returns: np.ndarray) -> float:
    """Sharpe ratio per bar; 0 for an account that never moved."""
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / spread if spread else 0.0


def _aligned(trials: Sequence[Trial]) -> np.ndarray:
    """Returns side by side, (moment, trial), summed up to bars that suit all; NaN where a trial has none."""
    longest = max(Interval.parse(trial.interval).microseconds for trial in trials)
    known = [trial.times.astype(np.int64) for trial in trials if len(trial.times)]
    if not known:
        return np.full((1, len(trials)), np.nan)
    first, last = min(int(times[0]) for times in known), max(int(times[-1]) for times in known)
    step = longest * math.ceil((last - first + 1) / longest / MOST_MOMENTS)
    bars = [(trial.times.astype(np.int64) - first) // step for trial in trials]
    aligned = np.full(((last - first) // step + 1, len(trials)), np.nan)
    for column, (trial, places) in enumerate(zip(trials, bars, strict=True)):
        total = np.bincount(places, weights=trial.returns, minlength=len(aligned))
        covered = np.bincount(places, minlength=len(aligned)) > 0
        aligned[covered, column] = total[covered]
    return aligned[~np.isnan(aligned).all(axis=1)]


def _overfitting(trials: Sequence[Trial]) -> float:
    """The overfitting probability over the bars that all of the trials cover; NaN for too few of either."""
    if len(trials) < FEWEST_TRIALS:
        return math.nan
    common = trials[0].times
    for trial in trials[1:]:
        common = np.intersect1d(common, trial.times, assume_unique=True)
    if len(common) < FEWEST_BARS:
        return math.nan
    returns = np.column_stack([trial.returns[np.searchsorted(trial.times, common)] for trial in trials])
    return overfitting_probability(returns, blocks=BLOCKS).probability
