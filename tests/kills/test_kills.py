"""Killed at any moment and started again, work ends as without the kill: the same bytes, one trial, no bar lost.

CANDLECAST_KILLS=100 asks for that many kills of each task (`make kills`); a few are made otherwise. The moments are drawn by
CANDLECAST_KILLS_SEED.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from candlecast import Store
from candlecast.ledger import Ledger
from candlecast.ledger.trial import choices_of
from candlecast.runs import list_runs
from candlecast.sources import synthetic
from candlecast.sources.binance import Binance
from servers import BinanceWorld, Listing, market_server

from .children import children
from .rounds import Rounds

SINCE = "2024-12-01"
HALT = (datetime(2024, 12, 20, 2, tzinfo=UTC), datetime(2024, 12, 20, 5, tzinfo=UTC))
TRIALS = 20  # that `kills.tasks.record` writes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


@pytest.fixture(scope="module")
def forked():
    with children() as running:
        yield running


@pytest.fixture
def rounds(forked, record_property):
    """Rounds of a task, whose moments are those of an undisturbed one."""

    def make(task, *values, each):
        return Rounds(task, forked, forked.time(task, *values), each, record_property)

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run(rounds, tmp_path):
    """A run is listed when it is whole, and its bytes are those of an undisturbed run; its trial is recorded once."""
    of_runs = rounds("run", str(tmp_path / "undisturbed"), each=10)
    (whole,) = list_runs(tmp_path / "undisturbed")
    right = files(whole)

    def begin(number):
        return (str(tmp_path / f"runs-{number}"),)

    def check(number):
        for run in list_runs(tmp_path / f"runs-{number}"):
            assert files(run) == right
        assert Ledger(tmp_path / f"runs-{number}").count() <= 1

    of_runs.play(begin, check, lambda number: require_one_run(tmp_path / f"runs-{number}", right))


def require_one_run(folder: Path, right: dict[str, bytes]) -> None:
    """One whole run, one trial, and nothing else."""
    (run,) = list_runs(folder)
    assert files(run) == right
    assert Ledger(folder).count() == 1
    assert {path.name for path in folder.iterdir()} - {run.name} <= {
        "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"
    }  # fmt: skip


def test_a_fetch(rounds, tmp_path):
    """Each killed fetch leaves a beginning of the bars, whole and in order; the next one goes on.

    Two months by dumps, with a halt in one, and ten days by REST.
    """
    with exchange() as (server, addresses):
        bars = Binance(**addresses, is_paced=False, clock=server.clock).fetch("BTCUSDT", "1m", since=SINCE).frame
        values = (addresses, server.now.isoformat(), SINCE)
        of_fetches = rounds("fetch", str(tmp_path / "undisturbed"), *values, each=10)
        require_bars(Store(tmp_path / "undisturbed"), "binance", "BTCUSDT", "1m", bars)
        kept = {}

        def begin(number):
            return (str(Store(tmp_path / f"data-{number}").location), *values)

        def check(number):
            store, left = Store(tmp_path / f"data-{number}"), pl.DataFrame()
            if store.symbols():
                left = store.read("binance", "BTCUSDT", "1m").frame
                assert left.equals(bars[: len(left)])
                assert store.changes("binance", "BTCUSDT", "1m").is_empty()
            assert len(left) >= kept.get(number, 0)
            kept[number] = len(left)

        def finish(number):
            require_bars(Store(tmp_path / f"data-{number}"), "binance", "BTCUSDT", "1m", bars)

        of_fetches.play(begin, check, finish)


@contextmanager
def exchange():
    """A loopback exchange without a limit on requests in the one minute of its clock, and its addresses."""
    with market_server() as server:
        world = BinanceWorld([Listing("BTCUSDT", halts=(HALT,))], weight_limit=10**9).mount(server)
        yield server, world.addresses


def test_a_compaction(rounds, forked, tmp_path):
    """Each killed compaction leaves every bar, and the next one goes on."""
    bars = synthetic.garch(1_000, seed=5, interval="1h").candles.frame
    bars.write_parquet(tmp_path / "bars.parquet")
    forked.time("fill", str(tmp_path / "full"), str(tmp_path / "bars.parquet"))
    shutil.copytree(tmp_path / "full", tmp_path / "undisturbed")
    of_compactions = rounds("compact", str(tmp_path / "undisturbed"), each=5)

    def begin(number):
        folder = tmp_path / f"data-{number}"
        if not folder.exists():
            shutil.copytree(tmp_path / "full", folder)
        return (str(folder),)

    def check(number):
        require_bars(Store(tmp_path / f"data-{number}"), "shelf", "X", "1h", bars)

    of_compactions.play(begin, check, check)


def require_bars(store: Store, source: str, symbol: str, interval: str, bars: pl.DataFrame) -> None:
    """All bars, each once, and none that changed."""
    assert store.read(source, symbol, interval).frame.equals(bars)
    assert store.changes(source, symbol, interval).is_empty()
    assert store.series()["bars"].item() == len(bars)


def test_a_ledger(rounds, tmp_path):
    """What was recorded is there, once, whole and in order; the next process goes on."""
    of_ledgers = rounds("record", str(tmp_path / "undisturbed"), str(tmp_path / "undisturbed.txt"), each=5)

    def kept(number):
        return [trial.study["number"] for trial in Ledger(tmp_path / f"runs-{number}").trials()]

    def begin(number):
        return str(tmp_path / f"runs-{number}"), str(tmp_path / f"runs-{number}.txt")

    def check(number):
        acknowledged, found = tmp_path / f"runs-{number}.txt", kept(number)
        said = [int(line) for line in acknowledged.read_text().split()] if acknowledged.exists() else []
        assert found == list(range(len(found))) and set(said) <= set(found)

    def finish(number):
        assert kept(number) == list(range(TRIALS))

    of_ledgers.play(begin, check, finish)


def test_an_inbox(rounds, tmp_path):
    """What began in the inbox is counted, once; the next process goes on."""
    of_inboxes = rounds("wait", str(tmp_path / "undisturbed"), str(tmp_path / "undisturbed.txt"), each=5)
    numbers = {choices_of("d1", {"number": number}): number for number in range(TRIALS)}

    def kept(number):
        found = Ledger(tmp_path / f"runs-{number}").entries()
        assert [entry.number for entry in found] == list(range(1, len(found) + 1))
        return [numbers[entry.identity] for entry in found]

    def begin(number):
        return str(tmp_path / f"runs-{number}"), str(tmp_path / f"runs-{number}.txt")

    def check(number):
        acknowledged, found = tmp_path / f"runs-{number}.txt", kept(number)
        said = [int(line) for line in acknowledged.read_text().split()] if acknowledged.exists() else []
        assert len(found) == len(set(found)) and set(said) <= set(found)

    def finish(number):
        assert sorted(kept(number)) == list(range(TRIALS))

    of_inboxes.play(begin, check, finish)
