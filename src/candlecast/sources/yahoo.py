"""Yahoo Finance through `yfinance`: splits and dividends, adjusted prices and prices as traded."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import polars as pl

from candlecast.errors import CandlecastError, ConfigError, UnknownSymbolError
from candlecast.interval import Interval
from candlecast.parameters import require_kinds
from candlecast.process.shared import ignoring
from candlecast.sources.adjust import ACTIONS, PRICES, monthly
from candlecast.sources.answers import MAX_TEXT, parse_json, unusable
from candlecast.sources.chart import require_chart, unreadable_chart
from candlecast.sources.inflation import too_large
from candlecast.sources.page import empty_page, market_page
from candlecast.sources.proxies import proxy_of
from candlecast.sources.refusals import lacking_interval, missing_extra
from candlecast.sources.retry import Retry, TransientError
from candlecast.sources.source import Moment, Session, Source, moment, period, utc_now
from candlecast.sources.web import MissingError, require_ok, unreachable, words

logger = logging.getLogger(__name__)
DAY = timedelta(days=1)
HISTORY_DAYS = {
    "1m": 30,
    "2m": 60,
    "5m": 60,
    "15m": 60,
    "30m": 60,
    "1h": 730,
    "1d": None,
    "1mo": None,
}  # how far back each goes
REQUEST_DAYS = {"1m": 7}  # how much one request may span, where that is less
REQUESTING = timedelta(minutes=5)  # the time that the requests may take
FIRST = moment("1927-12-30")  # the S&P 500's first day
SYMBOL = r"[A-Za-z0-9^=.&_-]+"
NEVER_CLOSING = ("-USD", "-USDT", "-EUR", "-GBP", "-BTC")  # Yahoo writes crypto as BTC-USD
ONE_AT_A_TIME = threading.Lock()  # yfinance keeps one session, one cookie and one log for the whole process


@dataclass(frozen=True)
class Yahoo(Source):
    """Candles of Yahoo Finance. Symbols as Yahoo writes them: "AAPL", "^GSPC", "EURUSD=X", "BTC-USD".

    `adjusted=True`: prices of days are adjusted for splits and dividends, those within the day for splits alone, which
    is all that Yahoo knows. `adjusted=False`: prices, volume and dividends as they were at the time (Yahoo's own
    adjustment for later splits is undone), which later events do not change. Each page brings `dividend` and `split`.

    Days go back to the listing, and months ("1mo") are made of them; bars of an hour go back 730 days, shorter ones 60, and of
    a minute 30. A day opens at 00:00 UTC of its date. Bars without a price are Yahoo's way of saying that there was none; they
    are left out, and counted in the log.
    `url` replaces scheme and host of every address. Needs the extra `yahoo`.
    """

    adjusted: bool = True
    url: str | None = None
    retry: Retry = field(default=Retry(first_seconds=2.0), repr=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        require_kinds(self)

    @property
    def name(self) -> str:
        """`yahoo`, or `yahoo-raw` for prices as traded."""
        return "yahoo" if self.adjusted else "yahoo-raw"

    def pages(
        self, symbol: str, interval: str | Interval, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[pl.DataFrame]:
        """See `Source.pages`. Raises ConfigError for a period that Yahoo does not keep bars of this interval for."""
        interval = Interval.parse(interval)
        if str(interval) not in HISTORY_DAYS:
            raise lacking_interval("Yahoo", interval, tuple(HISTORY_DAYS))
        if re.fullmatch(SYMBOL, symbol) is None:
            raise ConfigError(
                f"{symbol!r} cannot be a symbol of Yahoo",
                expected="letters, digits and ^ = . & _ -",
                remedy='Write it as Yahoo does, for example "BRK-B", "^GSPC" or "EURUSD=X"',
            )
        days, now = HISTORY_DAYS[str(interval)], self.clock()
        oldest = FIRST if days is None else now - timedelta(days=days) + REQUESTING
        start, end = period(since, until, now=now, first=oldest)
        if days is not None and start < oldest:
            raise ConfigError(
                f"since {start:%Y-%m-%d %H:%M} is too long ago: Yahoo keeps {interval} bars for {days} days",
                expected=f"since {oldest:%Y-%m-%d %H:%M} or later",
                remedy="Leave out since=... for all there is, or fetch a longer interval",
            )
        return self._pages(symbol, interval, max(start, FIRST), end)

    def _pages(self, symbol: str, interval: Interval, start: datetime, end: datetime) -> Iterator[pl.DataFrame]:
        is_daily, now = str(interval) in ("1d", "1mo"), self.clock()
        with _session(self.url, self.retry) as session:
            events = _nothing()
            if is_daily or not self.adjusted:
                # up to now, whatever the end: how many shares of today a bar is about depends on every later split;
                # and from earlier on, since a day east of Greenwich begins before it does in UTC
                events = _history(session, symbol, "1d", start - 2 * DAY, now + DAY)
            splits = events.filter(pl.col("split") != 1).sort("local")
            span = REQUEST_DAYS.get(str(interval), 100_000) * DAY
            while start < end:
                stop = min(start + span, end)
                frame = events if is_daily else _history(session, symbol, str(interval), start, stop)
                frame = self._restated(frame, splits, is_daily=is_daily).filter(pl.col("open_time") < stop)
                if interval.months:
                    frame = monthly(frame.sort("open_time").filter(pl.col("open_time") >= start))
                page = market_page(frame, symbol=symbol, interval=interval, start=start, end=end, extra=ACTIONS)
                if page.height:
                    yield page
                start = stop

    def _restated(self, frame: pl.DataFrame, splits: pl.DataFrame, *, is_daily: bool) -> pl.DataFrame:
        """Adjusted prices, or those of the time, from Yahoo's, which are adjusted for splits alone."""
        if self.adjusted:
            return frame.with_columns(pl.col(*PRICES) * (pl.col("total") / pl.col("close"))) if is_daily else frame
        after = splits["local"].search_sorted(frame["local"], side="right").to_numpy()
        products = np.append(np.cumprod(splits["split"].to_numpy()[::-1])[::-1], 1.0)
        shares = pl.lit(pl.Series(products[after]))  # of today, for one of the time
        return frame.with_columns(pl.col(*PRICES, "dividend") * shares, volume=pl.col("volume") / shares)

    def session(self, symbol: str) -> Session:
        """Everything closes but crypto."""
        return "always" if symbol.endswith(NEVER_CLOSING) else "sessions"


def _history(session: Any, symbol: str, interval: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Yahoo's own table, `open_time` in UTC and `local` on the exchange's clock; `total` is the close less dividends."""
    import yfinance
    from yfinance.data import YfData

    log = logging.getLogger("yfinance")
    with ONE_AT_A_TIME:
        session.is_answered = False
        was_disabled, log.disabled = log.disabled, True  # it reports what it swallows, which the session raises below
        try:
            YfData.cache_get.cache_clear()  # else an answer from before a split would serve after it
            with ignoring(DeprecationWarning):  # yfinance's own, about pandas, which it insists on
                frame = yfinance.Ticker(symbol, session=session).history(
                    interval=interval, start=start, end=end, auto_adjust=False, actions=True, keepna=True
                )
        except Exception as error:  # yfinance raises errors of many types for an unexpected answer
            frame = None
            is_ours = isinstance(error, CandlecastError)
            reason = error if is_ours else unreadable_chart(symbol, f"{type(error).__name__}: {error}")
            session.failure = session.failure or reason
        finally:
            log.disabled = was_disabled
    if session.failure is not None:
        raise session.failure from None
    if frame is None or frame.empty:
        if not session.is_answered:  # yfinance gave up before it asked
            raise session.trouble or unreadable_chart(symbol, "none came")
        return _nothing()
    index: Any = frame.index
    local = index.tz_localize(None)
    times = local if interval == "1d" else index.tz_convert("UTC")
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Adj Close": "total", "Volume": "volume"}
    names |= {"Dividends": "dividend", "Stock Splits": "split"}
    table = pl.DataFrame(
        {
            "open_time": pl.Series(times.as_unit("us").asi8).cast(pl.Datetime("us", "UTC")),
            "local": pl.Series(local.as_unit("us").asi8).cast(pl.Datetime("us")),
            **{name: frame[column].to_numpy(np.float64) for column, name in names.items()},
        },
        nan_to_null=True,
    )
    table = table.with_columns(split=pl.when(pl.col("split") == 0).then(1.0).otherwise(pl.col("split")))
    absent = table.select(pl.any_horizontal(pl.col(*PRICES).is_null())).to_series()
    if absent.any():
        logger.warning("Yahoo gives %d %s bars of %s without a price", absent.sum(), interval, symbol)
    return table.filter(~absent).with_columns(pl.col("volume").fill_null(0.0))


def _nothing() -> pl.DataFrame:
    return empty_page((*ACTIONS, "total")).with_columns(local=pl.lit(None, pl.Datetime("us")))


@contextmanager
def _session(host: str | None, retry: Retry) -> Iterator[Any]:
    """The HTTP session for yfinance: replaces the host, retries failed requests and keeps their errors.

    yfinance turns most failures into an empty table; `failure` holds the error to raise instead. Every answer is limited in
    time (by `timeout_seconds` in all) and in size.
    """
    try:
        import yfinance  # noqa: F401 - to raise the error for a missing extra
        from curl_cffi import requests
        from curl_cffi.curl import CURL_WRITEFUNC_ERROR
    except ModuleNotFoundError as error:
        raise missing_extra("yfinance", "yahoo") from error
    most = retry.at_most(MAX_TEXT).answer_bytes

    class Session(requests.Session):
        failure: CandlecastError | None = None
        trouble: CandlecastError | None = None  # beside the candles
        is_answered = False  # whether an answer about the candles came

        def send(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
            """One exchange, of which no more than `most` bytes are kept."""
            pieces: list[bytes] = []
            size = 0

            def take(piece: bytes) -> int:
                nonlocal size
                size += len(piece)
                if size > most:
                    return CURL_WRITEFUNC_ERROR
                pieces.append(piece)
                return len(piece)

            if not self.proxies:  # with "", curl does not look for a proxy by its own rules
                options["proxies"] = {"all": proxy_of(url) or ""}
            options |= {"timeout": retry.timeout_seconds, "content_callback": take}
            try:
                answer = super().request(method, url, *args, **options)
            except requests.exceptions.RequestException:
                if size > most:
                    raise too_large(most) from None
                raise
            answer.content = b"".join(pieces)
            return answer

        def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
            if self.failure is not None:
                raise self.failure
            parts = urlsplit(url)
            there = url if host is None else urlunsplit((*urlsplit(host)[:2], *parts[2:]))
            if "/v8/finance/chart/" not in parts.path:
                try:
                    return self.send(method, there, *args, **options)
                except CandlecastError as error:
                    self.failure = error
                    raise
                except requests.exceptions.RequestException as error:  # yfinance mostly works without it
                    self.trouble = unreachable("Yahoo", error)
                    raise
            symbol = parts.path.rsplit("/", 1)[-1]

            def ask() -> Any:
                try:
                    answer = self.send(method, there, *args, **options)
                    _judge(answer, symbol)
                except requests.exceptions.RequestException as error:
                    raise TransientError(unreachable("Yahoo", error)) from None
                return answer

            try:
                answer = retry(ask)
                self.is_answered = True
                return answer
            except MissingError:
                self.failure = UnknownSymbolError(
                    f"Yahoo has no symbol {symbol!r}",
                    expected="a symbol as Yahoo writes it, still listed",
                    remedy=_offers(self.send, there, symbol),
                )
                raise self.failure from None
            except CandlecastError as error:
                self.failure = error
                raise

    with Session(impersonate="chrome") as session:
        yield session


def _judge(answer: Any, symbol: str) -> None:
    """Raise the error that an answer of the chart API means, unless it has bars or states that there are none."""
    said = answer.text
    if answer.status_code == 400 and "Data doesn't exist for startDate" in said:
        return
    if answer.status_code in (400, 404, 422):
        error = _described(answer.content)
        if answer.status_code == 404 and error is None:  # from a proxy or gateway, not from Yahoo
            raise unusable("Yahoo", f"404{words(said)}")
        said = error or said
    require_ok("Yahoo", answer.status_code, answer.headers, said)
    require_chart(parse_json(answer.content, "Yahoo"), symbol)


def _described(content: bytes) -> str | None:
    """Yahoo's own description of an error; None if the answer is not Yahoo's."""
    with suppress(TransientError, KeyError, TypeError):
        description = parse_json(content, "Yahoo")["chart"]["error"]["description"]
        return description if isinstance(description, str) else None
    return None


def _offers(send: Callable[..., Any], address: str, symbol: str) -> str:
    """Symbols that Yahoo's own search finds."""
    search = urlunsplit((*urlsplit(address)[:2], "/v1/finance/search", "", ""))
    try:
        found = parse_json(send("GET", search, params={"q": symbol, "quotesCount": 3, "newsCount": 0}).content, "Yahoo")
        names = [str(quote["symbol"]) for quote in found["quotes"][:3]]
    except Exception:  # the error to report is the unknown symbol
        names = []
    return f"Did you mean {' or '.join(names)}?" if names else "Check the symbol at https://finance.yahoo.com"
