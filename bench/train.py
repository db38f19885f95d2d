"""Training against Keras, torch.nn.LSTM, neuralforecast and darts, side by side in one run.

    python bench/train.py [--rounds 5] [--only step fit folds jobs memory stream] [--json]

Ours and the rivals' turns alternate, and medians are compared; the time to Keras' error is the
median over as many seeds as rounds, to the median error of as many Keras trainings, and infinite for a training that never
comes there; it is that of training alone, and with the imports of both sides. The rivals need `.bench-venv`
(bench/requirements.txt).
The tutorial's net: 2 x LSTM 50, dropout 0.2, dense 25 and 1, windows of 50 bars, batches of 32.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".bench-venv" / "bin" / "python"
STEPS, TEST, FOLDS = 500, 1_000, 5


def tutorial_jobs(seeds, *, bars=None, training=None, folds=None, high=1.0):
    import candlecast as cc
    from candlecast.walkforward import plan_jobs

    training = training or cc.Fit(epochs=20, batch=32, patience=None, clip=None, sampling="windows")
    model = cc.LSTM(hidden=50, layers=2, dropout=0.2, dense=(25,), window=50, training=training)
    candles = cc.sample("sp500")[:bars] if bars else cc.sample("sp500")
    scaling = cc.MinMax(0.0, high)
    features, target = cc.Features(cc.scaled_close(scaling)), cc.Price(scaling=scaling)
    folds = folds or cc.Holdout(0.8)
    return model, plan_jobs(model, candles, features=features, target=target, folds=folds, seeds=range(seeds))


def our_step(models):
    """Milliseconds per model of one whole optimiser step of the loop: batch, forward, backward, Adam."""
    import torch

    from candlecast.fleet import trainer
    from candlecast.fleet.building import build
    from candlecast.fleet.one_thread import one_thread

    model, jobs = tutorial_jobs(models)
    spec, columns = model.net_spec(jobs[0].samples.target), jobs[0].samples.inputs.shape[1]
    with one_thread():
        net = build(spec, jobs[0], columns)
        fleet = trainer.Fleet.of(jobs, spec, net, device=torch.device("cpu"))
        state, times = trainer.init(fleet), []
        for _ in range(100):
            began = time.perf_counter()
            state, _ = trainer.step(fleet, state)
            times.append(time.perf_counter() - began)
    return {"ms": 1e3 * median(times[20:]) / models}


def our_fit(_):
    """The tutorial's training: 80 % to learn, 20 % validated after each of 20 epochs, then forecast."""
    import candlecast as cc

    model, jobs = tutorial_jobs(1, folds=cc.Holdout(0.9999, valid=0.2))
    began = time.perf_counter()
    (fitted,) = model.fit(jobs)
    fitted.forecast(jobs[0].samples, jobs[0].valid_rows)
    return {"seconds": time.perf_counter() - began, "rmse": fitted.outcomes.scale[0] * fitted.losses[-1, 1] ** 0.5}


def our_time_to(rmse, seed):
    """Seconds of training until the validation error is at most `rmse`, to the end of that epoch; and of the imports before.

    Prices above all of the training part are forecast best by a net that is nearly linear there: training
    prices in [0, 0.4] (the tutorial's script, which scales by the test part too, has them in [0, 0.6]) and a step size
    that falls to zero, sampled in sequence. Chosen on seeds 8 to 19, where all trainings came to 34.9 points and ended
    between 32 and 35; at a constant step size, in [0, 1], or from windows, trainings of equal cost ended between 33 and 75.
    """
    began = time.perf_counter()
    import candlecast as cc

    model, jobs = tutorial_jobs(1, bars=400, training=cc.Fit(epochs=1, batch=32, sampling="windows"))
    list(model.fit(jobs))
    start = time.perf_counter() - began
    training = cc.Fit(epochs=45, batch=16, lr=6e-3, patience=None, chunk=12, schedule="cosine")
    model, jobs = tutorial_jobs(seed + 1, training=training, folds=cc.Holdout(0.9999, valid=0.2), high=0.4)
    began = time.perf_counter()
    (fitted,) = model.fit(jobs[-1:])
    seconds = time.perf_counter() - began
    reached = np.flatnonzero(fitted.outcomes.scale[0] * fitted.losses[:, 1] ** 0.5 <= rmse)
    return {"start": start, "seconds": seconds * (reached[0] + 1) / len(fitted.losses) if len(reached) else math.inf}


def our_folds(_):
    """Five refits over the last 1,000 bars, one bar ahead, log returns, the same net and number of steps."""
    import candlecast as cc

    candles = cc.sample("sp500")
    train = len(candles) - TEST - 52
    epochs = max(1, round(STEPS * 32 / train))
    training = cc.Fit(epochs=epochs, batch=32, patience=None, clip=None, sampling="windows")
    model = cc.LSTM(hidden=50, layers=2, window=50, training=training)
    folds = cc.WalkForward(train=train, test=TEST // FOLDS, expanding=True, valid=0.0)
    began = time.perf_counter()
    frame = cc.walk_forward(model, candles, features=cc.Features(cc.log_return()), folds=folds).frame.drop_nulls(
        "target"
    )
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "rmse": float(np.sqrt(np.mean((frame["mean"].to_numpy() - frame["target"].to_numpy()) ** 2))),
    }


def our_jobs(count):
    """Milliseconds per job of a whole small training (20 steps, tutorial net), for that many jobs."""
    import candlecast as cc

    training = cc.Fit(epochs=1, batch=32, patience=None, clip=None, sampling="windows")
    model, jobs = tutorial_jobs(count, bars=900, training=training)
    list(model.fit(jobs[:2]))
    began = time.perf_counter()
    list(model.fit(jobs))
    return {"ms": 1e3 * (time.perf_counter() - began) / count}


def our_memory(_):
    """Peak memory of a whole walk of 16 jobs on 1,000,000 bars x 20 features: trained, validated, all the rest forecast."""
    import candlecast as cc
    from candlecast.sources import synthetic

    candles = synthetic.random_walk(1_000_000, seed=0, interval="1m").candles
    features = cc.Features(*(cc.log_return(period) for period in range(1, 21)))
    training = cc.Fit(epochs=1, batch=32, sampling="windows")
    model = cc.LSTM(hidden=50, layers=2, window=50, training=training)
    folds = cc.WalkForward(train=2_000, test=62_300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    forecast = cc.walk_forward(model, candles, features=features, folds=folds)
    return {
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        "candles": before / 1_024,
        "jobs": forecast.frame["fold"].n_unique(),
    }


def our_stream(_):
    """Microseconds of one streaming step of LSTM 50 x 2: one new bar in, one forecast out."""
    import candlecast as cc

    training = cc.Fit(epochs=1, batch=16, chunk=64, patience=None, sampling="sequence")
    model, (job,) = tutorial_jobs(1, training=training)
    (fitted,) = model.fit([job])
    state, times = fitted.start(), []
    for row in job.samples.inputs:
        began = time.perf_counter()
        state, _ = fitted.step(state, row)
        times.append(time.perf_counter() - began)
    return {"median": 1e6 * float(np.median(times)), "p99": 1e6 * float(np.quantile(times[100:], 0.99))}


def sgemm_rate():
    """Single-precision GFLOP/s of a large product on all cores."""
    import torch

    a, b = torch.rand(1_024, 1_024), torch.rand(1_024, 1_024)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - began)
    return 2 * 1_024**3 / min(times) / 1e9


def in_process(python, script, *arguments):
    """A task in a process of its own: its answer, and the seconds of the whole process."""
    began = time.perf_counter()
    done = subprocess.run([python, script, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} {arguments} failed:\n{done.stderr[-2_000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]) | {"process": time.perf_counter() - began}


def ours(task, *arguments):
    return in_process(sys.executable, __file__, "--task", task, *arguments)


def theirs(task, *arguments):
    return in_process(RIVALS, HERE / "rivals.py", task, *arguments)


def alternate(rounds, tasks):
    """Medians of each task's figure, the tasks taking turns; the first, uncounted turn of ours fills the compile cache."""
    figures = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            figures[name].append(task())
    return {name: {field: median(row[field] for row in rows) for field in rows[0]} for name, rows in figures.items()}


def compare(only, rounds, prices):
    """Figures: (name, value, unit, goal, better, against)."""
    out = []
    if "step" in only:
        ours("step", 1)
        tasks = {
            "one": lambda: ours("step", 1),
            "fleet": lambda: ours("step", 8),
            "keras": lambda: theirs("keras-step", 0),
            "torch": lambda: theirs("torch-step", 0),
        }
        found = {name: row["ms"] for name, row in alternate(rounds, tasks).items()}
        flops = 2 * 32 * 50 * 200 * (2 * (1 + 50) + 50 + 3 * 100)  # products of forward and backward, both layers
        rate, out_rate = sgemm_rate(), flops / found["fleet"] / 1e6
        out += [(f"step, {name}", found[name], "ms per model", None, "lower", "") for name in found]
        out += [
            ("step, fleet of 8", found["keras"] / found["fleet"], "x", 12, "higher", "Keras (TensorFlow)"),
            ("step, fleet of 8", found["torch"] / found["fleet"], "x", 4.5, "higher", "torch.nn.LSTM"),
            ("step, one model", found["keras"] / found["one"], "x", 6, "higher", "Keras (TensorFlow)"),
            ("step, one model", found["torch"] / found["one"], "x", 2.2, "higher", "torch.nn.LSTM"),
            ("sgemm, all cores", rate, "GFLOP/s", None, "higher", ""),
            ("products of the fleet's whole step", 100 * out_rate / rate, "% of sgemm", 55, "higher", ""),
        ]
    if "fit" in only:
        tasks = {"ours": lambda: ours("fit", 0), "keras": lambda: theirs("keras-fit", prices)}
        found = alternate(rounds, tasks)
        out += [
            ("whole fit, ours", found["ours"]["process"], "s", None, "lower", ""),
            ("whole fit, Keras", found["keras"]["process"], "s", None, "lower", ""),
            (
                "whole fit",
                found["keras"]["process"] / found["ours"]["process"],
                "x",
                8,
                "higher",
                "the tutorial's script",
            ),
        ]
        keras, tries = found["keras"], [ours("time-to", found["keras"]["rmse"], seed) for seed in range(rounds)]
        reached = [row["seconds"] for row in tries if math.isfinite(row["seconds"])]
        typical, start = (median(row[part] for row in tries) for part in ("seconds", "start"))
        out += [
            ("out-of-sample RMSE after 20 epochs, ours", found["ours"]["rmse"], "points", None, "lower", ""),
            ("out-of-sample RMSE after 20 epochs, Keras", found["keras"]["rmse"], "points", None, "lower", ""),
            ("trainings that came to Keras' error", len(reached), f"of {rounds}", None, "higher", ""),
        ]
        # 0 where fewer than half of the trainings came there
        alone, whole = keras["seconds"] / typical, (keras["start"] + keras["seconds"]) / (start + typical)
        out += [
            ("time to Keras' error, training alone", alone, "x", 40, "higher", "Keras' fit"),
            ("the same, imports on both sides", whole, "x", None, "higher", "Keras' fit"),
        ]
    if "folds" in only:
        tasks = {
            "ours": lambda: ours("folds", 0),
            "neuralforecast": lambda: theirs("neuralforecast", prices, STEPS),
            "darts": lambda: theirs("darts", prices, STEPS),
        }
        found = alternate(rounds, tasks)
        for rival, goal in (("neuralforecast", 8), ("darts", 6)):
            ratio = found[rival]["seconds"] / found["ours"]["seconds"]
            out.append(("5 folds, refitted", ratio, "x", goal, "higher", rival))
        out += [(f"5 folds, {name}", row["seconds"], "s", None, "lower", "") for name, row in found.items()]
        out += [(f"5 folds, {name}", 1e4 * row["rmse"], "RMSE, bp", None, "lower", "") for name, row in found.items()]
    if "jobs" in only:
        tasks = {10: lambda: ours("jobs", 10), 400: lambda: ours("jobs", 400)}
        found = alternate(rounds, tasks)
        out += [(f"{count} jobs", row["ms"], "ms per job", None, "lower", "") for count, row in found.items()]
        change = 100 * (found[400]["ms"] / found[10]["ms"] - 1)
        out.append(("cost per job, 10 to 400 jobs", change, "% change", 15, "lower", ""))
    if "memory" in only:
        found = ours("memory", 0)
        array = 1_000_000 * 20 * 8 / 2**20
        out.append(
            (
                f"peak memory, 1,000,000 x 20, {found['jobs']} jobs",
                found["mebibytes"],
                "MiB",
                1.5 * array + 1_024,
                "lower",
                "",
            )
        )
        out.append(("of it before the walk", found["candles"], "MiB", None, "lower", ""))
    if "stream" in only:
        found = alternate(rounds, {"ours": lambda: ours("stream", 0)})["ours"]
        out.append(("streaming step, median", found["median"], "microseconds", None, "lower", ""))
        out.append(("streaming step, 99th percentile", found["p99"], "microseconds", 100, "lower", ""))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=["step", "fit", "folds", "jobs", "memory", "stream"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, *arguments = options.task
        tasks = {
            "step": our_step,
            "fit": our_fit,
            "time-to": our_time_to,
            "folds": our_folds,
            "jobs": our_jobs,
            "memory": our_memory,
            "stream": our_stream,
        }
        print(json.dumps(tasks[name](*(float(value) if "." in value else int(value) for value in arguments))))
        return
    from candlecast import sample

    with tempfile.TemporaryDirectory() as folder:
        prices = Path(folder) / "prices.csv"
        sample("sp500").frame.select(time="open_time", close="close").write_csv(prices)
        figures = compare(options.only, options.rounds, prices)
    names = ("name", "value", "unit", "goal", "better", "against")
    if options.json:
        machine = f"{platform.processor() or platform.machine()}, {platform.python_version()}"
        rows = [dict(zip(names, figure, strict=True)) for figure in figures]
        print(json.dumps({"bench": "train", "machine": machine, "figures": rows}))
        return
    for name, value, unit, goal, better, against in figures:
        words = f"goal {'>=' if better == 'higher' else '<='} {goal:g}" if goal is not None else ""
        print(
            f"{name:44} {value:10.2f} {unit:14} {words:14} {f'against {against}' if against else ''}".rstrip(),
            flush=True,
        )


if __name__ == "__main__":
    main()
