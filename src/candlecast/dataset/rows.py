"""`Rows`: bar numbers in rising order, as ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from candlecast.errors import ConfigError


@dataclass(frozen=True, init=False)
class Rows:
    """Bar numbers in rising order, as `parts`: ranges that neither touch nor overlap, the earliest first.

    Raises ConfigError for a range that leaves rows out.

    >>> rows = Rows(range(7, 9), range(0, 3), range(3, 4))
    >>> rows, len(rows), rows.first, rows.last
    (Rows(range(0, 4), range(7, 9)), 6, 0, 8)
    """

    parts: tuple[range, ...]

    def __init__(self, *parts: range) -> None:
        merged: list[range] = []
        for part in sorted((part for part in parts if len(part)), key=lambda part: part.start):
            if part.step != 1:
                raise ConfigError(
                    f"a part of the rows is {part}", expected="every row of a part", remedy="Use a step of 1"
                )
            if merged and part.start <= merged[-1].stop:
                merged[-1] = range(merged[-1].start, max(merged[-1].stop, part.stop))
            else:
                merged.append(part)
        object.__setattr__(self, "parts", tuple(merged))

    @classmethod
    def of(cls, numbers: np.ndarray) -> Rows:
        """The rows of these numbers, int64, rising."""
        parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
        return cls(*(range(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)))

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.parts)

    def __repr__(self) -> str:
        return f"Rows({', '.join(map(repr, self.parts))})"

    @property
    def first(self) -> int:
        """The first row; IndexError where there is none."""
        return self.parts[0].start

    @property
    def last(self) -> int:
        """The last row; IndexError where there is none."""
        return self.parts[-1].stop - 1

    @property
    def array(self) -> np.ndarray:
        """The numbers, int64 (rows,), made anew: those of long parts take much memory."""
        return np.concatenate([np.arange(part.start, part.stop) for part in self.parts] or [np.empty(0, np.int64)])

    def of_all(self, values: np.ndarray) -> np.ndarray:
        """What values of all bars (time, ...) are at these rows: a view where they are one range."""
        return values[self.first : self.last + 1] if len(self.parts) == 1 else values[self.array]
