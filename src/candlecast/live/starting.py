"""`paper`: a run traded on paper, or several in one process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import overload

from candlecast.backtesting.limits import Limits
from candlecast.errors import ConfigError
from candlecast.interval import span_seconds
from candlecast.live.events import Listener
from candlecast.live.session import NO_LIMITS, PaperSession, SessionOptions
from candlecast.live.sessions import PaperSessions
from candlecast.parameters import as_path
from candlecast.sources.feed import Feed
from candlecast.sources.source import Moment, moment
from candlecast.store import Store
from candlecast.study.loading import load_run
from candlecast.study.result import StudyResult
from candlecast.study.study import Study

Run = StudyResult | str | Path


@overload
def paper(
    run: Run,
    *,
    feed: Feed,
    cash: float | None = None,
    session: str | Path | None = None,
    until: Moment | None = None,
    limits: Limits = NO_LIMITS,
    refit: str | None = None,
    study: Study | None = None,
    store: Store | None = None,
    alerts: Sequence[Listener] = (),
    resume: bool = False,
    at_spread: bool = False,
) -> PaperSession: ...
@overload
def paper(
    run: Sequence[Run],
    *,
    feed: Feed | Sequence[Feed],
    cash: float | None = None,
    session: Sequence[str | Path] | None = None,
    until: Moment | None = None,
    limits: Limits = NO_LIMITS,
    refit: str | None = None,
    study: Study | None = None,
    store: Store | None = None,
    alerts: Sequence[Listener] = (),
    resume: bool = False,
    at_spread: bool = False,
) -> PaperSessions: ...
def paper(
    run: Run | Sequence[Run],
    *,
    feed: Feed | Sequence[Feed],
    cash: float | None = None,
    session: str | Path | Sequence[str | Path] | None = None,
    until: Moment | None = None,
    limits: Limits = NO_LIMITS,
    refit: str | None = None,
    study: Study | None = None,
    store: Store | None = None,
    alerts: Sequence[Listener] = (),
    resume: bool = False,
    at_spread: bool = False,
) -> PaperSession | PaperSessions:
    """Trade a run on paper: forecast, rule and account as in its backtest, one closed bar at a time.

    Iterating over the session runs it; each event is on the disk before it is given. Killed at any moment and begun again
    with the same arguments, it continues after its last bar, and ends with the same journal. A bar is forecast by the fold
    of the run that tests it, and bars after the run by its last fold. Nothing is ever sent to an exchange.

    Args:
        run: a stored run or its folder, or any result of a study; or several, which go on together in this process, with a
            journal for each. Nets of one shape step in one call, and what comes of a run does not depend on the others.
        feed: of the run's symbol and interval, such as `Binance().stream("BTCUSDT", "1h")` or `Tape(candles)`; for several
            runs one feed for all of them, or a sequence of one for each. Feeds of the same bars are one.
        cash: initial cash; the study's when not given.
        session: folder of the journal, or of several; the run's name in the folder `paper` when not given.
        until: the session ends with the last bar that closes by then (UTC).
        limits: safety limits.
        refit: train once more after each such span ("1d") on everything known by then, on another thread, and go on with
            those models from a bar's close on; never when None.
        study: that of the run, needed where its model, features or rule are functions of yours.
        store: keeps every bar that is received, before anything acts on it.
        alerts: called with each event that people want to know of: fills, limits, trainings, notices.
        resume: leave the state HALTED.
        at_spread: orders pay half the spread that the feed showed last, in place of the assumed one; the difference is a cause
            of its own in `reconcile`.

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
    is_one = isinstance(run, Run)
    runs: Sequence[Run] = [run] if isinstance(run, Run) else run
    if not isinstance(runs, Sequence) or not runs or not all(isinstance(each, Run) for each in runs):
        raise ConfigError(
            f"run is {run!r}", expected="a run, or a sequence of one or more", remedy='Use cc.load_run("runs/NAME")'
        )
    results = [each if isinstance(each, StudyResult) else load_run(each, study=study) for each in runs]
    feeds = _of_each("feed", feed, len(runs))
    named = [Path("paper") / _name(result) for result in results] if session is None else session
    folders = [as_path(each, "session") for each in _of_each("session", named, len(runs), is_shared=False)]
    for each in feeds:
        _require_feed(each)
    options = SessionOptions(
        cash=cash,
        until=None if until is None else moment(until, "until"),
        limits=limits,
        refit=None if refit is None else timedelta(seconds=span_seconds(refit)),
        study=study,
        store=store,
        alerts=tuple(alerts),
        resume=resume,
        at_spread=at_spread,
    )
    begun: list[PaperSession] = []
    try:
        for result, each, folder in zip(results, feeds, folders, strict=True):
            begun.append(PaperSession(result, each, folder, options))
    except BaseException:
        for each in begun:
            each.close()
        raise
    return begun[0] if is_one else PaperSessions(tuple(begun))


def _of_each(name: str, given: object, count: int, *, is_shared: bool = True) -> list:
    """One value for each run."""
    if not isinstance(given, list | tuple):
        given = [given] * (count if is_shared else 1)
    if len(given) != count:
        raise ConfigError(
            f"{name} has {len(given):,} values for {count:,} runs",
            expected="one for each run",
            remedy=f"Give a list, such as {name}=[first, second]",
        )
    return list(given)


def _require_feed(feed: object) -> None:
    for name in ("batches", "symbol", "interval", "now", "close"):
        if not hasattr(feed, name):
            raise ConfigError(
                f"feed is {feed!r}", expected="a feed of closed bars", remedy='Use Binance().stream("BTCUSDT", "1h")'
            )


def _name(result: StudyResult) -> str:
    from candlecast.runs import run_name

    return result.folder.resolve().name if result.folder else run_name(result.recipe, result.candles)
