"""Yahoo over real HTTP, through yfinance: splits, dividends, limits, and the failures that yfinance would swallow."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from candlecast.errors import CandleError, ConfigError, SourceError
from candlecast.sources.retry import Retry
from candlecast.sources.yahoo import Yahoo
from candlecast.testing import check_source
from servers import Stock, YahooWorld, market_server

pytest.importorskip("yfinance", reason="needs the extra `yahoo`")


@pytest.fixture
def yahoo(server):
    return YahooWorld().mount(server)


@pytest.fixture
def source(server, yahoo, retry):
    def make(**fields) -> Yahoo:
        return Yahoo(**{"url": server.url, "retry": retry, "clock": server.clock, **fields})

    return make


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def charts(server) -> int:
    return sum("period1" in query for _, query in server.asked)


def test_days(server, source):
    candles = source().fetch("AAPL", "1d", since="2024-06-03", until="2025-02-10")
    assert candles.frame["open_time"][0] == at(2024, 6, 3)
    assert candles.frame["close_time"][-1] == at(2025, 2, 8)
    assert candles.check().is_sound and candles.check().missing == 0
    assert candles.has_sessions
    assert candles.origin.source == "yahoo"
    assert charts(server) == 1


@pytest.mark.parametrize("symbol", ["", "A B", "../AAPL", "AAPL?x=1", "AAPL#", "BRK/B"])
def test_what_would_be_another_address_is_no_symbol(server, source, symbol):
    with pytest.raises(ConfigError, match=r"cannot be a symbol of Yahoo; expected letters, digits and .* \"BRK-B\""):
        source().pages(symbol, "1d")
    assert server.asked == []


def test_a_bar_at_the_end_of_one_request_and_the_beginning_of_the_next_comes_once(server, yahoo, source, monkeypatch):
    rows = YahooWorld.rows
    monkeypatch.setattr(
        YahooWorld,
        "rows",
        lambda world, stock, step, start, end: rows(world, stock, step, start, end + timedelta(seconds=step)),
    )
    candles = source().fetch("AAPL", "1m", since="2025-01-22T15:00", until="2025-02-01")
    assert candles.check().is_sound
    assert len(candles) == 360 + 390 * 7
    assert charts(server) == 2


def test_everything_from_before_there_was_a_market(source):
    candles = source().fetch("AAPL", "1d", since="0001-01-01")
    assert candles.check().is_sound
    assert candles.frame["open_time"][0] == at(2024, 1, 1)


def test_the_day_that_has_not_ended_is_dropped(source):
    assert source().fetch("AAPL", "1d", since="2025-02-03").frame["open_time"][-1] == at(2025, 2, 7)


def test_adjusted_and_as_traded(yahoo, source):
    yahoo.stocks["AAPL"] = Stock(splits={"2024-11-04": 4.0}, dividends={"2024-10-01": 0.5, "2024-12-02": 0.1})
    adjusted = source().fetch("AAPL", "1d", since="2024-09-16", until="2025-01-01")
    raw = source(adjusted=False).fetch("AAPL", "1d", since="2024-09-16", until="2025-01-01")
    assert np.abs(np.diff(np.log(adjusted.close))).max() < 0.006  # neither split nor dividend is a jump
    paid = (1 - 0.5 / yahoo.stocks["AAPL"].traded(datetime(2024, 10, 1))) * (
        1 - 0.1 / yahoo.stocks["AAPL"].traded(datetime(2024, 12, 2))
    )
    assert adjusted.open[0] == pytest.approx(raw.open[0] / 4 * paid, rel=1e-9)
    split = raw.frame["open_time"].search_sorted(at(2024, 11, 4))
    assert raw.open[split - 1] == pytest.approx(yahoo.stocks["AAPL"].traded(datetime(2024, 11, 1)), rel=1e-9)
    assert raw.open[split] == pytest.approx(yahoo.stocks["AAPL"].traded(datetime(2024, 11, 4)), rel=1e-9)
    assert set(raw.volume) == {1_000.0}
    assert set(adjusted.volume) == {1_000.0, 4_000.0}
    page = next(source(adjusted=False).pages("AAPL", "1d", since="2024-09-16", until="2025-01-01"))
    assert page.filter(page["dividend"] > 0)["dividend"].to_list() == pytest.approx([0.5, 0.1])
    assert page.filter(page["split"] != 1).select("open_time", "split").rows() == [(at(2024, 11, 4), 4.0)]
    assert source(adjusted=False).name == "yahoo-raw"


def test_prices_as_traded_do_not_depend_on_later_splits(server, yahoo, source):
    yahoo.stocks["AAPL"] = Stock(splits={"2025-02-12": 10.0})
    raw, adjusted = (
        source(adjusted=kind).fetch("AAPL", "1d", since="2025-01-02", until="2025-02-08") for kind in (False, True)
    )
    server.now += timedelta(days=7)  # the split has happened
    raw_later, adjusted_later = (
        source(adjusted=kind).fetch("AAPL", "1d", since="2025-01-02", until="2025-02-08") for kind in (False, True)
    )
    assert np.allclose(raw_later.close, raw.close, rtol=1e-12)
    assert np.allclose(adjusted_later.close, adjusted.close / 10, rtol=1e-12)


def test_within_the_day_before_a_split(server, yahoo, source):
    yahoo.stocks["AAPL"] = Stock(splits={"2025-02-05": 2.0})
    raw = source(adjusted=False).fetch("AAPL", "1h", since="2025-02-04", until="2025-02-06")
    assert len(raw) == 14
    assert raw.open[:7] == pytest.approx(2 * raw.open[7:], rel=1e-3)
    adjusted = source().fetch("AAPL", "1h", since="2025-02-04", until="2025-02-06")
    assert adjusted.open[:7] == pytest.approx(adjusted.open[7:], rel=1e-3)


def test_minutes_come_in_requests_of_seven_days(server, source):
    candles = source().fetch("AAPL", "1m", since="2025-01-13", until="2025-02-08")
    assert len(candles) == 20 * 390
    assert charts(server) == 4


def test_days_that_begin_before_they_do_in_utc(yahoo, source):
    yahoo.stocks["BHP.AX"] = Stock(zone="Australia/Sydney", opens=timedelta(hours=10))
    candles = source().fetch("BHP.AX", "1d", since="2025-01-06", until="2025-01-11")
    assert [time.day for time in candles.frame["open_time"]] == [6, 7, 8, 9, 10]
    check_source(source(), "BHP.AX", "1d", since="2025-01-06", until="2025-02-08")
    hours = source().fetch("BHP.AX", "1h", since="2025-01-06", until="2025-01-07")
    assert hours.frame["open_time"][-1] == at(2025, 1, 6, 23)  # ten o'clock in Sydney


def test_limits_are_told_before_anything_is_asked(server, source):
    with pytest.raises(ConfigError) as error:
        source().pages("AAPL", "1m", since="2025-01-01")
    assert str(error.value) == (
        "since 2025-01-01 00:00 is too long ago: Yahoo keeps 1m bars for 30 days; expected since 2025-01-11 12:39 or later. "
        "Leave out since=... for all there is, or fetch a longer interval."
    )
    with pytest.raises(ConfigError, match="Yahoo keeps 15m bars for 60 days"):
        source().pages("AAPL", "15m", since="2024-11-01")
    with pytest.raises(ConfigError, match="Yahoo keeps 1h bars for 730 days"):
        source().pages("AAPL", "1h", since="2022-01-01")
    with pytest.raises(
        ConfigError, match="Yahoo has no candles of 4h; expected one of 1m, 2m, 5m, 15m, 30m, 1h, 1d, 1mo"
    ):
        source().pages("AAPL", "4h")
    with pytest.raises(ConfigError, match="is in the future"):
        source().pages("AAPL", "1d", until="2026-01-01")
    assert server.asked == []


def test_all_there_is_within_the_limits(source):
    assert source().fetch("AAPL", "5m").open_time[0] >= np.datetime64("2024-12-12")


def test_bars_without_a_price_are_left_out_and_said_so(yahoo, source, caplog):
    yahoo.stocks["AAPL"] = Stock(nulls=("2025-01-15",))
    candles = source().fetch("AAPL", "1d", since="2025-01-13", until="2025-01-18")
    assert [time.day for time in candles.frame["open_time"]] == [13, 14, 16, 17]
    assert caplog.messages == ["Yahoo gives 1 1d bars of AAPL without a price"]


def test_an_empty_period_has_no_timestamps(source):
    with pytest.raises(CandleError, match="yahoo has no closed 1d bar of AAPL from 2025-02-08 to 2025-02-10"):
        source().fetch("AAPL", "1d", since="2025-02-08", until="2025-02-10")


def test_a_period_before_the_listing(yahoo, source):
    yahoo.stocks["NEW"] = Stock(listed=datetime(2025, 2, 3, tzinfo=UTC))
    with pytest.raises(CandleError, match="yahoo has no closed 1d bar of NEW from 2024-01-02 to 2024-03-01"):
        source().fetch("NEW", "1d", since="2024-01-02", until="2024-03-01")
    assert len(source().fetch("NEW", "1d", since="2024-01-02")) == 5


def test_unknown_and_delisted_symbols(source):
    with pytest.raises(SourceError) as error:
        source().fetch("APPL", "1d", since="2025-01-02")
    assert str(error.value) == (
        "Yahoo has no symbol 'APPL'; expected a symbol as Yahoo writes it, still listed. Did you mean AAPL?"
    )


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        ({"status": 429, "body": "Edge: Too Many Requests"}, [0.5]),
        ({"status": 429, "headers": {"Retry-After": "20"}, "body": "Edge: Too Many Requests"}, [20.0]),
        ({"status": 502, "body": "<html>Bad Gateway</html>"}, [0.5]),
        ({"body": "<html><body>Will be right back...</body></html>"}, [0.5]),
        ({"how": "cut"}, [0.5]),
        ({"how": "truncated"}, [0.5]),
    ],
    ids=["429", "429 with a time", "502", "maintenance", "cut", "truncated"],
)
def test_what_fails_for_a_moment_is_asked_again(server, source, fault, waits):
    server.fail("chart/AAPL?period1", **fault)
    assert len(source().fetch("AAPL", "1d", since="2025-01-06", until="2025-02-08")) == 25
    assert server.waits == waits


def test_a_limit_that_does_not_pass(server, source, caplog):
    server.fail("/chart/", status=429, body="Edge: Too Many Requests", times=99)
    with pytest.raises(
        SourceError, match="Yahoo answers 429: Edge: Too Many Requests; expected an answer. Try again later"
    ):
        source().fetch("AAPL", "1d", since="2025-01-06")
    assert not [record for record in caplog.records if record.name == "yfinance"]
    assert not logging.getLogger("yfinance").disabled


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 401, "body": "Unauthorized"}, "Yahoo does not accept the key or session .401: Unauthorized."),
        (
            {"status": 422, "body": {"chart": {"error": {"description": "1m data not available"}}}},
            "Yahoo answers 422: 1m data not",
        ),
        (
            {"body": {"chart": {"result": [{"meta": {}, "indicators": {"quote": [{"open": [1]}]}}]}}},
            "Yahoo's answer for AAPL cannot be read",
        ),
    ],
    ids=["401", "422", "odd"],
)
def test_what_will_not_pass(server, source, fault, message):
    server.fail("chart/AAPL?period1", **fault, times=99)
    with pytest.raises(SourceError, match=message):
        source().fetch("AAPL", "1d", since="2025-01-06")


def test_no_network(source):
    with market_server() as gone:
        address = gone.url
    with pytest.raises(SourceError, match=r"Yahoo could not be reached \(ConnectionError\); expected a network"):
        source(url=address, retry=Retry(attempts=2, pause=lambda _: None)).fetch("AAPL", "1d", since="2025-01-06")


def test_crypto_never_closes(source):
    assert source().session("BTC-USD") == "always"
    assert source().session("AAPL") == source().session("EURUSD=X") == "sessions"


@pytest.mark.parametrize("adjusted", [True, False])
def test_months_are_those_of_the_days(server, source, adjusted):
    made = source(adjusted=adjusted)
    days = made.fetch("AAPL", "1d", since="2024-06-01", until="2025-02-10")
    months = made.fetch("AAPL", "1mo", since="2024-06-01", until="2025-02-10")
    assert months.frame.equals(days.resample("1mo").frame)
    assert (str(months.interval), months.frame["open_time"][0]) == ("1mo", at(2024, 6, 1))
    assert months.frame["close_time"][-1] == at(2025, 2, 1)
    assert months.check().missing == 0
    later = made.fetch("AAPL", "1mo", since="2024-06-10", until="2025-02-10")  # no month of which days are left out
    assert later.frame["open_time"][0] == at(2024, 7, 1)
    check_source(made, "AAPL", "1mo", since="2024-01-01", until="2025-01-15")
