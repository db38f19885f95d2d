"""`Polling`: a source without a stream as a feed: it is asked for closed bars when the next one is due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from candlecast.interval import Interval
from candlecast.parameters import require_parameters
from candlecast.sources.feed import Batch, Notice
from candlecast.sources.filling import missed, standing
from candlecast.sources.source import Source, utc_now


@dataclass(frozen=True)
class Polling:
    """Closed bars of any source, asked for after each close and then once a `poll_seconds` until the bar is there.

    source, symbol, interval: what is asked for.
    after_seconds: after the close, before the first question: vendors need a moment.
    poll_seconds: between two questions; keep it within the vendor's limits (Alpha Vantage: 25 requests a day for free keys,
        hence 3,600 s or more for those).
    """

    source: Source
    symbol: str
    interval: Interval
    after_seconds: float = 3.0
    poll_seconds: float = 30.0
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_parameters(
            self,
            {
                "after_seconds": (self.after_seconds >= 0, "seconds of 0 or more"),
                "poll_seconds": (self.poll_seconds > 0, "seconds above 0"),
            },
        )

    @property
    def name(self) -> str:
        """That of the source."""
        return self.source.name

    def now(self) -> datetime:
        """The time of this machine."""
        return self.clock()

    def close(self) -> None:
        """End `batches`."""
        self._closing.set()

    def batches(self, since: datetime) -> Iterator[Batch]:
        """See `Feed.batches`."""
        wanted, is_told = since, False
        while not self._closing.is_set():
            bars, notice = missed(self.source.pages, self.symbol, self.interval, wanted, how="poll", now=self.now)
            if bars:
                wanted, is_told = self.interval.next(bars[-1].open_time), False
            batch: list = [*bars, *([] if notice is None else [notice])]
            overdue = self.now() - self.interval.next(wanted)
            if not bars and not is_told and overdue > 2 * timedelta(seconds=self.interval.seconds):
                state = standing(self.source, self.symbol)
                if state in ("halted", "delisted"):
                    is_told = True
                    batch.append(Notice(state, self.now(), f"{self.symbol} is {state} at {self.name}"))
            yield batch
            if any(isinstance(each, Notice) and each.kind == "delisted" for each in batch):
                return
            due = (self.interval.next(wanted) - self.now()).total_seconds() + self.after_seconds
            self._closing.wait(min(due, self.poll_seconds) if due > 0 else self.poll_seconds)
