"""Scans: time and memory of a market, edgeless worlds and planted edges scanned together, workers killed at random.

    python bench/scan.py [--assets 24] [--bars 2000] [--worlds 400] [--planted 20] [--kills 20] [--ray-kills 0] [--long 0]
                         [--scaling 0] [--rival PYTHON] [--rival-assets 2] [--rival-steps 500]

Market: so many assets of so many daily bars, walk-forward in 5 folds, 3 seeds of LSTM(32), all baselines and verdicts, on
all cores, and of a quarter of them. What 1,000 assets take is extrapolated from the difference, and printed as such. Beside
seconds of the clock stand seconds of the processors, which other work on the machine changes less.

Worlds: independent random walks and worlds with planted momentum, 1,000 daily bars each, one scan with a quick net: the share
of scans' false discoveries is that of edgeless cells that are called an edge, or a forecast, or pass at a false discovery rate of
5 %. Planted: how many of the others are found.

Kills: workers of a scan killed at random moments, with processes or on a Ray cluster with two workers; the bytes are compared
with those of a scan that nobody disturbed.

Long: one study of so many one-minute bars, LSTM(32) without baselines; its seconds, memory, and the seconds of its report.

Scaling: trainings per second of the processors with 1, 2, 4 and 8 workers of one thread each on the same assets, without the
start of the workers. More workers than cores share them, so that seconds of the clock say nothing; what more workers cost,
smaller fleets and more messages, shows in seconds of the processors.

Rival: seconds of the processors for each training of the same net, folds and steps. Ours are of a scan with forecasts, audit and
judgement. The rival is Ray with a task for each asset, in which neuralforecast fits its LSTM in each fold, in three ways: by
its own walk-forward (`cross_validation(refit=...)`), by a loop over the folds' candles with forecasts, and by a loop of fits
without forecasts. Starts, imports and a first fit are left out on both sides. `--rival-steps`: of a training. `--rival`: the
Python of an environment with neuralforecast and Ray, see `bench/requirements.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.scan.messages import unpacked
from candlecast.scan.scanning import compute_cells, finish, open_plan
from candlecast.scan.workers import Processes, Workers, cores
from candlecast.sources import synthetic

GOAL_ASSETS, GOAL_SECONDS, GOAL_MEMORY = 1_000, 1_200.0, 3 * 2**30
PHI = 0.25  # momentum of the planted worlds
QUICK = cc.LSTM(hidden=8, training=cc.Fit(epochs=6))


def asset(symbol: str, bars: int, seed: int, phi: float = 0.0) -> cc.Candles:
    """Daily candles of one world."""
    return replace(synthetic.ar1(bars, seed=seed, phi=phi, interval="1d").candles, symbol=symbol)


def figure(name: str, value: float, unit: str, goal: float | None, better: str, against: str = "") -> dict[str, Any]:
    """One measured number."""
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": better, "against": against}


def processor_seconds() -> float:
    """Seconds of processors, of this process and of those that it waited for."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in found)


def market(assets: int, bars: int, folder: Path) -> list[dict[str, Any]]:
    """Seconds and memory of a scan of many assets, and what 1,000 take: start-up once, and the rest in proportion."""
    few = max(assets // 4, cores())
    timed = [scanned(few, bars, folder / "few"), scanned(assets, bars, folder / "all")]
    memory = 1024 * (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        + cores() * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    )
    left, length = GOAL_ASSETS - assets, bars / 2_000
    whole, idle = (
        (after + max(after - before, 0.0) / (assets - few) * left / length) / 60
        for before, after in zip(*timed, strict=True)
    )
    return [
        figure(f"scan of {assets} assets x {bars} bars, 15 trainings each", timed[1][0], "s", None, "lower"),
        figure("the same, of processors", timed[1][1], "s", None, "lower", f"{few} assets: {timed[0][1]:.1f} s"),
        figure("extrapolated to 1,000 x 2,000, as the clock went", whole, "min", GOAL_SECONDS / 60, "lower"),
        figure("extrapolated, if no other work had the processors", idle / cores(), "min", GOAL_SECONDS / 60, "lower"),
        figure("memory, of all processes at the most", memory / 2**30, "GiB", GOAL_MEMORY / 2**30, "lower"),
    ]


def scanned(assets: int, bars: int, folder: Path) -> tuple[float, float]:
    """Seconds of the clock and of the processors that a scan takes, start-up of its workers included."""
    plan = cc.Plan(assets=[asset(f"A{place}", bars, place) for place in range(assets)], models=[cc.LSTM(hidden=32)])
    began, worked = time.perf_counter(), processor_seconds()
    found = cc.scan(plan, runs=folder)
    assert found.failures.is_empty(), found.failures
    return time.perf_counter() - began, processor_seconds() - worked


def worlds(edgeless: int, planted: int, folder: Path) -> list[dict[str, Any]]:
    """False discoveries among worlds without an edge, and planted edges that are found, in one scan."""
    assets = [asset(f"N{place}", 1_000, 10_000 + place) for place in range(edgeless)]
    assets += [asset(f"P{place}", 1_000, 20_000 + place, phi=PHI) for place in range(planted)]
    plan = cc.Plan(assets=assets, models=[QUICK], seeds=1, baselines=())
    frame = cc.scan(plan, runs=folder).frame
    none, some = (
        frame.filter(pl.col("symbol").str.starts_with("N")),
        frame.filter(pl.col("symbol").str.starts_with("P")),
    )
    figures = []
    for name, passed in (
        ("called an edge", pl.col("has_edge")),
        ("called forecastable", pl.col("is_forecastable")),
        ("forecasts at a false discovery rate of 5 %", pl.col("p_discovery") < 0.05),
    ):
        wrong, right = none.filter(passed).height, some.filter(passed).height
        share = wrong / (wrong + right) if wrong + right else 0.0
        figures.append(
            figure(f"false share of cells {name}", 100 * share, "%", 5.0, "lower", f"{wrong} of {none.height}")
        )
        figures.append(figure(f"planted among those {name}", right, f"of {some.height}", None, "higher"))
    return figures


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the scans in a folder of runs."""
    place = folder / "scans"
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def kill_plan() -> cc.Plan:
    """A plan of many small cells."""
    return cc.Plan(
        assets=[asset(f"K{place}", 700, place) for place in range(30)], models=[QUICK], seeds=1, baselines=()
    )


def killed(kills: int, folder: Path, reference: dict[str, bytes], *, with_ray: bool) -> dict[str, Any]:
    """Whether a scan whose workers are killed at random gives the bytes of one that nobody disturbed."""
    folder_of_scans, opened = open_plan(kill_plan(), runs=folder, seed=0)
    if with_ray:
        from candlecast.scan.ray_workers import RayWorkers

        pool: Workers = RayWorkers("local", workers=2)
    else:
        pool = Processes(2, threads=1)
    done, stopping, generator = [0], threading.Event(), random.Random(0)

    def kill() -> None:
        while done[0] < kills and not stopping.wait(generator.uniform(0.3, 3.0)):
            pids = ray_pids() if with_ray else list(pool.pids)  # type: ignore[attr-defined]
            if pids:
                try:
                    os.kill(generator.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                done[0] += 1

    killer = threading.Thread(target=kill)
    killer.start()
    rounds = 0
    try:
        while True:
            rounds += 1
            failures = compute_cells(opened, opened.cells, folder_of_scans, pool)
            if done[0] >= kills or failures or rounds > 50:
                break
            for cell in opened.cells[::2]:  # all are finished before the last kill: half of them again
                subprocess.run(["rm", "-r", str(folder_of_scans.path / "cells" / cell.name)], check=True)
    finally:
        stopping.set()
        killer.join()
        pool.close()
    finish(opened, folder_of_scans, Ledger(folder), failures=failures)
    same = contents(folder) == reference and not failures
    where = "Ray, 2 workers" if with_ray else "2 processes"
    return figure(
        f"same bytes after {done[0]} kills ({where})",
        float(same),
        "1 = yes",
        1.0,
        "higher",
        f"{len(failures)} failures",
    )


def ray_pids() -> list[int]:
    """Processes of Ray that compute a task now."""
    found = subprocess.run(["pgrep", "-f", "^ray::answered"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def long_study(bars: int) -> list[dict[str, Any]]:
    """One study of many one-minute bars, in a process of its own."""
    code = f"""
import json, resource, time
import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.sources import synthetic
candles = synthetic.garch({bars}, seed=0, interval="1m").candles
began, worked = time.perf_counter(), time.process_time()
result = cc.Study(model=cc.LSTM(hidden=32), baselines=()).run(candles, ledger=Ledger.in_memory())
result.verdict
took, processors = time.perf_counter() - began, time.process_time() - worked
memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, worked = time.perf_counter(), time.process_time()
result.report("/tmp/scan_long_report.html")
print(json.dumps([took, processors, memory, time.perf_counter() - began, time.process_time() - worked]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, processors, memory, report, report_processors = json.loads(done.stdout.splitlines()[-1])
    return [
        figure(f"study of {bars:,} bars", took, "s", 100.0, "lower", f"{processors:.0f} s of processors"),
        figure("its memory", memory / 1e9, "GB", 1.5, "lower"),
        figure("its report", report, "s", 5.0, "lower", f"{report_processors:.1f} s of processors"),
    ]


class Counted:
    """Workers that add up the seconds of the processors that their tasks took."""

    def __init__(self, workers: Workers) -> None:
        self.workers, self.seconds = workers, 0.0
        self.capacity, self.start, self.close = workers.capacity, workers.start, workers.close

    def next(self) -> tuple[int, bytes | None]:
        """The next outcome."""
        number, answer = self.workers.next()
        self.seconds += unpacked(answer).processor_seconds if answer else 0.0
        return number, answer


def counted_scan(plan: cc.Plan, folder: Path, workers: int, warm: int) -> float:
    """Seconds of the processors that the series of a plan from the `warm`-th on take, the process that scans included."""
    folder_of_scans, opened = open_plan(plan, runs=folder, seed=0)
    pool = Counted(Processes(workers, threads=1))
    first = [cell for cell in opened.cells if cell.series.place < warm]
    try:
        compute_cells(opened, first, folder_of_scans, pool)  # imports, and loads what is compiled
        pool.seconds, began = 0.0, time.process_time()
        failures = compute_cells(opened, opened.cells, folder_of_scans, pool)
        assert not failures, failures
        return pool.seconds + time.process_time() - began
    finally:
        pool.close()


def scaling(assets: int, folder: Path) -> list[dict[str, Any]]:
    """Trainings per second of the processors with several numbers of workers."""
    most, warm = 8, 16
    given = [asset(f"S{place}", 700, place) for place in range(warm + assets)]
    plan = cc.Plan(assets=given, models=[cc.LSTM(hidden=16)], baselines=())
    took = {workers: counted_scan(plan, folder / str(workers), workers, warm) for workers in (1, 2, 4, most)}
    trainings = 15 * assets
    figures = [
        figure(f"trainings a second of processor, {workers} workers", trainings / seconds, "1/s", None, "higher")
        for workers, seconds in took.items()
    ]
    return [*figures, figure(f"of it with {most} workers, of that with 1", took[1] / took[most], "", 0.9, "higher")]


RIVAL_BARS, RIVAL_TRAIN, RIVAL_BATCH = 2_000, 1_000, 32
WAYS = {
    "refit": "cross_validation(refit=200)",
    "slices": "cross_validation of each fold",
    "fits": "fits without forecasts",
}


def against_rival(python: str, assets: int, steps: int, folder: Path) -> list[dict[str, Any]]:
    """Seconds of the processors for each training, ours and with Ray and neuralforecast."""
    folder.mkdir(parents=True)
    ours, given = 16, [asset(f"R{place}", RIVAL_BARS, place) for place in range(20)]
    for candles in given[:assets]:
        candles.frame.select("close").write_csv(folder / f"{candles.symbol}.csv")
    epochs = round(steps * RIVAL_BATCH / RIVAL_TRAIN)
    training = cc.Fit(epochs=epochs, batch=RIVAL_BATCH, patience=None, clip=None, sampling="windows")
    net = cc.LSTM(hidden=32, window=32, training=training)
    folds = cc.WalkForward(train=RIVAL_TRAIN, test=(RIVAL_BARS - RIVAL_TRAIN) // 5, expanding=False, valid=0.0)
    plan = cc.Plan(
        assets=given, models=[net], features=cc.Features(cc.log_return()), folds=folds, baselines=(), seeds=1
    )
    own = counted_scan(plan, folder / "own", cores(), len(given) - ours) / (5 * ours)
    script = Path(__file__).with_name("scan_rivals.py")
    done = subprocess.run(
        [python, str(script), str(folder), str(RIVAL_TRAIN), str(steps), str(RIVAL_BATCH)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    trainings = found.pop("trainings")
    figures = [figure("processor seconds a training, candlecast", own, "s", None, "lower", f"{5 * ours} trainings")]
    for way, name in WAYS.items():
        theirs = found[way] / trainings
        goal = 10.0 if way == "refit" else None
        figures += [
            figure(f"the same, {name}", theirs, "s", None, "lower", f"{trainings} trainings"),
            figure(f"ratio, {name}", theirs / own, "x", goal, "higher", "Ray and neuralforecast"),
        ]
    return figures


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in {
        "assets": 24,
        "bars": 2_000,
        "worlds": 400,
        "planted": 20,
        "kills": 20,
        "ray-kills": 0,
        "long": 0,
        "scaling": 0,
        "rival-assets": 2,
        "rival-steps": 500,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--rival", default="")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if given.assets:
            figures += market(given.assets, given.bars, folder / "market")
        if given.worlds:
            figures += worlds(given.worlds, given.planted, folder / "worlds")
        if given.kills or given.ray_kills:
            cc.scan(kill_plan(), runs=folder / "calm", workers=1)
            reference = contents(folder / "calm")
            if given.kills:
                figures.append(killed(given.kills, folder / "killed", reference, with_ray=False))
            if given.ray_kills:
                figures.append(killed(given.ray_kills, folder / "ray", reference, with_ray=True))
        if given.scaling:
            figures += scaling(given.scaling, folder / "scaling")
        if given.rival:
            figures += against_rival(given.rival, given.rival_assets, given.rival_steps, folder / "rival")
    if given.long:
        figures += long_study(given.long)
    if given.json:
        print(json.dumps({"bench": "scan", "machine": platform.processor() or platform.machine(), "figures": figures}))
        return
    for each in figures:
        goal = "" if each["goal"] is None else f"   goal {each['goal']:g}"
        print(f"{each['name']:<60} {each['value']:>10,.2f} {each['unit']:<8}{goal}   {each['against']}")


if __name__ == "__main__":
    main()
