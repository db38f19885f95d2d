"""Binance on loopback: exchangeInfo, time and klines of spot and futures, the dumps and the index of their archive."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from servers.server import Answer, Server

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
MICROSECONDS_FROM = datetime(2025, 1, 1, tzinfo=UTC)
KEYS = 1_000  # keys in an answer of the archive's index
FUTURES_WEIGHTS = ((100, 1), (500, 2), (1_001, 5), (10**9, 10))  # of klines with a limit below
WALK = 1 << 16  # steps of a walk, after which it begins anew
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass
class Listing:
    """A symbol: `market` is "spot" or "um"; `halts` are holes of Binance, `lost` are holes of the dumps alone.

    `prices` are a "wave", which can be forecast without error, or a "walk" whose little momentum pays about the costs.
    """

    symbol: str
    market: str = "spot"
    opened: datetime = datetime(2024, 11, 15, 6, 0, tzinfo=UTC)
    closed: datetime | None = None
    is_listed: bool = True
    halts: tuple[tuple[datetime, datetime], ...] = ()
    lost: tuple[tuple[datetime, datetime], ...] = ()
    prices: str = "wave"


@dataclass
class BinanceWorld:
    """All symbols of an exchange, and how it limits requests. `base` and `dumps` are where it is mounted."""

    listings: list[Listing] = field(default_factory=lambda: [Listing("BTCUSDT"), Listing("BTCUSDT", "um")])
    weight_limit: int = 6_000
    monthly_delay: timedelta = timedelta(days=2)
    used: dict[datetime, int] = field(default_factory=dict)
    hidden: dict[int, float] = field(default_factory=dict)  # by opening time: until when REST does not have the bar
    server: Server = field(default_factory=Server)

    def mount(self, server: Server) -> BinanceWorld:
        """Answer below the server's address; gives itself back."""
        self.server = server
        server.routes |= {
            "/api/v3/": self.rest,
            "/fapi/v1/": self.rest,
            "/dapi/v1/": self.rest,
            "/data/": self.file,
            "/listing": self.index,
        }
        return self

    @property
    def addresses(self) -> dict[str, str]:
        """The fields of `Binance` that point it here."""
        url = self.server.url
        return {"rest": url, "dumps": url, "listing": f"{url}/listing"}

    def rest(self, path: str, query: dict[str, str]) -> Answer:
        """An answer of the REST interface, with its weight counted by the minute."""
        minute = self.server.now.replace(second=0, microsecond=0)
        market = {"/fapi": "um", "/dapi": "cm"}.get(path[:5], "spot")
        name = path.rsplit("/", 1)[-1]
        weight = {"exchangeInfo": 20, "klines": 2, "time": 1}.get(name, 1)
        if name == "klines" and market != "spot":
            weight = next(cost for below, cost in FUTURES_WEIGHTS if int(query.get("limit", 500)) < below)
        self.used[minute] = used = self.used.get(minute, 0) + weight
        headers = {"X-MBX-USED-WEIGHT-1M": str(used)}
        if used > self.weight_limit:
            headers["Retry-After"] = str(60 - self.server.now.second)
            text = f"Too much request weight used; current limit is {self.weight_limit} request weight per 1 MINUTE."
            return Answer({"code": -1003, "msg": text}, 429, headers)
        if name == "time":
            return Answer({"serverTime": _ms(self.server.now)}, headers=headers)
        listed = [listing for listing in self.listings if listing.market == market and listing.is_listed]
        symbol = query.get("symbol")
        if symbol is not None:
            listed = [listing for listing in listed if listing.symbol == symbol]
            if not re.fullmatch("[A-Z0-9-_.]{1,20}", symbol):
                return Answer({"code": -1100, "msg": "Illegal characters found in parameter 'symbol'."}, 400, headers)
            if not listed:
                return Answer({"code": -1121, "msg": "Invalid symbol."}, 400, headers)
        if name == "exchangeInfo":
            return Answer({"timezone": "UTC", "symbols": [_symbol(each) for each in listed]}, headers=headers)
        if name == "klines":
            return Answer(self.klines(listed[0], query), headers=headers)
        return Answer({"code": -1000, "msg": "unknown"}, 404, headers)

    def klines(self, listing: Listing, query: dict[str, str]) -> list[list[object]]:
        """Bars that open in [startTime, endTime], at most `limit`, the unfinished last one among them."""
        step = _step(query["interval"])
        now = _ms(self.server.now) // 1_000
        start = int(query.get("startTime", 0)) / 1_000
        end = min(int(query.get("endTime", now * 1_000)) / 1_000, now)
        limit = min(int(query.get("limit", 500)), 1_000)
        frame = bars(listing, step, int(max(start, listing.opened.timestamp())), int(end) + 1)
        if self.hidden:
            absent = [time for time, until in self.hidden.items() if now < until]
            frame = frame.filter(~pl.col("time").is_in(absent))
        frame = frame.head(limit)
        return [
            [
                time * 1_000,
                *(f"{value:.8f}" for value in values),
                (time + step) * 1_000 - 1,
                f"{values[4] * values[3]:.8f}",
                7,
                f"{values[4] / 2:.8f}",
                f"{values[4] * values[3] / 2:.8f}",
                "0",
            ]
            for time, *values in frame.rows()
        ]

    def keys(self, prefix: str) -> list[str]:
        """Files of a folder of the archive, in order of name."""
        match = re.fullmatch(r"data/(spot|futures/um)/(monthly|daily)/klines/(\w+)/(\w+)/", prefix)
        listing = self._find(match[1], match[3]) if match else None
        if not match or listing is None:
            return []
        is_monthly, keys = match[2] == "monthly", []
        day = listing.opened.replace(hour=0, minute=0, second=0)
        day = day.replace(day=1) if is_monthly else day
        last = listing.closed or self.server.now
        while day < last:
            end = (day + timedelta(days=32)).replace(day=1) if is_monthly else day + timedelta(days=1)
            if end + (self.monthly_delay if is_monthly else timedelta(hours=6)) <= self.server.now:
                name = f"{prefix}{listing.symbol}-{match[4]}-{day:{'%Y-%m' if is_monthly else '%Y-%m-%d'}}.zip"
                keys += [name, f"{name}.CHECKSUM"]
            day = end
        return keys

    def index(self, path: str, query: dict[str, str]) -> Answer:
        """The archive's index, as an S3 bucket gives it."""
        keys = [key for key in self.keys(query["prefix"]) if key > query.get("marker", "")]
        contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys[:KEYS])
        truncated = str(len(keys) > KEYS).lower()
        space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        return Answer(f"<ListBucketResult {space}><IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>")

    def file(self, path: str, query: dict[str, str]) -> Answer:
        """A dump or its checksum."""
        key = path.lstrip("/")
        if key not in self.keys(key.rsplit("/", 1)[0] + "/"):
            return Answer("<Error><Code>NoSuchKey</Code></Error>", 404)
        content = self.dump(key.removesuffix(".CHECKSUM"))
        if not key.endswith(".CHECKSUM"):
            return Answer(content)
        name = key.rsplit("/", 1)[-1].removesuffix(".CHECKSUM")
        return Answer(f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode())

    def dump(self, key: str) -> bytes:
        """The zip of one file."""
        match = re.fullmatch(
            r"data/(spot|futures/um)/(monthly|daily)/klines/(\w+)/(\w+)/.*?-(\d{4}-\d\d(-\d\d)?)\.zip", key
        )
        assert match, key
        listing = self._find(match[1], match[3])
        assert listing, key
        start = datetime.fromisoformat(match[5] + ("" if match[6] else "-01")).replace(tzinfo=UTC)
        end = start + timedelta(days=1) if match[6] else (start + timedelta(days=32)).replace(day=1)
        name = key.rsplit("/", 1)[-1].replace(".zip", ".csv")
        return dump(_frozen(listing), _step(match[4]), start, end, name)

    def _find(self, folder: str, symbol: str) -> Listing | None:
        market = "spot" if folder == "spot" else "um"
        fitting = (each for each in self.listings if (each.market, each.symbol) == (market, symbol))
        return next(fitting, None)


def _frozen(listing: Listing) -> tuple:
    return (
        listing.symbol,
        listing.market,
        listing.opened,
        listing.closed,
        True,
        listing.halts,
        listing.lost,
        listing.prices,
    )


def bars(listing: Listing, step: int, start: int, end: int, *, in_dump: bool = False) -> pl.DataFrame:
    """Bars that open in [start, end), seconds since 1970: the same numbers for every interval's grid, to eight decimals."""
    opened, closed = listing.opened.timestamp(), (listing.closed or datetime.max.replace(tzinfo=UTC)).timestamp()
    monday = 4 * 86_400 if step % 604_800 == 0 else 0
    first = -(-(int(max(start, opened)) - monday) // step) * step + monday
    times = np.arange(first, int(min(end, closed)), step)
    for holes in (listing.halts, listing.lost if in_dump else ()):
        begun, over = _seconds(holes)
        met = np.flatnonzero((begun < end) & (over > start))
        for hole, until in zip(begun[met], over[met], strict=True):
            times = times[(times + step <= hole) | (times >= until)]
    turn = times // step
    shape = _walk if listing.prices == "walk" else _wave
    opens, closes = (shape(each) + (len(listing.symbol) + 3 * (listing.market == "um")) for each in (turn, turn + 1))
    highs, lows = np.maximum(opens, closes) + 0.25, np.minimum(opens, closes) - 0.25
    values = {"open": opens, "high": highs, "low": lows, "close": closes, "volume": 5 + turn % 97 / 8}
    return pl.DataFrame({"time": times, **{name: np.round(column, 8) for name, column in values.items()}})


@lru_cache(maxsize=64)
def _seconds(holes: tuple[tuple[datetime, datetime], ...]) -> np.ndarray:
    """When each hole begins and ends, (2, holes)."""
    return np.array([[each.timestamp() for each in hole] for hole in holes]).reshape(-1, 2).T


def _wave(turn: np.ndarray) -> np.ndarray:
    return 100 + 10 * np.sin(turn / 50)


def _walk(turn: np.ndarray) -> np.ndarray:
    return 100 * np.exp(_path()[turn % WALK])


@lru_cache(maxsize=1)
def _path() -> np.ndarray:
    """Log prices that come back to where they began: steps of standard deviation 0.3 %, with a correlation of 0.3."""
    steps = 0.003 * np.random.default_rng(7).standard_normal(WALK)
    for turn in range(1, WALK):
        steps[turn] += 0.3 * steps[turn - 1]
    path = np.cumsum(steps - steps.mean())
    return path - path[0]


@lru_cache(maxsize=64)
def dump(listing: tuple, step: int, start: datetime, end: datetime, name: str) -> bytes:
    """A zipped CSV: without header on spot and with one on futures; microseconds on spot from 2025."""
    frame = bars(Listing(*listing), step, int(start.timestamp()), int(end.timestamp()), in_dump=True)
    unit = 1_000_000 if listing[1] == "spot" and start >= MICROSECONDS_FROM else 1_000
    table = frame.select(
        open_time=pl.col("time") * unit,
        **{name: pl.col(name) for name in FIELDS},
        close_time=(pl.col("time") + step) * unit - 1,
        quote_volume=pl.col("volume") * pl.col("close"),
        count=pl.lit(7),
        taker_buy_volume=pl.col("volume") / 2,
        taker_buy_quote_volume=pl.col("volume") * pl.col("close") / 2,
        ignore=pl.lit(0),
    )
    text = table.write_csv(include_header=listing[1] != "spot", float_precision=8)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, text)
    return packed.getvalue()


def _step(interval: str) -> int:
    return int(interval[:-1]) * SECONDS[interval[-1]]


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1_000)


def _symbol(listing: Listing) -> dict[str, object]:
    base, quote = listing.symbol.removesuffix("USDT"), "USDT"
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    ]
    common = {
        "symbol": listing.symbol,
        "status": "TRADING" if listing.closed is None else "BREAK",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "filters": filters,
    }
    if listing.market == "spot":
        return common | {"isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"]}
    return common | {
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": _ms(listing.opened),
        "marginAsset": quote,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "underlyingType": "COIN",
        "timeInForce": ["GTC"],
    }
