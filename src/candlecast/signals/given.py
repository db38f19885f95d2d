"""Positions as users have them: an array, a series, a table, or `Positions`; and equal weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.signals.positions import Positions, PositionsByModel
from candlecast.sources.files import as_assets

WIDEST_ZONE = np.timedelta64(14, "h")  # of the clocks of the world


def as_positions(given: Any, candles: Candles) -> Any:
    """The positions that an array, list or series (one number for each bar), a table, or a study's `positions` give.

    A table, of Polars or pandas, has the columns `time` (closes of the bars) and `position`; `symbol` is optional. Anything else
    is returned as it is.

    Raises ConfigError as `Positions`.
    """
    if isinstance(given, PositionsByModel):
        given = given.get(given.studied)
    if isinstance(given, Positions):
        return given
    if type(given).__module__.partition(".")[0] == "pandas":
        if given.ndim == 1:
            _require_times(given.index, candles)
        given = pl.from_pandas(given)
    if isinstance(given, pl.DataFrame):
        named = given if "symbol" in given.columns else given.with_columns(symbol=pl.lit(candles.symbol))
        if "time" in named.columns and named.schema["time"] == pl.Datetime("us"):
            named = named.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
        return Positions(named)
    if isinstance(given, (np.ndarray, pl.Series)) or _is_numbers(given):
        return Positions.from_array(candles, given)
    return given


def _require_times(index: Any, candles: Candles) -> None:
    """Raise ConfigError where the index of a pandas series has times, and they are not those of the bars.

    They may be openings or closes of the bars; on the clock of another zone, which is 14 hours from UTC at most.
    """
    if index.dtype.kind != "M":  # times, with a zone or without
        return
    times = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    found = np.asarray(times, dtype="datetime64[us]")
    if len(found) != len(candles):
        return  # the shape says it
    closes = candles.frame["close_time"].dt.replace_time_zone(None).to_numpy()
    apart = np.abs(found - candles.open_time.astype("datetime64[us]"))
    if (found == closes).all() or (apart <= WIDEST_ZONE).all():
        return
    row = int(np.argmax(apart > WIDEST_ZONE))
    raise ConfigError(
        f"row {row:,} of the positions is of {found[row].astype('datetime64[s]')}, and the bar there opens at "
        f"{candles.open_time[row].astype('datetime64[s]')}",
        expected="one number for each bar, with its time",
        remedy="Take a series with the index of the candles, or its values in their order: series.to_numpy()",
    )


def equal_weights(candles: Sequence[Candles], *, band: float = math.inf) -> list[Positions]:
    """Positions that hold an equal part of the account in each asset, from its first bar on; for `backtest_portfolio`.

    `band`: a part is rebalanced when it has drifted by more than that fraction of equity; never when not given.

    >>> from candlecast.sources import sample
    >>> [held.frame["position"].to_list() for held in equal_weights([sample("sp500"), sample("nasdaq")])]
    [[0.5], [0.5]]
    """
    if isinstance(candles, Candles) or not candles:
        raise ConfigError(
            "one asset or none was given", expected="a list of candles", remedy="Use equal_weights([btc, eth])"
        )
    assets = as_assets(list(candles))
    return [
        Positions(
            each.frame[: 1 if math.isinf(band) else None].select(
                time="close_time", symbol=pl.lit(each.symbol), position=pl.lit(1.0 / len(assets))
            ),
            band=band,
        )
        for each in assets
    ]


def _is_numbers(given: Any) -> bool:
    """Whether something is a list or tuple of numbers."""
    return type(given) in (list, tuple) and all(isinstance(each, (int, float, np.number)) for each in given)
