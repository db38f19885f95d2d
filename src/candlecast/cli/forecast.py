"""`candlecast forecast`: what a study says about the next bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.asset_options import AssetOptions, asset_options
from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, print_table, progress, prose, say
from candlecast.cli.options import common, runs_option, seed_option
from candlecast.cli.source_registry import SOURCES, make_source
from candlecast.cli.study_files import read_study_file
from candlecast.cli.study_options import make_study, study_options

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.events import Listener
    from candlecast.panel.next_moment import NextMoment
    from candlecast.study import Study
    from candlecast.study.next_bar import NextBar
    from candlecast.study.result import StudyResult


@click.command(
    cls=Command,
    short_help="Forecast the next bar.",
    epilog="""
    candlecast forecast runs/BTCUSDT-1d-lstm-return-1a2b3c4d
    candlecast forecast sp500 nasdaq --model gru
    """,
)
@click.argument("what", nargs=-1, required=True, metavar="RUN|SYMBOL|FILE...", shell_complete=folders("runs"))
@asset_options
@study_options
@seed_option
@runs_option
@click.option(
    "--study", type=click.Path(path_type=Path), help="A Python file with the study, for a run with your own code."
)
@click.option("--offline", is_flag=True, help="Do not fetch newer candles for a run.")
@common
def forecast(
    what: tuple[str, ...],
    *,
    seed: int,
    runs: Path,
    study: Path | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
    options: AssetOptions,
    described: dict[str, Any],
) -> None:
    """Forecast the next bar of a RUN: its candles are brought up to date, and its model is trained on all of them.

    For a RUN across assets, its assets are ranked, with what its rule would hold of each. For a SYMBOL or a FILE, the newest
    run of the same study is used, and run first where there is none. Of several, a table
    with one line each.
    """
    given: Any = None if study is None else read_study_file(study).study
    from candlecast.panel.loading import is_panel_run

    found: list[NextBar] = []
    panels: list[NextMoment] = []
    with progress(quiet) as listener:
        for each in what:
            if is_run_folder(each) and is_panel_run(each):
                panels.append(_of_panel(Path(each), given, offline, listener))
            elif is_run_folder(each):
                found.append(_of_run(Path(each), given, offline, listener))
            else:
                chosen = make_study(**described) if given is None else given
                found.append(_of_candles(options.load(each, listener), chosen, runs, seed, listener))
    if as_json:
        every = [*found, *panels]
        print_json(every[0].to_dict() if len(every) == 1 else {"forecasts": [each.to_dict() for each in every]})
        return
    for each in panels:
        say(prose(str(each)))
    if len(found) == 1:
        say(prose(str(found[0])))
    elif found:
        headings = ["symbol", "made at (UTC)", "forecast", "90 % interval", "signal", "since", "R2 vs naive", "edge"]
        print_table([_row(each) for each in found], headings)


def is_run_folder(what: str) -> bool:
    """Whether an argument names the folder of a run."""
    from candlecast.runs import is_run

    return Path(what).is_dir() and is_run(Path(what))


def _of_run(folder: Path, study: Study | None, offline: bool, listener: Listener) -> NextBar:
    from candlecast.study.loading import load_run

    result = load_run(folder, study=study)
    candles = None if offline else newest(result.candles, listener)
    return result.next(candles, study=study, progress=listener)


def _of_panel(folder: Path, study: Any, offline: bool, listener: Listener) -> NextMoment:
    """The ranking of the assets of a panel, brought up to date where each has a source."""
    from candlecast.panel import load_panel_run

    result = load_panel_run(folder)
    later = [None if offline else newest(each, listener) for each in result.panel.assets]
    assets = [new or old for new, old in zip(later, result.panel.assets, strict=True)]
    return result.next(assets if any(later) else None, study=study, progress=listener)


def newest(candles: Candles, listener: Listener) -> Candles | None:
    """The same candles with what their source has had since; None where they came from no source that is asked again."""
    origin = candles.origin
    if origin is None or (origin.source not in SOURCES and origin.store is None) or origin.changes:
        return None
    source, since = make_source(origin.source), candles.frame["open_time"][0]
    if origin.store is None:
        return source.fetch(candles.symbol, candles.interval, since=since, progress=listener)
    from candlecast.store import Store

    return Store(origin.store).update(source, candles.symbol, candles.interval, since=since, progress=listener)


def _of_candles(candles: Candles, study: Study, runs: Path, seed: int, listener: Listener) -> NextBar:
    """By the newest run of the same study on these candles, or earlier ones of the same series; run now where there is none."""
    from candlecast.study.checkpoints import run_study

    result = _known(candles, study, runs, seed)
    if result is None:
        result, _ = run_study(study, candles, runs=runs, seed=seed, progress=listener)
    return result.next(candles, study=study, progress=listener)


def _known(candles: Candles, study: Study, runs: Path, seed: int) -> StudyResult | None:
    import json

    from candlecast.errors import RunError
    from candlecast.runs import list_runs, read_manifest
    from candlecast.study.loading import load_run

    recipe = json.dumps(study.recipe(candles, seed=seed))
    for folder in list_runs(runs):
        try:
            manifest = read_manifest(folder)
            asset = manifest["candles"]
            is_same = (asset["symbol"], asset["interval"]) == (candles.symbol, str(candles.interval))
            if is_same and json.dumps(manifest["recipe"]) == recipe:
                result = load_run(folder, study=study)
                end = len(result.candles)
                if len(candles) >= end and candles[:end].fingerprint == result.candles.fingerprint:
                    return result
        except (RunError, KeyError):  # a folder that is not readable is no run of this study
            continue
    return None


def _row(found: NextBar) -> list[str]:
    from candlecast.study.next_bar import signal_words
    from candlecast.text.cells import percent

    ends = "-" if found.low is None else " to ".join(map(found.unit.words, (found.low, found.high)))
    return [
        f"{found.symbol} {found.interval}",
        f"{found.made_at:%Y-%m-%d %H:%M}",
        found.unit.words(found.forecast),
        ends,
        signal_words(found.position),
        f"{found.since:%Y-%m-%d}",
        percent(found.r2, 2),
        "yes" if found.has_edge else "no",
    ]
