"""The door for foreign frames: what is read rightly, and what is refused with which words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError

START = 1_704_067_200  # 2024-01-01 00:00 UTC
HOURS = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(4)]
PRICES = {
    "open": [1.0, 2.0, 3.0, 4.0],
    "high": [3.0, 4.0, 5.0, 6.0],
    "low": [0.5, 1.5, 2.5, 3.5],
    "close": [2.0, 3.0, 4.0, 5.0],
    "volume": [10.0, 20.0, 30.0, 40.0],
}


def frame(times, **changes) -> pl.DataFrame:
    return pl.DataFrame({"time": times, **PRICES, **changes})


def opened(candles: Candles) -> list[datetime]:
    return candles.frame["open_time"].to_list()


def test_the_market_table_is_typed_and_in_order():
    candles = Candles.from_frame(frame(HOURS), symbol="X")
    assert candles.frame.schema == {
        "open_time": pl.Datetime("us", "UTC"),
        "close_time": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64()),
    }
    assert candles.close_time[0] == np.datetime64("2024-01-01T01:00")
    assert repr(candles) == "Candles(X 1h, 4 bars, 2024-01-01 00:00 to 2024-01-01 04:00 UTC)"


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [int, float, str])
def test_epochs_are_told_apart_by_size(factor, kind):
    times = [kind((START + 3_600 * hour) * factor) for hour in range(4)]
    assert opened(Candles.from_frame(frame(times))) == HOURS


def test_units_mixed_in_one_column_are_read_row_by_row():
    times = [START, (START + 3_600) * 10**3, (START + 7_200) * 10**6, (START + 10_800) * 10**9]
    assert opened(Candles.from_frame(frame(times))) == HOURS
    assert opened(Candles.from_frame(frame([str(time) for time in times]))) == HOURS


def test_a_fraction_of_a_second_is_kept():
    times = [START + 0.25 + 3_600 * hour for hour in range(4)]
    assert opened(Candles.from_frame(frame(times)))[0] == HOURS[0] + timedelta(milliseconds=250)


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%Y-%m-%d %H:%M:%S+00:00", None),
        ("%Y-%m-%d %H:%M:%S UTC", None),
        ("%Y-%m-%dT%H:%M:%S.000Z", None),
        ("%Y-%m-%d %H:%M:%S", "UTC"),
        ("%Y-%m-%d %H:%M", "UTC"),
    ],
)
def test_text_times_of_several_forms(form, zone):
    texts = [f" {hour.strftime(form)} " for hour in HOURS]
    assert opened(Candles.from_frame(frame(texts), zone=zone)) == HOURS


def test_text_times_with_an_offset_are_moved_to_utc():
    texts = [f"2024-01-01 0{hour}:00:00+03:00" for hour in range(3, 7)]
    assert opened(Candles.from_frame(frame(texts))) == HOURS


DAYS = [datetime(2024, 3, day, tzinfo=UTC) for day in (8, 9, 10, 11)]  # daylight saving begins in New York on the 10th


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%Y-%m-%d 00:00:00"])
def test_whole_dates_name_the_day_and_need_no_zone(form):
    for zone in (None, "America/New_York"):
        assert opened(Candles.from_frame(frame([day.strftime(form) for day in DAYS]), zone=zone)) == DAYS


def test_dates_of_every_other_type():
    assert opened(Candles.from_frame(frame([day.date() for day in DAYS]))) == DAYS
    assert opened(Candles.from_frame(frame([int(day.strftime("%Y%m%d")) for day in DAYS]))) == DAYS
    assert opened(Candles.from_frame(frame([day.replace(tzinfo=None) for day in DAYS]))) == DAYS


def test_days_that_begin_at_midnight_in_a_zone_with_daylight_saving_stay_on_the_grid():
    index = pd.DatetimeIndex([day.date() for day in DAYS]).tz_localize("America/New_York")
    for source in (
        pd.DataFrame(PRICES, index=index),
        frame([str(time) for time in index]),
        frame(pl.Series(index.tz_localize(None)).dt.replace_time_zone("America/New_York")),
    ):
        candles = Candles.from_frame(source)
        assert opened(candles) == DAYS
        assert candles.check().is_sound


def test_local_times_are_taken_in_the_zone_named():
    times = [datetime(2024, 7, 1, hour) for hour in (9, 10, 11, 12)]
    candles = Candles.from_frame(frame(times), zone="America/New_York")
    assert opened(candles)[0] == datetime(2024, 7, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["soon"] * 4, "asset has time 'soon' in row 1; expected a date or time such as 2024-01-31"),
        (["2024-01-01T00:00:00Z", "x", "y", "z"], "asset has time 'x' in row 2; expected a date or time"),
        (
            ["2024-01-01 10:00:00", "2024-01-02", "x", "y"],
            "asset has time 'x' in row 3; expected a date or time such as 2024-01-31",
        ),
        ([START, None, START, START], "asset has no time in row 2; expected a time in every row. Remove or complete"),
        ([1.7e9, float("nan"), 1.7e9, 1.7e9], "asset has no time in row 2; expected a time in every row"),
        ([1.0, 2.0, 3.0, 4.0], "asset has time 1 in row 1; expected seconds, milliseconds, microseconds or nano"),
        ([START, -5, START, START], "asset has time -5 in row 2; expected seconds, milliseconds"),
        ([1.7e9, float("inf"), 1.7e9, 1.7e9], "asset has time inf in row 2; expected seconds, milliseconds"),
        ([True, False, True, False], "the time column 'time' of asset holds Boolean; expected times, dates"),
        ([START] * 4, "all 4 candles of asset open at 2024-01-01 00:00:00; expected candles that follow each other"),
    ],
)
def test_times_that_cannot_be_read(times, message):
    with pytest.raises(CandleError, match=r"^" + message):
        Candles.from_frame(frame(times))


def test_times_without_zone_are_refused_with_both_ways_out():
    with pytest.raises(
        CandleError, match=r"asset has times without a zone \(the first is 2024-01-01 00:00:00\)"
    ) as error:
        Candles.from_frame(frame([hour.replace(tzinfo=None) for hour in HOURS]))
    assert 'Say zone="UTC" or for example zone="America/New_York".' in str(error.value)


@pytest.mark.parametrize(
    ("zone", "hour", "message"),
    [
        ("Mars/Base", 5, "there is no zone 'Mars/Base'; expected a zone of the IANA"),
        (
            "America/New_York",
            2,
            "2024-03-10 02:30 does not exist in America/New_York, where clocks skip that hour: the",
        ),
    ],
)
def test_zones_that_do_not_exist_and_times_that_did_not(zone, hour, message):
    times = [datetime(2024, 3, 10, hour, 30) + timedelta(days=day) for day in range(4)]
    with pytest.raises(ConfigError, match=message):
        Candles.from_frame(frame(times), zone=zone)


@pytest.mark.parametrize("text", ["abc", "$", "3 4"])
def test_text_among_the_numbers_is_named_with_its_row(text):
    with pytest.raises(CandleError) as error:
        Candles.from_frame(frame(HOURS, low=["0.5", " 1.5 ", text, "3.5"]))
    assert str(error.value) == f"asset has low {text!r} in row 3; expected a number. Correct or remove that row."


def test_numbers_that_contradict_each_other_are_refused():
    with pytest.raises(CandleError, match=r'such as 1,5 can be read in 2 ways: 1.5 or 15; .*Say decimal=","'):
        Candles.from_frame(frame(HOURS, low=["0.5", " 1.5 ", "1,5", "3.5"]))


def test_absent_values_are_kept_absent_for_check_to_list():
    candles = Candles.from_frame(frame(HOURS, close=[2.0, None, 4.0, 5.0]))
    assert np.isnan(candles.close[1])
    assert candles.check().issues["kind"].to_list() == ["not_finite"]


def test_missing_columns_are_named_beside_those_found():
    with pytest.raises(CandleError) as error:
        Candles.from_frame(pl.DataFrame({"Date": HOURS, "Close": [1.0] * 4}), symbol="X")
    assert str(error.value) == (
        "X has no column for open, high, low (its columns are Date, Close); expected open_time, open, high, low, close, "
        "volume or their usual other names. Use a table with open, high, low and close, or say which columns they are, for "
        'example columns={"open": "NAME"}.'
    )


def test_candles_without_volume_have_an_absent_one():
    candles = Candles.from_frame(frame(HOURS).drop("volume"))
    assert np.isnan(candles.volume).all()


@pytest.mark.parametrize(("rows", "words"), [(0, "0 candles"), (1, "1 candle")])
def test_fewer_than_two_rows(rows, words):
    with pytest.raises(CandleError, match=f"^asset has {words}; expected at least 2. Check the file or the range"):
        Candles.from_frame(frame(HOURS).head(rows))


@pytest.mark.parametrize(
    ("wanted", "remedy"), [("4h", ', then candles.resample("4h")'), ("15m", ", or find shorter candles")], ids=str
)
def test_an_interval_that_the_data_contradict(wanted, remedy):
    with pytest.raises(CandleError) as error:
        Candles.from_frame(frame(HOURS), interval=wanted)
    assert str(error.value) == (
        f"most candles of asset open 1h apart; expected {wanted}, the interval that was named. "
        f'Use interval="1h"{remedy}.'
    )


def test_the_interval_is_the_most_common_step():
    times = [HOURS[0] + timedelta(hours=hour) for hour in (0, 1, 2, 9)]
    assert str(Candles.from_frame(frame(times)).interval) == "1h"
    assert str(Candles.from_frame(frame([HOURS[0]] * 4), interval="1h").interval) == "1h"


def test_usual_other_names_and_cases():
    names = {"time": "Timestamp", "open": "O", "high": " High ", "low": "LOW", "close": "c", "volume": "Vol"}
    candles = Candles.from_frame(frame(HOURS).rename(names).with_columns(pl.lit(9.0).alias("Adj Close")))
    assert candles.close.tolist() == PRICES["close"]


def test_pandas_frames_with_every_usual_index():
    expected = Candles.from_frame(frame(DAYS)).frame
    naive = pd.DataFrame(PRICES, index=pd.DatetimeIndex([day.date() for day in DAYS], name="Date"))
    in_column = naive.reset_index()
    as_text = naive.set_axis([str(day.date()) for day in DAYS])
    as_epoch = naive.set_axis(pd.Index([int(day.timestamp()) for day in DAYS], name="timestamp"))
    filtered = pd.concat([in_column, in_column]).iloc[:4]
    doubled = naive.assign(open_time=[day.date() for day in DAYS])
    for table in (naive, naive.tz_localize("UTC"), in_column, as_text, as_epoch, filtered, doubled):
        assert Candles.from_frame(table).frame.equals(expected)


def test_pandas_there_and_back():
    candles = Candles.from_frame(frame(HOURS))
    assert Candles.from_frame(candles.to_pandas()).frame.equals(candles.frame)


def test_yfinance_columns_of_field_and_ticker():
    single = pd.DataFrame(PRICES, index=pd.DatetimeIndex([day.date() for day in DAYS], name="Date"))
    single.columns = pd.MultiIndex.from_product(
        [[name.title() for name in PRICES], ["AAPL"]], names=["Price", "Ticker"]
    )
    assert opened(Candles.from_frame(single)) == DAYS
    assert opened(Candles.from_frame(single.swaplevel(axis=1))) == DAYS
    double = pd.concat([single, 2 * single.rename(columns={"AAPL": "MSFT"})], axis=1)
    with pytest.raises(CandleError) as error:
        Candles.from_frame(double)
    assert str(error.value) == (
        'asset holds 2 symbols (AAPL, MSFT); expected one symbol. Say which, for example symbol="AAPL".'
    )
    for table in (double, double.swaplevel(axis=1), double.swaplevel(axis=1).sort_index(axis=1)):
        candles = Candles.from_frame(table, symbol="MSFT")
        assert (candles.symbol, candles.close.tolist()) == ("MSFT", [2 * price for price in PRICES["close"]])
    with pytest.raises(ConfigError, match="TSLA has no symbol 'TSLA'; expected one of AAPL, MSFT"):
        Candles.from_frame(double, symbol="TSLA")


def test_pandas_frames_with_symbols_in_the_rows():
    stacked = pd.concat(
        {name: pd.DataFrame(PRICES, index=pd.DatetimeIndex(HOURS)) * n for n, name in enumerate(("A", "B"), 1)}
    )
    alpaca = stacked.rename_axis(["symbol", "timestamp"])
    qlib = (
        stacked.swaplevel().rename_axis(["datetime", "instrument"]).sort_index().rename(columns=lambda name: f"${name}")
    )
    for table in (stacked, alpaca, qlib, alpaca.reset_index()):
        candles = Candles.from_frame(table, symbol="B")
        assert opened(candles) == HOURS
        assert candles.close.tolist() == [2 * price for price in PRICES["close"]]
        with pytest.raises(CandleError, match=r"holds 2 symbols \(A, B\); expected one symbol. Say which, for example"):
            Candles.from_frame(table)
    assert Candles.from_frame(alpaca.loc[["A"]]).symbol == "A"


def test_newest_first_frames_are_reversed():
    candles = Candles.from_frame(frame(HOURS).reverse())
    assert opened(candles) == HOURS
    assert candles.close.tolist() == PRICES["close"]


def test_what_is_said_instead_of_found():
    texts = ["01/02/2024", "01/03/2024", "01/04/2024", "01/05/2024"]
    with pytest.raises(CandleError) as error:
        Candles.from_frame(frame(texts))
    assert 'Say the order: dates="dmy" or dates="mdy".' in str(error.value)
    assert "dmy (day before month): 2024-02-01 to 2024-05-01; mdy (month before day): 2024-01-02 to" in str(error.value)
    assert opened(Candles.from_frame(frame(texts), dates="mdy"))[0] == datetime(2024, 1, 2, tzinfo=UTC)
    named = frame(HOURS).rename({"open": "OpnX"})
    assert Candles.from_frame(named, columns={"open": "OpnX"}).open.tolist() == PRICES["open"]
    commas = frame(
        HOURS, **{name: [f"{value + 100:.3f}".replace(".", ",") for value in PRICES[name]] for name in PRICES}
    )
    assert Candles.from_frame(commas, decimal=",").open[0] == 101.0
    for words, told in (
        ("dates is 'xyz'; expected the order", {"dates": "xyz"}),
        ("decimal is ';'; expected a point or a comma", {"decimal": ";"}),
        ("columns names 'opne'; expected any of time, open", {"columns": {"opne": "a"}}),
        ("asset has no column 'OpnX' for open; expected one of", {"columns": {"open": "OpnX"}}),
    ):
        with pytest.raises(ConfigError, match=words):
            Candles.from_frame(frame(HOURS), **told)


def test_pandas_frames_that_cannot_be_taken_over():
    table = pd.DataFrame(PRICES, index=pd.DatetimeIndex([day.date() for day in DAYS]))
    with pytest.raises(
        CandleError, match=r"the pandas frame cannot be taken over .*expected plain columns with different"
    ):
        Candles.from_frame(pd.concat([table, table[["close"]]], axis=1))


def test_lazy_frames_are_collected_and_other_things_refused():
    assert len(Candles.from_frame(frame(HOURS).lazy())) == 4
    with pytest.raises(
        CandleError, match=r"^a dict is not a table; expected a pandas or Polars DataFrame. Build one with"
    ):
        Candles.from_frame(PRICES)


def test_a_time_of_day_alone_is_no_time():
    with pytest.raises(CandleError, match="the time column 'time' of asset holds Time; expected times, dates"):
        Candles.from_frame(frame([datetime.combine(date(2024, 1, 1), hour.time()).time() for hour in HOURS]))
