"""The ledger: every trial that was ever made in a workspace, append-only, so that luck among many can be counted.

    ledger = Ledger("runs")                 # the workspace: the folder of runs; nothing is touched yet
    ledger.record(trial)                    # True when it is new; a replayed trial counts once
    ledger.trials()                         # all of them, oldest first
    ledger.entries()                        # the same as profiles, quick to read and to compare
    Ledger.in_memory()                      # one that is forgotten with the process

`Study.run`, `compare` and `StudyResult.retraded` record by themselves; whatever else evaluates a configuration records
`StudyResult.trial`. The file is SQLite. A trial is written in one transaction, synced to disk before `record` returns,
and by several processes at once if need be; triggers refuse every change and removal. There is no way to reset it
but to delete the file.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.disk.confined import Inflater, Words, bounded_rows, confine, described, require_own_schema
from candlecast.disk.files import is_regular
from candlecast.errors import ConfigError, RunError
from candlecast.interval import Interval
from candlecast.ledger.profile import MOST_BUCKETS, Profile, profile_of

FORMAT = 3  # 1 kept no searches, 2 neither targets nor batches nor profiles
APPLICATION = 0x43434C47  # "CCLG" in the header of the file: a ledger of candlecast
GROWTH = 1 << 24  # bytes that other processes may add while the file is read
SPARE, DENSEST = 1 << 28, 128  # bytes that all trials may take in memory: anyway, and for each byte of the file
PATIENCE_SECONDS = 60.0  # how long another process may hold the file
TRIALS = (
    """CREATE TABLE trials (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        identity TEXT NOT NULL UNIQUE,
        recorded_at TEXT NOT NULL,
        data TEXT NOT NULL,
        code TEXT NOT NULL,
        study TEXT NOT NULL,
        symbol TEXT NOT NULL,
        interval TEXT NOT NULL,
        model TEXT NOT NULL,
        bars_per_year REAL NOT NULL,
        times BLOB NOT NULL,
        returns BLOB NOT NULL,
        target TEXT NOT NULL DEFAULT '',
        batch INTEGER NOT NULL DEFAULT 0,
        profile BLOB NOT NULL DEFAULT x''
    ) STRICT""",
    # also against INSERT OR REPLACE, which removes rows without a word
    """CREATE TRIGGER trials_once BEFORE INSERT ON trials
        WHEN EXISTS (SELECT 1 FROM trials WHERE identity = NEW.identity OR number = NEW.number)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER trials_stay BEFORE DELETE ON trials
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER trials_hold BEFORE UPDATE ON trials
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)
SEARCHES = (
    """CREATE TABLE searches (
        identity TEXT NOT NULL,
        recorded_at TEXT NOT NULL,
        symbol TEXT NOT NULL,
        fold INTEGER NOT NULL,
        number INTEGER NOT NULL,
        parameters TEXT NOT NULL,
        error REAL NOT NULL,
        is_chosen INTEGER NOT NULL,
        UNIQUE (identity, symbol, fold, number)
    ) STRICT""",
    """CREATE TRIGGER searches_once BEFORE INSERT ON searches
        WHEN EXISTS (SELECT 1 FROM searches WHERE identity = NEW.identity AND symbol = NEW.symbol
            AND fold = NEW.fold AND number = NEW.number)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER searches_stay BEFORE DELETE ON searches
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER searches_hold BEFORE UPDATE ON searches
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)
ADDED = (  # to a table of an older format
    "ALTER TABLE trials ADD COLUMN target TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN batch INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE trials ADD COLUMN profile BLOB NOT NULL DEFAULT x''",
)
COLUMNS = "data, code, study, symbol, interval, model, bars_per_year, times, returns, target, profile"


@dataclass(frozen=True)
class Searched:
    """One configuration tried inside the training part of a fold. `error`: mean squared error there, over naive's."""

    symbol: str
    fold: int
    number: int
    parameters: Mapping[str, Any]
    error: float
    is_chosen: bool


@dataclass(frozen=True, eq=False)
class Trial:
    """One evaluated configuration, and the out-of-sample returns that it gave.

    `data` is the fingerprint of the candles; `study` every choice that decides the returns, as JSON values; `code` the
    version of candlecast. A user's own functions are in `study` by a digest of what they do. `times` are the closes of
    the bars, datetime64[us], strictly rising, and `returns` their simple net returns, both (time,). `searches` are
    configurations that were tried inside training parts to find this one: written down, not counted, since no choice
    among them has seen a test. `target` is what was forecast; `profile` what it is compared with others by, made of the
    returns alone when not given.

    Raises ConfigError for series that do not belong together.
    """

    data: str
    study: Mapping[str, Any]
    code: str
    symbol: str
    interval: str
    model: str
    bars_per_year: float
    times: np.ndarray
    returns: np.ndarray
    searches: tuple[Searched, ...] = ()
    target: str = ""
    profile: Profile | None = None

    def __post_init__(self) -> None:
        rising = len(self.times) < 2 or bool((np.diff(self.times) > np.timedelta64(0, "us")).all())
        if self.times.shape != self.returns.shape or not rising or not np.isfinite(self.returns).all():
            raise ConfigError(
                f"a trial of {len(self.times)} times and {len(self.returns)} returns",
                expected="rising times, each with a finite return",
                remedy="Pass the closes and returns of one backtest",
            )

    @cached_property
    def content(self) -> str:
        """SHA-256 of data, study, times and returns (as float32), as hexadecimal text: what was judged, by whatever code."""
        digest = sha256(json.dumps([self.data, self.study], sort_keys=True).encode())
        digest.update(self.times.astype("datetime64[us]").astype("<i8").tobytes())
        digest.update((self.returns + 0.0).astype("<f4").tobytes())  # -0.0 and 0.0 are one return
        return digest.hexdigest()

    @cached_property
    def identity(self) -> str:
        """SHA-256 of content and code: the same trial made again has the same one; one with other returns never has."""
        return sha256(json.dumps([self.content, self.code]).encode()).hexdigest()

    @cached_property
    def outline(self) -> Profile:
        """The profile, made where none was given."""
        if self.profile is not None:
            return self.profile
        return profile_of(self.times, self.returns, step=Interval.parse(self.interval).microseconds)


@dataclass(frozen=True, eq=False)
class Entry:
    """A trial as the ledger counts it: `number` in order of time, `batch` of those that were judged at once."""

    number: int
    batch: int
    identity: str
    data: str
    symbol: str
    interval: str
    target: str
    profile: Profile

    @property
    def family(self) -> tuple[str, str, str]:
        """Market, interval and target."""
        return self.symbol, self.interval, self.target


class Ledger:
    """The trials of a workspace, in `ledger.sqlite` of its folder. Made when the first trial is recorded.

    >>> day = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D")
    >>> trial = Trial("d1", {"model": "a"}, "0.1", "BTCUSDT", "1d", "a", 365.0, day, np.array([0.01, 0.0, -0.01]))
    >>> ledger = Ledger.in_memory()
    >>> ledger.record(trial), ledger.record(trial), ledger.count()
    (True, False, 1)
    """

    def __init__(self, folder: str | Path = "runs") -> None:
        self.path: Path | None = Path(folder) / "ledger.sqlite"
        self._memory: sqlite3.Connection | None = None

    @classmethod
    def in_memory(cls) -> Ledger:
        """A ledger that is forgotten with the process, for trials that nobody will choose among."""
        ledger = cls()
        ledger.path = None
        return ledger

    def __repr__(self) -> str:
        return f"Ledger({str(self.path.parent)!r})" if self.path else "Ledger.in_memory()"

    def count(self) -> int:
        """Number of distinct trials."""
        if not self._is_there():
            return 0
        with self._open() as connection:
            return sum(1 for _ in self._rows(connection, "SELECT number FROM trials", (int,)))

    def require_writable(self) -> None:
        """Raise RunError when no trial could be recorded; to be called before long work."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")

    def record(self, trial: Trial) -> bool:
        """Write a trial down for good; False when it was there already. Returns are kept as float32.

        Raises RunError when it cannot be written: the disk is full or read-only, the file damaged, foreign or of a
        newer version, or held by another process for longer than a minute.
        """
        return self.record_all([trial])[0]

    def record_all(self, trials: Sequence[Trial]) -> list[bool]:
        """Write trials down that are judged at once, all or none; says of each whether it is new. Raises as `record`."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (batch,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM trials").fetchone()
            written = [_insert(connection, trial, batch) for trial in trials]
            connection.execute("COMMIT")
        return written

    def entries(self) -> list[Entry]:
        """All trials as they are counted, the oldest first; none for a workspace without a ledger. Raises RunError."""
        if not self._is_there():
            return []
        query = "SELECT number, batch, identity, data, symbol, interval, target, profile FROM trials ORDER BY number"
        with self._open() as connection:
            rows = list(self._rows(connection, query, (int, int, str, str, str, str, str, bytes)))
        older = {trial.identity: trial for trial in self.trials()} if any(not row[-1] for row in rows) else {}
        try:
            return [
                Entry(
                    number,
                    batch or number,
                    identity,
                    data,
                    symbol,
                    interval,
                    target,
                    _profile(content, older.get(identity)),
                )
                for number, batch, identity, data, symbol, interval, target, content in rows
            ]
        except ValueError as error:
            raise self._damaged(error) from error

    def trials(self) -> list[Trial]:
        """All trials, the oldest first; none for a workspace without a ledger. Raises RunError."""
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
            return [_trial(row, tuple(tried.get(identity, ())), inflater) for identity, *row in rows]
        except (ValueError, RecursionError, zlib.error) as error:
            raise self._damaged(error) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection to a ledger of this version; every failure of it as a RunError."""
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
            yield connection
        except sqlite3.OperationalError as error:
            raise RunError(
                f"the ledger {self.path} cannot be written ({error})",
                expected="a folder with space that may be written to",
                remedy="Free space or choose another folder; Ledger.in_memory() makes trials that are not remembered",
            ) from error
        except OSError as error:
            raise RunError(
                f"the folder of the ledger {self.path} cannot be written ({error.strerror or error})",
                expected="a folder that may be written to",
                remedy="Choose another folder; Ledger.in_memory() makes trials that are not remembered",
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter where a message quotes damaged text
            raise self._damaged(error) from error
        finally:
            if connection is not None and connection.in_transaction:
                connection.rollback()
            if connection is not None and self.path is not None:
                connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Refuse what is no ledger of this version; make a new file into one."""
        confine(connection)
        connection.execute("PRAGMA synchronous = FULL")
        application, version, objects = _header(connection)
        if application == APPLICATION and 1 <= version <= FORMAT:
            require_own_schema(connection, _schema(version))
        if (application, version) == (APPLICATION, FORMAT):
            return
        if application == APPLICATION and version > FORMAT:
            raise RunError(
                f"the ledger {self.path} was written in format {version}",
                expected=f"format {FORMAT} or older",
                remedy="Install a newer candlecast",
            )
        if objects and application != APPLICATION:
            raise RunError(
                f"{self.path} is a database of something else",
                expected="a ledger of trials",
                remedy="Move it away, or choose another folder",
            )
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")  # one of several processes makes the tables
        application, version, _ = _header(connection)
        if (application, version) != (APPLICATION, FORMAT):
            made = {0: (*TRIALS, *SEARCHES), 1: (*ADDED, *SEARCHES), 2: ADDED}
            for statement in made[version if application == APPLICATION else 0]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")

    def _is_there(self) -> bool:
        return self.path is None or os.path.lexists(self.path)

    def _require_regular(self) -> None:
        """Raise RunError for a link, or anything else than a file, in the place of the ledger or what SQLite keeps beside it."""
        assert self.path is not None
        for path in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm", "-journal"))):
            if os.path.lexists(path) and not is_regular(path):
                raise RunError(
                    f"{path} cannot be written or read (it is no regular file)",
                    expected="a ledger of trials",
                    remedy="Remove it, or choose another folder",
                )

    def _size(self) -> int:
        """Bytes on disk."""
        assert self.path is not None
        paths = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def _rows(self, connection: sqlite3.Connection, query: str, kinds: tuple[type, ...]) -> Iterator[tuple[Any, ...]]:
        """Rows of these types. A damaged file, whose pages lead to each other, does not give more than it holds."""
        return bounded_rows(connection, query, kinds, most=None if self.path is None else self._size() + GROWTH)

    def _damaged(self, error: Exception) -> RunError:
        return RunError(
            f"the ledger {self.path} is damaged ({error})",
            expected="an untouched file",
            remedy="Put a copy of it back, or move it away: the trials in it are then no longer counted",
        )


def _insert(connection: sqlite3.Connection, trial: Trial, batch: int) -> bool:
    """Write one trial and what was searched for it; False when it is there already."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    values = (
        trial.data,
        trial.code,
        json.dumps(trial.study, sort_keys=True),
        trial.symbol,
        trial.interval,
        trial.model,
        trial.bars_per_year,
        _pack_times(trial.times),
        _pack_returns(trial.returns),
        trial.target,
        trial.outline.pack(),
    )
    places = ", ".join("?" * (len(values) + 3))
    inserted = connection.execute(
        f"INSERT INTO trials (identity, recorded_at, batch, {COLUMNS}) VALUES ({places})",
        (trial.identity, now, batch, *values),
    )
    tried = [
        (
            trial.identity,
            now,
            each.symbol,
            each.fold,
            each.number,
            json.dumps(each.parameters),
            each.error,
            each.is_chosen,
        )
        for each in trial.searches
    ]
    connection.executemany("INSERT INTO searches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tried)
    return inserted.rowcount == 1


def _profile(content: bytes, trial: Trial | None) -> Profile:
    """A profile as it was kept, or made of the returns of a trial of before there were any. Raises ValueError."""
    return _unpacked(content) if content or trial is None else trial.outline


def _unpacked(content: bytes) -> Profile:
    profile = Profile.unpack(content)
    buckets = profile.values.shape[1]
    is_possible = buckets <= MOST_BUCKETS and abs(profile.first) + buckets < (1 << 62) // profile.width
    if not is_possible or not (np.abs(profile.values) <= 1.0).all():
        raise ValueError("a profile of it cannot be")
    return profile


@cache
def _schema(version: int) -> frozenset[tuple[str, str, Words]]:
    """Type, name and words of everything that a ledger of that format is made of."""
    trials, *triggers = TRIALS
    if version < FORMAT:
        trials = re.sub(r",\s*target TEXT.*(?=\) STRICT)", "", trials, flags=re.DOTALL)
    return frozenset(map(described, (trials, *triggers, *(SEARCHES if version > 1 else ()))))


def _header(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Application, version and number of tables."""
    queries = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    application, version, objects = (int(connection.execute(query).fetchone()[0]) for query in queries)
    return application, version, objects


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side; SQLite does not wait for others by itself when it changes to that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _pack_times(times: np.ndarray) -> bytes:
    """Microseconds since 1970, the first and then the steps: the even grid of candles shrinks to nothing."""
    return zlib.compress(np.diff(times.astype("datetime64[us]").astype("<i8"), prepend=np.int64(0)).tobytes())


def _pack_returns(returns: np.ndarray) -> bytes:
    """float32, the equal bytes of all values side by side, where they repeat."""
    return zlib.compress(returns.astype("<f4").view(np.uint8).reshape(-1, 4).T.tobytes())


def _trial(row: list[Any], searches: tuple[Searched, ...], inflater: Inflater) -> Trial:
    data, code, study, symbol, interval, model, bars_per_year, times, returns, target, profile = row
    steps = np.frombuffer(inflater(times), "<i8")
    planes = np.frombuffer(inflater(returns), np.uint8).reshape(4, -1)
    return Trial(
        data=data,
        study=json.loads(study),
        code=code,
        symbol=symbol,
        interval=interval,
        model=model,
        bars_per_year=bars_per_year,
        times=np.cumsum(steps).astype("datetime64[us]"),
        returns=np.ascontiguousarray(planes.T).view("<f4")[:, 0].astype(np.float64),
        searches=searches,
        target=target,
        profile=_unpacked(profile) if profile else None,
    )
