"""How good forecasts are by the age of the model that made them: what training anew would be worth."""

from __future__ import annotations

import polars as pl

from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.parameters import is_whole
from candlecast.targets import Target


def accuracy_by_age(forecast: Forecast, target: Target, *, parts: int = 5) -> pl.DataFrame:
    """Squared error by the age of the fold's training, the mean forecast of all seeds.

    The age of a forecast is its place among the forecasts of its asset and fold, in bars: the first is of age 0. Ages are
    divided into `parts` of equal length. Some folds are harder to forecast than others, so `relative` divides each squared
    error by the mean of its fold: it rises with age where models become out of date. What training anew would bring is
    measured by `WalkForward(refit=...)`.

    Args:
        forecast: of one asset or several.
        target: what is forecast.
        parts: rows of the table.

    Returns:
        `first` and `last` (ages in bars), `observations`, `mse` (of the change against the naive forecast), `r2` (against it)
        and `relative` (mean over assets and folds of mse / mse of the fold).

    Raises:
        ConfigError: parts is not 1 or more.
        NotEnoughDataError: no outcome is known.
    """
    if not is_whole(parts):
        raise ConfigError(f"parts is {parts!r}", expected="1 or more", remedy="Use parts=5")
    frame = forecast.averaged().frame.with_columns(age=pl.int_range(pl.len()).over("symbol", "fold", order_by="time"))
    frame = frame.drop_nulls("target")
    if not frame.height:
        raise NotEnoughDataError(
            "no outcome of the forecast is known", expected="at least one", remedy="Wait, or test earlier bars"
        )
    outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    changed = target.change(outcome, naive)
    width = -(-(int(frame["age"].max()) + 1) // parts)  # type: ignore[arg-type]
    squares = frame.select("symbol", "fold", "age", part=pl.col("age") // width).with_columns(
        error=pl.Series((changed - target.change(mean, naive)) ** 2), size=pl.Series(changed**2)
    )
    usual = pl.col("error").mean().over("symbol", "fold")
    return (
        squares.with_columns(share=pl.when(usual > 0).then(pl.col("error") / usual).otherwise(1.0))
        .group_by("part")
        .agg(
            first=pl.col("age").min(),
            last=pl.col("age").max(),
            observations=pl.len(),
            mse=pl.col("error").mean(),
            r2=1.0 - pl.col("error").sum() / pl.col("size").sum(),
            relative=pl.col("share").mean(),
        )
        .sort("part")
        .drop("part")
    )
