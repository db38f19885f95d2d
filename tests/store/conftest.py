"""Bars, and a new store."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from candlecast import Store
from candlecast.sources import synthetic


@pytest.fixture(scope="session")
def bars() -> pl.DataFrame:
    """1,000 hours from 2015-01-01 without the ten from hour 500 on."""
    whole = synthetic.garch(1_000, seed=5, interval="1h").candles.frame
    return pl.concat([whole[:500], whole[510:]])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")
