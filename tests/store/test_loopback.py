"""Journey 2 over real HTTP: a loopback Binance with dumps and REST, and a loopback Yahoo with a split between two updates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import candlecast as cc
from candlecast.errors import SourceError
from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from candlecast.sources.yahoo import Yahoo
from servers import BinanceWorld, Listing, Stock, YahooWorld, market_server

HALT = (datetime(2024, 12, 20, 2, tzinfo=UTC), datetime(2024, 12, 20, 5, tzinfo=UTC))


@pytest.fixture
def server():
    with market_server() as running:
        yield running


@pytest.fixture
def world(server):
    return BinanceWorld([Listing("BTCUSDT", halts=(HALT,))]).mount(server)


@pytest.fixture
def binance(server, world):
    retry = Retry(pause=server.wait, jitter=lambda: 0.0, timeout_seconds=120.0, attempts=2)
    return Binance(**world.addresses, retry=retry, is_paced=False, clock=server.clock)


def test_a_store_of_minutes_goes_on_where_it_stopped(server, store, binance):
    """Dumps for the months that are past, REST for the rest; 2024 in milliseconds, 2025 in microseconds."""
    candles = store.update(binance, "BTCUSDT", "1m", since="2024-11-01")
    first, last = datetime(2024, 11, 15, 6, tzinfo=UTC), server.now.replace(second=0)
    assert (candles.open_time[0].item(), candles.close_time[-1].item()) == tuple(
        time.replace(tzinfo=None) for time in (first, last)
    )
    assert len(candles) == (last - first).total_seconds() / 60 - 180
    issues = candles.check().issues.filter(pl.col("kind") != "smoothed")  # its prices are waves
    assert issues.select("kind", "bars", "first").rows() == [("gap", 180, HALT[0])]
    assert server.count("/data/") > 0 and server.count("klines") > 0
    again = store.read(binance, "BTCUSDT", "1m", version=candles.origin.version)
    assert again.fingerprint == candles.fingerprint

    server.asked.clear()
    server.now += timedelta(minutes=90)
    more = store.update(binance, "BTCUSDT", "1m", since="2024-11-01")
    assert len(more) == len(candles) + 90
    assert server.count("api/v3/klines") == 1  # neither the time before the listing, nor the halt, is asked about again
    assert more.frame[: len(candles)].equals(candles.frame)
    assert store.changes(binance, "BTCUSDT", "1m").is_empty()


def test_a_connection_that_breaks_in_between_loses_nothing(server, store, binance):
    server.fail("klines", status=500, body="broken", times=4, after=2)
    with pytest.raises(SourceError):
        store.update(binance, "BTCUSDT", "15m", since="2025-01-01")
    assert server.faults[0].times < 4
    server.faults.clear()
    candles = store.update(binance, "BTCUSDT", "15m", since="2025-01-01")
    assert candles.frame.equals(binance.fetch("BTCUSDT", "15m", since="2025-01-01").frame)


def test_a_split_at_yahoo_between_two_updates(server, store, monkeypatch):
    """Adjusted prices of all of history change with the split; the store keeps both, and joins them nowhere."""
    monkeypatch.setattr("candlecast.store.store.utc_now", server.clock)
    stock = Stock(splits={"2025-02-14": 4.0})
    YahooWorld({"AAPL": stock}).mount(server)
    server.now = datetime(2025, 2, 13, 22, tzinfo=UTC)
    yahoo = Yahoo(url=server.url, retry=Retry(pause=server.wait, jitter=lambda: 0.0), clock=server.clock)
    before = store.update(yahoo, "AAPL", "1d", since="2024-01-02")
    assert before.has_sessions
    server.now = datetime(2025, 2, 19, 22, tzinfo=UTC)
    after = store.update(yahoo, "AAPL", "1d")
    assert after.frame.equals(yahoo.fetch("AAPL", "1d", since="2024-01-02").frame)
    assert "split" not in after.check().issues["kind"].to_list()
    changes = store.changes(yahoo, "AAPL", "1d")
    assert changes["open_time"].to_list() == before.frame["open_time"].to_list()
    assert set((changes["close_before"] / changes["close"]).round(6)) == {4.0}
    assert store.actions(yahoo, "AAPL", "1d").filter(pl.col("split") != 1)["split"].to_list() == [4.0]
    assert store.read(yahoo, "AAPL", "1d", version=before.origin.version).frame.equals(before.frame)


def test_the_journey_as_written(server, world, binance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cc, "Binance", lambda: binance, raising=False)
    store = cc.Store("data")
    candles = store.update(cc.Binance(), "BTCUSDT", "1h", since="2021-01-01")
    assert candles.check().is_sound
    assert len(candles.resample("4h")) > 500
