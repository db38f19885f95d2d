"""Kraken on loopback: assets, pairs, time and OHLC of its REST interface, and channels `ohlc` and `ticker` of its websocket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from servers.binance import Listing, bars
from servers.conversing import Conversed
from servers.server import Answer, Server

PAIR, SYMBOL = "XXBTZUSD", "BTC/USD"
MOST = 720  # bars that an answer has, the newest ones, whatever `since` is
FEES = [[0, 0.4], [10_000, 0.35]]


@dataclass
class KrakenWorld:
    """The interface of one pair."""

    listings: list[Listing] = field(default_factory=lambda: [Listing(PAIR)])
    hidden: dict[int, float] = field(default_factory=dict)  # by opening time: until when REST does not have the bar
    server: Server = field(default_factory=Server)

    def mount(self, server: Server) -> KrakenWorld:
        """Answer below the server's address; gives itself back."""
        self.server = server
        server.routes["/0/public/"] = self.rest
        return self

    def rest(self, path: str, query: dict[str, str]) -> Answer:
        """An answer of the public interface: `error` is a list, `result` what was asked for."""
        now = self.server.now
        name = path.rsplit("/", 1)[-1]
        if name == "Time":
            return _good({"unixtime": int(now.timestamp()), "rfc1123": f"{now:%a, %d %b %y %H:%M:%S +0000}"})
        if name == "Assets":
            return _good({"XXBT": _asset("XBT"), "XETH": _asset("ETH"), "ZUSD": _asset("USD")})
        if name == "AssetPairs":
            return _good({PAIR: _pair()} if self.listings[0].is_listed else {"XETHZUSD": _pair("ETH")})
        if name != "OHLC":
            return _bad("EGeneral:Unknown method")
        if query["pair"] != PAIR or not self.listings[0].is_listed:
            return _bad("EQuery:Unknown asset pair")
        step, since = 60 * int(query["interval"]), int(query.get("since", 0))
        end = int(now.timestamp())
        frame = bars(self.listings[0], step, max(since + 1, end - MOST * step), end + 1)
        rows = [
            [time, *(f"{value:.8f}" for value in (*values[:4], values[3], values[4])), 9]
            for time, *values in frame.rows()
            if end >= self.hidden.get(time, 0.0)
        ]
        return _good({PAIR: rows, "last": rows[-2][0] if len(rows) > 1 else since})


def _good(result: object) -> Answer:
    return Answer({"error": [], "result": result})


def _bad(error: str) -> Answer:
    return Answer({"error": [error]})


def _asset(name: str) -> dict[str, object]:
    return {"aclass": "currency", "altname": name, "decimals": 10, "display_decimals": 5, "status": "enabled"}


def _pair(coin: str = "XBT") -> dict[str, object]:
    return {
        "altname": f"{coin}USD",
        "wsname": f"{coin}/USD",
        "aclass_base": "currency",
        "base": f"X{coin}",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [2, 3],
        "leverage_sell": [2, 3],
        "fees": FEES,
        "fees_maker": FEES,
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


@dataclass
class KrakenStreamed(Conversed):
    """Messages of the websocket v2: numbers are numbers, times are text, a new subscription gives the newest bars at once."""

    def greeting(self) -> list[str]:
        status = {"api_version": "v2", "connection_id": 7, "system": "online", "version": "2.0.9"}
        return [json.dumps({"channel": "status", "type": "update", "data": [status]})]

    def answers(self, said: dict) -> tuple[list[str], bool]:
        if said["method"] == "ping":
            return [json.dumps({"method": "pong", "req_id": said.get("req_id"), "time_in": "", "time_out": ""})], False
        asked = said["params"]
        result = {"channel": asked["channel"], "snapshot": True, "symbol": asked["symbol"][0]}
        result |= {name: asked[name] for name in ("interval", "event_trigger") if name in asked}
        good = {"method": "subscribe", "req_id": said["req_id"], "result": result, "success": True}
        texts = [json.dumps(good), json.dumps({"channel": "heartbeat"})]
        if asked["channel"] != "ohlc":
            return texts, False
        told = [self.candle(row) for row in self.unfinished(3)]
        return [*texts, json.dumps({"channel": "ohlc", "type": "snapshot", "data": told})], True

    def message(self, row: tuple, *, is_closed: bool) -> str:
        stamp = _stamp(row[0] + self.step)
        return json.dumps({"channel": "ohlc", "type": "update", "timestamp": stamp, "data": [self.candle(row)]})

    def candle(self, row: tuple) -> dict[str, object]:
        """A bar; nothing in it says whether it has closed."""
        time, opened, high, low, close, volume = row
        prices = {"open": opened, "high": high, "low": low, "close": close, "vwap": close}
        ends = {"interval_begin": _stamp(time), "interval": self.step // 60, "timestamp": _stamp(time + self.step)}
        return {"symbol": SYMBOL, **prices, "trades": 9, "volume": volume, **ends}

    def quote(self, row: tuple) -> str:
        close = row[4]
        told = {"symbol": SYMBOL, "bid": close - 0.01, "bid_qty": 1.0, "ask": close + 0.01, "ask_qty": 1.0}
        told |= {"last": close, "volume": 9.0, "vwap": close, "low": close, "high": close, "change": 0.0}
        return json.dumps({"channel": "ticker", "type": "update", "data": [told | {"change_pct": 0.0}]})


def _stamp(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000000000Z"
