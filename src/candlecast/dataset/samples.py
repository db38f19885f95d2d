"""Samples: features, target and naive forecast of one asset, and windows as views of the one feature array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.rows import Rows
from candlecast.errors import ConfigError, NotEnoughDataError, calling
from candlecast.features import Features, Scaler
from candlecast.targets import Target, bars_until_known, components, sample_weight


@dataclass(frozen=True, eq=False)
class Samples:
    """One asset, ready to be learnt from. Row t is what is known at the close of bar t, and the outcome it waits for.

    `inputs` (time, column), `y` (time, N) and `naive` (time,) are float64; nothing is scaled. `y` holds the outcomes of all N
    targets of `Several`, the primary target's first; of any other target, its `outcomes` alone. `window` is the number of
    bars, bar t the last of them, that must be complete for row t to count: the longest that any compared model reads.
    """

    candles: Candles
    features: Features
    target: Target
    window: int
    inputs: np.ndarray
    y: np.ndarray
    naive: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def outcomes(self) -> np.ndarray:
        """What is forecast: float64 (time,)."""
        return self.y[:, 0]

    @property
    def scalers(self) -> Sequence[Scaler]:
        """How each column of the inputs is scaled."""
        return self.features.scalers

    @property
    def horizon(self) -> int:
        """Bars until an outcome is known."""
        return self.target.horizon

    @cached_property
    def is_complete(self) -> np.ndarray:
        """Bool (time,): the window that ends at t is complete: warmed up, defined everywhere, and not across a gap.

        A feature may look back over a gap (an average of 20 bars is one of the last 20 there are); a window may not,
        unless `Candles.bridged` allows gaps of that length.
        """
        is_defined = ~np.isnan(self.inputs.sum(axis=1))  # a sum is undefined where any column is
        complete = run_length(is_defined, self.candles.segments) >= self.window
        return complete & np.isfinite(self.naive)

    @cached_property
    def is_known(self) -> np.ndarray:
        """Bool (time,): all outcomes are known by now and were not measured across a gap."""
        return self._is_joined & np.isfinite(self.y).all(axis=1)

    def learnable(self, part: Rows) -> np.ndarray:
        """The rows of a part whose window is complete and whose outcomes are known, int64; the same array for the same part."""
        if part not in self._learnable:
            self._learnable[part] = self._chosen(part, self.is_complete & self.is_known)
        return self._learnable[part]

    def forecastable(self, part: Rows) -> np.ndarray:
        """The rows of a part whose window is complete, int64; the same array for the same part."""
        if part not in self._forecastable:
            self._forecastable[part] = self._chosen(part, self.is_complete)
        return self._forecastable[part]

    def column(self, name: str, part: Rows, make: Callable[[], pl.Series]) -> pl.Series:
        """A column of the forecast table over a part: made once, so that the tables of all models share its memory."""
        if (name, part) not in self._columns:
            self._columns[name, part] = make()
        return self._columns[name, part]

    def _chosen(self, part: Rows, is_chosen: np.ndarray) -> np.ndarray:
        """The rows of a part that are chosen by `is_chosen` (time,)."""
        found = [np.flatnonzero(is_chosen[rows.start : rows.stop]) + rows.start for rows in part.parts]
        return found[0] if len(found) == 1 else np.concatenate([*found, np.empty(0, np.int64)])

    @cached_property
    def _learnable(self) -> dict[Rows, np.ndarray]:
        return {}

    @cached_property
    def _forecastable(self) -> dict[Rows, np.ndarray]:
        return {}

    @cached_property
    def _columns(self) -> dict[tuple[str, Rows], pl.Series]:
        return {}

    def known_at(self, target: Target) -> np.ndarray:
        """When the outcome of one of the targets is known at each row: the close of bar t + horizon, or earlier where the
        target says so; datetime64[us] (time,), NaT beyond the end.
        """
        bars = np.arange(len(self)) + bars_until_known(target, self.candles)
        times = np.full(len(self), np.datetime64("NaT", "us"))
        is_inside = bars < len(self)
        times[is_inside] = self.candles.close_time[bars[is_inside]]
        return times

    @property
    def sample_weight(self) -> np.ndarray:
        """Weight of each target's outcomes in training, (time, N)."""
        return self._sample_weight

    @cached_property
    def _sample_weight(self) -> np.ndarray:
        return np.column_stack([sample_weight(target, self.candles) for target in components(self.target)])

    def of(self, target: Target) -> Samples:
        """The same rows with one of the targets of `Several` as the only one."""
        if target == self.target:
            return self
        y = target.values(self.candles)[:, None]
        return replace(self, target=target, y=y, naive=target.naive(self.candles))

    @property
    def usable(self) -> range:
        """Rows from the first complete window to the last bar: what folds may divide."""
        if not self.is_complete.any():
            raise NotEnoughDataError(
                f"{self.candles.symbol} has {len(self):,} candles, and no window of {self.window} bars among them is whole",
                expected="some windows without warm-up, gaps or undefined features",
                remedy="Give more candles, a shorter window, or features with a shorter memory",
            )
        return range(int(self.is_complete.argmax()), len(self))

    @property
    def dropped_rows(self) -> dict[str, int]:
        """Bars that cannot be learnt from, by the first cause that holds; bars that are missing are not counted."""
        start = self.usable.start
        is_unbroken = run_length(np.ones(len(self), dtype=bool), self.candles.segments) >= self.window
        rows = np.arange(len(self))
        is_late, is_cut = rows >= start, self.is_complete & ~self.is_known
        is_open = rows >= len(self) - self.horizon
        return {
            "warm-up": start,
            "window across a gap": int((is_late & ~self.is_complete & ~is_unbroken).sum()),
            "undefined feature in the window": int((is_late & ~self.is_complete & is_unbroken).sum()),
            "outcome across a gap": int((is_cut & ~is_open & ~self._is_joined).sum()),
            "undefined outcome": int((is_cut & ~is_open & self._is_joined).sum()),
            "outcome not known yet": int((is_cut & is_open).sum()),
        }

    @cached_property
    def _is_joined(self) -> np.ndarray:
        """Bool (time,): no gap lies between the bar and its outcome, which exists."""
        segments = self.candles.segments
        joined = np.zeros(len(self), dtype=bool)
        joined[: len(self) - self.horizon] = segments[self.horizon :] == segments[: len(self) - self.horizon]
        return joined


def make_samples(candles: Candles, *, features: Features, target: Target, window: int) -> Samples:
    """Samples of one asset.

    Args:
        candles: of the asset.
        features: the columns of the inputs.
        target: what is forecast.
        window: bars that must be complete for a row to count, the longest that any compared model reads.

    Raises:
        CandleError: the candles are not sound.
        ConfigError: the window is shorter than one bar.
        NotEnoughDataError: the window or the horizon is longer than the candles.
    """
    candles.require_sound()
    if window < 1:
        raise ConfigError(f"window is {window}", expected="1 bar or more", remedy="Use for example window=50")
    if window > len(candles):
        raise NotEnoughDataError(
            f"a window of {window:,} bars is longer than the {len(candles):,} candles of {candles.symbol}",
            expected="a window shorter than the candles",
            remedy="Use a shorter window, or give more candles",
        )
    if target.horizon >= len(candles):
        raise NotEnoughDataError(
            f"a horizon of {target.horizon:,} bars reaches past all {len(candles):,} candles of {candles.symbol}",
            expected="a horizon shorter than the candles",
            remedy="Use a shorter horizon, or give more candles",
        )
    features = features.on(candles)
    return Samples(
        candles=candles,
        features=features,
        target=target,
        window=window,
        inputs=features.compute(candles),
        y=np.column_stack([_numbers(part, "values", candles) for part in components(target)]),
        naive=_numbers(target, "naive", candles),
    )


def _numbers(target: Target, method: str, candles: Candles) -> np.ndarray:
    """What a method of the target gives for each bar. Raises ConfigError for anything but real numbers."""
    subject, remedy = f"{method} of the target {target.name}", f"Correct {type(target).__name__}.{method}"
    expected = f"{len(candles):,} real numbers, one for each bar"
    with calling(f"{subject}, of {candles.symbol},", expected=expected, remedy=remedy):
        found = np.asarray(getattr(target, method)(candles))
    if found.shape != (len(candles),) or found.dtype.kind not in "fiub":
        raise ConfigError(
            f"{subject} gave {found.dtype} of shape {found.shape} for {len(candles):,} candles",
            expected=expected,
            remedy=remedy,
        )
    return found.astype(np.float64, copy=False)


def windows(values: np.ndarray, length: int) -> np.ndarray:
    """All windows of `length` rows as a read-only view (no copy): (time, column) -> (time - length + 1, length, column).

    Window i ends at row i + length - 1.

    >>> windows(np.arange(8.0).reshape(4, 2), 3).shape
    (2, 3, 2)
    """
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=0).swapaxes(1, 2)


def run_length(is_defined: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Defined rows in an unbroken row up to and including each row, int64 (time,)."""
    rows = np.arange(len(is_defined))
    starts = np.diff(segments, prepend=segments[:1]) != 0  # the first row after a gap
    before = np.where(starts, rows - 1, -1)
    before[~is_defined] = rows[~is_defined]
    return rows - np.maximum.accumulate(before)
