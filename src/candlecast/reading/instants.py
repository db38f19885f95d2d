"""Times in UTC: of counts since 1970, whose unit their size shows, of a spreadsheet's days, and of local times in a zone."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from candlecast.errors import CandleError, ConfigError
from candlecast.reading.days import DAY, EPOCH, MINUTE, last_year
from candlecast.reading.timing import UNITS, second_bounds, unit_of

SPREADSHEET = 25_569  # days from 1899-12-30 to 1970-01-01
LARGEST = 9e18  # microseconds that 64 bits hold
SMALL = 1e8  # smaller counts are seconds before March 1973, or no times
UNIT_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def from_counts(counts: pl.Series, *, what: str, notes: list[str]) -> pl.Series:
    """Datetime[us] of counts since 1970; one column may change its unit, as Binance's did.

    Each count is in the longest unit that gives a year from 1900 to the next. Where a column would then not be in order,
    all of it is in the unit of most of its rows, if that puts it in order.
    """
    values = counts.cast(pl.Float64).to_numpy()
    units = _units(values, what=what)
    micros = _micros(counts, units)
    used = np.unique(units)
    if len(used) > 1 and not _is_ordered(micros):
        common = int(np.bincount(units).argmax())
        is_small = bool((np.abs(values) * UNITS[common][1] < LARGEST).all())
        alone = _micros(counts, np.full_like(units, common)) if is_small else micros
        if not is_small or not _is_ordered(alone) or not _is_within(alone):
            row = int(np.flatnonzero(np.diff(units))[0]) + 1
            raise CandleError(
                f"{what} has times in two units: {_shown(counts[row - 1])}, then {_shown(counts[row])}",
                expected="counts since 1970 that rise together in seconds, milliseconds, microseconds or nanoseconds",
                remedy="Convert the column to one unit",
            )
        micros, used = alone, np.array([common])
    if (np.abs(values) < SMALL).any():
        _require_epoch(counts, micros, what=what)
    notes.append(f"times in {' and '.join(UNIT_WORDS[UNITS[unit][0]] for unit in used)} since 1970")
    return pl.Series(micros).cast(pl.Datetime("us")).alias("open_time")


def _units(values: np.ndarray, *, what: str) -> np.ndarray:
    low, high = (1e6 * seconds for seconds in second_bounds())
    fits = np.stack([(values >= low / micros) & (values < high / micros) for _, micros in UNITS])
    fine = fits.any(axis=0)
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise CandleError(
            f"{what} has time {_shown(values[row])} in row {row + 1}",
            expected=f"seconds, milliseconds, microseconds or nanoseconds since 1970, of the years 1900 to {last_year()}",
            remedy="Correct the row, or convert the column to times with a zone",
        )
    return fits.argmax(axis=0)


def _micros(counts: pl.Series, units: np.ndarray) -> np.ndarray:
    is_whole = not counts.dtype.is_float()
    values = counts.to_numpy()
    out = np.zeros(len(values), dtype=np.int64)
    for unit in np.unique(units):
        rows = units == unit
        factor = UNITS[unit][1]
        if factor < 1:
            out[rows] = values[rows] // 1_000
        elif is_whole:
            out[rows] = values[rows] * np.int64(factor)
        else:
            out[rows] = np.round(values[rows] * factor).astype(np.int64)
    return out


def _is_ordered(micros: np.ndarray) -> bool:
    steps = np.diff(micros)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _is_within(micros: np.ndarray) -> bool:
    return all(unit_of(float(value) / 1e6) == 0 for value in (micros.min(), micros.max()))


def _require_epoch(counts: pl.Series, micros: np.ndarray, *, what: str) -> None:
    """Raise CandleError when small counts look like a counter rather than like seconds of about 1970."""
    steps = np.diff(np.sort(micros))
    steps = steps[steps > 0]
    is_even = len(steps) and (micros % MINUTE == 0).all() and _is_ordered(micros) and np.median(steps) >= MINUTE
    if not is_even:
        row = int((counts.abs() < SMALL).arg_max() or 0)
        raise CandleError(
            f"{what} has time {_shown(counts[row])} in row {row + 1}",
            expected="seconds, milliseconds, microseconds or nanoseconds since 1970",
            remedy='Name the column of times, for example columns={"time": "NAME"}, or convert it to times with a zone',
        )


def _shown(value: float) -> str:
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def from_serials(days: pl.Series) -> pl.Series:
    """Datetime[us] of a spreadsheet's days since 1899-12-30, to the nearest millisecond."""
    millis = ((days.cast(pl.Float64) - SPREADSHEET) * 86_400_000).round().cast(pl.Int64)
    return (millis * 1_000).cast(pl.Datetime("us")).alias("open_time")


def are_whole_days(local: pl.Series) -> bool:
    """Whether all times are midnight where they were written, so that they name days."""
    return bool((local.cast(pl.Int64) % DAY == 0).all())


def in_zone(local: pl.Series, zone: str, *, what: str, notes: list[str]) -> pl.Series:
    """Datetime[us, UTC] of local times in a zone, in the order of the rows.

    An hour that occurs twice, as daylight saving ends, is resolved by the order of the rows where they hold it twice.
    Raises ConfigError for an unknown zone, and for one in which a time does not exist or is ambiguous.
    """
    if zone == "UTC":
        return local.dt.replace_time_zone("UTC").alias("open_time")
    require_zone(zone)
    early = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    late = local.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    absent = early.is_null()
    if absent.any():
        moment = local[int(absent.arg_max() or 0)]
        raise ConfigError(
            f"{moment:%Y-%m-%d %H:%M} does not exist in {zone}, where clocks skip that hour: "
            f"the times of {what} are of another zone",
            expected="times that the clocks of the zone show",
            remedy='Say the zone that the times are in; zone="UTC" has every hour once',
        )
    is_double = (early != late).to_numpy()
    chosen = early.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype(np.int64)
    if is_double.any():
        later = late.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype(np.int64)
        chosen = _resolved(local.to_numpy().astype(np.int64), chosen, later, is_double, zone, what=what)
        notes.append("hours that occur twice resolved by the order of the rows")
    return pl.Series(chosen).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("open_time")


def _resolved(
    local: np.ndarray, early: np.ndarray, late: np.ndarray, is_double: np.ndarray, zone: str, *, what: str
) -> np.ndarray:
    """The moments of rows in hours that occur twice: where the rows hold both, the first run is the earlier hour."""
    falls = np.median(np.diff(local)) < 0 if len(local) > 1 else False
    order = slice(None, None, -1) if falls else slice(None)
    local, early, late, is_double = local[order], early[order], late[order], is_double[order]
    out = early.copy()
    rows = np.flatnonzero(is_double)
    hours = local[rows] // DAY
    for day in np.unique(hours):
        part = rows[hours == day]
        turns = np.flatnonzero(np.diff(local[part]) <= 0)
        if len(turns) != 1 or part[-1] - part[0] != len(part) - 1:
            moment = np.datetime64(int(local[part[0]]), "us").astype("datetime64[m]").item()
            count = "once" if len(turns) == 0 else f"{len(turns) + 1} times"
            raise ConfigError(
                f"{moment:%Y-%m-%d %H:%M} occurs twice in {zone} and stands {count} in {what}: "
                "it is not known which of the two is meant",
                expected="both of the hours, in their order, or times in a zone without daylight saving",
                remedy="Write the times with their offset, or say a zone without daylight saving if they are in one, "
                'for example zone="UTC" '
                'or zone="Etc/GMT-1" (one hour east of Greenwich)',
            )
        out[part[turns[0] + 1 :]] = late[part[turns[0] + 1 :]]
    return out[order]


def require_zone(zone: str) -> None:
    """Raise ConfigError for a name that the IANA database does not have."""
    try:
        pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise ConfigError(
            f"there is no zone {zone!r}",
            expected="a zone of the IANA database",
            remedy='Use for example zone="UTC" or zone="America/New_York"',
        ) from error


def require_years(micros: pl.Series, *, what: str) -> None:
    """Raise CandleError for moments outside the years 1 to 9999, the only ones that Python's dates have."""
    counts = micros.cast(pl.Int64)
    low, high = (1 - EPOCH) * DAY, (date.max.toordinal() + 1 - EPOCH) * DAY
    outside = ~counts.is_between(low, high - 1)
    if outside.any():
        row = int(outside.arg_max() or 0)
        raise CandleError(
            f"{what} has a time {counts[row]:,} microseconds from 1970 in row {row + 1}",
            expected="times of the years 1 to 9999",
            remedy="Correct the row",
        )
