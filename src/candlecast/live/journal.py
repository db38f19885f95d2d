"""`Journal`: what a session decided and did, entry by entry, append-only and hash-chained, in SQLite.

    number   1, 2, 3, ...
    kind     session, bar, notice, limit, refit, end
    content  JSON
    digest   SHA-256 of the digest before, the kind and the content

Two sessions that decided the same have the same digest at the end. The `Arrivals` beside it are what was received and when,
by the clock of the machine, and are written before anything acts on it. Before each batch they note how many entries the
journal had, so that a batch of which no entry comes is acted on by the next session.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from candlecast.disk.confined import bounded_rows, confine, described, require_own_schema
from candlecast.disk.files import is_regular, reason
from candlecast.errors import RunError
from candlecast.sources.feed import Batch, Notice, Seen

FORMAT = 1
JOURNAL = "journal.sqlite"
ARRIVALS = "tape.sqlite"
BATCH = "batch"  # the kind of the arrival that precedes those that came together
LARGEST = 1 << 34  # bytes of a journal that is read
ENTRIES = (
    """CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        content TEXT NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    """CREATE TRIGGER entries_stay BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER entries_hold BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
)
NUMBERS = ("open", "high", "low", "close", "volume", "bid", "ask")
SEEN = (
    """CREATE TABLE arrivals (
        number INTEGER PRIMARY KEY,
        written_at TEXT NOT NULL,
        kind TEXT NOT NULL,
        content TEXT NOT NULL
    ) STRICT""",
)


@dataclass(frozen=True)
class Entry:
    """One entry of a journal."""

    number: int
    kind: str
    content: dict[str, Any]
    digest: str


class Journal:
    """The journal of a session, opened for appending; its chain is checked from the beginning. Raises RunError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self._connection = _opened(self.path, ENTRIES)
        self._count, self._digest = 0, b""
        try:
            for number, digest in _checked(self._connection, self.path):
                self._count, self._digest = number, digest
            _write_ahead(self._connection, self.path, "FULL")  # each transaction is one flush of the disk
        except BaseException:
            self._connection.close()
            raise

    def __len__(self) -> int:
        return self._count

    @property
    def digest(self) -> str:
        """The digest of the last entry, as hexadecimal text; empty without entries."""
        return self._digest.hex()

    def append(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Write entries in one transaction; they are on the disk when this returns. Raises RunError."""
        rows = []
        count, digest = self._count, self._digest
        for kind, content in entries:
            text = ENCODE(content)
            count, digest = count + 1, chained(digest, kind, text)
            rows.append((count, kind, text, digest))
        try:
            with self._connection:
                self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise _unwritable(self.path, error) from error
        self._count, self._digest = count, digest

    def entries(self) -> Iterator[Entry]:
        """All entries, oldest first."""
        return _entries(self._connection, self.path)

    def close(self) -> None:
        """Close the file."""
        _closed(self._connection)


def read_journal(folder: Path) -> list[Entry]:
    """All entries of a session's journal, whose chain is checked. Raises RunError."""
    path = folder / JOURNAL
    if not is_regular(path):
        raise RunError(
            f"{folder} is no paper session",
            expected=f"a folder with {JOURNAL}",
            remedy="List the sessions with: candlecast paper --list",
        )
    with closing(_opened(path, ENTRIES)) as connection:
        for _ in _checked(connection, path):
            pass
        return list(_entries(connection, path))


class Arrivals:
    """What was received and when: written before anything acts on it."""

    def __init__(self, folder: Path, *, is_written: bool = False) -> None:
        self.path = folder / ARRIVALS
        self._connection = _opened(self.path, SEEN)
        self._is_written = is_written
        if (
            is_written
        ):  # whole after a kill, and no bar waits for the disk: what a loss of power takes is asked for again
            _write_ahead(self._connection, self.path, "NORMAL")

    def write(self, batch: Batch, *, after: int) -> None:
        """Write what came together after so many entries of the journal. Raises RunError."""
        now = datetime.now(UTC).isoformat()
        rows = [(now, BATCH, f'{{"after":{after}}}'), *((now, *_written(each)) for each in batch)]
        try:
            with self._connection:
                self._connection.executemany("INSERT INTO arrivals (written_at, kind, content) VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise _unwritable(self.path, error) from error

    def bars(self, since: datetime) -> list[Seen]:
        """Bars that open at `since` or later, each as it was first seen, in the order in which they came."""
        rows = self._rows("SELECT kind, content FROM arrivals WHERE kind = 'bar' ORDER BY number")
        return _first_seen([bar for _, bar in rows if isinstance(bar, Seen)], since)

    def pending(self, wanted: datetime, entries: int) -> Batch:
        """What no entry of a journal with so many entries comes of; and bars from `wanted` on of the batch before it.

        A batch was acted on when the journal has grown since it was written. Bars of one that was are left where `until` ended
        the session inside it.
        """
        pending: list[Seen | Notice] = []
        part: list[Seen | Notice] = []  # of one batch, newest first
        for after, each in self._rows("SELECT kind, content FROM arrivals ORDER BY number DESC"):
            if each is not None:
                part.append(each)
            elif after < entries:
                break
            else:
                pending, part = [*reversed(part), *pending], []
        return [*_first_seen(list(reversed(part)), wanted), *pending]

    def _rows(self, query: str) -> Iterator[tuple[int, Seen | Notice | None]]:
        """What the rows of a query hold; of the row before a batch, after how many entries it was written."""
        try:
            for kind, text in bounded_rows(self._connection, query, (str, str), most=LARGEST):
                content = json.loads(text)
                if kind == BATCH:
                    yield int(content["after"]), None
                else:
                    yield 0, bar_of(content) if kind == "bar" else _notice_of(content)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise _broken(self.path, reason(error)) from error

    def close(self) -> None:
        """Close the file."""
        if self._is_written:
            _closed(self._connection)
        else:
            self._connection.close()


def _first_seen(batch: Batch, since: datetime) -> list[Seen]:
    """Bars that open at `since` or later, each as it came first."""
    found: dict[datetime, Seen] = {}
    for each in batch:
        if isinstance(each, Seen) and each.open_time >= since:
            found.setdefault(each.open_time, each)
    return list(found.values())


def _write_ahead(connection: sqlite3.Connection, path: Path, synchronous: str) -> None:
    """Write to a log beside the database, which a kill leaves whole and readers do not wait for. Raises RunError."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
    except sqlite3.Error as error:
        raise _unwritable(path, error) from error


def _closed(connection: sqlite3.Connection) -> None:
    """Close a database that was written to, and put everything into its one file."""
    with suppress(sqlite3.Error):  # another process reads it: the log stays beside it
        connection.execute("PRAGMA busy_timeout = 200")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def chained(digest: bytes, kind: str, text: str) -> bytes:
    """The digest of an entry after another."""
    return sha256(b"\x00".join((digest, kind.encode(), text.encode()))).digest()


def bar_of(content: dict[str, Any]) -> Seen:
    """A bar from its JSON values."""
    values = dict(content)
    times: dict[str, Any] = {name: datetime.fromisoformat(values.pop(name)) for name in ("open_time", "received_at")}
    prices: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
    return Seen(**times, **prices)


def _notice_of(content: dict[str, Any]) -> Notice:
    about = None if content["bar"] is None else bar_of(content["bar"])
    return Notice(content["kind"], datetime.fromisoformat(content["at"]), content["detail"], about, content["bars"])


def values_of(bar: Seen) -> dict[str, Any]:
    """The JSON values of a bar."""
    numbers = {name: _known(getattr(bar, name)) for name in NUMBERS}
    times = {"open_time": bar.open_time.isoformat(), "received_at": bar.received_at.isoformat()}
    return {**times, **numbers, "how": bar.how}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _written(each: Seen | Notice) -> tuple[str, str]:
    if isinstance(each, Seen):
        return "bar", json.dumps(values_of(each))
    about = None if each.bar is None else values_of(each.bar)
    return "notice", json.dumps(
        {"kind": each.kind, "at": _plain(each.at), "detail": each.detail, "bar": about, "bars": each.bars}
    )


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode  # made once, not for each entry


def _opened(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """A connection to a database of this schema, which is made where there is none."""
    is_new = not is_regular(path)
    try:
        connection = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
        confine(connection)
        connection.execute("PRAGMA synchronous = FULL")
        if is_new or not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in schema:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            connection.close()
            raise RunError(
                f"{path} was written by a newer candlecast (format {version})",
                expected=f"format {FORMAT} or older",
                remedy="Install the newest candlecast to continue this session; nothing was changed",
            )
        require_own_schema(connection, frozenset(described(statement) for statement in schema))
    except sqlite3.Error as error:
        raise _broken(path, str(error)) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return connection


def _checked(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and digest of each entry, as long as the chain holds. Raises RunError where it is broken."""
    expected, digest = 1, b""
    query = "SELECT number, kind, content, digest FROM entries ORDER BY number"
    try:
        for number, kind, text, stored in bounded_rows(connection, query, (int, str, str, bytes), most=LARGEST):
            digest = chained(digest, kind, text)
            if number != expected or digest != stored:
                raise _broken(path, f"entry {expected:,} does not follow from the one before")
            expected += 1
            yield number, digest
    except sqlite3.Error as error:
        raise _broken(path, f"it cannot be read after entry {expected - 1:,}: {error}") from error


def _entries(connection: sqlite3.Connection, path: Path) -> Iterator[Entry]:
    query = "SELECT number, kind, content, digest FROM entries ORDER BY number"
    try:
        for number, kind, text, digest in bounded_rows(connection, query, (int, str, str, bytes), most=LARGEST):
            yield Entry(number, kind, json.loads(text), digest.hex())
    except (sqlite3.Error, ValueError) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> RunError:
    return RunError(
        f"the journal {path} is damaged ({why})",
        expected="the entries that candlecast wrote, each with the digest of the one before",
        remedy="Restore it from a copy, or begin a new session with another name; the file was not changed",
    )


def _unwritable(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{path} cannot be written ({reason(error)})",
        expected="a folder with space that may be written to",
        remedy="Free space and start the session again: it continues after the last entry",
    )
