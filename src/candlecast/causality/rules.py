"""The check of a rule before trading: each position depends on forecasts, outcomes and candles known at its bar only."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.causality.copies import by_earlier_calls
from candlecast.causality.markets import CALENDAR, another_path, dated_otherwise, other_prices
from candlecast.dataset.forecast import Forecast
from candlecast.errors import CandlecastError, LookaheadError
from candlecast.signals import Positions, Rule
from candlecast.signals.rule import decide, name_of

MOMENTS = (0.15, 0.35, 0.5, 0.7, 0.9)  # shares of the forecast's bars
MINIMUM = 20  # bars that can be checked
SIGNED = (
    "mean",
    "expected_return",
    "position",
)  # columns whose sign changes; that of the mean around the naive forecast

REMEDY = "Use forecasts and candles up to each bar, and outcomes only where known_at is not later than time"


class Given(NamedTuple):
    """What a rule is called with, and how that was changed."""

    forecast: Forecast
    candles: Candles
    how: str


def require_causal_rule(
    rule: Rule, forecast: Forecast, candles: Candles, *, positions: Positions | None = None
) -> None:
    """Raise unless a rule that is not candlecast's own decides by what was known at each bar.

    At several bars t, forecasts and candles after t and outcomes that were not known at t are changed, then taken away: no
    position at or before t may move. Positions that depend neither on the forecasts nor on the candles have to be constant,
    or a function of the clock.

    Args:
        rule: an overlay of candlecast's is checked where the rule under it is not candlecast's.
        forecast: of one asset.
        candles: those that were forecast.
        positions: what the rule made of both; made again when not given.

    Raises:
        LookaheadError: naming the bar.
    """
    if is_own(rule):
        return
    times = forecast.frame["time"].unique().sort()
    if len(times) < MINIMUM:
        return
    generator = np.random.default_rng(0)
    _require_nothing_kept(
        rule, Given(forecast, candles, ""), next(iter(_other_worlds(forecast, candles, times[0], generator)))
    )
    held = (decide(rule, forecast, candles) if positions is None else positions).frame
    for share in MOMENTS:
        moment = times[int(share * len(times))]
        until = pl.col("time") <= moment
        for given in _other_futures(forecast, candles, moment, generator):
            after = _positions(rule, given)
            _require_same(name_of(rule), held.filter(until), after.filter(until), moment, given.how)
    if held["position"].n_unique() > 1 and all(
        _positions(rule, given).equals(held) for given in _other_worlds(forecast, candles, times[0], generator)
    ):
        later = forecast.frame.with_columns(pl.col("time", "known_at") + CALENDAR)
        dated = _positions(
            rule, Given(Forecast(later, forecast.horizon), dated_otherwise(candles, CALENDAR), "28 years later")
        )
        if not dated["position"].equals(held["position"]):
            raise LookaheadError(
                f"the positions of rule {name_of(rule)} do not depend on the forecast or the candles, and are others for the "
                "same dates 28 years later",
                expected="positions that follow from the forecast, the candles or the clock",
                remedy="Trade positions that come from elsewhere with cc.backtest(candles, positions)",
            )


def _require_nothing_kept(rule: Rule, own: Given, other: Given) -> None:
    """The same positions for the same forecast and candles, whatever the rule was called with before."""

    def call(copy: Rule, given: Given) -> np.ndarray:
        return decide(copy, given.forecast, given.candles).frame["position"].to_numpy()

    kept = by_earlier_calls(rule, call, own=own, other=other)
    if kept is not None:
        raise LookaheadError(
            f"rule {name_of(rule)} gives other positions once it was called with another forecast: it keeps something between "
            "calls",
            expected="the same positions for the same forecast and candles",
            remedy="Fit nothing inside a rule, and draw no random numbers",
        )


def is_own(value: object) -> bool:
    """Whether a rule, or a part of one, is candlecast's own through and through: a recipe of it, of plain values and recipes.

    >>> from candlecast.signals import Threshold, VolatilityTarget
    >>> is_own(VolatilityTarget(rule=Threshold())), is_own(VolatilityTarget(rule=lambda forecast, candles: None))
    (True, False)
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return True
    module = sys.modules.get(kind.__module__)
    is_ours = kind.__module__.startswith("candlecast.") and getattr(module, kind.__qualname__, None) is kind
    return is_ours and is_dataclass(value) and all(is_own(getattr(value, item.name)) for item in fields(value))


def _other_futures(
    forecast: Forecast, candles: Candles, moment: datetime, generator: np.random.Generator
) -> tuple[Given, Given]:
    """The same up to the moment: first with another future, then with none."""
    last = int(np.searchsorted(candles.close_time, np.datetime64(moment.replace(tzinfo=None)), side="right")) - 1
    after = another_path(candles, last, generator) if 0 <= last < len(candles) - 1 else candles
    return (
        Given(Forecast(_mirrored(forecast.frame, moment), forecast.horizon), after, "changed"),
        Given(Forecast(_cut(forecast.frame, moment), forecast.horizon), candles[: max(last + 1, 1)], "missing"),
    )


def _other_worlds(
    forecast: Forecast, candles: Candles, first: datetime, generator: np.random.Generator
) -> tuple[Given, Given]:
    """All forecasts and candles changed, at the same times, in two ways."""
    mirrored = _mirrored(forecast.frame, first - timedelta(microseconds=1))
    turned = forecast.frame.with_columns(pl.col(_forecast_columns(forecast.frame)).reverse().over("symbol", "seed"))
    first_prices, second_prices = other_prices(candles, generator), other_prices(candles, generator)
    return (
        Given(Forecast(mirrored, forecast.horizon), first_prices, "changed"),
        Given(Forecast(turned, forecast.horizon), second_prices, "changed"),
    )


def _forecast_columns(frame: pl.DataFrame) -> list[str]:
    """Columns that forecast."""
    own = {"time", "known_at", "symbol", "model", "fold", "seed", "naive", "target", "naive_error", "train_mean"}
    return [name for name in frame.columns if name not in own and not name.startswith(("target@", "known_at@"))]


def _mirrored(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
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


def _cut(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The rows up to the moment, with the outcomes known at it."""
    is_known = pl.col("known_at") <= moment
    return frame.filter(pl.col("time") <= moment).with_columns(
        target=pl.when(is_known).then("target"), known_at=pl.when(is_known).then("known_at")
    )


def _positions(rule: Rule, given: Given) -> pl.DataFrame:
    try:
        return decide(rule, given.forecast, given.candles).frame
    except Exception as error:  # whatever a user's rule raises
        said = error.wrong if isinstance(error, CandlecastError) else f"{type(error).__name__}: {error}"
        raise LookaheadError(
            f"rule {name_of(rule)} fails when later forecasts and candles, and outcomes that are not known yet, are "
            f"{given.how} ({said})",
            expected="positions from what was forecast and known at each bar",
            remedy=REMEDY,
        ) from error


def _require_same(name: str, before: pl.DataFrame, after: pl.DataFrame, moment: datetime, how: str) -> None:
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
        f"{wrong} when only forecasts and candles after {moment:%Y-%m-%d %H:%M} and outcomes not known by then were {how}",
        expected="positions that do not move when what is not known yet does",
        remedy=REMEDY,
    )
