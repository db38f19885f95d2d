"""What a rule is: a forecast of one asset in, positions out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl

from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.signals.positions import Positions


class Rule(Protocol):
    """Turns the forecast of one asset into positions, using at each bar only what was forecast up to it."""

    def __call__(self, forecast: Forecast) -> Positions:
        """A position for every bar of the forecast; several seeds count as their mean."""
        ...


def single(forecast: Forecast) -> pl.DataFrame:
    """The one asset's forecast, averaged over seeds, in order of time.

    Raises ConfigError for several assets or no forecast at all.
    """
    if len(forecast.symbols) != 1:
        raise ConfigError(
            f"the forecast holds {len(forecast.symbols)} assets",
            expected="one, since positions are held asset by asset",
            remedy='Select it with forecast.only("BTCUSDT")',
        )
    return forecast.averaged().frame


def expected_returns(forecast: Forecast) -> tuple[pl.DataFrame, np.ndarray]:
    """The averaged table and its expected log returns, float64 (time,). Raises ConfigError where a target implies none."""
    frame = single(forecast)
    if frame["expected_return"].null_count():
        raise ConfigError(
            f"{forecast.model} forecasts a target that implies no return",
            expected="a forecast of return, price or direction",
            remedy="Use InverseVolatility() for forecasts of volatility",
        )
    return frame, frame["expected_return"].to_numpy()


def positions(frame: pl.DataFrame, values: np.ndarray) -> Positions:
    """Positions of the table's bars."""
    return Positions(frame.select("time", "symbol").with_columns(position=pl.Series(values, dtype=pl.Float64)))
