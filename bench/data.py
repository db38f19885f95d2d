"""Candles: dumps and text parsed, a store of 4,700,000 minutes read and updated, a year fetched; beside Parquet and others.

    python bench/data.py [--rounds 5] [--only parse files store read fetch] [--bars 4700000] [--json]

Everyone reads the same bars (BTCUSDT by the minute since 2017, made up) from the same disk, each in a process of its own,
taking turns; medians are compared. DuckDB and feather need `.bench-venv` (bench/requirements.txt). The year is
fetched from a loopback server in a process of its own; the floor is one client that downloads the same files and throws
them away.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
from train import HERE, RIVALS, alternate, in_process

START = datetime(2017, 8, 17, 4, tzinfo=UTC)
DAY = 1_440
YEAR = ("2023-01-01", "2024-01-01")
SERIES = ("made-up", "BTCUSDT", "1m")
READS = 5  # in one process; the median counts


def minutes(bars):
    """A market table of that many minutes: a random walk with ticks of a cent, the same beginning for any length."""
    import polars as pl

    close = np.round(20_000 * np.exp(np.cumsum(5e-4 * np.random.default_rng(0).standard_normal(bars))), 2)
    spread = np.round(np.random.default_rng(1).exponential(8, (bars, 2)), 2)
    volume = np.round(np.random.default_rng(2).exponential(12, bars), 5)
    opened = np.concatenate([close[:1], close[:-1]])
    minute = timedelta(minutes=1)
    times = pl.datetime_range(START, START + (bars - 1) * minute, minute, time_unit="us", eager=True)
    values = {
        "open": opened,
        "high": np.round(np.maximum(opened, close) + spread[:, 0], 2),
        "low": np.round(np.minimum(opened, close) - np.minimum(spread[:, 1], 0.4 * close), 2),
        "close": close,
        "volume": volume,
    }
    return pl.DataFrame({"open_time": times, "close_time": times + minute, **values})


@dataclass(frozen=True)
class MadeUp:
    """A source that has the bars at hand, in pages of a month."""

    frame: Any
    name: str = SERIES[0]

    def pages(self, symbol, interval, *, since=None, until=None):
        start = 0 if since is None else int(self.frame["open_time"].search_sorted(since))
        for first in range(start, len(self.frame), 31 * DAY):
            yield self.frame[first : first + 31 * DAY]

    def session(self, symbol):
        return "always"

    def status(self, symbol):
        return "trading"


def made_up(frame) -> Any:
    return MadeUp(frame)


def timed(work, times=READS):
    """Median seconds of some calls in this process, after one that is not counted."""
    seconds = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def prepare(folder, bars):
    """The same bars as a store, as Parquet and as feather."""
    import pandas as pd

    from candlecast import Store

    frame = minutes(bars)
    store = Store(folder / "store")
    began = time.perf_counter()
    store.update(made_up(frame), *SERIES[1:])
    filled = time.perf_counter() - began
    store.compact()
    plain = frame.drop("close_time")
    plain.write_parquet(folder / "plain.parquet")
    columns = {name: plain[name].to_numpy() for name in plain.columns if name != "open_time"}
    dates = pd.to_datetime(plain["open_time"].dt.epoch("us").to_numpy(), unit="us", utc=True)
    pd.DataFrame({"date": dates, **columns}).to_feather(folder / "freqtrade.feather", compression="lz4")
    return {"seconds": filled}


def read_store(folder, bars):
    from candlecast import Store

    store = Store(folder / "store")
    before = peak()
    candles = store.read(*SERIES)
    size = candles.frame.estimated_size()
    ratio, whole = (peak() - before) / size, peak() / size
    assert len(candles) >= bars
    return {"seconds": timed(lambda: store.read(*SERIES)), "ratio": ratio, "whole": whole}


def read_parquet(folder, bars):
    import polars as pl

    assert len(pl.read_parquet(folder / "plain.parquet")) == bars
    return {"seconds": timed(lambda: pl.read_parquet(folder / "plain.parquet"))}


def read_duckdb(folder, bars):
    import duckdb

    query = f"SELECT * FROM '{folder}/plain.parquet'"
    assert len(duckdb.sql(query).fetchnumpy()["close"]) == bars
    return {"seconds": timed(lambda: duckdb.sql(query).fetchnumpy())}


def read_feather(folder, bars):
    import pandas as pd

    assert len(pd.read_feather(folder / "freqtrade.feather")) == bars
    return {"seconds": timed(lambda: pd.read_feather(folder / "freqtrade.feather"))}


def add_days(folder, bars):
    """Seconds of an update that brings one new day and gives all candles; the days follow each other."""
    from candlecast import Store

    store = Store(folder / "store")
    stored = int(store.series()["bars"].item())
    seconds = []
    for day in range(1, READS + 2):
        frame = minutes(stored + day * DAY)
        began = time.perf_counter()
        candles = store.update(made_up(frame), *SERIES[1:])
        seconds.append(time.perf_counter() - began)
        assert candles.frame.equals(frame)
    return {"seconds": median(seconds[1:])}


def parse(_, bars):
    """Rows a second of a month's dump, zipped CSV in, frame out: ours, and zipfile with pandas."""
    import pandas as pd
    import polars as pl

    from candlecast.sources.dumps import parse_dump

    frame = minutes(31 * DAY)
    opened = frame["open_time"].dt.epoch("ms")
    rows = frame.select(
        opened,
        *(pl.col(name).round(2).cast(pl.String) + "000000" for name in ("open", "high", "low", "close")),
        pl.col("volume").cast(pl.String) + "000",
        closed=opened + 59_999,
        quote=(pl.col("volume") * pl.col("close")).round(8),
        trades=pl.int_range(pl.len()) % 4_000,
        taker=pl.col("volume") / 2,
        taker_quote=(pl.col("volume") * pl.col("close") / 2).round(8),
        ignored=pl.lit(0),
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTCUSDT-1m-2023-01.csv", rows.write_csv(include_header=False))
    content = packed.getvalue()

    def rival():
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(archive.namelist()[0]) as file:
            table = pd.read_csv(file, header=None, usecols=range(6))
            table[0] = pd.to_datetime(table[0], unit="ms", utc=True)
        return table

    assert len(parse_dump(content, "bench")) == len(rival()) == 31 * DAY
    ours, theirs = timed(lambda: parse_dump(content, "bench"), 20), timed(rival)
    return {"rate": 31 * DAY / ours, "pandas": 31 * DAY / theirs}


TEXT_ROWS = 1_000_000
DIGITS = ("open", "high", "low", "close")


def text_of(shape, frame):
    """The bars as text in a usual shape, and what has to be said to read it."""
    import polars as pl

    def commas(mark):
        swapped = {"comma": str.maketrans("", ""), "point": str.maketrans(",.", ".,")}[mark]
        return [pl.Series(name, [f"{value:,.2f}".translate(swapped) for value in frame[name]]) for name in DIGITS]

    plain = frame.drop("close_time")
    time = pl.col("open_time")
    if shape == "counts since 1970":
        return plain.with_columns(time.dt.epoch("ms")).write_csv(), {}
    if shape == "month before day":
        return plain.write_csv(datetime_format="%m/%d/%Y %H:%M"), {"zone": "UTC"}
    if shape == "decimal comma, semicolons":
        volume = pl.col("volume").cast(pl.String).str.replace(".", ",", literal=True)
        table = plain.with_columns(*commas("point"), volume, time.dt.strftime("%d.%m.%Y %H:%M"))
        return table.write_csv(separator=";"), {"zone": "UTC"}
    if shape == "quoted thousands, AM and PM":
        table = plain.with_columns(*commas("comma"), time.dt.strftime("%b %d, %Y %I:%M %p"))
        return table.write_csv(quote_style="always"), {"zone": "UTC"}
    return plain.reverse().write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ"), {}  # newest first


TEXT_SHAPES = (
    "counts since 1970", "newest first", "month before day", "decimal comma, semicolons", "quoted thousands, AM and PM",
)  # fmt: skip


def write_text(folder, number):
    """A file of that shape, and a small one that is read before the clock starts."""
    frame = minutes(TEXT_ROWS)
    small, path = folder / "small.csv", folder / "BTCUSDT.csv"
    small.write_text(text_of("newest first", frame.head(100))[0])
    text, told = text_of(TEXT_SHAPES[number], frame)
    path.write_text(text)
    return {"path": str(path), "told": told}


def read_text(place, bars):
    """Seconds of one reading, and its peak of memory above that of the process."""
    from candlecast.sources.files import read_candles

    known = json.loads(place.read_text())
    read_candles(Path(known["path"]).parent / "small.csv")
    before, began = peak(), time.perf_counter()
    candles = read_candles(known["path"], **known["told"])
    seconds = time.perf_counter() - began
    ratio = (peak() - before) / candles.frame.estimated_size()
    assert len(candles) == TEXT_ROWS
    return {"seconds": seconds, "ratio": ratio}


def serve(_, bars):
    """A loopback Binance until the input ends; its address on the first line."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from servers import BinanceWorld, Listing, market_server

    with market_server() as server:
        BinanceWorld([Listing("BTCUSDT", opened=datetime(2022, 12, 1, tzinfo=UTC))]).mount(server)
        print(json.dumps({"url": server.url, "now": server.now.isoformat()}), flush=True)
        sys.stdin.read()
    return {}


def download(address, bars):
    """Seconds of a plain client with as many connections as ours that downloads the year's files and drops them."""
    from concurrent.futures import ThreadPoolExecutor

    import httpx

    from candlecast.sources.dumps import AHEAD

    url = json.loads(address.read_text())["url"]
    folder = f"{url}/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2023"
    files = [f"{folder}-{month:02}.zip{end}" for month in range(1, 13) for end in ("", ".CHECKSUM")]
    with httpx.Client() as client, ThreadPoolExecutor(AHEAD) as pool:
        began = time.perf_counter()
        size = sum(pool.map(lambda file: len(client.get(file).raise_for_status().content), files))
        return {"seconds": time.perf_counter() - began, "mebibytes": size / 2**20}


def fetch(address, bars):
    """Seconds of a cold fetch of the year into a new store."""
    from candlecast import Store
    from candlecast.sources.binance import Binance

    place = json.loads(address.read_text())
    url, now = place["url"], datetime.fromisoformat(place["now"])
    source = Binance(rest=url, dumps=url, listing=f"{url}/listing", clock=lambda: now)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        candles = Store(folder).update(source, "BTCUSDT", "1m", since=YEAR[0], until=YEAR[1])
        seconds = time.perf_counter() - began
    assert len(candles) == 365 * DAY
    return {"seconds": seconds}


TASKS = {
    "prepare": prepare,
    "store": read_store,
    "parquet": read_parquet,
    "duckdb": read_duckdb,
    "feather": read_feather,
    "day": add_days,
    "parse": parse,
    "write": write_text,
    "text": read_text,
    "serve": serve,
    "download": download,
    "fetch": fetch,
}


def run(task, place, bars, python: str | Path = sys.executable):
    return in_process(python, __file__, "--task", task, place, "--bars", bars)


@contextmanager
def server(folder) -> Iterator[Path]:
    """A loopback Binance in a process of its own; gives the file that holds its address."""
    with Popen([sys.executable, __file__, "--task", "serve", "-"], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        address = folder / "address.json"
        address.write_text(process.stdout.readline())
        yield address
        process.communicate("")


def compare(only, rounds, bars, folder):
    """Figures: (name, value, unit, goal, better, against)."""
    out = []
    if "parse" in only:
        found = alternate(rounds, {"ours": lambda: run("parse", "-", 0)})["ours"]
        out.append(("dumps parsed", found["rate"] / 1e6, "million rows/s", 2, "higher", ""))
        out.append(("dumps parsed", found["rate"] / found["pandas"], "x", None, "higher", "zipfile and pandas"))
    if "files" in only:
        for number, shape in enumerate(TEXT_SHAPES):
            written = folder / "text.json"
            written.write_text(json.dumps(run("write", folder, number)))
            found = alternate(rounds, {"text": lambda: run("text", written, 0)})["text"]  # noqa: B023
            out.append((f"text, {TEXT_ROWS:,} rows: {shape}", found["seconds"], "s", 2, "lower", ""))
            out.append(("memory of that reading, at its peak", found["ratio"], "x the frame", 3, "lower", ""))
    if {"store", "read"} & set(only):
        filled = run("prepare", folder, bars)
        out.append((f"a new store of {bars:,} bars", filled["seconds"], "s", None, "lower", ""))
    if "read" in only:
        tasks = {
            "the store, into Candles": lambda: run("store", folder, bars),
            "plain Parquet (Polars)": lambda: run("parquet", folder, bars),
            "DuckDB, Parquet into NumPy": lambda: run("duckdb", folder, bars, RIVALS),
            "freqtrade's feather (pandas)": lambda: run("feather", folder, bars, RIVALS),
        }
        found = alternate(rounds, tasks)
        (ours, seconds), *rivals = [(name, row["seconds"]) for name, row in found.items()]
        out.append((f"read: {ours}", seconds, "s", 0.5, "lower", ""))
        out += [(f"read: {name}", value, "s", None, "lower", "") for name, value in rivals]
        out += [("read: the store", value / seconds, "x", None, "higher", name) for name, value in rivals]
        out.append(("memory of a read, at its peak", found[ours]["ratio"], "x the frame", 3, "lower", ""))
        out.append(("memory of the process, at its peak", found[ours]["whole"], "x the frame", None, "lower", ""))
    if "store" in only:
        found = alternate(rounds, {"day": lambda: run("day", folder, bars)})["day"]
        out.append(("one new day into the store", found["seconds"], "s", 0.5, "lower", ""))
    if "fetch" in only:
        with server(folder) as address:
            run("download", address, 0)  # the server makes its files
            tasks = {"ours": lambda: run("fetch", address, 0), "floor": lambda: run("download", address, 0)}
            found = alternate(rounds, tasks)
        ours, floor = found["ours"]["seconds"], found["floor"]["seconds"]
        out.append(("cold fetch of a year of minutes", ours, "s", None, "lower", ""))
        out.append(("its files alone, downloaded and dropped", floor, "s", None, "lower", ""))
        out.append(("cold fetch of a year of minutes", 365 * DAY / ours, "bars/s", None, "higher", ""))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=["parse", "files", "read", "store", "fetch"])
    parser.add_argument("--bars", type=int, default=4_700_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, place = options.task
        print(json.dumps(TASKS[name](Path(place), options.bars)))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = compare(options.only, options.rounds, options.bars, Path(folder))
    names = ("name", "value", "unit", "goal", "better", "against")
    if options.json:
        machine = f"{platform.processor() or platform.machine()}, {platform.python_version()}"
        rows = [dict(zip(names, figure, strict=True)) for figure in figures]
        print(json.dumps({"bench": "data", "machine": machine, "figures": rows}))
        return
    for name, value, unit, goal, better, against in figures:
        words = f"goal {'>=' if better == 'higher' else '<='} {goal:g}" if goal is not None else ""
        line = f"{name:56} {value:12,.2f} {unit:14} {words:14} {f'against {against}' if against else ''}"
        print(line.rstrip(), flush=True)


if __name__ == "__main__":
    main()
