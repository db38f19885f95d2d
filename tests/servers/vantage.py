"""Alpha Vantage on loopback: CSV newest first, and every refusal as JSON with status 200."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from servers.server import Answer, Server

INVALID_KEY = "the parameter apikey is invalid or missing. Please claim your free API key on (https://...)."
DAILY_LIMIT = "We have detected your API key as {key} and our standard API rate limit is 25 requests per day."
BURST = (
    "Please consider spreading out your free API requests more sparingly (1 request per second). 25 requests per day"
)
PREMIUM = "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans"
NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class VantageWorld:
    """Stocks, pairs and splits (date -> new shares for one) that the vendor knows; `requests` counts down to its limit."""

    key: str = "SECRETKEY123"
    stocks: tuple[str, ...] = ("IBM", "AAPL")
    splits: dict[str, float] = field(default_factory=dict)
    dividends: dict[str, float] = field(default_factory=dict)
    is_premium: bool = True
    requests: int = 1_000
    server: Server = field(default_factory=Server)

    def mount(self, server: Server) -> VantageWorld:
        """Answer at /query; gives itself back."""
        self.server = server
        server.routes["/query"] = self.query
        return self

    def query(self, path: str, query: dict[str, str]) -> Answer:
        """One answer; its errors are JSON whatever was asked for."""
        if query.get("apikey") != self.key:
            return Answer({"Error Message": INVALID_KEY})
        self.requests -= 1
        if self.requests < 0:
            return Answer({"Information": DAILY_LIMIT.format(key=self.key)})
        function = query.get("function", "")
        if function == "SYMBOL_SEARCH":
            found = [{"1. symbol": name} for name in self.stocks if name[0] == query["keywords"][0]]
            return Answer({"bestMatches": found})
        if "symbol" in query and "market" not in query and query["symbol"] not in self.stocks:
            return Answer(
                {"Error Message": f"Invalid API call. Please retry or visit the documentation for {function}."}
            )
        if not self.is_premium and (query["outputsize"] == "full" or "ADJUSTED" in function):
            return Answer({"Information": PREMIUM})
        rows = (
            self.intraday(query) if "INTRADAY" in function else self.daily(query, with_weekends="DIGITAL" in function)
        )
        if not rows:
            return Answer({})
        header = "timestamp,open,high,low,close,volume"
        if function.startswith("FX"):
            header, rows = header.removesuffix(",volume"), [row.rpartition(",")[0] for row in rows]
        if "ADJUSTED" in function:
            header = "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient"
        return Answer("\r\n".join([header, *reversed(rows)]).encode() + b"\r\n")

    def daily(self, query: dict[str, str], *, with_weekends: bool) -> list[str]:
        """Days from 2024-06-03, oldest first; the last one is today's, unfinished."""
        days = [
            datetime(2024, 6, 3) + timedelta(days=count)
            for count in range((self.server.now.date() - datetime(2024, 6, 3).date()).days + 1)
        ]
        days = [day for day in days if with_weekends or day.weekday() < 5]
        rows, shares, factor = [], 1.0, 1.0
        for number, day in reversed(list(enumerate(days))):
            name = f"{day:%Y-%m-%d}"
            price = (200 + number) / shares if not self.splits else (200 + number) * shares
            paid, split = self.dividends.get(name, 0.0), self.splits.get(name, 1.0)
            values = f"{price:.4f},{price + 1:.4f},{price - 1:.4f},{price + 0.5:.4f}"
            if "ADJUSTED" in query["function"]:
                rows.append(
                    f"{name},{values},{(price + 0.5) / shares * factor:.4f},{1000 + number},{paid:.4f},{split:.1f}"
                )
            else:
                rows.append(f"{name},{values},{1000 + number}")
            shares *= split
            factor *= 1 - paid / price
        rows.reverse()
        return rows[-100:] if query["outputsize"] == "compact" else rows

    def intraday(self, query: dict[str, str]) -> list[str]:
        """The regular hours of New York's weekdays in one month, or of the last five days without a month."""
        step = timedelta(minutes=int(query["interval"].removesuffix("min")))
        month = datetime.fromisoformat(query["month"] + "-01") if "month" in query else None
        day = month or datetime.fromisoformat(f"{self.server.now - timedelta(days=5):%Y-%m-%d}")
        last = (day + timedelta(days=32)).replace(day=1) if month else self.server.now.replace(tzinfo=None)
        now = self.server.now.astimezone(NEW_YORK if month else ZoneInfo("UTC")).replace(tzinfo=None)
        rows = []
        while day < last:
            time = day + timedelta(hours=9, minutes=30)
            while day.weekday() < 5 and time < day + timedelta(hours=16) and time <= now:
                rows.append(f"{time:%Y-%m-%d %H:%M:%S},10.0,11.0,9.0,10.5,100")
                time += step
            day += timedelta(days=1)
        return rows
