"""Values of forecasts in the unit in which people read them, and the words about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.targets.sides import sides_of
from candlecast.targets.units import UNITS as TARGET_UNITS, unit_of as target_unit
from candlecast.text.cells import number, percent, price, significant
from candlecast.text.formatting import moment

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult


@dataclass(frozen=True)
class Unit:
    """How values of a target are shown: `convert` takes them and the closes at which they were forecast."""

    label: str
    convert: Callable[[np.ndarray, np.ndarray], np.ndarray]
    words: Callable[[float], str]
    change: str  # the axis of changes against naive
    change_scale: float
    outcome: str = ""  # the axis of actual changes, where it is no change
    distance: str = ""  # the unit of distances between values, where they have one


def _points(value: float) -> str:
    return f"{number(value, 2)} %"


PRICE = "closing price"
UNITS = {
    "return": Unit(
        PRICE, lambda values, close: close * np.exp(values), significant, "change of price, %", 100, distance="price"
    ),
    "triple_barrier": Unit("expected label, -1 to 1", lambda values, _: values, significant, "label", 1),
    "scaled_return": Unit(
        "return, standard deviations",
        lambda values, _: values,
        significant,
        "return, standard deviations",
        1,
        distance="standard deviations",
    ),
    "excess_return": Unit(
        "return beyond the benchmark, %",
        lambda values, _: 100 * values,
        _points,
        "return beyond the benchmark, %",
        100,
        distance="%",
    ),
    "price": Unit(PRICE, lambda values, _: values, significant, "change of price, %", 100, distance="price"),
    "volatility": Unit(
        "high to low, % of price",
        lambda values, _: 100 * TARGET_UNITS["volatility"].convert(values),
        _points,
        "change of the range, log points",
        100,
        distance="% of price",
    ),
}
PROBABILITY = Unit(
    "probability of a rise, %",
    lambda values, _: 100 * values,
    _points,
    "probability of a rise, %",
    100,
    outcome="actual share of rises, %",
    distance="%",
)


def unit_of(result: StudyResult) -> Unit:
    """How values of the target of a study are shown."""
    if result.primary_target.kind == "probability":
        return PROBABILITY
    raw = Unit(
        result.primary_target.name, lambda values, _: values, significant, f"change of {result.primary_target.name}", 1
    )
    return UNITS.get(result.primary_target.name, raw)


def forecast_rows(result: StudyResult) -> pl.DataFrame:
    """One row per forecast bar: mean, lowest and highest over the seeds, and the close of the bar it was made on."""
    values = [
        pl.col("known_at", "naive", "target").first(),
        pl.col("mean").mean(),
        pl.col("mean").min().alias("low"),
        pl.col("mean").max().alias("high"),
    ]
    closes = result.candles.frame.select(time="close_time", close="close")
    rows = pl.concat([part.group_by("time").agg(values) for part in result.forecast.bars_in_parts()])
    return rows.sort("time").join(closes, on="time", how="left")


def forecast_words(result: StudyResult, rows: pl.DataFrame, known: pl.DataFrame) -> str:
    """What to see in forecasts (`rows`) whose outcomes are `known`, and the newest forecast."""
    unit = unit_of(result)
    is_probability = result.primary_target.kind == "probability"
    words = _probability_words(known) if is_probability else _distance_words(result, unit, known)
    newest = rows.row(-1, named=True)
    if newest["target"] is not None:
        return words
    written = target_unit(result.primary_target).sentence(newest["mean"])
    if unit.label == PRICE:
        written = price(float(unit.convert(np.array(newest["mean"]), np.array(newest["close"]))))
    return (
        f"{words} The latest forecast, made {moment(newest['time'])} at a close of {price(newest['close'])}, "
        f"is {written}; its outcome is not known yet."
    )


def _distance_words(result: StudyResult, unit: Unit, known: pl.DataFrame) -> str:
    """Mean distance of forecast and outcome from naive, and the mean errors."""
    close = known["close"].to_numpy()
    real, forecast, naive = (unit.convert(known[name].to_numpy(), close) for name in ("target", "mean", "naive"))
    errors = [unit.words(float(np.abs(real - values).mean())) for values in (forecast, naive)]
    accuracy = f"Mean absolute error {errors[0]}, naive forecast {errors[1]}."
    if result.primary_target.name not in ("return", "price"):
        return accuracy
    away, moved = (float(np.abs(values / naive - 1).mean()) for values in (forecast, real))
    copy = "The forecast is close to a copy of the last known price, which is the only reason why the two curves look alike."
    own = "The forecast is not a copy of the last known price."
    return (
        f"On average, the forecast differs from the last known price by {percent(away, 2)}, and the actual price by "
        f"{percent(moved, 2)}. {copy if away < moved / 2 else own} {accuracy}"
    )


def _probability_words(known: pl.DataFrame) -> str:
    low, high = (percent(known["mean"].quantile(share)) for share in (0.05, 0.95))
    outcomes = happened(known)
    unchanged = float((outcomes == 0.5).mean())
    still = f", stayed the same in {percent(unchanged)} (dots at 50 %)" if unchanged else ""
    return (
        f"90 % of the forecast probabilities of a rise lie between {low} and {high}. The price rose in "
        f"{percent(float((outcomes == 1.0).mean()))} of cases (dots at 100 %){still}, and fell in the rest (dots at 0 %)."
    )


def happened(rows: pl.DataFrame) -> np.ndarray:
    """1.0 for a rise, 0.0 for none, 0.5 where the price stayed, float64 (rows,)."""
    sides = sides_of(rows["target"].to_numpy(), rows["naive"].to_numpy())
    happened = np.full(rows.height, 0.5)
    happened[sides.teaches] = sides.classes
    return happened
