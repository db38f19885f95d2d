"""The zone that a market keeps its hours in, found by the regularity that its clock gives to the opening times of bars."""

from __future__ import annotations

import numpy as np
import polars as pl

from candlecast.candles.clock import DAY, HOUR, MINUTE, local_time

WEEK = 7 * DAY
SLOT = 30 * MINUTE
SLOTS = WEEK // SLOT
PREFIXES = (8, 16, 32, 60)  # weeks; the longest holds every change of clocks of a year
FEWEST = 3  # slots by which a zone must be more regular than UTC, and than a zone with other changes
SHARE = 0.04  # of the irregular slots that it must remove
OFF_GRID = 3  # slots that a bar off the grid counts for

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


def infer_zone(opened: np.ndarray, step: int, *, hint: str | None = None) -> str | None:
    """The zone on whose clock bars open at the same hours of the week, None where no clock is better than UTC.

    `opened`: open times, microseconds since 1970, int64, rising, shape (time,); `step` the length of a bar. `hint` is a
    zone that is taken unless another explains the hours better.

    A market that opens at 9:30 in New York has bars at 14:30 UTC in winter and 13:30 in summer, and on New York's clock
    always at 9:30. The measure of a zone is the number of half hours of the week in which a bar is missing or extra against
    the rule of that half hour: sum over the slots s of min(n_s, w_s - n_s), n_s the weeks with a bar that opens in the
    slot, w_s the weeks there are; and three for each bar that opens off the grid which most of them open on.

    Only the first 8, 16, 32, then 60 weeks are looked at, until a zone is clearly better: later bars change nothing, and
    before the first change of clocks all zones give the same holes.
    """
    if not len(opened):
        return hint
    opened = opened[: np.searchsorted(opened, opened[0] + PREFIXES[-1] * WEEK)]
    zones = [*([hint] if hint and hint != "UTC" else []), *(zone for zone in ZONES if zone != hint)]
    slots = np.unique(opened // SLOT)
    times = pl.Series(slots * SLOT).cast(pl.Datetime("us", "UTC"))
    clocks = {zone: local_time(times, zone) // SLOT for zone in zones}
    has_grid = step > HOUR
    grids = {}
    if has_grid:
        bars = pl.Series(opened).cast(pl.Datetime("us", "UTC"))
        grids = {zone: local_time(bars, zone) for zone in zones}
    seen, is_as_good = 0, hint is not None
    for weeks in PREFIXES:
        count = int(np.searchsorted(slots, (opened[0] + weeks * WEEK) // SLOT))
        if count == seen:
            break
        seen, bars_seen = count, int(np.searchsorted(opened, opened[0] + weeks * WEEK))
        base = _irregular(slots[:count]) + (OFF_GRID * _off_grid(opened[:bars_seen], step) if has_grid else 0)
        costs = {
            zone: _irregular(clocks[zone][:count])
            + (OFF_GRID * _off_grid(grids[zone][:bars_seen], step) if has_grid else 0)
            for zone in zones
        }
        best = min(zones, key=lambda zone: costs[zone])
        margin = max(FEWEST, SHARE * base)
        others = [cost for zone, cost in costs.items() if not _is_alike(clocks[zone][:count], clocks[best][:count])]
        is_apart = all(cost - costs[best] >= FEWEST for cost in others)
        if base - costs[best] >= margin and (is_apart or count == len(slots)):
            alike = [zone for zone in zones if costs[zone] == costs[best]]
            return _named(alike, {zone: clocks[zone][:count] for zone in alike}, hint)
        is_as_good = hint in costs and costs[hint] - base < margin
    return hint if is_as_good and hint != "UTC" else None


def _irregular(slots: np.ndarray) -> int:
    """Half hours in which a bar is missing or extra; `slots` are half hours since 1970, shape (slot,)."""
    first, last = int(slots.min()), int(slots.max())
    found = np.bincount(slots % SLOTS, minlength=SLOTS)
    whole, rest = divmod(last - first + 1, SLOTS)
    weeks = np.full(SLOTS, whole)
    weeks[np.arange(first, first + rest) % SLOTS] += 1
    return int(np.minimum(found, np.abs(weeks - found)).sum())


def _off_grid(clock: np.ndarray, step: int) -> int:
    """Bars that open at another offset than most; a bar behind a pause may begin anew, and does so on every clock."""
    return len(clock) - int(np.unique(clock % step, return_counts=True)[1].max())


def _is_alike(clock: np.ndarray, other: np.ndarray) -> bool:
    """Whether two clocks differ by a constant alone."""
    return bool(np.ptp(clock - other) == 0)


def _named(alike: list[str], clocks: dict[str, np.ndarray], hint: str | None) -> str:
    """Of zones that explain the hours equally well: the hint, one in which the week begins at midnight, or the first."""
    if hint in alike:
        return hint  # type: ignore[return-value]
    for zone in alike:
        clock = clocks[zone]
        begins = clock[1:][np.diff(clock) > DAY // SLOT] % (DAY // SLOT)
        if len(begins) and np.mean(begins == 0) > 0.5:
            return zone
    return alike[0]
