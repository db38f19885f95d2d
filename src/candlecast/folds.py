"""All train and test arithmetic: how rows are divided in time, and what is purged in between.

A target at row t is known at the close of bar t + horizon. So that no training label reaches into the range it is
tested on, the last `horizon` rows before each boundary are purged:

    |------------ train ------------|purge|--- valid ---|purge|------- test -------|
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.interval import span_seconds


@dataclass(frozen=True)
class Fold:
    """One division of rows (bar numbers): `train` to learn from, `valid` to stop by (may be empty), `test` to be judged on."""

    index: int
    train: range
    valid: range
    test: range

    @property
    def fit(self) -> range:
        """Rows for a model that needs no validation: train and valid with the purge between them."""
        return range(self.train.start, max(self.train.stop, self.valid.stop))


class Folds(Protocol):
    """A way to divide rows into folds."""

    def split(self, times: np.ndarray, usable: range, *, horizon: int) -> tuple[Fold, ...]:
        """Folds over the `usable` rows; `times` are the closes of all bars, datetime64[us] (time,)."""
        ...


@dataclass(frozen=True)
class WalkForward:
    """Train on a stretch, test on the one behind it, move on by the length of the test, to the end of the data.

    `train` and `test` are bars (int) or spans ("4y"). Not given: the first half of the rows is the first training
    part, and the other half is tested in `folds` equal parts. `expanding` keeps the start of the training part fixed;
    otherwise it rolls. `valid` is the share of the training part, at its end, that early stopping watches. `purge` in
    bars is the target's horizon when not given. A last test part shorter than half of the others joins the one before.

    Raises ConfigError, NotEnoughDataError, or LookaheadError when `purge` is shorter than the horizon.
    """

    train: int | str | None = None
    test: int | str | None = None
    folds: int = 5
    expanding: bool = False
    valid: float = 0.2
    purge: int | None = None

    def __post_init__(self) -> None:
        if (self.train is None) != (self.test is None):
            raise ConfigError(
                f"train is {self.train!r} and test is {self.test!r}",
                expected="both lengths, or neither",
                remedy='Use WalkForward(train="4y", test="1y") or WalkForward(folds=5)',
            )
        if self.folds < 1:
            raise ConfigError(f"folds is {self.folds}", expected="1 or more", remedy="Use WalkForward(folds=5)")
        for length in (self.train, self.test):
            _require_length(length)
        _require_share("valid", self.valid, lowest=0.0)

    def split(self, times: np.ndarray, usable: range, *, horizon: int) -> tuple[Fold, ...]:
        starts, train_starts = self._starts(times, usable)
        ends = [*starts[1:], usable.stop]
        folds = tuple(
            _fold(index, range(first, start), range(start, end), valid=self.valid, purge=self.purge, horizon=horizon)
            for index, (first, start, end) in enumerate(zip(train_starts, starts, ends, strict=True))
        )
        return check_folds(folds, times, horizon=horizon)

    def _starts(self, times: np.ndarray, usable: range) -> tuple[list[int], list[int]]:
        """First row of each test part, and of the training part in front of it."""
        if self.train is None or self.test is None:
            half = usable.start + len(usable) // 2
            size = (usable.stop - half) // self.folds
            if size < 1:
                raise NotEnoughDataError(
                    f"{len(usable):,} usable rows cannot be divided into a training half and {self.folds} test parts",
                    expected=f"at least {2 * self.folds} rows",
                    remedy="Give more candles or ask for fewer folds",
                )
            starts = [half + size * index for index in range(self.folds)]
            firsts = [start - (half - usable.start) for start in starts]
        else:
            start = _shift(times, usable.start, self.train)
            starts = []
            while start < usable.stop:
                starts.append(start)
                start = max(_shift(times, start, self.test), start + 1)
            if not starts:
                raise NotEnoughDataError(
                    f"train={self.train!r} takes all {len(usable):,} usable rows "
                    f"({_minute(times[usable.start])} to {_minute(times[usable.stop - 1])})",
                    expected=f"rows left to test on (test={self.test!r})",
                    remedy="Shorten train, or give more candles",
                )
            if len(starts) > 1 and 2 * (usable.stop - starts[-1]) < starts[-1] - starts[-2]:
                starts.pop()
            firsts = [max(usable.start, _shift(times, start, self.train, back=True)) for start in starts]
        return starts, [usable.start] * len(starts) if self.expanding else firsts


@dataclass(frozen=True)
class Holdout:
    """One split in time: the first `train` share to learn from, the rest to test on. One split is one opinion.

    `valid` and `purge` as in `WalkForward`; no validation part unless asked for.
    """

    train: float = 0.8
    valid: float = 0.0
    purge: int | None = None

    def __post_init__(self) -> None:
        _require_share("train", self.train, lowest=None)
        _require_share("valid", self.valid, lowest=0.0)

    def split(self, times: np.ndarray, usable: range, *, horizon: int) -> tuple[Fold, ...]:
        start = usable.start + int(len(usable) * self.train)
        parts = range(usable.start, start), range(start, usable.stop)
        return check_folds(
            (_fold(0, *parts, valid=self.valid, purge=self.purge, horizon=horizon),), times, horizon=horizon
        )


def check_folds(folds: tuple[Fold, ...], times: np.ndarray, *, horizon: int) -> tuple[Fold, ...]:
    """The folds, when no training label is known later than the part it is judged on begins.

    Raises LookaheadError, or NotEnoughDataError for an empty part.
    """
    for fold in folds:
        if not len(fold.train) or not len(fold.test):
            raise NotEnoughDataError(
                f"fold {fold.index} has {len(fold.train)} rows to train on and {len(fold.test)} to test on",
                expected="at least one of each",
                remedy="Give more candles, longer parts or a shorter horizon",
            )
        boundaries = [
            (fold.train, fold.valid, "validation"),
            (fold.train, fold.test, "test"),
            (fold.valid, fold.test, "test"),
        ]
        for learnt, judged, name in boundaries:
            last = learnt.stop - 1
            if not len(learnt) or not len(judged) or last + horizon < judged.start:
                continue
            known = times[min(last + horizon, len(times) - 1)]
            raise LookaheadError(
                f"fold {fold.index} trains on rows up to {_minute(times[last])}, but their target (horizon {horizon} bars) "
                f"is known only at {_minute(known)}, inside the {name} range",
                expected=f"at least {horizon} purged bars in front of {_minute(times[judged.start])}",
                remedy=f"Use purge={horizon} or leave purge unset to take it from the target",
            )
    return folds


def _fold(index: int, before: range, test: range, *, valid: float, purge: int | None, horizon: int) -> Fold:
    """Divide the rows before a test part into train and valid, purged at both boundaries."""
    gap = horizon if purge is None else purge
    end = max(before.stop - gap, before.start)
    if valid == 0:
        return Fold(index, range(before.start, end), range(end, end), test)
    valid_start = end - int((end - before.start) * valid)
    return Fold(index, range(before.start, max(valid_start - gap, before.start)), range(valid_start, end), test)


def _shift(times: np.ndarray, row: int, length: int | str, *, back: bool = False) -> int:
    """The row that lies `length` (bars or a span) behind `row`, or in front of it."""
    sign = -1 if back else 1
    if isinstance(length, int):
        return row + sign * length
    span = np.timedelta64(round(span_seconds(length) * 1e6), "us")
    return int(np.searchsorted(times, times[row] + sign * span))


def _require_length(length: int | str | None) -> None:
    if isinstance(length, str):
        span_seconds(length)
    elif length is not None and not (isinstance(length, int) and length >= 1):
        raise ConfigError(
            f"a part of {length} bars",
            expected="a whole number of bars, 1 or more",
            remedy='Use for example 1000 or "4y"',
        )


def _require_share(name: str, share: float, *, lowest: float | None) -> None:
    if not (0 < share < 1 or share == lowest):
        raise ConfigError(
            f"{name} is {share}", expected="a share between 0 and 1", remedy="Use for example 0.8 for 80 %"
        )


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")
