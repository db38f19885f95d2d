"""A table as it came, before anybody has said what its columns hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Block:
    """Some rows of a table: `frame` has the wanted columns, named "0", "1", ... by their place.

    `where` says in words which row of the whole one of these is, such as "line 45".
    """

    frame: pl.DataFrame
    where: Callable[[int], str]


@dataclass(frozen=True)
class Table:
    """Columns without meaning.

    `labels`: of each column its header cells from top to bottom, or none where there is no header. `sample`: rows from
    the beginning and, where that costs nothing, the end, all as text. `blocks`: all rows, of the columns named, those
    in `plain` as Float64 if their numbers are plain. `name`: the file's, without packing. `banner`: lines before the
    header. `notes`: what was understood on the way. `delimiter`: of text. `whole`: how many rows the sample has of how
    many, where it is all of them.
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

    def column(self, place: int) -> list[str]:
        """The sample's cells of a column."""
        return [row[place] for row in self.sample]

    def spoken(self, place: int) -> str:
        """What a column is called in messages."""
        name = " ".join(cell for cell in self.labels[place] if cell)
        return name or f"column {place + 1}"
