"""A workspace that the tests of the local pages share: runs, a comparison, a store with gaps, a paper session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import polars as pl
import pytest

from candlecast import Store
from candlecast.dataset.folds import WalkForward
from candlecast.ledger import Ledger
from candlecast.live import paper
from candlecast.models import LinearRegression, Naive
from candlecast.scan import scan
from candlecast.signals import Threshold
from candlecast.sources import synthetic
from candlecast.sources.feed import Tape
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
from candlecast.ui import serve_ui
from shelf import Shelf
from small_scans import LINEAR, plan_of, walk

HOSTILE = "</script><script>alert(1)</script>&\"'<b>"


@dataclass(frozen=True)
class Place:
    """A workspace, and its pages at an address."""

    folder: Path
    address: str

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def scan(self) -> str:
        return next(path.name for path in (self.runs / "scans").iterdir() if path.name.startswith("scan-"))

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.runs.iterdir() if path.is_dir() and path.name != "scans")

    def get(self, path: str = "") -> tuple[int, str]:
        """Status and page."""
        try:
            with urlopen(self.address + path) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="package")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui") / "workspace"
    runs = folder / "runs"
    market = synthetic.ar1(500, seed=1, phi=0.3, interval="1h").candles
    for candles, model in (
        (market, LinearRegression()),
        (market, LinearRegression(window=3)),
        (replace(market, symbol=HOSTILE), Naive()),
    ):
        study = Study(model=model, folds=WalkForward(folds=2), baselines=())
        run_study(study, candles, runs=runs)
    linear = next(path for path in sorted(runs.iterdir()) if path.is_dir() and "linear" in path.name)
    result = load_run(linear)
    result.sweep([Threshold(0.001), Threshold(0.002)], ledger=Ledger(runs))
    scan(plan_of(walk("A", 1), models=[LINEAR]), runs=runs, workers=1)
    session = paper(result, feed=Tape(result.candles[-60:]), session=folder / "paper" / "first")
    assert sum(1 for _ in session)
    session.close()
    hours = synthetic.garch(2_000, seed=5, interval="1h").candles.frame
    gapped = pl.concat([hours[:500], hours[510:1_500], hours[1_620:]])
    store = Store(folder / "data")
    store.update(Shelf(gapped), "BTCUSDT", "1h")
    moved = gapped.with_columns(volume=pl.when(pl.int_range(pl.len()) == 7).then(1.0).otherwise("volume"))
    store.update(Shelf(moved), "BTCUSDT", "1h", refresh=True)
    store.update(Shelf(hours[:100]), "ETH/USDT", "1h")
    with serve_ui(runs=runs, store=folder / "data", paper=folder / "paper") as address:
        yield Place(folder, address)
