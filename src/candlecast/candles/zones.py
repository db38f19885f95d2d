"""The zone that a market keeps its hours in, found by the regularity that its clock gives to the opening times of bars."""

from __future__ import annotations

import numpy as np
import polars as pl

from candlecast.candles.clock import DAY, HOUR, MINUTE, WEEK, local_time

SLOT = 30 * MINUTE
SLOTS = WEEK // SLOT
PREFIXES = (8, 16, 32, 60)  # weeks; the longest holds every change of clocks of a year
MINIMUM = 5.0  # log likelihood by which a zone must beat UTC, and zones that change their clocks on other dates
SHARE = 0.02  # the same as a share of the cost on UTC, where trade is irregular on every clock
ROUNDING = 1e-6
OFF_GRID = 3.0  # cost of a bar that opens off the grid

# One zone for each rule of daylight saving time that an exchange keeps or kept since 1990, the usual ones first; zones
# with equal rules stand together (UTC stands for all that have none).
ZONES = (
    "America/New_York",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Australia/Sydney",
    "Pacific/Auckland",
    "America/Sao_Paulo",
    "America/Santiago",
    "Asia/Jerusalem",
    "America/Mexico_City",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Africa/Cairo",
    "Asia/Tehran",
)


def infer_zones(opened: np.ndarray, step: int, *, hint: str | None = None) -> list[str]:
    """Zones on whose clock bars open at the same hours of the week, all equally well; empty if none is better than UTC.

    `opened`: open times, microseconds since 1970, int64, rising, shape (time,); `step` the length of a bar. `hint` is a
    zone that is preferred unless another explains the hours better.

    A market that opens at 9:30 in New York has bars at 14:30 UTC in winter and 13:30 in summer, and on New York's clock
    always at 9:30. The cost of a zone says how badly the half hour of the week predicts whether a bar opens in it, as minus
    the log likelihood: - sum over the slots s of n_s ln p_s + (w_s - n_s) ln (1 - p_s), n_s the weeks with a bar
    in the slot, w_s all weeks, and p_s = n_s / w_s; plus three for each bar that opens off the most common grid.

    The first 8, 16, 32 and 60 weeks are tried in turn, until one zone is clearly better; later bars change nothing. Until
    the first change of clocks, all zones give the same gaps. While zones that change their clocks on different dates are
    equally good, more weeks are needed if there are any.
    """
    if not len(opened):
        return [hint] if hint else []
    opened = opened[: np.searchsorted(opened, opened[0] + PREFIXES[-1] * WEEK)]
    zones = [*([hint] if hint and hint != "UTC" else []), *(zone for zone in ZONES if zone != hint)]
    slots = opened // SLOT
    slots = slots[np.diff(slots, prepend=slots[:1] - 1) > 0]
    clocks = _clocks(slots * SLOT, zones)
    grids = _clocks(opened, zones) if step > HOUR else {}
    months = _clocks(opened[0] + np.arange(PREFIXES[-1]) * WEEK, zones)
    seen, is_as_good = 0, hint is not None
    for weeks in PREFIXES:
        count = int(np.searchsorted(slots, (opened[0] + weeks * WEEK) // SLOT))
        if count == seen:
            break
        seen, bars = count, int(np.searchsorted(opened, opened[0] + weeks * WEEK))
        base = _irregularity(slots[:count]) + _off_grid(opened[:bars] if grids else None, step)
        costs = {
            zone: _irregularity(clocks[zone][:count] // SLOT) + _off_grid(grids[zone][:bars] if grids else None, step)
            for zone in zones
        }
        best = min(zones, key=lambda zone: costs[zone])
        margin = max(MINIMUM, SHARE * base)
        others = [costs[zone] for zone in zones if np.ptp(months[zone] - months[best]) > 0]
        is_apart = all(cost - costs[best] >= MINIMUM for cost in others)
        if base - costs[best] >= margin and (is_apart or count == len(slots)):
            alike = [zone for zone in zones if costs[zone] - costs[best] < ROUNDING]
            return _ordered(alike, {zone: clocks[zone][:count] for zone in alike}, hint)
        is_as_good = hint in costs and costs[hint] - base < margin
    return [hint] if hint and is_as_good and hint != "UTC" else []


def _clocks(times: np.ndarray, zones: list[str]) -> dict[str, np.ndarray]:
    """What the clocks of zones show at times, all int64 microseconds since 1970, shape (time,)."""
    utc = pl.Series(times).cast(pl.Datetime("us", "UTC"))
    return {zone: local_time(utc, zone) for zone in zones}


def _irregularity(slots: np.ndarray) -> float:
    """Minus the log likelihood of bars by half hour of the week; `slots` are half hours since 1970, shape (slot,)."""
    first, last = int(slots.min()), int(slots.max())
    whole, rest = divmod(last - first + 1, SLOTS)
    weeks = np.full(SLOTS, whole)
    weeks[np.arange(first, first + rest) % SLOTS] += 1
    share = np.minimum(np.bincount(slots % SLOTS, minlength=SLOTS) / np.maximum(weeks, 1), 1.0)
    is_mixed = (share > 0) & (share < 1)
    share, weeks = share[is_mixed], weeks[is_mixed]
    return float(-np.sum(weeks * (share * np.log(share) + (1 - share) * np.log1p(-share))))


def _off_grid(clock: np.ndarray | None, step: int) -> float:
    """The cost of bars that open at another offset than most. Offsets that begin anew after a pause cost all zones the same."""
    if clock is None:
        return 0.0
    return OFF_GRID * (len(clock) - int(np.unique(clock % step, return_counts=True)[1].max()))


def _ordered(alike: list[str], clocks: dict[str, np.ndarray], hint: str | None) -> list[str]:
    """Zones that explain the hours equally well, the hint and those in which the week begins at midnight first."""

    def begins_at_midnight(zone: str) -> bool:
        clock = clocks[zone]
        begins = clock[1:][np.diff(clock) > DAY] % DAY
        return len(begins) > 0 and float(np.mean(begins == 0)) > 0.5

    return sorted(alike, key=lambda zone: (zone != hint, not begins_at_midnight(zone)))
