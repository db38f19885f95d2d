"""Text in the shapes that exporters write, made here: what is read, what is asked for, and what the reading says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.errors import CandlecastError, CandleError, ConfigError
from candlecast.sources import read_candles, synthetic
from spreadsheets import SHEET, packed, workbook

COUNT = 40
PRICES = ("open", "high", "low", "close")
WALK = synthetic.random_walk(COUNT, seed=5, interval="1h").candles.frame
BARS = [[round(70 * value, 2) for value in row] for row in WALK.select(PRICES).iter_rows()]
VOLUMES = [1_000 + 7 * number for number in range(COUNT)]
FIRST = datetime(2024, 3, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stamps(form: str, step: timedelta = DAY, first: datetime = FIRST) -> list[str]:
    return [(first + number * step).strftime(form) for number in range(COUNT)]


def epochs(factor: int = 1) -> list[str]:
    return [str(int((FIRST + number * HOUR).timestamp() * factor)) for number in range(COUNT)]


def table(
    header: str | None, times: list[str], order: str = "ohlcv", *, mark: str = ",", form=str, newest_first=False
) -> str:
    """Rows of a time and the columns of `order`: o, h, l, c, v, and x for something else."""
    rows = []
    for time, bar, volume in zip(times, BARS, VOLUMES, strict=True):
        cells = dict(zip("ohlc", map(form, bar), strict=True)) | {"v": str(volume), "x": "0.5"}
        rows.append(mark.join([time, *(cells[letter] for letter in order)]))
    rows = rows[::-1] if newest_first else rows
    return "\n".join([*([header] if header else []), *rows, ""])


def objects(names: str, factor: int = 1) -> list[dict]:
    rows = zip(epochs(factor), BARS, VOLUMES, strict=True)
    return [dict(zip(names, [int(time), *bar, volume], strict=True)) for time, bar, volume in rows]


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def read(tmp_path, content: str | bytes, name: str = "ABC.csv", **told):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_candles(path, **told)


def check(candles, *, volumes=VOLUMES, first: datetime = FIRST, step: timedelta = DAY) -> None:
    assert candles.frame["open_time"].to_list() == [first + number * step for number in range(COUNT)]
    assert np.array([candles.open, candles.high, candles.low, candles.close]).T.tolist() == BARS
    assert candles.volume.tolist() == volumes if volumes else np.isnan(candles.volume).all()


DATED = stamps("%Y-%m-%d")
DAYS = {
    "iso": (table("Date,Open,High,Low,Close,Volume", stamps("%Y-%m-%d")), ""),
    "newest first": (
        table("Date,Open,High,Low,Close,Volume", stamps("%Y-%m-%d"), newest_first=True),
        "newest first, reversed",
    ),
    "month first": (table("Date,Open,High,Low,Close,Volume", stamps("%m/%d/%Y")), "month before day"),
    "two digits of the year": (table("Date,Open,High,Low,Close,Volume", stamps("%d.%m.%y")), "day before month"),
    "months in words": (
        table("Date\tOpen\tHigh\tLow\tClose*\tVolume", stamps("%b %d, %Y"), mark="\t"),
        "separated by tabs",
    ),
    "eight digits": (table("<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", stamps("%Y%m%d")), ""),
    "dates as decimals": (table("date,open,high,low,close,volume", stamps("%Y%m%d.0")), ""),
    "german": (
        table("Datum;Eröffnung;Hoch;Tief;Schluss;Volumen", stamps("%d.%m.%Y"), mark=";", form=german),
        "decimal comma, thousands separated by '.'; day before month",
    ),
    "apostrophes": (
        table(
            "Datum;Open;High;Low;Close;Volume",
            stamps("%d.%m.%Y"),
            mark=";",
            form=lambda v: f"{v:,.2f}".replace(",", "'"),
        ),
        'decimal point, thousands separated by "\'"',
    ),
    "dollars": (
        table("Date, Close/Last, Volume, Open, High, Low", stamps("%m/%d/%Y"), "cvohl", form=lambda v: f" ${v}"),
        "month before day",
    ),
    "price before open": (table("Date,Price,Open,High,Low,Vol.", stamps("%Y-%m-%d"), "cohlv"), ""),
    "low before high": (table("Exchange Date,Close,Open,Low,High,Volume", stamps("%d-%b-%Y"), "colhv"), ""),
    "banner and footer": (
        "www.example.com\n\n"
        + table("Time,Open,High,Low,Last,Volume", stamps("%Y-%m-%d"))
        + '"Downloaded on 04-05-2024"\n',
        "1 line left out that is no bar",
    ),
    "sep line": ("sep=;\n" + table("Date;Open;High;Low;Close;Volume", stamps("%Y-%m-%d"), mark=";"), "semicolons"),
    "comments": ("# by a script\n#\n" + table("time,open,high,low,close,volume", stamps("%Y-%m-%d")) + "\n# end\n", ""),
    "chinese": (table("日期,开盘,收盘,最高,最低,成交量,成交额", stamps("%Y-%m-%d"), "ochlvx"), ""),
    "years of Taiwan": (
        table("日期,開盤價,最高價,最低價,收盤價,成交股數", [f"113{text[4:]}" for text in stamps("%Y/%m/%d")]),
        "years of the calendar of Taiwan",
    ),
    "years of Thailand": (
        table("Date,Open,High,Low,Close,Volume", [f"{text[:6]}2567" for text in stamps("%d/%m/%Y")]),
        "years of the Thai calendar",
    ),
    "three header lines": (
        table("Price,Open,High,Low,Close,Volume\nTicker,ABC,ABC,ABC,ABC,ABC\nDate,,,,,", stamps("%Y-%m-%d")),
        "symbol ABC from the table",
    ),
    "days of a spreadsheet": (
        table("Date,Open,High,Low,Close,Volume", [str(45_355 + n) for n in range(COUNT)]),
        "days since",
    ),
    "midnight with an offset": (table("time,open,high,low,close,volume", stamps("%Y-%m-%dT00:00:00+09:00")), ""),
}


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_days(tmp_path, name, end):
    text, said = DAYS[name]
    candles = read(tmp_path, text.replace("\n", end))
    check(candles)
    assert said in candles.origin.reading
    assert (str(candles.interval), candles.symbol) == ("1d", "ABC")


FIELDS = ("1. open", "2. high", "3. low", "4. close", "5. volume")
NAMED_TIMES = {
    time: dict(zip(FIELDS, map(str, [*bar, volume]), strict=True))
    for time, bar, volume in zip(stamps("%Y-%m-%d %H:%M:%SZ", HOUR), BARS, VOLUMES, strict=True)
}
HOURS = {
    "zone in the cell": (table("time,open,high,low,close,volume", stamps("%Y-%m-%dT%H:%M:%SZ", HOUR)), {}),
    "seconds": (table("time,open,high,low,close,volume", epochs()), {}),
    "seconds as decimals": (table("time,open,high,low,close,volume", [f"{epoch}.0" for epoch in epochs()]), {}),
    "milliseconds": (table("time,open,high,low,close,volume", epochs(10**3)), {}),
    "nanoseconds": (table("window_start,open,high,low,close,volume", epochs(10**9)), {}),
    "seconds after milliseconds": (
        table("unix,open,high,low,close,volume", [*epochs()[:20], *epochs(10**3)[20:]]),
        {},
    ),
    "twelve digits": (table("time,open,high,low,close,volume", stamps("%Y%m%d%H%M", HOUR)), {"zone": "UTC"}),
    "AM and PM": (table("time,open,high,low,close,volume", stamps("%Y-%m-%d %I-%p", HOUR)), {"zone": "UTC"}),
    "date and time": (
        table("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", stamps("%Y%m%d,%H%M%S", HOUR)),
        {"zone": "UTC"},
    ),
    "one name for date and time": (
        table("Date,Open,High,Low,Close,Volume", stamps("%Y-%m-%d,%H:%M:%S", HOUR)),
        {"zone": "UTC"},
    ),
    "zone in the name": (table("Gmt time,Open,High,Low,Close,Volume", stamps("%d.%m.%Y %H:%M:%S.000", HOUR)), {}),
    "zone in the banner": (
        "Timestamps are UTC timezone,x\n" + table("Date,Open,High,Low,Close,Volume", stamps("%Y-%m-%d %H:%M", HOUR)),
        {},
    ),
    "name of a zone": (
        table("date,open,high,low,close,volume", stamps("%Y%m%d %H:%M:%S Etc/GMT+5", HOUR, FIRST - 5 * HOUR)),
        {},
    ),
    "offset": (table("time,open,high,low,close,volume", stamps("%d.%m.%Y %H:%M GMT+0200", HOUR, FIRST + 2 * HOUR)), {}),
    "zone said": (
        table("time,open,high,low,close,volume", stamps("%Y-%m-%d %H:%M", HOUR, FIRST + 9 * HOUR)),
        {"zone": "Asia/Tokyo"},
    ),
    "no header": (table(None, epochs(10**3)), {}),
    "no header, close before high": (table(None, epochs(10**3), "ochlv"), {}),
    "no header, low before high": (table(None, epochs(), "lhocv"), {}),
    "no header, volume first": (table(None, epochs(), "vchlo"), {}),
    "no header, newest first": (table(None, epochs(), "ochlv", newest_first=True), {}),
    "no header, date and time": (table(None, stamps("%Y.%m.%d,%H:%M", HOUR)), {"zone": "UTC"}),
    "only a time of closing": (
        table("close_time,open,high,low,close,volume", [str(int(epoch) + 3_599_999) for epoch in epochs(10**3)]),
        {},
    ),
    "header again": (
        table("time,open,high,low,close,volume", epochs()).replace(
            f"\n{epochs()[9]}", f"\ntime,open,high,low,close,volume\n{epochs()[9]}"
        ),
        {},
    ),
    "an unnamed index": (table(",open,high,low,close,volume", stamps("%Y-%m-%d %H:%M:%S+00:00", HOUR)), {}),
    "JSON, lists": (json.dumps([list(each.values()) for each in objects("tohlcv", 10**3)]), {}),
    "JSON, objects": (json.dumps(objects("tohlcv")), {}),
    "JSON, an object a line": ("\n".join(map(json.dumps, objects("tohlcv"))), {}),
    "JSON, columns": (json.dumps({name: [each[name] for each in objects("tohlcv")] for name in "tohlcv"}), {}),
    "JSON, an answer": (json.dumps({"status": "OK", "results": objects("tohlcv", 10**3)}), {}),
    "JSON, times as names": (json.dumps({"Time Series": NAMED_TIMES}), {}),
}


@pytest.mark.parametrize("name", HOURS)
def test_hours(tmp_path, name):
    text, told = HOURS[name]
    check(read(tmp_path, text, **told), step=HOUR)
    if "zone" in told:
        with pytest.raises(CandleError, match=r'has times without a zone .* Say zone="UTC" or for example zone='):
            read(tmp_path, text)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8-sig", "german"),
        ("utf-16", "german"),
        ("cp1252", "german"),
        ("gb18030", "chinese"),
        ("big5", "years of Taiwan"),
    ],
)
def test_encodings(tmp_path, encoding, name):
    check(read(tmp_path, DAYS[name][0].encode(encoding)))


def test_a_damaged_number_decides_nothing(tmp_path):
    text = table("Date;Open;High;Low;Close", DATED, "ohlc", mark=";", form=lambda v: f"{v / 70:.3f}".replace(".", ","))
    damaged = text.replace(";" + f"{BARS[7][0] / 70:.3f}".replace(".", ","), ";1.00,00", 1)
    with pytest.raises(CandlecastError, match=r"can be read in 2 ways: .* Say decimal=|expected a number"):
        read(tmp_path, damaged)
    mixed = table("Date;Open;High;Low;Close", DATED, "ohlc", mark=";", form=german).replace(
        german(BARS[7][0]), "7.00012", 1
    )
    with pytest.raises(CandlecastError, match=r"has (open|high|low|close) '7\.00012' in line \d+; expected a number"):
        read(tmp_path, mixed)


def test_without_volume(tmp_path):
    candles = read(tmp_path, table("DATE,OPEN,HIGH,LOW,CLOSE", stamps("%m/%d/%Y"), "ohlc"))
    check(candles, volumes=None)
    assert "no volume" in candles.origin.reading
    assert candles.check().is_sound


def test_letters_behind_numbers_and_an_absent_volume(tmp_path):
    text = (
        table("Date,Open,High,Low,Close,Vol.", stamps("%Y-%m-%d"), "ohlcx")
        .replace("0.5\n", "68.18K\n", 1)
        .replace("0.5\n", "-\n", 1)
    )
    volume = read(tmp_path, text.replace("0.5\n", "9.27B\n")).volume
    assert volume[0] == 68_180.0
    assert np.isnan(volume[1])
    assert volume[2] == 9_270_000_000.0


def test_ticks_where_the_volume_is_zero(tmp_path):
    header = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>"
    text = table(header, stamps("%Y.%m.%d"), "ohlcvx", mark="\t").replace("\t0.5", "\t0")
    candles = read(tmp_path, text)
    check(candles)
    assert "volume is the number of ticks, since the other is zero" in candles.origin.reading


def test_rows_without_prices_are_left_out(tmp_path):
    lines = table("Date,Open,High,Low,Close,Volume", stamps("%Y-%m-%d")).splitlines()
    lines[5] = lines[5].split(",")[0] + ",null,null,null,null,null"
    lines.insert(8, "2024-03-10,0.24 Dividend,,,,")
    candles = read(tmp_path, "\n".join(lines))
    assert len(candles) == COUNT - 1
    assert "1 row without prices left out" in candles.origin.reading
    assert "1 row of dividends or splits left out" in candles.origin.reading


def stacked(mark: str) -> str:
    one = table(None, stamps("%Y-%m-%d"), mark=mark).splitlines()
    other = table(None, stamps("%Y-%m-%d"), mark=mark, form=lambda v: str(2 * v)).splitlines()
    rows = [
        f"{row}{mark}{name}"
        for pair in zip(one, other, strict=True)
        for row, name in zip(pair, ("A-1", "B"), strict=True)
    ]
    return "\n".join([mark.join(["Date", "Open", "High", "Low", "Close", "Volume", "Name"]), *rows])


def side_by_side(header: str) -> str:
    rows = [
        ",".join([time, *map(str, bar), *(str(2 * value) for value in bar)])
        for time, bar in zip(stamps("%Y-%m-%d"), BARS, strict=True)
    ]
    return "\n".join([header, *rows])


@pytest.mark.parametrize(
    "text",
    [
        stacked(","),
        side_by_side(",A-1:open,A-1:high,A-1:low,A-1:close,B:open,B:high,B:low,B:close"),
        side_by_side("Price,Open,High,Low,Close,Open,High,Low,Close\nTicker,A-1,A-1,A-1,A-1,B,B,B,B\nDate,,,,,,,,"),
        side_by_side("Ticker,A-1,A-1,A-1,A-1,B,B,B,B\nPrice,Open,High,Low,Close,Open,High,Low,Close\nDate,,,,,,,,"),
    ],
)
def test_several_symbols(tmp_path, text):
    with pytest.raises(
        CandleError, match=r'holds 2 symbols \(A-1, B\); expected one symbol. Say which, for example symbol="A-1"'
    ):
        read(tmp_path, text)
    candles = read(tmp_path, text, symbol="A-1")
    assert (candles.symbol, candles.close.tolist()) == ("A-1", [bar[3] for bar in BARS])
    assert read(tmp_path, text, symbol="b").close[0] == 2 * BARS[0][3]
    with pytest.raises(ConfigError, match="has no symbol 'C'; expected one of A-1, B"):
        read(tmp_path, text, symbol="C")


def test_a_symbol_that_the_table_contradicts(tmp_path):
    text = "\n".join(row for row in stacked(",").splitlines() if not row.endswith(",B"))
    assert read(tmp_path, text).symbol == "A-1"
    assert read(tmp_path, text, symbol="a1").symbol == "a1"
    with pytest.raises(ConfigError, match="has no symbol 'B'; expected one of A-1"):
        read(tmp_path, text, symbol="B")
    assert read(tmp_path, DAYS["iso"][0], symbol="B").symbol == "B"


def test_adjusted_prices_beside_the_plain_ones(tmp_path):
    header = "Date,Open,High,Low,Close,Adj Close"
    rows = [
        f"{time},{','.join(map(str, bar))},{bar[3] / 2}" for time, bar in zip(stamps("%Y-%m-%d"), BARS, strict=True)
    ]
    text = "\n".join([header, *rows])
    check(read(tmp_path, text), volumes=None)
    assert read(tmp_path, text, adjusted=True).open == pytest.approx([bar[0] / 2 for bar in BARS])
    header = "date,open,high,low,close,adjOpen,adjHigh,adjLow,adjClose"
    rows = [
        f"{time},{','.join(map(str, bar + [value / 4 for value in bar]))}"
        for time, bar in zip(stamps("%Y-%m-%d"), BARS, strict=True)
    ]
    assert read(tmp_path, "\n".join([header, *rows]), adjusted=True).high == pytest.approx([bar[1] / 4 for bar in BARS])


ORDERS = {
    "twelve days or the third of each month": (DAY, 12, "%m/%d/%Y", datetime(2024, 3, 1), "mdy"),
    "hours of twelve days": (HOUR, 288, "%d/%m/%Y %H:%M", datetime(2024, 3, 1), "dmy"),
    "hours of twelve days, month first": (HOUR, 288, "%m/%d/%Y %H:%M", datetime(2024, 3, 1), "mdy"),
    "days or firsts of months": (DAY, 12, "%m/%d/%Y", datetime(2024, 1, 1), None),
    "one day": (timedelta(minutes=10), 30, "%m/%d/%Y %H:%M", datetime(2024, 3, 4, 9), None),
}


@pytest.mark.parametrize("name", ORDERS)
def test_day_and_month(tmp_path, name):
    step, count, form, first, order = ORDERS[name]
    bars = synthetic.random_walk(count, seed=1, interval="1h").candles.frame.select(*PRICES, "volume")
    times = [first + number * step for number in range(count)]
    text = bars.insert_column(0, pl.Series("Date", [time.strftime(form) for time in times])).write_csv()
    right = [time.replace(tzinfo=UTC) for time in times]
    if order is None:
        with pytest.raises(
            CandleError, match=r'can be read in 2 ways: dmy .* mdy .* Say the order: dates="dmy" or dates="mdy"'
        ):
            read(tmp_path, text, zone="UTC")
        order = "mdy"
        assert read(tmp_path, text, zone="UTC", dates=order).frame["open_time"].to_list() == right
    else:
        assert read(tmp_path, text, zone="UTC").frame["open_time"].to_list() == right


@pytest.mark.parametrize("newest_first", [False, True])
def test_hours_that_occur_twice(tmp_path, newest_first):
    first = datetime(2024, 10, 26, 12, tzinfo=UTC)
    local = pl.Series([first + number * HOUR for number in range(COUNT)]).dt.convert_time_zone("Europe/Berlin")
    times = local.dt.strftime("%Y-%m-%d %H:%M").to_list()
    text = table("time,open,high,low,close,volume", times, newest_first=newest_first)
    check(read(tmp_path, text, zone="Europe/Berlin"), first=first, step=HOUR)
    once = text.replace("2024-10-27 02:00", "2024-10-27 03:30", 1)
    with pytest.raises(
        ConfigError, match=r"2024-10-27 02:00 occurs twice in Europe/Berlin and stands once in .*zone=\"UTC\""
    ):
        read(tmp_path, once, zone="Europe/Berlin")
    with pytest.raises(
        ConfigError, match="2024-03-10 02:00 does not exist in America/New_York, where clocks skip that hour"
    ):
        read(
            tmp_path,
            table("t,o,h,l,c,v", stamps("%Y-%m-%d %H:%M", HOUR, datetime(2024, 3, 9, 12))),
            zone="America/New_York",
        )


NAMED = "Date,Open,High,Low,Close,Volume"
REFUSED = {
    "three digits": (
        table("Date;Open;High;Low;Close", DATED, "ohlc", mark=";", form=lambda v: f"{v / 50:.3f}".replace(".", ",")),
        "can be read in 2 ways",
    ),
    "lost points": (
        table(NAMED, DATED, mark=";", form=lambda v: f"{int(v * 10**9):,}".replace(",", ".")).replace(
            NAMED, NAMED.replace(",", ";")
        ),
        "have lost their decimal point",
    ),
    "prices as dates": (
        table(NAMED, DATED).replace(str(BARS[3][0]), "09. Jan"),
        "A spreadsheet took the number for a date",
    ),
    "rounded counts": (table(NAMED, [f"1.70925E+{12}"] * COUNT), "which a spreadsheet has rounded"),
    "years": (table(NAMED, ["2024"] * COUNT), "day and month are lost"),
    "far years": (table(NAMED, [f"21{text[2:]}" for text in DATED]), "expected years from 1900 to"),
    "months by a day within them": (
        table("Date,Open,High,Low,Close,Volume", [f"{2020 + n // 12}-{n % 12 + 1:02}-15" for n in range(COUNT)]),
        "are as long as months and have dates within them, such as 2020-01-15",
    ),
    "no open": (table("Date,High,Low,Close,Volume", DATED, "hlcv"), "has no column for open"),
    "trades": (
        table("Date,o,h,l,c", [(FIRST + n * n * HOUR).isoformat() for n in range(COUNT)], "oooo"),
        "single trades",
    ),
    "trades without a header": (
        "\n".join(f"{time},{bar[0]},0.5" for time, bar in zip(epochs(), BARS, strict=True)),
        "single trades",
    ),
    "high and low exchanged": (table("Date,Open,Low,High,Close,Volume", DATED), "the high lies below another price"),
    "times of two columns, one lost": (
        table(NAMED, [DATED[n // 20] for n in range(COUNT)]),
        "open at the time of the row before",
    ),
    "one row of each symbol": (
        "\n".join(["Name,Date,Open,High,Low,Close", *(f"S{n},2024-03-04,1,2,1,2" for n in range(20))]),
        "one row of each of 20 symbols",
    ),
    "zones in some rows": (
        table(NAMED, [text + "Z" * (n > 3) for n, text in enumerate(stamps("%Y-%m-%dT%H:%M", HOUR))]),
        "with a zone and times without",
    ),
    "a cut line": (table(NAMED, DATED)[:-12], "cells in line 41"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name):
    text, words = REFUSED[name]
    with pytest.raises(CandlecastError) as error:
        read(tmp_path, text)
    assert words in str(error.value)
    assert str(error.value).count("; expected ") == 1


def parts() -> dict[str, str]:
    """The parts of a workbook of days."""
    days = [[45_355 + number, *bar, volume] for number, (bar, volume) in enumerate(zip(BARS, VOLUMES, strict=True))]
    return workbook(NAMED.split(","), days)


def test_a_workbook(tmp_path):
    pytest.importorskip("fastexcel")
    check(read(tmp_path, packed(parts()), "ABC.xlsx"))
    with pytest.raises(
        CandlecastError, match=r"ABC\.xlsx cannot be read .*; expected a workbook of Excel. Save the sheet as CSV"
    ):
        read(tmp_path, packed(parts()).replace(b"xl/worksheets/sheet1", b"xl/worksheets/sheet2"), "ABC.xlsx")


def test_a_workbook_of_two_cells_in_opposite_corners_is_refused(tmp_path):
    """Its parser allocates the whole sheet, and ends its process without an exception."""
    pytest.importorskip("fastexcel")
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    sheet = re.sub("(<sheetData>).*(</sheetData>)", rf"\1{cells}\2", parts()[SHEET])
    with pytest.raises(CandlecastError, match="its cells need more memory or time than its size allows"):
        read(tmp_path, packed(parts() | {SHEET: sheet}), "ABC.xlsx")
