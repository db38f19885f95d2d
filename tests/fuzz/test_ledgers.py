"""Ledgers that are broken, or made up: every one of them is read, or refused in one sentence."""

from __future__ import annotations

import random
import shutil
import sys

import numpy as np
import pytest

from candlecast.ledger import Ledger, Searched
from candlecast.ledger.trials import Trial
from fuzz.budget import SHARDS, Failures, seeds
from fuzz.ledgers import mutate


def trial(seed: int, bars: int = 120) -> Trial:
    """A trial of daily returns with two searches."""
    times = np.datetime64("2024-01-01", "us") + np.arange(bars) * np.timedelta64(1, "D")
    returns = 0.01 * np.random.default_rng(seed).standard_normal(bars)
    searches = tuple(Searched("BTCUSDT", 0, number, {"hidden": number}, 0.5, number == 0) for number in range(2))
    return Trial("d1", {"seed": seed}, "0.1", "BTCUSDT", "1d", "a", 365.0, times, returns, searches=searches)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with a ledger of four trials, and one that a killed process left, with its last writes beside it."""
    folders = [tmp_path_factory.mktemp(name) for name in ("closed", "killed")]
    for folder in folders:
        ledger = Ledger(folder / "runs")
        ledger.record_all([trial(0), trial(1)])
        ledger.record(trial(2))
    closed, killed = (folder / "runs" for folder in folders)
    with Ledger(killed)._open():  # a reader holds the file: the writes are not merged into it
        Ledger(killed).record(trial(3))
        shutil.copytree(killed, folders[1] / "copy")
    return closed, folders[1] / "copy"


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")
def test_every_mutation_is_read_or_refused(shard, stored, tmp_path):
    failures = Failures()
    for seed in seeds("ledger", shard):
        dice = random.Random(seed)
        runs = tmp_path / str(seed)
        shutil.copytree(dice.choice(stored), runs)
        ways = [mutate(runs / "ledger.sqlite", dice) for _ in range(dice.choice([1, 1, 1, 2]))]
        with failures.case("case", seed, ways):
            use(Ledger(runs), dice)
        shutil.rmtree(runs)
    failures.require_none()


def use(ledger: Ledger, dice: random.Random) -> None:
    """What is done with a ledger: all of it, or one of the ways to read it."""
    step = dice.randrange(8)
    if step in (0, 1, 4):
        assert ledger.count() >= 0
    if step in (0, 2, 5):
        assert all(entry.profile.values.ndim == 2 for entry in ledger.entries())
    if step in (0, 3, 6):
        assert all(len(each.times) == len(each.returns) for each in ledger.trials())
    if step == 7:
        assert ledger.record(trial(9))
        assert ledger.count() >= 1
