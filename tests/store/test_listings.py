"""Series that end, symbols that are renamed, and symbols that are given to another asset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError, StoreError, UnknownSymbolError
from candlecast.interval import Interval
from candlecast.sources import synthetic
from candlecast.store import listings
from candlecast.store.listings import read_listings
from shelf import START, Shelf

HOUR = timedelta(hours=1)
LAST = START + 1_000 * HOUR  # when the bars end


class Gone(Shelf):
    def pages(self, symbol, interval, *, since=None, until=None):
        self.asked.append((since, until, 0))
        raise UnknownSymbolError("the shelf has no symbol 'X'", expected="another", remedy="Look")


@pytest.fixture
def clock(monkeypatch):
    """The store's clock: a list whose last entry is the time."""
    times = [LAST]
    monkeypatch.setattr("candlecast.store.store.utc_now", lambda: times[-1])
    return times


def test_what_the_source_says_and_what_silence_says():
    hour = Interval.parse("1h")
    for status, days, kind in (
        ("delisted", 0, "delisted"),
        ("halted", 4, "halted"),
        ("unknown", 29, None),
        ("unknown", 31, "inactive"),
        ("trading", 400, None),
    ):
        found = listings.end_of(status, last=START, now=START + timedelta(days=days), interval=hour, source="shelf")
        assert (found and found[0]) == kind
    assert not listings.is_doubtful(last=START, now=START + timedelta(days=3), interval=hour)
    assert listings.is_doubtful(last=START, now=START + timedelta(days=4), interval=hour)


@pytest.mark.parametrize("kind", ["delisted", "halted", "inactive"])
def test_a_series_that_ended_is_kept_as_such_and_seldom_requested(store, bars, clock, kind):
    listed = "unknown" if kind == "inactive" else kind
    vendor = Shelf(bars, listed=listed)
    store.update(vendor, "X", "1h")
    assert store.series()["state"].to_list() == ["trading"]
    clock.append(LAST + timedelta(days=40))
    candles = store.update(vendor, "X", "1h")
    assert store.series()["state"].to_list() == [kind]
    assert candles.origin.ended.at == bars["close_time"][-1].isoformat()
    (notice,) = candles.check().notices
    assert notice.startswith("1 bar after which the series ends, first 2015-02-11 15:00 (shelf ")
    assert "a position held then is closed at the last close" in notice
    assert candles[:-1].check().notices == ()
    asked = len(vendor.asked)
    for days in (40.5, 41, 43):
        clock.append(LAST + timedelta(days=days))
        assert store.update(vendor, "X", "1h").frame.equals(bars)
    assert len(vendor.asked) == asked
    clock.append(LAST + timedelta(days=45))  # a tenth of the 40 days later
    store.update(vendor, "X", "1h")
    assert len(vendor.asked) == asked + 1
    store.update(vendor, "X", "1h", recheck=True)
    assert len(vendor.asked) > asked + 1


def test_what_trades_again_is_no_longer_ended(store, bars, clock):
    vendor = Shelf(bars[:900], listed="halted")
    store.update(vendor, "X", "1h")
    clock.append(bars["close_time"][899] + timedelta(days=4))
    assert store.update(vendor, "X", "1h").origin.ended is not None
    version = store.version
    clock.append(bars["close_time"][-1] + timedelta(days=2))
    again = replace(vendor, frame=bars, listed="trading")
    assert store.update(again, "X", "1h").origin.ended is None
    assert store.series()["state"].to_list() == ["trading"]
    assert store.read("shelf", "X", "1h", version=version).origin.ended is not None


def test_a_symbol_that_the_source_no_longer_knows_keeps_its_bars(store, bars, clock):
    with pytest.raises(UnknownSymbolError):
        store.update(Gone(bars), "X", "1h")
    store.update(Shelf(bars), "X", "1h")
    clock.append(LAST + timedelta(days=2))
    gone = Gone(bars)
    candles = store.update(gone, "X", "1h")
    assert candles.frame.equals(bars)
    assert candles.origin.ended.why == "shelf no longer lists it"
    assert len(gone.asked) == 1
    assert store.update(gone, "X", "1h").frame.equals(bars)
    assert len(gone.asked) == 1


def test_a_renamed_symbol_has_its_whole_history(store, bars, clock):
    old, new = bars[:600], bars[600:]
    store.update(Shelf(old), "FB", "1h")
    version = store.version
    store.update(Shelf(new), "META", "1h")
    store.rename(Shelf(bars), "FB", "META")
    candles = store.read("shelf", "META", "1h")
    assert candles.frame.equals(bars)
    assert candles.symbol == "META"
    assert [str(change) for change in candles.origin.changes] == [
        f"600 bars joined (of FB, its symbol before {new['open_time'][0]:%Y-%m-%d %H:%M})"
    ]
    assert store.read("shelf", "FB", "1h").frame.equals(old)
    assert store.update(Shelf(new), "META", "1h").frame.equals(bars)
    part = store.read("shelf", "META", "1h", since=bars["open_time"][590], until=bars["close_time"][610])
    assert part.frame.equals(bars[590:611])
    assert store.read("shelf", "FB", "1h", version=version).frame.equals(old)
    with pytest.raises(StoreError):
        store.read("shelf", "META", "1h", version=version)
    assert store.changes("shelf", "META", "1h").is_empty()


def test_bars_that_both_symbols_have_are_those_of_the_present_one(store, bars, clock):
    store.update(Shelf(bars[:700]), "OLD", "1h")
    revised = bars[500:].with_columns(pl.col("volume") + 1)
    store.update(Shelf(revised), "NEW", "1h")
    store.rename("shelf", "OLD", "NEW")
    assert store.read("shelf", "NEW", "1h").frame.equals(pl.concat([bars[:500], revised]))


def test_a_symbol_that_is_given_to_another_asset(store, bars, clock):
    """As LUNA in 2022: what it was is LUNC now, and LUNA is another coin."""
    other = bars[700:].with_columns(pl.col("open", "high", "low", "close") * 1e5)
    store.update(Shelf(pl.concat([bars[:300], other])), "LUNA", "1h")
    mixed = store.read("shelf", "LUNA", "1h")
    (notice,) = (each for each in mixed.check().notices if "another asset" in each)
    assert "the first price after 410 missing bars" in notice
    with pytest.raises(CandleError, match=r"LUNA may be another asset from 2015-01-30 14:00 UTC on: .*with_real_jumps"):
        mixed.require_one_asset()
    assert mixed.with_real_jumps().require_one_asset().origin.changes[-1].bars == 1
    store.update(Shelf(bars[400:]), "LUNC", "1h")
    store.rename("shelf", "LUNA", "LUNC", at=bars["open_time"][400])
    assert store.read("shelf", "LUNC", "1h").frame.equals(pl.concat([bars[:300], bars[400:]]))
    luna = store.read("shelf", "LUNA", "1h")
    assert luna.frame.equals(other)
    assert "300 bars left out (before 2015-01-17 16:00, of what is now LUNC)" in str(luna.origin)
    assert luna.require_one_asset() is luna


def test_no_model_is_trained_across_a_reuse():
    walk = synthetic.random_walk(2_000, seed=4, interval="1h").candles
    frame = pl.concat(
        [walk.frame[:1_000], walk.frame[1_400:].with_columns(pl.col("open", "high", "low", "close") * 40)]
    )
    candles = replace(walk, frame=frame)
    with pytest.raises(
        CandleError, match=r"may be another asset from .*candles\[1000:\] \(since=\"2015-02-28T08:00\"\)"
    ):
        cc.walk_forward(cc.Naive(), candles, folds=cc.Holdout(0.8))
    assert cc.walk_forward(cc.Naive(), candles[1_000:], folds=cc.Holdout(0.8)).frame.height
    assert cc.walk_forward(cc.Naive(), candles.with_real_jumps(), folds=cc.Holdout(0.8)).frame.height


def test_moves_that_are_usual_over_a_long_gap_are_no_reuse():
    wild = synthetic.random_walk(24 * 400, seed=2, interval="1h").candles.resample("1mo")
    gapped = replace(wild, frame=pl.concat([wild.frame[:4], wild.frame[5:]]))
    assert gapped.require_one_asset() is gapped
    assert gapped.check().issues["kind"].to_list() == ["gap"]


def test_renaming_what_is_not_there(store, bars, clock):
    store.update(Shelf(bars[:100]), "A", "1h")
    with pytest.raises(StoreError, match=r"^AA of shelf is not stored in .* Did you mean A\?"):
        store.rename("shelf", "AA", "B")
    with pytest.raises(StoreError, match="A is renamed to itself"):
        store.rename("shelf", "A", "A")
    store.rename("shelf", "A", "B")
    assert store.read("shelf", "B", "1h").frame.equals(bars[:100])
    store.update(Shelf(bars[100:]), "B", "1h")
    with pytest.raises(ConfigError, match="A was called B, which was called A before"):
        store.rename("shelf", "B", "A")
    assert read_listings(store._table).before("shelf", "B") == ("A", bars["close_time"][99])


def test_the_end_is_kept_with_a_run_and_stands_above_its_verdict(store, tmp_path, clock):
    bars = synthetic.random_walk(600, seed=5, interval="1d").candles.frame
    vendor = Shelf(bars, listed="delisted")
    store.update(vendor, "X", "1d")
    clock.append(datetime(2017, 1, 1, tzinfo=UTC))
    candles = store.update(vendor, "X", "1d")
    study = cc.Study(model=cc.Naive(), folds=cc.Holdout(0.7))
    result = study.run(candles, seed=0)
    assert any("after which the series ends" in notice for notice in result.verdict.notices)
    folder = cc.save_run(result, tmp_path / "run") if hasattr(cc, "save_run") else result.save(tmp_path / "run")
    assert cc.load_run(folder).candles.origin == candles.origin
    assert isinstance(candles, Candles)
