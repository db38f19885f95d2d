"""Files of every usual shape through one door, as small re-typed examples of what is found in the wild."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from candlecast.errors import CandleError, SourceError
from candlecast.sources import read_candles, synthetic
from servers.binance import Listing, dump

CANDLES = synthetic.random_walk(50, seed=0, interval="1h").candles
DUMP_HEADER = (
    "open_time,open,high,low,close,volume,"
    "close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def zipped(path, member: str, text: str):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    return path


@pytest.mark.parametrize(
    ("header", "first", "step"),
    [
        ("", 1_672_531_200_000, 60_000),
        ("", 1_735_689_600_000_000, 60_000_000),
        (DUMP_HEADER, 1_672_531_200_000, 60_000),
    ],
    ids=["milliseconds", "microseconds", "futures"],
)
@pytest.mark.parametrize("is_zipped", [True, False])
def test_dumps_of_binance(tmp_path, header, first, step, is_zipped):
    rows = [
        f"{first + n * step},16541.77,16544.76,16538.45,16543.67,83.08143,{first + n * step + step - 1},1.0,9,4.0,6.0,0"
        for n in range(3)
    ]
    text = header + "\n".join(rows) + "\n"
    path = tmp_path / ("BTCUSDT-1m-2023-01.zip" if is_zipped else "BTCUSDT-1m-2023-01.csv")
    zipped(path, "BTCUSDT-1m-2023-01.csv", text) if is_zipped else path.write_text(text)
    candles = read_candles(path)
    assert (candles.symbol, str(candles.interval), len(candles)) == ("BTCUSDT", "1m", 3)
    assert candles.frame["open_time"][0] in (at(2023, 1, 1), at(2025, 1, 1))
    assert candles.frame.row(2)[2:] == (16541.77, 16544.76, 16538.45, 16543.67, 83.08143)


def test_a_dump_as_the_archive_gives_it(tmp_path):
    path = tmp_path / "BTCUSDT-1h-2025-01.zip"
    listing = ("BTCUSDT", "spot", at(2024, 1, 1), None, True, (), ())
    path.write_bytes(dump(listing, 3_600, at(2025, 1, 1), at(2025, 2, 1), "BTCUSDT-1h-2025-01.csv"))
    assert len(read_candles(path)) == 744
    assert Listing(*listing).symbol == "BTCUSDT"


def test_lists_of_freqtrade(tmp_path):
    rows = [[1_700_000_000_000 + n * 300_000, 1.5, 2, 1, 1.75, 10 + n] for n in range(4)]
    plain, packed = tmp_path / "BTC_USDT-5m.json", tmp_path / "ETH_USDT_USDT-5m-futures.json.gz"
    plain.write_text(json.dumps(rows))
    packed.write_bytes(gzip.compress(json.dumps(rows).encode()))
    candles = read_candles(plain)
    assert (candles.symbol, str(candles.interval)) == ("BTC/USDT", "5m")
    assert candles.volume.tolist() == [10, 11, 12, 13]
    assert read_candles(packed).symbol == "ETH/USDT"
    assert read_candles(packed).frame.equals(candles.frame)


def test_an_absent_price_in_a_list_is_kept_absent(tmp_path):
    path = tmp_path / "A_B-1h.json"
    path.write_text("[[1700000000000, 1, 2, 1, 2, 5], [1700003600000, null, 2, 1, 2, 5]]")
    assert not read_candles(path).check().is_sound


def test_feather_of_freqtrade(tmp_path):
    path = tmp_path / "BTC_USDT-1h.feather"
    frame = CANDLES.frame.drop("close_time").rename({"open_time": "date"})
    frame.with_columns(pl.col("date").cast(pl.Datetime("ms", "UTC"))).write_ipc(path)
    assert read_candles(path).frame.equals(CANDLES.frame)
    assert read_candles(path).symbol == "BTC/USDT"


@pytest.mark.parametrize("content", ["{}", "[[1, 2]]", "[1, 2, 3]", "junk"])
def test_json_of_other_things(tmp_path, content):
    path = tmp_path / "BTC_USDT-1h.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=r"BTC_USDT-1h\.json (is an answer in JSON without candles|holds no table)"):
        read_candles(path)


def test_a_feather_file_that_is_none(tmp_path):
    path = tmp_path / "A.feather"
    path.write_bytes(b"junk")
    with pytest.raises(SourceError, match=r"A\.feather cannot be read .*; expected a feather file\. Check the file"):
        read_candles(path)


def test_a_yahoo_export(tmp_path):
    path = tmp_path / "AAPL.csv"
    path.write_text(
        "Date,Open,High,Low,Close,Adj Close,Volume\n"
        "2020-08-27,127.0,127.5,124.0,125.0,122.5,155552400\n"
        "2020-08-28,null,null,null,null,null,null\n"
        "2020-08-31,128.0,131.0,126.0,129.0,129.0,225702700\n"
    )
    assert read_candles(path).close.tolist() == [125.0, 129.0]
    adjusted = read_candles(path, adjusted=True)
    assert adjusted.open.tolist() == pytest.approx([127.0 * 0.98, 128.0])
    assert adjusted.close.tolist() == [122.5, 129.0]
    other = tmp_path / "B.csv"
    other.write_text("time,open,high,low,close,volume\n2020-01-01,1,2,1,2,3\n2020-01-02,1,2,1,2,3\n")
    with pytest.raises(
        CandleError,
        match=r"B\.csv has no adjusted prices \(no column such as Adj Close\); expected adjusted prices beside",
    ):
        read_candles(other, adjusted=True)


LEAN_DAYS = """\
20200827 00:00,5070000,5100000,4950000,5000000,40
20200828 00:00,5000000,5050000,4980000,5000000,40
20200831 00:00,1275000,1310000,1260000,1290000,200
"""
LEAN_HOURS = """\
20210312 15:00,1227200,1231146,1220000,1221500,34
20210315 09:00,1227200,1231146,1220000,1221500,34
20210315 10:00,1227200,1231146,1220000,1221500,34
"""
LEAN_QUOTES = """\
20070101 21:00,1.31,1.33,1.30,1.32,0,1.33,1.35,1.32,1.34,0
20070101 22:00,1.31,1.33,1.30,1.32,0,1.33,1.35,1.32,1.34,0
"""
FACTORS = "19980102,0.8,0.1,1\n20200828,0.9,0.25,500\n20201105,0.9,1,119.03\n20501231,1,1,0\n"


def test_days_of_lean_as_traded_and_adjusted(tmp_path):
    path, factors = zipped(tmp_path / "aapl.zip", "aapl.csv", LEAN_DAYS), tmp_path / "aapl.csv"
    factors.write_text(FACTORS)
    raw = read_candles(path, symbol="AAPL")
    assert raw.close.tolist() == [500.0, 500.0, 129.0]
    assert [time.date() for time in raw.frame["open_time"]] == [date(2020, 8, 27), date(2020, 8, 28), date(2020, 8, 31)]
    adjusted = read_candles(path, factors=factors)
    assert adjusted.close.tolist() == pytest.approx([112.5, 112.5, 116.1])  # the split's own date is the last with 0.25
    assert adjusted.volume.tolist() == [160.0, 160.0, 200.0]
    assert adjusted.symbol == "aapl"
    with pytest.raises(SourceError, match=r"none\.csv cannot be read .*; expected a factor file of Lean: date, price"):
        read_candles(path, factors=tmp_path / "none.csv")


def test_prices_of_lean_are_the_nearest_to_the_decimals(tmp_path):
    rows = "".join(f"202103{day} 00:00,2945300,2945300,2945300,2945300,1\n" for day in (29, 30))
    assert read_candles(zipped(tmp_path / "fb.zip", "fb.csv", rows)).close.tolist() == [294.53, 294.53]


def test_adjusting_a_file_that_is_newest_first(tmp_path):
    backwards = "\n".join(reversed(LEAN_DAYS.strip().splitlines()))
    path, factors = zipped(tmp_path / "aapl.zip", "aapl.csv", backwards), tmp_path / "aapl.csv"
    factors.write_text(FACTORS)
    candles = read_candles(path, factors=factors)
    assert candles.close.tolist() == pytest.approx([112.5, 112.5, 116.1])
    assert "newest first, reversed" in candles.origin.reading


def test_hours_of_lean_are_in_new_yorks_time(tmp_path):
    candles = read_candles(zipped(tmp_path / "aapl.zip", "aapl.csv", LEAN_HOURS))
    assert candles.frame["open_time"].to_list() == [at(2021, 3, 12, 20), at(2021, 3, 15, 13), at(2021, 3, 15, 14)]
    factors = tmp_path / "f.csv"
    factors.write_text("20210312,0.5,1,1\n20501231,1,1,0\n")
    assert read_candles(zipped(tmp_path / "b.zip", "b.csv", LEAN_HOURS), factors=factors).close.tolist() == [
        61.075,
        122.15,
        122.15,
    ]


def test_crypto_and_quotes_of_lean(tmp_path):
    crypto = "20180501 00:00,9246.01,9248.99,8934.44,8955.01,5263.799551\n20180501 01:00,8955.13,9020.99,8870,8994.99,4347.9\n"
    candles = read_candles(zipped(tmp_path / "btcusdt.zip", "btcusdt.csv", crypto))
    assert candles.frame["open_time"][0] == at(2018, 5, 1)
    assert candles.open[0] == 9246.01
    middle = read_candles(zipped(tmp_path / "eurusd.zip", "eurusd.csv", LEAN_QUOTES))
    assert middle.frame.row(0)[2:] == pytest.approx((1.32, 1.34, 1.31, 1.33, 0.0))
    assert middle.frame["open_time"][0] == at(2007, 1, 1, 21)


@pytest.mark.parametrize(
    ("member", "text"),
    [
        ("btcjpy.csv", "20180504 00:00,990000,991000,980000,985000,5\n20180505 00:00,985000,991000,980000,990000,5\n"),
        ("btcjpy.csv", "20180504 02:00,990000,991000,980000,985000,5\n20180504 03:00,985000,991000,980000,990000,5\n"),
        ("20180504_btcjpy_minute_trade.csv", "0,990000,991000,980000,985000,5\n60000,985000,991000,980000,990000,5\n"),
    ],
    ids=["days", "hours", "minutes"],
)
def test_crypto_of_lean_in_whole_numbers_is_no_share(tmp_path, member, text):
    candles = read_candles(zipped(tmp_path / "a.zip", member, text))
    assert candles.close.tolist() == [985_000.0, 990_000.0]
    assert candles.frame["open_time"][0].replace(hour=0) == at(2018, 5, 4)


def test_minutes_of_lean_have_their_day_in_the_name(tmp_path):
    text = "0,17212.12,17216.55,17208.88,17208.88,110.66\n60000,17209.49,17227.24,17208.84,17226.99,147.6\n"
    candles = read_candles(zipped(tmp_path / "20221213_trade.zip", "20221213_btcbusd_minute_trade.csv", text))
    assert candles.frame["open_time"].to_list() == [at(2022, 12, 13), at(2022, 12, 13) + timedelta(minutes=1)]


def test_a_nameless_table_of_another_shape(tmp_path):
    path = tmp_path / "A.csv"
    path.write_text("1700000000,1,2,1,2,3\n1700003600,1,2,1,2,3\n")
    assert read_candles(path).origin.reading.startswith("no header: time, open, high, low, close, volume by content; ")
    path.write_text("1700000000,1,2,1,7,3\n1700003600,1,2,5,2,3\n")
    with pytest.raises(CandleError, match="Add a header line that names the columns"):
        read_candles(path)


def test_ordinary_files_are_read_as_before(tmp_path):
    path = tmp_path / "A.csv.gz"
    table = CANDLES.frame.drop("close_time").with_columns(pl.col("open_time").dt.epoch("ms"))
    buffer = io.BytesIO()
    table.write_csv(buffer)
    path.write_bytes(gzip.compress(buffer.getvalue()))
    assert read_candles(path).frame.equals(CANDLES.frame)
