"""SQLite databases that may come from anybody: nothing in them is executed, and reading them ends.

A view or a trigger is a program, which a database brings along; a damaged tree of pages may lead to itself without end; a
compressed value may become a thousand times as large. A database is therefore read only when all that it consists of is known
word by word, and no more of it than its file holds.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator

LONGEST = 1 << 28  # bytes of one value
STEPS = 10_000  # of SQLite's machine, between two looks at how many there were
SPARE_STEPS, STEPS_PER_BYTE = 50_000_000, 8  # of one query: anyway, and for each byte of the file

Words = tuple[str, ...]


def confine(connection: sqlite3.Connection) -> None:
    """Let a database call nothing, attach nothing, and hold no value beyond all measure."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    for limit, value in (
        (sqlite3.SQLITE_LIMIT_LENGTH, LONGEST),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 2),
    ):
        connection.setlimit(limit, value)


def described(statement: str) -> tuple[str, str, Words]:
    """Type, name and words of a CREATE statement, whatever the space between the words.

    >>> described("CREATE TABLE a (b TEXT)")
    ('table', 'a', ('CREATE', 'TABLE', 'a', '(', 'b', 'TEXT', ')'))
    """
    words = tuple(re.findall(r"\w+|'[^']*'|\S", statement))
    return words[1].lower(), words[2], words


def require_own_schema(connection: sqlite3.Connection, expected: frozenset[tuple[str, str, Words]]) -> None:
    """Raise sqlite3.DatabaseError unless a database consists of exactly these, besides what SQLite adds by itself."""
    found = set()
    query = "SELECT type, name, sql FROM sqlite_master"
    for kind, name, statement in connection.execute(f"{query} LIMIT {2 * len(expected) + 10}"):
        if (kind == "index" and statement is None) or (name == "sqlite_sequence" and kind == "table"):
            continue
        if not all(isinstance(each, str) for each in (kind, name, statement)) or len(statement) > 2_000:
            raise sqlite3.DatabaseError("it holds something that is not of candlecast")
        found.add((kind, name, described(statement)[2]))
    if odd := sorted(f"{kind} {name}" for kind, name, _ in found - expected):
        raise sqlite3.DatabaseError(f"it holds the {odd[0][:60]}, which is not of candlecast")
    if lost := sorted(f"{kind} {name}" for kind, name, _ in expected - found):
        raise sqlite3.DatabaseError(f"it lacks the {lost[0]}")


def bounded_rows(
    connection: sqlite3.Connection, query: str, kinds: tuple[type, ...], *, most: int | None
) -> Iterator[tuple]:
    """Rows of a query whose values are of these types, and whose texts and bytes take at most `most` bytes in all.

    Raises sqlite3.DatabaseError for other types, and for a database of that many bytes that gives more, or does not end.
    """
    steps = total = 0
    highest = SPARE_STEPS + STEPS_PER_BYTE * (most or 0)

    def count() -> bool:
        nonlocal steps
        steps += STEPS
        return steps > highest

    if most is not None:
        connection.set_progress_handler(count, STEPS)
    try:
        for row in connection.execute(query):
            if not all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)):
                raise sqlite3.DatabaseError("a column holds values of another type")
            total += sum(len(value) for value in row if isinstance(value, bytes | str))
            if most is not None and total > most:
                raise sqlite3.DatabaseError("it gives more than it holds")
            yield row
    except sqlite3.OperationalError as error:
        if steps > highest:
            raise sqlite3.DatabaseError("reading it does not end") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


class Inflater:
    """Decompresses zlib streams to at most `most` bytes in all; without limit when None."""

    def __init__(self, most: int | None) -> None:
        self.left = most

    def __call__(self, content: bytes) -> bytes:
        """What a stream holds. Raises ValueError for more than is left, and zlib.error."""
        if self.left is None:
            return zlib.decompress(content)
        stream = zlib.decompressobj()
        found = stream.decompress(content, self.left + 1)
        if len(found) > self.left:
            raise ValueError("its series take far more memory than its file")
        if not stream.eof or stream.unused_data:
            raise zlib.error("a series is cut off")
        self.left -= len(found)
        return found
