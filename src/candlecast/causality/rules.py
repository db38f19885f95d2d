"""The check of a rule before trading: positions depend on forecasts and outcomes known up to each bar only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from candlecast import signals as room
from candlecast.causality.markets import CALENDAR
from candlecast.dataset.forecast import Forecast
from candlecast.errors import CandlecastError, LookaheadError
from candlecast.signals import Positions, Rule

MOMENTS = (0.25, 0.5, 0.75)  # shares of the forecast's bars
MINIMUM = 20  # bars that can be checked
SIGNED = (
    "mean",
    "expected_return",
    "position",
)  # columns whose sign changes; that of the mean around the naive forecast

REMEDY = "Use forecasts, and outcomes only where known_at is not later than time"


def require_causal_rule(rule: Rule, forecast: Forecast, positions: Positions | None = None) -> None:
    """Raise unless a rule that is not candlecast's own decides by what was known at each bar.

    `positions`: what the rule made of the forecast, made again when not given. At several bars t, forecasts after t and
    outcomes that were not known at t are changed, then taken away: no position at or before t may move. Positions that do
    not depend on the forecasts at all have to be constant, or a function of the clock.

    Raises LookaheadError naming the bar.
    """
    if getattr(room, type(rule).__name__, None) is type(rule):
        return
    times = forecast.frame["time"].unique().sort()
    if len(times) < MINIMUM:
        return
    held = (rule(forecast) if positions is None else positions).frame
    name = getattr(rule, "__name__", type(rule).__name__)
    for share in MOMENTS:
        moment = times[int(share * len(times))]
        for how, frame in (("changed", _mirrored(forecast.frame, moment)), ("missing", _cut(forecast.frame, moment))):
            after = _positions(rule, name, Forecast(frame, forecast.horizon), how)
            _require_same(
                name, held.filter(pl.col("time") <= moment), after.filter(pl.col("time") <= moment), moment, how
            )
    if held["position"].n_unique() > 1 and all(
        _positions(rule, name, Forecast(frame, forecast.horizon), "changed").equals(held)
        for frame in (
            _mirrored(forecast.frame, times[0] - timedelta(microseconds=1)),
            forecast.frame.with_columns(pl.col(_forecast_columns(forecast.frame)).reverse().over("symbol", "seed")),
        )
    ):
        later = forecast.frame.with_columns(pl.col("time", "known_at") + CALENDAR)
        dated = _positions(rule, name, Forecast(later, forecast.horizon), "28 years later")
        if not dated["position"].equals(held["position"]):
            raise LookaheadError(
                f"the positions of rule {name} do not depend on the forecast, and are others for the same dates 28 years later",
                expected="positions that follow from the forecast, or from the clock",
                remedy="Trade positions that come from elsewhere with cc.backtest(candles, positions)",
            )


def _forecast_columns(frame: pl.DataFrame) -> list[str]:
    """Columns that forecast."""
    own = {"time", "known_at", "symbol", "model", "fold", "seed", "naive", "target", "naive_error", "train_mean"}
    return [name for name in frame.columns if name not in own and not name.startswith(("target@", "known_at@"))]


def _mirrored(frame: pl.DataFrame, moment: Any) -> pl.DataFrame:
    """Forecasts after the moment mirrored, and outcomes not known at it too."""
    is_later = pl.col("time") > moment
    is_unknown = pl.col("known_at").is_null() | (pl.col("known_at") > moment)
    mirrored = {
        "mean": 2 * pl.col("naive") - pl.col("mean"),
        "expected_return": -pl.col("expected_return"),
        "position": -pl.col("position"),
    }
    others = [name for name in _forecast_columns(frame) if name not in SIGNED]
    reversed_ = [
        pl.when(is_later)
        .then(pl.col(name).reverse().over("symbol", "seed", is_later))
        .otherwise(pl.col(name))
        .alias(name)
        for name in others
    ]
    return frame.with_columns(
        *(pl.when(is_later).then(new).otherwise(pl.col(name)).alias(name) for name, new in mirrored.items()),
        *reversed_,
        pl.when(is_unknown).then(2 * pl.col("naive") - pl.col("target")).otherwise(pl.col("target")).alias("target"),
    )


def _cut(frame: pl.DataFrame, moment: Any) -> pl.DataFrame:
    """The rows up to the moment, with the outcomes known at it."""
    is_known = pl.col("known_at") <= moment
    return frame.filter(pl.col("time") <= moment).with_columns(
        target=pl.when(is_known).then("target"), known_at=pl.when(is_known).then("known_at")
    )


def _positions(rule: Rule, name: str, forecast: Forecast, how: str) -> pl.DataFrame:
    try:
        return rule(forecast).frame
    except Exception as error:
        said = error.wrong if isinstance(error, CandlecastError) else f"{type(error).__name__}: {error}"
        raise LookaheadError(
            f"rule {name} fails when later forecasts, and outcomes that are not known yet, are {how} ({said})",
            expected="positions from what was forecast and known at each bar",
            remedy=REMEDY,
        ) from error


def _require_same(name: str, before: pl.DataFrame, after: pl.DataFrame, moment: Any, how: str) -> None:
    if before["time"].equals(after["time"]):
        moved = np.flatnonzero(before["position"].to_numpy() != after["position"].to_numpy())
        if not len(moved):
            return
        row = int(moved[0])
        wrong = (
            f"the position of rule {name} at {before['time'][row]:%Y-%m-%d %H:%M} moved from {before['position'][row]:.6g} to "
            f"{after['position'][row]:.6g}"
        )
    else:
        wrong = (
            f"rule {name} gives {after.height:,} instead of {before.height:,} positions up to {moment:%Y-%m-%d %H:%M}"
        )
    raise LookaheadError(
        f"{wrong} when only forecasts after {moment:%Y-%m-%d %H:%M} and outcomes not known by then were {how}",
        expected="positions that do not move when what is not known yet does",
        remedy=REMEDY,
    )
