"""Real candles that come with the installation: S&P 500 and Nasdaq Composite, daily, 1999 to 2018."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import polars as pl

from candlecast.candles import Candles, Origin
from candlecast.errors import SourceError, near_misses

SAMPLES = ("sp500", "nasdaq")


def sample(name: Literal["sp500", "nasdaq"] | str = "sp500") -> Candles:
    """Real daily candles, offline: "sp500" (S&P 500) or "nasdaq" (Nasdaq Composite), 5,031 days from 1999 to 2018.

    The data come with the `arch` package (from Yahoo Finance, unadjusted index levels, volume in shares of the
    index's members). Raises SourceError for another name.
    """
    if name not in SAMPLES:
        raise SourceError(f"there is no sample {name!r}", expected="sp500 or nasdaq", remedy=near_misses(name, SAMPLES))
    frame = pl.read_csv(_folder() / name / f"{name}.csv.gz").with_columns(pl.col("Date").str.to_date("%m/%d/%Y"))
    candles = Candles.from_frame(frame, interval="1d", symbol=name.upper())
    return replace(candles, origin=Origin("sample", reading=f"{name}, from Yahoo Finance, in the package arch"))


def _folder() -> Path:
    """Where `arch` keeps its data, found without importing it (which would take over a second)."""
    spec = find_spec("arch")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            "the package `arch`, which the samples come with, is not installed",
            expected="a complete installation of candlecast",
            remedy="Install it with: pip install arch",
        )
    return Path(spec.submodule_search_locations[0]) / "data"
