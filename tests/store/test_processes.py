"""Several processes at once, and processes killed at any moment: no error, no bar lost, none doubled.

CANDLECAST_KILLS=100 asks for that many kills; a few are made otherwise.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from candlecast import Store
from shelf import Shelf

KILLS = int(os.environ.get("CANDLECAST_KILLS", "6"))
TESTS = str(Path(__file__).parents[1])

START = """
import sys, time
sys.path.insert(0, {tests!r})
import polars as pl
from candlecast import Store
from candlecast.store import update
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

SLOW = """
class Slow(Shelf):
    def pages(self, *request, **period):
        for page in super().pages(*request, **period):
            time.sleep(0.002)
            yield page

update.BATCH_BARS = 40
print("ready", flush=True)
while True:
    store.update(Slow(bars, size=10), "X", "1h", refresh=True)
    store.compact()
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


def test_killed_at_any_moment(store, bars, tmp_path):
    """Each killed process leaves a beginning of the bars, whole and in order; the next one goes on."""
    bars.write_parquet(tmp_path / "bars.parquet")
    random.seed(4)
    longest = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            script(SLOW, store, tmp_path / "bars.parquet"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stderr is not None
        started = process.stdout.readline()
        time.sleep(random.uniform(0.0, 0.6))
        process.kill()
        _, errors = process.communicate(timeout=30)
        assert started == "ready\n" and not errors, errors
        if store.symbols():
            left = store.read("shelf", "X", "1h").frame
            assert left.equals(bars[: len(left)])
            assert len(left) >= longest
            longest = len(left)
    assert store.symbols() == ["X"]
    assert store.changes("shelf", "X", "1h").is_empty()
    assert store.update(Shelf(bars), "X", "1h").frame.equals(bars)
    store.compact()
    assert store.read("shelf", "X", "1h").frame.equals(bars)
