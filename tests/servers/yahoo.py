"""Yahoo's chart interface on loopback: prices adjusted for splits, the close adjusted for dividends too, events, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from servers.server import Answer, Server

HISTORY = {"1m": 30, "2m": 60, "5m": 60, "15m": 60, "30m": 60, "1h": 730}
STEPS = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "1d": 86_400}
REQUEST = {"1m": 8}
NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}


@dataclass
class Stock:
    """A stock: `splits` (new shares for one) and `dividends` (per share, at the time) by date, `nulls` dates without."""

    listed: datetime = datetime(2024, 1, 2, tzinfo=UTC)
    zone: str = "America/New_York"
    opens: timedelta = timedelta(hours=9, minutes=30)
    closes: timedelta = timedelta(hours=16)
    splits: dict[str, float] = field(default_factory=dict)
    dividends: dict[str, float] = field(default_factory=dict)
    nulls: tuple[str, ...] = ()

    def traded(self, day: datetime) -> float:
        """The price at a day's opening as it was traded: 100 and slowly rising, divided by the splits until then."""
        price = 100 + 0.01 * (day.date() - datetime(2024, 1, 2).date()).days
        for date, ratio in self.splits.items():
            price /= ratio if f"{day:%Y-%m-%d}" >= date else 1
        return price

    def later(self, day: datetime, now: datetime) -> float:
        """Shares at `now` for one share of that day."""
        shares = 1.0
        for date, ratio in self.splits.items():
            shares *= ratio if f"{day:%Y-%m-%d}" < date <= f"{now:%Y-%m-%d}" else 1
        return shares


@dataclass
class YahooWorld:
    """All symbols that Yahoo knows."""

    stocks: dict[str, Stock] = field(default_factory=lambda: {"AAPL": Stock()})
    server: Server = field(default_factory=Server)

    def mount(self, server: Server) -> YahooWorld:
        """Answer for every host of Yahoo; gives itself back."""
        self.server = server
        server.routes |= {
            "/v8/finance/chart/": self.chart,
            "/v1/test/getcrumb": lambda path, query: Answer("crumb"),
            "/v1/finance/search": self.search,
            "/": lambda path, query: Answer("", 404),
        }
        return self

    def search(self, path: str, query: dict[str, str]) -> Answer:
        """Symbols that share the first letter."""
        return Answer({"quotes": [{"symbol": name} for name in self.stocks if name[:1] == query["q"][:1]]})

    def chart(self, path: str, query: dict[str, str]) -> Answer:
        """One answer, as of the server's clock."""
        symbol, interval = path.rsplit("/", 1)[-1], query["interval"]
        stock = self.stocks.get(symbol)
        if stock is None:
            return Answer({"chart": {"result": None, "error": NOT_FOUND}}, 404)
        now = self.server.now
        start = datetime.fromtimestamp(int(query.get("period1", now.timestamp() - 86_400)), UTC)
        end = datetime.fromtimestamp(int(query.get("period2", now.timestamp())), UTC)
        if end < stock.listed:
            text = f"Data doesn't exist for startDate = {query['period1']}, endDate = {query['period2']}"
            return Answer({"chart": {"result": None, "error": {"code": "Bad Request", "description": text}}}, 400)
        kept, span = HISTORY.get(interval), REQUEST.get(interval)
        if (kept and start < now - timedelta(days=kept)) or (span and end - start > timedelta(days=span)):
            text = f"{interval} data not available. The requested range must be within the last {kept} days."
            return Answer({"chart": {"result": None, "error": {"code": "Unprocessable", "description": text}}}, 422)
        rows = list(self.rows(stock, STEPS[interval], start, min(end, now)))
        zone = ZoneInfo(stock.zone)
        meta = {
            "currency": "USD",
            "symbol": symbol,
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": stock.zone,
            "timezone": "EST",
            "gmtoffset": int(now.astimezone(zone).utcoffset().total_seconds()),
            "regularMarketTime": int(now.timestamp()),
            "regularMarketPrice": 1.0,
            "dataGranularity": interval,
            "validRanges": ["1d", "5d", "max"],
            "currentTradingPeriod": {
                name: {"timezone": "EST", "start": 0, "end": 1, "gmtoffset": 0} for name in ("pre", "regular", "post")
            },
        }
        if interval != "1d":
            days = sorted({datetime.fromtimestamp(row[0], zone).replace(hour=0, minute=0, second=0) for row in rows})
            meta["tradingPeriods"] = [
                [
                    {
                        "timezone": "EST",
                        "gmtoffset": 0,
                        "start": int((day + stock.opens).timestamp()),
                        "end": int((day + stock.closes).timestamp()),
                    }
                ]
                for day in days
            ]
        result = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        if rows:
            result["timestamp"] = [row[0] for row in rows]
            fields = ("open", "high", "low", "close", "volume")
            result["indicators"]["quote"] = [{name: [row[1 + n] for row in rows] for n, name in enumerate(fields)}]
            result["indicators"]["adjclose"] = [{"adjclose": [row[6] for row in rows]}]
            result["events"] = self.events(stock, start, end)
        if interval != "1d":
            del result["indicators"]["adjclose"]
        return Answer({"chart": {"result": [result], "error": None}})

    def rows(self, stock: Stock, step: int, start: datetime, end: datetime):
        """Time, open, high, low, close, volume and adjusted close of each bar that opens in [start, end)."""
        zone, now = ZoneInfo(stock.zone), self.server.now
        day = max(start, stock.listed).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        while day.astimezone(UTC) < end:
            name, at = f"{day:%Y-%m-%d}", day + stock.opens
            while day.weekday() < 5 and at < day + stock.closes:
                opened = at.astimezone(UTC)
                if start <= opened < end or (step == 86_400 and start <= day.astimezone(UTC) and opened < end):
                    shares = stock.later(day, now)
                    price = stock.traded(day) / shares
                    prices = [price, price * 1.01, price * 0.99, price * 1.005]
                    if name in stock.nulls:
                        yield int(opened.timestamp()), None, None, None, None, None, None
                    else:
                        paid = 1.0
                        for date, amount in stock.dividends.items():
                            paid *= 1 - amount / stock.traded(datetime.fromisoformat(date)) if name < date else 1
                        yield int(opened.timestamp()), *prices, int(1_000 * shares), prices[3] * paid
                at += timedelta(seconds=step)
            day += timedelta(days=1)

    def events(self, stock: Stock, start: datetime, end: datetime) -> dict[str, dict[str, dict[str, float]]]:
        """Splits and dividends in [start, end), dividends per share of today."""
        found: dict[str, dict[str, dict[str, float]]] = {"splits": {}, "dividends": {}}
        for kind, events in (("splits", stock.splits), ("dividends", stock.dividends)):
            for date, value in events.items():
                day = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(stock.zone))
                time = int((day + stock.opens).timestamp())
                if not start.timestamp() <= time < min(end, self.server.now).timestamp():
                    continue
                body = {"numerator": value, "denominator": 1, "splitRatio": f"{value:g}:1"} if kind == "splits" else {}
                amount = {"amount": value / stock.later(day, self.server.now)} if kind == "dividends" else {}
                found[kind][str(time)] = {"date": time, **body, **amount}
        return {kind: events for kind, events in found.items() if events}
