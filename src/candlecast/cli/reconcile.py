"""`candlecast reconcile`: a paper session against its backtest."""

from __future__ import annotations

from pathlib import Path

import click

from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, print_table, progress, prose, say
from candlecast.cli.options import common
from candlecast.cli.source_registry import NAMES, make_source
from candlecast.cli.study_files import load_study

MOST = 20  # differences that are listed


@click.command(
    cls=Command,
    short_help="Explain how a paper session differs from its backtest.",
    epilog="""
    candlecast reconcile paper/BTCUSDT-1h-lstm-return-1a2b3c4d
    """,
)
@click.argument("session", type=click.Path(path_type=Path), shell_complete=folders("paper"))
@click.option("--source", help=f"Take the final candles from here: {NAMES}; what the feed told last when not given.")
@click.option(
    "--study", type=click.Path(path_type=Path), help="A Python file with the study, for a run with your own code."
)
@common
def reconcile(session: Path, *, source: str | None, study: Path | None, as_json: bool, quiet: bool) -> None:
    """Explain, in money, how a paper SESSION differs from its backtest on the final candles.

    The exit code is 1 where something is unexplained.
    """
    from candlecast.live.reconcile import reconcile as reconciled
    from candlecast.live.record import read_session

    given = None if study is None else load_study(study)[0]
    candles = None
    if source is not None:
        record = read_session(session)
        opening = record.opening
        with progress(quiet) as listener:
            since, until = record.every_bar[0]["open_time"], record.every_bar[-1]["close_time"]
            candles = make_source(source).fetch(
                opening["symbol"], opening["interval"], since=since, until=until, progress=listener
            )
    found = reconciled(session, candles=candles, study=given)
    if as_json:
        print_json(found.to_dict())
    else:
        say(prose(str(found)))
        rows = found.differences.head(MOST).rows()
        if rows:
            click.echo()
            print_table(
                [[f"{time:%Y-%m-%d %H:%M}", cause, what] for time, cause, what in rows], ["time", "cause", "what"]
            )
        if found.differences.height > MOST:
            say(f"... and {found.differences.height - MOST:,} more; --json lists all")
    if found.unexplained != 0.0:
        click.get_current_context().exit(1)
