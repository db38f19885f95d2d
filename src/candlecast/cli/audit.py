"""`candlecast audit`: prove that nothing a study knows depends on later candles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from candlecast.cli.asset_options import AssetOptions, asset_options
from candlecast.cli.command import Command
from candlecast.cli.completion import assets as completed, folders
from candlecast.cli.console import print_json, print_table, progress, say, say_line
from candlecast.cli.options import common, runs_option
from candlecast.cli.study_files import is_study_file, load_study
from candlecast.errors import ConfigError

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.events import Listener
    from candlecast.ledger import Ledger
    from candlecast.study import Study

FAILED = 1  # exit code of an audit that did not pass


@click.command(
    cls=Command,
    short_help="Does a study use the future? Prove that it does not.",
    epilog="""
    candlecast audit --preset tutorial
    candlecast audit study.py
    candlecast audit --asset btc_1h.csv --shortcuts
    """,
)
@click.argument("subject", required=False, metavar="[STUDY.py or RUN]", shell_complete=folders("runs"))
@click.option("--preset", help="A ready-made study instead: tutorial.")
@click.option(
    "--asset",
    metavar="SYMBOL or FILE",
    shell_complete=completed,
    help="Candles; those of the run or of the file, or sp500, when not given.",
)
@asset_options
@click.option("--shortcuts", is_flag=True, help="Say instead what usual mistakes would add to the Sharpe ratio.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Page of the --shortcuts; shortcuts.html when not given."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of training and of the changes."
)
@runs_option
@common
def audit(
    subject: str | None,
    *,
    preset: str | None,
    asset: str | None,
    options: AssetOptions,
    shortcuts: bool,
    output: Path | None,
    seed: int,
    runs: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a study on candles with another future, and compare every stage with what was known.

    The study is that of a Python file (which is run), of a RUN, or a preset; without any, the usual one. The exit code is 1
    for an audit that fails. Where a rule, target or costs are your own code, the audit counts in the ledger as a study that
    has begun.
    """
    from candlecast.audit import audit as audited
    from candlecast.ledger import Ledger

    ledger = Ledger(runs)
    with progress(quiet) as listener:
        study, own = _study(subject, preset)
        candles = options.load_or_take(asset, own, listener)
        if shortcuts:
            page = output or Path("shortcuts.html")
            _compare_shortcuts(study, candles, page, seed, ledger, listener, as_json=as_json)
            return
        report = audited(study, candles, seed=seed, ledger=ledger, progress=listener)
    if as_json:
        print_json(report.to_dict())
    else:
        say_line(str(report))
    if not report.passed:
        click.get_current_context().exit(FAILED)


def _compare_shortcuts(
    study: Study, candles: Candles, output: Path, seed: int, ledger: Ledger, listener: Listener, *, as_json: bool
) -> None:
    """Print what each mistake would add, and write its page."""
    from candlecast.audit.shortcuts import HEADINGS, shortcuts
    from candlecast.report import write_shortcuts

    found = shortcuts(study, candles, seed=seed, ledger=ledger, progress=listener)
    page = write_shortcuts(found, output)
    if as_json:
        print_json({"shortcuts": found.frame.to_dicts(), "page": str(page)})
    else:
        print_table(found.rows, HEADINGS)
        say(f"\nPage  {page}")


def _study(subject: str | None, preset: str | None) -> tuple[Study, Candles | None]:
    """The study, and its candles where it brings some."""
    from candlecast.models import LSTM
    from candlecast.replay.recomputing import study_of
    from candlecast.study import Study
    from candlecast.study.loading import load_run
    from candlecast.study.presets import tutorial

    if preset not in (None, "tutorial") or (preset and subject):
        raise ConfigError(
            f"{subject} beside --preset {preset}" if subject else f"there is no preset {preset!r}",
            expected="a study file, a run, or --preset tutorial",
            remedy="Give one of them",
        )
    if preset:
        return tutorial(), None
    if subject is None:
        return Study(model=LSTM()), None
    if is_study_file(subject):
        return load_study(Path(subject))
    if not Path(subject).is_dir():
        raise ConfigError(
            f"{subject} is neither a study file nor a run",
            expected="a Python file that defines `study`, or the folder of a run",
            remedy=f"For candles, write: candlecast audit --asset {subject}",
        )
    result = load_run(subject)
    return study_of(result.recipe, remedy="Audit its study file: candlecast audit STUDY.py"), result.candles
