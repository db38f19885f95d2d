"""Studies of many assets: time and memory of the protocol of Fischer and Krauss, recovered signals, false claims, backtests.

    python bench/panel.py [--assets 50] [--bars 2000] [--epochs 3] [--signals 5] [--edgeless 200] [--json]
    python bench/panel.py --assets 500 --bars 6000 --epochs 1000 --signals 0 --edgeless 0     # the whole, in hours
    python bench/panel.py --rivals PYTHON --signals 0 --edgeless 0 --no-backtest     # a step of Keras and of qlib beside ours
    python bench/panel.py --real FOLDER --members FILE     # the protocol on daily zips of Lean in a folder, by year

Protocol: windows of 240 returns, an LSTM of 25 units, 510 + 240 days of training and 250 of trading, on `--assets` random
walks of `--bars` days for `--epochs` epochs. The hours of 500 assets x 6,000 days are that time scaled by the trained windows, a
straight extrapolation; the number of epochs until early stopping is that of real data, not known from noise.

Signals: panels of 30 assets x 1,500 days whose returns continue with an information coefficient of 0.05, and the mean rank IC of
a pooled net and of the linear baseline as a share of the oracle's. Edgeless: panels of 12 assets x 700 days without any, and the
share in which a study claims an edge, a forecast, or that it pays. Each study has a ledger of its own.

Backtest: 500 assets x 6,000 days, rebalanced each day by TopBottom(10): both accounts, fills and trades of all assets.
Rivals: a step of 256 windows of that net in Keras and in qlib, in an environment with both (`bench/panel_rivals.py`), and in
the protocol above; memory for each window of the training data.
Times are of this process's processor where the machine is shared: `time.process_time`, all threads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import candlecast as cc
from candlecast import stats
from candlecast.backtesting import backtest_portfolio
from candlecast.ledger import Ledger
from candlecast.panel.account import Traded
from candlecast.panel.samples import panel_samples
from candlecast.panel.study import PanelStudy
from candlecast.panel.walking import folds_of, walk_panel

WHOLE = 500, 6_000  # assets and days of the paper's size
STRENGTH = 0.05  # information coefficient that is planted
BAD_PRINT = 3.0  # AIG printed a high of 295.76 on 2009-05-05, between closes of 21.15 and 24.25
SINCE = {"GOOG": "2014-04-04", "WM": "2009-08-06"}  # Google's class A before, and Washington Mutual
SMALL = cc.Fit(epochs=5, batch=64, lr=3e-3, patience=2)


def figure(name: str, value: float, unit: str, goal: float | None = None, better: str = "lower") -> dict[str, Any]:
    """One line of the result."""
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": better, "against": None}


def warm_up() -> None:
    """Load what training loads, so that neither its time nor its memory counts."""
    study = small_study(cc.Pooled(cc.LSTM(2, window=3, training=replace(SMALL, epochs=1, sampling="windows"))))
    study.run(cc.synthetic_panel(3, 200, seed=0).assets, ledger=Ledger.in_memory())


def protocol(assets: int, bars: int, epochs: int) -> list[dict[str, Any]]:
    """Seconds and memory of the protocol on random walks, and its hours at full size."""
    study = cc.fischer_krauss()
    inner = study.model.model  # type: ignore[attr-defined]
    model = cc.Pooled(replace(inner, training=replace(inner.training, epochs=epochs, patience=None)))
    panel = cc.Panel.of(cc.synthetic_panel(assets, bars, seed=0).assets)
    features = study.chosen_features
    warm_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    samples = panel_samples(panel, features=features, target=study.target, window=model.window)
    folds = folds_of(samples, study.folds, features)
    began, clock = time.process_time(), time.monotonic()
    parts = list(walk_panel(samples, model, folds, [0]))
    seconds, elapsed = time.process_time() - began, time.monotonic() - clock
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    windows = sum(len(part.job.job.train_rows) for part in parts) * epochs
    rows = sum(len(part.job.stack) for part in parts)
    whole = WHOLE[0] * 0.8 * 510 * round((WHOLE[1] - 750) / 250 + 0.5)
    name = f"{assets} assets x {bars:,} days x {len(folds)} folds, {epochs} epochs"
    return [
        figure(f"protocol, {name}: processor time", seconds, "s"),
        figure("protocol: elapsed on this machine, shared", elapsed, "s"),
        figure("protocol: windows trained a processor second", windows / seconds, "windows/s", better="higher"),
        figure(
            "500 assets x 6,000 days, 10 epochs, extrapolated, 2 cores", whole * 10 / (windows / seconds) / 7200, "h"
        ),
        figure("memory added, of all folds' rows (windows are views)", after - before, "MiB"),
        figure("memory of the windows if they were copied, float32", rows * model.window * 4 / 2**20, "MiB"),
    ]


def small_study(model: Any) -> PanelStudy:
    """A study that trains in seconds."""
    return PanelStudy(model=model, rule=cc.TopBottom(5), folds=cc.WalkForward(folds=2), seeds=1)


def signals(worlds: int) -> list[dict[str, Any]]:
    """Share of the oracle's rank IC that a net of three seeds and a regression recover, by what they learn."""
    figures = []
    for target in (cc.AboveMedian(), cc.RelativeReturn()):
        study = replace(small_study(cc.Pooled(cc.LSTM(8, window=10))), target=target, seeds=3)
        shares: dict[str, list[float]] = {}
        for seed in range(worlds):
            world = cc.synthetic_panel(30, 1_500, seed=seed, ic=STRENGTH)
            result = study.run(world.assets, ledger=Ledger.in_memory())
            known = np.where(result.tested[:, None], world.mean, np.nan)
            oracle = np.nanmean(stats.coefficients(known, result.returns))
            for row in result.ranking.iter_rows(named=True):
                shares.setdefault(row["model"], []).append(row["rank_ic"] / oracle)
        figures += [
            figure(
                f"share of the oracle's rank IC, {target.name}: {name}", float(np.mean(shares[name])), "", 0.9, "higher"
            )
            for name in ("linear", "pooled_lstm")
        ]
    return figures


def edgeless(panels: int) -> list[dict[str, Any]]:
    """Share of panels without a signal in which an edge is claimed."""
    found = {"edge": 0, "forecast": 0, "pays": 0}
    study = replace(
        small_study(cc.Pooled(cc.LSTM(4, window=6, training=replace(SMALL, epochs=2)))),
        rule=cc.TopBottom(3),
        baselines=(),
        costs=cc.Costs.free(),
    )
    for seed in range(panels):
        world = cc.synthetic_panel(12, 700, seed=10_000 + seed)
        verdict = study.run(world.assets, ledger=Ledger.in_memory()).verdict
        found["edge"] += verdict.has_edge
        found["forecast"] += verdict.is_forecastable
        found["pays"] += verdict.pays
    return [
        figure(f"edgeless panels ({panels}, free of costs): claimed {name}", count / panels, "", 0.05)
        for name, count in found.items()
    ]


def backtest() -> list[dict[str, Any]]:
    """Seconds of a backtest of the full size."""
    panel = cc.Panel.of(cc.synthetic_panel(*WHOLE, seed=0).assets)
    scores = np.random.default_rng(0).standard_normal(panel.bars.shape)
    began = time.process_time()
    weights = cc.TopBottom(10).weights(scores, panel.section)
    decided = time.process_time()
    traded = Traded(panel, 0, len(panel) - 1, cc.Costs(fee_bps=5, slippage_bps=0), 10_000.0, 1.0)
    positions = traded.positions(weights)
    given = time.process_time()
    fills, taken = 0, []
    for _ in range(3):
        start = time.process_time()
        fills = backtest_portfolio(list(panel.assets), positions, costs=traded.costs).fills.height
        taken.append(time.process_time() - start)
    return [
        figure("500 x 6,000: weights and volatilities", decided - began, "s"),
        figure("500 x 6,000: weights as positions", given - decided, "s"),
        figure(f"500 x 6,000: backtest and benchmark, {fills:,} fills", min(taken), "s", 1.0),
    ]


def rivals(python: Path, steps: int, own: float) -> list[dict[str, Any]]:
    """Processor milliseconds of a training step of the rivals, over `own`, those of a step of the protocol."""
    figures = [figure("a step of 256 windows: processor time", own, "ms")]
    for name in ("keras", "qlib"):
        script = Path(__file__).with_name("panel_rivals.py")
        one = os.environ | {"OMP_NUM_THREADS": "1"}  # threads that wait for each other count as processor time
        done = subprocess.run([python, script, name, str(steps)], capture_output=True, text=True, check=False, env=one)
        if done.returncode:
            print(f"{name} did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        figures += [
            figure(f"{name}: the same step", found["processor_ms"], "ms"),
            figure(
                f"{name}: the step of candlecast is so many times faster",
                found["processor_ms"] / own,
                "x",
                None,
                "higher",
            ),
            figure(f"{name}: memory for each window", found["bytes"], "bytes"),
        ]
    return figures


def lean_assets(folder: Path) -> Iterator[cc.Candles]:
    """Adjusted daily candles of Lean's zips; factor files lie in `factor_files` beside their folder.

    Left out are bars whose high is above `BAD_PRINT` times open and close, and what lies before `SINCE`, where a symbol was
    another share. Jumps that remain are moves of the market.
    """
    for path in sorted(folder.glob("*.zip")):
        symbol, factors = path.stem.upper(), folder.parent / "factor_files" / f"{path.stem}.csv"
        candles = cc.read_candles(path, factors=factors if factors.exists() else None)
        frame = candles.frame.filter(
            (pl.col("high") < BAD_PRINT * pl.max_horizontal("open", "close"))
            & (pl.col("open_time") >= pl.lit(SINCE.get(symbol, "1900-01-01")).str.to_datetime(time_zone="UTC"))
        )
        yield replace(candles, frame=frame, symbol=symbol).with_real_jumps()


def real(folder: Path, members: Path, k: int) -> None:
    """The protocol on real assets, printed as it comes out."""
    universe = cc.Universe.read(members)
    study = cc.fischer_krauss(universe=universe, k=k)
    assets = [each for each in lean_assets(folder) if each.symbol in universe.symbols]
    result = study.run(assets, ledger=Ledger.in_memory())
    print(f"{result.panel!r}: {', '.join(result.panel.symbols)}\n{result.verdict}\n")
    for notice in result.verdict.notices:
        print(f"Note: {notice}")
    for table in (result.ranking, result.by_year, result.groups, result.decay, result.exposure, result.sides):
        print(table.write_csv(float_precision=5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=50, help="of the protocol; 0 for none")
    parser.add_argument("--bars", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--signals", type=int, default=5, help="panels with a signal; 0 for none")
    parser.add_argument("--edgeless", type=int, default=200, help="panels without one; 0 for none")
    parser.add_argument("--no-backtest", action="store_true")
    parser.add_argument("--rivals", type=Path, help="Python of an environment with keras and pyqlib")
    parser.add_argument("--steps", type=int, default=12, help="of the rivals")
    parser.add_argument("--real", type=Path, help="folder of Lean's daily zips")
    parser.add_argument("--members", type=Path, help="table of symbol, start and end")
    parser.add_argument("--k", type=int, default=3, help="assets on each side, of --real")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.real:
        real(options.real, options.members, options.k)
        return
    figures = protocol(options.assets, options.bars, options.epochs) if options.assets else []
    if options.rivals and figures:
        per_second = next(each["value"] for each in figures if each["unit"] == "windows/s")
        figures += rivals(options.rivals, options.steps, 256_000 / per_second)
    figures += signals(options.signals) if options.signals else []
    figures += edgeless(options.edgeless) if options.edgeless else []
    figures += [] if options.no_backtest else backtest()
    if options.json:
        print(json.dumps({"bench": "panel", "machine": platform.machine(), "figures": figures}))
        return
    for each in figures:
        goal = "" if each["goal"] is None else f"  (goal {each['goal']:g})"
        print(f"{each['name']:<72} {each['value']:12,.4g} {each['unit']}{goal}")


if __name__ == "__main__":
    main()
