"""The rows of a ledger: how trials and begun studies are written in a transaction, and how they are read."""

from __future__ import annotations

import json
import sqlite3
import zlib
from datetime import UTC, datetime
from typing import Any

import numpy as np

from candlecast.disk.confined import Inflater
from candlecast.ledger.begins import count_begin, count_end
from candlecast.ledger.profile import Profile
from candlecast.ledger.trial import Begun, Searched, Trial

NEXT = """SELECT 1 + max(coalesce((SELECT max(number) FROM trials), 0), coalesce((SELECT max(number) FROM begun), 0))"""
COLUMNS = "data, code, study, symbol, interval, model, bars_per_year, times, returns, target, profile"


def insert(connection: sqlite3.Connection, trial: Trial, batch: int) -> bool:
    """Write one trial and its searches; False if it is there already."""
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
        f"INSERT INTO trials (number, identity, recorded_at, batch, {COLUMNS}) VALUES (({NEXT}), {places})",
        (trial.identity, now, batch, *values),
    )
    is_new = inserted.rowcount == 1
    if not is_new:
        _require_known(connection, "trials", "identity", trial.identity)
    connection.execute("INSERT INTO ended VALUES (?, ?)", (trial.choices, now))
    count_end(connection, trial.choices, now)
    _insert_sketches(connection, trial)
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
    return is_new


def _require_known(connection: sqlite3.Connection, table: str, column: str, value: str) -> None:
    """Raise DatabaseError unless the table has such a row: one that was not written, and is not there, is of a damaged file."""
    if not connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (value,)).fetchone():
        raise sqlite3.DatabaseError(f"a row cannot be added to {table}")


def insert_begun(connection: sqlite3.Connection, study: Begun) -> None:
    """Write that a study has begun, and that it did so once more, if that counts."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if study.token and (further := count_begin(connection, study, now)):
        insert_begun(connection, further)
    kind = study.symbol, study.interval, study.target, json.dumps(study.assets)
    inserted = connection.execute(
        f"INSERT INTO begun VALUES (({NEXT}), ?, ?, ?, ?, ?, ?, ?, ?)",
        (study.choices, now, study.data, *kind, study.outline.pack()),
    )
    if inserted.rowcount != 1:
        _require_known(connection, "begun", "choices", study.choices)
    _insert_sketches(connection, study)


def _insert_sketches(connection: sqlite3.Connection, study: Trial | Begun) -> None:
    rows = [(study.data, symbol, sketch.pack()) for symbol, sketch in study.sketches.items()]
    connection.executemany("INSERT INTO sketches VALUES (?, ?, ?)", rows)


def profile_in(content: bytes, trial: Trial | None) -> Profile:
    """A stored profile, or that of the returns of a trial without one, of an older format. Raises ValueError."""
    return Profile.unpack(content) if content or trial is None else trial.outline


def _pack_times(times: np.ndarray) -> bytes:
    """Microseconds since 1970, as the first value and differences: a regular grid compresses to almost nothing."""
    return zlib.compress(np.diff(times.astype("datetime64[us]").astype("<i8"), prepend=np.int64(0)).tobytes())


def _pack_returns(returns: np.ndarray) -> bytes:
    """float32, grouped by byte position, which compresses better."""
    return zlib.compress(returns.astype("<f4").view(np.uint8).reshape(-1, 4).T.tobytes())


def trial_in(identity: str, row: list[Any], searches: tuple[Searched, ...], inflater: Inflater) -> Trial:
    """The trial of a row of `COLUMNS`, with what was searched to find it. Raises ValueError, zlib.error."""
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
        profile=Profile.unpack(profile) if profile else None,
        recorded_as=identity,
    )
