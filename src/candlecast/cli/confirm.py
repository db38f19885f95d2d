"""`candlecast confirm`: the orders of a run at the prices of a second source."""

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
from candlecast.errors import ConfigError
from candlecast.events import Progress

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.evaluation.confirmation import Confirmation


@click.command(
    cls=Command,
    short_help="Does an edge hold at the prices of a second source?",
    epilog="""
    candlecast confirm runs/BTCUSDT-1h-lstm-return-1a2b3c4d kraken_btc_1h.csv
    candlecast confirm runs/BTCUSDT-1h-lstm-return-1a2b3c4d 1m.csv --interval 1h
    candlecast confirm runs/panel-of-30-1d-pooled-lstm-5e6f7a8b other_vendor/
    """,
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--interval", help="Length of one candle; the file's when not given, which is made longer if needed.")
@reading_options
@mending_options
@common
def confirm(
    run: Path,
    files: tuple[str, ...],
    *,
    interval: str | None,
    reading: Mapping[str, Any],
    mending: Mending,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fill the orders of a RUN at the prices of a second source: a FILE of the same asset and interval.

    For a run across assets, a folder or several files. Positions, costs and cash are those of the run. Nothing is trained, no
    trial is made, and the verdict of the run stays as it is. The exit code is 0 whatever the answer.
    """

    def read(file: str) -> Candles:
        candles = assets.load(file, interval=interval, reading=reading, repair=mending.repaired)
        return mending.joined(candles)

    with progress(quiet) as listener:
        listener(Progress("confirm", 0, 1))
        paths = [str(path) for name in files for path in files_of(name)]
        found = _confirmation(run, [read(path) for path in paths])
        listener(Progress("confirm", 1, 1, found.answer))
    if as_json:
        print_json({"run": str(run), **found.to_dict()})
    else:
        say(prose(str(found)))


def _confirmation(run: Path, given: Sequence[Candles]) -> Confirmation:
    from candlecast.panel.loading import is_panel_run, load_panel_run
    from candlecast.study.loading import load_run

    if is_panel_run(run):
        return load_panel_run(run).confirm(list(given))
    if len(given) > 1:
        raise ConfigError(
            f"{len(given)} files are given for the run of one asset",
            expected="one file",
            remedy="Name the one of the same asset from a second source",
        )
    return load_run(run).confirm(given[0])
