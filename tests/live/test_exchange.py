"""Journey 9 against a loopback exchange with real websockets and HTTP: what goes wrong on the way, and random restarts."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import candlecast as cc
from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.sources.feed import Notice, Seen
from candlecast.sources.polling import Polling
from candlecast.sources.retry import Retry
from candlecast.sources.streams import stream_of
from paper_sessions import OF_STREAMS
from servers.binance import BinanceWorld, Listing
from servers.binance_stream import stream_server
from servers.server import market_server

NOW = datetime(2025, 2, 10, 12, 0, 0, tzinfo=UTC)
HOUR = 3_600


@pytest.fixture
def exchange():
    with market_server(NOW) as server:
        listing = Listing("BTCUSDT")
        world = BinanceWorld([listing, Listing("BTCUSDT", "um")]).mount(server)
        with stream_server(world, listing, HOUR) as streamed:
            yield server, world, streamed


def source_of(exchange, *, skew=0.0, market="spot"):
    server, world, streamed = exchange
    retry = Retry(attempts=2, first_seconds=0.01, pause=lambda seconds: None)
    clock = lambda: server.now + timedelta(seconds=skew)  # noqa: E731
    return cc.Binance(market, **world.addresses, streams=streamed.url, retry=retry, is_paced=False, clock=clock)


def feed_of(source, **options):
    fast = {"beat_seconds": 0.02, "first_wait_seconds": 0.01, "longest_wait_seconds": 0.02, "grace_seconds": 2.0}
    return replace(source.stream("BTCUSDT", "1h"), **(fast | options))


@pytest.fixture
def run(exchange, tmp_path):
    source = source_of(exchange)
    candles = source.fetch("BTCUSDT", "1h", since=NOW - timedelta(hours=400))
    _, folder = cc.run_study(OF_STREAMS, candles, runs=tmp_path / "runs")
    return folder


def traded(exchange, run, folder, *, bars, skew=0.0, leaves=(), **options):
    """The events of a session that trades so many bars, left and begun again after some of them."""
    streamed = exchange[2]
    result, events, count = cc.load_run(run), [], 0
    while count < bars:
        feed = feed_of(source_of(exchange, skew=skew), **options)
        session = cc.paper(result, feed=feed, session=folder, cash=10_000.0)
        if count == 0:
            streamed.advance()  # the session has begun by the time at which the first bar closes
        for event in session:
            events.append(event)
            if event.kind == "bar" and event.is_live:
                count += 1
                if count == bars:
                    break
                streamed.advance()
                if count in leaves:
                    break
        session.close()
    return events


def test_journey_nine_differs_in_nothing_when_nothing_goes_wrong(exchange, run, tmp_path):
    events = traded(exchange, run, tmp_path / "paper" / "btc", bars=20, grace_seconds=1e6)
    assert [e for e in events if e.kind == "notice" and "connected" not in e.text] == []
    assert [fill for e in events for fill in e.fills]
    found = cc.reconcile(tmp_path / "paper" / "btc")
    assert (found.bars, found.late, found.revised, found.missing) == (20, 0, 0, 0)
    assert set(found.causes.values()) == {0.0}
    final = source_of(exchange).fetch("BTCUSDT", "1h", since=NOW)
    assert set(cc.reconcile(tmp_path / "paper" / "btc", candles=final).causes.values()) == {0.0}


def test_drops_duplicates_late_bars_breaks_and_restarts_leave_the_same_orders(exchange, run, tmp_path):
    """Where the data are the same, so are the orders; what was revised afterwards is said."""
    rng = random.Random(4)
    kinds = ("drop", "twice", "late", "cut", "revised")
    exchange[2].faults.update({number: rng.choice(kinds) for number in range(2, 58, 2)})
    leaves = set(rng.sample(range(1, 59), 12))
    events = traded(exchange, run, tmp_path / "s", bars=60, leaves=leaves)
    assert exchange[2].connections > len(leaves)
    times = [e.time for e in events if e.kind == "bar"]
    assert times == [NOW + timedelta(hours=n) for n in range(1, 61)]
    words = [e.text for e in events if e.kind == "notice"]
    assert any("broke off" in text for text in words)
    assert any("was revised after it was traded" in text for text in words)
    final = source_of(exchange).fetch("BTCUSDT", "1h", since=NOW, until=times[-1])
    found = cc.reconcile(tmp_path / "s", candles=final)
    assert found.unexplained == 0.0
    assert found.causes["data"] == 0.0
    assert found.missing == 0
    told = cc.reconcile(tmp_path / "s")
    assert told.revised > 0
    assert told.unexplained == 0.0


def test_a_wrong_clock_of_this_machine_is_said_and_changes_nothing(exchange, run, tmp_path):
    events = traded(exchange, run, tmp_path / "s", bars=5, skew=-900.0)
    words = [e.text for e in events if e.kind == "notice"]
    assert any("the clock of this machine is 900.0 s behind that of binance" in text for text in words)
    assert cc.reconcile(tmp_path / "s").late == 0


def test_a_clock_that_is_bars_behind_stops_no_session(exchange, run, tmp_path):
    """Bars missed while the session was down are asked for by the clock of the exchange."""
    exchange[2].faults[4] = "cut"
    traded(exchange, run, tmp_path / "s", bars=8, skew=-3.0 * HOUR, leaves=(2, 6))
    found = cc.reconcile(tmp_path / "s")
    assert (found.bars, found.missing) == (8, 0)


def test_a_halt_and_the_end_of_a_symbol_are_said(exchange):
    server, world, streamed = exchange
    world.listings[0].closed = NOW
    feed = feed_of(source_of(exchange), grace_seconds=0.01)
    server.now = NOW + timedelta(hours=4)
    found = []
    for batch in feed.batches(NOW):
        found += [each.kind for each in batch if isinstance(each, Notice)]
        server.now += timedelta(seconds=1)
        if "halted" in found and world.listings[0].is_listed:
            world.listings[0].is_listed = False
            streamed.queue.append(None)
        if "delisted" in found or len(found) > 50:
            break
    assert "delisted" in found
    assert "halted" in found


def test_futures_have_their_own_stream_and_intervals_that_are_not_there_are_refused(exchange):
    feed = source_of(exchange, market="usdm").stream("BTCUSDT", "1h")
    assert (feed.name, feed.symbol, str(feed.interval)) == ("binance-usdm", "BTCUSDT", "1h")
    assert (
        cc.Binance("usdm")
        .stream("BTCUSDT", "1m")
        .address.startswith("wss://fstream.binance.com/stream?streams=btcusdt@")
    )
    with pytest.raises(ConfigError, match="7m"):
        cc.Binance().stream("BTCUSDT", "7m")


def test_messages_that_are_no_bars_are_left_out(exchange):
    feed = feed_of(source_of(exchange))
    for text in (
        "",
        "[]",
        "{}",
        '{"data": {"e": "kline"}}',
        '{"data": 5}',
        '{"data": {"e": "kline", "s": "BTCUSDT", "k": {"x": true}}}',
    ):
        assert feed.read(text) == []


def test_a_source_without_a_stream_is_polled(exchange):
    server, _, _ = exchange
    source = source_of(exchange)
    hour = Interval.parse("1h")
    feed = Polling(source, "BTCUSDT", hour, after_seconds=0.0, poll_seconds=0.01, clock=server.clock)
    seen = []
    for batch in feed.batches(NOW - timedelta(hours=3)):
        seen += [each for each in batch if isinstance(each, Seen)]
        server.now += timedelta(minutes=30)
        if len(seen) >= 6:
            feed.close()
    assert [bar.open_time for bar in seen] == [NOW + timedelta(hours=n) for n in range(-3, len(seen) - 3)]
    assert {bar.how for bar in seen} == {"poll"}
    assert isinstance(stream_of(cc.Yahoo(), "AAPL", "1d"), Polling)
    assert stream_of(cc.AlphaVantage(), "IBM", "1d").poll_seconds == 3_600.0
