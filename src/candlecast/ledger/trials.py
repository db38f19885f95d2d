"""The ledger: an append-only record of every trial in a workspace, which the correction for multiple testing counts.

    ledger = Ledger("runs")                 # the workspace is the folder of runs; no file is made yet
    ledger.record(trial)                    # True when it is new; a repeated trial counts once
    ledger.begin([study])                   # counts from now on, until its trial is recorded and counts in its place
    ledger.trials()                         # all trials, oldest first
    ledger.entries()                        # the same with profiles instead of returns, fast to read and to compare, and
                                            # the studies that were begun and never ended, or not before others were judged
    Ledger.in_memory()                      # one that ends with the process

Studies that began on other hosts are in the inbox beside the ledger (`candlecast.ledger.inbox`). Each time a ledger is opened, it
first records these studies, and then removes their files.

`Study.run`, `compare` and `StudyResult.rebacktest` record their trials. Any other code that evaluates a configuration should
record `StudyResult.trial`. The file is an SQLite database. A trial is written in one transaction, and is on the disk when
`record` returns; several processes may write at once. Triggers refuse updates and deletions. Only deleting the file and
the inbox resets the ledger.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candlecast.disk.confined import Inflater, bounded_rows, confine, require_own_schema
from candlecast.disk.files import is_regular, reason
from candlecast.errors import ConfigError, RunError
from candlecast.ledger.inbox import Inbox
from candlecast.ledger.profile import Profile
from candlecast.ledger.rows import COLUMNS, NEXT, insert, insert_begun, profile_in, trial_in
from candlecast.ledger.schema import APPLICATION, FORMAT, header_of, lacking, schema_of
from candlecast.ledger.sketch import Sketch
from candlecast.ledger.trial import Begun, Entry, Searched, Trial, assets_in, choices_as_written
from candlecast.parameters import as_path

AT_ONCE = 500  # studies that one query looks for
GROWTH = 1 << 24  # bytes that other processes may add during a read
SPARE, DENSEST = 1 << 28, 128  # limit on bytes of all trials in memory: in any case, and per byte of the file
PATIENCE_SECONDS = 60.0  # wait while another process holds the file
UNENDED = "choices NOT IN (SELECT choices FROM ended)"


class Ledger:
    """The trials of a workspace, in `ledger.sqlite` of its folder, which is made with the first trial.

    >>> import numpy as np
    >>> day = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D")
    >>> trial = Trial("d1", {"model": "a"}, "0.1", "BTCUSDT", "1d", "a", 365.0, day, np.array([0.01, 0.0, -0.01]))
    >>> ledger = Ledger.in_memory()
    >>> ledger.record(trial), ledger.record(trial), ledger.count()
    (True, False, 1)
    """

    def __init__(self, folder: str | Path = "runs") -> None:
        self.path: Path | None = as_path(folder, "folder") / "ledger.sqlite"
        self._memory: sqlite3.Connection | None = None

    @classmethod
    def in_memory(cls) -> Ledger:
        """A ledger that ends with the process, for trials that no choice is made among."""
        ledger = cls()
        ledger.path = None
        return ledger

    def __repr__(self) -> str:
        return f"Ledger({str(self.path.parent)!r})" if self.path else "Ledger.in_memory()"

    def __getstate__(self) -> dict[str, object]:
        """What pickle and copy keep. Raises ConfigError for trials in the memory of this process."""
        if self._memory is not None:
            raise ConfigError(
                "a ledger in memory cannot be pickled or copied, nor can a result that holds it",
                expected="a ledger in a folder, which is pickled as its path",
                remedy='Run the study with ledger=cc.Ledger("runs"), or keep the result with result.save(folder)',
            )
        return self.__dict__

    def count(self) -> int:
        """Number of distinct trials."""
        if not self._is_there():
            return 0
        with self._open() as connection:
            return sum(1 for _ in self._rows(connection, "SELECT number FROM trials", (int,)))

    def require_writable(self) -> None:
        """Raise RunError if a trial could not be recorded. Call it before long work."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")

    def record(self, trial: Trial) -> bool:
        """Record a trial permanently; False if it is in the ledger already. Returns are stored as float32.

        Raises RunError when it cannot be written: the disk is full or read-only, the file damaged, foreign or of a
        newer version, or held by another process for longer than a minute.
        """
        return self.record_all([trial])[0]

    def record_all(self, trials: Sequence[Trial]) -> list[bool]:
        """Record trials that are judged together, all or none; for each, whether it is new. Raises as `record`."""
        if not trials:
            return []
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (batch,) = connection.execute(NEXT).fetchone()
            written = [insert(connection, trial, batch) for trial in trials]
            connection.execute("COMMIT")
        return written

    def begin(self, studies: Sequence[Begun]) -> None:
        """Count studies from now on, until their trials are recorded; those that ended before are not counted again.

        A study with a token counts once more each time that it begins, from the fourth begin on that never ends; see
        `candlecast.ledger.begins`. Raises as `record`.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for each in studies:
                insert_begun(connection, each)
            connection.execute("COMMIT")

    def begun(self, choices: Iterable[str]) -> dict[str, Profile]:
        """The profiles of those of the studies, by their choices, that began and never ended. Raises RunError."""
        wanted, found = list(choices), dict[str, Profile]()
        with self._open() as connection:
            for first in range(0, len(wanted), AT_ONCE):
                part = wanted[first : first + AT_ONCE]
                places = ", ".join("?" * len(part))
                query = f"SELECT choices, profile FROM begun WHERE {UNENDED} AND choices IN ({places})"
                rows = self._rows(connection, query, (str, bytes), part)
                found |= {each: Profile.unpack(content) for each, content in rows}
        return found

    def entries(self) -> list[Entry]:
        """All trials as they are counted, oldest first; none for a workspace without a ledger. Raises RunError."""
        if not self._is_there():
            return []
        columns = "number, batch, identity, data, symbol, interval, target, recorded_at, profile"
        with self._open() as connection:
            query = f"SELECT {columns} FROM trials ORDER BY number"
            rows = list(self._rows(connection, query, (int, int, *(str,) * 6, bytes)))
            query = "SELECT identity, study FROM trials WHERE instr(study, '\"assets\"') > 0"
            panels = dict(self._rows(connection, query, (str, str)))
            ended = self._ended(connection, sorted({row[1] or row[0] for row in rows}))
            query = "SELECT number, choices, data, symbol, interval, target, recorded_at, assets, profile FROM begun "
            query += "ORDER BY number" if ended else f"WHERE {UNENDED} ORDER BY number"
            begun = list(self._rows(connection, query, (int, *(str,) * 7, bytes)))
            if ended:
                query = f"SELECT number, choices FROM begun WHERE {UNENDED}"
                kept = ended.keys() | {choices for _, choices in self._rows(connection, query, (int, str))}
                begun = [row for row in begun if row[1] in kept]
            query = "SELECT data, symbol, sketch FROM sketches"
            packed = list(self._rows(connection, query, (str, str, bytes)))
        older = {trial.identity: trial for trial in self.trials()} if any(not row[-1] for row in rows) else {}
        try:
            sketches: dict[str, dict[str, Sketch]] = {}
            for data, symbol, content in packed:
                sketches.setdefault(data, {})[symbol] = Sketch.unpack(content)
            entries = [
                Entry(
                    number,
                    batch or number,
                    identity,
                    data,
                    symbol,
                    interval,
                    target,
                    profile_in(content, older.get(identity)),
                    recorded_at,
                    assets_in(json.loads(panels[identity])) if identity in panels else (),
                    sketches.get(data, {}),
                )
                for number, batch, identity, data, symbol, interval, target, recorded_at, content in rows
            ]
            entries += [
                Entry(
                    number,
                    number,
                    choices,
                    data,
                    symbol,
                    interval,
                    target,
                    Profile.unpack(content),
                    recorded_at,
                    tuple(map(str, json.loads(assets))),
                    sketches.get(data, {}),
                    is_open=True,
                    ended=ended.get(choices),
                )
                for number, choices, data, symbol, interval, target, recorded_at, assets, content in begun
            ]
            return sorted(entries, key=lambda entry: entry.number)
        except (ValueError, AttributeError, RecursionError) as error:
            raise self._damaged(error) from error

    def _ended(self, connection: sqlite3.Connection, batches: Sequence[int]) -> dict[str, int]:
        """Of the studies that ended after others had been judged since they began: the batch in which they did, by choices.

        The others were judged among them, and stay so.
        """
        query = f"SELECT number, choices FROM begun WHERE NOT {UNENDED}"
        begun = {choices: number for number, choices in self._rows(connection, query, (int, str))}
        if not begun or bisect_right(batches, min(begun.values())) > len(batches) - 2:
            return {}  # none was judged between
        query = "SELECT number, batch, data, study FROM trials ORDER BY number"
        ended: dict[str, int] = {}
        for number, batch, data, study in self._rows(connection, query, (int, int, str, str)):
            choices = choices_as_written(data, study)
            if number > begun.get(choices, number):
                ended.setdefault(choices, batch or number)
        between = {
            each: bisect_left(batches, batch) - bisect_right(batches, begun[each]) for each, batch in ended.items()
        }
        return {choices: batch for choices, batch in ended.items() if between[choices]}

    def trials(self) -> list[Trial]:
        """All trials, oldest first; none for a workspace without a ledger. Raises RunError."""
        if not self._is_there():
            return []
        with self._open() as connection:
            query = f"SELECT identity, {COLUMNS} FROM trials ORDER BY number"
            rows = list(self._rows(connection, query, (str,) * 7 + (float, bytes, bytes, str, bytes)))
            query = "SELECT identity, symbol, fold, number, parameters, error, is_chosen FROM searches ORDER BY rowid"
            searches = list(self._rows(connection, query, (str, str, int, int, str, float, int)))
        try:
            tried: dict[str, list[Searched]] = {}
            for identity, symbol, fold, number, parameters, error, chosen in searches:
                each = Searched(symbol, fold, number, json.loads(parameters), error, bool(chosen))
                tried.setdefault(identity, []).append(each)
            inflater = Inflater(max(SPARE, DENSEST * self._size()) if self.path else None)
            return [trial_in(identity, row, tuple(tried.get(identity, ())), inflater) for identity, *row in rows]
        except (ValueError, RecursionError, zlib.error) as error:
            raise self._damaged(error) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection to a ledger of this format. Every SQLite or system error becomes a RunError."""
        connection = self._memory
        try:
            if connection is None:
                if self.path is not None:
                    self._require_regular()
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(
                    self.path or ":memory:", timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
                )
                self._prepare(connection)
                self._memory = None if self.path else connection
                self._take_in(connection)
            yield connection
        except sqlite3.OperationalError as error:
            raise RunError(
                f"the ledger {self.path} cannot be written ({error})",
                expected="a folder with space that may be written to",
                remedy="Free space or choose another folder; Ledger.in_memory() records nothing on disk",
            ) from error
        except OSError as error:
            raise RunError(
                f"the folder of the ledger {self.path} cannot be written ({reason(error)})",
                expected="a folder that may be written to",
                remedy="Choose another folder; Ledger.in_memory() records nothing on disk",
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter if the message quotes damaged text
            raise self._damaged(error) from error
        finally:
            if connection is not None and connection.in_transaction:
                connection.rollback()
            if connection is not None and self.path is not None:
                connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Refuse other databases and newer formats; bring a new file or an older format to this one."""
        confine(connection)
        connection.execute("PRAGMA synchronous = FULL")
        version, objects = header_of(connection)
        if version > FORMAT:
            raise RunError(
                f"the ledger {self.path} was written in format {version}",
                expected=f"format {FORMAT} or older",
                remedy="Install a newer candlecast",
            )
        if objects and not version:
            raise RunError(
                f"{self.path} is a database of something else",
                expected="a ledger of trials",
                remedy="Move it away, or choose another folder",
            )
        if version:
            require_own_schema(connection, schema_of(version))
            if version == FORMAT:
                return
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")  # one of several processes makes the tables
        version, _ = header_of(connection)
        if version != FORMAT:
            for statement in lacking(version):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")

    def _take_in(self, connection: sqlite3.Connection) -> None:
        """Count what waits in the inbox. Its files go once this is on the disk; those of a killed process are taken in again."""
        if self.path is None:
            return
        inbox = Inbox(self.path.parent)
        waiting = inbox.waiting()
        if not waiting:
            return
        connection.execute("BEGIN IMMEDIATE")
        for path in waiting:
            for study in inbox.read(path):
                insert_begun(connection, study)
        connection.execute("COMMIT")
        inbox.remove(waiting)

    def _is_there(self) -> bool:
        """Whether there is anything to read."""
        if self.path and os.path.lexists(self.path.parent) and not self.path.parent.is_dir():
            raise RunError(
                f"{self.path.parent} is no folder",
                expected="the folder of a workspace, in which the ledger is kept",
                remedy="Use for example Ledger('runs')",
            )
        return self.path is None or os.path.lexists(self.path) or bool(Inbox(self.path.parent).waiting())

    def _require_regular(self) -> None:
        """Raise RunError unless the ledger, and the files that SQLite keeps beside it, are regular files or absent."""
        assert self.path is not None
        for path in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm", "-journal"))):
            if os.path.lexists(path) and not is_regular(path):
                raise RunError(
                    f"{path} cannot be written or read (it is not a regular file)",
                    expected="a ledger of trials",
                    remedy="Remove it, or choose another folder",
                )

    def _size(self) -> int:
        """Bytes on disk."""
        assert self.path is not None
        paths = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def _rows(
        self, connection: sqlite3.Connection, query: str, kinds: tuple[type, ...], parameters: Sequence[str | int] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of these types, limited in bytes and steps by the size of the file: damaged pages may form a cycle."""
        return bounded_rows(
            connection, query, kinds, parameters, most=None if self.path is None else self._size() + GROWTH
        )

    def _damaged(self, error: Exception) -> RunError:
        return RunError(
            f"the ledger {self.path} is damaged ({error})",
            expected="an untouched file",
            remedy="Put a copy of it back, or move it away: the trials in it are then no longer counted",
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Change to write-ahead logging, which lets processes read during a write. SQLite does not retry this by itself."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def as_ledger(ledger: Any) -> Ledger:
    """The ledger that was given; that of the folder `runs` for None. Raises ConfigError for what records no trials."""
    if ledger is None:
        return Ledger()
    if not callable(getattr(ledger, "record", None)):
        raise ConfigError(
            f"ledger is of type {type(ledger).__name__}", expected="a Ledger", remedy="Use cc.Ledger('runs')"
        )
    return ledger
