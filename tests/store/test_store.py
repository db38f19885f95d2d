"""What is stored, what is read, and what is refused in one sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from candlecast import Candles, Store
from candlecast.errors import CandleError, ConfigError, StoreError
from shelf import START, Shelf


def test_several_series_share_a_store_and_its_versions(store, bars):
    first = store.update(Shelf(bars), "BTC/USDT", "1h").origin.version
    store.update(Shelf(bars[:50]), "ETH^2=X", "1h")
    store.update(Shelf(bars, name="other"), "BTC/USDT", "1h")
    assert store.symbols() == ["BTC/USDT", "ETH^2=X"]
    listing = store.series()
    assert listing.select("source", "symbol", "interval", "bars").rows() == [
        ("other", "BTC/USDT", "1h", 990),
        ("shelf", "BTC/USDT", "1h", 990),
        ("shelf", "ETH^2=X", "1h", 50),
    ]
    assert listing.row(2)[4:6] == (bars["open_time"][0], bars["open_time"][49])
    assert len(store.series(version=first)) == 1
    assert store.read("shelf", "ETH^2=X", "1h").frame.equals(bars[:50])
    assert Store(store.location).read(Shelf(bars), "BTC/USDT", "1h", version=first).frame.equals(bars)


def test_a_period_is_read(store, bars):
    store.update(Shelf(bars), "X", "1h")
    since, until = bars["open_time"][100], bars["close_time"][199]
    assert store.read("shelf", "X", "1h", since=since, until=until).frame.equals(bars[100:200])
    late = until - timedelta(seconds=1)  # the last bar has not closed by then
    assert store.read("shelf", "X", "1h", since=since, until=late).frame.equals(bars[100:199])


def test_a_market_with_sessions_pauses_alike_in_every_part_that_is_read(store):
    """Five-minute bars of Tokyo: 00:00 to 06:00 UTC, lunch from 02:30 to 03:30, weekends closed."""
    minutes = [*range(0, 150, 5), *range(210, 360, 5)]
    days = [START + timedelta(days=day) for day in range(30) if (START + timedelta(days=day)).weekday() < 5]
    times = pl.Series(
        [day + timedelta(minutes=minute) for day in days for minute in minutes], dtype=pl.Datetime("us", "UTC")
    )
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * len(times))
    frame = pl.DataFrame({"open_time": times, "close_time": times + timedelta(minutes=5), **values})
    candles = store.update(Shelf(frame, market="sessions"), "7203.T", "5m")
    hour = 3_600_000_000
    assert candles.breaks == ((5 * hour // 2, 7 * hour // 2),)
    assert set(candles.segments) == {0}
    part = store.read("shelf", "7203.T", "5m", since=days[3], until=days[4])
    assert len(part) == 60
    assert part.breaks == candles.breaks
    first = int((times < days[3]).sum())
    assert part.clock == candles.clock
    assert part.fingerprint == candles[first : first + 60].fingerprint
    assert set(part.segments) == {0}
    assert part.check().issues.is_empty()


def test_seconds_are_kept_by_the_month(store):
    times = pl.Series([START + timedelta(days=day) for day in (30, 31)], dtype=pl.Datetime("us", "UTC"))
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 2)
    frame = pl.DataFrame({"open_time": times, "close_time": times + timedelta(seconds=1), **values})
    store.update(Shelf(frame), "X", "1s")
    assert store.series()["files"].item() == 2
    assert {path.parent.name for path in Path(store.url).rglob("*.parquet")} == {"part=2015-01", "part=2015-02"}


def test_other_engines_read_the_table(store, bars):
    """The store is a plain Delta Lake table: Polars alone finds the bars in it."""
    store.update(Shelf(bars), "X", "1h")
    found = (
        pl.scan_delta(store.url)
        .filter(pl.col("symbol") == "X")
        .sort("open_time")
        .select(bars.drop("close_time").columns)
    )
    assert found.collect().equals(bars.drop("close_time"))


def test_a_store_by_its_address(store, bars):
    """As of an object store: no path but an address, read and written through the table's library alone."""
    there = Store(f"file://{store.url}")
    version = there.update(Shelf(bars), "BTC/USDT", "1h").origin.version
    there.update(Shelf(bars[:990].with_columns(pl.col("volume") + 1)), "BTC/USDT", "1h", refresh=True)
    there.compact()
    assert there.read("shelf", "BTC/USDT", "1h", version=version).frame.equals(bars)
    assert store.changes("shelf", "BTC/USDT", "1h").height == 990


def test_making_a_store_touches_nothing(tmp_path):
    store = Store(tmp_path / "none")
    assert (store.version, store.symbols(), store.compact()) == (None, [], 0)
    assert not (tmp_path / "none").exists()


def test_options_of_an_object_store_are_not_shown():
    assert "k-9f31c" not in repr(Store("s3://bucket/candles", options={"aws_secret_access_key": "k-9f31c"}))


def test_what_is_not_stored(store, bars):
    with pytest.raises(
        StoreError, match=r"^there is no store in .*; expected a folder that was fetched to\. Fetch first"
    ):
        store.read("shelf", "X", "1h")
    store.update(Shelf(bars), "BTCUSDT", "1h")
    with pytest.raises(StoreError) as error:
        store.read("shelf", "BTCUSD", "1h")
    assert str(error.value) == (
        f"BTCUSD 1h of shelf is not stored in {store.url}; expected candles that were fetched. "
        "Did you mean BTCUSDT 1h of shelf?"
    )
    with pytest.raises(
        CandleError, match=r"^no bar of BTCUSDT 1h of shelf from 2016-01-01 to now is stored; expected at"
    ):
        store.read("shelf", "BTCUSDT", "1h", since="2016-01-01")
    for version in (7, -1, "1"):
        with pytest.raises(
            StoreError, match=rf"has no version {version!r}; expected a version from 0 to 1\. Leave version"
        ):
            store.read("shelf", "BTCUSDT", "1h", version=version)
    with pytest.raises(ConfigError, match=r"^since 2015-02-01 00:00 is not before until 2015-01-01 00:00"):
        store.read("shelf", "BTCUSDT", "1h", since="2015-02-01", until="2015-01-01")


@pytest.mark.parametrize(
    ("arguments", "period", "message"),
    [
        (("X", "7x"), {}, r"^interval '7x' is not a candle length"),
        (("X' OR '1'='1", "1h"), {}, r"^symbol \"X' OR '1'='1\" cannot be a name; expected letters, digits"),
        (("", "1h"), {}, r"^symbol '' cannot be a name"),
        ((None, "1h"), {}, r"^symbol None cannot be a name"),
        (("X", "1h"), {"since": "soon"}, r"^since 'soon' is not a date"),
        (("X", "1h"), {"since": "2020-01-01", "until": "2019-01-01"}, r"^since 2020-01-01 00:00 is not before until"),
        (("X", "1h"), {"since": datetime.now(UTC) + timedelta(days=9)}, r"^since .* is in the future"),
        (("X", "1h"), {"until": datetime.now(UTC) + timedelta(days=9)}, r"^until .* is in the future"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_made(store, bars, arguments, period, message):
    with pytest.raises(ConfigError, match=message):
        store.update(Shelf(bars), *arguments, **period)
    assert not Path(store.url).exists()


def test_a_source_by_its_name_alone_cannot_be_fetched_from(store):
    with pytest.raises(ConfigError, match=r"^source is 'binance'; expected something that candles come from\. Use for"):
        store.update("binance", "X", "1h")


def test_a_source_without_a_bar(store, bars):
    with pytest.raises(
        CandleError, match=r"^shelf has no closed 1h bar of X from its beginning to now; expected at least"
    ):
        store.update(Shelf(bars[:0]), "X", "1h")


def first_commit(store: Store) -> Path:
    return Path(store.url) / "_delta_log" / f"{0:020}.json"


def test_a_store_of_a_newer_version_is_left_alone(store, bars):
    store.update(Shelf(bars[:100]), "X", "1h")
    log = first_commit(store)
    log.write_text(log.read_text().replace('"candlecast.format":"1"', '"candlecast.format":"2"'))
    for attempt in (lambda: store.read("shelf", "X", "1h"), lambda: store.update(Shelf(bars), "X", "1h")):
        with pytest.raises(
            StoreError, match=r"was written in format 2; expected format 1 or older\. Install a newer cand"
        ):
            attempt()


def test_a_table_that_only_newer_libraries_understand_is_left_alone(store, bars):
    store.update(Shelf(bars[:100]), "X", "1h")
    log = first_commit(store)
    log.write_text(log.read_text().replace('"minReaderVersion":1', '"minReaderVersion":9'))
    with pytest.raises(
        StoreError, match=r"was written by a newer version \(.*9\); expected a table .*\. Install a newer"
    ):
        store.update(Shelf(bars), "X", "1h")


def test_a_foreign_table_and_a_torn_one(store, bars):
    pl.DataFrame({"a": [1]}).write_delta(store.url)
    with pytest.raises(
        StoreError, match=r"is a Delta Lake table, but no store of candles; expected .*Choose another folder"
    ):
        store.update(Shelf(bars), "X", "1h")
    first_commit(store).write_text(json.dumps({"commitInfo": {}})[:10])
    with pytest.raises(
        StoreError, match=r"^[^\n]* cannot be read \([^\n]*\); expected a store that candlecast wrote\.[^\n]*$"
    ):
        store.update(Shelf(bars), "X", "1h")


@pytest.mark.parametrize("place", ["/proc/candles", "/sys/candles"])
def test_a_place_that_cannot_be_written_to(place, bars):
    with pytest.raises(
        StoreError, match=rf"^{place} cannot be written \([^\n]*\); expected a folder [^\n]*untouched\.$"
    ):
        Store(place).update(Shelf(bars), "X", "1h")


def test_a_file_in_the_place_of_the_folder(tmp_path, bars):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match=r"taken is a file; expected the folder of a store\. Choose another place\.$"):
        Store(tmp_path / "taken").update(Shelf(bars), "X", "1h")


@pytest.mark.parametrize("tear", [lambda file: file.write_bytes(file.read_bytes()[:100]), Path.unlink])
def test_a_torn_or_missing_file_is_said(store, bars, tear):
    store.update(Shelf(bars), "X", "1h")
    (file,) = Path(store.url).rglob("*.parquet")
    tear(file)
    reads = (
        lambda: store.read("shelf", "X", "1h"),
        lambda: store.changes("shelf", "X", "1h"),
        lambda: store.update(Shelf(bars), "X", "1h"),
    )
    for attempt in reads:
        with pytest.raises(
            StoreError, match=r"^[^\n]* cannot be read \([^\n]*\); expected a store that candlecast wrote"
        ):
            attempt()


def test_a_bar_that_closed_by_the_exchanges_clock_is_read_whatever_this_machines_says(store, bars, monkeypatch):
    candles = store.update(Shelf(bars), "X", "1h")
    monkeypatch.setattr("candlecast.store.store.utc_now", lambda: bars["open_time"][980])
    again = store.read("shelf", "X", "1h", version=candles.origin.version)
    assert again.fingerprint == candles.fingerprint


FULL = """
import resource, signal, sys
sys.path.insert(0, {tests!r})
import polars as pl
from candlecast import Store
from candlecast.errors import StoreError
from shelf import Shelf
bars = pl.read_parquet({bars!r})
store = Store({url!r})
store.update(Shelf(bars[:500]), "X", "1h")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))  # as when the disk is full: no file may grow past this
try:
    store.update(Shelf(bars), "X", "1h")
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_nothing_is_lost(store, bars, tmp_path):
    bars.write_parquet(tmp_path / "bars.parquet")
    code = FULL.format(tests=str(Path(__file__).parents[1]), bars=str(tmp_path / "bars.parquet"), url=store.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(
        r"[^\n]* cannot be written \([^\n]*\); expected [^\n]*what was stored before is untouched\.\n", done.stdout
    )
    assert store.read("shelf", "X", "1h").frame.equals(bars[:500])
    assert store.update(Shelf(bars), "X", "1h").frame.equals(bars)


def test_a_disk_without_room_or_right_is_refused_before_anything_is_written(store, bars, monkeypatch):
    store.update(Shelf(bars[:500]), "X", "1h")
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2**10))
        with pytest.raises(
            StoreError, match=r"cannot be written \(1,024 bytes are free, and [\d,]+ may be needed\); exp"
        ):
            store.update(Shelf(bars), "X", "1h")
    with monkeypatch.context() as locked:
        locked.setattr("os.access", lambda folder, right: False)
        with pytest.raises(
            StoreError, match=r"cannot be written \(no right to write, or a read-only disk\); expected a"
        ):
            store.update(Shelf(bars), "X", "1h")
    assert store.read("shelf", "X", "1h").frame.equals(bars[:500])


def test_candles_of_a_store_make_longer_ones_that_name_their_version(store, bars):
    candles = store.update(Shelf(bars), "X", "1h")
    assert isinstance(candles, Candles)
    assert candles.resample("4h").origin == candles[5:50].origin == candles.origin
