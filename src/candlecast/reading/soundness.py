"""Checks that a table holds candles: one interval, prices within low..high, prices of a plausible size."""

from __future__ import annotations

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.interval import Interval
from candlecast.reading.numerals import LOST_POINT, NumberForm
from candlecast.reading.vocabulary import PRICES

TICKS = 10  # rows without any range or step that show single trades
SHARE = 0.5
SLICE = 2**17  # rows that are examined at once: the memory of a check does not grow with the table
SLACK = 1e-6  # of a price, by which rounding may put it outside low..high


def interval_of(opened: pl.Series, given: str | Interval | None, *, what: str) -> Interval:
    """The most common step of the opening times. Raises CandleError where it is not `given`."""
    steps = _steps(opened)
    if not (steps > 0).all():
        steps = steps[steps > 0]
    if given is not None and not len(steps):
        return Interval.parse(given)
    if not len(steps):
        raise CandleError(
            f"all {opened.len()} candles of {what} open at {opened[0]:%Y-%m-%d %H:%M:%S}",
            expected="candles that follow each other",
            remedy="Check the time column",
        )
    seconds = np.floor_divide(steps, 1_000_000, out=steps)
    common = Interval(max(int(pl.Series(seconds).mode().min()), 1))  # type: ignore[arg-type]
    return require_interval(common, given, what=what)


def _steps(opened: pl.Series) -> np.ndarray:
    """Microseconds between opening times in order of time, int64, shape (times - 1,)."""
    micros = opened.cast(pl.Int64).to_numpy()
    steps = np.diff(micros)
    return steps if not len(steps) or steps.min() >= 0 else np.diff(np.sort(micros))


def require_interval(common: Interval, given: str | Interval | None, *, what: str) -> Interval:
    """The interval that a table has. Raises CandleError where another one is given."""
    wanted = common if given is None else Interval.parse(given)
    if wanted != common:
        raise CandleError(
            f"most candles of {what} open {common} apart",
            expected=f"{wanted}, the interval that was named",
            remedy=f'Use interval="{common}"'
            + (
                f', then candles.resample("{wanted}")'
                if wanted.seconds > common.seconds
                else ", or find shorter candles"
            ),
        )
    return wanted


def require_candles(frame: pl.DataFrame, form: NumberForm, *, what: str) -> None:
    """Raise CandleError for prices that have lost their point, columns that are not what they are called, and trades."""
    bars = frame.select(PRICES)
    top = max(float(bars[name].fill_nan(None).max() or 0) for name in PRICES)  # type: ignore[arg-type]
    if form.group and top >= LOST_POINT:
        raise lost_point(f"{top:,.0f}", what=what)
    if len(bars) < TICKS:
        return
    impossible = sum(map(_impossible, bars.iter_slices(SLICE)))
    if impossible > SHARE * len(bars):
        raise CandleError(
            f"in {impossible:,} of {len(bars):,} rows of {what} the high lies below another price or the low above one",
            expected="columns that hold what their names say",
            remedy='Say which column is which, for example columns={"high": "low", "low": "high"}',
        )
    steps = _steps(frame["open_time"])
    if np.count_nonzero(steps == 0) > SHARE * len(steps):
        raise CandleError(
            f"most of the {len(bars):,} rows of {what} open at the time of the row before them",
            expected="times that tell the bars apart, and one symbol",
            remedy='Say which columns hold date and time, for example columns={"time": "Date+Time"}',
        )
    if all(map(_is_flat, bars.iter_slices(SLICE))):
        common = int(pl.Series(steps).mode()[0])
        if np.count_nonzero(steps == common) < SHARE * len(steps):
            raise CandleError(
                f"open, high, low and close are the same in every row of {what}, and the times have no step: single trades",
                expected="candles of one length",
                remedy="Make candles of the trades first",
            )


def _impossible(bars: pl.DataFrame) -> int:
    """How many rows have a high below another price, or a low above one."""
    above = pl.col("high") * (1 + SLACK) < pl.max_horizontal("open", "close", "low")
    below = pl.col("low") > pl.min_horizontal("open", "close") * (1 + SLACK)
    return int(bars.select((above | below).sum()).item())


def _is_flat(bars: pl.DataFrame) -> bool:
    """Whether open, high, low and close are the same in every row."""
    same = (pl.col("open") == pl.col("high")) & (pl.col("low") == pl.col("close")) & (pl.col("open") == pl.col("close"))
    return bool(bars.select(same.all()).item())


def lost_point(price: str, *, what: str) -> CandleError:
    """The error for a price that a spreadsheet has written without its decimal point."""
    return CandleError(
        f"{what} has a price of {price}: the prices have lost their decimal point, as spreadsheets do to them",
        expected="prices below 1,000,000,000,000",
        remedy="Fetch the file again, and do not save it from a spreadsheet",
    )
