"""What the store holds of bars seen twice, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from candlecast.errors import SourceError
from candlecast.interval import Interval
from candlecast.store.observations import TIME, changes, current, news, observe, unrequested

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
HOURLY = Interval.parse("1h")


def at(hour: float) -> datetime:
    return START + hour * HOUR


def seen(hours, *, when=100.0, since=0.0, **values) -> pl.DataFrame:
    """Observations of bars of these hours, all values 1 but for those given, asked for from `since` on."""
    page = pl.DataFrame({"open_time": pl.Series([at(hour) for hour in hours], dtype=TIME)}).with_columns(
        **{name: pl.lit(values.get(name, 1.0)) for name in ("open", "high", "low", "close", "volume")}
    )
    return observe(page, asked_from=at(since), has_sessions=False, seen_at=at(when), interval=HOURLY, source="x")


def test_a_bar_behind_a_hole_says_from_when_it_was_asked_for():
    assert seen([0, 1, 4, 5])["asked_from"].to_list() == [None, None, at(2), None]
    assert seen([3, 4], since=1)["asked_from"].to_list() == [at(1), None]


@pytest.mark.parametrize("hours", [[0, 0], [2, 1]])
def test_bars_out_of_order_are_refused(hours):
    with pytest.raises(SourceError, match=r"x gave a bar of 2024-01-01 0\d:00 UTC after"):
        seen(hours)


def test_the_last_one_seen_holds_and_what_was_asked_stays_asked():
    both = pl.concat([seen([3], since=1, when=100), seen([3], since=2, when=101, close=7.0)])
    held = current(both)
    assert held["close"].to_list() == [7.0]
    assert held["asked_from"].to_list() == [at(1)]
    assert current(both[::-1])["close"].to_list() == [7.0]


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_a_change_of_any_value_is_news(name):
    known = seen([0, 1, 2])
    assert news(seen([0, 1, 2], when=101), known).is_empty()
    fresh = pl.concat(
        [seen([0], when=101), seen([1], when=101, since=1, **{name: 2.0}), seen([2, 3], when=101, since=2)]
    )
    found = news(fresh, known)
    assert found["open_time"].to_list() == [at(1), at(3)]
    table = changes(pl.concat([known, found]))
    assert table.select("open_time", f"{name}_before", name).rows() == [(at(1), 1.0, 2.0)]


def test_what_comes_later_is_seen_later_whatever_the_clock_says():
    known = seen([0], when=100)
    found = news(seen([0], when=50, close=2.0), known)
    assert found["seen_at"].to_list() == [at(100) + timedelta(microseconds=1)]
    assert current(pl.concat([known, found]))["close"].to_list() == [2.0]


def test_only_what_was_never_asked_for_is_asked_for():
    def stretches(bars, since, until, **options):
        found = unrequested(
            bars.select("open_time", "asked_from"), since=at(since), until=at(until), interval=HOURLY, **options
        )
        return [tuple(int((time - START) / HOUR) for time in pair) for pair in found]

    apart = pl.concat([seen([2, 3], since=2), seen([6, 7], since=6)])  # fetched apart: nobody asked in between
    assert stretches(apart, 0, 9) == [(0, 2), (4, 6)]
    assert stretches(apart, 2, 9) == [(4, 6)]
    hole = seen([2, 3, 6, 7], since=2)  # fetched at once: the source has nothing there
    assert stretches(hole, 2, 9) == []
    assert stretches(hole, 2, 9, is_recheck=True) == [(4, 6)]
    assert stretches(hole, 0, 9) == [(0, 2)]
