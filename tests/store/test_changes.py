"""What a vendor changes is kept beside what it was; a version that was read once is read again as it was."""

from __future__ import annotations

import logging
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from candlecast.errors import ConfigError
from candlecast.sources.source import utc_now
from candlecast.store.update import OVERLAP
from shelf import START, Shelf

PRICES = ("open", "high", "low", "close")


def with_close(bars: pl.DataFrame, row: int, close: float) -> pl.DataFrame:
    return bars.with_columns(close=pl.when(pl.int_range(pl.len()) == row).then(close).otherwise("close"))


def test_a_bar_that_the_vendor_corrects_is_kept_both_ways(store, bars):
    version = store.update(Shelf(bars[:950]), "X", "1h").origin.version
    corrected = with_close(bars, 940, 55.5)
    assert store.update(Shelf(corrected), "X", "1h").frame.equals(corrected)
    (change,) = store.changes("shelf", "X", "1h").to_dicts()
    assert change["open_time"] == bars["open_time"][940]
    assert (change["close_before"], change["close"]) == (bars["close"][940], 55.5)
    assert (change["open_before"], change["open"]) == (bars["open"][940], bars["open"][940])
    assert store.read("shelf", "X", "1h", version=version).frame.equals(bars[:950])


def test_every_value_in_turn_is_kept_and_the_last_one_seen_holds(store, bars):
    for close in (55.5, 66.6, 55.5):
        store.update(Shelf(with_close(bars, 985, close)), "X", "1h")
    found = store.changes("shelf", "X", "1h")
    assert found.select("close_before", "close").rows() == [(55.5, 66.6), (66.6, 55.5)]
    assert found["seen_at"].is_sorted()
    assert store.changes("shelf", "X", "1h", seen_since=found["seen_at"][1]).height == 1
    assert store.read("shelf", "X", "1h").close[985] == 55.5


def test_a_split_between_two_updates_is_noticed(store, bars, caplog):
    """An updater that only appends would show a fall of 75 % where the shares were split four for one."""
    store.update(Shelf(bars[:900]), "X", "1h")
    split = bars.with_columns(pl.col(PRICES) / 4, volume=pl.col("volume") * 4)
    vendor = Shelf(split)
    with caplog.at_level(logging.INFO, "candlecast"):
        candles = store.update(vendor, "X", "1h")
    assert candles.frame.equals(split)
    assert "X 1h of shelf changed at its source" in caplog.text
    assert [asked[0] for asked in vendor.asked] == [bars["open_time"][900 - OVERLAP], bars["open_time"][0]]
    changes = store.changes("shelf", "X", "1h")
    assert changes.height == 900
    assert set((changes["close"] / changes["close_before"]).round(9)) == {0.25}
    assert candles.check().issues.filter(kind="split").is_empty()


def test_a_split_that_a_crash_interrupts_is_stored_whole_by_the_next_update(store, bars, monkeypatch):
    """No reader ever sees some bars adjusted and others not."""
    monkeypatch.setattr("candlecast.store.update.BATCH_BARS", 100)
    store.update(Shelf(bars[:900]), "X", "1h")
    version = store.version
    split = bars.with_columns(pl.col(PRICES) / 4)

    class Killed(Shelf):
        def pages(self, symbol, interval, *, since=None, until=None):
            for number, page in enumerate(super().pages(symbol, interval, since=since, until=until)):
                if number == 4:
                    raise KeyboardInterrupt
                yield page

    with pytest.raises(KeyboardInterrupt):
        store.update(Killed(split), "X", "1h")
    assert store.read("shelf", "X", "1h").frame.equals(bars[:900])
    candles = store.update(Shelf(split), "X", "1h")
    assert candles.frame.equals(split)
    assert candles.origin.version == version + 1


def test_a_change_further_back_is_found_by_a_refresh(store, bars):
    store.update(Shelf(bars), "X", "1h")
    corrected = with_close(bars, 10, 55.5)
    assert store.update(Shelf(corrected), "X", "1h").frame.equals(bars)
    assert store.update(Shelf(corrected), "X", "1h", refresh=True).frame.equals(corrected)
    assert store.changes("shelf", "X", "1h").height == 1


def test_compacting_keeps_every_observation_and_every_version(store, bars):
    versions = {}
    for stop, close in ((500, 55.5), (700, 66.6), (900, 77.7), (990, 88.8)):
        frame = with_close(bars[:stop], stop - 1, close)
        frame = with_close(frame, stop - 50, close)
        versions[store.update(Shelf(frame), "X", "1h", refresh=True).origin.version] = frame
    before = store.changes("shelf", "X", "1h")
    assert before.height == 6
    files = store.series()["files"].item()
    assert store.compact() == files - 2  # one of what holds, one of what held
    assert store.series()["bars"].item() == 990
    assert store.series()["files"].item() == 1
    assert_frame_equal(store.changes("shelf", "X", "1h"), before)
    for version, frame in versions.items():
        assert store.read("shelf", "X", "1h", version=version).frame.equals(frame)
    assert store.read("shelf", "X", "1h").frame.equals(frame)
    version = store.version
    assert store.compact() == 0
    assert store.version == version
    assert store.update(Shelf(frame), "X", "1h").frame.equals(frame)
    assert store.version == version


def test_the_parts_of_other_years_are_left_alone(store):
    start = START.replace(month=12, day=1)
    times = pl.datetime_range(start, start + timedelta(days=60), "1d", time_unit="us", eager=True)
    values = {name: [float(row + 2) for row in range(61)] for name in ("open", "high", "low", "close", "volume")}
    frame = pl.DataFrame({"open_time": times, "close_time": times + timedelta(days=1), **values})
    store.update(Shelf(with_close(frame, 5, 99.0)), "X", "1d")
    store.update(Shelf(frame), "X", "1d", refresh=True)
    store.update(Shelf(with_close(frame, 50, 99.0)), "X", "1d", refresh=True)
    before = store.changes("shelf", "X", "1d")
    assert before.height == 2
    store.compact()
    assert_frame_equal(store.changes("shelf", "X", "1d"), before)
    assert store.series()["files"].item() == 2
    assert store.read("shelf", "X", "1d").frame.equals(with_close(frame, 50, 99.0))


def test_crowded_parts_are_compacted_by_an_update(store, bars, monkeypatch):
    monkeypatch.setattr("candlecast.store.compact.CROWDED", 4)
    for stop in (100, 200, 300, 400, 500):
        store.update(Shelf(bars[:stop]), "X", "1h")
    assert store.series()["files"].item() <= 4
    assert store.read("shelf", "X", "1h").frame.equals(bars[:500])


def test_dividends_and_splits_are_kept(store, bars):
    row = pl.int_range(pl.len())
    paying = bars.with_columns(
        dividend=pl.when(row == 10).then(0.5).otherwise(0.0), split=pl.when(row == 20).then(4.0).otherwise(1.0)
    )
    candles = store.update(Shelf(paying), "X", "1h")
    assert candles.frame.equals(bars)
    assert store.actions("shelf", "X", "1h").rows() == [
        (bars["open_time"][10], 0.5, 1.0),
        (bars["open_time"][20], 0.0, 4.0),
    ]
    version = store.version
    store.update(Shelf(paying), "X", "1h", refresh=True)
    assert store.version == version
    withdrawn = paying.with_columns(dividend=pl.lit(0.0))
    store.update(Shelf(withdrawn), "X", "1h", refresh=True)
    assert store.actions("shelf", "X", "1h").rows() == [(bars["open_time"][20], 0.0, 4.0)]


def test_what_comes_later_holds_whatever_the_clocks_say(store, bars, monkeypatch):
    """Of two machines that share a store, the clock of one goes wrong by hours."""
    store.update(Shelf(with_close(bars, 985, 55.5)), "X", "1h")
    now = utc_now()
    monkeypatch.setattr("candlecast.store.update.utc_now", lambda: now - timedelta(hours=2))
    assert store.update(Shelf(bars), "X", "1h").frame.equals(bars)
    version = store.version
    store.update(Shelf(bars), "X", "1h")
    assert store.version == version
    assert store.changes("shelf", "X", "1h").select("close_before", "close").rows() == [(55.5, bars["close"][985])]


def test_adjusted_prices_rounded_anew_are_no_change(store, bars):
    paying = bars.with_columns(dividend=pl.lit(0.0), split=pl.lit(1.0))
    store.update(Shelf(paying), "X", "1h")
    version = store.version
    rounded = paying.with_columns(pl.col(PRICES) * (1 + 2e-7))
    store.update(Shelf(rounded), "X", "1h", refresh=True)
    assert store.version == version
    store.update(Shelf(bars.with_columns(pl.col("close") * (1 + 2e-7)), name="exact"), "X", "1h")
    store.update(Shelf(bars, name="exact"), "X", "1h", refresh=True)
    assert store.changes("exact", "X", "1h").height == len(bars)  # prices as traded are what they are


def test_a_vendor_that_keeps_bars_for_a_time_only(store, bars, caplog):
    """What it no longer gives stays as it was, which is said, and seen as a jump."""
    store.update(Shelf(bars[:900]), "X", "1h")
    split = bars.with_columns(pl.col(PRICES) / 4)

    class Forgetful(Shelf):
        def pages(self, symbol, interval, *, since=None, until=None):
            if since is not None and since < bars["open_time"][600]:
                raise ConfigError("too long ago", expected="a later date", remedy="Leave since out")
            return super().pages(symbol, interval, since=since, until=until)

    candles = store.update(Forgetful(split[600:]), "X", "1h")
    assert candles.frame.equals(pl.concat([bars[:600], split[600:]]))
    assert "no longer gives the bars from 2015-01-01" in caplog.text
    (split_like,) = candles.check().issues.filter(kind="split").to_dicts()
    assert split_like["first"] == bars["open_time"][600]
