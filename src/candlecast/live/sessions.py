"""`PaperSessions`: several runs traded on paper in one process, each with its own journal."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from candlecast.live.events import PaperEvent
from candlecast.live.session import PaperSession
from candlecast.live.stepping import finished, together
from candlecast.sources.feed import Batch, Feed, Seen, Tape

WAITING = 4  # batches of a feed that may wait
CAUGHT_UP = ("rest", "poll", "tape")


@dataclass
class _Group:
    """Sessions that read one feed; `starts` is when the first bar opens that each of them wants."""

    feed: Feed
    sessions: list[PaperSession]
    starts: list[datetime] = field(default_factory=list)
    waiting: queue.Queue[Batch | BaseException | None] = field(default_factory=lambda: queue.Queue(WAITING))

    @property
    def since(self) -> datetime:
        return min(self.starts)


class PaperSessions:
    """Paper sessions that go on together: iterate over them to run them; `event.session` is the name of each event's session.

    One feed is read for sessions of the same bars. What is there at once is acted on together, so that nets of one shape
    step in one call. A session that is stopped, or whose `until` has come, ends alone.

    >>> import candlecast as cc, tempfile
    >>> candles = cc.synthetic.ar1(300, seed=1, phi=0.3).candles
    >>> models = cc.LinearRegression(), cc.LinearRegression(window=2)
    >>> studies = [cc.Study(model=each, features=cc.Features(cc.log_return()), baselines=()) for each in models]
    >>> results = [each.run(candles, ledger=cc.Ledger.in_memory()) for each in studies]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     feeds = [cc.Tape(candles[150:160]) for _ in results]
    ...     sessions = cc.paper(results, feed=feeds, session=[f"{folder}/one", f"{folder}/two"])
    ...     bars = [event.session for event in sessions if event.kind == "bar"]
    >>> bars.count("one"), bars.count("two")
    (10, 10)
    """

    def __init__(self, sessions: tuple[PaperSession, ...]) -> None:
        self.sessions = sessions
        groups: dict[object, _Group] = {}
        for session in sessions:
            group = groups.setdefault(_bars_of(session.feed), _Group(session.feed, []))
            group.sessions.append(session)
        self._groups = list(groups.values())
        self._closing = threading.Event()

    def __iter__(self) -> Iterator[PaperEvent]:
        """Run the sessions until each has ended; may be left at any event."""
        try:
            known = {id(session): session.begun() for session in self.sessions}
            yield from self._acted([(session, known[id(session)]) for session in self.sessions if known[id(session)]])
            for group in self._groups:
                group.starts = [session.wanted for session in group.sessions]
            is_live = not all(isinstance(group.feed, Tape) for group in self._groups)
            for batches in self._received() if is_live else self._played():
                works = []
                for place, batch in batches.items():
                    group = self._groups[place]
                    for session, start in zip(group.sessions, group.starts, strict=True):
                        own = _from(batch, start)
                        session.keep(own)
                        works.append((session, own))
                yield from self._acted(works)
                if self._ended():
                    return
        finally:
            self.close()

    def close(self) -> None:
        """End all sessions and their feeds; they can be begun again."""
        self._closing.set()
        for group in self._groups:
            group.feed.close()
        for session in self.sessions:
            session.close()

    def _acted(self, works: Sequence[tuple[PaperSession, Batch]]) -> Iterator[PaperEvent]:
        """What several sessions do with what came, and the events of each."""
        results = finished(together([session.acting(batch) for session, batch in works]))
        for (session, _), events in zip(works, results, strict=True):
            yield from session.told(events)

    def _ended(self) -> bool:
        """Let go of sessions that are over; whether none is left."""
        for group in self._groups:
            going = [pair for pair in zip(group.sessions, group.starts, strict=True) if not pair[0].is_over]
            for session in group.sessions:
                if session not in [each for each, _ in going]:
                    session.release()
            if group.sessions and not going:
                group.feed.close()
            group.sessions, group.starts = [each for each, _ in going], [start for _, start in going]
        return not any(group.sessions for group in self._groups)

    def _played(self) -> Iterator[Mapping[int, Batch]]:
        """The batches of tapes, one of each at a time, so that nothing depends on threads."""
        playing = {place: iter(group.feed.batches(group.since)) for place, group in enumerate(self._groups)}
        while playing:
            found = {place: next(batches, None) for place, batches in playing.items()}
            playing = {place: batches for place, batches in playing.items() if found[place] is not None}
            yield {place: batch for place, batch in found.items() if batch is not None}

    def _received(self) -> Iterator[Mapping[int, Batch]]:
        """The batches of live feeds, each read by a thread of its own; those that are there at once come together."""
        arrived: queue.Queue[int] = queue.Queue()
        threads = [
            threading.Thread(target=self._read, args=(place, arrived), daemon=True, name="candlecast-feed")
            for place in range(len(self._groups))
        ]
        for thread in threads:
            thread.start()
        left = len(threads)
        while left:
            places = [arrived.get()]
            with suppress(queue.Empty):
                while True:
                    places.append(arrived.get_nowait())
            while places:
                found: dict[int, Batch] = {}
                later: list[int] = []
                for place in places:
                    if place in found:
                        later.append(place)
                        continue
                    batch = self._groups[place].waiting.get()
                    if isinstance(batch, BaseException):
                        raise batch
                    if batch is None:
                        left -= 1
                    else:
                        found[place] = batch
                if found:
                    yield found
                places = later

    def _read(self, place: int, arrived: queue.Queue[int]) -> None:
        """Hand over a feed's batches, and then what ended it: None, or what it raised."""
        group, last = self._groups[place], None
        try:
            for batch in group.feed.batches(group.since):
                if not self._handed_over(group, batch):
                    return
                arrived.put(place)
        except BaseException as error:  # raised again where the sessions are iterated over
            last = error
        if self._handed_over(group, last):
            arrived.put(place)

    def _handed_over(self, group: _Group, what: Batch | BaseException | None) -> bool:
        while not self._closing.is_set():
            with suppress(queue.Full):
                group.waiting.put(what, timeout=0.1)
                return True
        return False


def _bars_of(feed: Feed) -> object:
    """Equal for feeds of the same bars."""
    candles = id(feed.candles) if isinstance(feed, Tape) else None
    return type(feed), feed.name, feed.symbol, str(feed.interval), candles


def _from(batch: Batch, start: datetime) -> Batch:
    """A batch without the bars that a session had before another one that reads the same feed."""
    is_old = [isinstance(each, Seen) and each.how in CAUGHT_UP and each.open_time < start for each in batch]
    return [each for each, old in zip(batch, is_old, strict=True) if not old] if any(is_old) else batch
