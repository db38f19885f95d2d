"""How commands name candles: a file, or an embedded sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from candlecast.errors import SourceError, near_misses

if TYPE_CHECKING:
    from candlecast.candles import Candles


def load(asset: str, *, interval: str | None, zone: str | None = None) -> Candles:
    """Candles of a CSV or Parquet file, or of an embedded sample ("sp500", "nasdaq").

    Raises SourceError when there is neither, CandleError or ConfigError when they cannot be read.
    """
    from candlecast.sources.files import read_file
    from candlecast.sources.sample import SAMPLES, sample

    if asset.lower() in SAMPLES:
        candles = sample(asset.lower())
        return candles.resample(interval) if interval else candles
    path = Path(asset)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return read_file(path, interval=interval, zone=zone)
    raise SourceError(
        f"{asset!r} is neither a file nor a sample",
        expected=f"a path of a CSV or Parquet file, or {' or '.join(SAMPLES)}",
        remedy=near_misses(asset, SAMPLES),
    )
