"""Paper trading: bars a second from a tape, time from a bar to its order, memory, and the tests that may be looked at daily.

    python bench/live.py [--lives 10000] [--bars 20000] [--memory-bars 0] [--json]

Lives: returns of Student's t with 4 degrees of freedom, normal ones, and ones whose volatility clusters, looked at after each
of 1,000 bars. False alarms: lives in which nothing is earned, and the test says that something is, at any look. Delay: bars
until earnings of an annual Sharpe ratio of 2 (daily bars) are shown, for half of the lives, infinite where they never are
within 2,500. Beside it a fixed-horizon t-test that is looked at every day, the same looked at once after the bars that it needs
for a power of 80 %, and CUSUM with the true mean and a threshold set on simulated lives without earnings.

Times are of this process's processor where the machine is shared: `time.process_time` of all threads.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import candlecast as cc
from candlecast.evaluation.anytime import Bets, bars_until_shown
from candlecast.live.journal import Arrivals
from candlecast.live.opening import candles_from, machinery, opened
from candlecast.sources.feed import Seen, Tape
from candlecast.study.result import StudyResult

LOOKS, LONGEST, CHUNK = 1_000, 2_500, 250
SHARPE, DAYS, SIGMA = 2.0, 252, 0.01
LARGEST = 0.1  # loss of one bar that the e-process allows for
RUNS = 4  # in one process
KINDS = ("normal", "student", "clustered")


def noise(kind: str, rng: np.random.Generator, lives: int, bars: int) -> np.ndarray:
    """Returns without a mean, (lives, bars), of standard deviation about SIGMA."""
    if kind == "student":
        return SIGMA * rng.standard_t(4, (lives, bars)) / math.sqrt(2)
    shocks = rng.standard_normal((lives, bars))
    if kind == "normal":
        return SIGMA * shocks
    returns, variance = np.empty((lives, bars)), np.ones(lives)
    for bar in range(bars):
        returns[:, bar] = SIGMA * np.sqrt(variance) * shocks[:, bar]
        variance = 0.05 + 0.1 * variance * shocks[:, bar] ** 2 + 0.85 * variance
    return returns


def first(hits: np.ndarray) -> np.ndarray:
    """The first bar of each life at which a test says yes, infinity where it never does; (lives,)."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)


def t_test(returns: np.ndarray) -> np.ndarray:
    """Whether a one-sided t-test at 5 % is passed after each bar, from the 20th on."""
    count = np.arange(1, returns.shape[1] + 1)
    mean = np.cumsum(returns, axis=1) / count
    square = np.cumsum(returns**2, axis=1) / count
    spread = np.sqrt(np.maximum(square - mean**2, 1e-18) / np.maximum(count - 1, 1))
    return (mean / spread > 1.645) & (count >= 20)


def cusum(returns: np.ndarray, mean: float) -> np.ndarray:
    """Page's statistic for a known mean, (lives, bars)."""
    gain = mean / SIGMA**2 * (returns - mean / 2)
    found, state = np.empty_like(gain), np.zeros(len(gain))
    for bar in range(gain.shape[1]):
        state = np.maximum(0.0, state + gain[:, bar])
        found[:, bar] = state
    return found


def lives(count: int) -> list[dict[str, Any]]:
    """Size and delay of the tests."""
    mean, bets, figures = SHARPE / math.sqrt(DAYS) * SIGMA, Bets(LARGEST), []
    planned = math.ceil(((1.645 + 0.842) / (SHARPE / math.sqrt(DAYS))) ** 2)
    for kind in KINDS:
        rng = np.random.default_rng(11)
        wrong, peeked, worst = [], [], []
        for _ in range(0, count, CHUNK):
            flat = noise(kind, rng, CHUNK, LOOKS)
            wrong.append((bets.path(flat) >= 20.0).any(axis=1))
            peeked.append(t_test(flat).any(axis=1))
            worst.append(cusum(flat, mean).max(axis=1))
        threshold = float(np.quantile(np.concatenate(worst), 0.95))
        shown, fixed, page, alarms = [], [], [], []
        for _ in range(0, count, CHUNK):
            earning = noise(kind, rng, CHUNK, LONGEST) + mean
            shown.append(first(bets.path(earning) >= 20.0))
            fixed.append(t_test(earning)[:, planned - 1])
            page.append(first(cusum(earning, mean) >= threshold))
            alarms.append((bets.path(mean - earning[:, :LOOKS]) >= 20.0).any(axis=1))
        figures += [
            figure(
                f"{kind}: false alarms, e-process at every bar", np.concatenate(wrong).mean(), "share", 0.05, "lower"
            ),
            figure(f"{kind}: false alarms, t-test at every bar", np.concatenate(peeked).mean(), "share", None, "lower"),
            figure(f"{kind}: false drift alarms at every bar", np.concatenate(alarms).mean(), "share", 0.05, "lower"),
            figure(f"{kind}: median delay, e-process", np.median(np.concatenate(shown)), "bars", None, "lower"),
            figure(f"{kind}: one look of a t-test after so many bars", float(planned), "bars", None, "lower"),
            figure(f"{kind}: power of that look", np.concatenate(fixed).mean(), "share", None, "higher"),
            figure(
                f"{kind}: median delay, CUSUM of the true mean", np.median(np.concatenate(page)), "bars", None, "lower"
            ),
        ]
    needed = bars_until_shown(noise("normal", np.random.default_rng(3), 1, 200_000)[0] + mean)
    return [*figures, figure("normal: bars said to be needed", needed, "bars", None, "lower")]


def speed(bars: int, memory_bars: int) -> list[dict[str, Any]]:
    """From a tape, bar by bar, and the memory of a long session."""
    candles = cc.synthetic.ar1(4_000 + max(bars, memory_bars), seed=5, phi=0.1, interval="1h").candles
    study = cc.Study(
        model=cc.LSTM(hidden=32, training=cc.Fit(epochs=1)), folds=cc.WalkForward(folds=1), seeds=1, baselines=()
    )
    result = study.run(candles[:4_000], ledger=cc.Ledger.in_memory())
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        session = cc.paper(result, feed=Tape(candles[4_000 : 4_000 + bars]), session=Path(folder) / "tape")
        began, cpu = time.perf_counter(), time.process_time()
        count = sum(event.kind == "bar" for event in session)
        figures += [
            figure(
                "bars a second from a tape, one process", count / (time.perf_counter() - began), "1/s", 5_000, "higher"
            ),
            figure("the same, a second of processor", count / (time.process_time() - cpu), "1/s", None, "higher"),
        ]
        several = [renamed(result, f"S{number}") for number in range(RUNS)]
        feeds = [Tape(replace(candles[4_000 : 4_000 + bars], symbol=each.candles.symbol)) for each in several]
        sessions = cc.paper(several, feed=feeds, session=[Path(folder) / each.candles.symbol for each in several])
        began, cpu = time.perf_counter(), time.process_time()
        count = sum(event.kind == "bar" for event in sessions)
        figures += [
            figure(
                f"symbol-bars a second of {RUNS} runs, one process",
                count / (time.perf_counter() - began),
                "1/s",
                5_000,
                "higher",
            ),
            figure("the same, a second of processor", count / (time.process_time() - cpu), "1/s", None, "higher"),
        ]
    made = machinery(result, opened(result, Tape(candles[4_000:]), cash=1e4, study=None), (), Path(), None)
    walls, processor = [], []
    with tempfile.TemporaryDirectory() as folder:
        arrivals = Arrivals(Path(folder), is_written=True)
        for row in range(4_000, 4_000 + min(bars, 2_000)):
            opens, closes, *values = candles.frame.row(row)
            received = Seen(opens, *values, received_at=closes)
            began, cpu = time.perf_counter(), time.thread_time()
            arrivals.write([received], after=0)
            bar = candles_from([opens], [closes], [received.values], candles)
            forecast = made.forecaster.step(bar)
            made.trader.trade(bar, made.trader.decide(forecast, bar, made.forecaster.growing))
            walls.append(time.perf_counter() - began)
            processor.append(time.thread_time() - cpu)
        arrivals.close()
    figures += [
        figure("from bar to order, median", 1e3 * np.median(walls), "ms", None, "lower"),
        figure("from bar to order, 99th percentile", 1e3 * np.quantile(walls, 0.99), "ms", 5.0, "lower"),
        figure("the same, processor of its thread", 1e3 * np.quantile(processor, 0.99), "ms", 5.0, "lower"),
    ]
    if memory_bars:
        at = []
        for row in range(6_000, 4_000 + memory_bars, 4_096):
            part = candles[row : row + 4_096]
            made.trader.trade(part, made.trader.decide(made.forecaster.step(part), part, made.forecaster.growing))
            at.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        early = at[min(len(at) - 1, max(len(at) // 4, 40))]
        figures.append(
            figure(f"peak memory grown over the last bars of {memory_bars:,}", at[-1] - early, "MiB", 20.0, "lower")
        )
    return figures


def renamed(result: StudyResult, symbol: str) -> StudyResult:
    """The same run of another symbol."""
    tensors = {key.replace(result.candles.symbol, symbol): values for key, values in result.tensors.items()}
    return replace(result, candles=replace(result.candles, symbol=symbol), tensors=tensors, folder=None)


def figure(name: str, value: float, unit: str, goal: float | None, better: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "unit": unit, "goal": goal, "better": better}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lives", type=int, default=10_000, help="simulated lives of each kind; 0 for none")
    parser.add_argument("--bars", type=int, default=20_000, help="bars of the tape; 0 for none")
    parser.add_argument("--memory-bars", type=int, default=0, help="bars of a long session, such as 1000000")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = speed(options.bars, options.memory_bars) if options.bars else []
    figures += lives(options.lives) if options.lives else []
    if options.json:
        print(json.dumps({"bench": "live", "machine": platform.machine(), "figures": figures}))
        return
    for each in figures:
        goal = "" if each["goal"] is None else f"  (goal {each['goal']:g})"
        print(f"{each['name']:<58} {each['value']:12,.4g} {each['unit']}{goal}")


if __name__ == "__main__":
    main()
