"""The account side by side with vectorbt, Backtrader and backtesting.py; `--json` for one JSON object.

targets    one asset, target positions with costs, fees and slippage: bars a second of one core, whole ledger and sums only
orders     1,000 assets x 1,000 bars, an order on every bar, against vectorbt's `from_orders`; the same final values
stops      a long with stop and profit target every 20 bars, from a table of orders to the result, against the two others
memory     peak memory of `sweep` with 100 and with 10,000 sets of positions

    .venv/bin/python bench/backtest.py [--only targets orders stops memory] [--rounds 3]

Each figure is the best of several runs after one that compiles. Rivals: `bench/requirements-backtest.txt`.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from candlecast.backtesting import Conditions, Costs, Orders, backtest, sweep
from candlecast.backtesting.engine import compiled
from candlecast.backtesting.orders import bracket, market
from candlecast.candles import Candles

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".bench-backtest-venv" / "bin" / "python"
BARS, ASSETS, LENGTH = 1_000_000, 1_000, 1_000
EVERY, HOLD, STOP, PROFIT, CASH = 20, 15, 0.01, 0.015, 1_000_000.0
COSTS = Costs(fee_bps=10, slippage_bps=5)
SHORT = {"backtrader": 20_000, "backtesting": 50_000}  # bars of the slow


def prices(count, seed=0, columns=None):
    """Minutes of a random walk: open, high, low, close, volume."""
    rng = np.random.default_rng(seed)
    shape = (count,) if columns is None else (count, columns)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, shape), axis=0))
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1 + rng.exponential(5e-4, shape))
    low = np.minimum(opened, close) * (1 - rng.exponential(5e-4, shape))
    return opened, high, low, close, rng.uniform(1, 100, shape)


def best(rounds, task):
    """Shortest of several runs in seconds, after one that compiles."""
    task()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def theirs(task, path):
    done = subprocess.run(
        [RIVALS, HERE / "backtest_rivals.py", task, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr[-2_000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def targets(rounds, _):
    """Bars a second of one core."""
    bars, out = compiled.BarArrays(*prices(BARS)), []
    conditions, rng = Conditions(COSTS.terms()), np.random.default_rng(1)
    written, sums = compiled.Written(np.empty((BARS, 2)), np.empty((2 * BARS + 2, 8))), np.empty(compiled.SUMS)
    for every, goal in ((20, 100e6), (1, None)):
        wanted = np.repeat(rng.choice([-1.0, 0.0, 1.0], BARS // every + 1), every)[:BARS]
        given = (bars, wanted, conditions, CASH)
        ledger = best(rounds, partial(compiled.run_targets, *given, written))
        short = best(rounds, partial(compiled.run_summaries, *given, sums))
        words = "every bar" if every == 1 else f"every {every} bars"
        out += [
            (f"new target {words}: ledger of each bar", BARS / ledger, "bars/s", goal, "higher", ""),
            (f"new target {words}: sums only", BARS / short, "bars/s", goal, "higher", ""),
        ]
    return out


def orders(rounds, folder):
    """1,000,000 orders in units, which both express to the bit; wall clock, each on one core."""
    opened, high, low, close, volume = prices(LENGTH, columns=ASSETS)
    units = np.random.default_rng(2).integers(0, 100, (LENGTH, ASSETS)).astype(float)
    units += units == np.roll(units, 1, axis=0)  # an order on every bar
    np.savez(folder / "assets.npz", open=opened, close=close, units=units)
    columns = [tuple(np.ascontiguousarray(array.T)) for array in (opened, high, low, close, volume)]
    decided = np.ascontiguousarray(units.T)
    conditions, held, final = Conditions(COSTS.terms(), in_units=True), np.empty((LENGTH + 1, 2)), np.empty(ASSETS)
    fills, first = [np.empty((2 * LENGTH + 2, 8)) for _ in range(ASSETS)], np.zeros(1)
    paths = [  # one bar before, so that the first order fills on the first bar
        compiled.BarArrays._make(
            [*(np.concatenate([column[asset][:1], column[asset]]) for column in columns), None, False]
        )
        for asset in range(ASSETS)
    ]
    wanted = [np.concatenate([row, first]) for row in decided]

    def run():
        counted = 0
        for asset in range(ASSETS):
            written = compiled.Written(held, fills[asset])
            account, count = compiled.run_targets(paths[asset], wanted[asset], conditions, CASH, written)
            final[asset] = account.cash + account.units * paths[asset].close[-1]
            counted += count
        return counted

    seconds, count = best(rounds, run), run()
    rival = theirs("vectorbt", folder / "assets.npz")
    apart = float(np.max(np.abs(final / np.array(rival["final"]) - 1)))
    if apart > 1e-9 or count != rival["orders"]:
        raise SystemExit(f"vectorbt ends elsewhere: {apart:.1e} apart, {count:,} and {rival['orders']:,} orders")
    return [
        (f"{count:,} orders", 1e3 * seconds, "ms", None, "lower", ""),
        (f"{count:,} orders, vectorbt", 1e3 * rival["seconds"], "ms", None, "lower", ""),
        (f"{count:,} orders", rival["seconds"] / seconds, "x", 3, "higher", "vectorbt from_orders"),
        ("final values apart from vectorbt's", apart, "relative", 1e-9, "lower", "vectorbt from_orders"),
    ]


def as_candles(arrays):
    start = np.datetime64("2020-01-01", "us")
    times = start + np.arange(len(arrays[0])) * np.timedelta64(60_000_000, "us")
    names = ("open", "high", "low", "close", "volume")
    return Candles.from_frame(
        pl.DataFrame({"open_time": times, **dict(zip(names, arrays, strict=True))}), zone="UTC", interval="1m"
    )


def bracket_table(candles):
    """Every 20th bar a long with a stop and a profit target, closed after 15 bars: orders as a table."""
    entry, stop, profit = bracket(market(1.0), stop=1.0, take_profit=2.0)
    closing = market(-1.0, reduces=True)
    rows = np.arange(0, len(candles) - EVERY, EVERY)
    parts = []
    for place, (order, later) in enumerate(((entry, 0), (stop, 0), (profit, 0), (closing, HOLD))):
        close = candles.close[rows]
        exits = place in (1, 2)
        parts.append(
            pl.DataFrame(
                {
                    "time": candles.frame["close_time"][rows + later],
                    "place": rows + later,
                    "rank": place,
                    "symbol": candles.symbol,
                    "kind": ("market", "stop", "take profit", "market")[place],
                    "units": order.units,
                    "limit": close * (1 + PROFIT) if place == 2 else np.full(len(rows), np.nan),
                    "stop": close * (1 - STOP) if place == 1 else np.full(len(rows), np.nan),
                    "bars": float(HOLD) if exits else np.inf,
                    "group": rows + 1.0 if exits else np.zeros(len(rows)),
                    "parent": rows + 1.0 if exits else np.zeros(len(rows)),
                    "id": rows + 1.0 if place == 0 else np.zeros(len(rows)),
                    "reduces": place > 0,
                }
            )
        )
    return Orders(pl.concat(parts).sort("place", "rank").drop("place", "rank"))


def stops(rounds, folder):
    """Bars a second, from orders to the result with its tables; the rivals on fewer bars of the same walk."""
    arrays = prices(BARS)
    candles = as_candles(arrays)
    table = bracket_table(candles)
    costs = Costs(fee_bps=10, slippage_bps=0)
    seconds = best(rounds, lambda: backtest(candles, table, costs=costs, cash=CASH))
    result = backtest(candles, table, costs=costs, cash=CASH)
    out = [
        ("stops: orders to result", BARS / seconds, "bars/s", 1e6, "higher", ""),
        ("stops: trades per 1,000 bars", 1e3 * result.trades.height / BARS, "", None, "higher", ""),
    ]
    for rival, goal in (("backtrader", 200), ("backtesting", 50)):
        path = folder / f"{rival}.npz"
        opened, high, low, close, volume = (array[: SHORT[rival]] for array in arrays)
        np.savez(path, open=opened, high=high, low=low, close=close, volume=volume)
        found = theirs(rival, path)
        speed = found["bars"] / found["seconds"]
        out += [
            (f"stops: {rival}", speed, "bars/s", None, "higher", ""),
            (f"stops: trades per 1,000 bars, {rival}", 1e3 * found["trades"] / found["bars"], "", None, "higher", ""),
            ("stops", BARS / seconds / speed, "x", goal, "higher", rival),
        ]
    return out


def memory(*_):
    """Peak memory of whole processes, in MiB."""
    peaks = {}
    for sets in (100, 10_000):
        done = subprocess.run(
            [sys.executable, __file__, "--sets", str(sets)], capture_output=True, text=True, check=True
        )
        peaks[sets] = json.loads(done.stdout)["mebibytes"]
    change = 100 * (peaks[10_000] / peaks[100] - 1)
    return [
        *((f"sweep, {sets:,} sets of 10,000 bars", peak, "MiB", None, "lower", "") for sets, peak in peaks.items()),
        ("sweep, 100 to 10,000 sets", change, "% more memory", 10, "lower", ""),
    ]


def sweep_many(sets):
    candles = as_candles(prices(10_000))
    rng = np.random.default_rng(0)
    table = sweep(candles, (np.repeat(rng.choice([0.0, 1.0], 100), 100) for _ in range(sets)), costs=COSTS)
    return {"rows": table.height, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


TASKS = {"targets": targets, "orders": orders, "stops": stops, "memory": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sets", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sets:
        print(json.dumps(sweep_many(options.sets)))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = [figure for task in options.only for figure in TASKS[task](options.rounds, Path(folder))]
    names = ("name", "value", "unit", "goal", "better", "against")
    if options.json:
        machine = f"{platform.processor() or platform.machine()}, {platform.python_version()}"
        rows = [dict(zip(names, figure, strict=True)) for figure in figures]
        print(json.dumps({"bench": "backtest", "machine": machine, "figures": rows}))
        return
    for name, value, unit, goal, better, against in figures:
        words = f"goal {'>=' if better == 'higher' else '<='} {goal:,g}" if goal is not None else ""
        shown = f"{value:16,.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:16.1e}"
        print(f"{name:48} {shown} {unit:14} {words:18} {f'against {against}' if against else ''}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
