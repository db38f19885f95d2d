"""`ClosedBarStream`: closed bars by a stream, and by REST whatever was missed; what streams of all exchanges share."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, final

from candlecast.errors import UnknownSymbolError
from candlecast.interval import Interval
from candlecast.parameters import require_parameters
from candlecast.sources.feed import Batch, Notice, Seen
from candlecast.sources.filling import Pages, missed, standing
from candlecast.sources.source import Source

LONGEST_LIFE = 23 * 3_600.0  # seconds; exchanges end a connection after 24 hours; it is renewed before
CLOCK_SECONDS = 1.0  # the machine's clock may be off by so much
SECONDS = ("grace_seconds", "silent_seconds", "beat_seconds", "first_wait_seconds", "longest_wait_seconds")
Quote = tuple[float, float]
NO_QUOTE: Quote = (math.nan, math.nan)


class Heard(NamedTuple):
    """What one message said: a bar that has closed, the best bid and ask, or when the newest bar opened, before which all
    have closed; None for what it did not say.
    """

    bar: Seen | None = None
    quote: Quote | None = None
    opened: datetime | None = None


Receive = Callable[[float], list[Heard] | None]  # waits so many seconds; None when no message came


class LostError(Exception):
    """A connection that is no more."""


@dataclass
class State:
    """What a stream knows of the moment."""

    offset: timedelta = timedelta(0)
    is_off: bool = False
    closing: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class ClosedBarStream(ABC):
    """Closed bars of a symbol as an exchange sends them, with the best bid and ask.

    After each connection, and whenever a bar is overdue by `grace_seconds`, the bars that were missed are asked of REST. A
    connection that is lost, silent for `silent_seconds` or a day old is made anew, after a wait that grows up to
    `longest_wait_seconds`. Times are those of the exchange's clock, whatever the machine's shows.

    url: of the streams; that of the exchange when None.
    beat_seconds: after so long without a bar an empty batch is given.
    """

    symbol: str
    interval: Interval
    url: str | None = None
    grace_seconds: float = 5.0
    silent_seconds: float = 120.0
    beat_seconds: float = 1.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    _state: State = field(default_factory=State, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_parameters(self, {name: (getattr(self, name) > 0, "seconds above 0") for name in SECONDS})

    @property
    @abstractmethod
    def asked(self) -> Source:
        """The source that is asked for missed bars."""

    @abstractmethod
    def machine_now(self) -> datetime:
        """The time of this machine's clock."""

    @abstractmethod
    def exchange_now(self) -> datetime | None:
        """The time that the exchange states; None when it gives none."""

    @abstractmethod
    def connected(self) -> AbstractContextManager[Receive]:
        """A connection to the stream. Raises LostError, as its function does, and UnknownSymbolError."""

    @abstractmethod
    def pages(self) -> Pages:
        """Where missed bars come from: a source that goes by the exchange's clock, whatever the machine's shows."""

    @property
    def name(self) -> str:
        """That of the source."""
        return self.asked.name

    @final
    def now(self) -> datetime:
        """The time of the exchange's clock, as far as it is known."""
        return self.machine_now() + self._state.offset

    @final
    def close(self) -> None:
        """End `batches`."""
        self._state.closing.set()

    @final
    def batches(self, since: datetime) -> Iterator[Batch]:
        """See `Feed.batches`."""
        wanted, failures = since, 0
        while not self._state.closing.is_set():
            batch: list[Seen | Notice] = self._clock_notice()
            bars, ended = self._filled(wanted)
            wanted = self._after(bars, wanted)
            yield [*batch, *bars, *ended]
            if is_delisted(ended):
                return
            try:
                with self.connected() as receive:
                    failures = 0
                    yield [Notice("connected", self.now(), f"connected to the stream of {self.name}")]
                    for given in self._received(receive, wanted):
                        wanted = self._after([each for each in given if isinstance(each, Seen)], wanted)
                        yield given
                        if is_delisted(given):
                            return
            except UnknownSymbolError as error:
                yield [Notice("delisted", self.now(), f"{self.symbol} is no longer listed: {error.wrong}")]
                return
            except LostError as error:
                if self._state.closing.is_set():
                    return
                failures += 1
                yield [Notice("disconnected", self.now(), f"the stream of {self.name} broke off ({error})")]
                wait = min(self.first_wait_seconds * 2.0 ** min(failures - 1, 30), self.longest_wait_seconds)
                self._state.closing.wait(wait)

    def joined(self, wanted: datetime, bar: Seen) -> list[Seen | Notice]:
        """A bar of the stream, with those before it that never came; `wanted` is when the next bar opens."""
        if bar.open_time <= wanted:
            return [bar]
        bars, ended = self._filled(wanted, before=bar.open_time)
        return [*bars, *ended, bar]

    def _received(self, receive: Receive, wanted: datetime) -> Iterator[Batch]:
        """Batches of one connection, first whatever closed while it was made. Ends, or raises LostError, when it does."""
        began = last = time.monotonic()
        asked_at = self.now()
        bars, ended = self._filled(wanted)
        wanted = self._after(bars, wanted)
        if bars or ended:
            yield [*bars, *ended]
        is_told, quote, beat = False, NO_QUOTE, began
        while not self._state.closing.is_set():
            heard = receive(self.beat_seconds)
            now = self.now()
            if heard is not None:
                last = time.monotonic()
                batch, wanted, quote = self._told(heard, wanted, quote)
                if batch:
                    is_told = False
                    yield batch
                    beat = time.monotonic()
            overdue = (now - self.interval.next(wanted)).total_seconds()
            given: list[Seen | Notice] = []
            if overdue > self.grace_seconds and (now - asked_at).total_seconds() > self.grace_seconds:
                asked_at = now
                bars, ended = self._filled(wanted)
                bars = [replace(bar, bid=quote[0], ask=quote[1]) for bar in bars]
                wanted, given = self._after(bars, wanted), [*bars, *ended]
                if not bars and not is_told and overdue > 2 * self.interval.seconds:
                    state = standing(self.asked, self.symbol)
                    if state in ("halted", "delisted"):
                        is_told = True
                        given.append(Notice(state, now, f"{self.symbol} is {state} at {self.name}"))
            if given or time.monotonic() - beat >= self.beat_seconds:  # however many messages bring no bar
                yield given
                beat = time.monotonic()
            if time.monotonic() - began > LONGEST_LIFE:
                return
            if time.monotonic() - last > self.silent_seconds:
                raise LostError(f"silent for {self.silent_seconds:g} s")

    def _told(self, heard: list[Heard], wanted: datetime, quote: Quote) -> tuple[list[Seen | Notice], datetime, Quote]:
        """The bars of a message, and what is wanted and quoted after it."""
        batch: list[Seen | Notice] = []
        for each in heard:
            quote = each.quote or quote
            if each.opened is not None and each.opened > wanted:  # bars closed while the connection was made
                bars, ended = self._filled(wanted, before=each.opened)
                batch += [*(replace(bar, bid=quote[0], ask=quote[1]) for bar in bars), *ended]
                wanted = self._after(bars, wanted)
            if each.bar is not None:
                bar = replace(each.bar, bid=quote[0], ask=quote[1])
                batch += self.joined(wanted, bar)
                wanted = max(wanted, self.interval.next(bar.open_time))
        return batch, wanted, quote

    def _filled(self, wanted: datetime, *, before: datetime | None = None) -> tuple[list[Seen], list[Notice]]:
        bars, notice = missed(self.pages(), self.symbol, self.interval, wanted, how="rest", now=self.now)
        chosen = bars if before is None else [bar for bar in bars if bar.open_time < before]
        return chosen, [] if notice is None else [notice]

    def _after(self, bars: list[Seen], wanted: datetime) -> datetime:
        return max([wanted, *(self.interval.next(bar.open_time) for bar in bars)])

    def _clock_notice(self) -> list[Seen | Notice]:
        """Take the time of the exchange, and say when the machine's clock is off, or right again."""
        told = self.exchange_now()
        if told is None:
            return []
        self._state.offset = told - self.machine_now()
        seconds = self._state.offset.total_seconds()
        was, self._state.is_off = self._state.is_off, abs(seconds) > CLOCK_SECONDS
        if self._state.is_off and not was:
            side = "behind" if seconds > 0 else "ahead of"
            words = (
                f"the clock of this machine is {abs(seconds):,.1f} s {side} that of {self.name}, which is used instead"
            )
            return [Notice("clock wrong", self.now(), words)]
        if was and not self._state.is_off:
            return [Notice("clock right", self.now(), "the clock of this machine is right again")]
        return []


def is_delisted(batch: Batch | list[Notice]) -> bool:
    """Whether a batch says that the symbol is no longer listed."""
    return any(isinstance(each, Notice) and each.kind == "delisted" for each in batch)


def why(error: Exception) -> str:
    """An error of a library in a few words."""
    return f"{type(error).__name__}: {str(error)[:100]}"
