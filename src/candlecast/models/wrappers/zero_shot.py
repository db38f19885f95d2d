"""`ZeroShot`: a pretrained forecaster on trial, judged only on bars after the end of its training data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction, quantile_column
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.models.baselines.naive import Baseline, Predict
from candlecast.models.baselines.series import CONTINUED, TargetSeries, has_series, series_of
from candlecast.models.deterministic import deterministic_fit
from candlecast.models.wrappers.forecast_cache import known_forecasts
from candlecast.models.wrappers.pretrained import LOADERS, version_of
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.sources.source import moment
from candlecast.targets import Target

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LEAST = 16  # values that a forecast is made from; of fewer it is the naive one
BATCH = 64  # contexts that a forecaster is given at once


class Forecaster(Protocol):
    """A pretrained forecaster: the past of several series in, quantiles of their future out."""

    def __call__(self, past: np.ndarray, horizon: int, /) -> np.ndarray:
        """Quantiles of the next `horizon` values, (series, horizon, level), from `past`, float64 (series, time).

        Values before a series begins are NaN; the last is always known, and is 0: a series is given as differences to it.
        """
        ...


@dataclass(frozen=True)
class ZeroShot(Baseline):
    """A pretrained model that learns nothing from the candles: it forecasts the target's series from its last `context` values.

    `forecaster`: the name of one that comes with an extra ("fracast", extra `zeroshot`, whose weights are in its wheel), or a
    function like `Forecaster` of your own, which gives quantiles of these `levels`. The series is the log price, or the log
    range of a volatility target. The forecast is the mean of the quantiles, which are given as well.

    `trained_until` is its date of birth: the last day of the data that it was trained on, as its makers declare it. Such data may
    hold the candles themselves. A study or a comparison with it judges all its models on bars after that day alone, and
    refuses one without a date; `walk_forward` shows the forecasts of all bars. `probe_memory` looks for remembered history.

    Forecasts of one context are computed once in a process, and once for good in a folder `cache`.
    """

    forecaster: str | Forecaster
    trained_until: str | None = None
    levels: tuple[float, ...] = DECILES
    context: int = 512
    cache: str | None = field(default=None, metadata={"is_stored": False})
    name: str = "zero-shot"

    window: ClassVar[int] = 1  # type: ignore[misc]
    is_seeded: ClassVar[bool] = False  # type: ignore[misc]
    domain: ClassVar[str] = CONTINUED

    def __post_init__(self) -> None:
        require_kinds(self)
        if isinstance(self.forecaster, str):
            is_known, levels = self.forecaster in LOADERS, self.levels == DECILES
        else:
            is_known, levels = callable(self.forecaster), True
        rising = len(self.levels) > 0 and all(a < b for a, b in zip((0, *self.levels), (*self.levels, 1), strict=True))
        require_parameters(
            self,
            {
                "forecaster": (is_known, f"{' or '.join(map(repr, LOADERS))}, or a function of past and horizon"),
                "levels": (rising and levels, "rising numbers in (0, 1); deciles for a forecaster that is named"),
                "cache": (
                    self.cache is None or isinstance(self.forecaster, str),
                    "None for a function, whose code may change: it can store its forecasts itself",
                ),
                "context": (is_whole(self.context, LEAST), f"a whole number of values, {LEAST} or more"),
            },
        )
        if self.trained_until is not None:
            moment(self.trained_until, "trained_until")

    def fits(self, target: Target) -> bool:
        return has_series(target)

    def learn(self, job: Job) -> Predict:
        def predict(samples: Samples, rows: np.ndarray) -> Prediction:
            series = series_of(samples)
            past = _contexts(series.levels, rows, self.context)
            enough = np.isfinite(past).sum(axis=1) >= LEAST
            levels = np.repeat(series.levels[rows][:, None], len(self.levels), axis=1)
            levels[enough] += self._quantiles(past[enough], samples.horizon)
            found = _in_units(series, rows, levels)
            found[~enough] = samples.naive[rows][~enough, None]
            columns = {quantile_column(level): found[:, place] for place, level in enumerate(self.levels)}
            return Prediction(found.mean(axis=1), columns)

        return predict

    def _quantiles(self, past: np.ndarray, horizon: int) -> np.ndarray:
        """Quantiles of the value `horizon` steps ahead less the last one, (rows, level), rising; from the cache where known."""
        known = known_forecasts(self._identity(horizon), self.cache)
        keys = [hashlib.sha256(each.tobytes()).digest() for each in past]
        absent = [place for place, key in enumerate(keys) if key not in known]
        forecaster = self._forecaster() if absent else None
        for first in range(0, len(absent), BATCH):
            places = absent[first : first + BATCH]
            given = np.zeros(
                (BATCH, past.shape[1])
            )  # always as many, so that results do not depend on how many there are
            given[: len(places)] = past[places]
            with deterministic_fit():
                found = np.asarray(forecaster(given, horizon), dtype=np.float64)  # type: ignore[misc]
            self._require(found, horizon)
            for place, values in zip(places, np.sort(found[:, -1], axis=-1), strict=False):
                known.add(keys[place], values)
        found = np.array([known[key] for key in keys]).reshape(len(keys), len(self.levels))
        known.save()
        return found

    def _forecaster(self) -> Forecaster:
        return LOADERS[self.forecaster]() if isinstance(self.forecaster, str) else self.forecaster

    def _identity(self, horizon: int) -> object:
        """What decides the forecast of a context."""
        made = version_of(self.forecaster) if isinstance(self.forecaster, str) else self.forecaster
        return (made, self.levels, horizon)

    def _require(self, found: np.ndarray, horizon: int) -> None:
        expected = (BATCH, horizon, len(self.levels))
        if found.shape != expected or not np.isfinite(found).all():
            what = f"numbers of shape {found.shape}" if found.shape != expected else "numbers that are not finite"
            raise ConfigError(
                f"{self.name} gave {what} for {BATCH} series",
                expected=f"finite quantiles of shape {expected}: series, step, level",
                remedy="Correct the forecaster, or name its levels with levels=",
            )


def _contexts(levels: np.ndarray, rows: np.ndarray, context: int) -> np.ndarray:
    """The last `context` values up to each row less the newest, (rows, context); NaN where there are none."""
    padded = np.concatenate([np.full(context - 1, np.nan), levels])
    views = np.lib.stride_tricks.sliding_window_view(padded, context)[rows]
    return views - views[:, -1:]


def _in_units(series: TargetSeries, rows: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of the target from those of its level ahead, (rows, level)."""
    return np.column_stack([series.from_levels(rows, column) for column in levels.T])
