"""`candlecast run`: from candles to a verdict."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import assets, model_registry
from candlecast.cli.answer import show_verdict, wrapped
from candlecast.cli.console import print_json, print_table, progress, say
from candlecast.cli.mending import Mending, mending_options
from candlecast.cli.options import common
from candlecast.cli.pricing import GivenCosts, cost_options
from candlecast.cli.reading import reading_options
from candlecast.cli.source_registry import NAMES, store_option
from candlecast.errors import ConfigError, near_misses
from candlecast.text.cells import number, p_value, percent

if TYPE_CHECKING:
    import polars as pl

    from candlecast.models import Model
    from candlecast.study import Study
    from candlecast.study.result import StudyResult


@click.command(epilog="Example: candlecast run BTCUSDT --interval 1h --source binance --target volatility --open")
@click.argument("asset", default="sp500", metavar="[SYMBOL or FILE]")
@click.option(
    "--interval", help="Length of one candle, such as 1h; the file's when not given, which is made longer if needed."
)
@click.option("--source", help=f"Fetch from here first: {NAMES}.")
@click.option("--since", help="First day or time, UTC.")
@click.option("--until", help="End, UTC; now when not given.")
@store_option
@reading_options
@mending_options
@click.option("--preset", help="A ready-made study: tutorial.")
@click.option("--model", help=f"One of {', '.join(model_registry.MODELS)}; lstm when not given.")
@click.option("--target", help=f"One of {', '.join(model_registry.TARGETS)}; return when not given.")
@click.option("--horizon", type=int, help="Bars ahead; 1 when not given.")
@click.option("--window", type=int, help="Bars that a forecast looks at.")
@click.option("--hidden", type=int, help="Units per layer of a net.")
@click.option("--layers", type=int, help="Layers of a net.")
@click.option("--epochs", type=int, help="Passes over the training rows, at most.")
@click.option("--folds", type=int, help="Walk-forward test parts.")
@click.option("--train", help='Length of each training part, such as "4y" or 5000 bars; with --test.')
@click.option("--test", help='Length of each test part, such as "1y" or 500 bars; with --train.')
@click.option("--refit", help='Train anew within each test part after that much, such as "1w" or 100 bars.')
@cost_options
@click.option("--cash", type=float, help="Initial cash, quote currency; 10,000 when not given.")
@click.option("--seeds", type=int, help="Trainings per fold, each from another seed.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@common
def run(
    asset: str,
    *,
    seed: int,
    runs: Path,
    open_report: bool,
    as_json: bool,
    quiet: bool,
    mending: Mending,
    **settings: Any,
) -> None:
    """Train, forecast, trade and judge, fold by fold, and keep it all as a run with a report.

    Candles of a --source are kept in the store, and only what is missing is fetched. Without an argument: the S&P 500 by
    day, 1999 to 2018, which comes with the installation.
    """
    from candlecast.study.checkpoints import run_study

    began = time.monotonic()
    wanted = {name: settings.pop(name) for name in ("interval", "reading", "source", "store", "since", "until")}
    study = make_study(**settings)
    with progress(quiet) as listener:
        candles = mending.joined(assets.load(asset, **wanted, repair=mending.repaired, progress=listener))
        result, folder = run_study(study, candles, runs=runs, seed=seed, progress=listener)
        page = result.report(folder / "report.html")
    seconds = time.monotonic() - began
    if as_json:
        print_json(as_object(result, folder, seconds))
    else:
        show(result, folder, page, seconds)
    if open_report:
        click.launch(str(page))


def make_study(
    *,
    preset: str | None,
    model: str | None,
    target: str | None,
    horizon: int | None,
    folds: int | None,
    train: str | None,
    test: str | None,
    refit: str | None,
    given_costs: GivenCosts,
    cash: float | None,
    seeds: int | None,
    **settings: int | None,
) -> Study:
    """The study that the options describe; what is not given is as in Python, or as in the preset."""
    from candlecast.dataset.folds import WalkForward
    from candlecast.models import LSTM
    from candlecast.study import Study
    from candlecast.study.presets import tutorial

    if preset not in (None, "tutorial"):
        raise ConfigError(
            f"there is no preset {preset!r}", expected="tutorial", remedy=near_misses(str(preset), ["tutorial"])
        )
    study = tutorial() if preset else Study(model=LSTM())
    if model is not None:
        study = replace(study, model=model_registry.model(model))
    study = replace(study, model=_with(study.model, settings))
    if target is not None or horizon is not None:
        chosen: Any = study.target if target is None else model_registry.target(target)
        study = replace(study, target=replace(chosen, horizon=study.target.horizon if horizon is None else horizon))
        if target is not None:
            study = replace(study, rule=None)
    if folds is not None and (train is not None or test is not None):
        raise ConfigError(
            f"--folds {folds} with --train and --test", expected="one or the other", remedy="Leave --folds out"
        )
    if train is not None or test is not None:
        study = replace(study, folds=WalkForward(train=_length(train), test=_length(test)))
    elif folds is not None:
        study = replace(study, folds=WalkForward(folds=folds))
    if refit is not None:
        if not isinstance(study.folds, WalkForward):
            raise ConfigError(
                f"--refit {refit} with the folds of the preset",
                expected="folds that walk forward",
                remedy="Give --folds or --train and --test as well, or leave --refit out",
            )
        study = replace(study, folds=replace(study.folds, refit=_length(refit)))
    study = replace(study, costs=given_costs.of(study.costs), cash=study.cash if cash is None else cash)
    return study if seeds is None else replace(study, seeds=seeds)


def show(result: StudyResult, folder: Path, page: Path, seconds: float) -> None:
    """The result for people: the answers and their evidence, a table of the models, and the paths of run and report."""
    show_verdict(result.verdict)
    print_table(
        [_model_row(result, name) for name in result.forecasts],
        ["Model", "R2 vs naive", "95 % CI", "p", "Return/year", "Sharpe", "Trades"],
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


def _with(model: Any, settings: dict[str, int | None]) -> Model:
    """The model with the options that were given; an option that it does not have is an error."""
    for name, value in settings.items():
        if value is None:
            continue
        if name == "epochs" and hasattr(model, "training"):
            model = replace(model, training=replace(model.training, epochs=value))
        elif name in getattr(model, "__dataclass_fields__", {}) and model.__dataclass_fields__[name].init:
            model = replace(model, **{name: value})
        else:
            raise ConfigError(
                f"--{name} {value} does not apply to the model {model.name}",
                expected="an option of that model",
                remedy="Leave it out, or choose a model that has it, such as lstm",
            )
    return model


def _length(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdigit() else text
