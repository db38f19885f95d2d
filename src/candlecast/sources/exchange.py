"""Any exchange that `ccxt` knows: its markets, its clock, and its candles in pages."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from candlecast.candles.intake import ACTIVITY
from candlecast.errors import CandlecastError, ConfigError, SourceError, near_misses
from candlecast.interval import Interval
from candlecast.parameters import require_kinds
from candlecast.sources.addresses import moved
from candlecast.sources.answers import MAX_TEXT, are_dated, is_time, parse_json, quoted, says_nothing_found, unusable
from candlecast.sources.page import VALUES, market_page
from candlecast.sources.refusals import lacking_interval, missing_extra, unknown_symbol
from candlecast.sources.retry import Retry, TransientError
from candlecast.sources.source import Moment, Session, Source, Status, period, utc_now
from candlecast.sources.web import WIRE_LOGGERS, MissingError, require_ok, unreachable
from candlecast.text.redaction import redacting_loggers

if TYPE_CHECKING:
    import requests

    from candlecast.sources.feed import Feed

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
FIRST = datetime(2010, 1, 1, tzinfo=UTC)  # the first exchanges
CLOCKS_APART = timedelta(days=1)
KLINE_PLACES, LONG_KLINE = (
    (7, 8, 9),
    11,
)  # of quote volume, trades and taker volume in a kline, which is at least so long
SAFE_LIMIT = 100  # bars in a page where ccxt does not know how many the exchange gives


@dataclass(frozen=True)
class Exchange(Source):
    """Candles of any exchange that `ccxt` supports, by its REST interface: `Exchange("kraken")`.

    Symbols are written as ccxt writes them, such as "BTC/USDT" and "BTC/USDT:USDT" for a perpetual contract. Many
    exchanges give only their latest bars (Kraken 720 of each interval); for the whole history of Binance use `Binance`.
    `url` replaces scheme and host of every address, for a mirror, and `streams` those of the websocket streams. With
    `is_paced`, requests respect the exchange's rate limits. `retry` decides how transient failures are retried. The exchange's
    own clock decides which bars are closed. Needs the extra `exchanges`.
    """

    id: str
    url: str | None = None
    retry: Retry = field(default=Retry(), repr=False)
    is_paced: bool = True
    streams: str | None = None
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        require_kinds(self)

    @property
    def name(self) -> str:
        """The exchange's name in ccxt."""
        return self.id

    def pages(
        self, symbol: str, interval: str | Interval, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[pl.DataFrame]:
        """See `Source.pages`. Without `since`, from the market's opening, if the exchange states it."""
        interval = Interval.parse(interval)
        start, end = period(since, until, now=self.clock(), first=FIRST)
        return self._pages(symbol, interval, max(start, FIRST) if since else None, None if until is None else end)

    def stream(self, symbol: str, interval: str | Interval) -> Feed:
        """Closed bars as they become known: by the websocket that `ccxt.pro` has for the exchange, with REST for what is
        missed; where it has none, by asking when a bar is due.

        Raises ConfigError for an interval that the exchange lacks. Nothing is asked before the first batch is taken.
        """
        from candlecast.sources.exchange_stream import ExchangeStream, has_stream
        from candlecast.sources.polling import Polling

        length = Interval.parse(interval)
        with self.opened() as rest:
            rest.require_interval(length)
        if not has_stream(self.id):
            return Polling(self, symbol, length, clock=self.clock)
        return ExchangeStream(symbol, length, url=self.streams, grace_seconds=2.0, source=self)

    def opened(self) -> AbstractContextManager[Rest]:
        """A connection to the exchange, which is used when something is asked of it."""
        return connect(self.id, url=self.url, retry=self.retry, is_paced=self.is_paced, clock=self.clock)

    def _pages(
        self, symbol: str, interval: Interval, start: datetime | None, end: datetime | None
    ) -> Iterator[pl.DataFrame]:
        with self.opened() as rest:
            rest.require_interval(interval)
            markets = rest.ask(rest.exchange.load_markets)
            if symbol not in markets:
                raise unknown_symbol(self.id, symbol, markets)
            start = start or _opening(markets[symbol], symbol)
            now = rest.now()
            yield from rest.pages(symbol, interval, start, min(end or now, now))

    def session(self, symbol: str) -> Session:
        """Crypto markets never close."""
        return "always"

    def status(self, symbol: str) -> Status:
        """As the exchange lists the symbol."""
        with self.opened() as rest:
            markets = rest.ask(rest.exchange.load_markets)
        if symbol not in markets:
            return "delisted"
        is_active = markets[symbol].get("active")
        return "unknown" if is_active is None else "trading" if is_active else "halted"


@dataclass(frozen=True)
class Rest:
    """An open connection to an exchange; `exchange` is ccxt's."""

    exchange: Any
    retry: Retry
    clock: Callable[[], datetime]
    said: list[Any] = field(default_factory=list, repr=False)  # the last answer, before ccxt read it

    def ask(self, question: Callable[[], Answer], is_fine: Callable[[Answer], bool] = bool) -> Answer:
        """The exchange's answer. Transient failures are retried, all others raise SourceError.

        `is_fine` tells whether a result of ccxt is usable; an unusable one is a transient failure too.
        """
        import ccxt

        def once() -> Answer:
            self.said.clear()
            try:
                answer = question()
                if is_fine(answer):
                    return answer
                raise unusable(self.exchange.name, quoted(self.said))
            except (CandlecastError, TransientError):
                raise
            except ccxt.BadRequest as error:  # an unknown symbol, or one that no symbol can look like
                raise MissingError(
                    f"{self.exchange.name} does not know what is asked for ({str(error)[:160]})",
                    expected="candles",
                    remedy="Check the symbol, the interval and the period",
                ) from error
            except ccxt.NetworkError as error:
                raise TransientError(unreachable(self.exchange.name, error)) from None
            except ccxt.BaseError as error:
                raise SourceError(
                    f"{self.exchange.name} refuses the request ({str(error)[:160]})",
                    expected="candles",
                    remedy="Check the symbol, the interval and the period",
                ) from error
            except Exception as error:  # ccxt raises errors of many types for an unexpected answer
                why = f"{type(error).__name__}: {str(error)[:60]}"
                raise unusable(self.exchange.name, why) from None

        return self.retry(once)

    def now(self) -> datetime:
        """The time of the exchange, or of this machine if the exchange states none."""
        if not self.exchange.has.get("fetchTime"):
            return self.clock()
        milliseconds = self.ask(self.exchange.fetch_time, lambda found: is_time(found and found / 1_000))
        now, here = datetime.fromtimestamp(milliseconds / 1_000, UTC), self.clock()
        if abs(now - here) > CLOCKS_APART:
            raise SourceError(
                f"the clock of {self.exchange.name} shows {now:%Y-%m-%d %H:%M} UTC, and that of this machine "
                f"{here:%Y-%m-%d %H:%M}",
                expected="clocks that agree to the day, since they decide which bars are closed",
                remedy="Correct this machine's clock, or check the address of the exchange",
            )
        return now

    def require_interval(self, interval: Interval) -> None:
        """Raise ConfigError, which lists the intervals of the exchange, if it lacks this one."""
        known = [name for name in self.exchange.timeframes or () if name[-1] in "smhdw"]
        if interval not in map(Interval.parse, known):
            raise lacking_interval(self.exchange.name, interval, known)

    def pages(
        self,
        symbol: str,
        interval: Interval,
        start: datetime,
        end: datetime,
        *,
        limit: int | None = None,
        until: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """Closed bars of a market of ccxt in [start, end], in pages of `limit` bars (by default as ccxt chooses).

        With `until`, the request states the end and the answer is a plain list, as Binance's: an empty one means that no bar
        is left, and its rows say more than ccxt keeps of them.
        Otherwise a page without bars may be a gap, and the next page is requested.
        """
        size = limit or self.exchange.feature_value(symbol, "fetchOHLCV", "limit") or SAFE_LIMIT
        extra = {"until": int(end.timestamp() * 1_000) - 1} if until else {}
        cursor, step, is_known = start, interval.timedelta, until
        while cursor + step <= end:
            since = -(-int(cursor.timestamp() * 1_000_000) // 1_000)
            frame = self.ask(
                lambda since=since: self._rows(symbol, interval, since, size, dict(extra)),
                lambda rows, cursor=cursor: self._is_answer(rows, cursor, end, is_list=until),
            )
            page = market_page(frame, symbol=symbol, interval=interval, start=cursor, end=end)
            if page.height:
                if not is_known and page["open_time"][0] > start + size * step:
                    logger.warning(
                        "%s gives no %s bars of %s before %s",
                        self.exchange.name,
                        interval,
                        symbol,
                        page["open_time"][0],
                    )
                is_known = True
                yield page
            last = page["close_time"][-1] if page.height else None
            if until and frame.is_empty():
                return
            cursor = last or cursor + size * step

    def _rows(self, symbol: str, interval: Interval, since: int, size: int, extra: dict[str, Any]) -> pl.DataFrame:
        rows = self.exchange.fetch_ohlcv(symbol, str(interval), since, size, extra)
        frame = _frame(self.exchange.name, rows)
        return _with_activity(frame, self.said[-1] if self.said else None) if extra else frame

    def _is_answer(self, frame: pl.DataFrame, start: datetime, end: datetime, *, is_list: bool) -> bool:
        """Whether an answer has bars, or states that there are none. Nothing else is taken for a gap."""
        said = self.said[-1] if self.said else None
        if is_list and not isinstance(said, list):
            return False
        if frame.is_empty():
            return says_nothing_found(said) and not (is_list and said) and are_dated(said)
        return not is_list or frame["open_time"].is_between(start, end).any()


@contextmanager
def connect(
    name: str,
    *,
    url: str | None,
    retry: Retry,
    is_paced: bool,
    clock: Callable[[], datetime],
    options: Mapping[str, Any] | None = None,
    refused: str = "",
) -> Iterator[Rest]:
    """A connection to an exchange of ccxt, closed at the end. `refused`: the remedy for 403 and 451."""
    try:
        import ccxt

        from candlecast.sources.bridge import bound
    except ModuleNotFoundError as error:
        raise missing_extra("ccxt", "exchanges") from error
    if name not in ccxt.exchanges:
        raise SourceError(
            f"ccxt knows no exchange {name!r}",
            expected=f"one of its {len(ccxt.exchanges)} names",
            remedy=near_misses(name, ccxt.exchanges),
        )
    exchange = getattr(import_module("ccxt"), name)(
        {
            "enableRateLimit": is_paced,
            "options": dict(options or {}),
        }
    )
    if url:
        exchange.urls["api"] = moved(exchange.urls["api"], url)
    rest = Rest(exchange, retry, clock)
    bound(exchange.session, exchange.name, retry.at_most(MAX_TEXT))
    exchange.session.hooks["response"].append(_judge(exchange.name, refused, rest.said))
    try:
        with redacting_loggers(*WIRE_LOGGERS):
            yield rest
    finally:
        exchange.session.close()


def exchange_names() -> tuple[str, ...]:
    """The exchanges that ccxt knows; none when it is not installed."""
    try:
        import ccxt
    except ModuleNotFoundError:
        return ()
    return tuple(ccxt.exchanges)


def _judge(name: str, refused: str, said: list[Any]) -> Callable[..., None]:
    """A hook that checks each answer before ccxt, which keeps neither its status nor the body as it came."""

    def judge(answer: requests.Response, **_: object) -> None:
        if answer.is_redirect:
            return
        if answer.status_code != 400:
            require_ok(name, answer.status_code, answer.headers, answer.text, refused=refused)
        if answer.content.lstrip()[:1] in (b"[", b"{"):
            said.append(parse_json(answer.content, name))
        elif answer.ok:  # some exchanges publish some data as web pages, which ccxt reads
            said.append(answer.text)
        else:
            require_ok(name, answer.status_code, answer.headers, answer.text, refused=refused)

    return judge


def _opening(market: Mapping[str, Any], symbol: str) -> datetime:
    created = market.get("created")
    if not created or not is_time(created / 1_000):
        raise ConfigError(
            f"ccxt does not know when {symbol} began", expected="since", remedy='Use for example since="2023-01-01"'
        )
    return datetime.fromtimestamp(created / 1_000, UTC)


def _frame(name: str, rows: list[list[Any]]) -> pl.DataFrame:
    """Rows of ccxt as a frame. Raises TransientError for invalid times and numbers."""
    for row in rows:
        if len(row) < 6 or not is_time(row[0] and row[0] / 1_000):
            raise unusable(name, f"a bar of {json.dumps(row)[:60]}")
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in row[1:6]):
            raise unusable(name, f"a bar of {json.dumps(row)[:60]}")
    schema = {"open_time": pl.Int64, **dict.fromkeys(VALUES, pl.Float64)}
    frame = pl.DataFrame([row[:6] for row in rows], schema=schema, orient="row", strict=False)
    return frame.with_columns((pl.col("open_time") * 1_000).cast(pl.Datetime("us", "UTC")))


def _with_activity(frame: pl.DataFrame, said: Any) -> pl.DataFrame:
    """The frame with what Binance's klines hold beside prices and volume; null where they hold no number."""
    if not isinstance(said, list) or not all(isinstance(row, list) and len(row) >= LONG_KLINE for row in said):
        return frame
    known = {row[0]: [row[place] for place in KLINE_PLACES] for row in said if isinstance(row[0], int)}
    times = (frame["open_time"].dt.timestamp("ms")).to_list()
    values = [known.get(time, [None] * len(ACTIVITY)) for time in times]
    columns = [
        pl.Series(name, [None if row[place] is None else str(row[place]) for row in values], pl.String)
        for place, name in enumerate(ACTIVITY)
    ]
    return frame.hstack([column.cast(pl.Float64, strict=False) for column in columns])
