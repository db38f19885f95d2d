"""Several processes at once, and processes killed at any moment: no error, no bar lost, none doubled.

CANDLECAST_KILLS=100 asks for that many kills; a few are made otherwise.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from candlecast import Store
from candlecast.sources.binance import Binance
from servers import BinanceWorld, Listing, market_server

KILLS = int(os.environ.get("CANDLECAST_KILLS", "4"))
SINCE = "2024-12-01"
HALT = (datetime(2024, 12, 20, 2, tzinfo=UTC), datetime(2024, 12, 20, 5, tzinfo=UTC))
TESTS = str(Path(__file__).parents[1])

START = """
import sys
sys.path.insert(0, {tests!r})
import polars as pl
from candlecast import Store
from shelf import Shelf
bars, store = pl.read_parquet({bars!r}), Store({url!r})
"""

UPDATES = """
for stop in range(100 + 7 * {number}, 991, 300):
    candles = store.update(Shelf(bars[:stop], size=60), "X", "1h")
    assert candles.frame[:stop].equals(bars[:stop]), stop
    version = candles.origin.version
    again = store.read("shelf", "X", "1h", version=version)
    assert again.frame.equals(candles.frame) and again.fingerprint == candles.fingerprint
    if {number} == 3:
        store.compact()
store.update(Shelf(bars), "X", "1h")
"""

FETCH = """
from datetime import datetime
import ccxt, deltalake, httpx
from candlecast.cli import main
from candlecast.cli import source_registry
from candlecast.sources.binance import Binance
from candlecast.store import compact, update

now = datetime.fromisoformat({now!r})
source_registry.SOURCES["binance"] = lambda: Binance(**{addresses!r}, is_paced=False, clock=lambda: now)
update.BATCH_BARS, compact.CROWDED = 1, 3  # a commit for every page, and a compaction in the end
print("ready", flush=True)
main(["fetch", "BTCUSDT", "--interval", "1m", "--since", {since!r}, "--store", {url!r}, "--quiet"])
"""


def script(text: str, store: Store, bars: Path, **values) -> list[str]:
    return [sys.executable, "-c", (START + text).format(tests=TESTS, bars=str(bars), url=store.url, **values)]


def test_eight_processes_update_and_read_one_symbol(store, bars, tmp_path):
    bars.write_parquet(tmp_path / "bars.parquet")
    running = [
        subprocess.Popen(
            script(UPDATES, store, tmp_path / "bars.parquet", number=number), stderr=subprocess.PIPE, text=True
        )
        for number in range(8)
    ]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
    assert ended == [("", 0)] * 8
    assert store.read("shelf", "X", "1h").frame.equals(bars)
    assert store.changes("shelf", "X", "1h").is_empty()
    store.compact()
    assert store.read("shelf", "X", "1h").frame.equals(bars)
    assert store.series()["bars"].item() == len(bars)


def test_fetch_killed_at_any_moment(tmp_path):
    """Each killed `candlecast fetch` leaves a beginning of the bars, whole and in order; the next one goes on.

    Two months by dumps, with a halt in one, and ten days by REST; a store that is whole is followed by a new one.
    """
    random.seed(4)
    left, number = pl.DataFrame(), 0
    with market_server() as server:
        world = BinanceWorld([Listing("BTCUSDT", halts=(HALT,))]).mount(server)
        source = Binance(**world.addresses, is_paced=False, clock=server.clock)
        bars = source.fetch("BTCUSDT", "1m", since=SINCE).frame
        values = {"addresses": world.addresses, "now": server.now.isoformat(), "since": SINCE}
        for _ in range(KILLS):
            store = Store(tmp_path / f"data-{number}")
            command = [sys.executable, "-c", FETCH.format(url=store.url, **values)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert process.stdout is not None
            started = process.stdout.readline()
            time.sleep(random.uniform(0.0, 1.0))
            process.kill()
            _, errors = process.communicate(timeout=30)
            assert started == "ready\n" and not errors, errors
            before, left = left, pl.DataFrame()
            if store.symbols():
                left = store.read("binance", "BTCUSDT", "1m").frame
                assert left.equals(bars[: len(left)])
                assert store.changes("binance", "BTCUSDT", "1m").is_empty()
            assert len(left) >= len(before)
            if len(left) == len(bars):
                left, number = pl.DataFrame(), number + 1
        store = Store(tmp_path / f"data-{number}")
        assert store.update(source, "BTCUSDT", "1m", since=SINCE).frame.equals(bars)
        store.compact()
        assert store.read("binance", "BTCUSDT", "1m").frame.equals(bars)
        assert store.series()["bars"].item() == len(bars)
