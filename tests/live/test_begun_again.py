"""A session that was left at any moment, and begun again, has the journal of one that never was; and nothing is unexplained."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from candlecast.backtesting import Costs, Limits
from candlecast.errors import RunError
from candlecast.features import Features, log_return
from candlecast.ledger import Ledger
from candlecast.live import paper, reconcile
from candlecast.live.journal import ARRIVALS, read_journal
from candlecast.models import LinearRegression
from candlecast.sources import synthetic
from candlecast.sources.feed import Notice, Tape
from candlecast.study import Study
from paper_sessions import FIRST, Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


class KilledError(BaseException):
    """Ends a session between two of its steps."""


def script(candles, first, *, seed=0):
    """Times and batches: late and missing bars, revisions, notices, and batches in which nothing came for too long."""
    dice, row, found, hours = random.Random(seed), first, [], timedelta(hours=3)
    while row < len(candles):
        count = dice.choice((1, 1, 1, 2))
        bars = [
            seen(candles, each, delay=dice.choice((0, 0, 900))) for each in range(row, min(row + count, len(candles)))
        ]
        time = bars[-1].received_at
        found.append((time, bars))
        row += count
        kind = dice.random()
        if kind < 0.2:
            bar = seen(candles, min(row, len(candles)) - dice.choice((1, 3)))
            found.append((time, [replace(bar, close=bar.close * 1.001, high=bar.high * 1.01)]))
        elif kind < 0.4:
            found.append((time + hours, []))
            row += dice.choice((0, 2))
        elif kind < 0.5:
            found.append((time, [Notice("disconnected", time, "the stream broke off")]))
    return found


def feed_of(candles, timed, first):
    feed = Scripted(candles, [], at=candles.frame["close_time"][first - 1])

    def batches(since):
        for time, batch in timed:
            feed.at = time
            yield batch

    feed.batches = batches
    return feed


def test_left_after_any_batch(run, later, tmp_path):
    timed, limits = script(later, 420), Limits(price_band=0.02, max_position=0.8)
    whole, events = played(run, tmp_path / "whole", feed=feed_of(later, timed, 420), limits=limits)
    assert [e for e in events if e.kind == "limit" and "no bar has come" in e.text]
    assert [e for e in events if e.kind == "notice" and "revised" in e.text]
    for each in range(0, len(timed), 3):  # the session lives for three batches
        part = timed[each : each + 3]
        again, _ = played(run, tmp_path / "parts", feed=feed_of(later, part, 420), limits=limits)
    assert again.digest == whole.digest
    for name in ("whole", "parts"):
        assert set(reconcile(tmp_path / name).frame["unexplained"]) == {0.0}


def test_a_target_of_a_stale_feed_is_kept(run, later, tmp_path):
    """Between the limit that says flat and the next bar the session is left."""
    bars = [(seen(later, row).received_at, [seen(later, row)]) for row in range(420, 450)]
    held = played(run, tmp_path / "held", feed=feed_of(later, bars, 420))[1]
    place = next(n for n, event in enumerate(held) if n > 3 and event.position == held[n - 1].position != 0.0)
    silent = bars[place][0] + timedelta(hours=3)
    played(run, tmp_path / "s", feed=feed_of(later, [*bars[: place + 1], (silent, [])], 420))
    session, events = played(run, tmp_path / "s", feed=feed_of(later, bars[place + 1 :], 420))
    assert events[0].fills
    assert events[1].text == "ACTIVE again"
    assert reconcile(tmp_path / "s").unexplained == 0.0
    kinds = [(entry.kind, entry.content.get("state")) for entry in read_journal(tmp_path / "s")]
    assert kinds.count(("limit", "REDUCING")) == 1
    assert session.digest == read_journal(tmp_path / "s")[-1].digest


def test_what_was_received_and_not_acted_on_is_not_lost(run, later, tmp_path):
    """Revisions and notices too."""
    timed = script(later, 420, seed=1)
    whole, _ = played(run, tmp_path / "whole", feed=feed_of(later, timed, 420))
    for place, (_, batch) in enumerate(
        timed
    ):  # each is received by a session that dies of it, and acted on by the next
        session = paper(run, feed=feed_of(later, [timed[place]], 420), session=tmp_path / "s")
        acting = session.acting

        def dying(given, acting=acting, batch=batch):
            if given is batch and batch:
                raise KilledError
            return acting(given)

        session.acting = dying
        with suppress(KilledError):
            list(session)
    again, _ = played(run, tmp_path / "s", feed=feed_of(later, [], 420))
    assert again.digest == whole.digest


@pytest.mark.parametrize("count", [39, 40, 41])
def test_a_training_that_was_due_is_not_lost(run, tmp_path, count):
    whole, _ = played(run, tmp_path / "whole", refit="40h")
    session = paper(run, feed=Tape(run.candles[FIRST:], together=1), session=tmp_path / "s", refit="40h")
    for number, _ in enumerate(session, start=1):
        if number == count:
            break
    session.close()
    again, _ = played(run, tmp_path / "s", refit="40h")
    assert again.digest == whole.digest


def test_bars_beyond_the_end_are_still_as_they_were_received(run, later, tmp_path):
    batch = [seen(later, row, delay=900.0) for row in range(420, 424)]
    timed = [(batch[-1].received_at, batch)]
    until = later.frame["close_time"][421]
    played(run, tmp_path / "s", feed=feed_of(later, timed, 420), until=until)
    _, events = played(run, tmp_path / "s", feed=feed_of(later, [], 420))
    assert [event.bar.received_at for event in events] == [bar.received_at for bar in batch[2:]]


def test_nothing_is_unexplained_however_large_the_account(tmp_path):
    """The sum is exact in an account that grows to any size, and after each time that it was read back."""
    candles = replace(synthetic.ar1(700, seed=3, phi=0.97, volatility=0.05, interval="1h").candles, symbol="AR1")
    study = Study(model=LinearRegression(), features=Features(log_return()), baselines=(), costs=Costs())
    result = study.run(candles[:400], ledger=Ledger.in_memory())
    timed = script(candles, 400)
    for first in range(0, len(timed), 40):
        session, _ = played(result, tmp_path / "s", feed=feed_of(candles, timed[first : first + 40], 400))
    assert session.equity > 1e16
    found = reconcile(tmp_path / "s", run=result)
    assert set(found.frame["unexplained"]) == {0.0}
    assert len(found.differences) > 50


def test_a_damaged_tape_is_refused(run, later, tmp_path):
    played(run, tmp_path / "s", feed=feed_of(later, [(later.frame["close_time"][420], [seen(later, 420)])], 420))
    with sqlite3.connect(tmp_path / "s" / ARRIVALS) as connection:
        connection.execute("UPDATE arrivals SET content = '{' WHERE kind = 'bar'")
    connection.close()
    with pytest.raises(RunError, match=r"tape.sqlite is damaged"):
        played(run, tmp_path / "s", feed=feed_of(later, [], 420))


def test_a_tape_without_marks_of_its_batches_is_read(run, later, tmp_path):
    """As sessions wrote it that noted each bar alone."""
    timed = [(seen(later, row).received_at, [seen(later, row)]) for row in range(420, 425)]
    whole, _ = played(run, tmp_path / "whole", feed=feed_of(later, timed, 420))
    played(run, tmp_path / "s", feed=feed_of(later, timed[:3], 420))
    with sqlite3.connect(tmp_path / "s" / ARRIVALS) as connection:
        connection.execute("DELETE FROM arrivals WHERE kind = 'batch'")
        (text,) = connection.execute("SELECT content FROM arrivals ORDER BY number DESC LIMIT 1").fetchone()
        following = json.loads(text) | {
            "open_time": timed[3][1][0].open_time.isoformat(),
            "received_at": timed[3][0].isoformat(),
            **dict(zip(("open", "high", "low", "close", "volume"), timed[3][1][0].values, strict=True)),
        }
        connection.execute(
            "INSERT INTO arrivals (written_at, kind, content) VALUES ('2025', 'bar', ?)", (json.dumps(following),)
        )
    connection.close()
    again, _ = played(run, tmp_path / "s", feed=feed_of(later, timed[4:], 420))
    assert again.digest == whole.digest
