"""`Candles`, the one market table: what it holds, how it is sliced, checked, resampled and handed out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.candles import faults, holes, intake, resample
from candlecast.errors import CandleError, ConfigError, is_whole
from candlecast.forking import require_threads
from candlecast.interval import Interval

if TYPE_CHECKING:
    import pandas as pd

YEAR_SECONDS = 31_556_952.0


@dataclass(frozen=True)
class Origin:
    """Where candles came from: the name of the source, and the store and its version if they were read from one."""

    source: str
    store: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return self.source if self.store is None else f"{self.source}, version {self.version} of {self.store}"


@dataclass(frozen=True, eq=False)
class Candles:
    """OHLCV bars of one symbol and interval, oldest first.

    `frame` has exactly the columns `open_time`, `close_time` (Datetime[us, UTC]; a bar covers the half-open range
    between them and is *knowable* at `close_time`), `open`, `high`, `low`, `close` (quote currency) and `volume`
    (base currency or shares), all Float64.

    When the market trades is settled once, and kept by slices and longer candles: `has_sessions` says whether it closes
    overnight and at weekends, `breaks` which stretches of the day it pauses in (lunch; microseconds of the UTC day).
    Where that is not told, it is taken from the table. `zone` is the zone whose days the bars are, if not UTC. Holes of
    at most `bridge` bars are counted as none. `origin` says where the candles came from, if that is known.

    Candles may hold faults, so that `check()` can list them; everything that computes on candles calls
    `require_sound()` first. Build them with `from_frame`, `read_csv`, `read_parquet`, `sample`, a source or a store.
    """

    frame: pl.DataFrame
    symbol: str
    interval: Interval
    has_sessions: bool | None = None
    breaks: holes.Breaks | None = None
    zone: str | None = None
    bridge: int = 0
    origin: Origin | None = None

    def __post_init__(self) -> None:
        require_threads()
        if self.has_sessions is None:
            object.__setattr__(self, "has_sessions", holes.infer_sessions(self))
        if self.breaks is None:
            object.__setattr__(self, "breaks", holes.infer_breaks(self) if self.has_sessions else ())

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        interval: str | Interval | None = None,
        symbol: str = "asset",
        zone: str | None = None,
        has_sessions: bool | None = None,
    ) -> Candles:
        """Candles from a pandas or Polars frame.

        Columns are found by their usual names (`open_time`, `time`, `timestamp`, `Date`, ..., `Open`, `High`, ...);
        a pandas time index counts as the time column. Numbers in the time column are seconds, milliseconds,
        microseconds or nanoseconds since 1970, told apart by size. Times without zone are taken in `zone`. Whole dates,
        and times that are all midnight where they were written, name days and need none: a day opens at 00:00 UTC.
        `interval` is the most common step when not given, and `has_sessions` what the table shows.

        Raises CandleError for missing columns, unreadable values, times without zone, or fewer than two rows.
        """
        require_threads()
        table, found = intake.market_table(frame, interval=interval, symbol=symbol, zone=zone)
        return cls(table, symbol, found, has_sessions)

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
        bars = f"{len(self):,} bar{'s' * (len(self) > 1)}"
        return f"Candles({self.symbol} {self.interval}, {bars}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC)"

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
    def open_time(self) -> np.ndarray:
        """Start of each bar in UTC, datetime64[us], shape (time,), read-only."""
        return self._time("open_time")

    @cached_property
    def close_time(self) -> np.ndarray:
        """End of each bar in UTC, the moment at which the bar is knowable; see `open_time`."""
        return self._time("close_time")

    @cached_property
    def bars_per_year(self) -> float:
        """Bars in a year as this table has them (about 252 for US stocks by day, 8,766 for crypto by hour)."""
        if len(self) < 2:
            return YEAR_SECONDS / self.interval.seconds
        elapsed = (self.close_time[-1] - self.open_time[0]) / np.timedelta64(1, "s")
        return len(self) / elapsed * YEAR_SECONDS

    @cached_property
    def segments(self) -> np.ndarray:
        """Number of holes before each bar, int64, shape (time,): bars with equal numbers follow each other unbroken.

        Closing hours, weekends and holidays of a market with sessions are no holes, nor are those that are bridged.
        """
        return holes.segments(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of symbol, interval, trading hours and every value, as hexadecimal text: names this very data."""
        hours = (self.has_sessions, self.breaks, self.zone, self.bridge)
        digest = hashlib.sha256(f"{self.symbol} {self.interval} {hours}".encode())
        for name in intake.COLUMNS:
            digest.update(np.ascontiguousarray(self.frame[name].to_numpy()).tobytes())
        return digest.hexdigest()

    @cached_property
    def _report(self) -> faults.CandleReport:
        return faults.check(self)

    def check(self) -> faults.CandleReport:
        """List gaps, duplicates, off-grid and impossible bars. Nothing is changed."""
        return self._report

    def require_sound(self) -> Candles:
        """These candles, when nothing but gaps and quiet bars was found in them; raises CandleError otherwise."""
        require_threads()
        self._report.raise_if_unsound()
        return self

    def bridged(self, bars: int) -> Candles:
        """The same candles, with holes of at most `bars` bars counted as none: windows may then straddle them.

        `check()` still lists them. Raises ConfigError for anything but a whole number of 0 or more.

        >>> from candlecast.sources import synthetic
        >>> hourly = synthetic.random_walk(100, seed=1, interval="1h").candles
        >>> holed = replace(hourly, frame=hourly.frame[[*range(50), *range(52, 100)]])
        >>> int(holed.segments[-1]), int(holed.bridged(2).segments[-1]), holed.bridged(2).check().missing
        (1, 0, 2)
        """
        if not is_whole(bars, 0):
            raise ConfigError(
                f"bars is {bars!r}", expected="a whole number of 0 or more", remedy="Use for example candles.bridged(3)"
            )
        return replace(self, bridge=bars)

    def resample(self, interval: str | Interval, *, zone: str | None = None) -> Candles:
        """Longer candles from these (weeks start on Monday); a partial bar is never made.

        On the UTC grid, or, with a `zone` such as "America/New_York", in days and weeks of that zone, which have 23 or 25
        hours when daylight saving begins or ends. Candles that open off the grid, as at half past, keep their offset
        where they would cross the end of a long bar. A long bar with a hole in it is not made, unless it is bridged.

        Raises ConfigError when the long bars cannot be made of whole short ones, CandleError for unsound candles.
        """
        interval, zone = Interval.parse(interval), zone or self.zone
        frame = resample.resample(self.require_sound(), interval, zone)
        breaks = self.breaks if interval.seconds < resample.DAY else ()
        return replace(self, frame=frame, interval=interval, zone=zone, breaks=breaks)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame indexed by `open_time`."""
        return self.frame.to_pandas().set_index("open_time")

    def _column(self, name: str) -> np.ndarray:
        values = self.frame[name].to_numpy()
        values.flags.writeable = False
        return values

    def _time(self, name: str) -> np.ndarray:
        values = self.frame[name].dt.replace_time_zone(None).to_numpy()
        values.flags.writeable = False
        return values
