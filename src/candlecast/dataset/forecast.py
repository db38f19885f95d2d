"""`Forecast`: the table of out-of-sample forecasts, which every evaluation reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from candlecast.dataset.repeated import Repeated
from candlecast.errors import ConfigError, listed, near_misses
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_ends

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: dict[Any, Any] = {
    "time": pl.Datetime("us", "UTC"),
    "known_at": pl.Datetime("us", "UTC"),
    "symbol": pl.String,
    "model": pl.String,
    "fold": pl.Int32,
    "seed": pl.Int32,
    "mean": pl.Float64,
    "naive": pl.Float64,
    "target": pl.Float64,
    "expected_return": pl.Float64,
    "sigma": pl.Float64,
    "position": pl.Float64,
    "naive_error": pl.Float64,
    "train_mean": pl.Float64,
    "signal_mean": pl.Float64,
    "signal_std": pl.Float64,
    "signal_persistence": pl.Float64,
}
SIGNAL = ("signal_mean", "signal_std", "signal_persistence")
MEASURED = (
    "naive_error",
    "train_mean",
    *SIGNAL,
)  # columns that are measured on the fitted rows, the same for all rows of a job
OPTIONAL = ("sigma", "position", *MEASURED)  # null throughout where a frame comes without them
FURTHER = re.compile(
    r"q\d+|p_(down|flat|up)|\w+@\w+"
)  # quantiles, probabilities of labels, and forecasts of further targets
ORDER = ("symbol", "seed", "time")  # columns by which rows are sorted
GROUPED = 100_000  # bars that are averaged at a time
OWN = ("time", "known_at", "symbol", "model", "fold", "seed")  # columns of a row, whatever is forecast


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of rows that no training saw.

    `frame` has one row per asset, seed and bar: `time` (close of the bar at which it was made), `known_at` (when its
    outcome is known; null if not yet), `symbol`, `model`, `fold`, `seed`, `mean` (the forecast, in the target's units),
    `naive` (the naive forecast), `target` (the outcome; null while unknown), `expected_return` (log return over the
    horizon that the forecast implies; null for a target that implies none), `sigma` (standard deviation of the outcome
    around `mean`, of a model that forecasts it; null otherwise), `position` (what a model that learns positions wants to
    hold; null otherwise). Measured on the training rows, and null if unknown: `naive_error` and `train_mean` (means of
    |target - naive|, the scale of MASE, and of the target), `signal_mean`, `signal_std` and `signal_persistence` (mean,
    standard deviation and first autocorrelation of what rules act on: `expected_return`, or `mean` for a target that implies
    none). A model may give more: quantiles
    (`q05` is that of level 0.05), probabilities of labels (`p_down`, `p_flat`, `p_up`), and forecasts of further targets, see
    `at`. Sorted by symbol, seed and time.
    """

    frame: pl.DataFrame
    horizon: int

    def __post_init__(self) -> None:
        if self.frame.columns == [*SCHEMA] and self.frame.schema == SCHEMA:  # nothing to add or to convert
            object.__setattr__(self, "frame", _in_order(self.frame))
            return
        absent = [pl.lit(None).alias(name) for name in OPTIONAL if name not in self.frame.columns]
        further = sorted(name for name in self.frame.columns if FURTHER.fullmatch(name) and not self._is_void(name))
        schema = SCHEMA | {name: SCHEMA.get(name.partition("@")[0], pl.Float64) for name in further}
        frame = self.frame.with_columns(absent).select(*schema).cast(schema)
        object.__setattr__(self, "frame", _in_order(frame))

    def __repr__(self) -> str:
        models, symbols = (", ".join(map(str, self.frame[name].unique().sort())) for name in ("model", "symbol"))
        return (
            f"Forecast({symbols}, {models}: {count(self.frame.height, 'row')}, {count(self.frame['fold'].n_unique(), 'fold')}, "
            f"{count(self.frame['seed'].n_unique(), 'seed')}, horizon {self.horizon})"
        )

    def _repr_html_(self) -> str:
        """The first and the last rows, for notebooks."""
        return notebook_ends(repr(self), self.frame)

    @classmethod
    def joined(cls, frames: Sequence[pl.DataFrame], horizon: int) -> Forecast:
        """The forecast of several jobs; what only some of them say, as where a search chose other heads, is null elsewhere."""
        ordered = sorted(frames, key=lambda frame: frame.select(ORDER).row(0) if frame.height else ())
        return cls(pl.concat(ordered, how="diagonal"), horizon)

    def _is_void(self, name: str) -> bool:
        """Whether a further column is null throughout, as where it is another model's in a table of several."""
        own = name.partition("@")[0]
        return (own not in SCHEMA or own in OPTIONAL) and self.frame[name].null_count() == self.frame.height

    def __len__(self) -> int:
        return self.frame.height

    def later_than(self, moment: datetime) -> Forecast:
        """The forecasts that were made after a moment (UTC)."""
        return replace(self, frame=self.frame.filter(pl.col("time") > moment))

    @cached_property
    def symbols(self) -> list[str]:
        """The assets, sorted."""
        symbols = self.frame["symbol"]
        return [symbols[0]] if _is_one(symbols) else sorted(symbols.unique())

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds, sorted."""
        seeds = self.frame["seed"]
        return [seeds[0]] if len(self.symbols) == 1 and _is_one(seeds) else sorted(seeds.unique())

    @property
    def model(self) -> str:
        """Name of the model; empty when there is no row."""
        return self.frame["model"][0] if len(self) else ""

    def only(self, symbol: str) -> Forecast:
        """The rows of one asset. Raises ConfigError for an asset that is not there."""
        if symbol not in self.symbols:
            raise ConfigError(
                f"there is no forecast of {symbol!r}",
                expected="a symbol of the walk",
                remedy=near_misses(symbol, self.symbols),
            )
        return self if len(self.symbols) == 1 else replace(self, frame=self.frame.filter(pl.col("symbol") == symbol))

    @property
    def further(self) -> list[str]:
        """Columns that not every forecast has."""
        return self.frame.columns[len(SCHEMA) :]

    def at(self, target: str) -> Forecast:
        """The forecasts of one of the further targets of `Several`, by name and horizon, such as "return_5".

        Raises ConfigError for a target that is not there.
        """
        columns = {name: name.partition("@")[0] for name in self.further if name.endswith(f"@{target}")}
        if not columns:
            known = sorted({name.partition("@")[2] for name in self.further if "@" in name})
            raise ConfigError(
                f"there is no forecast of {target!r}",
                expected=f"one of {listed(known)}" if known else "a forecast of Several targets",
                remedy=near_misses(target, known),
            )
        horizon = int(target.rpartition("_")[2])
        own = [name for name in OWN if name != "known_at"]
        return Forecast(self.frame.select(*own, *columns).rename(columns), horizon)

    @cached_property
    def paths(self) -> list[Forecast]:
        """Histories in which every bar is forecast by one fold: the forecast itself, unless folds are combined.

        Path j takes, for each bar, the j-th of the folds that forecast it; see `CombinatorialPurged`.
        """
        path = pl.col("fold").rank("dense").over("symbol", "seed", "time")
        parts = self.frame.with_columns(path=path).partition_by("path", as_dict=True, include_key=False)
        return [replace(self, frame=parts[key]) for key in sorted(parts)]

    def averaged(self) -> Forecast:
        """One forecast per asset and bar: the mean over the seeds, and over the folds that forecast it, as seed 0.

        `sigma` is that of the mixture: the root of its mean square plus the variance of the means. Quantiles are averaged
        level by level (Vincent 1912).
        """
        return self._averaged

    @cached_property
    def _averaged(self) -> Forecast:
        if self._is_single:  # what follows gives the same bits
            if self.seeds == [0]:
                return self
            return replace(self, frame=self.frame.with_columns(seed=pl.lit(0, dtype=SCHEMA["seed"])))
        further = {name: name.partition("@") for name in self.further}
        keys = ["time", "known_at", "symbol", "model", *(f for f, (own, *_) in further.items() if own == "known_at")]
        plain = [name for name, (own, *_) in further.items() if own not in ("known_at", "sigma")]
        sigmas = {"sigma": "mean"} | {f: f"mean@{rest}" for f, (own, _, rest) in further.items() if own == "sigma"}
        values = [
            pl.col("mean", "expected_return", "position", *MEASURED, *plain).mean(),
            pl.col("fold").min(),
            pl.col("naive", "target").first(),
            *((pl.col(s).pow(2).mean() + pl.col(m).var(ddof=0)).sqrt().alias(s) for s, m in sigmas.items()),
        ]
        grouped = [part.group_by(keys, maintain_order=True).agg(values) for part in self.bars_in_parts()]
        if len(grouped) > 1:
            grouped = self._sharing(grouped, [*keys, "fold", "naive", "target"])
        return replace(self, frame=pl.concat(grouped).with_columns(seed=pl.lit(0, dtype=SCHEMA["seed"])))

    def _sharing(self, parts: Sequence[pl.DataFrame], same: Sequence[str]) -> list[pl.DataFrame]:
        """Parts of the averaged table, whose columns share memory: those of one value with each other, and the columns `same`
        with this table, where they are equal to those of the first seed.
        """
        repeated, first, found = Repeated(), 0, []
        for part in parts:
            columns = {}
            for name in part.columns:
                column, own = part[name], self.frame[name].slice(first, len(part))
                if name in same and column.equals(own):
                    columns[name] = own
                elif _is_of_one_value(column):
                    columns[name] = repeated.of(column[0], len(part), column.dtype)
            found.append(part.with_columns(**columns))
            first += len(part)
        return found

    def bars_in_parts(self) -> list[pl.DataFrame]:
        """The frame in parts that hold all rows of their bars, where that is easily told; grouping takes much memory."""
        bars = len(self) // max(len(self.seeds), 1)
        if not bars or len(self.symbols) > 1:
            return [self.frame]
        by_seed = [self.frame.slice(place * bars, bars) for place in range(len(self.seeds))]
        times = by_seed[0]["time"]
        is_regular = len(self) == bars * len(by_seed) and all(
            part["seed"].n_unique() == 1 and part["time"].equals(times) for part in by_seed
        )
        if not is_regular or (times == times.shift()).any():
            return [self.frame]
        return [pl.concat(part.slice(first, GROUPED) for part in by_seed) for first in range(0, bars, GROUPED)]

    @property
    def _is_single(self) -> bool:
        """Whether there is one forecast of each asset and bar."""
        if len(self) == 1 or len(self.seeds) != 1:
            return len(self) == 1
        if len(self.symbols) == 1 and not self.frame["time"].null_count():
            times = self.frame["time"].to_numpy()
            return not (times[1:] == times[:-1]).any()
        same = (pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("time") == pl.col("time").shift())
        return not self.frame.select(same.any()).item()

    def to_pandas(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return self.frame.to_pandas()


def _is_of_one_value(column: pl.Series) -> bool:
    """Whether all rows of a column of means, none of which is -0.0, have the same value or none."""
    if column.null_count():
        return column.null_count() == len(column)
    return bool((column == column[0]).all())


def _is_one(column: pl.Series) -> bool:
    """Whether a sorted column holds one value, and has it in every row."""
    return len(column) > 0 and column.null_count() == 0 and column[0] == column[-1]


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame sorted by `ORDER`; itself where it is, since sorting takes its memory once more."""
    if frame.height > 1 and not any(frame[name].null_count() for name in ORDER):
        seeds, times = frame["seed"].to_numpy(), frame["time"].to_numpy()
        if (
            (seeds == seeds[0]).all()
            and (times[1:] > times[:-1]).all()
            and (frame["symbol"] == frame["symbol"][0]).all()
        ):
            return frame
    later: pl.Expr = pl.lit(value=True)
    for name in reversed(ORDER):
        column, before = pl.col(name), pl.col(name).shift()
        later = (column > before) | ((column == before) & later)
    is_sorted = frame.height < 2 or frame.select(later.slice(1).all()).item()
    return frame if is_sorted else frame.sort(ORDER)
