"""`PaperSession`: a run traded on paper, bar by bar as a feed brings them, written down before anything else happens."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.backtesting.limits import Close, Limits, LimitState
from candlecast.candles import Candles
from candlecast.disk.exclusive import Exclusive
from candlecast.disk.files import reason
from candlecast.errors import RunError
from candlecast.live.classify import Classified, classified, impossible
from candlecast.live.events import Listener, PaperEvent, bar_content, bar_event, by_bar, none, notice_content
from candlecast.live.generations import Generation
from candlecast.live.journal import Arrivals, Journal
from candlecast.live.opening import NETS, candles_from, machinery, opened, require_same_session
from candlecast.live.retraining import Background, save_tensors
from candlecast.live.standing import standing_after
from candlecast.live.stepping import Work, finished
from candlecast.sources.feed import Batch, Feed, Seen, Tape, half_spread, is_late
from candlecast.store import Store
from candlecast.study.result import StudyResult
from candlecast.study.study import Study

logger = logging.getLogger(__name__)

LATE_SHARE = 0.1  # of the interval after a bar's close: an order decided later is not filled at the next open
REMEMBERED = 4_096  # bars whose values are compared when they come again
STOP = "stop"  # a file in the session's folder that ends it at the next batch
NO_LIMITS = Limits()


@dataclass(frozen=True)
class SessionOptions:
    """How a session trades; see `paper` for each field."""

    cash: float | None = None
    until: datetime | None = None
    limits: Limits = NO_LIMITS
    refit: timedelta | None = None
    study: Study | None = None
    store: Store | None = None
    alerts: tuple[Listener, ...] = ()
    resume: bool = False
    at_spread: bool = False


class PaperSession:
    """A paper session: iterate over it to run it; `folder` holds its journal, from which everything else is read."""

    def __init__(self, result: StudyResult, feed: Feed, folder: Path, options: SessionOptions) -> None:
        self.result, self.feed, self.folder = result, feed, folder
        self.limits, self.until = options.limits, options.until
        limits, cash, study = options.limits, options.cash, options.study
        self._refit, self._store, self._alerts = options.refit, options.store, options.alerts
        self._claim = _claimed(folder)
        try:
            self._journal, self._arrivals = Journal(folder), Arrivals(folder, is_written=True)
            entries = list(self._journal.entries())
            if entries:
                self._opening = entries[0].content
                require_same_session(self._opening, result, feed, folder, cash=cash, at_spread=options.at_spread)
            else:
                cash = float(result.cash if cash is None else cash)
                self._opening = opened(result, feed, cash=cash, study=study, at_spread=options.at_spread)
            self._made = machinery(result, self._opening, entries, folder, study)
            if not entries:
                self._journal.append([("session", self._opening)])
            stands = standing_after(entries, limits, cash=self._opening["cash"], close=self._close)
            self._state, self._is_stale, self._was_late = stands.state, stands.is_stale, stands.was_late
            self._trained_at, self._half_spread = stands.trained_at, stands.half_spread
            if not math.isnan(stands.target):
                self._made.trader.pending = stands.target
            if options.resume and self._state.state == "HALTED":
                self._state = LimitState("ACTIVE", "", self.equity, self._state.close)
        except BaseException:
            self.close()
            raise
        self._told = (self._state.state, self._state.reason)
        self._background: Background | None = None
        self._is_fed = False  # before the first batch the time of the feed is not known

    @property
    def equity(self) -> float:
        """Equity at the last close, quote currency."""
        account = self._made.trader.account
        return account.cash + account.units * self._close

    @property
    def _close(self) -> float:
        """The close of the newest bar."""
        return float(self._made.forecaster.growing.last(1).close[-1])

    @property
    def digest(self) -> str:
        """The digest of the journal's last entry: equal for sessions that decided the same."""
        return self._journal.digest

    @property
    def state(self) -> LimitState:
        """The state of the limits."""
        return self._state

    def __iter__(self) -> Iterator[PaperEvent]:
        """Run the session until the feed ends, `until`, or `stop`; may be left at any event."""
        try:
            known = self.begun()
            if known:
                yield from self.told(finished(self.acting(known)))
            for batch in self.feed.batches(self.wanted):
                self.keep(batch)
                yield from self.told(finished(self.acting(batch)))
                if self.is_over:
                    return
        finally:
            self.close()

    @property
    def wanted(self) -> datetime:
        """When the next bar opens."""
        return self._made.history.interval.next(self._made.last_open)

    def begun(self) -> Batch:
        """What was received and not acted on, when the session ended the last time; it is kept in the store, too.

        A training that was due then, and is not in the journal, begins.
        """
        (self.folder / STOP).unlink(missing_ok=True)
        if self._refit is not None and self._trained_at is not None and self.wanted - self._trained_at >= self._refit:
            self._trained_at = self.wanted
            self._begin_training(self.wanted)
        known = self._arrivals.pending(self.wanted, len(self._journal))
        self._store_bars(known)
        return known

    def keep(self, batch: Batch) -> None:
        """Write down what was received, before anything acts on it."""
        self._is_fed = True
        if batch:
            self._arrivals.write(batch, after=len(self._journal))
            self._store_bars(batch)

    def told(self, events: Sequence[PaperEvent]) -> Iterator[PaperEvent]:
        """Give events that are in the journal to the alerts, and then to the caller."""
        for event in events:
            _tell(self._alerts, event)
            yield event

    def _store_bars(self, batch: Batch) -> None:
        """Give the bars to the store, but for those that no market can have traded."""
        if self._store is None:
            return
        bars = [each for each in batch if isinstance(each, Seen) and not impossible(each)]
        history = self._made.history
        self._store.add(
            self.feed.name, self.feed.symbol, history.interval, bars, has_sessions=bool(history.has_sessions)
        )

    def close(self) -> None:
        """End the session and its feed; it can be begun again. The journal is whole at any time."""
        self.feed.close()
        self.release()

    def release(self) -> None:
        """End the session, but not its feed, which others may use."""
        if getattr(self, "_background", None) is not None:
            self._background.close()  # type: ignore[union-attr]
        for part in ("_journal", "_arrivals"):
            if hasattr(self, part):
                getattr(self, part).close()
        self._claim.release()

    @property
    def is_over(self) -> bool:
        """Whether the session is to end: it was stopped, or the next bar closes after `until`."""
        if (self.folder / STOP).exists():
            return True
        closed = self._made.history.interval.next(self._made.last_open)
        return self.until is not None and self._made.history.interval.next(closed) > self.until

    def acting(self, batch: Batch) -> Work[list[PaperEvent]]:
        """Act on what came together: decide, and write it down; gives what happened. A piece of work: see `finished`."""
        found = classified(batch, self._made.last_open, self._made.history, known=self._known)
        entries: list[tuple[str, dict[str, Any]]] = []
        events: list[PaperEvent] = []
        for notice in found.notices:
            entries.append(("notice", notice_content(notice)))
            events.append(PaperEvent("notice", notice.at, notice.detail, bar=notice.bar, state=self._state.state))
        bars = self._wanted(found)
        for part in self._between_trainings(bars):
            swapped = self._swapped(part)
            if swapped is not None:
                entries.append(("refit", swapped))
                words = f"models trained on everything known by {swapped['trained_at'][:16]} UTC forecast from now on"
                events.append(PaperEvent("refit", part[0].received_at, words, state=self._state.state))
            own, said = yield from self._traded(part)
            entries += own
            events += said
        stale = self._stale(bars)
        if stale is not None:
            entries.append(stale[0])
            events.append(stale[1])
        if entries:
            self._journal.append(entries)
        return [replace(event, session=self.folder.name) for event in events]

    def _wanted(self, found: Classified) -> list[Seen]:
        if self.until is None:
            return found.bars
        interval = self._made.history.interval
        return [bar for bar in found.bars if interval.next(bar.open_time) <= self.until]

    def _between_trainings(self, bars: list[Seen]) -> Iterator[list[Seen]]:
        """The bars in parts that each end where a training is due, or all of them."""
        if self._refit is None:
            if bars:
                yield bars
            return
        part: list[Seen] = []
        interval = self._made.history.interval
        for bar in bars:
            part.append(bar)
            close = interval.next(bar.open_time)
            if self._trained_at is None:
                self._trained_at = close
            if close - self._trained_at >= self._refit:
                self._trained_at = close
                yield part
                self._begin_training(close)
                part = []
        if part:
            yield part

    def _begin_training(self, close: datetime) -> None:
        if self._background is None:
            self._background = Background(self._made.trainer)
        if not self._background.is_running:
            growing = self._made.forecaster.growing
            index = self._made.forecaster.generations[-1].index + 1
            self._training = (close, index, growing.candles(len(growing)))
            self._background.begin(self._training[2], index)

    def _swapped(self, part: list[Seen]) -> dict[str, Any] | None:
        """Go on with newly trained models from the close of the first of these bars on, once they are there."""
        if self._background is None:
            return None
        fitted = self._background.taken(wait=isinstance(self.feed, Tape))
        if fitted is None:
            return None
        trained_at, index, _ = self._training
        since = self._made.history.interval.next(part[0].open_time)
        path = self.folder / NETS.format(index)
        try:
            save_tensors(path, fitted)
        except OSError as error:
            raise RunError(
                f"{path} cannot be written ({reason(error)})",
                expected="a folder with space that may be written to",
                remedy="Free space and start the session again: it continues after the last bar",
            ) from error
        since64 = np.datetime64(since.replace(tzinfo=None), "us")
        self._made.forecaster.add(Generation(index, since64, tuple(each.job for each in fitted), tuple(fitted)))
        return {"index": index, "trained_at": trained_at.isoformat(), "since": since.isoformat()}

    def _traded(self, bars: list[Seen]) -> Work[tuple[list[tuple[str, dict[str, Any]]], list[PaperEvent]]]:
        """Forecast, decide and trade bars that follow those before."""
        made, interval = self._made, self._made.history.interval
        candles = _candles(bars, made.history)
        closes = candles.frame["close_time"].to_list()
        forecast = yield from made.forecaster.stepping(candles)
        ruled = made.trader.decide(forecast, candles, made.forecaster.growing)
        trades_from = datetime.fromisoformat(self._opening["trades_from"])
        is_warm = np.array([close <= trades_from for close in closes])
        late = [
            not warm and is_late(bar, close, interval, share=LATE_SHARE)
            for bar, close, warm in zip(bars, closes, is_warm, strict=True)
        ]
        held_back = np.array([self._was_late, *late[:-1]])
        self._was_late = late[-1]
        seen = [half_spread(bar.bid, bar.ask) for bar in bars]
        half_spreads = np.array([self._half_spread, *seen[:-1]]) if self._opening.get("at_spread") else None
        self._half_spread = seen[-1]
        states: list[LimitState] = []
        is_killed = self.limits.kill_file is not None and self.limits.kill_file.exists()

        def limited(row: int, equity: float, close: float, decided: float, target: float) -> float:
            if is_warm[row]:
                states.append(self._state)
                return math.nan
            now = Close(equity, close, decided, target, is_killed=is_killed)
            self._state, wanted = self.limits.step(self._state, now)
            states.append(self._state)
            return wanted

        steps = made.trader.trade(candles, ruled, held_back=held_back, limited=limited, half_spreads=half_spreads)
        said = by_bar(forecast, closes)
        entries, events, before = [], [], self._told
        for row, (bar, step) in enumerate(zip(bars, steps, strict=True)):
            content = bar_content(
                bar, closes[row], said.get(closes[row]), float(ruled[row]), step, states[row], late[row]
            )
            entries.append(("bar", content | {"warm": bool(is_warm[row]), "half_spread": none(seen[row])}))
            target = made.forecaster.target
            events.append(
                bar_event(bar, closes[row], content, step, states[row], target=target, is_live=not is_warm[row])
            )
            if (states[row].state, states[row].reason) != before:
                before = states[row].state, states[row].reason
                words = f"{before[0]}: {before[1]}" if before[1] else f"{before[0]} again"
                entries.append(("limit", {"at": closes[row].isoformat(), "state": before[0], "reason": before[1]}))
                events.append(PaperEvent("limit", closes[row], words, equity=step.equity, state=before[0]))
        self._told = before
        self._is_stale = False
        made.last_open = bars[-1].open_time
        return entries, events

    def _known(self, open_time: datetime) -> tuple[float, float, float, float, float] | None:
        """The values that a recent bar was traded with."""
        newest = self._made.forecaster.growing.last(REMEMBERED)
        rows = np.flatnonzero(newest.open_time == np.datetime64(open_time.replace(tzinfo=None), "us"))
        if not len(rows):
            return None
        row = int(rows[0])
        opened, high, low, close, volume = (
            float(getattr(newest, name)[row]) for name in ("open", "high", "low", "close", "volume")
        )
        return opened, high, low, close, volume

    def _stale(self, bars: Sequence[Seen]) -> tuple[tuple[str, dict[str, Any]], PaperEvent] | None:
        """Flat from the next open on, when no bar has come for too long; said once."""
        made = self._made
        closed = made.history.interval.next(made.last_open)
        overdue = self.feed.now() - closed
        most = timedelta(seconds=self.limits.stale_bars * made.history.interval.seconds)
        if bars or self._is_stale or not self._is_fed or overdue <= most or made.history.has_sessions:
            return None
        self._is_stale = True
        now = Close(self.equity, self._close, math.nan, made.trader.target, is_stale=True)
        self._state, wanted = self.limits.step(self._state, now)
        if made.trader.bar < 0:
            wanted = math.nan  # the account has not begun
        if not math.isnan(wanted):
            made.trader.pending = wanted
        self._told = (self._state.state, self._state.reason)
        content = {"at": self.feed.now().isoformat(), "state": self._state.state, "reason": self._state.reason}
        words = f"{self._state.state}: {self._state.reason}; flat from the next open on"
        return ("limit", content | {"target": none(wanted)}), PaperEvent(
            "limit", self.feed.now(), words, equity=self.equity, state=self._state.state
        )


def _claimed(folder: Path) -> Exclusive:
    """The lock of the one process that runs a session. Raises RunError when another one does."""
    try:
        return Exclusive(folder)
    except BlockingIOError as error:
        raise RunError(
            f"the session {folder} is running already",
            expected="one process for each session",
            remedy="Stop the other one with: candlecast paper --stop, or give this one another name",
        ) from error
    except OSError as error:
        raise RunError(
            f"{folder} cannot be made or opened ({reason(error)})",
            expected="a folder that may be written to",
            remedy="Choose another one with session=...",
        ) from error


def _candles(bars: Sequence[Seen], like: Candles) -> Candles:
    opened = [bar.open_time for bar in bars]
    return candles_from(opened, [like.interval.next(time) for time in opened], [bar.values for bar in bars], like)


def _tell(alerts: Sequence[Listener], event: PaperEvent) -> None:
    """Call the listeners; one that fails does not stop the session."""
    is_news = event.kind != "bar" or bool(event.fills)
    for alert in alerts:
        if not (is_news or getattr(alert, "wants_every_bar", False)):
            continue
        try:
            alert(event)
        except Exception as error:
            logger.warning("an alert failed (%s)", type(error).__name__)
