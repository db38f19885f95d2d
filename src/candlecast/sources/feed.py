"""What a feed is: closed bars, oldest first, as they become known, and what happened to them; and `Tape`, recorded candles."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.parameters import is_number, is_whole

Happening = Literal[
    "connected",
    "disconnected",
    "missing",
    "revised",
    "late",
    "halted",
    "delisted",
    "clock wrong",
    "clock right",
    "back in time",
    "refused",
]


@dataclass(frozen=True)
class Seen:
    """A closed bar as it was seen.

    `received_at`: when it was known here, by the exchange's clock where that is known. `how` it came: "stream", "rest",
    "poll" or "tape". `bid` and `ask`: the best prices seen last, NaN where there are none.
    """

    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    received_at: datetime
    how: str = "tape"
    bid: float = math.nan
    ask: float = math.nan

    @property
    def values(self) -> tuple[float, float, float, float, float]:
        """Open, high, low, close and volume."""
        return self.open, self.high, self.low, self.close, self.volume


@dataclass(frozen=True)
class Notice:
    """An event of a feed, described by the sentence `detail`.

    `bar` is the bar it is about, such as the revised one, or the one before which bars are missing; `bars` is their number.
    """

    kind: Happening
    at: datetime
    detail: str
    bar: Seen | None = None
    bars: int = 1


Batch = Sequence[Seen | Notice]


class Feed(Protocol):
    """Closed bars of one symbol and interval as they become known."""

    @property
    def name(self) -> str:
        """Where they come from, such as "binance"."""
        ...

    @property
    def symbol(self) -> str:
        """The asset."""
        ...

    @property
    def interval(self) -> Interval:
        """Length of a bar."""
        ...

    def batches(self, since: datetime) -> Iterator[Batch]:
        """All closed bars that open at `since` or later, oldest first and none unfinished, with notices between them.

        What is known at once comes together. A live feed gives an empty batch every few seconds in which nothing came, and
        ends only when the symbol does; a tape ends with its last bar. What was missed while disconnected comes before what
        is new.
        """
        ...

    def now(self) -> datetime:
        """The time of the feed: that of the exchange where it is known, that of the last bar for a tape."""
        ...

    def close(self) -> None:
        """Let go of connections; `batches` ends."""
        ...


@dataclass(frozen=True)
class Tape:
    """Recorded candles as a feed: each bar is seen at its close.

    candles: to be played.
    pause_seconds: between two batches; 0 for as fast as possible.
    together: bars that are given at once. What comes of them does not depend on it.

    >>> from candlecast.sources import synthetic
    >>> tape = Tape(synthetic.random_walk(5, seed=1).candles, together=2)
    >>> [len(batch) for batch in tape.batches(tape.candles.frame["open_time"][1])]
    [2, 2]
    """

    candles: Candles
    pause_seconds: float = 0.0
    together: int = 256
    _at: list[datetime] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.candles, Candles):
            raise ConfigError(
                f"candles of a tape are of type {type(self.candles).__name__}",
                expected="Candles",
                remedy='Use for example Tape(cc.sample("sp500"))',
            )
        if not is_number(self.pause_seconds) or not self.pause_seconds >= 0 or not is_whole(self.together):
            raise ConfigError(
                f"pause_seconds is {self.pause_seconds!r} and together {self.together!r}",
                expected="seconds of 0 or more, and a whole number of bars",
                remedy="Leave them out to play as fast as possible",
            )
        self.candles.require_sound()

    @property
    def name(self) -> str:
        """`tape`."""
        return "tape"

    @property
    def symbol(self) -> str:
        """The asset of the candles."""
        return self.candles.symbol

    @property
    def interval(self) -> Interval:
        """The interval of the candles."""
        return self.candles.interval

    def batches(self, since: datetime) -> Iterator[Batch]:
        """See `Feed.batches`."""
        frame = self.candles.frame
        rows = frame.filter(frame["open_time"] >= since).rows()
        for first in range(0, len(rows), self.together):
            if first and self.pause_seconds:
                time.sleep(self.pause_seconds)
            part = rows[first : first + self.together]
            self._at[:] = [part[-1][1]]
            yield [Seen(row[0], *row[2:], received_at=row[1]) for row in part]

    def now(self) -> datetime:
        """The close of the last bar that was played."""
        return self._at[0] if self._at else self.candles.frame["open_time"][0]

    def close(self) -> None:
        """Nothing to let go of."""


def is_late(bar: Seen, close_time: datetime, interval: Interval, *, share: float) -> bool:
    """Whether a bar was seen later after its close than a share of the interval, so that the next open had gone by.

    >>> from datetime import UTC
    >>> hour = Interval.parse("1h")
    >>> bar = Seen(datetime(2024, 1, 1, tzinfo=UTC), 1, 1, 1, 1, 1, received_at=datetime(2024, 1, 1, 1, 7, tzinfo=UTC))
    >>> is_late(bar, datetime(2024, 1, 1, 1, tzinfo=UTC), hour, share=0.1)
    True
    """
    return bar.received_at - close_time > timedelta(seconds=share * interval.seconds)


def half_spread(bid: float, ask: float) -> float:
    """Half the spread as a fraction of the middle price; NaN where no prices were seen, or they cross.

    >>> half_spread(99.0, 101.0)
    0.01
    """
    return (ask - bid) / (ask + bid) if 0.0 < bid <= ask else math.nan
