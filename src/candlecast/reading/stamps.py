"""Columns of times in text as whole numbers, block by block; each distinct text is parsed once."""

from __future__ import annotations

import re

import polars as pl

from candlecast.reading.days import DAY, SPLIT, STAMP, Clock, read_clock, read_days, split
from candlecast.reading.options import ORDERS


class Stamps:
    """Texts of one column, or of a date and a time of day, as days and microseconds in the orders that are possible.

    `encode` gives a frame with microseconds since 1970 on the clock that is written, one column per order that is not
    disproved yet (`ymd`, `dmy`, `mdy`), and `offset` (minutes east of Greenwich, null where the text says none) if any
    text says one; and a mask of the rows that could not be read. Orders disproved by one row are out for all of them.
    """

    def __init__(self, digits: int, given: str | None) -> None:
        self.orders = [given] if given else list(ORDERS)
        self.zones: set[str] = set()
        self._has_offset = False
        self._digits = digits

    def encode(self, texts: list[pl.Series]) -> tuple[pl.DataFrame, pl.Series]:
        """The rows of a block; see above."""
        texts = [text.str.strip_chars().str.strip_prefix("'") for text in texts]
        dates, clocks = (texts[0], texts[1]) if len(texts) > 1 else _parted(texts[0])
        frame, bad = self._days(dates)
        if clocks is not None:
            times, unread = self._clocks(clocks)
            frame, bad = frame.hstack(times), bad | unread
        else:
            none = pl.lit(None, dtype=pl.Int32).alias("offset")
            frame = frame.with_columns(pl.lit(0, dtype=pl.Int64).alias("clock"), none)
        if len(texts) == 1 and bad.any():
            frame, bad = self._one_by_one(texts[0], frame, bad)
        self._has_offset |= frame["offset"].null_count() < len(frame)
        moments = [(pl.col(order).cast(pl.Int64) * DAY + pl.col("clock")).alias(order) for order in self.orders]
        return frame.select(*moments, *(["offset"] if self._has_offset else [])), bad

    def narrow(self, frame: pl.DataFrame) -> None:
        """Drop the orders that rows of `frame`, which are all bars, disprove."""
        possible = [order for order in self.orders if not frame[order].null_count()]
        if possible:
            self.orders = possible

    def _days(self, dates: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        unique = dates.unique().drop_nulls()
        found = {text: read_days(text) for text in unique}
        columns = []
        for position, order in enumerate(ORDERS):
            if order in self.orders:
                values = pl.Series(
                    [None if days is None else days[position] for days in found.values()], dtype=pl.Int32
                )
                columns.append(_mapped(dates, list(found), values).alias(order))
        frame = pl.DataFrame(columns)
        return frame, frame.select(pl.all_horizontal(pl.all().is_null())).to_series()

    def _clocks(self, clocks: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        unique = clocks.unique().drop_nulls()
        found = {text: self._clock(text) for text in unique}
        micros = pl.Series([None if clock is None else clock.micros for clock in found.values()], dtype=pl.Int64)
        zones = [None if clock is None else clock.zone for clock in found.values()]
        self.zones.update(zone for zone in zones if isinstance(zone, str))
        offsets = pl.Series([zone if isinstance(zone, int) else None for zone in zones], dtype=pl.Int32)
        texts = list(found)
        frame = pl.DataFrame(
            [_mapped(clocks, texts, micros).alias("clock"), _mapped(clocks, texts, offsets).alias("offset")]
        )
        return frame, frame["clock"].is_null()

    def _clock(self, text: str) -> Clock | None:
        if text == "":
            return Clock(0, None)
        digits = self._digits or (len(text) if re.fullmatch(r"\d{4}|\d{6}", text) else 0)
        return read_clock(text, digits)

    def _one_by_one(self, texts: pl.Series, frame: pl.DataFrame, bad: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Rows of another form than most, each split by itself."""
        unread = texts.filter(bad).fill_null("")
        pairs = [split(text) for text in unread]
        days, _ = self._days(pl.Series([date for date, _ in pairs], dtype=pl.String))
        clocks, _ = self._clocks(pl.Series([clock for _, clock in pairs], dtype=pl.String))
        fixed = days.hstack(clocks)
        rows = bad.arg_true()
        columns = [frame[name].scatter(rows, fixed[name]) for name in fixed.columns if name in frame.columns]
        frame = pl.DataFrame(columns)
        is_unread = frame.select(
            pl.all_horizontal(pl.col(self.orders).is_null()) | pl.col("clock").is_null()
        ).to_series()
        return frame, is_unread


def _mapped(series: pl.Series, texts: list[str], values: pl.Series) -> pl.Series:
    if not texts:
        return pl.repeat(None, len(series), dtype=values.dtype, eager=True)
    if len(texts) == 1:
        only = pl.repeat(values[0], len(series), dtype=values.dtype, eager=True)
        return (
            only
            if not series.null_count()
            else only.zip_with(series.is_not_null(), pl.repeat(None, len(series), dtype=values.dtype, eager=True))
        )
    return series.replace_strict(pl.Series(texts, dtype=pl.String), values, default=None, return_dtype=values.dtype)


def _parted(texts: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Dates and times of day of one column; None for the latter where the first rows have none."""
    shown = texts.drop_nulls().head(50).to_list()
    pairs = [split(text) for text in shown]
    if not any(clock for _, clock in pairs):
        return texts.str.replace(r"\.0+$", "") if any(
            text.endswith("0") and "." in text for text in shown
        ) else texts, None
    gaps = {
        (len(date), text[len(date) : len(text) - len(clock)]) for text, (date, clock) in zip(shown, pairs, strict=True)
    }
    if len(gaps) == 1 and all(clock for _, clock in pairs):
        length, gap = gaps.pop()
        is_alike = texts.str.slice(length, len(gap)) == gap if gap else texts.str.len_chars() == len(shown[0])
        dates, clocks = texts.str.slice(0, length), texts.str.slice(length + len(gap))
        if is_alike.all():
            return dates, clocks
        none = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
        return dates.zip_with(is_alike.fill_null(False), none), clocks.zip_with(is_alike.fill_null(False), none)
    groups = texts.str.extract_groups(STAMP if re.match(STAMP, shown[0]) else SPLIT).struct.unnest()
    return groups.to_series(0), groups.to_series(1)
