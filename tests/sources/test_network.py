"""Answers that are none, that never end or that are too large, from every source over real HTTP: one sentence, and no hole."""

from __future__ import annotations

import gzip
import io
import json
import logging
import threading
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from candlecast import Store
from candlecast.errors import ConfigError, SourceError
from candlecast.sources.alpha_vantage import AlphaVantage
from candlecast.sources.answers import parse_json
from candlecast.sources.binance import Binance
from candlecast.sources.dumps import MAX_CSV, parse_dump
from candlecast.sources.exchange import Exchange
from candlecast.sources.inflation import inflated
from candlecast.sources.proxies import proxy_of
from candlecast.sources.retry import Retry, TransientError
from candlecast.sources.yahoo import Yahoo
from servers import PORTAL, Answer, VantageWorld, YahooWorld

KEY = "SECRETKEY123"
SINCE = "2025-01-06"
SOURCES = ("binance", "exchange", "yahoo", "alphavantage")
WHERE = {"binance": "/klines", "exchange": "/klines", "yahoo": "chart/AAPL?period1", "alphavantage": "query"}
SYMBOL = {"binance": "BTCUSDT", "exchange": "BTC/USDT", "yahoo": "AAPL", "alphavantage": "IBM"}


@pytest.fixture
def make(server, world, retry):
    """Any of the sources, with other limits where a test has some."""
    YahooWorld().mount(server)
    VantageWorld().mount(server)

    def made(name: str, **limits):
        hasty = replace(retry, **{"attempts": 3, **limits})
        common = {"retry": hasty, "clock": server.clock}
        if name == "binance":
            return Binance(**world.addresses, is_paced=False, **common)
        if name == "exchange":
            return Exchange("binance", url=server.url, is_paced=False, **common)
        if name == "yahoo":
            return Yahoo(url=server.url, **common)
        return AlphaVantage(key=KEY, url=f"{server.url}/query", **common)

    return made


NONE = {
    "a portal": {"body": PORTAL},
    "a portal that claims to be JSON": {"body": PORTAL, "headers": {"Content-Type": "application/json"}},
    "null": {"body": b"null", "headers": {"Content-Type": "application/json"}},
    "an empty object": {"body": {}},
    "words": {"body": "service unavailable"},
    "nothing": {"body": b""},
    "blanks": {"body": b" \r\n"},
    "a number": {"body": b"7", "headers": {"Content-Type": "application/json"}},
    "half of it": {"how": "truncated"},
    "brackets": {"body": b"[" * 100_000 + b"]" * 100_000},
    "nested objects": {"body": b'{"a":' * 5_000 + b"1" + b"}" * 5_000},
    "NaN": {"body": b'[[1736121600000, "1", NaN, "1", "1", "1"]]'},
    "a bar without end": {"body": [[1736121600000, 1, 2]]},
    "strings": {"body": [[1736121600000, "much", "more", "less", "same", "some"]]},
    "a time without end": {"body": [[10**18, "1", "1", "1", "1", "1", 10**18]]},
    "a time that is none": {"body": [["2025-13-01", "1", "1", "1", "1", "1", 0]]},
    "month 13": {"body": "timestamp,open,high,low,close,volume\n2025-13-01,1,1,1,1,1\n"},
    "year 99999": {"body": "timestamp,open,high,low,close,volume\n99999-01-01,1,1,1,1,1\n"},
    "infinite": {"body": "timestamp,open,high,low,close,volume\n2025-01-06,1,inf,1,1,1\n"},
    "a list of words": {"body": ["a", "b"]},
    "bytes": {"body": b"\xff\xfe\x00\x80"},
    "another coding": {"body": b"abc", "headers": {"Content-Encoding": "br"}},
    "broken gzip": {"body": b"\x1f\x8b\x08abc", "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("answer", NONE, ids=str)
@pytest.mark.parametrize("name", SOURCES)
def test_an_answer_that_is_none_is_told_and_never_a_hole(server, make, name, answer):
    source = make(name)
    server.fail(WHERE[name], **NONE[answer], times=99)
    with pytest.raises(SourceError) as error:
        source.fetch(SYMBOL[name], "1d", since=SINCE)
    assert str(error.value).count("; expected ") == 1 and str(error.value).isprintable()


@pytest.mark.parametrize("answer", ["a portal", "null", "an empty object", "nothing", "brackets"])
@pytest.mark.parametrize("name", SOURCES)
def test_an_answer_that_is_none_for_a_moment_costs_nothing(server, make, name, answer):
    server.fail(WHERE[name], **NONE[answer], times=2)
    assert len(make(name).fetch(SYMBOL[name], "1d", since=SINCE)) == (35 if "BTC" in SYMBOL[name] else 25)


def test_a_portal_in_the_middle_of_an_update_leaves_no_hole(server, make, tmp_path):
    """Of 744 hours, five would remain for good if a login page counted as an answer without bars."""
    store, source = Store(tmp_path / "data"), make("exchange")
    server.fail("/klines", body=PORTAL, after=1, times=99)
    with pytest.raises(SourceError, match="Binance gave an answer that is not what was asked for .<!DOCTYPE html>"):
        store.update(source, "BTC/USDT", "1h", since="2024-12-01", until="2025-02-01")
    server.faults.clear()
    candles = store.update(source, "BTC/USDT", "1h", since="2024-12-01", until="2025-02-01")
    assert (len(candles), candles.check().missing) == (1_488, 0)


@pytest.mark.parametrize(
    "body", [PORTAL, b"null", {}, {"symbols": []}, b""], ids=["portal", "null", "{}", "none", "empty"]
)
@pytest.mark.parametrize("where", ["exchangeInfo", "/time"])
def test_a_list_of_markets_or_a_clock_that_is_none(server, make, where, body):
    server.fail(where, body=body, times=99)
    for name in ("binance", "exchange"):
        with pytest.raises(SourceError, match="Binance gave an answer that is not what was asked for"):
            make(name).fetch(SYMBOL[name], "1h", since="2025-02-09")


@pytest.mark.parametrize("status", [400, 404])
def test_a_page_that_something_between_does_not_know_makes_no_symbol_unlisted(server, make, status):
    server.fail("exchangeInfo", body=PORTAL, status=status, times=99)
    with pytest.raises(SourceError, match=f"Binance answers {status}: Please log in"):
        make("binance").fetch("BTCUSDT", "1h", since="2025-02-09")
    server.fail("chart/AAPL", body=PORTAL, status=404, times=99)
    with pytest.raises(SourceError, match="Yahoo gave an answer that is not what was asked for .404: Please log in"):
        make("yahoo").fetch("AAPL", "1d", since=SINCE)


def test_a_clock_that_is_a_year_away_closes_no_bars(server, make):
    server.fail("/time", body={"serverTime": int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1_000)}, times=9)
    with pytest.raises(
        SourceError, match="the clock of Binance shows 2024-01-01 00:00 UTC, and that of this machine 2025"
    ):
        make("exchange").fetch("BTC/USDT", "1h", since="2025-02-09")


INDEX = '<ListBucketResult xmlns="http://s3"><IsTruncated>{}</IsTruncated>{}</ListBucketResult>'
FOLDER = "data/spot/monthly/klines/BTCUSDT/5m/BTCUSDT-5m-"


def index(*names: str, is_cut: str = "false") -> str:
    return INDEX.format(is_cut, "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names))


@pytest.mark.parametrize(
    "body",
    [
        PORTAL,
        b"<html/>",
        b"",
        b"{}",
        index(FOLDER + "2024-12.zip", is_cut="true"),
        index(is_cut="true"),
        index(FOLDER + "2025-01.zip", FOLDER + "2024-12.zip"),
        index("etc/passwd-2025-01.zip"),
        index(FOLDER + "2025-13.zip", FOLDER + "2025-13.zip.CHECKSUM"),
        INDEX.format("", ""),
        b"<a>" * 50_000 + b"</a>" * 50_000,
    ],
    ids=[
        "portal",
        "page",
        "empty",
        "JSON",
        "repeated",
        "nothing more",
        "order",
        "folder",
        "month 13",
        "no end",
        "deep",
    ],
)
def test_an_index_that_is_none_or_repeats_itself_ends(server, world, make, caplog, body):
    server.fail("/listing", body=body, times=10_000)
    candles = make("binance").fetch("BTCUSDT", "5m", since="2025-01-01", until="2025-02-01")  # by REST alone
    assert (len(candles), candles.check().missing) == (8_928, 0)
    assert server.count("/listing") < 20
    assert "comes by REST alone, which takes longer" in caplog.text


def test_an_index_without_end_ends(server, make, monkeypatch):
    monkeypatch.setattr("candlecast.sources.dumps.MAX_KEYS", 500)

    def endless(path: str, query: dict[str, str]) -> Answer:
        last = int(query["marker"].rpartition("~")[2]) if "~" in query["marker"] else 0
        names = (f"{query['prefix']}~{number:09}" for number in range(last + 1, last + 101))
        return Answer(index(*names, is_cut="true"))

    server.routes["/listing"] = endless
    assert len(make("binance").fetch("BTCUSDT", "5m", since="2025-01-01", until="2025-02-01")) == 8_928
    assert server.count("/listing") == 6


@pytest.mark.parametrize("how", ["drip head", "drip body", "continue", "hang"])
@pytest.mark.parametrize("name", SOURCES)
def test_an_answer_that_never_ends_ends(server, make, name, how):
    server.fail(WHERE[name], how, times=99)
    with pytest.raises(SourceError, match="could not be reached"):
        make(name, timeout_seconds=0.25, attempts=1).fetch(SYMBOL[name], "1d", since=SINCE)


@pytest.mark.parametrize("how", ["drip head", "drip body", "continue"])
def test_a_dump_that_never_ends_ends(server, make, how):
    server.fail("2025-01.zip", how, times=99)
    with pytest.raises(SourceError, match="Binance could not be reached"):
        make("binance", timeout_seconds=0.25, attempts=1).fetch("BTCUSDT", "5m", since="2025-01-01", until="2025-02-01")


@pytest.mark.parametrize("name", SOURCES)
def test_a_small_answer_that_inflates_to_a_large_one_is_refused(server, make, name):
    server.fail(WHERE[name], "bomb", times=99)
    with pytest.raises(SourceError, match=r"an answer has more than 1,048,576 bytes; expected an answer of candles"):
        make(name, answer_bytes=1 << 20).fetch(SYMBOL[name], "1d", since=SINCE)
    assert server.waits == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_large_answer_is_refused(server, make, name):
    server.fail(WHERE[name], body=b"[" + b" " * (3 << 20), times=99)
    with pytest.raises(SourceError, match=r"an answer has more than 2,097,152 bytes"):
        make(name, answer_bytes=2 << 20).fetch(SYMBOL[name], "1d", since=SINCE)


def test_a_dump_that_inflates_to_gigabytes_is_refused(monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", bytes(3 << 20))
    assert MAX_CSV >= 300 << 20  # a month of seconds
    monkeypatch.setattr("candlecast.sources.dumps.MAX_CSV", 2 << 20)
    for content in (packed.getvalue(), _with_size(packed.getvalue(), 1_000)):  # as it is, and with a lie about its size
        with pytest.raises(SourceError, match="an answer has more than 2,097,152 bytes"):
            parse_dump(content, "x.zip")


def test_dumps_of_other_compressions_than_deflate_are_refused():
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", compression) as archive:
            archive.writestr("x.csv", bytes(1 << 20))
        with pytest.raises(SourceError, match=rf"x.zip cannot be read \(compression method {compression}\)"):
            parse_dump(packed.getvalue(), "x.zip")


def _with_size(content: bytes, size: int) -> bytes:
    place = content.rindex(b"PK\x01\x02") + 24
    return content[:place] + size.to_bytes(4, "little") + content[place + 4 :]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, deflate", "identity", ""])
def test_bodies_are_inflated_as_they_were_deflated(coding):
    content = body = b"candles " * 100
    for name in filter(None, coding.split(", ")):
        body = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[name](body)
    assert inflated(body, coding, 10_000) == content
    raw = zlib.compressobj(wbits=-15)
    assert inflated(raw.compress(content) + raw.flush(), "deflate", 10_000) == content
    assert inflated(gzip.compress(content) * 2, "x-gzip", 10_000) == content * 2
    with pytest.raises(ValueError, match="ends too early"):
        inflated(gzip.compress(content)[:-9], "gzip", 10_000)


def test_a_body_of_thousands_of_empty_members_is_refused():
    """Each of them would copy the rest of the body."""
    assert inflated(gzip.compress(b"") * 9 + gzip.compress(b"x"), "gzip", 10) == b"x"
    with pytest.raises(ValueError, match="more than 100 compressed members"):
        inflated(gzip.compress(b"") * 101, "gzip", 10)


def test_numbers_of_thousands_of_digits_are_none():
    for body in (b"[1e999]", b"[" + b"9" * 5_000 + b"]", b'{"a": -Infinity}'):
        with pytest.raises(TransientError, match="x gave an answer that is not what was asked for .no JSON"):
            parse_json(body, "x")
    assert parse_json(b'\xef\xbb\xbf {"a": [1.5]}', "x") == {"a": [1.5]}


@pytest.mark.parametrize(
    "part", [{"baseAssetPrecision": 2**31}, {"quotePrecision": "1e999999999"}, {"x": [10**30]}, {"scale": "999999"}]
)
def test_numbers_that_libraries_would_count_to_are_none(server, make, part):
    """ccxt writes as many zeros as a precision says."""
    server.garble("exchangeInfo", lambda answer: Answer({"symbols": [answer.body["symbols"][0] | part]}))
    for name in ("binance", "exchange"):
        with pytest.raises(SourceError, match="Binance gave an answer that is not what was asked for"):
            make(name).fetch(SYMBOL[name], "1h", since="2025-02-09")


class _Proxy(BaseHTTPRequestHandler):
    """Answers every address as the server behind it would, and notes what it was asked for."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(502)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_CONNECT = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence."""


@pytest.fixture
def proxy(monkeypatch):
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    running.seen = []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    address = f"http://user:proxypassword@127.0.0.1:{running.server_address[1]}"
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("HTTPS_PROXY", address)
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", SOURCES)
def test_every_source_goes_through_the_proxy_that_the_environment_names(make, proxy, name, scheme, caplog):
    caplog.set_level(logging.DEBUG)
    elsewhere = f"{scheme}://candles.invalid"
    fields = {"binance": {"rest": elsewhere}, "alphavantage": {"url": f"{elsewhere}/query"}}.get(
        name, {"url": elsewhere}
    )
    with pytest.raises(SourceError) as error:
        replace(make(name), **fields).fetch(SYMBOL[name], "1d", since=SINCE)
    assert {path.startswith((elsewhere, "candles.invalid:443")) for path, _ in proxy.seen} == {True}
    assert {authorization for _, authorization in proxy.seen} == {"Basic dXNlcjpwcm94eXBhc3N3b3Jk"}
    assert "proxypassword" not in str(error.value) + caplog.text


@pytest.mark.parametrize("excepted", ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "*"])
@pytest.mark.parametrize("name", SOURCES)
def test_no_source_goes_through_the_proxy_to_hosts_that_are_excepted(make, proxy, monkeypatch, name, excepted):
    monkeypatch.setenv("NO_PROXY", excepted)
    assert len(make(name).fetch(SYMBOL[name], "1d", since=SINCE)) > 20
    assert proxy.seen == []


def test_a_proxy_that_nobody_could_connect_to_is_told(monkeypatch, make):
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for address in ("http://", "ftp://x", "http://host:99999", "http://user:pass@"):
        monkeypatch.setenv("HTTP_PROXY", address)
        for name in SOURCES:
            with pytest.raises(
                ConfigError, match=r"the proxy for http is .*; expected an address with a host"
            ) as error:
                make(name).fetch(SYMBOL[name], "1d", since=SINCE)
            assert "pass@" not in str(error.value)
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "example.org,.internal,10.1.0.0/16")
    assert proxy_of("http://a.b/") == "http://proxy.example:3128"
    assert (
        proxy_of("http://api.example.org/") is proxy_of("http://x.internal:80/") is proxy_of("http://10.1.2.3/") is None
    )
    assert proxy_of("http://10.2.2.3/") == "http://proxy.example:3128"


def test_a_key_is_struck_out_of_what_comes_back_in_every_encoding(server, make, caplog):
    caplog.set_level(logging.DEBUG)
    echoes = {
        "percent": "".join(f"%{ord(letter):02x}" for letter in KEY),
        "JSON": "".join(f"\\u{ord(letter):04X}" for letter in KEY),
        "UTF-16": KEY.encode("utf-16"),
        "base64": "WFNFQ1JFVEtFWTEyM1g=",
        "lower": KEY.lower(),
    }
    for echo in echoes.values():
        body = echo if isinstance(echo, bytes) else f"bad key {echo}".encode()
        server.fail("query", status=400, body=body)
        server.fail("query", status=302, headers={"Location": f"/query?apikey={KEY}"})
        for _ in range(2):
            with pytest.raises(SourceError) as error:
                make("alphavantage").fetch("IBM", "1d")
            shown = str(error.value) + repr(error.value) + caplog.text
            for form in (
                KEY,
                KEY.lower(),
                echoes["percent"],
                echoes["JSON"],
                "U0VDUkVUS0VZ",
                "S\\x00E\\x00C",
                "RUNSRVRLRVkx",
            ):
                assert form not in shown
    assert json.loads('"' + echoes["JSON"] + '"') == KEY


def test_control_characters_of_a_server_are_shown_as_escapes(server, make):
    server.fail("/klines", status=503, body="\x1b[2J\x1b]0;title\x07busy\u202edesrever", times=9)
    with pytest.raises(SourceError, match=r"Binance answers 503: \\x1b\[2J\\x1b\]0;title\\x07busy\\u202edesrever"):
        make("binance").fetch("BTCUSDT", "1h", since="2025-02-09")


def test_limits_for_some_answers_are_no_larger_than_those_for_all():
    retry = Retry(timeout_seconds=2.0, answer_seconds=9.0, answer_bytes=10)
    assert retry.at_most(5) == replace(retry, answer_bytes=5)
    assert retry.at_most(50) == retry
