"""The structure of Parquet files, checked before a library reads them: columns, rows, and the memory that they will take.

    file:    "PAR1", column chunks, FileMetaData, its length (uint32), "PAR1"
    chunk:   pages, each a PageHeader and its compressed bytes

FileMetaData and PageHeader are Thrift structs in the compact protocol (https://parquet.apache.org/docs/file-format/ and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). A damaged or forged footer can state any
number of rows and any page size, and a reader allocates them before it finds that the data are missing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAGIC = b"PAR1"
DEEPEST = 24  # nested structs and lists; the format needs half as many
MAX_VALUES = 2_000_000  # values of one footer: 100,000 column chunks
WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, 6: 16, 7: 16}  # bytes of a value in memory, by physical type
BOOLEAN, INT96, BYTE_ARRAY = 0, 3, 6
CODECS = [0, 1, 2, 4, 6, 7]  # none, Snappy, gzip, Brotli, Zstandard, LZ4
# plain, dictionaries, RLE, deltas, split bytes; not the bit-packed encoding, deprecated in 2013
ENCODINGS = [0, 2, 3, 5, 6, 7, 8, 9]
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PAGES = {DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}  # the field of a PageHeader that describes each kind


@dataclass(frozen=True)
class Outline:
    """Columns and rows of a Parquet file, and about how many bytes the table takes in memory."""

    columns: tuple[str, ...]
    rows: int
    memory: int


def outline(content: bytes) -> Outline:
    """The outline of a Parquet file with flat columns, after a check of its structure down to every page.

    Rows, values and sizes agree from the footer to the pages, and everything lies inside the file. The values in the pages
    are not checked. Raises ValueError that names what is wrong.
    """
    end = len(content) - 8
    _require(end >= 4 and content[:4] == MAGIC and content[-4:] == MAGIC, "it is no Parquet file")
    (length,) = struct.unpack_from("<I", content, end)
    _require(0 < length <= end - 4, "its footer is longer than the file")
    footer, _ = _read(content, end - length, end)
    columns = _columns(footer)
    rows, groups = _whole(footer, 3, "number of rows"), _list(footer, 4, "row groups")
    memory = total = packed = 0
    for group in groups:
        chunks, height = _list(group, 1, "column chunks"), _whole(group, 3, "number of rows of a group")
        _require(len(chunks) == len(columns), "a row group lacks columns")
        total += height
        for (name, kind), chunk in zip(columns, chunks, strict=True):
            place, found = _place(chunk, name, end - length)
            packed += place.stop - place.start
            _require(packed <= end, "its column chunks overlap")  # before their pages are read, again and again
            memory += _chunk(content, found, kind=kind, name=name, rows=height, place=place)
    _require(total == rows, f"its row groups have {total:,} rows and its footer says {rows:,}")
    return Outline(tuple(name for name, _ in columns), rows, memory)


def _columns(footer: dict[int, Any]) -> list[tuple[str, int]]:
    """Name and physical type of each column."""
    root, *leaves = [_struct(each) for each in _list(footer, 2, "schema") or [{}]]
    _require(root.get(5) == len(leaves), "its schema is not flat")
    columns = []
    for leaf in leaves:
        name, kind = leaf.get(4), _whole(leaf, 1, "type of a column")
        if not isinstance(name, bytes) or kind not in WIDTHS:
            raise ValueError("its schema has a column without a name or a type")
        _require(not leaf.get(5) and leaf.get(3) in [0, 1], "its schema is not flat")
        columns.append((name.decode("utf-8"), kind))
    _require(len({name for name, _ in columns}) == len(columns), "two of its columns have one name")
    return columns


def _place(chunk: Any, name: str, end: int) -> tuple[slice, dict[int, Any]]:
    """Where the bytes of a column chunk are, all before `end`, and its ColumnMetaData."""
    _require(_struct(chunk).get(1) is None, f"the column {name} is in another file")
    found = _struct(chunk.get(3))
    starts = [_whole(found, key, f"place of the column {name}") for key in (9, 11) if key in found]
    first, packed = min(starts, default=0), _whole(found, 7, f"size of the column {name}")
    _require(first >= 4 and first + packed <= end, f"the column {name} lies outside the file")
    return slice(first, first + packed), found


def _chunk(content: bytes, found: dict[int, Any], *, kind: int, name: str, rows: int, place: slice) -> int:
    """Check a column chunk, described by `found`, and its pages; gives the bytes that it takes in memory."""
    _require(found.get(1) == kind, f"the column {name} is of another type than its schema says")
    _require(_whole(found, 4, f"codec of the column {name}") in CODECS, f"the column {name} has an unknown codec")
    encodings = _list(found, 2, "encodings")
    _require(all(each in ENCODINGS for each in encodings), f"the column {name} has an unknown encoding")
    values, size = (_whole(found, key, f"size of the column {name}") for key in (5, 6))
    _require(values == rows, f"the column {name} has {values:,} values for {rows:,} rows")
    pages = list(_pages(content, place.start, place.stop, name))
    _require(
        sum(count for _, count, _ in pages) == values, f"the pages of the column {name} do not have {values:,} values"
    )
    _require(
        [at for at, (is_dictionary, _, _) in enumerate(pages) if is_dictionary] in ([], [0]),
        f"the column {name} has several dictionaries",
    )
    unpacked = sum(bytes_ for _, _, bytes_ in pages)
    _require(unpacked <= size, f"the pages of the column {name} are larger than its footer says")
    return values * WIDTHS[kind] + unpacked


def _pages(content: bytes, at: int, end: int, name: str) -> Iterator[tuple[bool, int, int]]:
    """For each page of a chunk: whether it is a dictionary, its number of values (0 for a dictionary), its unpacked size."""
    while at < end:
        header, at = _read(content, at, end)
        kind, size, packed = (_whole(header, key, f"size of a page of {name}") for key in (1, 2, 3))
        _require(kind in PAGES and at + packed <= end, f"a page of the column {name} lies outside of it")
        about = _struct(header.get(PAGES[kind]))
        count = _whole(about, 1, f"number of values of a page of {name}")
        if kind == DATA_PAGE_V2:
            nulls, tall, defined, repeated = (_whole(about, key, f"levels of a page of {name}") for key in (2, 3, 5, 6))
            _require(
                nulls <= count and tall == count, f"a page of the column {name} has {tall:,} rows of {count:,} values"
            )
            _require(
                repeated == 0 and defined <= min(size, packed), f"the levels of a page of {name} are larger than it"
            )
        encoding = _whole(about, 4 if kind == DATA_PAGE_V2 else 2, f"encoding of a page of {name}")
        _require(encoding in ENCODINGS, f"a page of the column {name} has an unknown encoding")
        is_dictionary = kind == DICTIONARY_PAGE
        _require(
            not is_dictionary or count <= 8 * size, f"the dictionary of {name} has {count:,} values in {size:,} bytes"
        )
        yield is_dictionary, 0 if is_dictionary else count, size
        at += packed


def _read(content: bytes, start: int, end: int) -> tuple[dict[int, Any], int]:
    """A Thrift struct as a dict of its fields by number, and where it ends. Raises ValueError."""
    reader = _Compact(content, start, end)
    return reader.struct(0), reader.at


class _Compact:
    """Thrift's compact protocol within bounds."""

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self.content, self.at, self.end, self.left = content, at, end, MAX_VALUES

    def struct(self, depth: int) -> dict[int, Any]:
        values: dict[int, Any] = {}
        key = 0
        while (head := self.byte()) != 0:
            key = key + (head >> 4) if head >> 4 else self.signed()
            kind = head & 15
            values[key] = (
                kind == 1 if kind in (1, 2) else self.value(kind, depth + 1)
            )  # the type of a boolean field is its value
        return values

    def value(self, kind: int, depth: int) -> Any:
        self.left -= 1
        _require(self.left > 0 and depth <= DEEPEST, "its footer holds too much")
        if kind in (1, 2, 3):
            return self.byte()
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            return self.skip(8)
        if kind == 8:
            return self.skip(self.varint())
        if kind in (9, 10):
            head = self.byte()
            size = self.varint() if head >> 4 == 15 else head >> 4
            _require(size <= self.left and size <= self.end - self.at, "its footer holds too much")
            return [
                self.struct(depth + 1) if head & 15 == 12 else self.value(head & 15, depth + 1) for _ in range(size)
            ]
        _require(kind == 12, "its footer is damaged")
        return self.struct(depth + 1)

    def byte(self) -> int:
        _require(self.at < self.end, "its footer is cut off")
        self.at += 1
        return self.content[self.at - 1]

    def skip(self, size: int) -> bytes:
        _require(size <= self.end - self.at, "its footer is cut off")
        self.at += size
        return self.content[self.at - size : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            _require(shift < 70, "its footer is damaged")

    def signed(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)


def _struct(value: Any) -> dict[int, Any]:
    _require(isinstance(value, dict), "its footer is damaged")
    return value


def _whole(values: dict[int, Any], key: int, what: str) -> int:
    value = _struct(values).get(key)
    _require(type(value) is int and 0 <= value < 1 << 62, f"it has no {what}")
    return value  # pyright: ignore[reportReturnType]


def _list(values: dict[int, Any], key: int, what: str) -> list[Any]:
    value = _struct(values).get(key)
    _require(isinstance(value, list), f"it has no {what}")
    return value  # pyright: ignore[reportReturnType]


def _require(is_true: bool, wrong: str) -> None:
    if not is_true:
        raise ValueError(wrong)
