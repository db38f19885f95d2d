"""Pages of sources without a network: how bars are joined, kept out, checked, asked again and adjusted."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise

import polars as pl
import pytest

from candlecast.errors import SourceError
from candlecast.interval import Interval
from candlecast.sources.adjust import adjusted_by
from candlecast.sources.binance import _joined, _Market
from candlecast.sources.dumps import Dump, _dump, list_dumps, parse_dump, read_dumps
from candlecast.sources.exchange import Rest
from candlecast.sources.page import market_page
from candlecast.sources.retry import Retry, TransientError

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
HOURLY = Interval.parse("1h")
NOW = Retry(pause=lambda seconds: None, jitter=lambda: 1.0)


def bars(*hours: int) -> pl.DataFrame:
    times = [START + hour * HOUR for hour in hours]
    prices = {name: [float(hour) + 1 for hour in hours] for name in ("open", "high", "low", "close", "volume")}
    return pl.DataFrame({"open_time": times, **prices}, schema_overrides={"open_time": pl.Datetime("us", "UTC")})


class Known:
    """What REST has, with the periods that it is asked for, in hours."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def pages(self, start, end):
        first, last = (int((time - START) / HOUR) for time in (start, end))
        self.asked.append((first, last))
        yield market_page(bars(*range(first, last)), symbol="A", interval=HOURLY, start=start, end=end)


@pytest.mark.parametrize(
    ("dumped", "end", "asked"),
    [
        ([range(4), range(4, 8)], 8, []),
        ([range(4), range(4, 8)], 9, [(8, 9)]),  # one bar after the dumps
        ([range(4), range(4, 8)], 12, [(8, 12)]),
        ([range(2, 4)], 4, [(0, 2)]),
        ([[0, 1, 4, 5]], 6, [(2, 4)]),
        ([range(3), range(5, 8)], 8, [(3, 5)]),
        ([], 3, [(0, 3)]),
    ],
)
def test_dumps_and_rest_make_each_bar_once(dumped, end, asked):
    rest = Known()
    frames = iter([bars(*hours) for hours in dumped])
    pages = list(_joined(lambda: rest, frames, symbol="A", interval=HOURLY, start=START, end=START + end * HOUR))
    assert [int((time - START) / HOUR) for page in pages for time in page["open_time"]] == list(range(end))
    assert rest.asked == asked
    for one, two in pairwise(pages):
        assert one["close_time"][-1] == two["open_time"][0]


def test_rest_is_not_asked_for_bars_that_are_open():
    class Asked:
        def pages(self, listed, interval, start, end, **options):
            yield start, end

    market = _Market(Asked(), "A/B", HOURLY, START + 5.5 * HOUR)
    assert list(market.pages(START, START + 9 * HOUR)) == [(START, START + 5.5 * HOUR)]
    assert list(_Market(Asked(), None, HOURLY, START).pages(START, START + HOUR)) == []


class Venue:
    """An exchange as ccxt has it, with bars of the first nine hours."""

    name, has = "venue", {}

    def __init__(self) -> None:
        self.asked: list[tuple[float, int]] = []

    def fetch_ohlcv(self, symbol, interval, since, size, extra):
        start = int(START.timestamp() * 1_000)
        self.asked.append(((since - start) / 3_600_000, size))
        rows = [[start + hour * 3_600_000, 1.0, 2.0, 0.5, 1.5, 7.0] for hour in range(9)]
        return [row for row in rows if row[0] >= since][:size]


@pytest.mark.parametrize(("end", "asked"), [(4, [0]), (5, [0, 4]), (8, [0, 4]), (8.5, [0, 4]), (9, [0, 4, 8])])
def test_rest_is_asked_page_by_page_to_the_last_bar(end, asked):
    venue = Venue()
    pages = Rest(venue, NOW, lambda: START).pages("A/B", HOURLY, START, START + end * HOUR, limit=4)
    times = [time for page in pages for time in page["open_time"]]
    assert times == [START + hour * HOUR for hour in range(int(end))]
    assert venue.asked == [(hour, 4) for hour in asked]


def page_of(frame: pl.DataFrame, start: int = 2, end: float = 6) -> pl.DataFrame:
    return market_page(frame, symbol="A", interval=HOURLY, start=START + start * HOUR, end=START + end * HOUR)


def test_a_page_holds_closed_bars_of_the_period_in_order():
    page = page_of(bars(1, 2, 3, 4, 5, 6), end=5.5)
    assert page["open_time"].to_list() == [START + hour * HOUR for hour in (2, 3, 4)]
    assert page["close_time"].to_list() == [START + hour * HOUR for hour in (3, 4, 5)]
    assert page_of(bars(4, 2, 3, 3)).equals(page_of(bars(2, 3, 4)))
    assert page_of(bars(5))["open_time"].len() == 1 and page_of(bars(6)).is_empty()


def test_a_page_with_contradictions_or_without_numbers_is_refused():
    with pytest.raises(SourceError, match="A 1h"):
        page_of(pl.concat([bars(3), bars(3).with_columns(volume=9.0)]))
    with pytest.raises(SourceError, match="1 bars of A 1h came without a number in each place"):
        page_of(bars(2, 3, 4).with_columns(volume=pl.Series([1.0, None, 1.0])))
    with pytest.raises(SourceError, match="without a number"):
        page_of(bars(2, 3, 4).with_columns(low=pl.Series([1.0, float("inf"), 1.0])))


def zipped(*rows: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "\n".join(rows))
    return content.getvalue()


@pytest.mark.parametrize("count", [1_704_067_200_000, 1_704_067_200_000_000])
@pytest.mark.parametrize("head", [(), ("open_time,open,high,low,close,volume,close_time,q,n,t,u,i",)])
def test_a_dump_counts_milliseconds_or_microseconds(count, head):
    found = parse_dump(zipped(*head, f"{count},1,4,0.5,2,7,0,14,3,5,10,0"), "a.zip")
    assert found.rows() == [(START, 1.0, 4.0, 0.5, 2.0, 7.0, 14.0, 3.0, 5.0)]
    assert found.columns[6:] == ["quote_volume", "trades", "taker_volume"]


def test_what_a_dump_says_beside_prices_and_volume_may_be_unreadable():
    found = parse_dump(zipped("1704067200000,1,4,0.5,2,7,0,,n/a,5,10,0"), "a.zip")
    assert found.rows() == [(START, 1.0, 4.0, 0.5, 2.0, 7.0, None, None, 5.0)]


def test_a_dump_covers_its_month_or_its_day():
    assert _dump("x/A-1h-2024-02.zip") == Dump(
        "x/A-1h-2024-02.zip", datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    )
    assert _dump("x/A-1h-2024-12.zip").end == datetime(2025, 1, 1, tzinfo=UTC)
    assert _dump("x/A-1h-2024-02-29.zip").end == datetime(2024, 3, 1, tzinfo=UTC)


def test_days_are_read_where_there_is_no_month():
    """Two months, and the days of the second of them and of the next."""

    def listing(address, parameters):
        folder = parameters["prefix"]
        names = ["2024-01", "2024-02"] if "monthly" in folder else ["2024-02-28", "2024-02-29", "2024-03-01"]
        keys = [f"{folder}A-1h-{name}.zip{end}" for name in names for end in ("", ".CHECKSUM")]
        keys = [key for key in keys if key > parameters["marker"]]
        contents = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()

    found = list_dumps(listing, "l", NOW, market="spot", symbol="A", interval=HOURLY, since=START)
    assert [file.key.rsplit("A-1h-")[1] for file in found] == ["2024-01.zip", "2024-02.zip", "2024-03-01.zip"]


def test_a_dump_is_what_its_checksum_names():
    content, asked = zipped("1704067200000,1,4,0.5,2,7,0,0,0,0,0,0"), []

    def get(address, parameters):
        asked.append(address)
        if not address.endswith(".CHECKSUM"):
            return content
        return f"{sha256(content).hexdigest() if len(asked) > 4 else 'f' * 64}  a.zip".encode()

    (frame,) = read_dumps(get, "h", [Dump("k/a.zip", START, START + HOUR)], NOW)
    assert frame.height == 1 and len(asked) == 6  # refused twice


def failing(times: int, after: float | None = None):
    error = SourceError("the line is cut", expected="an answer", remedy="Try again")
    left = [times]

    def ask():
        if left[0]:
            left[0] -= 1
            raise TransientError(error, after)
        return "answer"

    return ask


def test_waits_double_up_to_the_longest_and_end():
    waits: list[float] = []
    retry = Retry(attempts=6, first_seconds=2.0, longest_seconds=20.0, pause=waits.append, jitter=lambda: 1.0)
    assert retry(failing(5)) == "answer"
    assert waits == [2.0, 4.0, 8.0, 16.0, 20.0]
    with pytest.raises(SourceError, match="the line is cut"):
        retry(failing(6))
    assert waits[5:] == [2.0, 4.0, 8.0, 16.0, 20.0]


def test_a_wait_that_is_asked_for_is_kept_or_not_waited_at_all():
    waits: list[float] = []
    retry = Retry(first_seconds=2.0, patience_seconds=100.0, pause=waits.append, jitter=lambda: 0.5)
    assert retry(failing(1, after=60.0)) == "answer" and waits == [61.0]
    with pytest.raises(SourceError):
        retry(failing(1, after=200.0))
    assert waits == [61.0]


def test_volumes_are_in_shares_of_today():
    """Two for one after the first bar, three for one after the second: six shares of today for one of the first bar."""
    frame = bars(0, 1, 2).with_columns(split=pl.Series([1.0, 2.0, 3.0]), volume=10.0)
    found = adjusted_by(frame, pl.lit(0.5))
    assert found["volume"].to_list() == [60.0, 30.0, 10.0]
    assert found["close"].to_list() == [0.5, 1.0, 1.5]
