"""The tables of a ledger, in each format that was ever written, and the triggers that let nobody change them."""

from __future__ import annotations

import re
import sqlite3
from functools import cache

from candlecast.disk.confined import Words, described

# 1 kept no searches, 2 neither targets nor batches nor profiles, 3 neither begun studies nor sketches of assets, 4 no begins
FORMAT = 5
APPLICATION = 0x43434C47  # "CCLG" in the header of the file: a ledger of candlecast
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
    # also against INSERT OR REPLACE, which deletes rows without firing triggers
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
    """CREATE TRIGGER begun_once BEFORE INSERT ON begun
        WHEN EXISTS (SELECT 1 FROM begun WHERE choices = NEW.choices OR number = NEW.number)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER begun_stay BEFORE DELETE ON begun
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER begun_hold BEFORE UPDATE ON begun
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TABLE ended (
        choices TEXT NOT NULL UNIQUE,
        recorded_at TEXT NOT NULL
    ) STRICT""",
    """CREATE TRIGGER ended_once BEFORE INSERT ON ended
        WHEN EXISTS (SELECT 1 FROM ended WHERE choices = NEW.choices)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER ended_stay BEFORE DELETE ON ended
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER ended_hold BEFORE UPDATE ON ended
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TABLE sketches (
        data TEXT NOT NULL,
        symbol TEXT NOT NULL,
        sketch BLOB NOT NULL,
        UNIQUE (data, symbol)
    ) STRICT""",
    """CREATE TRIGGER sketches_once BEFORE INSERT ON sketches
        WHEN EXISTS (SELECT 1 FROM sketches WHERE data = NEW.data AND symbol = NEW.symbol)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER sketches_stay BEFORE DELETE ON sketches
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER sketches_hold BEFORE UPDATE ON sketches
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
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
    """CREATE TRIGGER begins_once BEFORE INSERT ON begins
        WHEN EXISTS (SELECT 1 FROM begins WHERE token = NEW.token OR number = NEW.number)
        BEGIN SELECT RAISE(IGNORE); END""",
    """CREATE TRIGGER begins_stay BEFORE DELETE ON begins
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER begins_hold BEFORE UPDATE ON begins
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
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
