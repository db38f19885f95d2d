"""The tables of a ledger, in each format that was ever written, and the triggers that let nobody change them."""

from __future__ import annotations

import re
import sqlite3
from functools import cache

from candlecast.disk.confined import Words, described

# 1 kept no searches, 2 neither targets nor batches nor profiles, 3 neither begun studies nor sketches of assets, 4 no begins
FORMAT = 5
APPLICATION = 0x43434C47  # "CCLG" in the header of the file: a ledger of candlecast


def _append_only(table: str, *keys: tuple[str, ...]) -> tuple[str, ...]:
    """The triggers of a table whose rows stay: one that is there by any of its keys is not added again.

    Also against INSERT OR REPLACE, which deletes rows without firing triggers.
    """
    is_there = " OR ".join(" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys)
    refused = f"ON {table} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    found = f"EXISTS (SELECT 1 FROM {table} WHERE {is_there})"
    return (
        f"CREATE TRIGGER {table}_once BEFORE INSERT ON {table} WHEN {found} BEGIN SELECT RAISE(IGNORE); END",
        f"CREATE TRIGGER {table}_stay BEFORE DELETE {refused}",
        f"CREATE TRIGGER {table}_hold BEFORE UPDATE {refused}",
    )


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
    *_append_only("trials", ("identity",), ("number",)),
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
    *_append_only("searches", ("identity", "symbol", "fold", "number")),
)
BEGUN = (
    """CREATE TABLE begun (
        number INTEGER PRIMARY KEY,
        choices TEXT NOT NULL UNIQUE,
        recorded_at TEXT NOT NULL,
        data TEXT NOT NULL,
        symbol TEXT NOT NULL,
        interval TEXT NOT NULL,
        target TEXT NOT NULL,
        assets TEXT NOT NULL,
        profile BLOB NOT NULL
    ) STRICT""",
    *_append_only("begun", ("choices",), ("number",)),
    """CREATE TABLE ended (
        choices TEXT NOT NULL UNIQUE,
        recorded_at TEXT NOT NULL
    ) STRICT""",
    *_append_only("ended", ("choices",)),
    """CREATE TABLE sketches (
        data TEXT NOT NULL,
        symbol TEXT NOT NULL,
        sketch BLOB NOT NULL,
        UNIQUE (data, symbol)
    ) STRICT""",
    *_append_only("sketches", ("data", "symbol")),
)
BEGINS = (  # every begin and end of a study that has a token; `unended`: begins of its choices less ends, up to this row
    """CREATE TABLE begins (
        number INTEGER PRIMARY KEY,
        choices TEXT NOT NULL,
        token TEXT NOT NULL UNIQUE,
        recorded_at TEXT NOT NULL,
        unended INTEGER NOT NULL,
        UNIQUE (choices, number)
    ) STRICT""",
    *_append_only("begins", ("token",), ("number",)),
)
ADDED = (  # to a table of an older format
    "ALTER TABLE trials ADD COLUMN target TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN batch INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE trials ADD COLUMN profile BLOB NOT NULL DEFAULT x''",
)


def lacking(version: int) -> tuple[str, ...]:
    """The statements that bring a ledger of some format to the present one; 0 for an empty file."""
    own = {0: (*TRIALS, *SEARCHES), 1: (*ADDED, *SEARCHES), 2: ADDED}
    return (*own.get(version, ()), *(BEGUN if version < 4 else ()), *BEGINS)


@cache
def schema_of(version: int) -> frozenset[tuple[str, str, Words]]:
    """Type, name and tokens of every table and trigger in a ledger of that format."""
    trials, *triggers = TRIALS
    if version < 3:
        trials = re.sub(r",\s*target TEXT.*(?=\) STRICT)", "", trials, flags=re.DOTALL)
    later = (SEARCHES, 2), (BEGUN, 4), (BEGINS, 5)
    added = [each for statements, first in later if version >= first for each in statements]
    return frozenset(map(described, (trials, *triggers, *added)))


def header_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Format of the ledger, 0 for a database that is none, and number of its tables, indexes and triggers."""
    queries = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    application, version, objects = (int(connection.execute(query).fetchone()[0]) for query in queries)
    return (max(version, 0) if application == APPLICATION else 0), objects
