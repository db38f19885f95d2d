"""Killed at any moment and started again, work ends as without the kill: the same bytes, one trial, no bar lost.

CANDLECAST_KILLS=100 asks for that many kills of each task (`make kills`); a few are made otherwise. The moments are drawn by
CANDLECAST_KILLS_SEED.
"""

from __future__ import annotations

import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from candlecast import Store
from candlecast.ledger import Ledger
from candlecast.runs import list_runs
from candlecast.sources import synthetic
from candlecast.sources.binance import Binance
from kills.children import children
from servers import BinanceWorld, Listing, market_server

KILLS = int(os.environ.get("CANDLECAST_KILLS", "4"))
SEED = int(os.environ.get("CANDLECAST_KILLS_SEED", "0"))
SINCE = "2024-12-01"
HALT = (datetime(2024, 12, 20, 2, tzinfo=UTC), datetime(2024, 12, 20, 5, tzinfo=UTC))
TRIALS = 20  # that `kills.tasks.record` writes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


@pytest.fixture(scope="module")
def forked():
    with children() as running:
        yield running


@pytest.fixture
def dice():
    return random.Random(SEED)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run(forked, dice, tmp_path):
    """A run is listed when it is whole, and its bytes are those of an undisturbed run; its trial is recorded once."""
    moments = forked.time("run", str(tmp_path / "undisturbed"))
    (whole,) = list_runs(tmp_path / "undisturbed")
    right, killed, number = files(whole), 0, 0
    while killed < KILLS:
        folder = tmp_path / f"runs-{number}"
        was_killed = forked.kill("run", str(folder), moment=moments.draw(dice))
        for run in list_runs(folder):
            assert files(run) == right
        assert Ledger(folder).count() <= 1
        killed += was_killed
        if not was_killed or killed % 10 == 0 or killed == KILLS:
            forked.time("run", str(folder))
            require_one_run(folder, right)
            number += 1


def require_one_run(folder: Path, right: dict[str, bytes]) -> None:
    """One whole run, one trial, and nothing else."""
    (run,) = list_runs(folder)
    assert files(run) == right
    assert Ledger(folder).count() == 1
    assert {path.name for path in folder.iterdir()} - {run.name} <= {
        "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"
    }  # fmt: skip


def test_a_fetch(forked, dice, tmp_path):
    """Each killed fetch leaves a beginning of the bars, whole and in order; the next one goes on.

    Two months by dumps, with a halt in one, and ten days by REST.
    """
    with market_server() as server:
        world = BinanceWorld([Listing("BTCUSDT", halts=(HALT,))], weight_limit=10**9).mount(
            server
        )  # in one minute of its clock
        source = Binance(**world.addresses, is_paced=False, clock=server.clock)
        bars = source.fetch("BTCUSDT", "1m", since=SINCE).frame
        values = (world.addresses, server.now.isoformat(), SINCE)
        moments = forked.time("fetch", str(tmp_path / "undisturbed"), *values)
        require_bars(Store(tmp_path / "undisturbed"), "binance", "BTCUSDT", "1m", bars)
        killed = number = before = 0
        while killed < KILLS:
            store = Store(tmp_path / f"data-{number}")
            was_killed = forked.kill("fetch", str(store.location), *values, moment=moments.draw(dice))
            left = pl.DataFrame()
            if store.symbols():
                left = store.read("binance", "BTCUSDT", "1m").frame
                assert left.equals(bars[: len(left)])
                assert store.changes("binance", "BTCUSDT", "1m").is_empty()
            assert len(left) >= before
            before, killed = len(left), killed + was_killed
            if not was_killed or killed % 10 == 0 or killed == KILLS:
                forked.time("fetch", str(store.location), *values)
                require_bars(store, "binance", "BTCUSDT", "1m", bars)
                before, number = 0, number + 1


def test_a_compaction(forked, dice, tmp_path):
    """Each killed compaction leaves every bar, and the next one goes on."""
    bars = synthetic.garch(1_000, seed=5, interval="1h").candles.frame
    bars.write_parquet(tmp_path / "bars.parquet")
    forked.time("fill", str(tmp_path / "full"), str(tmp_path / "bars.parquet"))
    shutil.copytree(tmp_path / "full", tmp_path / "undisturbed")
    moments = forked.time("compact", str(tmp_path / "undisturbed"))
    killed = number = 0
    while killed < KILLS:
        folder = tmp_path / f"data-{number}"
        if not folder.exists():
            shutil.copytree(tmp_path / "full", folder)
        was_killed = forked.kill("compact", str(folder), moment=moments.draw(dice))
        require_bars(Store(folder), "shelf", "X", "1h", bars)
        killed += was_killed
        if not was_killed or killed % 5 == 0 or killed == KILLS:
            forked.time("compact", str(folder))
            require_bars(Store(folder), "shelf", "X", "1h", bars)
            number += 1


def require_bars(store: Store, source: str, symbol: str, interval: str, bars: pl.DataFrame) -> None:
    """All bars, each once, and none that changed."""
    assert store.read(source, symbol, interval).frame.equals(bars)
    assert store.changes(source, symbol, interval).is_empty()
    assert store.series()["bars"].item() == len(bars)


def test_a_ledger(forked, dice, tmp_path):
    """What was recorded is there, once, whole and in order; the next process goes on."""
    values = [str(tmp_path / "undisturbed"), str(tmp_path / "undisturbed.txt")]
    moments = forked.time("record", *values)
    killed = number = 0
    while killed < KILLS:
        folder, acknowledged = tmp_path / f"runs-{number}", tmp_path / f"runs-{number}.txt"
        was_killed = forked.kill("record", str(folder), str(acknowledged), moment=moments.draw(dice))
        said = [int(line) for line in acknowledged.read_text().split()] if acknowledged.exists() else []
        kept = [trial.study["number"] for trial in Ledger(folder).trials()]
        assert kept == list(range(len(kept))) and set(said) <= set(kept)
        killed += was_killed
        if not was_killed or killed % 5 == 0 or killed == KILLS:
            forked.time("record", str(folder), str(acknowledged))
            assert [trial.study["number"] for trial in Ledger(folder).trials()] == list(range(TRIALS))
            number += 1
