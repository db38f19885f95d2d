"""Small markets and decisions for the ledgers on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.signals import Positions

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def market() -> Callable[[Sequence[float], Sequence[float]], Candles]:
    """Daily candles of "asset" from opens and closes."""

    def build(opens: Sequence[float], closes: Sequence[float]) -> Candles:
        o, c = np.array(opens, dtype=float), np.array(closes, dtype=float)
        times = [START + timedelta(days=day) for day in range(len(o))]
        columns = {"open": o, "high": np.maximum(o, c), "low": np.minimum(o, c), "close": c, "volume": np.ones(len(o))}
        return Candles.from_frame(pl.DataFrame({"open_time": times, **columns}))

    return build


@pytest.fixture(scope="session")
def market_of() -> Callable[[Sequence[tuple[float, ...]]], Candles]:
    """Daily candles of "asset" from (open, high, low, close)."""

    def build(bars: Sequence[tuple[float, ...]]) -> Candles:
        times = [START + timedelta(days=day) for day in range(len(bars))]
        frame = pl.DataFrame(bars, schema=["open", "high", "low", "close"], orient="row").cast(pl.Float64)
        return Candles.from_frame(frame.with_columns(open_time=pl.Series(times), volume=pl.lit(1.0)))

    return build


@pytest.fixture(scope="session")
def decide() -> Callable[..., Positions]:
    """Positions decided at the closes of bars: a list from bar 0 on, or a dict by bar."""

    def build(candles: Candles, targets: Sequence[float] | dict[int, float], symbol: str = "asset") -> Positions:
        by_bar = targets if isinstance(targets, dict) else dict(enumerate(targets))
        times = candles.frame["close_time"][list(by_bar)]
        frame = pl.DataFrame({"time": times, "symbol": symbol, "position": [float(t) for t in by_bar.values()]})
        return Positions(frame)

    return build
