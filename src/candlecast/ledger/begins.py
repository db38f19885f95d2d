"""How often a study of code of the user's has begun and not ended: its code may read other parameters each time.

Choices and code name a study, but not what its code reads from a file, the environment or a module. So each begin is kept, by a
token of its own, and each end settles one begin. A few begins that never end are free, so that a study may be killed and run
again; each one beyond counts as a study of its own.
"""

from __future__ import annotations

import secrets
import sqlite3

from candlecast.ledger.trial import Begun

FREE = 2  # begins that never end, beside the one that a later end settles
INSERT = """INSERT INTO begins VALUES ((SELECT 1 + coalesce(max(number), 0) FROM begins), ?, ?, ?, ?)"""


def new_token() -> str:
    """The token of a begin."""
    return secrets.token_hex(16)


def count_begin(connection: sqlite3.Connection, study: Begun, now: str) -> Begun | None:
    """Write down a begin, in a transaction; the study that it counts as beside the first, None where it is free or known."""
    unended = 1 + _unended(connection, study.choices)
    inserted = connection.execute(INSERT, (study.choices, study.token, now, unended))
    if inserted.rowcount == 1:
        return study.repeated(unended - 1 - FREE) if unended > 1 + FREE else None
    if not connection.execute("SELECT 1 FROM begins WHERE token = ?", (study.token,)).fetchone():
        raise sqlite3.DatabaseError("a row cannot be added to begins")
    return None


def count_end(connection: sqlite3.Connection, choices: str, now: str) -> None:
    """Settle one begin of the choices, if there is any, in a transaction."""
    if unended := _unended(connection, choices):
        connection.execute(INSERT, (choices, new_token(), now, unended - 1))


def _unended(connection: sqlite3.Connection, choices: str) -> int:
    """Number of begins of the choices less that of their ends."""
    query = "SELECT unended FROM begins WHERE choices = ? ORDER BY number DESC LIMIT 1"
    row = connection.execute(query, (choices,)).fetchone()
    return int(row[0]) if row else 0
