"""`WhileMember`: only the folds whose test part begins while an asset belongs to a universe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from candlecast.dataset.coverage import left_out
from candlecast.dataset.folds import Fold, Folds, require_folds
from candlecast.errors import ConfigError, NotEnoughDataError


@dataclass(frozen=True)
class WhileMember:
    """The folds of another division whose first test bar opens within one of the spans.

    A universe such as "the 100 largest" changes. Which assets are in it is known at the start of each test part, and decided
    without later knowledge, where `spans` are; a fold of an asset that is not among them is neither trained nor tested.

    folds: the division.
    spans: first moment and end of each span (ISO text, UTC), the end not in it; rising and apart.
    largest: the spans are those in which the asset was among so many largest ones, ranked by what was traded before, as a scan
        ranks them, and the `folds` test every bar. Of other spans candlecast does not know how they were chosen: the bars
        outside them count as left out (`dataset.coverage`), and there is no edge.

    Raises ConfigError for spans that do not rise and, with `largest`, for folds that leave bars out; NotEnoughDataError where
    no fold is left.

    >>> from candlecast.dataset.folds import WalkForward
    >>> times = np.datetime64("2024-01-01", "us") + np.arange(1, 101) * np.timedelta64(1, "D")
    >>> kept = WhileMember(WalkForward(folds=4), (("2024-03-01", "2024-03-25"),))
    >>> [fold.index for fold in kept.split(times, range(100), horizon=1)]
    [1, 2]
    """

    folds: Folds
    spans: Sequence[tuple[str, str]]
    largest: int | None = None

    def __post_init__(self) -> None:
        require_folds(self.folds)
        wrong = ConfigError(
            f"spans are {self.spans!r:.80}",
            expected="pairs of moments in ISO text",
            remedy='Use (("2020-01-01", "2021-01-01"),)',
        )
        if not isinstance(self.spans, (list, tuple)) or not all(map(_is_pair, self.spans)):
            raise wrong
        object.__setattr__(self, "spans", tuple((first, end) for first, end in self.spans))
        try:
            moments = np.array([part for span in self.spans for part in span], dtype="datetime64[us]")
        except ValueError as error:
            raise wrong from error
        if np.isnat(moments).any():
            raise wrong
        if (np.diff(moments) < np.timedelta64(0, "us")).any():
            raise ConfigError("spans overlap or end before they begin", expected="rising spans", remedy="Sort them")

    def split(self, times: np.ndarray, usable: range, *, horizon: int, memory: int = 0) -> tuple[Fold, ...]:
        """The folds that are left, with the numbers that they have among all."""
        folds = self.folds.split(times, usable, horizon=horizon, memory=memory)
        if self.largest is not None and left_out([fold.test for fold in folds], _all(usable), horizon=horizon).any():
            raise ConfigError(
                f"the folds within {type(self).__name__} leave out bars between their test parts or at the end",
                expected="every bar from the first tested one on in a test part",
                remedy="Begin each test part where the one before ends, or use WalkForward",
            )
        kept = tuple(fold for fold in folds if self._holds(times[max(fold.test.first - 1, 0)]))
        if not kept:
            raise NotEnoughDataError(
                f"none of the {len(folds)} test parts begins while the asset belongs to the universe",
                expected="one at least",
                remedy="Use more folds, or a larger universe",
            )
        return kept

    def _holds(self, time: np.datetime64) -> bool:
        """Whether a moment lies in a span: the close of the bar before a test part, when membership is known."""
        return any(np.datetime64(first, "us") <= time < np.datetime64(end, "us") for first, end in self.spans)


def _all(usable: range) -> np.ndarray:
    """All usable rows as possible to forecast, bool (time,)."""
    return np.arange(usable.stop) >= usable.start


def _is_pair(span: object) -> bool:
    return isinstance(span, (list, tuple)) and len(span) == 2 and all(isinstance(part, str) for part in span)
