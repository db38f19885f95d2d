"""All train and test arithmetic: how rows are divided in time, and what is purged in between.

A target at row t is known at the close of bar t + horizon. So that no training label reaches into the range it is
tested on, the last `horizon` rows before each boundary are purged:

    |------------ train ------------|purge|--- valid ---|purge|------- test -------|

Where a training part lies after a test part as well, the labels of the test part are kept out of it in the same way,
and an embargo keeps out the rows whose inputs still look back on it:

    |--- train ---|purge|------- test -------|purge|embargo|--- train ---|purge|--- valid ---|
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np

from candlecast.dataset.rows import Rows
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.interval import span_seconds
from candlecast.parameters import require_kinds


@dataclass(frozen=True, init=False)
class Fold:
    """One division of rows: `train` to learn from, `valid` to stop by (may be empty), `test` to be evaluated on."""

    index: int
    train: Rows
    valid: Rows
    test: Rows

    def __init__(self, index: int, train: Rows | range, valid: Rows | range, test: Rows | range) -> None:
        object.__setattr__(self, "index", index)
        for name, rows in {"train": train, "valid": valid, "test": test}.items():
            object.__setattr__(self, name, Rows(rows) if isinstance(rows, range) else rows)

    @cached_property
    def fit(self) -> Rows:
        """Rows for a model that needs no validation: train, valid, and the purge between them."""
        if not len(self.train) or not len(self.valid):
            return self.train
        purge = range(self.train.last + 1, self.valid.first)
        is_crossed = any(part.start < purge.stop and purge.start < part.stop for part in self.test.parts)
        return Rows(*self.train.parts, *(() if is_crossed else (purge,)), *self.valid.parts)

    @property
    def is_in_time_order(self) -> bool:
        """Whether every row that is learnt from lies before every tested one."""
        return max(rows.last for rows in (self.train, self.valid) if len(rows)) < self.test.first


def are_in_time_order(folds: Iterable[Fold]) -> bool:
    """Whether no fold learns from rows after its test part, so that its forecasts could have been made at the time.

    >>> folds = PurgedKFold(2).split(np.arange(100).astype("datetime64[us]"), range(100), horizon=1)
    >>> [fold.is_in_time_order for fold in folds], are_in_time_order(folds), are_in_time_order(folds[1:])
    ([False, True], False, True)
    """
    return all(fold.is_in_time_order for fold in folds)


class Folds(Protocol):
    """A way to divide rows into folds."""

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        """Folds over the `usable` rows; `times` are the closes of all bars, datetime64[us] (time,).

        Each row from the first tested one on belongs to a test part, or there is no edge (`dataset.coverage`).
        An outcome is known `horizon` bars later; inputs, outcome and naive forecast of a row look back on `memory` bars
        before it.
        """
        ...


@dataclass(frozen=True)
class WalkForward:
    """Train on a stretch, test on the next one, move on by the length of the test, to the end of the data.

    `train` and `test` are bars (int) or spans ("4y"). Not given: the first half of the rows is the first training
    part, and the other half is tested in `folds` equal parts. `expanding` keeps the start of the training part fixed;
    otherwise it rolls. `valid` is the share of the training part, at its end, that early stopping watches. `purge` in
    bars is the target's horizon when not given. A last test part shorter than half of the others joins the one before.

    `refit` in bars or as a span ("1w") trains anew within each test part, so that no forecast is older than that: each
    stretch of this length is a fold of its own, whose training part has moved on with it. All of them train as one fleet.
    A last stretch shorter than half of `refit` joins the one before.

    Raises ConfigError, NotEnoughDataError, or LookaheadError when `purge` is shorter than the horizon.

    >>> times = np.arange(100).astype("datetime64[us]")
    >>> [(fold.train.first, fold.test) for fold in WalkForward(folds=2, refit=10).split(times, range(100), horizon=1)][:3]
    [(0, Rows(range(50, 60))), (10, Rows(range(60, 70))), (20, Rows(range(70, 75)))]
    """

    train: int | str | None = None
    test: int | str | None = None
    folds: int = 5
    expanding: bool = False
    valid: float = 0.2
    purge: int | None = None
    refit: int | str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if (self.train is None) != (self.test is None):
            raise ConfigError(
                f"train is {self.train!r} and test is {self.test!r}",
                expected="both lengths, or neither",
                remedy='Use WalkForward(train="4y", test="1y") or WalkForward(folds=5)',
            )
        if self.folds < 1:
            raise ConfigError(f"folds is {self.folds}", expected="1 or more", remedy="Use WalkForward(folds=5)")
        for length in (self.train, self.test, self.refit):
            _require_length(length)
        _require_share("valid", self.valid, lowest=0.0)

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        starts, train_starts = self._starts(times, usable)
        ends = [*starts[1:], usable.stop]
        gap = horizon if self.purge is None else self.purge
        stretches = [
            (first if self.expanding else first + part.start - start, part)
            for first, start, end in zip(train_starts, starts, ends, strict=True)
            for part in self._stretches(times, range(start, end))
        ]
        folds = tuple(
            _fold(index, range(first, part.start), Rows(part), valid=self.valid, purge=gap)
            for index, (first, part) in enumerate(stretches)
        )
        return check_folds(folds, times, horizon=horizon)

    def _stretches(self, times: np.ndarray, test: range) -> list[range]:
        """A test part in the stretches that one training forecasts each."""
        if self.refit is None:
            return [test]
        cuts = _cuts(times, test, self.refit)
        return [range(first, last) for first, last in pairwise((*cuts, test.stop))]

    def _starts(self, times: np.ndarray, usable: range) -> tuple[list[int], list[int]]:
        """First row of each test part, and of the training part before it."""
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
            starts = _cuts(times, range(start, usable.stop), self.test)
            if not starts:
                raise NotEnoughDataError(
                    f"train={self.train!r} takes all {len(usable):,} usable rows "
                    f"({_minute(times[usable.start])} to {_minute(times[usable.stop - 1])})",
                    expected=f"rows left to test on (test={self.test!r})",
                    remedy="Shorten train, or give more candles",
                )
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
        require_kinds(self)
        _require_share("train", self.train, lowest=None)
        _require_share("valid", self.valid, lowest=0.0)

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        start = usable.start + int(len(usable) * self.train)
        gap = horizon if self.purge is None else self.purge
        test = Rows(range(start, usable.stop))
        return check_folds(
            (_fold(0, range(usable.start, start), test, valid=self.valid, purge=gap),), times, horizon=horizon
        )


@dataclass(frozen=True)
class PurgedKFold:
    """Every row tested once, by a model that learnt from what lies before *and after* it.

    `folds` equal parts; each is tested once, and all others train, but for `purge` bars on both sides of the test part and
    an `embargo` after it, in bars (int) or as a span ("5d"). Not given: purge is the target's horizon, the embargo as
    many bars as a row looks back on (window, features, and a target measured in recent volatility), so that no training
    row has seen a test bar or its label.
    `valid` is the share of the training rows, at their end, that early stopping watches.

    The model has seen the future of what it forecasts: useful for choosing among models with little data, and no estimate of
    what could have been earned; WalkForward gives that. Lopez de Prado (2018), Advances in Financial Machine Learning, 7.4.

    Raises ConfigError, NotEnoughDataError, or LookaheadError when `purge` is shorter than the horizon.
    """

    folds: int = 5
    valid: float = 0.2
    purge: int | None = None
    embargo: int | str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.folds < 2:
            raise ConfigError(f"folds is {self.folds}", expected="2 or more", remedy="Use PurgedKFold(folds=5)")
        _require_share("valid", self.valid, lowest=0.0)
        _require_embargo(self.embargo)

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        whole = CombinatorialPurged(self.folds, 1, valid=self.valid, purge=self.purge, embargo=self.embargo)
        return whole.split(times, usable, horizon=horizon, memory=memory)


@dataclass(frozen=True)
class CombinatorialPurged:
    """Every choice of `test_groups` among `groups` equal parts is tested by a model that learnt from the others.

    N groups, k of them tested: C(N, k) folds, and each row is forecast by C(N - 1, k - 1) of them, which assemble into as
    many `paths` over all rows: `Forecast.paths` gives them one by one, each for a backtest of its own. The spread over
    paths shows how much of a result is the luck of one history. `purge`, `embargo`, `valid` and the warning as in
    `PurgedKFold`. Lopez de Prado (2018), Advances in Financial Machine Learning, ch. 12.

    Raises ConfigError, NotEnoughDataError, or LookaheadError when `purge` is shorter than the horizon.

    >>> CombinatorialPurged(groups=6, test_groups=2).paths
    5
    """

    groups: int = 6
    test_groups: int = 2
    valid: float = 0.2
    purge: int | None = None
    embargo: int | str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if not 1 <= self.test_groups < self.groups:
            raise ConfigError(
                f"{self.test_groups} of {self.groups} groups to test on",
                expected="at least 1, and at least 1 left to train on",
                remedy="Use CombinatorialPurged(groups=6, test_groups=2)",
            )
        _require_share("valid", self.valid, lowest=0.0)
        _require_embargo(self.embargo)

    @property
    def paths(self) -> int:
        """Forecasts of each row, and histories that they assemble into: C(groups - 1, test_groups - 1)."""
        return math.comb(self.groups - 1, self.test_groups - 1)

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        bounds = [usable.start + len(usable) * group // self.groups for group in range(self.groups + 1)]
        gap = horizon if self.purge is None else self.purge
        embargo = memory if self.embargo is None else self.embargo
        folds = []
        for index, chosen in enumerate(combinations(range(self.groups), self.test_groups)):
            test = Rows(*(range(bounds[group], bounds[group + 1]) for group in chosen))
            embargoed = [range(part.stop, _shift(times, part.stop - 1, embargo) + 1 + gap) for part in test.parts]
            folds.append(_fold(index, usable, test, valid=self.valid, purge=gap, embargoed=embargoed))
        return check_folds(tuple(folds), times, horizon=horizon)


def nested(fold: Fold, *, horizon: int) -> Fold:
    """A division of the fold's own training part, for choices that its test part must not see.

    The first 60 % of the rows that may be learnt from train, the next 20 % are `valid`, the last 20 % `test`; labels of each
    are known before the next begins.

    Args:
        fold: whose training part is divided.
        horizon: bars until a label is known.

    Raises:
        NotEnoughDataError: a part would have no rows.

    >>> nested(Fold(3, range(0, 100), range(0), range(110, 120)), horizon=5)
    Fold(index=3, train=Rows(range(0, 55)), valid=Rows(range(60, 75)), test=Rows(range(80, 100)))
    """
    rows = fold.fit.array
    first_valid, first_test = rows[len(rows) * 3 // 5], rows[len(rows) * 4 // 5]
    train = rows[rows + horizon < first_valid]
    valid = rows[(rows >= first_valid) & (rows + horizon < first_test)]
    if not len(train) or not len(valid):
        raise NotEnoughDataError(
            f"the {len(rows):,} training rows of fold {fold.index} cannot be divided in three",
            expected=f"more than {10 * horizon:,} rows for a horizon of {horizon}",
            remedy="Give more candles or a shorter horizon",
        )
    return Fold(fold.index, Rows.of(train), Rows.of(valid), Rows.of(rows[rows >= first_test]))


def require_folds(folds: object) -> None:
    """Raise ConfigError for what cannot divide rows."""
    if isinstance(folds, (type, str)) or not callable(getattr(folds, "split", None)):
        raise ConfigError(
            f"folds is {folds!r}",
            expected="folds, with a method split",
            remedy="Make them, such as cc.WalkForward(folds=5)",
        )


def check_folds(folds: Iterable[Fold], times: np.ndarray, *, horizon: int) -> tuple[Fold, ...]:
    """The folds, when every label is known before a later part begins.

    Raises LookaheadError, NotEnoughDataError for an empty part, or ConfigError for no folds or anything else.
    """
    found = tuple(folds) if isinstance(folds, Iterable) else (folds,)
    if strange := [each for each in found if not isinstance(each, Fold)]:
        raise ConfigError(
            f"split() of these folds gave {strange[0]!r}",
            expected="a tuple of Fold",
            remedy="Return one Fold(index, train=Rows(...), valid=Rows(...), test=Rows(...)) per test part",
        )
    if not found:
        raise ConfigError(
            "split() of these folds gave no fold",
            expected="at least one Fold",
            remedy="Give more candles, or return a fold of the rows that are usable",
        )
    indices = [fold.index for fold in found]
    if doubled := sorted({each for each in indices if indices.count(each) > 1}):
        raise ConfigError(
            f"two folds have the index {doubled[0]}", expected="a number each", remedy="Number them from 0 on"
        )
    for fold in found:
        for name, rows in (("train", fold.train), ("valid", fold.valid), ("test", fold.test)):
            if not isinstance(rows, Rows) or (len(rows) and not 0 <= rows.first <= rows.last < len(times)):
                raise ConfigError(
                    f"{name} of fold {fold.index} is {str(rows)[:60]}",
                    expected=f"Rows or a range within the {len(times):,} bars",
                    remedy="Make it with range(first, last + 1), or Rows.of(numbers)",
                )
        if not len(fold.train) or not len(fold.test):
            raise NotEnoughDataError(
                f"fold {fold.index} has {len(fold.train)} rows to train on and {len(fold.test)} to test on",
                expected="at least one of each",
                remedy="Give more candles, longer parts, or a shorter horizon, window or embargo",
            )
        boundaries = [
            (fold.train, fold.valid, "validation"),
            (fold.train, fold.test, "test"),
            (fold.valid, fold.test, "test"),
        ]
        for learnt, tested, name in boundaries:
            for part in learnt.parts:
                for other in tested.parts:
                    _require_apart(fold, part, other, name=name, times=times, horizon=horizon)
    return found


def _require_apart(fold: Fold, learnt: range, tested: range, *, name: str, times: np.ndarray, horizon: int) -> None:
    """Raise LookaheadError when labels of the earlier part are known only inside the later one."""
    is_after = learnt.start > tested.start
    earlier, later = (tested, learnt) if is_after else (learnt, tested)
    last = earlier.stop - 1
    if last + horizon < later.start:
        return
    known = _minute(times[min(last + horizon, len(times) - 1)])
    if is_after:
        raise LookaheadError(
            f"fold {fold.index} trains on rows from {_minute(times[later.start])} on, but the target (horizon {horizon} bars) "
            f"of the {name} range before them is known only at {known}",
            expected=f"at least {horizon} purged bars after {_minute(times[last])}",
            remedy=f"Use purge={horizon} or leave purge unset to take it from the target",
        )
    raise LookaheadError(
        f"fold {fold.index} trains on rows up to {_minute(times[last])}, but their target (horizon {horizon} bars) "
        f"is known only at {known}, inside the {name} range",
        expected=f"at least {horizon} purged bars before {_minute(times[later.start])}",
        remedy=f"Use purge={horizon} or leave purge unset to take it from the target",
    )


def _fold(
    index: int, usable: range, test: Rows, *, valid: float, purge: int, embargoed: list[range] | None = None
) -> Fold:
    """Divide the usable rows that are not tested, purged or embargoed into train and valid, purged in between."""
    kept_out = [*(range(part.start - purge, part.stop) for part in test.parts), *(embargoed or [])]
    is_free = np.ones(usable.stop, dtype=bool)
    is_free[: usable.start] = False
    for part in kept_out:
        is_free[max(part.start, 0) : part.stop] = False
    free = np.flatnonzero(is_free)
    valid_rows = free[len(free) - int(len(free) * valid) :]
    learnt = free[free < valid_rows[0] - purge] if len(valid_rows) else free
    return Fold(index, Rows.of(learnt), Rows.of(valid_rows), test)


def _cuts(times: np.ndarray, rows: range, length: int | str) -> list[int]:
    """First rows of parts of that length; a last part shorter than half of the one before joins it."""
    starts, start = [], rows.start
    while start < rows.stop:
        starts.append(start)
        start = max(_shift(times, start, length), start + 1)
    if len(starts) > 1 and 2 * (rows.stop - starts[-1]) < starts[-1] - starts[-2]:
        starts.pop()
    return starts


def _shift(times: np.ndarray, row: int, length: int | str, *, back: bool = False) -> int:
    """The row that lies `length` (bars or a span) after `row`, or before it with `back`."""
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


def _require_embargo(embargo: int | str | None) -> None:
    if embargo != 0:
        _require_length(embargo)


def _require_share(name: str, share: float, *, lowest: float | None) -> None:
    if not (0 < share < 1 or share == lowest):
        raise ConfigError(f"{name} is {share}", expected="a share between 0 and 1", remedy="0.8 stands for 80 %")


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")
