"""`Actions` (splits, dividends, funding) of an asset, and the carry events of each bar, which also have the costs of holding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting.costs import Costs
from candlecast.candles import Candles
from candlecast.errors import ConfigError, listed

SCHEMA: dict[Any, Any] = {
    "time": pl.Datetime("us", "UTC"),
    "split": pl.Float64,
    "dividend": pl.Float64,
    "funding": pl.Float64,
}
FUNDING_HOURS = 8
YEAR_SECONDS = 365.25 * 86_400


@dataclass(frozen=True, eq=False)
class Actions:
    """Events of one asset that change what a holder has, for candles with **unadjusted** prices.

    `frame`: `time` (UTC; it applies at the open of the first bar that opens then or later, to what was held before),
    and any of `split` (units after for one before: 4.0 for a 4:1 split), `dividend` (quote currency per unit held before
    the split; a short pays it) and `funding` (fraction of the value held, paid by longs; where there is any, it takes the
    place of `Costs.funding_bps`). Absent values are null.

    Raises ConfigError for a missing time, another column or type, a split that is not positive, or a dividend below zero.

    >>> Actions(pl.DataFrame({"time": ["2020-08-31"], "split": [4.0]}).with_columns(pl.col("time").str.to_datetime())).frame.shape
    (1, 4)
    """

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        if not isinstance(self.frame, pl.DataFrame):
            raise ConfigError(
                f"actions are of type {type(self.frame).__name__}",
                expected="a Polars table of time, and one or more of split, dividend and funding",
                remedy="Make it with pl.DataFrame",
            )
        unknown = [name for name in self.frame.columns if name not in SCHEMA]
        if "time" not in self.frame.columns or len(self.frame.columns) < 2 or unknown:
            raise ConfigError(
                f"actions have the columns {listed(self.frame.columns)}",
                expected="time, and one or more of split, dividend and funding",
                remedy="Rename the columns",
            )
        frame = self.frame.select(name for name in SCHEMA if name in self.frame.columns)
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in frame.columns]
        if not isinstance(frame.schema["time"], (pl.Date, pl.Datetime)):
            raise ConfigError(
                f"times of the actions are {frame.schema['time']}",
                expected="dates or times",
                remedy="Convert them with pl.col('time').str.to_datetime()",
            )
        times = pl.col("time").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        if frame.schema["time"] == SCHEMA["time"]:
            times = pl.col("time")
        try:
            frame = frame.with_columns(times, *absent).select(*SCHEMA).cast(SCHEMA).sort("time")
        except pl.exceptions.PolarsError as error:
            raise ConfigError(
                f"actions have the columns {listed(f'{name} {kind}' for name, kind in self.frame.schema.items())}",
                expected="times and numbers",
                remedy="Convert them, such as with cast(pl.Float64)",
            ) from error
        object.__setattr__(self, "frame", frame)
        for name, wrong in (
            ("time", pl.col("time").is_null()),
            ("split", ~(pl.col("split").is_finite() & (pl.col("split") > 0))),
            ("dividend", ~(pl.col("dividend").is_finite() & (pl.col("dividend") >= 0))),
            ("funding", ~(pl.col("funding").abs() < 1)),
        ):
            rows = frame.filter(wrong)
            if rows.height:
                raise ConfigError(
                    f"the {name} at {rows['time'][0]} is {rows[name][0]}",
                    expected="a split above 0, a dividend of 0 or more, a funding rate in (-1, 1)",
                    remedy="Correct it at the source",
                )


def carry_by_bar(candles: Candles, costs: Costs, actions: Actions | None) -> np.ndarray | None:
    """The fields of `CarryEvents` for each bar, float64, shape (time, 6); None when holding costs nothing and nothing happens.

    The first bar has no events. An action after the last open is on no bar.
    """
    if not costs.has_carry and actions is None:
        return None
    opens = candles.open_time
    events = np.zeros((len(opens), 6))
    events[:, 0] = 1.0
    seconds = opens.astype("datetime64[s]").astype(np.int64)
    years = np.diff(seconds, prepend=seconds[:1]) / YEAR_SECONDS
    periods = seconds // (FUNDING_HOURS * 3_600)
    events[:, 2] = np.diff(periods, prepend=periods[:1]) * costs.funding_bps / 10_000
    for column, percent in ((3, costs.borrow_percent), (4, costs.interest_percent), (5, costs.loan_percent)):
        events[:, column] = years * percent / 100
    if actions is not None:
        _enter(events, opens, actions.frame)
    return events


def _enter(events: np.ndarray, opens: np.ndarray, frame: pl.DataFrame) -> None:
    """Add the actions to the bars that they apply to; one before the first bar is over."""
    times = frame["time"].dt.replace_time_zone(None).to_numpy()
    rows = np.searchsorted(opens, times)
    given = frame["funding"].is_not_null().to_numpy()
    if given.any():
        events[:, 2] = 0.0
    counted = (rows > 0) & (rows < len(opens))
    for name, column in (("dividend", 1), ("funding", 2)):
        np.add.at(events[:, column], rows[counted], frame[name].fill_null(0.0).to_numpy()[counted])
    np.multiply.at(events[:, 0], rows[counted], frame["split"].fill_null(1.0).to_numpy()[counted])


def paid_so_far(events: np.ndarray | None, opens: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `account.carry` took and gave up to each bar: financing paid (negative: earned), dividends received; (time,)."""
    if events is None:
        return np.zeros(len(opens)), np.zeros(len(opens))
    split, dividend, funding, borrow, interest, loan = events[1:].T
    cash, units = held[:-1].T
    dividends = units * dividend
    value = units * split * opens[1:]
    free = cash + dividends + np.minimum(value, 0.0)
    financing = value * funding - np.minimum(value, 0.0) * borrow - free * np.where(free > 0.0, interest, loan)
    return np.cumsum(np.append(0.0, financing)), np.cumsum(np.append(0.0, dividends))
