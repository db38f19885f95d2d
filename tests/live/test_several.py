"""Several runs in one process: each as if it were alone, one feed for the same bars, one call for nets of one shape."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

import candlecast.fleet.carrying as carrying
from candlecast.errors import ConfigError, RunError
from candlecast.live import PaperSession, PaperSessions, paper
from candlecast.live.journal import read_journal
from candlecast.live.session import STOP
from candlecast.sources.feed import Tape
from paper_sessions import FIRST, Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


@pytest.fixture
def other(run):
    """The same study on another symbol."""
    tensors = {key.replace("AR1", "AR2"): values for key, values in run.tensors.items()}
    return replace(run, candles=replace(run.candles, symbol="AR2"), tensors=tensors, folder=None)


def tape(result, first=FIRST, **options):
    return Tape(result.candles[first:], **options)


def digests(sessions):
    return [session.digest for session in sessions]


def test_runs_on_tapes_end_with_the_journals_that_each_has_alone(run, other, tmp_path, monkeypatch):
    alone = [played(run, tmp_path / "a", first=300)[0], played(other, tmp_path / "b", feed=tape(other, 340))[0]]
    shapes, together = [], carrying._together
    monkeypatch.setattr(carrying, "_together", lambda asked: shapes.append(len(asked)) or together(asked))
    feeds = [tape(run, 300, together=10), tape(other, 340, together=10)]
    sessions = paper([run, other], feed=feeds, session=[tmp_path / "c", tmp_path / "d"])
    assert isinstance(sessions, PaperSessions)
    events = list(sessions)
    assert {event.session for event in events} == {"c", "d"}
    assert digests(sessions.sessions) == digests(alone)
    assert 4 in shapes  # two sessions of two seeds in one call


def test_one_feed_is_read_for_sessions_of_the_same_bars(run, later, tmp_path):
    whole = [[seen(later, row)] for row in range(420, 440)]
    alone, _ = played(run, tmp_path / "a", feed=Scripted(later, whole, at=later.frame["close_time"][419]))
    begun, read = [], threading.Lock()

    class Counted(Scripted):
        def batches(self, since):
            with read:
                begun.append(since)
            yield from super().batches(since)

    feeds = [Counted(later, whole, at=later.frame["close_time"][419]) for _ in range(2)]
    sessions = paper([run, run], feed=feeds, session=[tmp_path / "b", tmp_path / "c"])
    events = list(sessions)
    assert len(begun) == 1
    assert digests(sessions.sessions) == [alone.digest] * 2
    assert [event.session for event in events if event.kind == "bar"] == ["b", "c"] * 20


def test_live_feeds_are_read_side_by_side(run, other, later, tmp_path):
    there = replace(later, symbol="AR2")
    feeds = [
        Scripted(candles, [[seen(candles, row)] for row in range(420, 432)], at=later.frame["close_time"][419])
        for candles in (later, there)
    ]
    sessions = paper([run, other], feed=feeds, session=[tmp_path / "a", tmp_path / "b"])
    list(sessions)
    assert [len([e for e in read_journal(tmp_path / name) if e.kind == "bar"]) for name in "ab"] == [12, 12]
    assert all(feed.closed for feed in feeds)


def test_a_session_that_was_behind_gets_what_the_others_had(run, later, tmp_path):
    batches = [[seen(later, row, how="rest") for row in range(420, 430)], [seen(later, 430)]]
    at = later.frame["close_time"][419]
    played(run, tmp_path / "a", feed=Scripted(later, [[seen(later, row) for row in range(420, 426)]], at=at))
    sessions = paper([run, run], feed=Scripted(later, batches, at=at), session=[tmp_path / "a", tmp_path / "b"])
    list(sessions)
    for name in "ab":
        entries = read_journal(tmp_path / name)
        assert len([e for e in entries if e.kind == "bar"]) == 11
        assert not [e for e in entries if e.kind == "notice"]


def test_one_that_is_stopped_ends_alone(run, other, tmp_path):
    feeds = [tape(run, 390, together=1), tape(other, 390, together=1)]
    sessions = paper([run, other], feed=feeds, session=[tmp_path / "a", tmp_path / "b"])
    for number, _ in enumerate(sessions):
        if number == 20:
            (tmp_path / "a" / STOP).touch()
    counts = [len([e for e in read_journal(tmp_path / name) if e.kind == "bar"]) for name in "ab"]
    assert counts[0] == 11
    assert counts[1] == len(run.candles) - 390
    again = paper(run, feed=tape(run), session=tmp_path / "a")
    assert isinstance(again, PaperSession)
    again.close()


def test_an_error_of_a_feed_ends_all_and_is_raised(run, other, later, tmp_path):
    class Broken(Scripted):
        def batches(self, since):
            yield [seen(self.candles, 420)]
            raise RunError("the feed broke", expected="bars", remedy="Mend it")

    at = later.frame["close_time"][419]
    good = Scripted(replace(later, symbol="AR2"), [[]] * 5, at=at)
    sessions = paper([run, other], feed=[Broken(later, [], at=at), good], session=[tmp_path / "a", tmp_path / "b"])
    with pytest.raises(RunError, match="the feed broke"):
        list(sessions)
    again = paper(run, feed=Scripted(later, [], at=at), session=tmp_path / "a")
    again.close()


def test_wrong_numbers_of_feeds_and_sessions_are_refused_and_nothing_stays_open(run, other, tmp_path):
    with pytest.raises(ConfigError, match="feed has 1 values for 2 runs"):
        paper([run, other], feed=[tape(run)], session=[tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ConfigError, match="session has 1 values for 2 runs"):
        paper([run, other], feed=[tape(run), tape(other)], session=tmp_path / "a")
    with pytest.raises(ConfigError, match="a run, or a sequence of one or more"):
        paper([], feed=tape(run))
    with pytest.raises(ConfigError, match="the feed brings AR1 1h"):
        paper([run, other], feed=tape(run), session=[tmp_path / "a", tmp_path / "b"])
    with pytest.raises(RunError, match="is running already"):
        paper([run, run], feed=tape(run), session=[tmp_path / "a", tmp_path / "a"])
    paper(run, feed=tape(run), session=tmp_path / "a").close()
