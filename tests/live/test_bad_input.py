"""What cannot be traded is refused in a sentence, what goes wrong on the way is reported in one, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

import candlecast as cc
from candlecast.errors import ConfigError, RunError
from candlecast.features import Features, log_return, outside
from candlecast.ledger import Ledger
from candlecast.live import paper, read_session
from candlecast.live.journal import JOURNAL
from candlecast.sources.feed import Notice, Tape
from candlecast.sources.streams import stream_of
from candlecast.study import Study
from paper_sessions import FIRST, Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


def test_a_run_that_cannot_be_computed_bar_by_bar(run, tmp_path):
    candles = run.candles
    table = pl.DataFrame({"known_at": candles.frame["close_time"], "value": candles.frame["close"]})
    study = Study(model=cc.LinearRegression(), features=Features(log_return(), outside("other", table)), baselines=())
    result = study.run(candles, ledger=Ledger.in_memory())
    with pytest.raises(ConfigError, match="data from elsewhere, which a feed of candles does not bring"):
        paper(result, feed=Tape(candles[FIRST:]), session=tmp_path / "s", study=study)


def test_a_conformal_model_streams(run, tmp_path):
    study = Study(model=cc.Conformal(cc.LinearRegression()), features=Features(log_return()), baselines=())
    result = study.run(run.candles, ledger=Ledger.in_memory())
    first = len(run.candles) - len(result.backtest.equity)
    _, events = played(result, tmp_path / "s", feed=Tape(run.candles[first:]))
    assert [event.equity for event in events if event.kind == "bar"] == result.backtest.equity["equity"].to_list()


def test_an_interval_that_the_feed_lacks_and_bars_of_another(run, tmp_path):
    with pytest.raises(ConfigError, match="Binance has no candles of 7m; expected one of"):
        stream_of(cc.Binance(), "BTCUSDT", "7m")
    with pytest.raises(ConfigError, match="the feed brings AR1 4h; expected AR1 1h, which the run was trained on"):
        paper(run, feed=Tape(run.candles[FIRST:].resample("4h")), session=tmp_path / "s")


def test_a_symbol_that_is_delisted_while_it_is_traded(run, later, tmp_path):
    words = "AR1 is no longer listed: the exchange has no symbol 'AR1'"
    notice = Notice("delisted", later.frame["close_time"][421], words)
    feed = Scripted(later, [[seen(later, 420)], [seen(later, 421), notice]], at=later.frame["close_time"][419])
    _, events = played(run, tmp_path / "s", feed=feed)
    assert words in [event.text for event in events]
    record = read_session(tmp_path / "s")
    assert len(record.bars) == 2
    assert [entry.content["kind"] for entry in record.entries if entry.kind == "notice"] == ["delisted"]
    assert cc.reconcile(tmp_path / "s").unexplained == 0.0


def test_a_feed_that_jumps_back_in_time(run, later, tmp_path):
    again = [seen(later, row) for row in range(420, 426)]  # as they were: nothing is said
    older = [replace(seen(later, 425), open_time=run.candles.frame["open_time"][0].replace(year=2009))]
    feed = Scripted(later, [again, again[:3], older, [seen(later, 426)]], at=later.frame["close_time"][419])
    _, events = played(run, tmp_path / "s", feed=feed)
    assert len([event for event in events if event.kind == "bar"]) == 7
    (notice,) = [event for event in events if event.kind == "notice"]
    assert "came after later ones, or the feed went back in time; it is not traded" in notice.text


def test_a_journal_that_is_cut_off_in_the_middle(run, tmp_path):
    played(run, tmp_path / "s", until=run.candles.frame["close_time"][330])
    path = tmp_path / "s" / JOURNAL
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:4_096] + bytes(4_096) + content[8_192:], b"no journal"):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match="is damaged") as found:
            paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
        assert "the file was not changed" in str(found.value)
        assert path.read_bytes() == damaged
    path.write_bytes(content)
    paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s").close()
