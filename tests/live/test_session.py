"""A paper session: equal to the backtest, whole after a kill, and what it says about feeds that go wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from candlecast.backtesting import Limits
from candlecast.errors import ConfigError, RunError
from candlecast.ledger import Ledger
from candlecast.live import limited_backtest, paper
from candlecast.live.journal import FORMAT, read_journal
from candlecast.sources.feed import Notice, Tape
from paper_sessions import FIRST, Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


def first_test_row(run):
    start = run.forecast.frame["time"].dt.replace_time_zone(None).min()
    return int(np.searchsorted(run.candles.close_time, np.datetime64(start)))


@pytest.mark.parametrize("together", [1, 17, 256])
def test_paper_on_a_tape_of_the_run_is_its_backtest(run, tmp_path, together):
    first = first_test_row(run)
    _, events = played(run, tmp_path / "s", feed=Tape(run.candles[first:], together=together))
    bars, table, fills = [e for e in events if e.kind == "bar"], run.backtest.equity, run.backtest.fills
    assert [e.equity for e in bars] == table["equity"].to_list()
    assert [e.time for e in bars] == table["time"].to_list()
    made = [fill for e in bars for fill in e.fills]
    assert [abs(units) for units, *_ in made] == fills["units"].to_list()
    assert [price for _, price, *_ in made] == fills["price"].to_list()
    decided = run.positions[run.model].frame["position"].to_list()
    assert [e.position for e in bars] == decided


def test_the_journal_does_not_depend_on_how_bars_came_together(run, tmp_path):
    digests = set()
    for together in (1, 5, 256):
        session, _ = played(run, tmp_path / str(together), feed=Tape(run.candles[FIRST:], together=together))
        digests.add(session.digest)
    assert len(digests) == 1
    assert digests == {read_journal(tmp_path / "1")[-1].digest}


def test_a_session_left_anywhere_continues_to_the_same_bytes(run, tmp_path):
    whole, _ = played(run, tmp_path / "whole")
    for count in (1, 2, 60, 159):
        folder = tmp_path / str(count)
        session = paper(run, feed=Tape(run.candles[FIRST:], together=1), session=folder)
        for number, _ in enumerate(session, start=1):
            if number == count:
                break
        session.close()
        again, rest = played(run, folder, feed=Tape(run.candles[FIRST:], together=7))
        assert len([e for e in rest if e.kind == "bar"]) == len(run.candles) - FIRST - count
        assert again.digest == whole.digest


KILLED = """
import sys
from pathlib import Path
import candlecast as cc
from candlecast.live import journal
count = int(sys.argv[3])
where = sys.argv[4]
def dying(owner, name, after):
    original, calls = getattr(owner, name), [0]
    def call(*args, **kwargs):
        calls[0] += 1
        if calls[0] == count and not after:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        found = original(*args, **kwargs)
        if calls[0] == count and after:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(owner, name, call)
owner = journal.Journal if where.startswith("append") else journal.Arrivals
dying(owner, where.split("-")[0], where.endswith("after"))
run = cc.load_run(sys.argv[1])
feed = cc.Tape(run.candles[int(sys.argv[5]):], together=3)
for event in cc.paper(run, feed=feed, session=sys.argv[2]): pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(("count", "where"), [(4, "append-before"), (5, "append-after"), (3, "write-after")])
def test_killed_by_the_system_it_continues_to_the_same_bytes(run, tmp_path, count, where):
    whole, _ = played(run, tmp_path / "whole")
    words = [sys.executable, "-c", KILLED, str(run.folder), str(tmp_path / "s"), str(count), where, str(FIRST)]
    done = subprocess.run(
        words, check=False, capture_output=True, timeout=120, env=os.environ | {"PYTHONHASHSEED": "0"}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    again, _ = played(run, tmp_path / "s")
    assert again.digest == whole.digest


def test_bars_missed_since_the_run_are_history_and_not_traded(run, later, tmp_path):
    feed = Scripted(later, [[seen(later, row) for row in range(420, 430)], [seen(later, 430)], [seen(later, 431)]])
    feed.at = later.frame["close_time"][429]
    _, events = played(run, tmp_path / "s", feed=feed)
    assert [e.is_live for e in events if e.kind == "bar"] == [False] * 10 + [True] * 2
    assert not [fill for e in events[:11] for fill in e.fills]


def test_revised_late_missing_and_impossible_bars_are_said_and_not_traded(run, later, tmp_path):
    good = seen(later, 421)
    revised = replace(good, close=good.close * 1.01, high=good.high * 1.02)
    bad = seen(later, 425, low=-1.0)
    feed = Scripted(
        later,
        [
            [seen(later, 420), good],
            [good],
            [revised],
            [seen(later, 424)],
            [seen(later, 422)],
            [bad],
            [seen(later, 426)],
        ],
        at=later.frame["close_time"][419],
    )
    _, events = played(run, tmp_path / "s", feed=feed)
    notices = [e.text for e in events if e.kind == "notice"]
    assert len(notices) == 5
    assert "was revised after it was traded" in notices[0]
    assert "2 bars are missing before" in notices[1]
    assert "came after later ones" in notices[2]
    assert "a price is not above 0" in notices[3]
    assert "1 bar is missing before" in notices[4]
    assert len([e for e in events if e.kind == "bar"]) == 4


def test_an_order_decided_too_late_is_not_filled_at_an_open_that_had_gone_by(run, later, tmp_path):
    def orders(delay):
        bars = [[seen(later, row, delay=delay if row == slow else 0.0)] for row in range(420, 450)]
        _, events = played(run, tmp_path / f"s{delay}", feed=Scripted(later, bars, at=later.frame["close_time"][419]))
        return [e for e in events if e.kind == "bar"]

    slow = -1
    prompt = orders(0.0)
    slow = next(420 + n for n, e in enumerate(prompt[:-2]) if prompt[n + 1].fills)
    late = orders(3_000.0)
    place = slow - 420
    assert prompt[place + 1].fills and not late[place + 1].fills
    assert "decided too late for the next open" in late[place].text
    assert late[place + 2].fills or late[place + 1].position == late[place - 1].position


def test_a_feed_that_says_nothing_leads_to_flat(run, later, tmp_path):
    feed = Scripted(later, [[seen(later, 420)], [seen(later, 421)], [], [], [seen(later, 425)], [seen(later, 426)]])
    feed.at = later.frame["close_time"][419]

    def batches(since):
        for batch in feed.given:
            feed.at = batch[-1].received_at if batch else later.frame["close_time"][424]
            yield batch

    feed.batches = batches
    _, events = played(run, tmp_path / "s", feed=feed)
    limits = [e.text for e in events if e.kind == "limit"]
    assert limits[0] == "REDUCING: no bar has come for 2 intervals; flat from the next open on"
    assert limits[1] == "ACTIVE again"
    assert len(limits) == 2


def test_limits_halt_a_session_and_it_stays_halted_until_resumed(run, tmp_path):
    limits = Limits(drawdown=0.01, max_position=0.5)
    _, events = played(run, tmp_path / "s", limits=limits, until=run.candles.frame["close_time"][400])
    bars = [e for e in events if e.kind == "bar"]
    assert max(abs(e.position or 0.0) for e in bars) == 0.5
    halted = next(n for n, e in enumerate(bars) if e.state == "HALTED")
    assert all(e.position == 0.0 for e in bars[halted:] if e.position is not None)
    session = paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s", limits=limits)
    assert session.state.state == "HALTED"
    session.close()
    session = paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s", limits=limits, resume=True)
    assert session.state.state == "ACTIVE"
    session.close()


def test_training_anew_is_swapped_in_written_down_and_read_back(run, tmp_path):
    whole, events = played(run, tmp_path / "whole", refit="40h")
    assert len([e for e in events if e.kind == "refit"]) == 3
    folds = [e.content["forecast"]["fold"] for e in read_journal(tmp_path / "whole") if e.kind == "bar"]
    assert sorted(set(folds)) == [0, 1, 2, 3, 4][min(folds) :]
    session = paper(run, feed=Tape(run.candles[FIRST:], together=1), session=tmp_path / "s", refit="40h")
    for number, _ in enumerate(session):
        if number == 100:
            break
    session.close()
    again, _ = played(run, tmp_path / "s", refit="40h")
    assert again.digest == whole.digest


def test_a_session_of_another_run_or_feed_is_refused(run, tmp_path):
    played(run, tmp_path / "s", until=run.candles.frame["close_time"][300])
    other = replace(run, cash=5.0)
    with pytest.raises(RunError, match="is a session with another cash"):
        paper(other, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s", cash=5.0)
    with pytest.raises(ConfigError, match="the feed brings other 1h"):
        paper(run, feed=Tape(replace(run.candles[FIRST:], symbol="other")), session=tmp_path / "t")
    with pytest.raises(ConfigError, match="some bars of the run before it"):
        paper(run, feed=Tape(run.candles), session=tmp_path / "u")
    with pytest.raises(ConfigError, match="a feed of closed bars"):
        paper(run, feed=run.candles, session=tmp_path / "v")


def test_one_process_for_each_session(run, tmp_path):
    session = paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
    with pytest.raises(RunError, match="is running already"):
        paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
    session.close()


def test_a_damaged_or_newer_journal_is_refused_and_stays_as_it_is(run, tmp_path):
    played(run, tmp_path / "s", until=run.candles.frame["close_time"][300])
    path = tmp_path / "s" / "journal.sqlite"
    content = path.read_bytes()
    with sqlite3.connect(path) as connection:
        for name in ("entries_hold", "entries_stay"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE entries SET content = replace(content, '10000.0', '20000.0') WHERE number = 5")
    connection.close()
    with pytest.raises(RunError, match="is damaged"):
        paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
    path.write_bytes(content)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(RunError, match="was written by a newer candlecast"):
        paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
    path.write_bytes(content)
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM entries")
    connection.close()


def test_alerts_are_told_and_one_that_fails_stops_nothing(run, tmp_path):
    told = []

    def failing(event):
        raise OSError

    _, events = played(run, tmp_path / "s", alerts=[failing, told.append])
    assert told == [e for e in events if e.kind != "bar" or e.fills]


def test_notices_of_the_feed_are_passed_on(run, later, tmp_path):
    notice = Notice("disconnected", later.frame["close_time"][420], "the stream broke off")
    feed = Scripted(later, [[seen(later, 420)], [notice]], at=later.frame["close_time"][419])
    _, events = played(run, tmp_path / "s", feed=feed)
    assert events[-1].text == "the stream broke off"


def test_results_of_a_ledger_in_memory_have_a_session_too(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = replace(run, folder=None, ledger=Ledger.in_memory())
    session = paper(result, feed=Tape(run.candles[400:]))
    assert session.folder.parent.name == "paper"
    list(session)


def test_the_same_limits_stand_in_a_backtest(run, tmp_path):
    first = first_test_row(run)
    limits = Limits(drawdown=0.02, max_position=0.7, price_band=0.03)
    _, events = played(run, tmp_path / "s", feed=Tape(run.candles[first:]), limits=limits)
    found = limited_backtest(run.candles, run.positions, limits=limits, costs=run.costs, cash=run.cash)
    assert [e.equity for e in events if e.kind == "bar"] == found.equity["equity"].to_list()
    free = limited_backtest(run.candles, run.positions, limits=Limits(), costs=run.costs, cash=run.cash)
    assert free.equity.equals(run.backtest.equity)
    assert free.fills.equals(run.backtest.fills)
