"""`Universe`: which assets belong to the market that is studied, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.errors import ConfigError, SourceError, listed, near_misses
from candlecast.text.formatting import count

NAMES = {  # columns, and what they are called elsewhere
    "symbol": ("symbol", "ticker", "asset"),
    "start": ("start", "start_date", "from", "since", "date_added"),
    "end": ("end", "end_date", "to", "until", "date_removed"),
    "sector": ("sector", "gics_sector", "industry"),
}
DAY = pl.Datetime("us", "UTC")
ONE_SECTOR = "all"


@dataclass(frozen=True, eq=False)
class Universe:
    """Membership by date: a table of `symbol`, `start` and `end`, and `sector` where sectors are known.

    A symbol is a member at each bar that opens at or after `start` and before `end` (UTC; null: without a bound). A symbol may
    enter and leave several times, in a row each. Membership at a moment reads the rows of that moment alone, so that an asset
    counts among the members of its time whatever became of it.

    `table`: a Polars or pandas frame, or rows as (symbol, start, end) or (symbol, start, end, sector). Names such as `ticker`,
    `start_date` and `end_date` are understood. Raises ConfigError for a table without these columns, for dates that
    cannot be read, and for a membership that ends before it starts.

    >>> universe = Universe([("AAA", "2020-01-01", "2021-01-01"), ("BBB", None, None)])
    >>> moments = np.array(["2020-06-01", "2021-01-01"], "datetime64[us]")
    >>> universe.is_member(["AAA", "BBB"], moments).tolist()
    [[True, True], [False, True]]
    """

    table: Any = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _understood(self.table))

    @classmethod
    def read(cls, path: str | Path) -> Universe:
        """The universe of a CSV or Parquet file. Raises SourceError for one that cannot be read, ConfigError as `Universe`."""
        path = Path(path)
        try:
            read = pl.read_parquet if path.suffix == ".parquet" else pl.read_csv
            frame = read(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SourceError(
                f"{path} cannot be read as a universe ({type(error).__name__})",
                expected="a CSV or Parquet file with the columns symbol, start and end",
                remedy="Check the path",
            ) from error
        return cls(frame)

    def __repr__(self) -> str:
        return f"Universe({count(len(self.symbols), 'symbol')}, {count(self.table.height, 'membership')})"

    @cached_property
    def symbols(self) -> list[str]:
        """All symbols that were ever members, sorted."""
        return sorted(self.table["symbol"].unique())

    def is_member(self, symbols: Sequence[str], opens: np.ndarray) -> np.ndarray:
        """Whether each symbol is a member at the bars that open at these moments, datetime64[us]: bool (time, asset)."""
        found = np.zeros((len(opens), len(symbols)), dtype=bool)
        place = {symbol: number for number, symbol in enumerate(symbols)}
        for symbol, start, end in self.table.select("symbol", "start", "end").iter_rows():
            if symbol in place:
                is_in = np.ones(len(opens), dtype=bool)
                if start is not None:
                    is_in &= opens >= np.datetime64(start.replace(tzinfo=None), "us")
                if end is not None:
                    is_in &= opens < np.datetime64(end.replace(tzinfo=None), "us")
                found[:, place[symbol]] |= is_in
        return found

    def sectors_of(self, symbols: Sequence[str]) -> list[str]:
        """The sector of each symbol, the first that the table names; "all" where it names none."""
        known = dict(self.table.filter(pl.col("sector").is_not_null()).reverse().select("symbol", "sector").iter_rows())
        return [known.get(symbol, ONE_SECTOR) for symbol in symbols]

    def require_known(self, symbols: Sequence[str]) -> None:
        """Raise ConfigError where no asset is a member at any time."""
        if not set(symbols) & set(self.symbols):
            first = self.symbols[0] if self.symbols else "none"
            offered = near_misses(first, list(symbols))
            raise ConfigError(
                f"the universe names {listed([first, *self.symbols[1:3]])}, none of which is among the assets",
                expected=f"symbols among {listed(sorted(symbols)[:5])}",
                remedy=offered if offered.startswith("Did") else "Call the members as the candles are called",
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table, hexadecimal."""
        rows = self.table.with_columns(pl.col("start", "end").dt.epoch("us")).sort(pl.all()).rows()
        return sha256(repr(rows).encode()).hexdigest()


def _understood(table: Any) -> pl.DataFrame:
    """The columns of a universe, by their usual names."""
    if isinstance(table, Universe):
        return table.table
    frame = _frame(table)
    columns = {name.strip().lower().replace(" ", "_"): name for name in frame.columns}
    found = {role: next((columns[name] for name in names if name in columns), None) for role, names in NAMES.items()}
    if found["symbol"] is None or (found["start"] is None and found["end"] is None and found["sector"] is None):
        raise ConfigError(
            f"the universe has the columns {listed(frame.columns)}",
            expected="symbol, start and end, and sector where sectors are known",
            remedy="Rename them, for example with frame.rename({'ticker': 'symbol'})",
        )
    parts = [
        (pl.lit(None, pl.String) if name is None else pl.col(name).cast(pl.String)).alias(role)
        for role, name in found.items()
    ]
    made = frame.select(*parts).with_columns(
        pl.col("start", "end").str.strip_chars().replace("", None), pl.col("symbol").str.strip_chars()
    )
    dated = made.with_columns(_dates(made, "start"), _dates(made, "end"))
    if dated["symbol"].null_count() or not dated.height:
        raise ConfigError("a row of the universe has no symbol", expected="one in each row", remedy="Remove the row")
    wrong = dated.filter(pl.col("end") <= pl.col("start"))
    if wrong.height:
        symbol, start, end, _ = wrong.row(0)
        raise ConfigError(
            f"the membership of {symbol} ends on {end:%Y-%m-%d}, and starts on {start:%Y-%m-%d}",
            expected="an end after the start",
            remedy="Correct the row, or leave end empty for a member of today",
        )
    return dated


def _frame(table: Any) -> pl.DataFrame:
    if isinstance(table, pl.DataFrame):
        return table
    if type(table).__module__.partition(".")[0] == "pandas":
        return pl.from_pandas(table)
    rows = [tuple(row) for row in table] if isinstance(table, Iterable) and not isinstance(table, (str, bytes)) else []
    if not rows or not all(len(row) in (3, 4) and isinstance(row[0], str) for row in rows):
        raise ConfigError(
            f"a universe is made of {type(table).__name__}",
            expected="a table, or rows of (symbol, start, end)",
            remedy='Use cc.Universe.read("members.csv"), or cc.Universe([("AAPL", "1982-11-30", None)])',
        )
    padded = [(*row, None) if len(row) == 3 else row for row in rows]
    texts = [[None if value is None else str(value) for value in row] for row in padded]
    return pl.DataFrame(texts, schema=dict.fromkeys(("symbol", "start", "end", "sector"), pl.String), orient="row")


def _dates(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of ISO dates or times as moments in UTC. Raises ConfigError for one that cannot be read."""
    text = frame[name]
    days = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    unread = text.filter(days.is_null() & text.is_not_null())
    if unread.len():
        raise ConfigError(
            f"{name} of the universe is {unread[0]!r}",
            expected="a date such as 2020-06-22",
            remedy="Write it as ISO date",
        )
    return days.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(name)
