"""Every bar that is received is in the store before anything acts on it."""

from __future__ import annotations

import pytest

from candlecast.errors import StoreError
from candlecast.live import paper
from candlecast.live.journal import read_journal
from candlecast.sources.feed import Notice
from candlecast.store import Store
from paper_sessions import Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


def test_bars_are_in_the_store_before_they_are_traded(run, later, tmp_path):
    store = Store(tmp_path / "data")
    feed = Scripted(later, [[seen(later, row)] for row in range(420, 440)], at=later.frame["close_time"][419])
    session = paper(run, feed=feed, session=tmp_path / "s", store=store)
    for event in session:
        newest = store.read("scripted", later.symbol, "1h").frame
        assert newest["close_time"][-1] == event.time
    assert newest.equals(later.frame[420:440].select(newest.columns))


def test_what_was_revised_late_or_impossible_is_told_apart(run, later, tmp_path):
    store = Store(tmp_path / "data")
    good, other = seen(later, 421), seen(later, 421, close=later.close[421] * 1.001, high=later.high[421] * 1.01)
    batches = [
        [seen(later, 420), good, other],
        [Notice("connected", later.frame["close_time"][421], "connected")],
        [seen(later, 424), seen(later, 423), seen(later, 425, low=-1.0)],
    ]
    played(run, tmp_path / "s", feed=Scripted(later, batches, at=later.frame["close_time"][419]), store=store)
    found = store.read("scripted", later.symbol, "1h").frame
    assert found["open_time"].to_list() == later.frame["open_time"][[420, 421, 423, 424]].to_list()
    assert found["close"][1] == other.close
    changes = store.changes("scripted", later.symbol, "1h")
    assert changes["close_before"].to_list() == [good.close]


def test_a_store_that_cannot_be_written_ends_the_session_before_it_acts(run, later, tmp_path):
    (tmp_path / "data").write_text("no folder")
    feed = Scripted(later, [[seen(later, 420)], [seen(later, 421)]], at=later.frame["close_time"][419])
    session = paper(run, feed=feed, session=tmp_path / "s", store=Store(tmp_path / "data"))
    with pytest.raises(StoreError, match="is a file"):
        list(session)
    assert [entry.kind for entry in read_journal(tmp_path / "s")] == ["session"]
    (tmp_path / "data").unlink()
    store = Store(tmp_path / "data")
    _, events = played(run, tmp_path / "s", feed=feed, store=store)
    assert len([event for event in events if event.kind == "bar"]) == 2
    assert len(store.read("scripted", later.symbol, "1h")) == 2
