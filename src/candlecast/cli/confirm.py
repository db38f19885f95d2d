"""`candlecast confirm`: the study of a run, repeated on the candles of a second source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import assets
from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, progress, prose, say
from candlecast.cli.mending import Mending, mending_options
from candlecast.cli.options import common
from candlecast.cli.panel import files_of
from candlecast.cli.reading import reading_options
from candlecast.cli.study_files import read_study_file
from candlecast.errors import ConfigError
from candlecast.events import Listener

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.confirmation import Confirmation
    from candlecast.panel import PanelStudy
    from candlecast.study import Study


@click.command(
    cls=Command,
    short_help="Is an edge in the candles of a second source, too?",
    epilog="""
    candlecast confirm runs/BTCUSDT-1h-lstm-return-1a2b3c4d kraken_btc_1h.csv
    candlecast confirm runs/BTCUSDT-1h-lstm-return-1a2b3c4d 1m.csv --interval 1h
    candlecast confirm runs/panel-of-30-1d-pooled-lstm-5e6f7a8b other_vendor/
    """,
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--interval", help="Length of one candle; the file's when not given, which is made longer if needed.")
@click.option(
    "--study", type=click.Path(path_type=Path), help="A Python file with the study, for a run with your own code."
)
@reading_options
@mending_options
@common
def confirm(
    run: Path,
    files: tuple[str, ...],
    *,
    interval: str | None,
    study: Path | None,
    reading: Mapping[str, Any],
    mending: Mending,
    as_json: bool,
    quiet: bool,
) -> None:
    """Repeat the study of a RUN on the candles of a second source alone: a FILE of the same asset and interval.

    For a run across assets, a folder or several files. Model, features, folds, rule, costs and seeds are those of the run. It is
    judged among the trials of the run if it is the first repetition of its assets since then, else as one more trial; the verdict
    of the run stays as it is. A run without an edge is not repeated. The exit code is 0 whatever the answer.
    """

    def read(file: str) -> Candles:
        candles = assets.load(file, interval=interval, reading=reading, repair=mending.repaired)
        return mending.joined(candles)

    with progress(quiet) as listener:
        paths = [str(path) for name in files for path in files_of(name)]
        given = None if study is None else read_study_file(study).study
        found = _confirmation(run, [read(path) for path in paths], given, listener)
    if as_json:
        print_json({"run": str(run), **found.to_dict()})
    else:
        say(prose(str(found)))


def _confirmation(
    run: Path, given: Sequence[Candles], study: Study | PanelStudy | None, listener: Listener
) -> Confirmation:
    from candlecast.confirmation import confirm
    from candlecast.panel.loading import is_panel_run

    if is_panel_run(run):
        return confirm(run, list(given), study=study, progress=listener)
    if len(given) > 1:
        raise ConfigError(
            f"{len(given)} files are given for the run of one asset",
            expected="one file",
            remedy="Name the one of the same asset from a second source",
        )
    return confirm(run, given[0], study=study, progress=listener)
