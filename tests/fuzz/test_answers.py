"""Answers of the network that are broken, or made up: each gives candles or a sentence, soon, and in little memory."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from candlecast.sources.alpha_vantage import AlphaVantage
from candlecast.sources.binance import Binance
from candlecast.sources.exchange import Exchange
from candlecast.sources.retry import Retry
from candlecast.sources.yahoo import Yahoo
from fuzz.budget import SHARDS, Failures, seeds
from servers import PORTAL, Answer, BinanceWorld, VantageWorld, YahooWorld, market_server

VALUES = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), "", "x", "NaN", "1e999", "-5",
    "2025-13-01", "\ud800", "\x1b[2J", "a" * 70_000, [], [[]], {}, [1, 2], {"a": 1}, [None] * 6, "0", "UTC", "99999-01-01",
]  # fmt: skip
PIECES = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"{",
    b"]",
    b",",
    b"\n",
    b"NaN",
    b"null",
    b"-",
    b"9" * 400,
    b"\x1b[2J",
    b"<a>" * 300,
    b'"',
]
HEADERS = [{}, {}, {}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "x"}, {"Content-Type": "text/html"}]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_mutation_is_candles_or_a_sentence(shard, tmp_path_factory):
    import yfinance
    from yfinance import cache

    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    failures = Failures()
    with market_server() as server:
        world = BinanceWorld().mount(server)
        YahooWorld().mount(server)
        VantageWorld().mount(server)
        retry = Retry(attempts=1, pause=server.wait, timeout_seconds=20.0)
        common = {"retry": retry, "clock": server.clock}
        sources = [
            (Binance(**world.addresses, is_paced=False, **common), "BTCUSDT", "1h", "2025-02-07"),
            (Binance(**world.addresses, is_paced=False, **common), "BTCUSDT", "5m", "2025-01-25"),
            (Exchange("binance", url=server.url, is_paced=False, **common), "BTC/USDT", "1h", "2025-02-07"),
            (Yahoo(url=server.url, **common), "AAPL", "1d", "2025-01-06"),
            (Yahoo(url=server.url, adjusted=False, **common), "AAPL", "1h", "2025-02-03"),
            (
                AlphaVantage("SECRETKEY123", url=f"{server.url}/query", adjusted=True, **common),
                "IBM",
                "1d",
                "2024-12-02",
            ),
            (AlphaVantage("SECRETKEY123", url=f"{server.url}/query", **common), "IBM", "30m", "2025-01-02"),
        ]
        for seed in seeds("answer", shard):
            dice = random.Random(seed)
            source, symbol, interval, since = sources[seed % len(sources)]
            server.issues.clear()
            server.garble("/", lambda answer, dice=dice: mutated(answer, dice))
            with failures.case("case", seed, source.name):
                assert source.fetch(symbol, interval, since=since).check() is not None
    for manager in (cache._TzDBManager, cache._CookieDBManager, cache._ISINDBManager):
        manager.close_db()
    failures.require_none()


def mutated(answer: Answer, dice: random.Random) -> Answer:
    """More than half of the answers as they are, the others changed in one or more places."""
    if dice.random() < 0.55:
        return answer
    body, kind = answer.body, dice.random()
    if isinstance(body, (dict, list)) and kind < 0.6:
        tree = json.loads(json.dumps(body))
        for _ in range(dice.choice([1, 1, 2, 5])):
            tree = changed(tree, dice)
        return replace(answer, body=tree)
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if kind < 0.7 and b"," in content[:200] and b"\n" in content:  # a table
        lines = [line.split(b",") for line in content.split(b"\n")]
        line = lines[dice.randrange(len(lines))]
        line[dice.randrange(len(line))] = str(dice.choice(VALUES)).encode(errors="replace")
        return replace(
            answer, body=b"\n".join(b",".join(cells) for cells in dice.choice([lines, lines + lines[-2:], lines[::-1]]))
        )
    if kind < 0.95:
        for _ in range(dice.choice([1, 1, 3, 20])):
            place = dice.randrange(len(content) + 1)
            content = content[:place] + dice.choice(PIECES) + content[place + dice.choice([0, 1, 4, len(content)]) :]
    else:
        content = dice.choice([b"", b"null", b"{}", b"[]", PORTAL.encode(), b"[" * 20_000, b"7", b'"x"'])
    status = dice.choice([200, 200, 200, 200, 400, 404, 500])
    return Answer(content, status if kind > 0.9 else answer.status, answer.headers | dice.choice(HEADERS))


def changed(tree, dice: random.Random):
    """The tree with another value, or none, in one place."""
    parent, key, node = None, None, tree
    while isinstance(node, (dict, list)) and node and (parent is None or dice.random() < 0.8):
        parent, key = node, dice.choice(list(node)) if isinstance(node, dict) else dice.randrange(len(node))
        node = parent[key]
    if parent is None:
        return dice.choice(VALUES)
    if dice.random() < 0.15:
        del parent[key]
    elif dice.random() < 0.1 and isinstance(parent, list):
        parent.insert(dice.randrange(len(parent) + 1), node)
    else:
        parent[key] = dice.choice(VALUES)
    return tree
