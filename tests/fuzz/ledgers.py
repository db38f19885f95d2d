"""Ledgers that were damaged by chance, or made up: bytes, pages, values, programs, and other files in their place."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from candlecast.disk.files import is_regular
from candlecast.ledger.schema import TRIALS

PAGE = 4_096  # bytes
SIDES = ("-wal", "-journal", "-shm")  # files that SQLite keeps beside a database
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
VALUES = (
    "x'00'", "zeroblob(100000)", "''", "'['", "NULL", "-1", "1e300", "x'789c030000000001'", "9223372036854775807", "'1d'",
    "char(27) || '[2J'", "'\"' || hex(zeroblob(300))", "'[' || replace(hex(zeroblob(40000)), '0', '[')", "1e999", "'{}'", "x'ff'",
)  # fmt: skip
COLUMNS = {
    "trials": (
        "number", "identity", "recorded_at", "data", "code", "study", "symbol", "interval", "model", "bars_per_year", "times",
        "returns", "target", "batch", "profile",
    ),
    "searches": ("identity", "recorded_at", "symbol", "fold", "number", "parameters", "error", "is_chosen"),
}  # fmt: skip


def mutate(path: Path, dice: random.Random) -> object:
    """Change the ledger at `path` in one of many ways; says how."""
    if not path.is_file() or path.is_symlink():
        return "no ledger"
    way = dice.choice([_bytes, _bytes, _pages, _cells, _length, _value, _value, _program, _header, _beside, _replaced])
    return way.__name__, way(path, dice)


def _bytes(path: Path, dice: random.Random) -> object:
    content = bytearray(path.read_bytes())
    most = min(len(content), dice.choice([100, 5_000, len(content)]))
    count = dice.choice([1, 5, 50, 500])
    for _ in range(count if content else 0):
        content[dice.randrange(most)] = dice.randrange(256)
    path.write_bytes(content)
    return count, most


def _pages(path: Path, dice: random.Random) -> object:
    """A page over another one, or of nothing: pages that lead to each other in a circle."""
    content = bytearray(path.read_bytes())
    count = max(len(content) // PAGE, 1)
    one, other = dice.randrange(count) * PAGE, dice.randrange(count) * PAGE
    content[one : one + PAGE] = content[other : other + PAGE] if dice.random() < 0.8 else bytes(PAGE)
    path.write_bytes(content)
    return one // PAGE, other // PAGE


def _cells(path: Path, dice: random.Random) -> object:
    """The first bytes of pages: their kind, the number of their cells, and where these are."""
    content = bytearray(path.read_bytes())
    found = []
    for _ in range(dice.choice([1, 2, 6])):
        at = dice.randrange(max(len(content) // PAGE, 1)) * PAGE
        at += dice.randrange(24) + (100 if at == 0 else 0)
        if at < len(content):
            content[at] = dice.choice([0, 1, 2, 5, 10, 13, 127, 128, 255])
            found.append(at)
    path.write_bytes(content)
    return found


def _length(path: Path, dice: random.Random) -> object:
    content = path.read_bytes()
    kind = dice.choice(["cut", "more", "double", "empty"])
    kept = {
        "cut": content[: dice.randrange(len(content) + 1)],
        "more": content + dice.randbytes(dice.choice([1, 512, PAGE])),
        "double": content * 2,
        "empty": b"",
    }
    path.write_bytes(kept[kind])
    return kind


def _value(path: Path, dice: random.Random) -> object:
    table = dice.choice([*COLUMNS, "trials"])
    column, value = dice.choice(COLUMNS[table]), dice.choice(VALUES)
    where = dice.choice(["", f" WHERE rowid = {dice.randrange(1, 5)}"])
    statements = ["DROP TRIGGER trials_hold", f"UPDATE {table} SET {column} = {value}{where}", TRIALS[-1]]
    return _executed(path, statements[: dice.choice([2, 3, 3, 3])])


def _program(path: Path, dice: random.Random) -> object:
    return _executed(
        path,
        dice.choice(
            [
                [f"CREATE VIEW more AS {ENDLESS} FROM n"],
                ["ALTER TABLE trials RENAME TO kept", f"CREATE VIEW trials AS {ENDLESS}, * FROM n, kept"],
                ["CREATE TRIGGER more AFTER INSERT ON trials BEGIN DELETE FROM searches; END"],
                ["CREATE TABLE other (a)"],
                ["CREATE INDEX more ON trials (abs(number))"],
                ["CREATE VIRTUAL TABLE more USING fts5(a)"],
                ["ALTER TABLE searches ADD COLUMN more TEXT AS (hex(symbol))"],
                ["DROP TABLE searches"],
                ["ANALYZE"],
                ["VACUUM"],
                ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET rootpage = 2"],
                ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = replace(sql, 'TEXT', 'BLOB')"],
                ["PRAGMA encoding = 'UTF-16'", "VACUUM"],
                ["PRAGMA page_size = 512", "PRAGMA journal_mode = DELETE", "VACUUM"],
            ]
        ),
    )


def _header(path: Path, dice: random.Random) -> object:
    return _executed(
        path, [f"PRAGMA {dice.choice(['user_version', 'application_id'])} = {dice.choice([0, 1, 2, 7, 99, -1])}"]
    )


def _beside(path: Path, dice: random.Random) -> object:
    """A file beside the ledger that SQLite would take up: of chance, of the ledger's own bytes, or no file at all."""
    side = path.with_name(path.name + dice.choice(SIDES))
    if side.is_dir():
        return "a folder is there"
    side.unlink(missing_ok=True)
    kind = dice.choice(["chance", "ledger", "header", "folder", "link", "pipe"])
    if kind == "chance":
        side.write_bytes(dice.randbytes(dice.choice([0, 31, 32, 4_000])))
    elif kind == "ledger":
        side.write_bytes(path.read_bytes())
    elif kind == "header":
        side.write_bytes(bytes.fromhex("377f0682002de21800001000") + dice.randbytes(5_000))  # of a write-ahead log
    else:
        _made(side, kind)
    return side.name, kind


def _replaced(path: Path, dice: random.Random) -> object:
    path.unlink()
    kind = dice.choice(["folder", "link", "pipe", "text", "chance"])
    if kind == "text":
        path.write_bytes(b"time,open,high,low,close\n" * 50)
    elif kind == "chance":
        path.write_bytes(b"SQLite format 3\0" + dice.randbytes(8_000))
    else:
        _made(path, kind)
    return kind


def _made(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)


def _executed(path: Path, statements: list[str]) -> object:
    """Execute statements, as far as the ledger allows it."""
    if any(
        os.path.lexists(side) and not is_regular(side) for side in (path.with_name(path.name + end) for end in SIDES)
    ):
        return "something else lies beside it"  # opening a pipe never ends
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in statements:
                connection.execute(statement)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        return str(error)
    return statements
