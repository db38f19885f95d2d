"""Sketches: some returns of an asset, by which it is known again under another name, from another source or in part.

The bars of a sketch are those whose times have the smallest hashes, so that two records of one asset have the same bars in
their sketches wherever both cover them (bottom-k sampling, Cohen and Kaplan 2007). Bars shorter than a day are joined to days
where there are enough, so that an asset is known again in bars of another length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 128  # returns of a sketch
FEWEST = 16  # bars in common, below which two sketches are not compared
DAY = 86_400_000_000  # microseconds of a day in UTC
MANY_DAYS = 4 * FEWEST  # days from which on shorter bars are joined
ALIKE = 0.97  # correlation of one asset in two records; two classes of shares of one company have it too
CUT = 4.0  # root mean squares at which returns are cut: a common crash makes no two assets alike
TOGETHER = 256  # sketches that are compared at once, which bounds the memory


@dataclass(frozen=True, eq=False)
class Sketch:
    """Log returns of some bars, float32 (bars,); `times` of their closes, int64 microseconds since 1970, rising, (bars,)."""

    times: np.ndarray
    returns: np.ndarray

    def pack(self) -> bytes:
        """The sketch as bytes, for the ledger."""
        return self.times.astype("<i8").tobytes() + self.returns.astype("<f4").tobytes()

    @classmethod
    def unpack(cls, content: bytes) -> Sketch:
        """The sketch of such bytes. Raises ValueError for any others."""
        bars, rest = divmod(len(content), 12)
        if rest or bars > SIZE:
            raise ValueError(f"{len(content)} bytes are no sketch")
        times, returns = np.frombuffer(content[: 8 * bars], "<i8"), np.frombuffer(content[8 * bars :], "<f4")
        if not (np.diff(times) > 0).all() or not np.isfinite(returns).all():
            raise ValueError("a sketch of it cannot be")
        return cls(times, returns)


def sketch_of(times: np.ndarray, closes: np.ndarray) -> Sketch:
    """The sketch of an asset.

    Args:
        times: closes of its bars, datetime64, rising, (bars,).
        closes: its prices then, above 0, (bars,).

    >>> day = np.datetime64("2020-01-01", "us") + np.arange(500) * np.timedelta64(1, "D")
    >>> prices = np.exp(np.random.default_rng(0).standard_normal(500).cumsum() / 100)
    >>> whole, part = sketch_of(day, prices), sketch_of(day[200:], 3 * prices[200:])
    >>> len(whole.times), bool(are_alike([whole], [part])[0, 0])
    (128, True)
    """
    moments = times.astype("datetime64[us]").astype(np.int64)
    is_last = np.diff((moments - 1) // DAY, append=np.iinfo(np.int64).max) > 0  # of its day, to which midnight belongs
    if MANY_DAYS <= is_last.sum() < len(moments):
        moments, closes = moments[is_last], closes[is_last]
    known, returns = moments[1:], np.diff(np.log(closes)).astype(np.float32)
    chosen = np.sort(np.argsort(_hashed(known), kind="stable")[:SIZE])
    return Sketch(known[chosen], returns[chosen])


def are_alike(ones: Sequence[Sketch], others: Sequence[Sketch]) -> np.ndarray:
    """Which of the ones are the same asset as which of the others, bool (ones, others)."""
    found = np.zeros((len(ones), len(others)), dtype=bool)
    if not len(ones):
        return found
    grid = np.unique(np.concatenate([each.times for each in ones]))
    own, has_own = _laid(ones, grid)
    for first in range(0, len(others), TOGETHER):
        part = slice(first, first + TOGETHER)
        theirs, has_theirs = _laid(others[part], grid)
        pairs = has_own @ has_theirs.T
        scale = np.sqrt((own**2 @ has_theirs.T) * (has_own @ (theirs**2).T))
        correlation = (own @ theirs.T) / np.where(scale > 0, scale, 1.0)
        found[:, part] = (pairs >= FEWEST) & (correlation >= ALIKE)
    return found


def _laid(sketches: Sequence[Sketch], grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns at the times of a grid, cut, and whether there is one; both float64 (sketches, times)."""
    values, known = np.zeros((len(sketches), len(grid))), np.zeros((len(sketches), len(grid)))
    for row, each in enumerate(sketches):
        _, places, own = np.intersect1d(grid, each.times, assume_unique=True, return_indices=True)
        values[row, places], known[row, places] = each.returns[own], 1.0
    scale = CUT * np.sqrt((values**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1.0))[:, None]
    return np.clip(values, -scale, scale), known


def _hashed(values: np.ndarray) -> np.ndarray:
    """Hashes of whole numbers, uint64: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
