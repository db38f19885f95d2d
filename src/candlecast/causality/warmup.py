"""The check of a warm-up: after it, no value depends on where the candles begin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features import Feature

WARMUP_TOLERANCE = 1e-3  # of a column's standard deviation


def require_warm(feature: Feature, candles: Candles, *, must_be_defined: bool) -> None:
    """Raise ConfigError when rows after the warm-up still depend on where the candles begin, or are undefined."""
    needed, settles = _needed(feature, candles, must_be_defined=must_be_defined)
    if needed > feature.warmup:
        raise ConfigError(
            f"feature {feature.name} has a warm-up of {feature.warmup:,} bars, and still depends on where the candles "
            f"begin, or is undefined, {needed - 1:,} bars after the first",
            expected=f"values that differ by at most {WARMUP_TOLERANCE:g} standard deviations from row `warmup` on",
            remedy=f"Use warmup={needed}" if settles else "Compute it over a window of fixed length",
        )


def settles_after(feature: Feature, candles: Candles) -> int | None:
    """Bars after which a feature no longer depends on where the candles begin; None where it does throughout."""
    needed, settles = _needed(feature, candles, must_be_defined=False)
    return needed if settles else None


def _needed(feature: Feature, candles: Candles, *, must_be_defined: bool) -> tuple[int, bool]:
    """The warm-up that three later starts need, and whether it is less than nearly all bars."""
    bare = replace(feature, warmup=0)
    full = bare(candles)
    spread = np.array([column[np.isfinite(column)].std() if np.isfinite(column).any() else 0.0 for column in full.T])
    needed, shortest = 0, len(candles)
    for start in (len(candles) // 5, len(candles) // 3, len(candles) // 2):
        late, part = full[start:], bare(candles[start:])
        same = (np.abs(part - late) <= WARMUP_TOLERANCE * spread) | (np.isnan(part) & np.isnan(late))
        if must_be_defined:
            same &= np.isfinite(part)
        unsettled = np.flatnonzero(~same.all(axis=1))
        needed = max(needed, int(unsettled[-1]) + 1 if len(unsettled) else 0)
        shortest = min(shortest, len(part))
    return needed, needed < 0.9 * shortest
