"""Any exchange of ccxt, the retry policy, missing extras, and the words for periods."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from candlecast.errors import ConfigError, SourceError
from candlecast.sources import AlphaVantage, Binance, Exchange, Retry, Yahoo
from candlecast.sources.exchange import exchange_names
from candlecast.sources.retry import TransientError
from candlecast.sources.source import Source, moment
from candlecast.sources.web import retry_after
from servers import Listing


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


def test_what_an_exchange_lacks(exchange):
    with pytest.raises(
        SourceError, match=r"binance has no symbol 'BTC/USD'; expected one of its .*Did you mean BTC/USDT"
    ):
        exchange.fetch("BTC/USD", "1h", since="2025-01-01")
    with pytest.raises(ConfigError, match="Binance has no candles of 7h; expected one of 1s, 1m, 3m"):
        exchange.fetch("BTC/USDT", "7h", since="2025-01-01")
    with pytest.raises(ConfigError, match="when BTC/USDT began is not known to ccxt; expected since"):
        exchange.fetch("BTC/USDT", "1h")
    with pytest.raises(
        SourceError, match=r"ccxt knows no exchange 'krakn'; expected one of its \d+ names. Did you mean kraken"
    ):
        Exchange("krakn").fetch("BTC/USD", "1h", since="2025-01-01")
    assert "kraken" in exchange_names()


@pytest.mark.parametrize(
    "source", [Binance(), Exchange("kraken"), Yahoo(), AlphaVantage(key="x")], ids=lambda s: s.name
)
def test_every_source_keeps_the_protocol(source):
    kept: Source = source
    assert kept.session("BTC-USD") in ("always", "sessions")
    assert set(Source.__annotations__) | {"name", "pages", "fetch", "session"} <= set(dir(kept))
    with pytest.raises(ConfigError, match="is not before until"):
        kept.pages(
            "BTC/USD", "1h", since=datetime.now(UTC) - timedelta(days=1), until=datetime.now(UTC) - timedelta(days=2)
        )


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


def test_retry_after_as_a_date():
    now = datetime(2025, 2, 10, 12, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "Mon, 10 Feb 2025 12:00:30 GMT"}, lambda: now) == 30
    assert retry_after({"retry-after": "Mon, 10 Feb 2025 11:00:30 GMT"}, lambda: now) == 0
    assert retry_after({"Retry-After": "soon"}) is None


def test_moments():
    noon = datetime(2021, 1, 1, 12, tzinfo=UTC)
    assert moment("2021-01-01 12:00") == moment("2021-01-01T13:00+01:00") == moment("2021-01-01T12:00Z") == noon
    assert moment(datetime(2021, 1, 1, 12)) == moment(noon.astimezone(timezone(timedelta(hours=5)))) == noon
    assert moment(date(2021, 1, 1)) == moment("2021-01-01") == datetime(2021, 1, 1, tzinfo=UTC)
