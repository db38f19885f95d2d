"""SQLite databases that may come from anybody: nothing in them is executed, and reading them ends.

Views and triggers are programs inside a database, damaged pages may form a cycle, and a compressed value may inflate to a
thousand times its size. So a database is read only if its schema equals the expected one, within limits on steps and bytes.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence

LONGEST = 1 << 28  # bytes of one value
STEPS = 10_000  # of SQLite's virtual machine, between two checks of their number
SPARE_STEPS, STEPS_PER_BYTE = 50_000_000, 8  # limit on steps of one query: in any case, and per byte of the file

Words = tuple[str, ...]


def confine(connection: sqlite3.Connection) -> None:
    """Forbid a database to call functions or attach files, and limit the size of its values."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    for limit, value in (
        (sqlite3.SQLITE_LIMIT_LENGTH, LONGEST),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 2),
    ):
        connection.setlimit(limit, value)


def described(statement: str) -> tuple[str, str, Words]:
    """Type, name and tokens of a CREATE statement, independent of white space.

    >>> described("CREATE TABLE a (b TEXT)")
    ('table', 'a', ('CREATE', 'TABLE', 'a', '(', 'b', 'TEXT', ')'))
    """
    words = tuple(re.findall(r"\w+|'[^']*'|\S", statement))
    return words[1].lower(), words[2], words


def require_own_schema(connection: sqlite3.Connection, expected: frozenset[tuple[str, str, Words]]) -> None:
    """Raise sqlite3.DatabaseError unless the schema consists of exactly these, besides what SQLite adds by itself."""
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
    connection: sqlite3.Connection,
    query: str,
    kinds: tuple[type, ...],
    parameters: Sequence[str | int] = (),
    *,
    most: int | None,
) -> Iterator[tuple]:
    """Rows of a query, with values of these types, and at most `most` bytes of text and blobs in all (None: no limit).

    `parameters`: those of the query.

    Raises sqlite3.DatabaseError for other types, for more bytes, and for a query that takes too many steps.
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
        for row in connection.execute(query, parameters):
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
    """Decompresses zlib streams to at most `most` bytes in all (None: no limit)."""

    def __init__(self, most: int | None) -> None:
        self.left = most

    def __call__(self, content: bytes) -> bytes:
        """The content of a stream. Raises ValueError when it exceeds what is left, and zlib.error."""
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
