"""Live bars of exchanges of ccxt, by the real `ccxt.pro` against loopback websockets and HTTP whose formats are theirs.

Binance sends a bar by an address of its own, and whether it has closed; Kraken by subscriptions, with the newest bars at once,
and never says that a bar has closed; Bybit by topics, with numbers as text.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import candlecast as cc
from candlecast.errors import ConfigError
from candlecast.sources.closed_bars import Heard
from candlecast.sources.exchange_stream import ExchangeStream, has_stream
from candlecast.sources.feed import Notice, Seen
from candlecast.sources.polling import Polling
from candlecast.sources.retry import Retry
from candlecast.sources.streams import stream_of
from servers.binance import BinanceWorld, Listing
from servers.binance_stream import Streamed, stream_server
from servers.bybit import BybitStreamed, BybitWorld
from servers.kraken import PAIR, KrakenStreamed, KrakenWorld
from servers.server import market_server

NOW = datetime(2025, 2, 10, 12, 0, 0, tzinfo=UTC)
FAST = {"beat_seconds": 0.02, "first_wait_seconds": 0.01, "longest_wait_seconds": 0.02, "grace_seconds": 2.0}


WORLDS = {
    "binance": lambda: BinanceWorld([Listing("BTCUSDT"), Listing("ETHUSDT")], weight_limit=10**9),
    "kraken": lambda: KrakenWorld([Listing(PAIR)]),
    "bybit": BybitWorld,
}
STREAMS = {"binance": Streamed, "kraken": KrakenStreamed, "bybit": BybitStreamed}


@pytest.fixture(params=list(WORLDS))
def exchange(request):
    with market_server(NOW) as server:
        world = WORLDS[request.param]().mount(server)
        with stream_server(world, world.listings[0], 3_600, kind=STREAMS[request.param]) as streamed:
            yield server, world, streamed


def symbol_of(exchange):
    return "BTC/USD" if isinstance(exchange[1], KrakenWorld) else "BTC/USDT"


def feed_of(exchange, **options):
    server, _, streamed = exchange
    retry = Retry(attempts=2, first_seconds=0.01, pause=lambda seconds: None)
    name = next(name for name, kind in STREAMS.items() if type(streamed) is kind)
    source = cc.Exchange(name, url=server.url, retry=retry, is_paced=False, streams=streamed.url, clock=server.clock)
    return replace(source.stream(symbol_of(exchange), "1h"), **(FAST | options))


def received(exchange, feed, *, bars):
    """So many bars, each after the exchange moved on, and the notices."""
    found, notices = [], []
    for batch in feed.batches(NOW):
        notices += [each for each in batch if isinstance(each, Notice)]
        new = [each for each in batch if isinstance(each, Seen)]
        found += new
        if len(found) >= bars:
            feed.close()
        elif new or (notices and notices[-1].kind == "connected" and batch):
            exchange[2].advance()
    return found[:bars], notices


def test_bars_close_when_the_next_begins_and_have_the_values_of_rest(exchange):
    found, notices = received(exchange, feed_of(exchange, grace_seconds=1e6), bars=4)
    assert [bar.open_time for bar in found] == [NOW + timedelta(hours=n) for n in range(4)]
    assert [each.kind for each in notices] == ["connected"], notices
    final = feed_of(exchange).source.fetch(symbol_of(exchange), "1h", since=NOW).frame
    assert [bar.close for bar in found] == final["close"].to_list()[:4]
    assert {bar.how for bar in found} == {"rest"}


def test_dropped_bars_broken_and_repeated_messages_leave_every_bar_once(exchange):
    exchange[2].faults.update({1: "drop", 3: "twice", 4: "cut", 5: "revised", 7: "late", 9: "cut"})
    found, notices = received(exchange, feed_of(exchange), bars=12)
    assert [bar.open_time for bar in found] == [NOW + timedelta(hours=n) for n in range(12)]
    assert "disconnected" in [each.kind for each in notices]
    final = feed_of(exchange).source.fetch(symbol_of(exchange), "1h", since=NOW).frame
    assert [bar.close for bar in found] == final["close"].to_list()[:12]


def test_the_stream_is_used_where_rest_does_not_have_the_bar_yet(exchange):
    feed = feed_of(exchange)
    latest: list = []
    hour = int(NOW.timestamp() * 1_000)
    assert feed.read([[hour, 1, 2, 0.5, 1.5, 9]], latest) == [Heard(opened=NOW)]
    assert feed.read([["x"], [hour, 1, 2, 0.5, 1.6, 10], [hour - 3_600_000, 1, 1, 1, 1, 1]], latest) == []
    (heard,) = feed.read([[hour + 3_600_000, 1.6, 1.6, 1.6, 1.6, 1]], latest)
    assert isinstance(heard, Heard)
    assert heard.bar.values == (1.0, 2.0, 0.5, 1.6, 10.0)
    assert feed.joined(NOW, heard.bar) == [heard.bar]  # the exchange's clock is before its close: REST has nothing
    assert feed.joined(NOW + timedelta(hours=1), heard.bar) == []  # given before


def test_a_bar_that_closes_while_the_connection_is_made_comes_at_once(exchange):
    """Not with the one after it, and not when it is overdue."""
    feed = feed_of(exchange, grace_seconds=1e6)

    def receive(seconds):
        exchange[0].now = NOW + timedelta(hours=1, seconds=1)  # after REST was asked for what closed before
        return [Heard(quote=(99.0, 101.0)), Heard(opened=NOW + timedelta(hours=1))]

    (bar,) = next(iter(feed._received(receive, NOW)))
    assert (bar.open_time, bar.how, bar.bid, bar.ask) == (NOW, "rest", 99.0, 101.0)


def test_a_symbol_that_is_no_longer_listed_ends_the_feed(exchange):
    feed = feed_of(exchange)
    kinds = []
    for batch in feed.batches(NOW):
        kinds += [each.kind for each in batch if isinstance(each, Notice)]
        if "connected" in kinds and exchange[1].listings[0].is_listed:
            exchange[1].listings[0].is_listed = False
            exchange[0].now += timedelta(hours=4)
            exchange[2].queue.append(None)
    assert kinds[-1] == "delisted"


def test_exchanges_without_a_stream_are_polled_and_lacking_intervals_refused():
    assert has_stream("kraken") and not has_stream("bitstamp")
    feed = stream_of(cc.Exchange("kraken"), "BTC/USD", "1h")
    assert isinstance(feed, ExchangeStream)
    assert (feed.name, feed.symbol, str(feed.interval)) == ("kraken", "BTC/USD", "1h")
    with pytest.raises(ConfigError, match="Kraken has no candles of 7m; expected one of 1m, 5m"):
        stream_of(cc.Exchange("kraken"), "BTC/USD", "7m")
    assert isinstance(stream_of(cc.Exchange("bitstamp"), "BTC/USDT", "1h"), Polling)


def test_a_session_on_it_equals_its_backtest(exchange, tmp_path):
    candles = feed_of(exchange).source.fetch(symbol_of(exchange), "1h", since=NOW - timedelta(hours=300))
    study = cc.Study(
        model=cc.LSTM(hidden=4, window=8, training=cc.Fit(epochs=1, batch=8, sampling="sequence")),
        features=cc.Features(cc.log_return(), cc.log_range()),
        folds=cc.WalkForward(folds=2),
        seeds=1,
        baselines=(),
    )
    _, folder = cc.run_study(study, candles, runs=tmp_path / "runs")
    session = cc.paper(cc.load_run(folder), feed=feed_of(exchange, grace_seconds=1e6), session=tmp_path / "s")
    exchange[2].advance()
    count = 0
    for event in session:
        count += event.kind == "bar" and event.is_live
        if count == 12:
            break
        if event.kind == "bar":
            exchange[2].advance()
    session.close()
    found = cc.reconcile(tmp_path / "s")
    assert (found.bars, set(found.causes.values())) == (12, {0.0})
