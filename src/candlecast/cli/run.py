"""`candlecast run`: from candles to a verdict."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.answer import Ran, return_heading, show_verdict, wrapped
from candlecast.cli.asset_options import AssetOptions, asset_options
from candlecast.cli.command import Command
from candlecast.cli.completion import assets as completed, one_of
from candlecast.cli.console import print_json, print_table, progress, say
from candlecast.cli.options import common, runs_option, seed_option
from candlecast.cli.panel_rules import PLAIN, RULES, WRAPPERS
from candlecast.cli.study_files import StudyFile, is_study_file, of_one_asset, read_study_file
from candlecast.cli.study_options import make_study, study_options
from candlecast.errors import ConfigError
from candlecast.text.cells import number, p_value, percent

if TYPE_CHECKING:
    import polars as pl

    from candlecast.events import Listener
    from candlecast.study.result import StudyResult


@click.command(
    cls=Command,
    short_help="Train, forecast, trade and judge: the main command.",
    epilog="""
    candlecast run
    candlecast run btc_1h.csv --model gru --folds 4 --open
    candlecast run BTCUSDT --interval 1h --source binance --target volatility
    candlecast run study.py --seeds 5
    candlecast run stocks/ --panel --universe members.csv --rule risk-parity
    """,
    grouped={"rule": "Many assets as one portfolio"},
)
@click.argument("subjects", nargs=-1, metavar="[SYMBOL, FILE or STUDY.py]...", shell_complete=completed)
@click.option(
    "--asset",
    metavar="SYMBOL or FILE",
    shell_complete=completed,
    help="Candles for a STUDY.py; its own, or sp500, when not given.",
)
@asset_options
@study_options
@click.option("--panel", is_flag=True, help="One portfolio of all the assets, ranked against each other.")
@click.option(
    "--universe", type=click.Path(path_type=Path), help="With --panel: a table of symbol, start and end of membership."
)
@click.option("--k", type=int, help="With --panel: assets held long, and short; 10, or a third of the assets.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    shell_complete=one_of(RULES),
    help=f"With --panel: one of {', '.join(PLAIN)}; then, each on the one before, {', '.join(WRAPPERS)}.",
)
@click.option("--each", is_flag=True, help="With --panel: one net for each asset, in place of one for all.")
@seed_option
@runs_option
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@common
def run(
    subjects: tuple[str, ...],
    *,
    asset: str | None,
    panel: bool,
    universe: Path | None,
    k: int | None,
    rules: tuple[str, ...],
    each: bool,
    seed: int,
    runs: Path,
    open_report: bool,
    as_json: bool,
    quiet: bool,
    options: AssetOptions,
    described: dict[str, Any],
) -> None:
    """Train, forecast, trade and judge, fold by fold, and keep it all as a run with a report.

    A STUDY.py is a Python file that defines `study` and, if it likes, `candles`, or `assets` for a PanelStudy; options
    replace parts of it. `candlecast init` writes one. Candles of a --source are kept in the store, and only what is missing is
    fetched. Without an argument: the S&P 500 by day, 1999 to 2018, which comes with the installation. With --panel: several
    symbols, files or folders of files, ranked against each other and traded as one portfolio.
    """
    from candlecast.cli.panel import is_panel, require_one, run_panel

    began = time.monotonic()
    with progress(quiet) as listener:
        file = read_study_file(Path(subjects[0])) if subjects and is_study_file(subjects[0]) else None
        if is_panel(described["preset"], panel=panel, file=file):
            if asset is not None:
                raise ConfigError(
                    f"--asset {asset} with --panel", expected="assets as arguments", remedy="Leave --asset out"
                )
            study = {"universe": universe, "k": k, "each": each, "rules": rules, "described": described}
            names = subjects if file is None else subjects[1:]
            ran = run_panel(names, options, study, runs=runs, seed=seed, listener=listener, file=file)
        else:
            require_no_panel_options(universe=universe is not None, k=k is not None, rule=bool(rules), each=each)
            subject = require_one(subjects)
            ran = run_one(subject, asset, options, described, runs=runs, seed=seed, listener=listener, file=file)
        page = ran.report(ran.folder / "report.html")
    seconds = time.monotonic() - began
    if as_json:
        print_json(ran.values(seconds))
    else:
        ran.show(page, seconds)
    if open_report:
        click.launch(str(page))


def run_one(
    subject: str | None,
    asset: str | None,
    options: AssetOptions,
    described: dict[str, Any],
    *,
    runs: Path,
    seed: int,
    listener: Listener,
    file: StudyFile | None = None,
) -> Ran:
    """Run the study of one asset: of a symbol or a file, or that of a study file, with its own candles or those of `asset`."""
    from candlecast.study.checkpoints import run_study

    base, own = None, None
    if file is not None:
        base, own = of_one_asset(file)
    elif asset is not None and subject is not None:
        raise ConfigError(f"{subject} and --asset {asset}", expected="one asset", remedy="Leave one of them out")
    else:
        asset = subject or asset
    study = make_study(base, **described)
    candles = options.load_or_take(asset, own, listener)
    result, folder = run_study(study, candles, runs=runs, seed=seed, progress=listener)
    return Ran(folder, result.report, partial(as_object, result, folder), partial(show, result, folder))


def require_no_panel_options(**given: bool) -> None:
    """Raise ConfigError for an option that only a panel has; of each, whether it is given."""
    name = next((name for name, is_given in given.items() if is_given), None)
    if name is not None:
        raise ConfigError(f"--{name} without --panel", expected="--panel", remedy=f"Add it, or leave --{name} out")


def show(result: StudyResult, folder: Path, page: Path, seconds: float) -> None:
    """The result for people: the answers and their evidence, a table of the models, and the paths of run and report."""
    show_verdict(result.verdict)
    print_table(
        [_model_row(result, name) for name in result.forecasts],
        ["Model", "R2 vs naive", "95 % CI", "p", return_heading(result.verdict), "Sharpe", "Trades"],
    )
    lost = ", ".join(f"{count:,} {cause}" for cause, count in result.lost.items() if count)
    origin = f" from {result.candles.origin}" if result.candles.origin else ""
    absent = result.candles.check().missing
    lost = f"{absent:,} missing, {lost}" if absent else lost
    say("\n" + wrapped(f"{result.candles!r}{origin}; rows dropped: {lost or 'none'}"))
    click.echo(f"Folds x seeds: {result.folds.height} x {len(result.forecast.seeds)}; {seconds:.1f} s")
    say(f"Run     {folder}\nReport  {page}")


def as_object(result: StudyResult, folder: Path, seconds: float) -> dict[str, Any]:
    """The result for programs."""
    return {
        "run": str(folder),
        "verdict": result.verdict.to_dict(),
        "accuracy": result.accuracy.row(by_predicate=_is_model(result.model), named=True),
        "backtest": _statistics(result, result.model),
        "baselines": {
            name: {
                "accuracy": result.accuracy.row(by_predicate=_is_model(name), named=True),
                "backtest": _statistics(result, name),
            }
            for name in result.forecasts
            if name != result.model
        },
        "folds": result.folds.to_dicts(),
        "seeds": result.forecast.seeds,
        "bars": len(result.candles),
        "missing": result.candles.check().missing,
        "lost": result.lost,
        "origin": asdict(result.candles.origin) if result.candles.origin else None,
        "seconds": round(seconds, 3),
    }


def _model_row(result: StudyResult, name: str) -> list[str]:
    from candlecast.evaluation.evidence import largest_p

    row = result.accuracy.row(by_predicate=_is_model(name), named=True)
    statistics = _statistics(result, name)
    values = {statistic: statistics[statistic]["value"] for statistic in statistics}
    return [
        name,
        percent(row["r2"], 2),
        f"{percent(row['r2_low'], 2).removesuffix(' %')} to {percent(row['r2_high'], 2)}",
        p_value(largest_p(row)),
        percent(values["annual return"]),
        number(values["Sharpe ratio"]),
        f"{values['trades']:,.0f}",
    ]


def _statistics(result: StudyResult, name: str) -> dict[str, Any]:
    return {row.pop("statistic"): row for row in result.summaries[name].to_dicts()}


def _is_model(name: str) -> pl.Expr:
    import polars as pl

    return pl.col("model") == name
