"""`candlecast compare`: models x assets x intervals, side by side."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import assets, model_registry
from candlecast.cli.command import Command
from candlecast.cli.completion import assets as completed, one_of
from candlecast.cli.console import print_json, progress, prose, say
from candlecast.cli.mending import Mending, mending_options
from candlecast.cli.options import common, runs_option, seed_option
from candlecast.cli.pricing import GivenCosts, cost_options
from candlecast.cli.reading import reading_options, require_file
from candlecast.cli.source_registry import store_option
from candlecast.errors import ConfigError

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.events import Listener
    from candlecast.study.comparison import Comparison

USUAL = ("naive", "linear", "lstm", "gru")


@click.command(
    cls=Command,
    short_help="Compare models on the same folds and costs.",
    epilog="""
    candlecast compare sp500 --interval 1d 1w --model naive linear lstm
    candlecast compare BTCUSDT ETHUSDT --interval 1h 4h 1d --seeds 5
    """,
)
@click.argument("names", nargs=-1, metavar="[SYMBOL or FILE]...", shell_complete=completed)
@click.option(
    "--interval", "intervals", multiple=True, help="Lengths of one candle; longer ones are made of stored ones."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=one_of(model_registry.MODELS),
    help=f"Any of {', '.join(model_registry.MODELS)}; {' '.join(USUAL)} if none.",
)
@click.option(
    "--target",
    shell_complete=one_of(model_registry.TARGETS),
    default="return",
    show_default=True,
    help=f"One of {', '.join(model_registry.TARGETS)}.",
)
@click.option("--horizon", type=int, default=1, show_default=True, help="Bars ahead.")
@click.option("--folds", type=int, default=5, show_default=True, help="Walk-forward test parts.")
@cost_options
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings per fold.")
@seed_option
@click.option("--source", help="Fetch from here first, as in `candlecast run`.")
@click.option("--since", help="First day or time, UTC.")
@click.option("--until", help="End, UTC; now when not given.")
@click.option("--as-of", help="Day on which this list of assets was chosen, UTC.")
@store_option
@reading_options
@mending_options
@runs_option
@common
def compare(
    names: tuple[str, ...],
    *,
    intervals: tuple[str, ...],
    models: tuple[str, ...],
    target: str,
    horizon: int,
    folds: int,
    given_costs: GivenCosts,
    seeds: int,
    seed: int,
    mending: Mending,
    as_of: str | None,
    runs: Path,
    as_json: bool,
    quiet: bool,
    **wanted: Any,
) -> None:
    """Compare models on the same folds and costs, corrected for all trials that were made.

    Every model is judged on every SYMBOL or FILE at every interval, and recorded in the ledger of the runs. Without an
    argument: the two samples that come with the installation. Stopped at any moment, the same command continues.
    """
    from candlecast.backtesting import Costs
    from candlecast.dataset.folds import WalkForward
    from candlecast.ledger import Ledger
    from candlecast.sources.sample import SAMPLES
    from candlecast.study.checkpoints import FolderCheckpoints
    from candlecast.study.comparison import compare as compare_models

    began = time.monotonic()
    costs = given_costs.of(Costs())
    chosen = {name.lower(): model_registry.model(name) for name in models or USUAL}
    forecast = model_registry.target(target, horizon=horizon)
    if not any(map(assets.is_file, names)):
        require_file(" ".join(names or SAMPLES), wanted["reading"])
    with progress(quiet) as listener:
        series = [each for name in names or SAMPLES for each in _load(name, intervals, wanted, mending, listener)]
        content = [sorted(chosen), sorted(each.fingerprint for each in series), target, horizon, folds, seeds, seed]
        digest = sha256(json.dumps(content).encode()).hexdigest()[:8]
        checkpoints = FolderCheckpoints(runs / f".compare-{digest}.jobs")
        try:
            comparison = compare_models(
                chosen,
                series,
                target=forecast,
                folds=WalkForward(folds=folds),
                costs=costs,
                seeds=range(seed, seed + seeds),
                as_of=as_of,
                checkpoints=checkpoints,
                ledger=Ledger(runs),
                progress=checkpoints.announcing(listener),
            )
            checkpoints.discard()
        finally:
            checkpoints.release()
    seconds = time.monotonic() - began
    if as_json:
        print_json(_as_object(comparison, seconds))
    else:
        _show(comparison, seconds)


def _load(
    name: str, intervals: tuple[str, ...], wanted: dict[str, Any], mending: Mending, progress: Listener
) -> list[Candles]:
    """The mended candles of an asset at every interval; longer ones are made of those there are."""
    from candlecast.interval import Interval

    if not assets.is_file(name):
        wanted = wanted | {"reading": {}}

    def load(interval: str | None) -> Candles:
        return assets.load(name, interval=interval, repair=mending.repaired, progress=progress, **wanted)

    if wanted["source"] is not None or not intervals:
        return [mending.joined(load(interval)) for interval in intervals or (None,)]
    try:
        base = load(None)
    except ConfigError:  # stored at several intervals
        return [mending.joined(load(interval)) for interval in intervals]
    lengths = [Interval.parse(interval) for interval in intervals]
    return [mending.joined(base if length == base.interval else base.resample(length)) for length in lengths]


def _as_object(comparison: Comparison, seconds: float) -> dict[str, Any]:
    trial_count = comparison.trial_count
    return {
        "text": comparison.text,
        "survivorship": comparison.survivorship.warning or None,
        "results": [
            row | {"verdict": comparison.results[row["symbol"], row["interval"], row["model"]].verdict.to_dict()}
            for row in comparison.frame.to_dicts()
        ],
        "trials": trial_count.to_dict(),
        "seconds": round(seconds, 3),
    }


def _show(comparison: Comparison, seconds: float) -> None:
    answer, *tables = str(comparison).split("\n\n")
    say(f"\n{prose(answer)}\n", is_bold=True)
    say("\n\n".join(tables))
    result = next(iter(comparison.results.values()))
    shape = f"{result.folds.height} x {result.recipe['seeds']}"
    click.echo(f"\nFolds x seeds: {shape}; {result.costs.per_side_bps:g} bp a side; {seconds:.1f} s")
