"""All nets: do they find an injected signal, are they better than the usual models on real candles, what does a fleet save?

    python bench/models.py [--only injected volatility table fleet] [--candles PATH ...] [--json]

    injected     R2 out of sample on synthetic worlds, next to that of the oracle, which knows the truth
    volatility   Diebold-Mariano tests on real candles: recurrent nets against naive, EWMA, HAR and GARCH; and against the LSTM of
                 neuralforecast and of darts, which need `.bench-venv` (bench/requirements.txt)
    table        all models on the same candles, returns and volatility: into docs/experiments.md, as it comes out
    fleet        processor and wall time of 16 jobs trained one by one, over those of the same jobs as a fleet

Nets are those of the command line, with their default settings. `--candles` names files, or folders
whose .csv.gz and .zip files of candles are read; the embedded samples when not given. Only the newest `--bars` of each are used.
Repeatable: worlds, folds and trainings have seeds, `--seed` the first of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tasks import nets, spread, tell

PARTS = ("injected", "volatility", "table", "fleet")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
GOAL = 0.9  # of the oracle's R2
WINDOW, SEEDS = 16, 2  # of injected worlds: what they remember is shorter
LR, EPOCHS = 3e-3, {"sequence": 20, "windows": 5}  # an epoch of windows makes eight times as many steps
FLEET, FLEET_BARS, FLEET_EPOCHS = 16, 1_500, {"sequence": 8, "windows": 1}

WORLDS = {
    "momentum": ("ar1", {"phi": 0.5}),
    "mean reversion": ("mean_reversion", {"share": 0.9, "persistence": 0.3}),
    "momentum regimes": ("regime_switch", {"drift": 0.01, "stay": 0.95}),
    "lead-lag": ("lead_lag", {"beta": 0.5}),
    "volatility clustering": ("garch", {"alpha": 0.3, "beta": 0.6}),
}


@dataclass(frozen=True)
class Injected:
    """One net in one world."""

    net: str
    world: str
    bars: int
    seed: int


def injected(task):
    """R2 out of sample of the net's mean forecast over its seeds, and of the oracle; both against the past mean.

    The last quarter is tested. The oracle of volatility knows the standard deviation of the next bar; how much larger the log
    range is on average, it learns as all do.
    """
    import candlecast as cc
    from candlecast.features import Feature
    from candlecast.walkforward import plan_jobs

    family, strength = WORLDS[task.world]
    world = getattr(cc.synthetic, family)(task.bars, seed=task.seed, **strength)
    columns = [cc.log_return(), cc.log_range()]
    if world.leader is not None:
        led = np.diff(np.log(world.leader.close), prepend=np.nan)
        columns.append(Feature("leader_return", lambda candles: led[: len(candles)], 1))
    is_volatility = family == "garch"
    recipe = nets()[task.net](window=WINDOW)
    epochs = EPOCHS[recipe.training.sampling]
    training = replace(recipe.training, epochs=epochs, lr=LR, patience=5, schedule="cosine")
    recipe = replace(recipe, training=training)
    jobs = plan_jobs(
        recipe,
        world.candles,
        features=cc.Features(*columns),
        target=cc.Volatility() if is_volatility else cc.NextReturn(),
        folds=cc.Holdout(0.75),
        seeds=range(task.seed, task.seed + SEEDS),
    )
    began = time.process_time()
    means = [fitted.forecast(fitted.job.samples, fitted.job.test_rows).mean for fitted in recipe.fit(jobs)]
    seconds = time.process_time() - began
    samples, rows, learnt = jobs[0].samples, jobs[0].test_rows, jobs[0].fit_rows
    truth = np.log(world.volatility) if is_volatility else world.mean
    if is_volatility:
        truth = truth + np.mean(samples.outcomes[learnt] - truth[learnt])
    known = samples.is_known[rows]
    outcome = samples.outcomes[rows][known]

    def r2(forecast):
        return 1 - float(
            np.sum((outcome - forecast[known]) ** 2) / np.sum((outcome - samples.outcomes[learnt].mean()) ** 2)
        )

    return task, {"net": r2(np.mean(means, axis=0)), "oracle": r2(truth[rows]), "seconds": seconds}


def find_injected(options):
    forecasters = [name for name, recipe in nets().items() if not getattr(recipe, "learns_position", False)]
    tasks = [Injected(net, world, options.bars_injected, options.seed) for world in WORLDS for net in forecasters]
    return spread(injected, tasks, options.processes)


def injected_figures(found):
    return [
        {
            "name": f"injected {task.world}: R2 of {task.net} over the oracle's",
            "value": row["net"] / row["oracle"],
            "unit": "share",
            "goal": GOAL,
            "better": "higher",
            "against": f"oracle, R2 {row['oracle']:.3f}; net {row['net']:.3f}",
        }
        for task, row in found
    ]


def show_injected(found):
    by_net = {}
    for task, row in found:
        by_net.setdefault(task.net, {})[task.world] = row
    print(
        f"\n| injected: R2, and share of the oracle's (goal {GOAL:g}) | {' | '.join(WORLDS)} | least | processor, s |"
    )
    print(f"| --- | {'--- | ' * len(WORLDS)}--- | --- |")
    oracle = [f"{row['oracle']:.3f}" for row in next(iter(by_net.values())).values()]
    print(f"| oracle | {' | '.join(oracle)} | | |")
    for net, rows in by_net.items():
        shares = {world: rows[world]["net"] / rows[world]["oracle"] for world in WORLDS}
        cells = [f"{rows[world]['net']:.3f}, {share:.2f}" for world, share in shares.items()]
        seconds = sum(row["seconds"] for row in rows.values())
        print(f"| {net} | {' | '.join(cells)} | {min(shares.values()):.2f} | {seconds:.0f} |")


def fleet(options):
    """Seconds of processor and wall of 16 seeds of each net, as one fleet and one by one; the least of each of two turns."""
    import candlecast as cc
    from candlecast.walkforward import plan_jobs

    candles, found = cc.sample()[-FLEET_BARS:], []
    for done, (name, make) in enumerate(nets().items(), start=1):
        recipe = make()
        epochs = FLEET_EPOCHS[recipe.training.sampling]
        recipe = replace(recipe, training=replace(recipe.training, epochs=epochs, patience=None))
        seeds = range(options.seed, options.seed + FLEET)
        jobs = plan_jobs(recipe, candles, folds=cc.Holdout(0.8), seeds=seeds)
        list(recipe.fit(jobs[:2]))  # compiled before it is timed
        times = {"fleet": [], "alone": []}
        for _ in range(2):
            for way, groups in (("fleet", [jobs]), ("alone", [[job] for job in jobs])):
                wall, processor = time.perf_counter(), time.process_time()
                for group in groups:
                    list(recipe.fit(group))
                times[way].append((time.process_time() - processor, time.perf_counter() - wall))
        least = {way: tuple(map(min, zip(*turns, strict=True))) for way, turns in times.items()}
        found.append((name, recipe.training.sampling, least["fleet"], least["alone"]))
        tell(f"fleet {done}/{len(nets())} {name}")
    return found


def fleet_figures(found):
    return [
        {
            "name": f"fleet of {FLEET} {name}, {kind} time",
            "value": alone[place] / together[place],
            "unit": "x",
            "goal": None,
            "better": "higher",
            "against": f"one by one: {alone[place]:.2f} s",
        }
        for name, _, together, alone in found
        for place, kind in enumerate(("processor", "wall"))
    ]


def show_fleet(found):
    work = f"{FLEET} jobs, {FLEET_BARS} bars, 8 epochs in sequence or 1 of windows"
    print(f"\n| {work} | sampling | fleet: processor, wall | one by one | speed-up: processor, wall |")
    print("| --- | --- | --- | --- | --- |")
    for name, sampling, together, alone in found:
        times = " | ".join(f"{processor:.2f}, {wall:.2f} s" for processor, wall in (together, alone))
        print(f"| {name} | {sampling} | {times} | {alone[0] / together[0]:.1f}x, {alone[1] / together[1]:.1f}x |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--candles", nargs="+", type=Path, default=[], help="files and folders of candles")
    parser.add_argument("--bars", type=int, default=6_000, help="newest bars of each real series that are used")
    parser.add_argument("--bars-injected", type=int, default=20_000, help="bars of a synthetic world")
    parser.add_argument(
        "--epochs", type=int, default=5, help="most epochs on real candles of nets that are sampled in windows"
    )
    parser.add_argument("--rival-series", type=int, default=6, help="real series on which the rivals train")
    parser.add_argument(
        "--docs", type=Path, help="page that the table is written to; docs/experiments.md with --candles"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures, shows = [], []
    if "fleet" in options.only:  # first: in this process, with all threads
        found = fleet(options)
        figures += fleet_figures(found)
        shows.append((show_fleet, found))
    for name in ONE_THREAD:  # a process a core
        os.environ[name] = "1"
    if "injected" in options.only:
        found = find_injected(options)
        figures += injected_figures(found)
        shows.append((show_injected, found))
    if {"volatility", "table"} & set(options.only):
        import models_real

        real_figures, real_shows = models_real.run(options)
        figures += real_figures
        shows += real_shows
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "models", "machine": machine, "figures": figures}))
        return
    for show, found in shows:
        show(found)


if __name__ == "__main__":
    main()
