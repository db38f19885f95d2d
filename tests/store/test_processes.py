"""Several processes at once: no error, no bar lost, none doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from candlecast import Store

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
    ended = [(process.communicate()[1], process.returncode) for process in running]
    assert ended == [("", 0)] * 8
    assert store.read("shelf", "X", "1h").frame.equals(bars)
    assert store.changes("shelf", "X", "1h").is_empty()
    store.compact()
    assert store.read("shelf", "X", "1h").frame.equals(bars)
    assert store.series()["bars"].item() == len(bars)
