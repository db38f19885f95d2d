"""Alpha Vantage: stocks, currencies and crypto, by its documented REST interface."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl
import polars.selectors as cs

from candlecast.errors import ConfigError, SourceError, near_misses
from candlecast.interval import Interval
from candlecast.parameters import require_kinds
from candlecast.sources.adjust import ACTIONS, adjusted_by
from candlecast.sources.answers import MAX_TEXT, parse_json, unusable
from candlecast.sources.page import market_page
from candlecast.sources.refusals import lacking_interval, unreadable
from candlecast.sources.retry import Retry, TransientError
from candlecast.sources.source import Moment, Session, Source, moment, period, utc_now
from candlecast.sources.web import KEPT, Get, web
from candlecast.text.redaction import register_secret

logger = logging.getLogger(__name__)
KEY_VARIABLE = "ALPHAVANTAGE_API_KEY"
Market = Literal["stocks", "currencies", "crypto"]
INTERVALS = {"1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "60min", "1d": ""}
FIRST = moment("1999-11-01")  # daily bars; those of stocks within the day begin in 2000
FIRST_INTRADAY = moment("2000-01-01")
COMPACT_DAYS = 100  # which the latest 100 bars, all that a free key is given, cover in every market
PATIENCE_DAYS = 7  # without a bar at the beginning of a period, before a warning is logged
NEW_YORK = "America/New_York"  # what "US/Eastern" in the answers means


@dataclass(frozen=True)
class AlphaVantage(Source):
    """Candles of Alpha Vantage. The key comes from the environment, ALPHAVANTAGE_API_KEY, if not from `key`.

    `market` is "stocks" (symbols as "IBM" or "TSCO.LON"), "currencies" ("EUR/USD") or "crypto" ("BTC/USD"). Stocks are
    as traded (`adjusted=False`) or adjusted for splits and dividends; daily adjusted ones bring `dividend` and `split`.
    Intraday stocks come month by month; currencies and crypto have only their latest bars within the day, and
    currencies have no volume (0.0). Times of stocks are New York's, and days open at 00:00 UTC of their date.

    A free key (2026) has 25 requests a day, one a second, and the latest 100 days; the error for any other request says
    that it needs a premium key. No log, error or repr shows the key.
    """

    key: str | None = field(default=None, repr=False)
    market: Market = "stocks"
    adjusted: bool = False
    url: str = "https://www.alphavantage.co/query"
    retry: Retry = field(default=Retry(first_seconds=2.0), repr=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        markets = ("stocks", "currencies", "crypto")
        if self.market not in markets:
            raise ConfigError(
                f"market is {self.market!r}",
                expected=f"one of {', '.join(markets)}",
                remedy=near_misses(self.market, markets, are_listed=True),
            )
        if self.adjusted and self.market != "stocks":
            raise ConfigError(
                f"{self.market} cannot be adjusted",
                expected='adjusted=True with market="stocks" only',
                remedy="Leave out adjusted=True",
            )

    @property
    def name(self) -> str:
        """`alphavantage`, `alphavantage-adjusted`, `alphavantage-currencies` or `alphavantage-crypto`."""
        suffix = "adjusted" if self.adjusted else "" if self.market == "stocks" else self.market
        return "alphavantage" + f"-{suffix}" * bool(suffix)

    def pages(
        self, symbol: str, interval: str | Interval, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[pl.DataFrame]:
        """See `Source.pages`; a page is a month of intraday bars of a stock, otherwise everything."""
        interval = Interval.parse(interval)
        if str(interval) not in INTERVALS:
            raise lacking_interval("Alpha Vantage", interval, tuple(INTERVALS))
        if self.market != "stocks" and not all(_pair(symbol)):
            raise ConfigError(
                f"{symbol!r} is no pair of {self.market}",
                expected="two codes with a slash between",
                remedy='Use for example "EUR/USD"',
            )
        first = FIRST if interval.seconds == 86_400 else FIRST_INTRADAY
        start, end = period(since, until, now=self.clock(), first=first)
        self._secret()
        return self._pages(symbol, interval, max(start, first), end)

    def _pages(self, symbol: str, interval: Interval, start: datetime, end: datetime) -> Iterator[pl.DataFrame]:
        retry = self.retry.at_most(MAX_TEXT)
        with web("Alpha Vantage", retry, secret=lambda: ("apikey", self._secret())) as get:
            for is_month, frame in self._frames(get, symbol, list(self._questions(symbol, interval, start, end))):
                extra = ACTIONS if "dividend" in frame.columns else ()
                page = market_page(frame, symbol=symbol, interval=interval, start=start, end=end, extra=extra)
                if page.height:
                    if not is_month and page["open_time"][0] > start + timedelta(days=PATIENCE_DAYS):
                        logger.warning(
                            "Alpha Vantage gives no %s bars of %s before %s", interval, symbol, page["open_time"][0]
                        )
                    yield page

    def _frames(self, get: Get, symbol: str, questions: list[dict[str, str]]) -> Iterator[tuple[bool, pl.DataFrame]]:
        """The table of each question that has one, in order, and whether it is that of a month.

        For a month without bars the vendor returns an empty object, as a login page or a broken server may do. It is accepted
        if it comes again after a request that returned a table, and refused if no request returns a table.
        """
        empty: list[dict[str, str]] = []
        good: dict[str, str] | None = None
        for question in questions:
            frame = self._table(get, symbol, question)
            if frame is None:
                empty.append(question)
                continue
            for again in empty:
                if (late := self._table(get, symbol, again)) is not None:
                    yield True, late
            empty, good = [], question
            yield "month" in question, frame
        if not empty:
            return
        if good is None or self._table(get, symbol, good) is None:
            raise unusable("Alpha Vantage", "{} for every month").error
        for again in empty:
            if (late := self._table(get, symbol, again)) is not None:
                yield True, late

    def _questions(self, symbol: str, interval: Interval, start: datetime, end: datetime) -> Iterator[dict[str, str]]:
        """The parameters of each request, oldest bars first."""
        is_daily, length = interval.seconds == 86_400, INTERVALS[str(interval)]
        is_recent = start > self.clock() - timedelta(days=COMPACT_DAYS)
        size = {"outputsize": "compact" if is_recent and is_daily else "full", "datatype": "csv"}
        left, right = _pair(symbol)
        within = {} if is_daily else {"interval": length}
        if self.market == "currencies":
            function = "FX_DAILY" if is_daily else "FX_INTRADAY"
            yield {"function": function, "from_symbol": left, "to_symbol": right, **within, **size}
        elif self.market == "crypto":
            function = "DIGITAL_CURRENCY_DAILY" if is_daily else "CRYPTO_INTRADAY"
            yield {"function": function, "symbol": left, "market": right, **within, **size}
        elif is_daily:
            function = "TIME_SERIES_DAILY_ADJUSTED" if self.adjusted else "TIME_SERIES_DAILY"
            yield {"function": function, "symbol": symbol, **size}
        else:
            common = {"function": "TIME_SERIES_INTRADAY", "symbol": symbol, **within, **size}
            behind = start - timedelta(hours=5)  # New York is at most five hours behind UTC
            month = datetime(behind.year, behind.month, 1, tzinfo=UTC)
            while month <= end:
                yield common | {
                    "month": f"{month:%Y-%m}",
                    "adjusted": str(self.adjusted).lower(),
                    "extended_hours": "false",
                }
                month = (month + timedelta(days=32)).replace(day=1)

    def _table(self, get: Get, symbol: str, question: Mapping[str, str]) -> pl.DataFrame | None:
        """The bars of one answer; None for a month of which the answer is an empty object."""

        def ask() -> pl.DataFrame | None:
            answer = get(self.url, question)
            if answer.lstrip().startswith(b"{"):
                self._complain(get, symbol, question, answer)
                return None
            try:
                bars = self._bars(pl.read_csv(answer, infer_schema=False), symbol)
                if not bars.select(pl.all_horizontal(pl.all().is_not_null().all())).item():
                    raise ValueError("a value is missing")
                if not bars.select(pl.all_horizontal(cs.float().is_finite().all())).item():
                    raise ValueError("a value is no number")
                return bars
            except (pl.exceptions.PolarsError, KeyError, ValueError, OverflowError) as error:
                why = str(error).splitlines()[0][:120] if str(error).strip() else "it is empty"
                raise TransientError(unreadable("Alpha Vantage", symbol, why)) from None

        return self.retry(ask)

    def _bars(self, raw: pl.DataFrame, symbol: str) -> pl.DataFrame:
        names = {name.lower().removesuffix(f" ({_pair(symbol)[1].lower()})"): name for name in raw.columns}
        time = pl.col(names.get("timestamp") or names["time"])
        is_local = raw.select(time.str.contains(":", literal=True).any()).item() and self.market == "stocks"
        local = time.str.to_datetime(time_unit="us").dt.replace_time_zone(NEW_YORK if is_local else "UTC")
        volume = pl.col(names["volume"]) if "volume" in names else pl.lit("0")
        wanted = {name: name for name in ("open", "high", "low", "close")}
        if "adjusted_close" in names:
            wanted |= {"total": "adjusted_close", "dividend": "dividend_amount", "split": "split_coefficient"}
        values = {name: pl.col(names[column]).cast(pl.Float64) for name, column in wanted.items()}
        frame = raw.select(
            local.dt.convert_time_zone("UTC").alias("open_time"), **values, volume=volume.cast(pl.Float64)
        )
        frame = frame.sort("open_time")
        return adjusted_by(frame, pl.col("total") / pl.col("close")) if "total" in frame.columns else frame

    def _complain(self, get: Get, symbol: str, question: Mapping[str, str], answer: bytes) -> None:
        """Raise the error that an answer of status 200 states. Does nothing for an empty object for a month."""
        said: Any = {}
        with suppress(TransientError):
            said = parse_json(answer, "Alpha Vantage")
        text = " ".join(str(said.get(name, "")) for name in ("Note", "Information", "Error Message")).strip()
        if not text and answer.strip() == b"{}" and "month" in question:
            return
        if not text:
            raise TransientError(unreadable("Alpha Vantage", symbol, answer[:40].decode(errors="replace")))
        if "apikey" in text and "invalid or missing" in text:
            raise SourceError(
                f"Alpha Vantage does not accept the key ({text})",
                expected="a valid key",
                remedy=f"Check {KEY_VARIABLE} in the environment",
            )
        if "Error Message" in said:
            raise SourceError(
                f"Alpha Vantage has no {question['function']} of {symbol!r}",
                expected="a symbol that it knows",
                remedy=self._offers(get, symbol),
            )
        if "premium" in text and "per day" not in text and "per second" not in text and "per minute" not in text:
            raise SourceError(
                f"Alpha Vantage gives this to premium keys only ({text})",
                expected="a request that the key may make",
                remedy=f"Ask for less than {COMPACT_DAYS} days, for adjusted=False, or use another key or source",
            )
        limit = SourceError(
            f"Alpha Vantage's limit is reached ({text})",
            expected="an answer with candles",
            remedy=f"Try again later; {KEPT}",
        )
        if "requests per day" in text and "per second" not in text:
            raise limit
        raise TransientError(limit, 60.0 if "per minute" in text else None)

    def _offers(self, get: Get, symbol: str) -> str:
        """Symbols that the vendor's own search finds."""
        if self.market != "stocks":
            return "Check both codes of the pair"
        try:
            answer = get(self.url, {"function": "SYMBOL_SEARCH", "keywords": symbol})
            found = parse_json(answer, "Alpha Vantage")["bestMatches"]
            names = [str(match["1. symbol"]) for match in found[:3]]
        except (SourceError, TransientError, KeyError, TypeError, IndexError):
            names = []
        return f"Did you mean {' or '.join(names)}?" if names else "Check the symbol"

    def _secret(self) -> str:
        key = self.key or os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            raise ConfigError(
                "there is no key for Alpha Vantage",
                expected=f"{KEY_VARIABLE} in the environment",
                remedy="Claim one at https://www.alphavantage.co/support/#api-key",
            )
        register_secret(key)
        return key

    def session(self, symbol: str) -> Session:
        """Stocks and currencies close, crypto does not."""
        return "always" if self.market == "crypto" else "sessions"


def _pair(symbol: str) -> tuple[str, str]:
    left, _, right = symbol.partition("/")
    return left, right
