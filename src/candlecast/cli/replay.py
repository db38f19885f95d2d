"""`candlecast replay` and `candlecast diff`: a run computed again, and two runs compared."""

from __future__ import annotations

from pathlib import Path

import click

from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, progress, prose, say, say_line
from candlecast.cli.options import common
from candlecast.cli.study_files import read_study_file

DIFFERENT = 1  # exit code


@click.command(
    cls=Command,
    short_help="Compute a run again, and compare every stage.",
    epilog="""
    candlecast replay runs/SP500-1d-lstm-return-1a2b3c4d
    """,
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.option(
    "--study", type=click.Path(path_type=Path), help="A Python file with the study, for a run with your own code."
)
@common
def replay(run: Path, *, study: Path | None, as_json: bool, quiet: bool) -> None:
    """Compute a RUN again from its recipe and candles, and compare it stage by stage.

    Nothing is recorded and the run stays as it is. The exit code is 1 where a stage differs.
    """
    from candlecast.replay import replay as replayed

    with progress(quiet) as listener:
        given = None if study is None else read_study_file(study).study
        report = replayed(run, study=given, progress=listener)
    if as_json:
        print_json(report.to_dict())
    else:
        say(prose(str(report)))
    if not report.is_equal:
        click.get_current_context().exit(DIFFERENT)


@click.command(
    cls=Command,
    short_help="Say what differs between two runs.",
    epilog="""
    candlecast diff runs/SP500-1d-lstm-return-1a2b3c4d runs/SP500-1d-gru-5e6f7a8b
    """,
)
@click.argument("one", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.argument("two", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@common
def diff(one: Path, two: Path, *, as_json: bool, quiet: bool) -> None:
    """Say what differs between two runs: data, code, settings, results."""
    from candlecast.replay import diff as compared

    found = compared(one, two)
    if as_json:
        print_json(found.to_dict())
    else:
        say_line(str(found))
