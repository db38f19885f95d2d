"""Bybit on loopback: instruments-info, time and kline of its REST interface, topics `kline` and `orderbook` of its websocket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from servers.binance import Listing, bars
from servers.conversing import Conversed
from servers.server import Answer, Server

INTERVALS = {60: "1", 3_600: "60", 86_400: "D"}


@dataclass
class BybitWorld:
    """The interface of the spot market."""

    listings: list[Listing] = field(default_factory=lambda: [Listing("BTCUSDT"), Listing("ETHUSDT")])
    hidden: dict[int, float] = field(default_factory=dict)  # by opening time: until when REST does not have the bar
    server: Server = field(default_factory=Server)

    def mount(self, server: Server) -> BybitWorld:
        """Answer below the server's address; gives itself back."""
        self.server = server
        server.routes["/v5/market/"] = self.rest
        return self

    def rest(self, path: str, query: dict[str, str]) -> Answer:
        """An answer of the public interface: numbers are text."""
        now = int(self.server.now.timestamp())
        name = path.rsplit("/", 1)[-1]
        if name == "time":
            return self.good({"timeSecond": str(now), "timeNano": str(now * 10**9)})
        if name == "instruments-info":
            listed = [each for each in self.listings if each.is_listed] if query["category"] == "spot" else []
            return self.good({"category": query["category"], "list": [_instrument(each) for each in listed]})
        if name != "kline":
            return Answer("404 page not found", 404)
        listing = next((each for each in self.listings if each.symbol == query["symbol"] and each.is_listed), None)
        if listing is None or query["category"] != "spot":
            return self.good({}, code=10001, message="Not supported symbols")
        step = next(seconds for seconds, text in INTERVALS.items() if text == query["interval"])
        frame = bars(listing, step, int(query.get("start", 0)) // 1_000, now + 1).head(int(query.get("limit", 200)))
        rows = [
            [str(time * 1_000), *(f"{value:.8f}" for value in (*values, values[3] * values[4]))]
            for time, *values in frame.rows()
            if now >= self.hidden.get(time, 0.0)
        ]
        return self.good({"category": "spot", "symbol": listing.symbol, "list": rows[::-1]})  # the newest one first

    def good(self, result: object, *, code: int = 0, message: str = "OK") -> Answer:
        now = int(self.server.now.timestamp() * 1_000)
        return Answer({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now})


def _instrument(listing: Listing) -> dict[str, object]:
    sizes = {"basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.00004"}
    return {
        "symbol": listing.symbol,
        "baseCoin": listing.symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "lotSizeFilter": sizes | {"maxOrderQty": "71.7", "minOrderAmt": "1", "maxOrderAmt": "4000000"},
        "priceFilter": {"tickSize": "0.01"},
    }


@dataclass
class BybitStreamed(Conversed):
    """Messages of the websocket v5: numbers are text, and `confirm` says that a bar has closed."""

    def answers(self, said: dict) -> tuple[list[str], bool]:
        good = {"success": True, "conn_id": "b3158a0", "req_id": said.get("req_id", "")}
        if said["op"] == "ping":
            return [json.dumps(good | {"ret_msg": "pong", "op": "ping"})], False
        texts = [json.dumps(good | {"ret_msg": "", "op": "subscribe"})]
        if not any(topic.startswith("kline.") for topic in said["args"]):
            return texts, False
        return [*texts, *(self.message(row, is_closed=False) for row in self.unfinished(1))], True

    def message(self, row: tuple, *, is_closed: bool) -> str:
        time, opened, high, low, close, volume = row
        prices = {
            "open": opened,
            "close": close,
            "high": high,
            "low": low,
            "volume": volume,
            "turnover": volume * close,
        }
        data = {"start": time * 1_000, "end": (time + self.step) * 1_000 - 1, "interval": INTERVALS[self.step]}
        data |= {name: f"{value:.8f}" for name, value in prices.items()}
        data |= {"confirm": is_closed, "timestamp": (time + self.step) * 1_000}
        topic = f"kline.{INTERVALS[self.step]}.{self.listing.symbol}"
        return json.dumps({"topic": topic, "data": [data], "ts": (time + self.step) * 1_000, "type": "snapshot"})

    def quote(self, row: tuple) -> str:
        bid, ask = f"{row[4] - 0.01:.8f}", f"{row[4] + 0.01:.8f}"
        data = {"s": self.listing.symbol, "b": [[bid, "1"]], "a": [[ask, "1"]], "u": 1, "seq": 7}
        ts = (row[0] + self.step) * 1_000
        topic = f"orderbook.1.{self.listing.symbol}"
        return json.dumps({"topic": topic, "ts": ts, "type": "snapshot", "data": data, "cts": ts})
