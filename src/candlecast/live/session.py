"""`paper`: a run traded on paper, bar by bar as a feed brings them, written down before anything else happens."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.backtesting.limits import Close, Limits, LimitState
from candlecast.candles import Candles
from candlecast.disk.exclusive import Exclusive
from candlecast.disk.files import reason
from candlecast.errors import ConfigError, RunError
from candlecast.interval import span_seconds
from candlecast.live.classify import Classified, classified
from candlecast.live.events import Listener, PaperEvent, bar_content, bar_event, by_bar, none, notice_content
from candlecast.live.generations import Generation
from candlecast.live.journal import Arrivals, Journal
from candlecast.live.opening import NETS, candles_of, machinery, opened, require_same_session
from candlecast.live.retraining import Background, save_tensors
from candlecast.parameters import as_path
from candlecast.sources.feed import Batch, Feed, Seen, Tape, is_late
from candlecast.sources.source import Moment, moment
from candlecast.study.loading import load_run
from candlecast.study.result import StudyResult
from candlecast.study.study import Study

logger = logging.getLogger(__name__)

LATE_SHARE = 0.1  # of the interval after a bar's close: an order decided later is not filled at the next open
REMEMBERED = 4_096  # bars whose values are compared when they come again
STOP = "stop"  # a file in the session's folder that ends it at the next batch
NO_LIMITS = Limits()


def paper(
    run: StudyResult | str | Path,
    *,
    feed: Feed,
    cash: float | None = None,
    session: str | Path | None = None,
    until: Moment | None = None,
    limits: Limits = NO_LIMITS,
    refit: str | None = None,
    study: Study | None = None,
    alerts: Sequence[Listener] = (),
    resume: bool = False,
) -> PaperSession:
    """Trade a run on paper: forecast, rule and account as in its backtest, one closed bar at a time.

    Iterating over the session runs it; each event is on the disk before it is given. Killed at any moment and begun again
    with the same arguments, it continues after its last bar, and ends with the same journal. A bar is forecast by the fold
    of the run that tests it, and bars after the run by its last fold. Nothing is ever sent to an exchange.

    Args:
        run: a stored run or its folder, or any result of a study.
        feed: of the run's symbol and interval, such as `Binance().stream("BTCUSDT", "1h")` or `Tape(candles)`.
        cash: initial cash; the study's when not given.
        session: folder of the journal; the run's name in the folder `paper` when not given.
        until: the session ends with the last bar that closes by then (UTC).
        limits: safety limits.
        refit: train once more after each such span ("1d") on everything known by then, on another thread, and go on with
            those models from a bar's close on; never when None.
        study: that of the run, needed where its model, features or rule are functions of yours.
        alerts: called with each event that people want to know of: fills, limits, trainings, notices.
        resume: leave the state HALTED.

    Raises:
        ConfigError: for a feed of something else, features from elsewhere, or folds that know later bars.
        RunError: for a session of another run, a journal that is damaged or newer, a session that is running already.

    >>> import candlecast as cc, tempfile
    >>> candles = cc.synthetic.ar1(300, seed=1, phi=0.3).candles
    >>> study = cc.Study(model=cc.LinearRegression(), features=cc.Features(cc.log_return()), baselines=())
    >>> result = study.run(candles, ledger=cc.Ledger.in_memory())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     session = cc.paper(result, feed=cc.Tape(candles[150:]), session=folder + "/ar")
    ...     last = list(session)[-1]
    >>> last.equity == result.backtest.equity["equity"][-1]
    True
    """
    result = run if isinstance(run, StudyResult) else load_run(run, study=study)
    for name in ("batches", "symbol", "interval", "now", "close"):
        if not hasattr(feed, name):
            raise ConfigError(
                f"feed is {feed!r}", expected="a feed of closed bars", remedy='Use Binance().stream("BTCUSDT", "1h")'
            )
    every = None if refit is None else timedelta(seconds=span_seconds(refit))
    end = None if until is None else moment(until, "until")
    folder = as_path(session, "session") if session is not None else Path("paper") / _name(result)
    return PaperSession(result, feed, folder, cash, end, limits, every, study, tuple(alerts), resume)


def _name(result: StudyResult) -> str:
    from candlecast.runs import run_name

    return result.folder.resolve().name if result.folder else run_name(result.recipe, result.candles)


class PaperSession:
    """A paper session: iterate over it to run it; `folder` holds its journal, from which everything else is read."""

    def __init__(
        self,
        result: StudyResult,
        feed: Feed,
        folder: Path,
        cash: float | None,
        until: datetime | None,
        limits: Limits,
        refit: timedelta | None,
        study: Study | None,
        alerts: tuple[Listener, ...],
        resume: bool,
    ) -> None:
        self.result, self.feed, self.folder = result, feed, folder
        self.limits, self.until = limits, until
        self._refit, self._study, self._alerts, self._resume = refit, study, alerts, resume
        self._claim = _claimed(folder)
        try:
            self._journal, self._arrivals = Journal(folder), Arrivals(folder)
            entries = list(self._journal.entries())
            if entries:
                self._opening = entries[0].content
                require_same_session(self._opening, result, feed, folder, cash)
            else:
                self._opening = opened(result, feed, cash=float(result.cash if cash is None else cash), study=study)
            self._made = machinery(result, self._opening, entries, folder, study)
            if not entries:
                self._journal.append([("session", self._opening)])
            self._state = _limit_state(
                limits, self._opening["cash"], [entry.content for entry in entries if entry.kind == "bar"]
            )
            if resume and self._state.state == "HALTED":
                self._state = LimitState("ACTIVE", "", self.equity, self._state.close)
            self._trained_at = _last_training(entries)
            self._was_late = (
                bool([e for e in entries if e.kind == "bar"][-1].content["late"]) if self._made_bars else False
            )
        except BaseException:
            self.close()
            raise
        self._told = (self._state.state, self._state.reason)
        self._background: Background | None = None
        self._is_stale = False

    @property
    def _made_bars(self) -> bool:
        return len(self._journal) > 1 and self._made.last_open >= datetime.fromisoformat(self._opening["first"])

    @property
    def equity(self) -> float:
        """Equity at the last close, quote currency."""
        account, growing = self._made.trader.account, self._made.forecaster.growing
        return account.cash + account.units * float(growing.last(1).close[-1])

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
            (self.folder / STOP).unlink(missing_ok=True)
            interval = self._made.history.interval
            known = self._arrivals.bars(interval.next(self._made.last_open))
            if known:
                yield from self._taken(known)
            for batch in self.feed.batches(interval.next(self._made.last_open)):
                if batch:
                    self._arrivals.write(batch)
                yield from self._taken(batch)
                if self._is_over():
                    return
        finally:
            self.close()

    def close(self) -> None:
        """End the session; it can be begun again. The journal is whole at any time."""
        if getattr(self, "_background", None) is not None:
            self._background.close()  # type: ignore[union-attr]
        self.feed.close()
        for part in ("_journal", "_arrivals"):
            if hasattr(self, part):
                getattr(self, part).close()
        self._claim.release()

    def _is_over(self) -> bool:
        if (self.folder / STOP).exists():
            return True
        closed = self._made.history.interval.next(self._made.last_open)
        return self.until is not None and self._made.history.interval.next(closed) > self.until

    def _taken(self, batch: Batch) -> Iterator[PaperEvent]:
        """Act on what came together: decide, write it down, and only then say so."""
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
            own, said = self._traded(part)
            entries += own
            events += said
        stale = self._stale(bars)
        if stale is not None:
            entries.append(stale[0])
            events.append(stale[1])
        if entries:
            self._journal.append(entries)
        for event in events:
            _tell(self._alerts, event)
            yield event

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

    def _traded(self, bars: list[Seen]) -> tuple[list[tuple[str, dict[str, Any]]], list[PaperEvent]]:
        """Forecast, decide and trade bars that follow those before."""
        made, interval = self._made, self._made.history.interval
        candles = _candles(bars, made.history)
        closes = candles.frame["close_time"].to_list()
        forecast = made.forecaster.step(candles)
        ruled = made.trader.decide(forecast, candles, made.forecaster.growing)
        trades_from = datetime.fromisoformat(self._opening["trades_from"])
        is_warm = np.array([close <= trades_from for close in closes])
        late = [
            not warm and is_late(bar, close, interval, share=LATE_SHARE)
            for bar, close, warm in zip(bars, closes, is_warm, strict=True)
        ]
        held_back = np.array([self._was_late, *late[:-1]])
        self._was_late = late[-1]
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

        steps = made.trader.trade(candles, ruled, held_back=held_back, limited=limited)
        said = by_bar(forecast, closes)
        entries, events, before = [], [], self._told
        for row, (bar, step) in enumerate(zip(bars, steps, strict=True)):
            content = bar_content(
                bar, closes[row], said.get(closes[row]), float(ruled[row]), step, states[row], late[row]
            )
            entries.append(("bar", content | {"warm": bool(is_warm[row])}))
            events.append(bar_event(bar, closes[row], content, step, states[row], is_live=not is_warm[row]))
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
        if bars or self._is_stale or overdue <= most or made.history.has_sessions:
            return None
        self._is_stale = True
        close = float(made.forecaster.growing.last(1).close[-1])
        now = Close(self.equity, close, math.nan, made.trader.target, is_stale=True)
        self._state, wanted = self.limits.step(self._state, now)
        if not math.isnan(wanted) and made.trader.bar >= 0:
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
    contents = [
        {
            "open_time": bar.open_time.isoformat(),
            "close_time": like.interval.next(bar.open_time).isoformat(),
            "bar": bar.values,
        }
        for bar in bars
    ]
    return candles_of(contents, like)


def _limit_state(limits: Limits, cash: float, bars: Sequence[dict[str, Any]]) -> LimitState:
    """The state after the last bar of a journal."""
    traded = [bar for bar in bars if not bar["warm"]]
    if not traded:
        return limits.init(cash)
    state, why, peak = traded[-1]["limits"]
    return LimitState(state, why, peak, float(traded[-1]["bar"][3]))


def _last_training(entries: Sequence[Any]) -> datetime | None:
    refits = [entry.content["trained_at"] for entry in entries if entry.kind == "refit"]
    first = next((entry.content["close_time"] for entry in entries if entry.kind == "bar"), None)
    last = refits[-1] if refits else first
    return None if last is None else datetime.fromisoformat(last)


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
