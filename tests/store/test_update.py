"""Only what is missing is asked for, once, and whatever comes in is kept whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from candlecast import Store
from candlecast.errors import CandleError, ConfigError, SourceError
from candlecast.events import Progress
from candlecast.store import update
from shelf import START, Shelf

HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return START + hours * HOUR


def test_the_first_update_gives_all_that_the_source_has(store, bars):
    shelf = Shelf(bars)
    candles = store.update(shelf, "X", "1h")
    assert candles.frame.equals(bars)
    assert (candles.symbol, str(candles.interval), candles.has_sessions) == ("X", "1h", False)
    assert (candles.origin.source, candles.origin.store, candles.origin.version) == ("shelf", store.url, store.version)
    assert shelf.asked == [(None, None, 990)]


def test_nothing_new_is_nothing_written(store, bars):
    store.update(Shelf(bars), "X", "1h")
    version = store.version
    again = Shelf(bars)
    assert store.update(again, "X", "1h").frame.equals(bars)
    assert store.version == version
    assert again.asked == [(at(900), None, 100)]  # the last bars only, to see whether they changed


def test_it_goes_on_where_it_stopped(store, bars):
    store.update(Shelf(bars[:300]), "X", "1h")
    later = Shelf(bars)
    assert store.update(later, "X", "1h").frame.equals(bars)
    assert later.asked == [(at(200), None, 790)]


def test_what_is_before_is_asked_for_once_even_where_there_is_nothing(store, bars):
    store.update(Shelf(bars), "X", "1h", since=at(600))
    earlier = Shelf(bars)
    candles = store.update(earlier, "X", "1h", since="2014-01-01")
    assert candles.frame.equals(bars)
    assert earlier.asked[0] == (datetime(2014, 1, 1, tzinfo=UTC), at(601), 591)  # with the first bar known
    again = Shelf(bars)
    store.update(again, "X", "1h", since="2014-01-01")
    assert again.asked == [(at(900), None, 100)]


def test_holes_of_the_market_are_told_from_bars_never_asked_for(store, bars):
    store.update(Shelf(bars), "X", "1h", since=at(100), until=at(300))
    store.update(Shelf(bars), "X", "1h", since=at(400), until=at(700))
    between = Shelf(bars)
    assert store.update(between, "X", "1h", until=at(700)).frame.equals(bars[100:690])
    assert between.asked == [(at(300), at(401), 101)]  # not the gap from hour 500 on, nor anything else


def test_a_period_in_the_middle_asks_for_no_more(store, bars):
    store.update(Shelf(bars), "X", "1h", since=at(0), until=at(10))
    store.update(Shelf(bars), "X", "1h", since=at(900))
    part = Shelf(bars)
    candles = store.update(part, "X", "1h", since=at(200), until=at(250))
    assert candles.frame.equals(bars[200:250])
    assert part.asked == [(at(200), at(250), 50)]


def test_a_known_bar_that_the_source_lost_is_kept(store, bars):
    store.update(Shelf(bars), "X", "1h", since=at(300))
    without = Shelf(bars.filter(pl.col("open_time") != at(300)))
    assert store.update(without, "X", "1h", since=at(0)).frame.equals(bars)
    again = without.now(without.frame)
    store.update(again, "X", "1h", since=at(0))
    assert len(again.asked) == 1


def test_a_stretch_without_bars_before_a_lost_bar_is_not_asked_for_again(store, bars):
    store.update(Shelf(bars), "X", "1h", since=at(300))
    gone = Shelf(bars[301:])
    store.update(gone, "X", "1h", since=at(0))
    again = gone.now(gone.frame)
    store.update(again, "X", "1h", since=at(0))
    assert [asked[0] for asked in again.asked] == [at(900)]


def test_holes_that_were_vouched_for_on_a_doubtful_word_can_be_asked_about_again(store, bars):
    five = pl.concat([bars[:3], bars[-2:]])  # what came through of a thousand bars
    store.update(Shelf(five), "X", "1h")
    version = store.version
    believing = Shelf(bars)
    assert store.update(believing, "X", "1h", until=at(990)).frame.equals(five.filter(pl.col("close_time") <= at(990)))
    assert (believing.asked, store.version) == ([], version)
    doubting = Shelf(bars)
    assert store.update(doubting, "X", "1h", recheck=True).frame.equals(bars)
    assert doubting.asked[0] == (at(3), at(999), 986)
    version = store.version
    again = Shelf(bars)
    assert store.update(again, "X", "1h", recheck=True).frame.equals(bars)
    assert again.asked[0] == (at(500), at(511), 1)  # the gap that is one, with the bar behind it
    assert store.version == version  # nothing new is nothing written


def test_holes_before_the_first_bar_and_holes_that_lie_close_are_asked_about_at_once(store, bars):
    some = bars[200:].filter(pl.int_range(pl.len()) % 100 != 7)
    store.update(Shelf(some), "X", "1h", since=at(0))
    doubting = Shelf(bars)
    assert store.update(doubting, "X", "1h", since=at(0), recheck=True).frame.equals(bars)
    assert [asked[0] for asked in doubting.asked] == [at(0), some["open_time"][-100]]
    lost = Shelf(some)
    assert store.update(lost, "X", "1h", recheck=True).frame.equals(bars)  # what is known is kept


def test_a_hole_that_the_source_can_no_longer_be_asked_about_is_told(store, bars, caplog):
    class Short(Shelf):
        def pages(self, symbol, interval, *, since=None, until=None):
            if since is not None and since < at(600):
                raise ConfigError("since is too long ago", expected="later", remedy="Leave it out")
            return super().pages(symbol, interval, since=since, until=until)

    store.update(Shelf(bars), "X", "1h")
    assert store.update(Short(bars), "X", "1h", recheck=True).frame.equals(bars)
    assert caplog.messages == [
        f"X 1h of shelf: the gap from {at(500)} to {at(510)} is not asked about again: since is too long ago"
    ]


def test_what_a_failing_source_gave_before_is_kept(store, bars):
    class Failing(Shelf):
        def pages(self, symbol, interval, *, since=None, until=None):
            yield from list(super().pages(symbol, interval, since=since, until=until))[:3]
            raise SourceError("the line is cut", expected="an answer", remedy="Try again")

    with pytest.raises(SourceError, match="the line is cut"):
        store.update(Failing(bars), "X", "1h")
    assert store.read("shelf", "X", "1h").frame.equals(bars[:300])
    assert store.update(Shelf(bars), "X", "1h").frame.equals(bars)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page: pl.concat([page, page[-1:]]), r"gave a bar of 2015-01-05 03:00 UTC after 2015-01-05 03:00"),
        (lambda page: page[::-1], r"gave a bar of 2015-01-05 02:00 UTC after 2015-01-05 03:00"),
    ],
    ids=["a bar twice", "newest first"],
)
def test_pages_out_of_order_are_refused_and_not_stored(store, bars, change, message):
    wrong = Shelf(change(bars[:100]), size=1_000)
    with pytest.raises(SourceError, match=r"^shelf \(X 1h\) " + message):
        store.update(wrong, "X", "1h")
    assert store.symbols() == []


def test_progress_tells_days_bars_and_rate(store, bars):
    events: list[Progress] = []
    store.update(Shelf(bars), "X", "1h", since=at(0), until=at(1_000), progress=events.append)
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert {(event.stage, event.total) for event in events} == {("X 1h", 41.7)}
    assert events[-1].done == 41.7
    assert events[3].detail.startswith("2015-01-17, 400 bars, ")


def test_long_work_is_committed_in_parts(store, bars, monkeypatch):
    monkeypatch.setattr(update, "BATCH_BARS", 150)
    store.update(Shelf(bars), "X", "1h")
    assert store.version == 5
    assert [len(store.read("shelf", "X", "1h", version=version)) for version in (1, 2, 5)] == [200, 400, 990]


PERIOD = st.tuples(st.integers(0, 39), st.integers(1, 40), st.integers(1, 40)).map(
    lambda numbers: (numbers[0], min(numbers[0] + numbers[1], 40), numbers[2])
)


@given(gaps=st.sets(st.integers(0, 39), max_size=20), periods=st.lists(PERIOD, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_any_order_of_updates_and_failures_ends_with_the_sources_bars(tmp_path_factory, bars, gaps, periods):
    """Periods in any order, each failing after some pages; at last all of it: equal to what the source has."""
    store = Store(tmp_path_factory.mktemp("any") / "data")
    kept = bars[:40].filter(~pl.Series([row in gaps for row in range(40)]))

    class Breaking(Shelf):
        limit = 0

        def pages(self, symbol, interval, *, since=None, until=None):
            for number, page in enumerate(super().pages(symbol, interval, since=since, until=until)):
                if number == self.limit:
                    raise SourceError("cut", expected="an answer", remedy="Try again")
                yield page

    for first, last, limit in periods:
        Breaking.limit = limit
        with suppress(SourceError, CandleError):  # cut, or no bar in the period
            store.update(Breaking(kept, size=2), "X", "1h", since=at(first), until=at(last))
    if len(kept):
        whole = Shelf(kept, size=7)
        assert store.update(whole, "X", "1h", since=at(0), until=at(40)).frame.equals(kept)
        again = whole.now(kept)
        store.update(again, "X", "1h", since=at(0), until=at(40))
        assert all(asked[0] >= kept["open_time"][0] for asked in again.asked)


def test_sessions_are_declared_by_the_source_and_kept(store):
    days = [at(24 * day) for day in range(5)]
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 5)
    frame = pl.DataFrame({"open_time": days, "close_time": [day + 24 * HOUR for day in days], **values}).with_columns(
        pl.col("open_time", "close_time").cast(pl.Datetime("us", "UTC"))
    )
    shelf = replace(Shelf(frame), market="sessions")
    assert store.update(shelf, "X", "1d").has_sessions
    assert store.read("shelf", "X", "1d")[:1].has_sessions


def test_a_series_may_begin_before_1970(store, bars):
    old = bars.with_columns(pl.col("open_time", "close_time") - timedelta(days=20_000))  # from 1960 on
    assert store.update(Shelf(old), "OLD", "1h").frame.equals(old)
    assert (
        store.read("shelf", "OLD", "1h", until="1960-04-01").frame.height
        == old.filter(pl.col("close_time") <= datetime(1960, 4, 1, tzinfo=UTC)).height
    )


def test_months_are_kept_and_continued(tmp_path):
    from candlecast.sources import synthetic

    months = synthetic.random_walk(24 * 400, seed=2, interval="1h").candles.resample("1mo").frame
    bars = pl.concat([months[:4], months[5:]])
    store, source = Store(tmp_path / "data"), Shelf(bars)
    first = store.update(source, "X", "1mo", until="2015-08-20")
    assert first.frame.equals(bars[:6])
    assert first.frame["close_time"][-1] == datetime(2015, 8, 1, tzinfo=UTC)
    whole = store.update(source, "X", "1mo")
    assert whole.frame.equals(bars)
    assert whole.check().issues.select("kind", "bars").rows() == [("gap", 1)]
    part = store.read(source, "X", "1mo", since="2015-02-01", until="2015-03-31")
    assert part.frame.equals(bars[1:2])
