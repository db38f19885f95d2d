"""Binance over real HTTP: dumps and REST joined without a seam, and everything that goes wrong on the way."""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import httpx
import numpy as np
import polars as pl
import pytest

from candlecast.candles.intake import ACTIVITY
from candlecast.errors import CandleError, ConfigError, SourceError
from candlecast.sources import dumps
from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from servers import Listing, market_server
from servers.binance import dump

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def kinds(server) -> Counter[str]:
    return Counter("zip" if path.endswith(".zip") else path.rsplit("/", 1)[-1] for path, _ in server.asked)


def require_whole(candles, first: datetime, last: datetime) -> None:
    """Each bar from `first` to the one that closes at `last`, once."""
    times = pl.datetime_range(
        first, last - candles.interval.timedelta, candles.interval.timedelta, time_unit="us", eager=True
    )
    assert candles.frame["open_time"].to_list() == times.to_list()


def test_nothing_is_asked_before_the_first_page(server, binance):
    pages = binance().pages("BTCUSDT", "1h", since="2025-02-01")
    assert server.asked == []
    next(pages)
    assert server.asked


def test_dumps_and_rest_are_joined_without_a_seam(server, binance):
    candles = binance().fetch("BTCUSDT", "1m", since="2024-12-20")
    require_whole(candles, at(2024, 12, 20), at(2025, 2, 10, 12, 34))  # milliseconds, then microseconds, then REST
    assert kinds(server)["zip"] == 2
    assert kinds(server)["klines"] == 14  # of 1,000 bars at most, for the 13,714 of February
    assert candles.has_sessions is False
    assert candles.origin.source == "binance"


def test_dumps_hold_what_rest_says(server, binance, monkeypatch):
    dumped = binance().fetch("BTCUSDT", "1m", since="2024-12-30", until="2025-01-03")
    assert kinds(server)["zip"] == 2
    monkeypatch.setattr("candlecast.sources.binance.PAGE", 10**9)
    asked = binance().fetch("BTCUSDT", "1m", since="2024-12-30", until="2025-01-03")
    assert kinds(server)["zip"] == 2
    assert dumped.activity == ("quote_volume", "trades", "taker_volume")
    assert (dumped.trades == 7).all() and np.allclose(dumped.taker_volume, dumped.volume / 2)
    assert dumped.frame.equals(asked.frame)
    assert dumped.fingerprint == asked.fingerprint


def test_a_few_bars_need_no_dump(server, binance):
    candles = binance().fetch("BTCUSDT", "1h", since="2024-12-01", until="2025-01-15")
    require_whole(candles, at(2024, 12, 1), at(2025, 1, 15))
    assert kinds(server) == {"time": 1, "exchangeInfo": 1, "klines": 2}


def test_a_past_that_the_dumps_hold_whole_asks_nothing_of_rest(server, world, binance, monkeypatch):
    """So it can be had without ccxt, and where the REST interface serves nobody."""
    monkeypatch.setitem(sys.modules, "ccxt", None)
    candles = binance().fetch("BTCUSDT", "1m", since="2024-12-01", until="2025-01-03")
    assert len(candles) == 33 * 1_440
    assert set(kinds(server)) == {"listing", "zip", *(kind for kind in kinds(server) if kind.endswith("CHECKSUM"))}
    world.listings[0] = Listing("BTCUSDT", halts=((at(2024, 12, 20, 2), at(2024, 12, 20, 5)),))
    with pytest.raises(SourceError, match=r"candlecast\[exchanges\]"):  # whose hole it is, REST alone can say
        binance().fetch("BTCUSDT", "1m", since="2024-12-01", until="2025-01-03")


def test_seconds_come_from_dumps_by_the_day(server, binance):
    candles = binance().fetch("BTCUSDT", "1s", since="2025-02-08T22:00", until="2025-02-09T01:00")
    require_whole(candles, at(2025, 2, 8, 22), at(2025, 2, 9, 1))
    assert kinds(server)["zip"] == 2
    assert kinds(server)["klines"] == 0


def test_futures_are_another_market(server, binance):
    candles = binance(market="usdm").fetch("BTCUSDT", "1m", since="2024-12-31T12:00", until="2025-01-01T12:00")
    spot = binance().fetch("BTCUSDT", "1m", since="2024-12-31T12:00", until="2025-01-01T12:00")
    require_whole(candles, at(2024, 12, 31, 12), at(2025, 1, 1, 12))
    assert np.allclose(candles.close, spot.close + 3)
    assert {path for path, _ in server.asked if "fapi" in path} >= {"/fapi/v1/exchangeInfo", "/fapi/v1/time"}
    assert binance(market="usdm").name == "binance-usdm"
    month = binance(market="usdm").fetch("BTCUSDT", "1m", since="2025-01-01", until="2025-01-03")
    require_whole(month, at(2025, 1, 1), at(2025, 1, 3))  # a dump with a header, in milliseconds
    assert "/data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip" in dict(server.asked)
    limits = {query["limit"] for path, query in server.asked if path == "/fapi/v1/klines"}
    assert limits == {"1000"}  # 200 bars for a weight of 1, where 500 or 1,500 at once are 100 and 150


def test_everything_when_no_beginning_is_named(binance):
    require_whole(binance().fetch("BTCUSDT", "1h"), at(2024, 11, 15, 6), at(2025, 2, 10, 12))


def test_pages_can_be_taken_one_by_one_and_left(server, binance):
    pages = binance().pages("BTCUSDT", "1m", since="2024-12-20")
    first = next(pages)
    pages.close()
    assert first.columns == ["open_time", "close_time", "open", "high", "low", "close", "volume", *ACTIVITY]
    rest = binance().fetch("BTCUSDT", "1m", since=first["close_time"][-1])
    require_whole(rest, first["close_time"][-1], at(2025, 2, 10, 12, 34))


def test_halts_stay_holes_and_holes_of_the_dumps_are_filled(server, world, binance):
    world.listings = [
        Listing(
            "BTCUSDT",
            halts=((at(2025, 1, 10, 2), at(2025, 1, 10, 5)),),
            lost=((at(2025, 1, 20), at(2025, 1, 21)), (at(2025, 1, 31, 23), at(2025, 2, 1))),
        )
    ]
    candles = binance().fetch("BTCUSDT", "1m", since="2025-01-01")
    gaps = candles.check().issues.filter(pl.col("kind").is_in(["gap", "halt"]))
    assert len(candles) == (at(2025, 2, 10, 12, 34) - at(2025, 1, 1)) / MINUTE - 180
    assert gaps.select("bars", "first").rows() == [(180, at(2025, 1, 10, 2))]


def test_a_symbol_that_is_no_longer_listed_comes_from_the_dumps(server, world, binance):
    world.listings += [Listing("LUNAUSDT", closed=at(2025, 1, 13, 0, 40), is_listed=False)]
    candles = binance().fetch("LUNAUSDT", "1h")
    require_whole(candles, at(2024, 11, 15, 6), at(2025, 1, 13, 1))
    assert kinds(server)["klines"] == 0
    with pytest.raises(CandleError, match=r"binance has no closed 1h bar of LUNAUSDT from 2025-02-01 to now; expected"):
        binance().fetch("LUNAUSDT", "1h", since="2025-02-01")


def test_a_listed_symbol_that_trades_no_more(world, binance):
    world.listings += [Listing("OLDUSDT", closed=at(2024, 12, 5))]
    require_whole(binance().fetch("OLDUSDT", "1h"), at(2024, 11, 15, 6), at(2024, 12, 5))


def test_an_index_of_many_files_is_read_to_its_end(server, world, binance, monkeypatch):
    monkeypatch.setattr("servers.binance.KEYS", 3)
    world.listings += [Listing("LUNAUSDT", closed=at(2024, 12, 3), is_listed=False)]
    world.monthly_delay = timedelta(days=365)  # days only
    require_whole(binance().fetch("LUNAUSDT", "4h"), at(2024, 11, 15, 8), at(2024, 12, 3))


def test_the_unfinished_bar_is_dropped_by_the_clock_of_the_exchange(server, binance):
    for skew in (timedelta(hours=2), timedelta(hours=-1)):
        skewed = binance(clock=lambda skew=skew: server.now + skew)
        require_whole(skewed.fetch("BTCUSDT", "1h", since="2025-02-09"), at(2025, 2, 9), at(2025, 2, 10, 12))


def test_the_last_row_of_a_page_repeated_as_the_first_of_the_next(server, binance):
    def repeat(answer):
        rows = answer.body
        answer.body = [[rows[0][0] - 3_600_000, *rows[0][1:]], rows[0], *rows] if rows else rows
        return answer

    server.garble("klines", repeat)
    require_whole(binance().fetch("BTCUSDT", "1h", since="2024-11-20"), at(2024, 11, 20), at(2025, 2, 10, 12))


def test_a_bar_with_two_different_values_is_refused(server, binance):
    def contradict(answer):
        answer.body += [[*answer.body[-1][:4], "1.0", *answer.body[-1][5:]]]
        return answer

    server.garble("klines", contradict)
    with pytest.raises(
        SourceError, match=r"1 bars of .* 1h came twice with different values, the first at 2025-02-09 23"
    ):
        binance().fetch("BTCUSDT", "1h", since="2025-02-01", until="2025-02-10")


def test_limits_by_weight_are_waited_out(server, world, binance):
    world.weight_limit = 23  # of which time and exchangeInfo weigh 21
    require_whole(binance().fetch("BTCUSDT", "1h", since="2024-11-20"), at(2024, 11, 20), at(2025, 2, 10, 12))
    assert server.waits == [4.0]  # to the full minute, as Retry-After said


FAULTS = {
    "429": {"status": 429, "headers": {"Retry-After": "35"}, "body": {"code": -1003, "msg": "Too much"}},
    "418": {"status": 418, "headers": {"Retry-After": "120"}, "body": {"code": -1003, "msg": "banned"}},
    "429 without a time": {"status": 429, "body": {"code": -1003, "msg": "Too much"}},
    "500": {"status": 500, "body": {"code": -1001, "msg": "Internal error"}},
    "503 HTML": {"status": 503, "body": "<html><body>busy</body></html>"},
    "truncated": {"how": "truncated"},
    "cut": {"how": "cut"},
    "hang": {"how": "hang"},
}
WAITS = {"429": 35.0, "418": 120.0}
LAST = at(2025, 2, 10, 12, 30)


@pytest.mark.parametrize(
    ("where", "fault"),
    [("/klines", name) for name in FAULTS]
    + [("2025-01.zip", name) for name in ("429", "503 HTML", "truncated", "cut", "hang")]
    + [("zip.CHECKSUM", "truncated"), ("/listing", "truncated"), ("/listing", "cut"), ("exchangeInfo", "truncated")]
    + [("exchangeInfo", "429"), ("/time", "500")],
)
def test_what_fails_for_a_moment_is_asked_again(server, binance, retry, where, fault):
    server.fail(where, **FAULTS[fault], after=3 if where == "/klines" else 0)
    hasty = replace(retry, timeout_seconds=3.0, attempts=100) if fault == "hang" else retry
    candles = binance(retry=hasty).fetch("BTCUSDT", "5m", since="2025-01-01", until=LAST)  # waits move the clock on
    require_whole(candles, at(2025, 1, 1), LAST)
    assert server.waits[0] == WAITS.get(fault, 0.5)


@pytest.mark.parametrize("seed", range(8))
def test_any_mixture_of_faults_leaves_the_same_bars(server, binance, retry, seed):
    generator = random.Random(seed)
    names = [name for name in FAULTS if name != "hang"]
    for where in ("/klines", "/klines", "/klines", ".zip", ".CHECKSUM", "/listing", "exchangeInfo", "/time"):
        fault = FAULTS[generator.choice(names)]
        server.fail(where, **fault, after=generator.randrange(4), times=generator.randrange(3))
    candles = binance(retry=replace(retry, attempts=20)).fetch("BTCUSDT", "5m", since="2024-12-25", until=LAST)
    require_whole(candles, at(2024, 12, 25), LAST)


def test_waits_grow_until_the_error_is_raised(server, binance):
    server.fail("/klines", status=502, body="<html><h1>502 Bad Gateway</h1></html>", times=99)
    with pytest.raises(SourceError) as error:
        binance().fetch("BTCUSDT", "1h", since="2025-02-01")
    assert str(error.value) == (
        "Binance answers 502: 502 Bad Gateway; expected an answer. Try again later; what was stored before is kept, and "
        "fetching goes on from there."
    )
    assert server.waits == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_long_ban_is_told_at_once(server, binance):
    server.fail("/klines", status=418, headers={"Retry-After": "259200"}, body={"code": -1003, "msg": "IP banned"})
    with pytest.raises(SourceError, match="Binance answers 418.* and asks to wait 259200 s; expected an answer"):
        binance().fetch("BTCUSDT", "1h", since="2025-02-01")
    assert server.waits == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"status": 403, "body": "<html><head><title>E</title></head><h1>403 ERROR</h1> Request blocked.</html>"},
            "Binance refuses requests from this address (403: 403 ERROR Request blocked.); expected an answer. Use a mirror",
        ),
        (
            {"status": 451, "body": {"code": 0, "msg": "Service unavailable from a restricted location"}},
            "Binance does not serve this country (451); expected an answer. Use a mirror of the market data, Binance(rest=",
        ),
        (
            {"status": 400, "body": {"code": -1102, "msg": "Mandatory parameter 'x' was malformed."}},
            'Binance does not know what is asked for (binance {"code": -1102, "msg": "Mandatory parameter',
        ),
    ],
    ids=["403", "451", "400"],
)
def test_what_will_not_pass_is_told_in_one_sentence(server, binance, fault, message):
    server.fail("/klines", **fault)
    with pytest.raises(SourceError) as error:
        binance().fetch("BTCUSDT", "1h", since="2025-02-01")
    assert str(error.value).startswith(message)
    assert server.waits == []


def test_a_dump_that_differs_from_its_checksum_is_fetched_again_and_then_refused(server, binance):
    server.fail("2025-01.zip.CHECKSUM", body=b"0123456789abcdef  x.zip\n")
    require_whole(
        binance().fetch("BTCUSDT", "5m", since="2025-01-01", until="2025-02-01"), at(2025, 1, 1), at(2025, 2, 1)
    )
    server.fail("2025-01.zip.CHECKSUM", body=b"0123456789abcdef  x.zip\n", times=99)
    with pytest.raises(SourceError) as error:
        binance().fetch("BTCUSDT", "5m", since="2025-01-01", until="2025-02-01")
    assert "BTCUSDT-5m-2025-01.zip has SHA-256 " in str(error.value)
    assert ", not the published 0123456789abcdef...; expected the file as it was published. Try" in str(error.value)


def test_without_the_index_of_the_dumps_rest_gives_everything(server, world, binance, caplog):
    world.listings += [Listing("LUNAUSDT", closed=at(2025, 1, 13), is_listed=False)]
    server.fail("/listing", status=403, body="blocked", times=99)
    candles = binance().fetch("BTCUSDT", "5m", since="2025-01-01")
    require_whole(candles, at(2025, 1, 1), at(2025, 2, 10, 12, 30))
    assert kinds(server)["zip"] == 0
    assert caplog.messages == [
        "Binance refuses requests from this address (403: blocked); BTCUSDT 5m comes by REST alone, which takes longer"
    ]
    with pytest.raises(SourceError, match="Binance refuses requests from this address"):
        binance().fetch("LUNAUSDT", "5m", since="2025-01-01")


def a_dump() -> bytearray:
    listing = ("BTCUSDT", "spot", at(2024, 1, 1), None, True, (), ())
    return bytearray(dump(listing, 3_600, at(2024, 2, 1), at(2024, 2, 3), "x.csv"))


def changed(place: int, by: int) -> bytes:
    content = a_dump()
    content[place] ^= by
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"junk", b"PK\x05\x06" + bytes(18), changed(a_dump().rindex(b"PK\x01\x02") + 16, 1), changed(200, 8)],
    ids=["no zip", "empty zip", "another CRC", "a bit turned"],
)
def test_a_dump_that_is_none(content):
    with pytest.raises(SourceError, match=r"x\.zip cannot be read \(.*\); expected a zipped CSV of candles as Binance"):
        dumps.parse_dump(content, "x.zip")
    assert dumps.parse_dump(bytes(a_dump()), "x.zip").height == 48


def test_an_invalid_address(binance):
    with pytest.raises(
        SourceError, match=r"the address of Binance is invalid \(.*\); expected an address such as https"
    ):
        binance(dumps="http://[::").fetch("BTCUSDT", "5m", since="2025-01-01")


def test_no_network(binance):
    with market_server() as gone:
        address = gone.url
    nowhere = binance(rest=address, retry=Retry(attempts=2, pause=lambda _: None))
    with pytest.raises(SourceError) as error:
        nowhere.fetch("BTCUSDT", "1h", since="2025-02-01")
    assert str(error.value).startswith("Binance could not be reached (")
    assert "Check the connection and try again" in str(error.value)


@pytest.mark.parametrize(
    ("symbol", "words"),
    [("BTCUSD", "Did you mean BTCUSDT?"), ("btcusdt", "Did you mean BTCUSDT?"), ("BTC/USDT", "Did you mean BTCUSDT?")],
)
def test_unknown_symbols(binance, symbol, words):
    with pytest.raises(SourceError) as error:
        binance().fetch(symbol, "1h", since="2025-02-01")
    assert str(error.value) == f"Binance has no symbol {symbol!r}; expected one of its 1 symbols. {words}"


def test_bad_requests_never_leave_the_house(server, binance):
    with pytest.raises(ConfigError, match="Binance has no candles of 7m; expected one of 1s, 1m, 3m, 5m,"):
        binance().pages("BTCUSDT", "7m")
    with pytest.raises(ConfigError, match="Binance has no candles of 1s; expected one of 1m, 3m"):
        binance(market="usdm").pages("BTCUSDT", "1s")
    with pytest.raises(ConfigError, match="since 2025-02-02 00:00 is not before until 2025-02-01 00:00"):
        binance().pages("BTCUSDT", "1h", since="2025-02-02", until="2025-02-01")
    with pytest.raises(
        ConfigError, match=r"since 2030-01-01 00:00 UTC is in the future \(it is 2025-02-10 12:34 UTC\)"
    ):
        binance().pages("BTCUSDT", "1h", since="2030-01-01")
    with pytest.raises(ConfigError, match="until 2030-01-01 00:00 UTC is in the future"):
        binance().pages("BTCUSDT", "1h", until="2030-01-01")
    with pytest.raises(ConfigError, match="since 'last week' is not a date; expected an ISO date or time"):
        binance().pages("BTCUSDT", "1h", since="last week")
    with pytest.raises(ConfigError, match='market is \'coin\'; expected "spot" or "usdm"'):
        Binance(market="coin")  # type: ignore[arg-type]
    assert server.asked == []


@pytest.mark.parametrize("since", [2021, np.datetime64("NaT"), datetime.min.replace(tzinfo=timezone(5 * HOUR))])
def test_a_beginning_that_is_no_time(server, binance, since):
    with pytest.raises(
        ConfigError, match=r"^since (is 2021|is .*datetime64.*|0001-01-01 .* cannot be told in UTC); expected"
    ):
        binance().pages("BTCUSDT", "1h", since=since)
    assert server.asked == []


def test_a_period_from_before_the_exchange_opened(server, binance):
    require_whole(binance().fetch("BTCUSDT", "1h", since="0001-01-01"), at(2024, 11, 15, 6), at(2025, 2, 10, 12))
    with pytest.raises(CandleError, match="binance has no closed 1h bar of BTCUSDT from its beginning to 2015-01-01"):
        binance().fetch("BTCUSDT", "1h", until="2015-01-01")
    assert all(int(query.get("startTime", 0)) >= 0 for _, query in server.asked)


def test_an_interruption_does_not_wait_for_a_download_that_hangs(server, binance, retry):
    server.fail(".zip", how="hang", times=99)
    main_thread, is_over = threading.main_thread().ident, threading.Event()

    def interrupt():
        while not any(".zip" in path for path, _ in server.asked) and not is_over.wait(0.05):
            pass
        while not is_over.wait(1.0):  # again, as an exception raised inside of a destructor is lost
            signal.pthread_kill(main_thread, signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):  # without waiting for the hour that the download may take
            binance(retry=replace(retry, timeout_seconds=3_600.0)).fetch("BTCUSDT", "1m", since="2024-12-20")
    finally:
        is_over.set()
    watcher.join()


def test_an_empty_period(binance):
    with pytest.raises(CandleError, match="binance has no closed 1h bar of BTCUSDT from 2024-01-01 to 2024-02-01"):
        binance().fetch("BTCUSDT", "1h", since="2024-01-01", until="2024-02-01")


def test_progress_counts_days(binance):
    events = []
    binance().fetch("BTCUSDT", "1m", since="2025-01-30", until="2025-02-03", progress=events.append)
    assert [event.total for event in events] == [4.0] * len(events)
    assert events[-1].done == 4.0
    assert events[-1].detail == "BTCUSDT 1m to 2025-02-03, 5,760 bars"


def test_the_server_has_the_limits_of_the_real_one(server, world):
    """The loopback server is itself under test: pages, unfinished bars, errors."""
    url = f"{server.url}/api/v3/klines"
    rows = httpx.get(url, params={"symbol": "BTCUSDT", "interval": "1h", "limit": 5_000}).json()
    assert len(rows) == 1_000
    last = httpx.get(url, params={"symbol": "BTCUSDT", "interval": "1h", "startTime": 1739188800000}).json()
    assert [row[0] for row in last] == [1739188800000]  # the unfinished bar of 12:00
    assert httpx.get(url, params={"symbol": "NONE", "interval": "1h"}).json()["code"] == -1121
