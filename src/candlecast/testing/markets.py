"""Synthetic markets for the checks."""

from __future__ import annotations

from candlecast.candles import Candles
from candlecast.errors import NotEnoughDataError
from candlecast.sources import synthetic


def synthetic_market(bars: int, seed: int) -> Candles:
    return synthetic.garch(bars, seed=seed, interval="1h").candles


def require_bars(candles: Candles, least: int, subject: str) -> None:
    if len(candles) < least:
        raise NotEnoughDataError(
            f"{candles.symbol} has {len(candles):,} candles to check {subject}",
            expected=f"at least {least:,}",
            remedy="Give more candles, or none to use a synthetic market",
        )
