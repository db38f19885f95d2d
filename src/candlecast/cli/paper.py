"""`candlecast paper`: a run traded on paper, from a feed or a tape."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, print_table, say, wrapped, write
from candlecast.cli.options import common
from candlecast.cli.source_registry import NAMES, make_source
from candlecast.cli.study_files import load_study
from candlecast.errors import ConfigError, RunError, near_misses
from candlecast.text.formatting import CELL, moment

if TYPE_CHECKING:
    from candlecast.live import PaperEvent, PaperSession
    from candlecast.sources.feed import Feed
    from candlecast.study.result import StudyResult


@click.command(
    cls=Command,
    ungrouped=("resume",),
    short_help="Trade a run on paper, bar by bar.",
    epilog="""
    candlecast paper runs/BTCUSDT-1h-lstm-return-1a2b3c4d --tape
    candlecast paper --list
    """,
)
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.option("--tape", is_flag=True, help="Play the newest candles of the run itself, without network.")
@click.option("--source", help=f"Where the bars come from: {NAMES}; that of the run's candles when not given.")
@click.option("--store", help="Folder, or URL of an object store, that keeps every bar that is received.")
@click.option("--cash", type=float, help="Initial cash, quote currency; the study's when not given.")
@click.option("--session", help="Name of the session; the run's when not given, and for several runs.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("paper"), show_default=True, help="Folder of sessions."
)
@click.option(
    "--at-spread", is_flag=True, help="Orders pay the spread that the feed shows, in place of the assumed one."
)
@click.option("--until", help="The session ends with the last bar that closes by then, UTC.")
@click.option("--refit", help='Train once more after each such span, such as "1d".')
@click.option("--drawdown", type=float, help="Stop for good when equity is this share below its peak, such as 0.2.")
@click.option("--max-position", type=float, help="Largest position, a fraction of equity.")
@click.option("--price-band", type=float, help="Only reduce after a bar whose close moved by more than this share.")
@click.option(
    "--stale-bars", type=float, default=2.0, show_default=True, help="Flat after so many intervals without a bar."
)
@click.option("--kill-file", type=click.Path(path_type=Path), help="Flat while this file exists.")
@click.option("--resume", is_flag=True, help="Go on after the limits have stopped the session.")
@click.option("--webhook", help="Address that alerts are posted to, as JSON.")
@click.option("--telegram", help="Chat that alerts are sent to; the bot's token is in TELEGRAM_BOT_TOKEN.")
@click.option("--command", help="A command that gets each alert as JSON on its input.")
@click.option("--targets", help="Address or file that target positions are handed to, as JSON.")
@click.option("--page", is_flag=True, help="Serve the session's page on 127.0.0.1 while it runs.")
@click.option("--port", type=int, default=0, help="Port of the page; a free one when not given.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the session's page to a file at the end.")
@click.option(
    "--study", type=click.Path(path_type=Path), help="A Python file with the study, for a run with your own code."
)
@click.option("--list", "listed", is_flag=True, help="List the sessions.")
@click.option("--stop", "stopped", help="Stop a session by name.")
@common
def paper(
    runs: tuple[Path, ...],
    *,
    folder: Path,
    listed: bool,
    stopped: str | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Trade a RUN on paper, or several in one process, one closed bar at a time; each decision is written down before
    anything else.

    Without --tape the bars come live from the source of the run's candles. Ctrl-C ends the session; the same command
    continues it. Nothing is ever sent to an exchange.
    """
    if listed:
        _list(folder, as_json)
    elif stopped is not None:
        _stop(folder / stopped)
    elif not runs:
        raise click.UsageError("Missing argument 'RUN'.")
    elif len(runs) > 1 and (given := [name for name in ("session", "save", "port") if settings[name]]):
        raise click.UsageError(f"--{given[0]} is for one RUN; {len(runs)} are given.")
    else:
        _run(runs, folder, as_json, quiet, **settings)


def _run(runs: Sequence[Path], folder: Path, as_json: bool, quiet: bool, **settings: Any) -> None:
    from candlecast.backtesting import Limits
    from candlecast.live import paper as begun
    from candlecast.live.alerts import alerts_of
    from candlecast.store import Store
    from candlecast.study.loading import load_run

    study = None if settings["study"] is None else load_study(settings["study"])[0]
    results = [load_run(run, study=study) for run in runs]
    ending = "-tape" if settings["tape"] else ""
    names = [settings["session"] or f"{run.resolve().name}{ending}" for run in runs]
    limits = Limits(
        drawdown=settings["drawdown"],
        max_position=settings["max_position"],
        price_band=settings["price_band"],
        stale_bars=settings["stale_bars"],
        kill_file=settings["kill_file"],
    )
    alerts = alerts_of(
        names[0],
        webhook=settings["webhook"],
        telegram=settings["telegram"],
        command=settings["command"],
        targets=settings["targets"],
    )
    sessions = begun(
        results,
        feed=[_feed(result, settings["tape"], settings["source"]) for result in results],
        cash=settings["cash"],
        session=[folder / name for name in names],
        until=settings["until"],
        limits=limits,
        refit=settings["refit"],
        study=study,
        store=None if settings["store"] is None else Store(settings["store"]),
        alerts=alerts,
        resume=settings["resume"],
        at_spread=settings["at_spread"],
    )
    counts = dict.fromkeys(names, 0)
    with _terminated(), ExitStack() as pages:
        for session in sessions.sessions:
            pages.enter_context(_page(session, settings["page"], settings["port"]))
        try:
            for event in sessions:
                counts[event.session] += event.kind == "bar"
                if as_json:
                    write(json.dumps(_as_object(event)))
                elif not quiet:
                    of = f"{event.session}  " if len(names) > 1 else ""
                    kind = "" if event.kind == "bar" else f"{event.kind}: "
                    say(wrapped(f"{of}{kind}{event.text}"))
        finally:
            sessions.close()
            for alert in alerts:
                alert.close()
    for name, count in counts.items():
        _ended(folder / name, count, as_json=as_json)
    if settings["save"] is not None:
        from candlecast.live.page import save_page

        say(f"Page     {save_page(folder / names[0], settings['save'], study=study)}", is_error=as_json)


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends a session as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _page(session: PaperSession, is_wanted: bool, port: int) -> Iterator[None]:
    if not is_wanted:
        yield
        return
    from candlecast.live.page import serve_page

    with serve_page(session.folder, port=port) as address:
        say(f"Page     {address}", is_error=True)
        yield


def _feed(result: StudyResult, is_tape: bool, source: str | None) -> Feed:
    """The newest candles of the run, or the live bars of a source."""
    from candlecast.sources.feed import Tape
    from candlecast.sources.streams import stream_of

    candles = result.candles
    if is_tape:
        first = result.folds["test_first"][-1]
        return Tape(candles[int((candles.frame["close_time"] < first).sum()) :])
    named = source or (candles.origin.source if candles.origin else None)
    if named is None or named in ("file", "sample"):
        raise ConfigError(
            f"the candles of {candles.symbol} came from {'nowhere' if named is None else f'a {named}'}",
            expected="a source with live bars",
            remedy=f"Name one with --source ({NAMES}), or play the run's own candles with --tape",
        )
    return stream_of(make_source(named), candles.symbol, candles.interval)


def _ended(folder: Path, count: int, *, as_json: bool) -> None:
    from candlecast.live.record import read_session

    record = read_session(folder)
    if as_json:
        values = {"session": str(folder), "bars": count, "equity": record.equity, "state": record.state}
        click.echo(json.dumps({"kind": "end", **values, "digest": record.entries[-1].digest}))
    else:
        say(f"\n{count:,} bars, equity {record.equity:,.2f}, {record.state}")
        say(f"Session  {folder}\nCompare it with its backtest: candlecast reconcile {folder}")


def _as_object(event: PaperEvent) -> dict[str, Any]:
    return {
        "session": event.session,
        "kind": event.kind,
        "time": event.time.isoformat(),
        "text": event.text,
        "forecast": event.forecast,
        "position": event.position,
        "fills": [list(fill) for fill in event.fills],
        "equity": None if event.equity != event.equity else event.equity,
        "state": event.state,
        "is_live": event.is_live,
    }


def _list(folder: Path, as_json: bool) -> None:
    from candlecast.live.record import list_sessions, read_session

    found, broken = [], []
    for path in list_sessions(folder):
        try:
            record = read_session(path)
        except RunError as error:
            broken.append((path, str(error)))
            continue
        last = record.last_close
        found.append(
            {
                "session": path.name,
                "run": record.opening["run"],
                "bars": len(record.bars),
                "last_close": None if last is None else last.isoformat(),
                "equity": record.equity,
                "state": record.state,
                "is_running": record.is_running,
            }
        )
    if as_json:
        print_json({"sessions": found, "damaged": [{"session": path.name, "error": why} for path, why in broken]})
        return
    if not found and not broken:
        click.echo(f"No sessions in {folder}. Begin one with: candlecast paper RUN --tape")
        return
    rows = [
        [
            each["session"],
            f"{each['bars']:,}",
            CELL if each["last_close"] is None else moment(datetime.fromisoformat(each["last_close"])),
            f"{each['equity']:,.2f}",
            each["state"],
            "yes" if each["is_running"] else "no",
        ]
        for each in found
    ]
    print_table(rows, ["session", "bars", "last bar", "equity", "state", "running"])
    for path, why in broken:
        say(f"{path.name} cannot be read: {why}")


def _stop(folder: Path) -> None:
    from candlecast.live.record import list_sessions, read_session
    from candlecast.live.session import STOP

    known = [path.name for path in list_sessions(folder.parent)]
    if folder.name not in known:
        raise RunError(
            f"there is no session {folder.name!r} in {folder.parent}",
            expected="the name of one",
            remedy=near_misses(folder.name, known),
        )
    if not read_session(folder).is_running:
        say(f"{folder.name} is not running.")
        return
    (folder / STOP).touch()
    say(f"{folder.name} ends with its next batch of bars, within a few seconds.")
