"""`NextBar`: what a study forecasts after the last bar that is known, and what such forecasts were worth."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.folds import Fold
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.latest import latest_fold
from candlecast.dataset.prediction import quantile_level
from candlecast.dataset.samples import Samples, make_samples
from candlecast.errors import CandleError, NotEnoughDataError
from candlecast.events import Listener, ignore
from candlecast.signals.rule import decide
from candlecast.study.fitted import Parts, parts_of
from candlecast.targets import primary
from candlecast.targets.units import Unit, unit_of
from candlecast.targets.words import described
from candlecast.text.formatting import percent, price
from candlecast.text.json_values import json_values
from candlecast.text.notebook import notebook_paragraph
from candlecast.walkforward.plan import WalkPlan
from candlecast.walkforward.walk import forecast_frame

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult
    from candlecast.study.study import Study

COVERAGE = 0.9  # of the interval around the forecast
FEWEST_ERRORS = 40  # out-of-sample errors that an interval is made of


@dataclass(frozen=True)
class NextBar:
    """The forecast that is made at the close of the last known bar, and how far it can be trusted.

    `made_at`: close of that bar; `known_at`: when the outcome will be known (None where the market's sessions decide that).
    `forecast`, `naive`, `low` and `high` are in the target's units, which `unit` names and writes for people: the mean over
    the seeds, the naive forecast, and an interval that held `coverage` of the outcomes in the walk (errors that were made
    out of sample, in standard deviations where the model says them; None
    with fewer than 40 of them, and for classes). `price`: the last close; `price_forecast`, `price_low` and `price_high` what
    the forecast means in quote currency, where it implies a price. `position`: what the rule holds from the next open on, a
    fraction of equity; `since`: the close at which it was first decided. `trained_rows`, `trained_until`: what the nets
    learnt from. `is_forecastable`, `has_edge`, `headline`: the verdict on the study; `r2` with its 95 % CI: what such forecasts
    were worth out of sample against naive.
    """

    symbol: str
    interval: str
    model: str
    target: str
    unit: Unit
    horizon: int
    made_at: datetime
    known_at: datetime | None
    forecast: float
    naive: float
    low: float | None
    high: float | None
    coverage: float
    price: float
    price_forecast: float | None
    price_low: float | None
    price_high: float | None
    expected_return: float | None
    position: float
    since: datetime
    trained_rows: int
    trained_until: datetime
    is_forecastable: bool
    has_edge: bool
    headline: str
    r2: float
    r2_low: float
    r2_high: float

    @property
    def text(self) -> str:
        """All of it in a few sentences."""
        low, high = map(self.unit.words, (self.low, self.high))
        ends = "" if self.low is None else f" ({percent(self.coverage, 0)} interval {low} to {high})"
        made = (
            f"{self.symbol} {self.interval}, {self.model}: the forecast of the {self.target}, made at "
            f"{self.made_at:%Y-%m-%d %H:%M} UTC, is {self.unit.sentence(self.forecast)}{ends}."
        )
        skill = f"{percent(self.r2, 2)} (95 % CI {percent(self.r2_low, 2)} to {percent(self.r2_high, 2)})"
        lines = [made]
        if self.price_forecast is not None:
            ends = "" if self.price_low is None else f" ({price(self.price_low)} to {price(self.price_high)})"
            lines.append(f"Price: {price(self.price)} now, {price(self.price_forecast)} forecast{ends}.")
        lines += [
            f"Signal: {signal_words(self.position)}, since {self.since:%Y-%m-%d %H:%M} UTC.",
            f"Trained on {self.trained_rows:,} bars up to {self.trained_until:%Y-%m-%d %H:%M} UTC.",
            f"Such forecasts had an out-of-sample R2 against naive of {skill}. {self.headline}",
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """The same for notebooks, a paragraph each."""
        return "".join(map(notebook_paragraph, self.text.split("\n")))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is undefined is None."""
        return json_values(asdict(self) | {"unit": self.unit.name, "signal": signal_words(self.position)})


def signal_words(position: float) -> str:
    """A position as a word.

    >>> signal_words(1.0), signal_words(-0.5), signal_words(0.0)
    ('long 100 %', 'short 50 %', 'flat')
    """
    if position == 0.0:
        return "flat"
    return f"{'long' if position > 0 else 'short'} {abs(position) * 100:.0f} %"


def next_bar(
    result: StudyResult,
    candles: Candles | None = None,
    *,
    study: Study | None = None,
    progress: Listener = ignore,
) -> NextBar:
    """The forecast after the last bar; see `StudyResult.next`."""
    candles = result.candles if candles is None else _later(result, candles)
    parts = parts_of(result, study, how="next(study=...)")
    plan = WalkPlan(parts.features, result.target, parts.folds, (result.seed,), int(result.recipe["window"]))
    last = max((job.fold for job in plan.jobs(parts.model, result.candles)), key=lambda fold: fold.index)
    window = max(plan.window, parts.model.window)
    samples = make_samples(candles, features=parts.features, target=result.target, window=window)
    if not samples.is_complete[-1]:
        raise NotEnoughDataError(
            f"the last bar of {candles.symbol} has no whole window of {window} bars",
            expected="candles without a gap in the last bars",
            remedy="Fetch what is missing, or allow short gaps with candles.with_max_gap(3)",
        )
    horizon = result.target.horizon
    fold = latest_fold(
        parts.folds, last, times=candles.close_time, usable=samples.usable, horizon=horizon, index=last.index + 1
    )
    later = _bars_since(result, samples, fold)
    jobs = [Job(samples, fold, seed) for seed in result.forecast.seeds]
    fitted = list(parts.model.fit(jobs, progress=progress))
    frames = [forecast_frame(each, result.model) for each in fitted]
    if later is not None:
        frames += _carried(result, parts, plan, Job(samples, later, result.seed))
    walked = result.forecast.frame.filter(pl.col("time").is_in(candles.frame["close_time"].implode()))
    made = Forecast.joined(
        [walked.filter(pl.col("time") < frames[0]["time"][0]), *frames], primary(result.target).horizon
    )
    return _told(result, parts, candles, made, fitted[0].job)


def _later(result: StudyResult, candles: Candles) -> Candles:
    """The candles, when they continue those of the result."""
    own = result.candles
    if (candles.symbol, candles.interval) != (own.symbol, own.interval):
        raise CandleError(
            f"the candles are of {candles.symbol} {candles.interval}",
            expected=f"{own.symbol} {own.interval}, which the study is about",
            remedy="Run a study on the others",
        )
    if not len(candles) or candles.close_time[-1] < own.close_time[-1]:
        raise CandleError(
            f"the candles end before those of the study ({own.close_time[-1]} UTC)",
            expected="candles that are as new or newer",
            remedy="Leave them out to use those of the study, or fetch newer ones",
        )
    return candles


def _bars_since(result: StudyResult, samples: Samples, fold: Fold) -> Fold | None:
    """The bars after those of the walk and before the last one, as the test part of a fold; None where there are none."""
    times = samples.candles.close_time
    first = int(np.searchsorted(times, result.candles.close_time[-1], side="right"))
    return (
        Fold(fold.index, fold.train, fold.valid, range(first, len(samples) - 1)) if first < len(samples) - 1 else None
    )


def _carried(result: StudyResult, parts: Parts, plan: WalkPlan, job: Job) -> list[pl.DataFrame]:
    """What the last fold's nets forecast for bars after the walk."""
    found = []
    index = int(result.folds["fold"].to_list()[-1])
    planned = next(each for each in plan.jobs(parts.model, result.candles) if each.fold.index == index)
    for seed in result.forecast.seeds:
        own = replace(planned, seed=seed)
        fitted = parts.model.restore(own, result.tensors.get(own.key, {}))
        found.append(forecast_frame(fitted, result.model, job=replace(job, seed=seed)))
    return found


def _told(result: StudyResult, parts: Parts, candles: Candles, made: Forecast, job: Job) -> NextBar:
    """What the last row of the forecasts says, beside what such forecasts were worth."""
    row = made.averaged().frame.row(-1, named=True)
    target, price = result.primary_target, float(candles.close[-1])
    held = decide(parts.rule, made, candles, costs=result.costs).frame
    position = float(held["position"][-1])
    changes = np.flatnonzero(np.diff(held["position"].to_numpy(), prepend=np.nan) != 0)
    low, high = _interval(result.forecast, row) if target.kind == "value" else (None, None)
    prices = [_price(target.name, value, row["expected_return"], price) for value in (row["mean"], low, high)]
    own = result.own_accuracy.row(0, named=True)
    learnt = candles.frame["close_time"]
    return NextBar(
        symbol=candles.symbol,
        interval=str(candles.interval),
        model=result.model,
        target=described(target),
        unit=unit_of(target),
        horizon=target.horizon,
        made_at=row["time"],
        known_at=_known_at(candles, row["time"], target.horizon),
        forecast=row["mean"],
        naive=row["naive"],
        low=low,
        high=high,
        coverage=COVERAGE,
        price=price,
        price_forecast=prices[0],
        price_low=prices[1],
        price_high=prices[2],
        expected_return=row["expected_return"],
        position=position,
        since=held["time"][int(changes[-1])],
        trained_rows=len(job.train_rows),
        trained_until=learnt[int(job.fold.fit.last)],
        is_forecastable=result.verdict.is_forecastable,
        has_edge=result.verdict.has_edge,
        headline=result.verdict.headline,
        r2=own["r2"],
        r2_low=own["r2_low"],
        r2_high=own["r2_high"],
    )


def _interval(forecast: Forecast, row: dict[str, Any]) -> tuple[float | None, float | None]:
    """Low and high of the outcome: the model's own quantiles, or else its out-of-sample errors around the forecast."""
    levels = {level: name for name in row if (level := quantile_level(name)) is not None and row[name] is not None}
    ends = min(levels, default=0.5), max(levels, default=0.5)
    if math.isclose(ends[1] - ends[0], COVERAGE):
        return row[levels[ends[0]]], row[levels[ends[1]]]
    frame = forecast.averaged().frame.filter(pl.col("target").is_not_null())
    has_sigma = row["sigma"] is not None and frame["sigma"].null_count() == 0
    unit = frame["sigma"] if has_sigma else 1.0
    errors = ((frame["target"] - frame["mean"]) / unit).to_numpy()
    if len(errors) < FEWEST_ERRORS:
        return None, None
    width = row["sigma"] if has_sigma else 1.0
    low, high = np.quantile(errors, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(row["mean"] + low * width), float(row["mean"] + high * width)


def _price(name: str, value: float | None, expected: float | None, price: float) -> float | None:
    """The price that a forecast in the target's units means; None where it means none."""
    if value is None or expected is None:
        return None
    return {"price": value, "return": price * math.exp(value)}.get(name)


def _known_at(candles: Candles, made_at: datetime, horizon: int) -> datetime | None:
    if candles.has_sessions:
        return None
    known = made_at
    for _ in range(horizon):
        known = candles.interval.next(known)
    return known
