"""Candles at rest: a table, and what is known of them besides, as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.candles import Candles, Origin, TradingClock
from candlecast.errors import RunError
from candlecast.interval import Interval


def asset_values(candles: Candles) -> dict[str, Any]:
    """What a table of candles does not say: symbol, interval, trading hours, origin and fingerprint."""
    return {
        "symbol": candles.symbol,
        "interval": str(candles.interval),
        "bars": len(candles),
        "first": str(candles.open_time[0]),
        "last": str(candles.close_time[-1]),
        "fingerprint": candles.fingerprint,
        "has_sessions": candles.has_sessions,
        "breaks": candles.breaks,
        "zone": candles.zone,
        "clock": candles.clock.to_dict(),
        "bridge": candles.bridge,
        "origin": asdict(candles.origin) if candles.origin else None,
    }


def stored_candles(frame: pl.DataFrame, asset: Mapping[str, Any], *, where: str | Path) -> Candles:
    """The candles of a table and of its `asset_values`, after they were written as JSON and read.

    `where` they are stored, for the message. Raises CandleError for unsound ones, RunError for others than were written.
    """
    candles = Candles(
        frame,
        asset["symbol"],
        Interval.parse(asset["interval"]),
        bridge=asset["bridge"],
        origin=asset["origin"] and Origin(**asset["origin"]),
        **_hours(asset),
    )
    if candles.fingerprint != asset["fingerprint"]:
        raise RunError(
            f"the candles of {candles.symbol} in {where} are not those that were written",
            expected="unchanged files",
            remedy="Take the folder from where it was made, or compute it again",
        )
    candles.require_sound()
    return candles


def _hours(asset: Mapping[str, Any]) -> dict[str, Any]:
    """Trading hours as parameters of Candles: the clock, or what older runs without a clock have."""
    if "clock" in asset:
        return {"clock": TradingClock.from_dict(asset["clock"])}
    breaks = tuple((first, last) for first, last in asset["breaks"])
    return {"has_sessions": asset["has_sessions"], "breaks": breaks, "zone": asset["zone"]}
