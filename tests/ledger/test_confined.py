"""Ledgers that anybody may have made: nothing in them runs, and reading them ends."""

from __future__ import annotations

import os
import sqlite3
import sys
import zlib
from contextlib import closing

import numpy as np
import pytest

from candlecast.disk.confined import Inflater, bounded_rows
from candlecast.errors import RunError
from candlecast.ledger import Begun, Ledger, Trial, trials as trials_of_ledgers
from candlecast.ledger.schema import BEGUN, TRIALS
from candlecast.ledger.sketch import sketch_of
from candlecast.ledger.trials import GROWTH

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
HOLD = TRIALS[-1]


def trial(seed=0):
    times = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    returns = 0.01 * np.random.default_rng(seed).standard_normal(50)
    return Trial("d1", {"seed": seed}, "0.1", "BTCUSDT", "1d", "a", 365.0, times, returns)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record_all([trial(0), trial(1)])
    return ledger


def change(ledger, *statements):
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


PROGRAMS = {
    "view": [f"CREATE VIEW more AS {ENDLESS} FROM n"],
    "view instead of the table": [
        *(f"DROP TRIGGER trials_{name}" for name in ("once", "stay", "hold")),
        "ALTER TABLE trials RENAME TO kept",
        f"CREATE VIEW trials AS {ENDLESS} AS number, 1 AS batch, '' AS identity FROM n",
    ],
    "trigger": ["CREATE TRIGGER more AFTER INSERT ON trials BEGIN DELETE FROM searches; END"],
    "changed trigger": ["DROP TRIGGER trials_hold", HOLD.replace("RAISE(ABORT, 'the ledger is append-only')", "1")],
    "index": ["CREATE INDEX more ON trials (abs(number))"],
    "table": ["CREATE TABLE more (a DEFAULT (randomblob(9)))"],
    "column": ["ALTER TABLE searches ADD COLUMN more TEXT AS (hex(symbol))"],
    "nothing to hold": ["DROP TRIGGER trials_stay"],
    "no searches": ["DROP TABLE searches"],
    "statistics": ["ANALYZE"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_not_of_candlecast_is_refused(name, ledger):
    change(ledger, *PROGRAMS[name])
    for use in (ledger.count, ledger.entries, ledger.trials, ledger.require_writable, lambda: ledger.record(trial(2))):
        with pytest.raises(RunError, match="is damaged .it (holds the|lacks the)"):
            use()


def packed_zeros(mebibytes):
    """The beginning of a packed file of so many MiB, of which each is packed alike."""
    packer = zlib.compressobj(9)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + (mebibytes - 1) * again


VALUES = {
    "type of number": ("profile", "'text'", "values of another type|cannot store TEXT"),
    "too many times": ("times", f"x'{packed_zeros(512).hex()}'", "far more memory than its file"),
    "other times": ("times", f"x'{zlib.compress(bytes(8 * 49)).hex()}'", "a trial of 49 times and 50 returns"),
    "half a time": ("times", f"x'{zlib.compress(bytes(7)).hex()}'", "buffer size"),
    "cut off": ("returns", f"x'{zlib.compress(bytes(200))[:-3].hex()}'", "cut off"),
    "nothing packed": ("returns", "x'000102'", "incorrect header"),
    "odd profile": ("profile", f"x'{'00' * 24}'", "no profile"),
    "odd values": ("profile", f"x'{np.array([1, 0, 1], '<i8').tobytes().hex()}{'0000c07f' * 3}'", "cannot be"),
    "far away": ("profile", f"x'{np.array([1 << 40, 1 << 40, 1], '<i8').tobytes().hex()}{'00' * 12}'", "cannot be"),
    "no JSON": ("study", "'['", "Expecting value"),
    "deep JSON": ("study", f"'{'[' * 100_000}'", "recursion"),
    "no interval": ("interval", "'odd'", "is not a candle length"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_that_cannot_be_are_said(name, ledger):
    column, value, message = VALUES[name]
    statements = ["PRAGMA ignore_check_constraints = ON", "DROP TRIGGER trials_hold"]
    if column == "interval":
        statements.append("UPDATE trials SET profile = x''")  # as before there were any: made of the returns
    if name == "type of number":
        statements += ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = replace(sql, ') STRICT', ')')"]
    change(ledger, *statements)
    change(ledger, f"UPDATE trials SET {column} = {value}", HOLD)
    if name == "type of number":
        back = "UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        change(ledger, "PRAGMA writable_schema = ON", back)
    with pytest.raises(RunError, match=rf"is damaged \(.*({message})"):
        assert ledger.entries() and ledger.trials()
    assert ledger.count() == 2


OF_BEGUN = {
    "odd profile": ("begun", "profile", f"x'{'00' * 24}'", "no profile"),
    "no list": ("begun", "assets", "'['", "Expecting value"),
    "no sketch": ("sketches", "sketch", "x'0001'", "no sketch"),
    "times that fall": ("sketches", "sketch", f"x'{np.array([2, 1], '<i8').tobytes().hex()}{'00' * 8}'", "cannot be"),
    "no number": ("sketches", "sketch", f"x'{'00' * 8}0000c07f'", "cannot be"),
    "long sketch": ("sketches", "sketch", f"x'{'00' * 12 * 129}'", "no sketch"),
}


@pytest.mark.parametrize("name", OF_BEGUN)
def test_values_of_begun_studies_that_cannot_be_are_said(name, ledger):
    table, column, value, message = OF_BEGUN[name]
    times = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    sketch = sketch_of(times, np.linspace(1.0, 2.0, 50))
    ledger.begin([Begun("d1", {}, "BTCUSDT", "1d", "return", times, np.ones(50), {"BTCUSDT": sketch})])
    assert ledger.entries()[-1].is_open
    hold = next(each for each in BEGUN if f"TRIGGER {table}_hold" in each)
    change(ledger, f"DROP TRIGGER {table}_hold", f"UPDATE {table} SET {column} = {value}", hold)
    with pytest.raises(RunError, match=rf"is damaged \(.*({message})"):
        ledger.entries()
    assert ledger.count() == 2


@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")
@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_regular_files_are_opened(end, kind, tmp_path):
    (tmp_path / "mine").write_text("precious")
    ledger = Ledger(tmp_path / "runs")
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / f"ledger.sqlite{end}"
    path.symlink_to(tmp_path / "mine") if kind == "link" else os.mkfifo(path)
    with pytest.raises(RunError, match="cannot be written or read .it is not a regular file"):
        ledger.record(trial())
    if not end:
        with pytest.raises(RunError, match="not a regular file"):
            ledger.count()
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_ledger_of_any_format_is_known(ledger):
    """Whatever SQLite makes of the text of a table whose columns were added later."""
    change(
        ledger, *(f"DROP TABLE {name}" for name in ("begun", "ended", "sketches", "begins")), "PRAGMA user_version = 3"
    )
    assert ledger.count() == 2 and len(ledger.entries()) == 2
    change(ledger, *(f"DROP TABLE {name}" for name in ("begun", "ended", "sketches", "begins")))
    for column in ("target", "batch", "profile"):
        change(ledger, f"ALTER TABLE trials DROP COLUMN {column}")
    change(ledger, "DROP TABLE searches", "PRAGMA user_version = 1")
    assert ledger.count() == 2 and [entry.batch for entry in ledger.entries()] == [1, 2]
    assert ledger.record(trial(2)) and ledger.count() == 3
    change(ledger, "DROP TABLE begins", "PRAGMA user_version = 4")
    assert ledger.count() == 3 and len(ledger.entries()) == 3


def test_reading_ends():
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(sqlite3.DatabaseError, match="does not end"):
            list(bounded_rows(connection, f"SELECT max(i) FROM ({ENDLESS} FROM n)", (int,), most=10))
        with pytest.raises(sqlite3.DatabaseError, match="gives more than it holds"):
            list(bounded_rows(connection, f"SELECT 'text' FROM ({ENDLESS} FROM n)", (str,), most=100))
        with pytest.raises(sqlite3.DatabaseError, match="another type"):
            list(bounded_rows(connection, "SELECT 1", (str,), most=None))
        assert list(bounded_rows(connection, "SELECT 1, 'a'", (int, str), most=1)) == [(1, "a")]
        assert list(bounded_rows(connection, "SELECT ?", (str,), ["a'b"], most=3)) == [("a'b",)]


def test_every_reading_of_a_ledger_is_limited_by_its_size(ledger, monkeypatch):
    limits = []

    def noted(*given, most):
        limits.append(most)
        return bounded_rows(*given, most=most)

    monkeypatch.setattr(trials_of_ledgers, "bounded_rows", noted)
    assert ledger.count() == len(ledger.entries()) == len(ledger.trials())
    size = ledger.path.stat().st_size
    assert len(limits) == 8 and all(size <= most <= size + (1 << 20) + GROWTH for most in limits)


def test_inflation_is_limited_in_all():
    packed = zlib.compress(bytes(1_000))
    inflater = Inflater(2_500)
    assert [len(inflater(packed)) for _ in range(2)] == [1_000, 1_000]
    with pytest.raises(ValueError, match="far more memory"):
        inflater(packed)
    assert len(Inflater(None)(packed)) == 1_000
    with pytest.raises(zlib.error):
        Inflater(5_000)(packed[:-1])


def test_damaged_text_in_a_message_of_sqlite_is_said(ledger):
    """SQLite quotes what it cannot read of the schema, as the bytes that are there."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = ledger.path.read_bytes()
    place = content.index(b"searches_hold BEFORE")
    ledger.path.write_bytes(content[:place] + b"\xff\xfe(" + content[place + 3 :])
    with pytest.raises(RunError, match="is damaged"):
        ledger.count()
