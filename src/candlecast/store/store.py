"""`Store`: candles kept for good, brought up to date, read at any version."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl

from candlecast.candles import Candles, Change, Ending, Origin, TradingClock
from candlecast.candles.intake import ACTIVITY, with_known_activity
from candlecast.candles.sessions import settle
from candlecast.errors import CandleError, ConfigError, SourceError, StoreError, UnknownSymbolError, near_misses
from candlecast.events import Listener, ignore
from candlecast.interval import Interval
from candlecast.parameters import as_path
from candlecast.process.forking import require_threads
from candlecast.sources.feed import Seen
from candlecast.sources.source import Moment, Source, moment, period, require_order, utc_now
from candlecast.store import adding, compact, joining, listings, update
from candlecast.store.listings import Listings, read_listings
from candlecast.store.observations import BEGINNING, COLUMNS, PRICES, TIME, changes, current, is_current
from candlecast.store.table import SUPERSEDED, Location, Series, Snapshot
from candlecast.text.redaction import redacted, register_secret

logger = logging.getLogger(__name__)
LISTING = {
    **dict.fromkeys(Series._fields, pl.String()),
    "bars": pl.Int64(),
    "first": TIME,
    "last": TIME,
    "files": pl.Int64(),
    "state": pl.String(),
}
SECOND = timedelta(seconds=1)
LONGEST_NAME = 180  # bytes; a file system takes 255, and deltalake writes signs as %2F
SECRET = re.compile(
    "key|secret|token|password|credential|signature|sas", re.IGNORECASE
)  # names of options with secret values
SYMBOL = r"[\w.:/^=+@#&~-]+"


@dataclass(frozen=True)
class Store:
    """Candles of any number of symbols in one Delta Lake table, in a folder or at the URL of an object store.

    Nothing in it is ever overwritten: a bar that a vendor changes is kept beside what it was before. Any number of
    processes may update and read at once, and a crash leaves what was committed before. A version is the number of a
    commit: what was read at a version can be read again as long as the store is there.

    `options` open an object store ("s3://bucket/candles"), named as the `deltalake` package names them, such as
    {"aws_region": "eu-west-1"}; keys that are not given are taken from the environment.

    >>> Store("no folder yet").symbols(), Store("no folder yet").version
    ([], None)
    """

    location: str | Path
    options: Mapping[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        as_path(self.location, "location")
        for name, value in (self.options or {}).items():
            if SECRET.search(name):
                register_secret(value)

    def __repr__(self) -> str:
        """The location, without a password in its address."""
        return f"Store(location={redacted(self.url)!r})"

    @property
    def url(self) -> str:
        """The folder or URL as text."""
        return str(self.location)

    @property
    def version(self) -> int | None:
        """The newest version; None while nothing is stored."""
        snapshot = self._table.open()
        return None if snapshot is None else snapshot.version

    def update(
        self,
        source: Source,
        symbol: str,
        interval: str | Interval,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        refresh: bool = False,
        recheck: bool = False,
        progress: Listener = ignore,
    ) -> Candles:
        """Fetch what is missing from `since` to `until`, and give all candles of that period.

        Without `since`, from the first bar stored, or the first that the source has; without `until`, up to now. Gaps
        that the source has been asked about are not asked about again. The last bars are: where they changed at the
        vendor, bars from further back are asked for until they agree, so that a split or dividend that adjusts all of
        history is noticed. `changes` lists what changed. With `refresh`, everything is requested again; with `recheck`, the
        gaps between the bars (and, with `since`, the time before the first bar), for sources whose earlier answer that there
        are no bars is in doubt.

        Bars are committed as they come: interrupted at any moment, the next call goes on from there.

        Raises ConfigError, SourceError or StoreError; what was committed before stays.
        """
        if isinstance(source, str):
            raise ConfigError(
                f"source is {source!r}",
                expected="something that candles come from",
                remedy="Use for example store.update(candlecast.Binance(), ...)",
            )
        series, now = _series(source, symbol, interval), utc_now()
        start, end = period(since, until, now=now, first=BEGINNING)
        known = read_listings(self._table).ending(*series)
        is_over = known is not None and not (refresh or recheck) and not known.is_due(now)
        try:
            update.update(
                self._table,
                series,
                source,
                since=None if since is None else start,
                until=None if until is None else end,
                refresh=refresh,
                recheck=recheck,
                is_over=is_over,
                progress=progress,
            )
            status = "unknown"
        except UnknownSymbolError:
            if self._last_close(series) is None:
                raise
            status = "delisted"  # the source had it before
        snapshot = self._snapshot(None)
        if until is None and not is_over:
            self._record_state(source, series, status, known, now)
        if parts := compact.crowded(snapshot, series, least=compact.CROWDED):
            compact.compact(self._table, series, parts)
            snapshot = self._snapshot(None)
        return self._read(snapshot, series, since, until)

    def add(
        self, source: Source | str, symbol: str, interval: str | Interval, bars: Sequence[Seen], *, has_sessions: bool
    ) -> int:
        """Keep bars that came by themselves, as those of a live feed; gives how many of them were news.

        A bar that is there with other values is kept beside them, as a change of the vendor. Nothing is claimed about the
        bars between them: `update` asks for those. Raises StoreError.

        >>> import tempfile
        >>> from candlecast.sources.feed import Seen
        >>> opened = datetime.fromisoformat("2024-01-01T00:00Z")
        >>> bar = Seen(opened, 1.0, 2.0, 0.5, 1.5, 9.0, received_at=opened)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store(folder + "/data")
        ...     [store.add("binance", "BTCUSDT", "1h", [bar], has_sessions=False) for _ in range(2)]
        [1, 0]
        """
        series = _series(source, symbol, interval)
        if not bars:
            return 0
        added = adding.add(self._table, series, bars, has_sessions=has_sessions)
        if added and (parts := compact.crowded(self._snapshot(None), series, least=compact.CROWDED)):
            compact.compact(self._table, series, parts)
        return added

    def rename(self, source: Source | str, old: str, new: str, *, at: Moment | None = None) -> None:
        """Declare that a source calls by another symbol, from `at` on, what it called `old` before.

        `read` and `update` of the new symbol then give the bars of the old one first, up to `at` or to the first bar that is
        stored of the new one; nothing is copied or overwritten. The old symbol keeps its bars from `at` on, if there are any,
        as those of another asset. `at` is the first bar stored of the new symbol, or the end of the old one, when not given.

        Raises ConfigError for names that cannot be, StoreError where nothing of the old symbol is stored.
        """
        name = source if isinstance(source, str) else source.name
        for symbol in (old, new):
            _series(name, symbol, "1d")
        stored = self.series().filter(pl.col("source") == name)
        if old == new or stored.filter(pl.col("symbol") == old).is_empty():
            raise StoreError(
                f"{old} of {name} is not stored in {self.url}" if old != new else f"{old} is renamed to itself",
                expected="a symbol that was fetched, and another one",
                remedy=near_misses(old, stored["symbol"].unique().to_list())
                if len(stored)
                else "Fetch the old one first",
            )
        if (earlier := read_listings(self._table)).before(name, old) and self._chain(earlier, name, old, new):
            raise ConfigError(
                f"{new} was called {old}, which was called {new} before",
                expected="names that follow each other",
                remedy="Check the order of old and new",
            )
        firsts = stored.filter(pl.col("symbol") == new)["first"]
        lasts = [
            self._last_close(Series(name, old, each)) for each in stored.filter(pl.col("symbol") == old)["interval"]
        ]
        switch = moment(at, "at") if at is not None else firsts.min() or max(filter(None, lasts))
        listings.record(
            self._table,
            source=name,
            symbol=new,
            interval="",
            kind=listings.RENAMED,
            at=switch,
            detail=old,
            seen_at=utc_now(),
            version=self.version,
        )

    def read(
        self,
        source: Source | str,
        symbol: str,
        interval: str | Interval,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        version: int | None = None,
    ) -> Candles:
        """Candles that are stored, as they were at a version, or are now; of a source or the name of one.

        Bars lie within `since` and `until` (open_time >= since, close_time <= until). `candles.origin` names the version
        that was read. Raises StoreError when nothing of them is stored, ConfigError for a period that ends before it begins,
        CandleError when there is no bar in it.
        """
        series = _series(source, symbol, interval)
        return self._read(self._snapshot(version), series, since, until)

    def series(self, *, version: int | None = None) -> pl.DataFrame:
        """What is stored, one row each: `source`, `symbol`, `interval`, `bars`, `first` and `last` (open times), `files`, and
        `state`: "trading", or "delisted", "halted" or "inactive" (without a bar for 30 days and 10 bars) where the series ended.

        Empty while nothing is stored. Bars that several processes stored at once count as often, until `compact`.
        """
        snapshot = self._table.open(version)
        if snapshot is None:
            return pl.DataFrame(schema=LISTING)
        holding = snapshot.files().filter(pl.col("part") != SUPERSEDED)
        found = holding.group_by(Series._fields).agg(
            pl.col("bars").sum(), pl.col("first").min(), pl.col("last").max(), files=pl.len()
        )
        recorded = read_listings(self._table, version)
        endings = [recorded.ending(*row) for row in found.select(Series._fields).rows()]
        states = pl.Series("state", ["trading" if ending is None else ending.kind for ending in endings], pl.String)
        found = found.with_columns(states)
        return found.select(pl.col(name).cast(kind) for name, kind in LISTING.items()).sort(Series._fields)

    def symbols(self) -> list[str]:
        """The symbols stored, sorted."""
        return sorted(self.series()["symbol"].unique())

    def changes(
        self, source: Source | str, symbol: str, interval: str | Interval, *, seen_since: Moment | None = None
    ) -> pl.DataFrame:
        """Every change that the vendor made to a bar: `open_time`, `seen_at`, `open_before`, `open`, ... `split`.

        In order of bar and of sight; `seen_at` is when the new values were first seen. With `seen_since`, those seen
        from then on. Raises StoreError when nothing of the series is stored.
        """
        series = _series(source, symbol, interval)
        snapshot = self._snapshot(None)
        scan = snapshot.scan(series, parts=snapshot.files()["part"].unique().to_list())
        if scan is None:
            raise self._not_stored(snapshot, series)
        is_once = is_current(snapshot.read(scan.select("open_time")))  # every bar was seen once, and none changed
        found = changes(snapshot.read((scan.head(0) if is_once else scan).select(*COLUMNS)))
        return found if seen_since is None else found.filter(pl.col("seen_at") >= moment(seen_since, "seen_since"))

    def actions(self, source: Source | str, symbol: str, interval: str | Interval) -> pl.DataFrame:
        """Dividends (per share) and splits (new shares for an old one) as the source gives them: `open_time`, `dividend`,
        `split`; only bars with either. Raises StoreError when nothing of the series is stored.
        """
        series = _series(source, symbol, interval)
        snapshot = self._snapshot(None)
        scan = snapshot.scan(series)
        if scan is None:
            raise self._not_stored(snapshot, series)
        found = current(snapshot.read(scan.select("open_time", "dividend", "split", "asked_from", "seen_at")))
        paid = found.filter((pl.col("dividend") != 0) | (pl.col("split") != 1))  # by what holds, not what once held
        return paid.select("open_time", "dividend", "split")

    def compact(self) -> int:
        """Rewrite small files into few, symbol by symbol; gives how many files there are less.

        Nothing is lost: changes are kept, and earlier versions stay readable, which takes space for the old files.
        Raises StoreError.
        """
        before = self._table.open()
        if before is None:
            return 0
        for row in self.series().select(Series._fields).rows():
            compact.compact(self._table, Series(*row), compact.crowded(before, Series(*row), least=2))
        return len(before.files()) - len(self._snapshot(None).files())

    @property
    def _table(self) -> Location:
        require_threads()
        url = self.url if "://" in self.url else str(Path(self.location).expanduser().absolute())
        return Location(url, self.options or {})

    def _snapshot(self, version: int | None) -> Snapshot:
        snapshot = self._table.open(version)
        if snapshot is None:
            raise StoreError(
                f"there is no store in {self.url}",
                expected="a folder that was fetched to",
                remedy="Fetch first, with store.update or `candlecast fetch`",
            )
        return snapshot

    def _read(self, snapshot: Snapshot, series: Series, since: Moment | None, until: Moment | None) -> Candles:
        start = BEGINNING if since is None else moment(since)
        if since is not None and until is not None:
            require_order(start, moment(until, "until"))
        recorded = read_listings(self._table, snapshot.version)
        names = joining.names_of(recorded, series)
        scans = (snapshot.newest(series._replace(symbol=name)) for name in names)
        newest = next((scan for scan in scans if scan is not None), None)
        if newest is None:
            raise self._not_stored(snapshot, series)
        has_sessions = bool(snapshot.read(newest.select(pl.col("has_sessions").last())).item())
        # a bar that closes at `until` opens before this
        last = None if until is None else series.step.before(pl.Series([moment(until, "until")])).item() + SECOND
        clock = None
        is_joined = len(names) > 1 or recorded.later(series.source, series.symbol) is not None
        changes: tuple[Change, ...] = ()
        if is_joined:
            frame, changes = joining.joined(snapshot, recorded, series)
        else:
            frame = joining.bars(snapshot, snapshot.scan(series, since=start, until=last))
            whole = snapshot.scan(series) if has_sessions and (since is not None or until is not None) else None
            if whole is not None:  # when a market trades is taken from all of its bars, whatever part of them is read
                opened = snapshot.read(whole.select("open_time"))["open_time"].unique().sort()
                clock = settle(opened, series.step, has_sessions=True)
        ending = recorded.ending(*series)
        ended = None if ending is None else Ending(ending.at.isoformat(), ending.detail)
        origin = Origin(series.source, redacted(self.url), snapshot.version, changes, ended=ended)
        candles = _candles(frame, series, has_sessions=has_sessions, origin=origin, clock=clock)
        rows = [_row(candles, start), len(candles) if last is None else _row(candles, last)]
        candles = candles[rows[0] : rows[1]]
        if not len(candles):
            raise CandleError(
                f"no bar of {series} from {since or 'its beginning'} to {until or 'now'} is stored",
                expected="at least one bar",
                remedy="Choose another period, or fetch it",
            )
        return candles

    def _last_close(self, series: Series) -> datetime | None:
        """When the last bar of a series closes; None where none is stored."""
        snapshot = self._table.open()
        scan = snapshot and snapshot.scan(series)
        if snapshot is None or scan is None:
            return None
        return series.step.next(snapshot.read(scan.select(pl.col("open_time").max())).item())

    def _record_state(
        self, source: Source, series: Series, status: str, known: listings.Ending | None, now: datetime
    ) -> None:
        """Record that a series ended, or goes on, after its source was asked up to now."""
        last = self._last_close(series)
        if last is None:
            return
        if status == "unknown" and listings.is_doubtful(last=last, now=now, interval=series.step):
            try:
                status = source.status(series.symbol)
            except SourceError as error:  # whether it is listed is not what was asked for
                logger.warning("%s does not say whether it lists %s: %s", series.source, series.symbol, error.wrong)
        found = listings.end_of(status, last=last, now=now, interval=series.step, source=series.source)
        if found is None and known is None:
            return
        kind, detail = found or ("trading", "")
        listings.record(
            self._table,
            **series._asdict(),
            kind=kind,
            at=last,
            detail=detail,
            seen_at=now,
            version=self.version,
        )

    @staticmethod
    def _chain(recorded: Listings, source: str, symbol: str, wanted: str) -> bool:
        """Whether a symbol was called `wanted` at some time before."""
        return wanted in joining.names_of(recorded, Series(source, symbol, "1d"))

    def _not_stored(self, snapshot: Snapshot, series: Series) -> StoreError:
        known = [str(Series(*row)) for row in snapshot.files().select(Series._fields).unique().rows()]
        return StoreError(
            f"{series} is not stored in {self.url}",
            expected="candles that were fetched",
            remedy=near_misses(str(series), known) if known else "Fetch them first",
        )


def _row(candles: Candles, time: datetime) -> int:
    """The first row that does not open before a time."""
    return int(np.searchsorted(candles.open_time, np.datetime64(time.replace(tzinfo=None))))


def _candles(
    frame: pl.DataFrame, series: Series, *, has_sessions: bool, origin: Origin, clock: TradingClock | None
) -> Candles:
    closed = series.step.after(frame["open_time"]).alias("close_time")
    table = pl.DataFrame([frame["open_time"], closed, *(frame[name] for name in (*PRICES, *ACTIVITY))])
    table = with_known_activity(table).rechunk()
    breaks = None if has_sessions else ()
    if clock is not None:
        return Candles(table, series.symbol, series.step, origin=origin, clock=clock)
    return Candles(table, series.symbol, series.step, has_sessions=has_sessions, breaks=breaks, origin=origin)


def _series(source: Source | str, symbol: str, interval: str | Interval) -> Series:
    source = source if isinstance(source, str) else source.name
    for name, value in {"source": source, "symbol": symbol}.items():
        if not isinstance(value, str) or re.fullmatch(SYMBOL, value) is None:
            raise ConfigError(
                f"{name} {value!r} cannot be a name",
                expected="letters, digits and . : / ^ = + @ # & ~ - _",
                remedy="Check the spelling",
            )
        if len(quote(value, safe="")) > LONGEST_NAME:  # it becomes the name of a folder
            raise ConfigError(
                f"{name} {value[:40] + '...'!r} has {len(value):,} characters",
                expected=f"at most {LONGEST_NAME} bytes, with those of / and other signs counted threefold",
                remedy="Choose a shorter name",
            )
    return Series(source, symbol, str(Interval.parse(interval)))
