"""A table as it was read, before it is known what its columns hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Block:
    """Some rows of a table: `frame` has the wanted columns, named "0", "1", ... by their position.

    `where` names a row by its position in the whole table, such as "line 45".
    """

    frame: pl.DataFrame
    where: Callable[[int], str]


@dataclass(frozen=True)
class Table:
    """A table whose columns have no meaning yet.

    `labels`: the header cells of each column from top to bottom, empty without a header. `sample`: rows as text, from the
    beginning and, where that costs nothing, from the end. `blocks(wanted, plain)`: all rows of the columns `wanted`, those
    also in `plain` as Float64 if their numbers are plain. `name`: that of the file, without suffixes of compression.
    `banner`: lines before the header. `notes`: how it was read so far. `delimiter`: of text. `types`: of the columns that
    are not text. `zone`: that of the times, where the file states it.
    """

    labels: tuple[tuple[str, ...], ...]
    sample: tuple[tuple[str, ...], ...]
    blocks: Callable[[Sequence[int], Sequence[int]], Iterator[Block]]
    name: str = ""
    banner: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    delimiter: str | None = None
    types: Mapping[int, pl.DataType] = field(default_factory=dict)
    zone: str | None = None

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.labels)

    @property
    def has_header(self) -> bool:
        """Whether any column has a name."""
        return any(any(cells) for cells in self.labels)

    def column(self, position: int) -> list[str]:
        """The sample's cells of a column."""
        return [row[position] for row in self.sample]

    def display_name(self, position: int) -> str:
        """What a column is called in messages."""
        name = " ".join(cell for cell in self.labels[position] if cell)
        return name or f"column {position + 1}"
