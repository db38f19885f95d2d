"""Any exchange of ccxt, the retry policy, missing extras, and the words for periods."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError, SourceError
from candlecast.sources import AlphaVantage, Binance, Exchange, Retry, Yahoo, synthetic
from candlecast.sources.exchange import exchange_names
from candlecast.sources.retry import TransientError
from candlecast.sources.source import moment
from candlecast.sources.web import retry_after
from candlecast.testing import check_source
from servers import Listing, VantageWorld, YahooWorld


@pytest.fixture
def exchange(server, world, retry):
    world.listings = [
        Listing("BTCUSDT", halts=((datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 1, 20, tzinfo=UTC)),))
    ]
    return Exchange("binance", url=server.url, retry=retry, is_paced=False, clock=server.clock)


def test_pages_of_an_exchange_go_on_behind_a_hole(server, exchange):
    candles = exchange.fetch("BTC/USDT", "1h", since="2024-11-20")
    assert candles.frame["open_time"][0] == datetime(2024, 11, 20, tzinfo=UTC)
    assert candles.frame["close_time"][-1] == datetime(2025, 2, 10, 12, tzinfo=UTC)
    assert len(candles) == (datetime(2025, 2, 10, 12) - datetime(2024, 11, 20)) / timedelta(hours=1) - 50 * 24
    assert candles.origin.source == "binance"


def test_history_that_an_exchange_does_not_have_is_told(exchange, caplog):
    assert len(exchange.fetch("BTC/USDT", "1d", since="2018-01-01", until="2024-11-30")) == 14
    assert caplog.messages == ["Binance gives no 1d bars of BTC/USDT before 2024-11-16 00:00:00+00:00"]


def test_what_an_exchange_lacks(exchange):
    with pytest.raises(
        SourceError, match=r"binance has no symbol 'BTC/USD'; expected one of its .*Did you mean BTC/USDT"
    ):
        exchange.fetch("BTC/USD", "1h", since="2025-01-01")
    with pytest.raises(ConfigError, match="Binance has no candles of 7h; expected one of 1s, 1m, 3m"):
        exchange.fetch("BTC/USDT", "7h", since="2025-01-01")
    with pytest.raises(ConfigError, match="ccxt does not know when BTC/USDT began; expected since"):
        exchange.fetch("BTC/USDT", "1h")
    with pytest.raises(
        SourceError, match=r"ccxt knows no exchange 'krakn'; expected one of its \d+ names. Did you mean kraken"
    ):
        Exchange("krakn").fetch("BTC/USD", "1h", since="2025-01-01")
    assert "kraken" in exchange_names()


def test_every_source_keeps_its_promises(server, world, binance, retry):
    YahooWorld().mount(server)
    VantageWorld().mount(server)
    common = {"retry": retry, "clock": server.clock}
    exchange = Exchange("binance", url=server.url, is_paced=False, **common)
    vantage = AlphaVantage(key="SECRETKEY123", url=f"{server.url}/query", **common)
    check_source(binance(), "BTCUSDT", "1m", since="2025-01-30", until="2025-02-03")
    check_source(binance(market="usdm"), "BTCUSDT", "4h", since="2025-01-30", until="2025-02-03")
    check_source(exchange, "BTC/USDT", "1h", since="2025-01-30", until="2025-02-03")
    check_source(vantage, "IBM", "1h", since="2025-01-30", until="2025-02-03T18:00")
    check_source(Yahoo(url=server.url, **common), "AAPL", "1h", since="2025-01-30", until="2025-02-03T18:00")


@dataclass(frozen=True)
class Broken:
    """A source that gives whatever pages it was made with."""

    given: tuple[pl.DataFrame, ...]
    name: str = "broken"

    def pages(self, symbol, interval, *, since=None, until=None):
        for page in self.given:
            yield page.filter((pl.col("open_time") >= since) & (pl.col("open_time") < until))

    def fetch(self, symbol, interval, *, since=None, until=None, progress=None) -> Candles:
        return Candles(pl.concat(self.given), symbol, interval)

    def session(self, symbol):
        return "always"


GOOD = synthetic.random_walk(48, seed=0, interval="1h").candles.frame


@pytest.mark.parametrize(
    ("pages", "promise"),
    [
        ((GOOD, GOOD[-1:]), "a bar does not follow the one before it, at 2015-01-02 23:00:00 UTC"),
        (
            (GOOD.with_columns(close_time=pl.col("open_time") + timedelta(hours=2)),),
            "a bar is not 1h long, at 2015-01-01",
        ),
        ((GOOD.drop("volume"),), "a page has the columns"),
        ((GOOD.cast({"volume": pl.Float32}),), "a page has the columns"),
    ],
    ids=["twice", "too long", "no volume", "single precision"],
)
def test_broken_promises_are_found(pages, promise):
    with pytest.raises(SourceError, match=promise):
        check_source(Broken(pages), "X", "1h", since="2015-01-01", until="2015-01-03")
    check_source(Broken((GOOD,)), "X", "1h", since="2015-01-01", until="2015-01-03")


def test_a_source_that_knows_other_bars_when_asked_for_less():
    class Fickle(Broken):
        def pages(self, symbol, interval, *, since=None, until=None):
            for page in super().pages(symbol, interval, since=since, until=until):
                yield page.with_columns(pl.col("close") * (1 + page.height % 7))

    with pytest.raises(
        SourceError, match="two halves of the period hold other bars than the whole, at 2015-01-01 00:00"
    ):
        check_source(Fickle((GOOD,)), "X", "1h", since="2015-01-01", until="2015-01-03")
    with pytest.raises(
        NotEnoughDataError, match="broken has 0 bars of X 1h from 2020-01-01 to 2020-01-02; expected at"
    ):
        check_source(Broken((GOOD,)), "X", "1h", since="2020-01-01", until="2020-01-02")


@pytest.mark.parametrize(
    ("library", "source", "words"),
    [
        ("ccxt", Binance(), 'the package ccxt is not installed; .*pip install "candlecast.exchanges."'),
        ("yfinance", Yahoo(), 'the package yfinance is not installed; .*pip install "candlecast.yahoo."'),
    ],
)
def test_a_missing_extra_names_its_command(monkeypatch, library, source, words):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SourceError, match=words):
        next(source.pages("AAPL", "1h"))
    assert exchange_names() == () or library != "ccxt"


def test_waits_double_up_to_a_limit_and_vary():
    steady, wild = Retry(jitter=lambda: 1.0), Retry(jitter=lambda: 0.0)
    assert [steady.wait_seconds(n) for n in (1, 2, 3, 7, 9)] == [1, 2, 4, 60, 60]
    assert [wild.wait_seconds(n) for n in (1, 2, 3, 7, 9)] == [0.5, 1, 2, 30, 30]
    assert steady.wait_seconds(1, after_seconds=35) == 36


def test_what_is_no_passing_failure_is_raised_at_once():
    waits, asked = [], []
    error = SourceError("x", expected="y", remedy="z")

    def ask():
        asked.append(1)
        raise error if len(asked) == 2 else TransientError(error)

    with pytest.raises(SourceError) as raised:
        Retry(pause=waits.append)(ask)
    assert raised.value is error
    assert (len(asked), len(waits)) == (2, 1)


def test_long_waits_are_told_and_short_ones_to_who_asks(caplog):
    failure = TransientError(SourceError("the vendor is away", expected="y", remedy="z"))

    def ask():
        raise failure

    with caplog.at_level("INFO", "candlecast"), pytest.raises(SourceError):
        Retry(attempts=5, pause=lambda seconds: None, jitter=lambda: 1.0)(ask)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "the vendor is away; asked again in 1 s"),
        ("INFO", "the vendor is away; asked again in 2 s"),
        ("INFO", "the vendor is away; asked again in 4 s"),
        ("WARNING", "the vendor is away; asked again in 8 s"),
    ]


def test_retry_after_as_a_date():
    now = datetime(2025, 2, 10, 12, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "Mon, 10 Feb 2025 12:00:30 GMT"}, lambda: now) == 30
    assert retry_after({"retry-after": "Mon, 10 Feb 2025 11:00:30 GMT"}, lambda: now) == 0
    assert retry_after({"Retry-After": "soon"}) is None


def test_moments():
    noon = datetime(2021, 1, 1, 12, tzinfo=UTC)
    assert moment("2021-01-01 12:00") == moment("2021-01-01T13:00+01:00") == moment("2021-01-01T12:00Z") == noon
    assert moment(datetime(2021, 1, 1, 12)) == moment(noon.astimezone(timezone(timedelta(hours=5)))) == noon
    assert moment(np.datetime64("2021-01-01T12", "h")) == moment(np.datetime64("2021-01-01T12:00:00", "ns")) == noon
    with pytest.raises(ConfigError, match=r"^since is .*NaT"):
        moment(np.datetime64("NaT"))
    assert moment(date(2021, 1, 1)) == moment("2021-01-01") == datetime(2021, 1, 1, tzinfo=UTC)
