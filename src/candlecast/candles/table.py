"""`Candles`, the one market table: what it holds, how it is sliced, checked, resampled and handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.candles import gaps, intake, issues, mend, repeats, resample, sessions
from candlecast.candles.clock import DAY, Breaks, TradingClock, local_time
from candlecast.errors import CandleError, ConfigError, said
from candlecast.interval import Interval
from candlecast.parameters import is_whole
from candlecast.process.forking import require_threads
from candlecast.reading.options import Options
from candlecast.text.cells import price, significant
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_ends

if TYPE_CHECKING:
    import pandas as pd

YEAR_SECONDS = 31_556_952.0


@dataclass(frozen=True)
class Ending:
    """The end of a series: when its last bar closed (ISO text, UTC), and how that is known."""

    at: str
    why: str


@dataclass(frozen=True)
class Origin:
    """Where candles came from: the name of the source, and the store and its version if they were read from one; how a file
    was understood, in one line (`reading`); what was changed in them since (`Candles.mended`); and `ended`, where the source
    has no bar after the last one, because the symbol was delisted, halted or is no longer traded.
    """

    source: str
    store: str | None = None
    version: int | None = None
    changes: tuple[mend.Change, ...] = ()
    reading: str | None = None
    ended: Ending | None = None

    def __post_init__(self) -> None:
        require_threads()
        if isinstance(self.ended, Mapping):
            object.__setattr__(self, "ended", Ending(**self.ended))
        changes = tuple(each if isinstance(each, mend.Change) else mend.Change(**each) for each in self.changes)
        object.__setattr__(self, "changes", changes)  # those of a manifest are plain values

    def __str__(self) -> str:
        place = self.source if self.store is None else f"{self.source}, version {self.version} of {self.store}"
        place += f" ({self.reading})" if self.reading else ""
        return f"{place}; {', '.join(map(str, self.changes))}" if self.changes else place


@dataclass(frozen=True, eq=False)
class Candles:
    """OHLCV bars of one symbol and interval, oldest first.

    `frame` has exactly the columns `open_time`, `close_time` (Datetime[us, UTC]; a bar covers the half-open range
    between them and is *knowable* at `close_time`), `open`, `high`, `low`, `close` (quote currency) and `volume`
    (base currency or shares), all Float64; and, where the source gives them, `quote_volume` (value traded, quote currency),
    `trades` (how many) and `taker_volume` (of `volume`, what buyers took who crossed the spread).

    When the market trades is settled once, and kept by slices and longer candles: `clock` is the zone whose clock the
    market keeps, its session and its pauses. Where it is not given, it is inferred from the opening times of the first bars,
    so that later bars change nothing before them. `has_sessions`, `breaks` and `zone` (None for UTC) are those of the
    clock, and may be given instead of it. Gaps of at most `bridge` bars are counted as none. `origin` says where the candles
    came from, and what was mended in them, if that is known.

    Candles may have issues, so that `check()` can list them; everything that computes on candles calls
    `require_sound()` first. Build them with `from_frame`, `read_csv`, `read_parquet`, `sample`, a source or a store.
    """

    frame: pl.DataFrame
    symbol: str
    interval: Interval
    has_sessions: bool | None = None
    breaks: Breaks | None = None
    zone: str | None = None
    bridge: int = 0
    origin: Origin | None = None
    clock: TradingClock = None  # type: ignore[assignment]  # settled in __post_init__ where it is not given

    def __post_init__(self) -> None:
        missing = [name for name in intake.COLUMNS if name not in getattr(self.frame, "columns", ())]
        if missing or not isinstance(self.interval, Interval):
            raise CandleError(
                f"Candles(...) of a {type(self.frame).__name__} "
                + (f"without {missing[0]}" if missing else f"whose interval is {self.interval!r}"),
                expected="a Polars table as candles have it, and an Interval",
                remedy='Use Candles.from_frame(frame, interval="1d", symbol="BTCUSDT")',
            )
        given = {"has_sessions": self.has_sessions, "breaks": self.breaks, "zone": self.zone}
        clock = self.clock or sessions.settle(self.frame["open_time"], self.interval, **given)
        clock = clock.updated(**given)
        for name in ("has_sessions", "breaks", "zone"):
            object.__setattr__(self, name, getattr(clock, name))
        object.__setattr__(self, "clock", clock)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        interval: str | Interval | None = None,
        symbol: str | None = None,
        zone: str | None = None,
        has_sessions: bool | None = None,
        clock: TradingClock | str | None = None,
        dates: str | None = None,
        decimal: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Candles:
        """Candles from a pandas or Polars frame.

        Columns are found by their usual names (`open_time`, `time`, `timestamp`, `Date`, ..., `Open`, `High`, ...), or as
        `columns` says, such as {"open": "OpnPric"}; pandas indices of times and symbols count as columns. Of several
        symbols, in rows or in levels of the columns, `symbol` takes one. Numbers in the time column are seconds,
        milliseconds, microseconds or nanoseconds since 1970, by their size. Times without a zone are in `zone`.
        Whole dates, and times that are all midnight where they were written, name days and need none: a day opens at
        00:00 UTC. `dates` is the order of dates in text ("ymd", "dmy", "mdy") where they do not prove it, `decimal` the
        decimal mark of numbers in text. `interval` is the most common step when not given, and `has_sessions` what the
        table shows. Without a column of volume it is NaN; newest-first frames are reversed.

        `clock` declares the market's hours, as a `TradingClock` or its text form ("09:30-16:00 America/New_York", "always");
        where it is not given, it is found in the times, with `zone` as the first guess.

        Raises CandleError for missing columns, unreadable values, times without zone, several readings, or fewer than two
        rows; ConfigError for a clock that cannot be read.
        """
        require_threads()
        clock = TradingClock.parse(clock) if isinstance(clock, str) else clock
        options = Options(interval, symbol, zone, dates, decimal, columns or {})
        table, understood = intake.market_table(frame, options, what=symbol or "asset")
        name, hint = symbol or understood.symbol or "asset", zone if has_sessions is not False else None
        if clock is None:
            opened = table["open_time"]
            clock = sessions.settle(opened, understood.interval, has_sessions=has_sessions, hint=hint)
        return cls(table, name, understood.interval, has_sessions, clock=clock)

    def __len__(self) -> int:
        return self.frame.height

    def __getitem__(self, rows: slice) -> Candles:
        """A contiguous part, sharing memory: `candles[100:200]`."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise CandleError(
                f"candles cannot be indexed with {rows!r}",
                expected="a slice without step",
                remedy="Use candles[a:b], or candles.frame for anything else",
            )
        return replace(self, frame=self.frame[rows])

    def __repr__(self) -> str:
        if not len(self):
            return f"Candles({self.symbol} {self.interval}, empty)"
        first, last = self.frame["open_time"][0], self.frame["close_time"][-1]
        bars = count(len(self), "bar")
        clock = f"; {self.clock}" if self.zone is not None else ""
        return f"Candles({self.symbol} {self.interval}, {bars}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC{clock})"

    def _repr_html_(self) -> str:
        """The first and the last bars, for notebooks."""
        names = self.frame.columns
        written = {name: price if name in ("open", "high", "low", "close") else significant for name in names[2:]}
        return notebook_ends(repr(self), self.frame, written=written)

    @cached_property
    def open(self) -> np.ndarray:
        """Opening prices, float64, shape (time,), read-only. `high`, `low`, `close` and `volume` likewise."""
        return self._column("open")

    @cached_property
    def high(self) -> np.ndarray:
        """Highest prices; see `open`."""
        return self._column("high")

    @cached_property
    def low(self) -> np.ndarray:
        """Lowest prices; see `open`."""
        return self._column("low")

    @cached_property
    def close(self) -> np.ndarray:
        """Closing prices; see `open`."""
        return self._column("close")

    @cached_property
    def volume(self) -> np.ndarray:
        """Traded volume, in base currency or shares; see `open`."""
        return self._column("volume")

    @cached_property
    def quote_volume(self) -> np.ndarray:
        """Value traded, in quote currency; NaN where it is not given; see `open`."""
        return self._column("quote_volume")

    @cached_property
    def trades(self) -> np.ndarray:
        """Number of trades; NaN where it is not given; see `open`."""
        return self._column("trades")

    @cached_property
    def taker_volume(self) -> np.ndarray:
        """Of the volume, that of trades in which the buyer crossed the spread; NaN where it is not given; see `open`."""
        return self._column("taker_volume")

    @property
    def activity(self) -> tuple[str, ...]:
        """Which of `quote_volume`, `trades` and `taker_volume` the candles have."""
        return tuple(name for name in intake.ACTIVITY if name in self.frame.columns)

    def with_activity(self, **columns: Any) -> Candles:
        """The same candles with `quote_volume`, `trades` or `taker_volume`, one number for each bar (NaN where not known).

        Raises ConfigError for other names and for anything but a number for each bar.
        """
        for name, values in columns.items():
            numbers = None
            if name not in intake.ACTIVITY:
                wrong = f"{name} is no column of candles"
            else:
                try:
                    numbers = np.asarray(values, dtype=np.float64)
                    wrong = f"{name} has shape {numbers.shape}"
                except (TypeError, ValueError) as error:
                    wrong = f"{name} holds what is no number ({said(error)})"
            if numbers is None or numbers.shape != (len(self),):
                raise ConfigError(
                    wrong,
                    expected=f"{', '.join(intake.ACTIVITY)}, of {len(self):,} numbers",
                    remedy="Use for example candles.with_activity(trades=counts)",
                )
        given = [pl.Series(name, np.asarray(columns[name], np.float64)) for name in intake.ACTIVITY if name in columns]
        return replace(self, frame=self.frame.with_columns(given))

    @cached_property
    def open_time(self) -> np.ndarray:
        """Start of each bar in UTC, datetime64[us], shape (time,), read-only."""
        return self._time("open_time")

    @cached_property
    def close_time(self) -> np.ndarray:
        """End of each bar in UTC, the moment at which the bar is knowable; see `open_time`."""
        return self._time("close_time")

    @cached_property
    def local_time(self) -> np.ndarray:
        """What the market's own clock shows as each bar opens, datetime64[us] without a zone; see `open_time`."""
        times = local_time(self.frame["open_time"], self.zone).astype("datetime64[us]")
        times.flags.writeable = False
        return times

    @cached_property
    def bars_per_year(self) -> float:
        """Bars in a year as this table has them (about 252 for US stocks by day, 8,766 for crypto by hour)."""
        if len(self) < 2:
            return YEAR_SECONDS / self.interval.seconds
        elapsed = (self.close_time[-1] - self.open_time[0]) / np.timedelta64(1, "s")
        return len(self) / elapsed * YEAR_SECONDS

    @cached_property
    def segments(self) -> np.ndarray:
        """Number of gaps before each bar, int64, shape (time,): bars with equal numbers follow each other unbroken.

        Closing hours, weekends and holidays of a market with sessions are no gaps. Bridged gaps are not counted.
        """
        return gaps.segments(self)

    @cached_property
    def has_ended(self) -> bool:
        """Whether the series is known to have ended with the last bar, as the store knows of a delisted symbol.

        That is so where `origin.ended` names the end of the series, and no later bar could close until then; the last bar of
        a table alone never says it.
        """
        ended = self.origin.ended if self.origin else None
        if ended is None or not len(self):
            return False
        return self.interval.next(self.frame["close_time"][-1]) > datetime.fromisoformat(ended.at)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of symbol, interval, trading hours, whether the series has ended, and every value, as hexadecimal text:
        names this very data.
        """
        hours: tuple[object, ...] = (self.has_sessions, self.breaks, self.zone, self.bridge)
        if self.clock.day_start or self.clock.closure == 0:  # the session says where a day ends, and so where gaps are
            hours = (*hours, self.clock.session)
        hours = (*hours, "ended") if self.has_ended else hours
        digest = hashlib.sha256(f"{self.symbol} {self.interval} {hours}".encode())
        for name in (*intake.COLUMNS, *self.activity):
            digest.update(np.ascontiguousarray(self.frame[name].to_numpy()).tobytes())
        return digest.hexdigest()

    @cached_property
    def _report(self) -> issues.CandleReport:
        return issues.check(self)

    @cached_property
    def is_repeated(self) -> np.ndarray:
        """Bool (time,): the bar belongs to a stretch that occurred before; see `candles.repeats`. Retrospective."""
        return repeats.is_repeated(self)

    @cached_property
    def _is_sound(self) -> bool:
        return not any(mask.any() for mask in issues.fatal_bars(self).values())

    def check(self) -> issues.CandleReport:
        """List gaps, duplicates, off-grid and impossible bars. Nothing is changed."""
        return self._report

    def require_sound(self) -> Candles:
        """These candles, when nothing but gaps and quiet bars was found in them; raises CandleError otherwise."""
        require_threads()
        if not self._is_sound:  # the report looks for notices too, and takes ten times as long
            self._report.raise_if_unsound()
        return self

    def with_max_gap(self, bars: int) -> Candles:
        """The same candles, with gaps of at most `bars` bars counted as none: windows may then straddle them.

        `check()` still lists them. Raises ConfigError for anything but a whole number of 0 or more.

        >>> from candlecast.sources import synthetic
        >>> hourly = synthetic.random_walk(100, seed=1, interval="1h").candles
        >>> gapped = replace(hourly, frame=hourly.frame[[*range(50), *range(52, 100)]])
        >>> int(gapped.segments[-1]), int(gapped.with_max_gap(2).segments[-1]), gapped.with_max_gap(2).check().missing
        (1, 0, 2)
        """
        if not is_whole(bars, 0):
            raise ConfigError(
                f"bars is {bars!r}",
                expected="a whole number of 0 or more",
                remedy="Use for example candles.with_max_gap(3)",
            )
        return replace(self, bridge=bars)

    def mended(
        self,
        repair: mend.Mend | None = None,
        *,
        sort: bool = False,
        max_gap: int | None = None,
        bridge: int | None = None,
    ) -> Candles:
        """The same candles with the issues repaired that are asked for; each change is counted in `origin.changes`.

        In this order: `sort` puts the bars in order of time. `repair="drop"` leaves out the bars with fatal issues (of bars
        that repeat a time with the same values one stays, of bars with different values none), `"clip"` moves low and high
        out to hold open and close and sets negative volumes to 0. `max_gap` keeps the longest stretch without a gap of
        more bars. `bridge` counts gaps of at most so many bars as none (`with_max_gap`).

        Raises ConfigError for other values, CandleError when no bar would be left.

        >>> from candlecast.sources import synthetic
        >>> hourly = synthetic.random_walk(5, seed=1, interval="1h").candles
        >>> mended = replace(hourly, frame=hourly.frame[[4, 3, 2, 1, 1, 0]]).mended("drop", sort=True)
        >>> [str(change) for change in mended.origin.changes]
        ['6 bars put in order of time (they were newest first)', '1 bar dropped (the same bar again)']
        """
        candles, changes = mend.mend(self, repair, sort=sort, max_gap=max_gap, bridge=bridge)
        for change in changes:
            candles = candles.recorded(change)
        return candles

    def with_real_jumps(self) -> Candles:
        """The same candles, whose jumps like splits, and new price levels after long gaps, are declared to be moves of the
        market; counted in `origin.changes`.

        Without that there is no verdict on candles that jump as after a split that was not adjusted, and no model is trained
        across a gap after which the symbol seems to be another asset's.
        """
        jumps, levels = len(self.check().jumps), len(issues.find_reuses(self))
        words = "jumps like splits" + (" and new price levels after gaps" if levels else "")
        return self.recorded(mend.Change("accepted", jumps + levels, f"{words}, as moves of the market"))

    def require_one_asset(self) -> Candles:
        """These candles, unless the price is at another level after a long gap, as when a symbol is given to another asset.

        Raises CandleError, which names the bar; `with_real_jumps` declares that it is one asset.
        """
        is_accepted = self.origin is not None and any(change.kind == "accepted" for change in self.origin.changes)
        found = [] if is_accepted else issues.find_reuses(self)
        if found:
            time, detail = found[-1]["first"], found[-1]["detail"]
            raise CandleError(
                f"{self.symbol} may be another asset from {time:%Y-%m-%d %H:%M} UTC on: {detail}",
                expected="candles of one asset to train on",
                remedy=f'Take the later bars, candles[{found[-1]["row"]}:] (since="{time:%Y-%m-%dT%H:%M}"), or declare that it '
                "is one asset with candles.with_real_jumps()",
            )
        return self

    def recorded(self, change: mend.Change) -> Candles:
        """The same candles with one more change in `origin.changes`, for those who made it."""
        origin = self.origin or Origin("table")
        return replace(self, origin=replace(origin, changes=(*origin.changes, change)))

    def resample(self, interval: str | Interval, *, zone: str | None = None) -> Candles:
        """Longer candles from these (weeks start on Monday); a partial bar is never made.

        On the grid of the market's clock: days and weeks begin with its trading day (17:00 or 18:00 in New York where the
        session goes through midnight), shorter bars with its session where the clock has a zone, and else at 00:00 UTC.
        With a `zone` such as "America/New_York", in days and weeks of that zone from midnight. Days in a zone have 23 or 25
        hours when daylight saving begins or ends. Candles that open off the grid, as at half past, keep their offset
        where they would cross the end of a long bar. A long bar with a gap in it is not made, unless it is bridged; the
        last bar of a session may hold less than its interval, as `check()` says.

        Raises ConfigError when the long bars cannot be made of whole short ones, CandleError for unsound candles.
        """
        interval = Interval.parse(interval)
        frame = resample.resample(self.require_sound(), interval, zone)
        clock = self.clock
        if zone not in (None, self.zone):
            clock = TradingClock(zone, clock.has_sessions)
        elif interval.microseconds >= DAY:
            start = clock.day_start
            clock = replace(clock, breaks=(), session=(start, start) if start else None)
        return self._changed(frame, clock, interval=interval)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame indexed by `open_time`."""
        return self.frame.to_pandas().set_index("open_time")

    def on_clock(self, clock: TradingClock | str) -> Candles:
        """The same candles on another trading clock, a `TradingClock` or its text form. Raises ConfigError.

        >>> from candlecast.sources import sample
        >>> str(sample("sp500").on_clock("09:30-16:00 America/New_York").clock)
        '09:30-16:00 America/New_York'
        """
        return self._changed(self.frame, TradingClock.parse(clock) if isinstance(clock, str) else clock)

    def _changed(self, frame: pl.DataFrame, clock: TradingClock, **fields: Any) -> Candles:
        kept = {name: getattr(clock, name) for name in ("has_sessions", "breaks", "zone")}
        return replace(self, frame=frame, clock=clock, **kept, **fields)

    def _column(self, name: str) -> np.ndarray:
        values = self.frame[name].to_numpy() if name in self.frame.columns else np.full(len(self), np.nan)
        values.flags.writeable = False
        return values

    def _time(self, name: str) -> np.ndarray:
        values = self.frame[name].cast(pl.Int64).to_numpy().view("datetime64[us]")  # faster than to drop the zone
        values.flags.writeable = False
        return values
