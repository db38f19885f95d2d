"""Alpha Vantage over real HTTP: its tables, its refusals with status 200, and a key that is shown nowhere."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from candlecast.errors import CandleError, ConfigError, SourceError
from candlecast.sources.alpha_vantage import AlphaVantage
from servers import VantageWorld

KEY = "SECRETKEY123"


@pytest.fixture
def vantage(server):
    return VantageWorld().mount(server)


@pytest.fixture
def source(server, vantage, retry):
    def make(**fields) -> AlphaVantage:
        return AlphaVantage(
            **{"key": KEY, "url": f"{server.url}/query", "retry": retry, "clock": server.clock, **fields}
        )

    return make


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def asked(server) -> list[str]:
    return [query.get("month") or query.get("outputsize") or query["function"] for _, query in server.asked]


def test_days_of_a_stock(server, source):
    candles = source().fetch("IBM", "1d", since="2024-07-01")
    assert candles.frame["open_time"][0] == at(2024, 7, 1)
    assert candles.frame["close_time"][-1] == at(2025, 2, 8)  # Friday; Monday the 10th has not ended
    assert candles.check().is_sound
    assert candles.has_sessions
    assert asked(server) == ["full"]
    assert candles.origin.source == "alphavantage"


def test_a_short_period_asks_for_what_a_free_key_may_have(server, source):
    assert len(source().fetch("IBM", "1d", since="2025-01-06")) == 25
    assert asked(server) == ["compact"]


def test_adjusted_prices_and_what_they_are_adjusted_for(vantage, source):
    vantage.splits, vantage.dividends = {"2024-11-04": 4.0}, {"2024-12-02": 2.0}
    page = next(source(adjusted=True).pages("IBM", "1d", since="2024-10-01"))
    assert page.columns[-2:] == ["dividend", "split"]
    assert page.filter(page["split"] != 1)["open_time"].to_list() == [at(2024, 11, 4)]
    assert page.filter(page["dividend"] != 0)["dividend"].to_list() == [2.0]
    candles = source(adjusted=True).fetch("IBM", "1d", since="2024-10-01")
    assert np.abs(np.diff(np.log(candles.close))).max() < 0.02  # neither the split nor the dividend is a jump
    before = page["open_time"].search_sorted(at(2024, 11, 4))
    assert candles.volume[before - 1] == pytest.approx(4 * (candles.volume[before] - 1))
    raw = source().fetch("IBM", "1d", since="2024-10-01")
    assert raw.close[before] / raw.close[before - 1] == pytest.approx(0.25, rel=0.01)
    assert source(adjusted=True).name == "alphavantage-adjusted"


def test_the_last_month_is_asked_for_whatever_the_hours(server, source):
    candles = source().fetch("IBM", "1h", since="2024-07-15T04:00", until="2024-08-01T22:00")
    assert asked(server) == ["2024-07", "2024-08"]
    assert candles.frame["open_time"][-1] == at(2024, 8, 1, 19, 30)


def test_months_before_the_vendors_first_are_not_asked_for(server, source):
    with pytest.raises(CandleError, match="alphavantage has no closed 1h bar of IBM from 1980-01-01 to 1990-01-01"):
        source().fetch("IBM", "1h", since="1980-01-01", until="1990-01-01")
    assert server.asked == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"timestamp,open,high,low,close,volume\n2024-06-03,1,2,", "a value is missing"),
        (b'{"Meta', '{"Meta'),
        ({"unheard": KEY}, '{"unheard": "***"}'),
        ("<html></html>", "'time'"),
    ],
    ids=["cut", "cut object", "object", "page"],
)
def test_answers_that_are_no_table(server, source, body, why):
    server.fail("query", body=body, times=99)
    with pytest.raises(SourceError) as error:
        source().fetch("IBM", "1d")
    assert str(error.value) == (
        f"Alpha Vantage's answer for IBM cannot be read ({why}); expected a table of candles. Try again later."
    )


def test_the_key_follows_no_redirect(server, source):
    server.fail("query", status=302, headers={"Location": f"{server.url}/elsewhere?apikey={KEY}"})
    with pytest.raises(SourceError, match=r"^Alpha Vantage has moved to another address \(302\); expected an answer"):
        source().fetch("IBM", "1d")
    assert server.count("elsewhere") == 0


def test_bars_within_the_day_come_by_the_month_in_new_yorks_time(server, source):
    candles = source().fetch("IBM", "30m", since="2024-10-15", until="2024-12-03T18:00")
    assert asked(server) == ["2024-10", "2024-11", "2024-12"]
    opening = (
        {str(time)[11:16] for time in candles.open_time[:13]},
        {str(time)[11:16] for time in candles.open_time[-8:]},
    )
    assert min(opening[0]) == "13:30"  # daylight saving time
    assert min(opening[1]) == "14:30"  # winter
    assert candles.frame["close_time"][-1] == at(2024, 12, 3, 18)
    assert candles.check().missing == 0


def test_a_month_without_bars_is_no_error_once_the_vendor_said_so_twice(server, source):
    server.fail("month=2024-10", body={}, times=2)
    candles = source().fetch("IBM", "1h", since="2024-10-02", until="2024-12-01")
    assert candles.frame["open_time"][0].month == 11
    assert asked(server) == ["2024-10", "2024-11", "2024-10", "2024-12"]
    server.fail("month=2024-12", body={}, times=2)
    server.asked.clear()
    candles = source().fetch("IBM", "1h", since="2024-11-10", until="2024-12-20")
    assert candles.frame["open_time"][-1].month == 11
    assert asked(server) == ["2024-11", "2024-12", "2024-11", "2024-12"]


def test_an_empty_object_that_is_no_word_of_the_vendor_makes_no_hole(server, source):
    server.fail("month=2024-10", body={})  # once: then the month has its bars after all
    candles = source().fetch("IBM", "1h", since="2024-10-02", until="2024-12-01")
    assert candles.frame["open_time"][0].month == 10
    assert candles.check().missing == 0
    server.fail("query", body={}, times=99)
    with pytest.raises(
        SourceError, match="Alpha Vantage gave an answer that is not what was asked for .{} for every m"
    ):
        source().fetch("IBM", "1h", since="2024-10-01", until="2024-12-01")
    with pytest.raises(SourceError, match="Alpha Vantage's answer for IBM cannot be read"):
        source().fetch("IBM", "1d")


def test_currencies_have_no_volume(server, source):
    candles = source(market="currencies").fetch("EUR/USD", "1d", since="2024-12-02")
    assert server.asked[0][1]["from_symbol"] == "EUR" and server.asked[0][1]["to_symbol"] == "USD"
    assert set(candles.volume) == {0.0}
    assert candles.check().is_sound


def test_latest_bars_that_are_fewer_than_asked_for_are_told(source, caplog):
    assert len(source(market="currencies").fetch("EUR/USD", "5m", since="2025-01-06")) > 100
    assert caplog.messages[-1].startswith("Alpha Vantage gives no 5m bars of EUR/USD before 2025-02-05")


def test_crypto_never_closes(server, source):
    crypto = source(market="crypto")
    candles = crypto.fetch("BTC/USD", "1d", since="2024-12-02")
    assert candles.has_sessions is False and crypto.session("BTC/USD") == "always"
    assert np.all(np.diff(candles.open_time) == np.timedelta64(1, "D"))
    assert crypto.name == "alphavantage-crypto"


def test_columns_named_after_the_currency_and_columns_of_the_old_interface(server, source):
    table = (
        "timestamp,open (USD),high (USD),low (USD),close (USD),volume\n2025-02-08,2,3,1,2.5,9\n2025-02-07,2,3,1,2,8\n"
    )
    server.fail("query", body=table.encode())
    candles = source(market="crypto").fetch("BTC/USD", "1d", since="2025-02-01")
    assert candles.close.tolist() == [2.0, 2.5]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {
                "Information": f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
            },
            "Alpha Vantage's limit is reached (We have detected your API key as *** and our standard API rate limit is 25",
        ),
        (
            {
                "Information": "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature"
            },
            "Alpha Vantage gives this to premium keys only (Thank you for using Alpha Vantage! The outputsize=full",
        ),
        (
            {"Error Message": "the parameter apikey is invalid or missing. Please claim your free API key"},
            "Alpha Vantage does not accept the key (the parameter apikey is invalid or missing. Please claim your free API",
        ),
    ],
    ids=["a day", "premium", "key"],
)
def test_refusals_with_status_200(server, source, answer, message):
    server.fail("query", body=answer)
    with pytest.raises(SourceError) as error:
        source().fetch("IBM", "1d", since="2024-07-01")
    assert str(error.value).startswith(message)
    assert server.waits == []


def test_an_unknown_symbol_is_searched_for(source):
    with pytest.raises(SourceError) as error:
        source().fetch("APPL", "1d")
    assert str(error.value) == (
        "Alpha Vantage has no TIME_SERIES_DAILY of 'APPL'; expected a symbol that it knows. Did you mean AAPL?"
    )


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"body": {"Information": "spread out (1 request per second); 25 requests per day"}}, 0.5),
        ({"body": {"Note": "Our standard API call frequency is 5 calls per minute and 500 calls per day."}}, 60.0),
        ({"status": 503, "body": "busy"}, 0.5),
        ({"how": "cut"}, 0.5),
    ],
    ids=["a second", "a minute", "503", "cut"],
)
def test_limits_that_pass_are_waited_out(server, source, fault, wait):
    server.fail("query", **fault)
    assert len(source().fetch("IBM", "1d", since="2025-01-06")) == 25
    assert server.waits == [wait]


def test_an_answer_that_is_no_table(server, source):
    server.fail("query", body=b"<html>Will be right back</html>", times=6)
    with pytest.raises(
        SourceError, match="Alpha Vantage's answer for IBM cannot be read .*; expected a table of candles"
    ):
        source().fetch("IBM", "1d")


def test_the_key_comes_from_the_environment(monkeypatch, source):
    monkeypatch.setenv("ALPHAVANTAGE_API_KEY", KEY)
    assert len(source(key=None).fetch("IBM", "1d", since="2025-01-06")) == 25
    monkeypatch.delenv("ALPHAVANTAGE_API_KEY")
    with pytest.raises(
        ConfigError, match="there is no key for Alpha Vantage; expected ALPHAVANTAGE_API_KEY in the env"
    ):
        source(key=None).fetch("IBM", "1d")


def test_the_key_is_shown_nowhere(server, source, caplog):  # in logs, errors, locals
    assert KEY not in repr(source())
    caplog.set_level(logging.DEBUG)
    server.fail("query", body={"Information": f"Your key {KEY} may make 25 requests per day"})
    server.fail("query", status=400, body=f"bad request: {KEY}")
    server.fail("query", how="truncated", times=9)
    for _ in range(3):
        with pytest.raises(SourceError) as error:
            source().fetch("IBM", "1d")
        frames = error.value.__traceback__.tb_next  # but for this test's own
        shown = traceback.TracebackException(SourceError, error.value, frames, capture_locals=True).format()
        assert KEY not in "".join(shown)
    assert {query["apikey"] for _, query in server.asked} == {KEY}
    assert caplog.records
    assert KEY not in caplog.text


def test_bad_requests_never_leave_the_house(server, source):
    with pytest.raises(
        ConfigError, match="Alpha Vantage has no candles of 4h; expected one of 1m, 5m, 15m, 30m, 1h, 1d"
    ):
        source().pages("IBM", "4h")
    with pytest.raises(ConfigError, match="'EURUSD' is no pair of currencies; expected two codes with a slash between"):
        source(market="currencies").pages("EURUSD", "1d")
    with pytest.raises(
        ConfigError, match="market is 'stock'; expected one of stocks, currencies, crypto. Did you mean st"
    ):
        source(market="stock")
    with pytest.raises(ConfigError, match="crypto cannot be adjusted"):
        source(market="crypto", adjusted=True)
    with pytest.raises(ConfigError, match="is in the future"):
        source().pages("IBM", "1d", since=server.now + timedelta(days=1))
    assert server.asked == []
