"""Profiles: a trial's series, summed over at most 1,024 buckets of time, to correlate trials quickly.

A profile has three series on a time grid anchored at 1970, so profiles of any market and interval can be aligned:

    returns   of the account
    alphas    the residual of a regression of the returns on those of buy-and-hold
    skills    (y - m)(f - m), with y the outcome, f the forecast and m the mean outcome of the training rows: what the
              forecast adds to each outcome, at the time when it is known, as returns are (half the summands of the Clark-West
              test against that mean)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("returns", "alphas", "skills")
MAX_BUCKETS = 1_024
WIDEST = 32  # times the narrowest buckets of a group; trials of more different widths count as independent
VALUES = {4: "<f4", 8: "<f8"}  # by bytes; ledgers of older versions have the shorter ones
HEADER = 3  # numbers before the values: width, first bucket, number of buckets
ROUNDING = 1e-6  # of a column's length: less spread than that is rounding


@dataclass(frozen=True, eq=False)
class Profile:
    """Sums of three series over buckets of `width` microseconds: `values` float64 (3, buckets), from bucket `first` on.

    Each series is scaled so that its largest absolute sum is 1, which changes no correlation. Small differences of trials
    that share one large signal are kept: figures show them as well.
    """

    width: int
    first: int
    values: np.ndarray

    @property
    def has_traded(self) -> bool:
        """Whether the account ever did anything but hold nothing, or the same position throughout."""
        return bool(self.values[1].any())

    @property
    def span(self) -> tuple[int, int]:
        """Begin and end, microseconds since 1970."""
        return self.width * self.first, self.width * (self.first + self.values.shape[1])

    def redrawn(self, generator: np.random.Generator) -> Profile:
        """A profile over the same buckets with values at random, of an account and a forecast that are like no other."""
        account, skills = generator.uniform(-1.0, 1.0, (2, self.values.shape[1]))
        return Profile(self.width, self.first, np.stack([account, account, skills]))

    def pack(self) -> bytes:
        """The profile as bytes, for the ledger."""
        header = np.array([self.width, self.first, self.values.shape[1]], "<i8")
        return header.tobytes() + self.values.astype("<f8").tobytes()

    @classmethod
    def unpack(cls, content: bytes) -> Profile:
        """The profile of such bytes. Raises ValueError for any others."""
        header, rest = np.frombuffer(content[: 8 * HEADER], "<i8"), content[8 * HEADER :]
        size = len(rest) // max(len(KINDS) * int(header[2]), 1) if len(header) == HEADER else 0
        if size not in VALUES or header[0] < 1 or header[2] < 1 or len(rest) != size * len(KINDS) * header[2]:
            raise ValueError(f"{len(content)} bytes are no profile")
        width, first, buckets = map(int, header)
        values = np.frombuffer(rest, VALUES[size]).reshape(len(KINDS), -1)
        is_possible = buckets <= MAX_BUCKETS and abs(first) + buckets < (1 << 62) // width
        if not is_possible or not (np.abs(values) <= 1.0).all():
            raise ValueError("a profile of it cannot be")
        return cls(width, first, values)


def profile_of(
    times: np.ndarray,
    returns: np.ndarray,
    *,
    step: int,
    benchmark: np.ndarray | None = None,
    skills: tuple[np.ndarray, np.ndarray] | None = None,
) -> Profile:
    """The profile of series known at `times`, datetime64[us], rising; `step` is the length of a bar in microseconds.

    `benchmark`: buy-and-hold's returns at the same times; none when not given. `skills`: their own times and values; the
    returns when not given.

    >>> day = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D")
    >>> profile_of(day, np.array([0.02, 0.0, -0.01]), step=86_400_000_000).values[0]
    array([ 1. ,  0. , -0.5])
    """
    series = [(times, returns), (times, _residual(returns, benchmark)), skills or (times, returns)]
    closes = [each.astype("datetime64[us]").astype(np.int64) - 1 for each, _ in series]
    known = [each for each in closes if len(each)]
    if not known:
        return Profile(step, 0, np.zeros((len(KINDS), 1)))
    first, last = min(int(each.min()) for each in known), max(int(each.max()) for each in known)
    width = step
    while last // width - first // width >= MAX_BUCKETS:
        width *= 2
    start, buckets = first // width, last // width - first // width + 1
    values = np.stack(
        [
            np.bincount(close // width - start, weights=each, minlength=buckets)
            for close, (_, each) in zip(closes, series, strict=True)
        ]
    )
    largest = np.abs(values).max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    return Profile(width, start, values)


def groups(profiles: Sequence[Profile]) -> list[list[int]]:
    """Indices of the profiles with buckets of similar width, in their order; the group of the narrowest first."""
    found: list[list[int]] = []
    narrowest = 0
    for place in sorted(range(len(profiles)), key=lambda place: profiles[place].width):
        if not found or profiles[place].width > WIDEST * narrowest:
            found.append([])
            narrowest = profiles[place].width
        found[-1].append(place)
    return [sorted(group) for group in found]


def side_by_side(profiles: Sequence[Profile]) -> tuple[np.ndarray, np.ndarray]:
    """The series of all profiles on one grid, float64 (3, buckets, trials), and whether a trial covers a bucket, bool.

    The grid has the widest buckets among them, without those that no trial covers.
    """
    width = max(profile.width for profile in profiles)
    shapes = {_shape(profile): profile for profile in profiles}  # many trials lie on the same buckets
    places = {shape: _places(profile, width) for shape, profile in shapes.items()}
    grid = np.unique(np.concatenate(list(places.values())))
    starts = {shape: np.flatnonzero(np.diff(place, prepend=place[0] - 1)) for shape, place in places.items()}
    rows = {shape: np.searchsorted(grid, place[starts[shape]]) for shape, place in places.items()}
    laid = np.zeros((len(KINDS), len(grid), len(profiles)))
    covered = np.zeros((len(grid), len(profiles)), dtype=bool)
    for column, profile in enumerate(profiles):
        shape = _shape(profile)
        laid[:, rows[shape], column] = np.add.reduceat(profile.values, starts[shape], axis=1, dtype=np.float64)
        covered[rows[shape], column] = True
    return laid, covered


def _shape(profile: Profile) -> tuple[int, int, int]:
    return profile.width, profile.first, profile.values.shape[1]


def _places(profile: Profile, width: int) -> np.ndarray:
    """The bucket of the given width that holds the middle of each bucket of the profile; int64 (buckets,), rising."""
    middles = profile.first + np.arange(profile.values.shape[1]) + 0.5
    return np.floor(middles * (profile.width / width)).astype(np.int64)


def _residual(returns: np.ndarray, benchmark: np.ndarray | None) -> np.ndarray:
    """Returns less their regression on the benchmark's, through the origin; both (time,)."""
    square = 0.0 if benchmark is None else float(benchmark @ benchmark)
    if benchmark is None or not square > 0.0:
        return returns
    residual = returns - float(returns @ benchmark) / square * benchmark
    is_rounding = float(residual @ residual) <= ROUNDING**2 * float(returns @ returns)
    return np.zeros_like(returns) if is_rounding else residual
