"""How good forecasts are, per model and asset, and per fold and seed: errors, skill against naive, and its significance.

A figure comes with `_low` and `_high`: its 95 % stationary-bootstrap interval, in blocks as long as squared errors and hits
need. The figures, those of distributions null where a model forecasts none:

    mae, rmse        errors in the target's units
    mase             mae over naive's mean absolute error on the training rows (Hyndman and Koehler 2006); no interval
    r2               1 - SSE / SSE of naive, out of sample, of changes against naive (Campbell and Thompson 2008)
    hit_rate         share of right signs of the change against naive
    ic, rank_ic      correlation of forecast and actual change, of their values and of their ranks
    log_score        of normal forecasts with the given `sigma` (Gneiting and Raftery 2007); smaller is better
    crps             the same of the quantiles where a model says some, coarse where they are few; else of that normal
    pinball          mean loss of the quantiles, of the 5 % and 95 % ones of a normal (Koenker and Bassett 1978)
    coverage         share of outcomes between the outermost quantiles, or in the middle 90 % of the normal
    qlike            of a volatility as a variance: ln mean(q) - mean(ln q), q the actual variance over the forecast one;
                     Patton's loss (2011) of the forecast times the constant that suits it best; smaller is better
    interval         share that should lie there; no interval
    p_calibration    that outcomes fall where the distribution says they do; small when it is wrong (`uniformity_p_value`)

What is undefined is null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast import stats
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.prediction import quantile_level
from candlecast.errors import NotEnoughDataError
from candlecast.stats.bootstrap import bootstrap_columns
from candlecast.targets import Target, Volatility

SCORED = ("time", "fold", "target", "mean", "naive", "sigma", "naive_error", "train_mean")  # what figures are made of
REFERENCES = ("naive", "drift")  # a forecast of nothing but the mean is no skill either
ROUNDING = 1e-9  # of the largest change: a forecast so close to the training mean is that mean
BINS = 10  # of the probability integral transform of a normal forecast
EDGES = (0.05, 0.95)  # levels of the quantiles between which 90 % of the outcomes belong
COVERED = 1.6448536269514722  # their distance from the mean of a normal, in standard deviations


@dataclass(frozen=True, eq=False)
class Scored:
    """One model's known forecasts of one asset, in target units and as changes against naive; all (time,).

    `sigma` is empty where the model forecasts none; `quantiles` (time, levels) has a column for each of the rising `levels`,
    which are none where the model says no quantiles. `naive_error` and `mean_change`, the change to the mean outcome of the
    training rows, are NaN where they are not known.
    """

    time: np.ndarray
    fold: np.ndarray
    target: np.ndarray
    mean: np.ndarray
    outcome_change: np.ndarray
    forecast_change: np.ndarray
    sigma: np.ndarray
    naive_error: np.ndarray
    mean_change: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Low and high end (time,) of the central interval, and the share of outcomes that it should hold; None without."""
        if len(self.levels) > 1:
            return self.quantiles[:, 0], self.quantiles[:, -1], self.levels[-1] - self.levels[0]
        if len(self.sigma):
            return self.mean - COVERED * self.sigma, self.mean + COVERED * self.sigma, 0.9
        return None

    @property
    def calibration(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The bin of the distribution that each outcome fell into, (time,), and the share that each bin should hold."""
        if self.levels:
            return stats.quantile_bins(self.target, self.quantiles, self.levels), np.diff([0.0, *self.levels, 1.0])
        if len(self.sigma):
            transform = stats.pit_normal(self.target, self.mean, self.sigma)
            return np.minimum(transform * BINS, BINS - 1).astype(np.int64), np.full(BINS, 1 / BINS)
        return None


def scored(forecast: Forecast, target: Target) -> Scored:
    """The rows of a forecast of one asset whose outcome is known, averaged over seeds, in order of time."""
    return _scored(forecast.averaged().frame, target)


def skills(forecast: Forecast, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """What a forecast of one asset adds: times at which outcomes are known, datetime64[us], and (y - m)(f - m), both (time,).

    y is the outcome, f the forecast and m the mean outcome of the training rows, all as changes against naive (m = 0 where it
    is not known). Its mean is above zero where the forecast knows something; half the summands of the Clark-West test.
    """
    frame = forecast.averaged().frame
    score, known = _scored(frame, target), frame.drop_nulls("target")["known_at"]
    centre = np.nan_to_num(score.mean_change)
    skill = (score.outcome_change - centre) * (score.forecast_change - centre)
    return known.dt.replace_time_zone(None).to_numpy(), skill


def accuracy(
    forecasts: Mapping[str, Forecast], target: Target, *, models: Collection[str] | None = None, seed: int = 0
) -> pl.DataFrame:
    """One row per asset and model, seeds averaged into one forecast: `symbol`, `model`, `observations`, figures and p-values.

    `models`: those that get a row, all when not given; naive and drift are references among `forecasts` in any case.

    The p-values are one-sided. `p_naive`, `p_drift` and `p_mean`: Clark-West, of the hypothesis that the forecast adds nothing
    to naive, to naive and drift, or to the mean outcome of the training rows. (Where volatility only scatters around a level,
    the level alone beats naive, which is the last range, and forecasts nothing.) `p_direction`: Pesaran-Timmermann, that
    signs of forecast and actual change are unrelated.
    `p_profit`: Anatolyev-Gerko, that following those signs earns no more than holding.

    Raises NotEnoughDataError when a forecast has no known outcome.
    """
    rows = []
    symbols = list(dict.fromkeys(symbol for forecast in forecasts.values() for symbol in forecast.symbols))
    for symbol in symbols:
        present = {name: forecast for name, forecast in forecasts.items() if symbol in forecast.symbols}
        shown = [name for name in present if models is None or name in models]
        needed = [name for name in present if name in shown or name in REFERENCES]
        scores = {name: scored(present[name].only(symbol), target) for name in needed}
        if not all(len(score.target) for score in scores.values()):
            raise _nothing_known()
        rows += [
            {"symbol": symbol, "model": name, **_figures(scores[name], target, seed), **_p_values(name, scores, target)}
            for name in shown
        ]
    if not rows:
        raise _nothing_known()
    return _table(rows)


def accuracy_by_part(forecast: Forecast, target: Target, *, seed: int = 0) -> pl.DataFrame:
    """One row per asset, fold and seed: `symbol`, `fold`, `seed`, `first`, `last` (closes), `observations` and figures.

    Raises NotEnoughDataError when the forecast has no known outcome.
    """
    rows = []
    known = forecast.frame.drop_nulls("target")
    for (symbol, fold, number), frame in known.group_by("symbol", "fold", "seed", maintain_order=True):
        part = {"symbol": symbol, "fold": fold, "seed": number, "first": frame["time"][0], "last": frame["time"][-1]}
        rows.append(part | _figures(_scored(frame, target), target, seed))
    if not rows:
        raise _nothing_known()
    return _table(rows).sort("symbol", "fold", "seed")


def _scored(frame: pl.DataFrame, target: Target) -> Scored:
    levels = {level: name for name in frame.columns if (level := quantile_level(name)) is not None}
    frame = frame.select(*SCORED, *levels.values()).drop_nulls("target")
    outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    levels = {level: levels[level] for level in sorted(levels) if not frame[levels[level]].null_count()}
    return Scored(
        time=frame["time"].to_numpy(),
        fold=frame["fold"].to_numpy(),
        target=outcome,
        mean=mean,
        outcome_change=target.change(outcome, naive),
        forecast_change=target.change(mean, naive),
        sigma=np.empty(0) if frame["sigma"].null_count() else frame["sigma"].to_numpy(),
        naive_error=frame["naive_error"].fill_null(math.nan).to_numpy(),
        mean_change=target.change(frame["train_mean"].fill_null(math.nan).to_numpy(), naive),
        quantiles=frame.select(levels.values()).to_numpy(),
        levels=tuple(levels),
    )


class _Part(NamedTuple):
    """A figure as a function of the means of `width` columns, and these columns, each (time,), made when they are asked for."""

    figure: Callable[..., np.ndarray]
    width: int
    columns: Callable[[], Iterable[np.ndarray]]


def _figures(score: Scored, target: Target, seed: int) -> dict[str, float | int]:
    """Every figure with its interval. Each is a function of means over rows, so that only means have to be resampled."""
    y, f, error, sigma = score.outcome_change, score.forecast_change, score.target - score.mean, score.sigma
    hit, squared = (np.sign(y) == np.sign(f)) & (y != 0), (y - f) ** 2
    parts: dict[str, _Part] = {
        "mae": _Part(np.asarray, 1, lambda: [np.abs(error)]),
        "rmse": _Part(np.sqrt, 1, lambda: [error**2]),
        "r2": _Part(lambda own, naive: 1.0 - own / naive, 2, lambda: [squared, y**2]),
        "hit_rate": _Part(np.divide, 2, lambda: [hit, (y != 0) & f.any()]),  # the naive forecast names no direction
        "ic": _Part(_correlation, 5, lambda: _products(y, f)),
        "rank_ic": _Part(_correlation, 5, lambda: _products(stats.ranks(y), stats.ranks(f))),
    }
    if isinstance(target, Volatility):
        parts["qlike"] = _Part(lambda ratio, log: np.log(ratio) - log, 2, lambda: [np.exp(2 * error), 2 * error])
    if len(sigma):
        edges = score.mean[:, None] + COVERED * sigma[:, None] * np.array([-1.0, 1.0])  # (time, 2)
        parts |= {
            "log_score": _Part(np.asarray, 1, lambda: [stats.log_score(score.target, score.mean, sigma)]),
            "crps": _Part(np.asarray, 1, lambda: [stats.crps_normal(score.target, score.mean, sigma)]),
            "pinball": _Part(np.asarray, 1, lambda: [stats.pinball(score.target, edges, EDGES).mean(axis=1)]),
        }
    if score.levels:
        said = score.target, score.quantiles, score.levels
        parts |= {
            "crps": _Part(np.asarray, 1, lambda: [stats.crps_quantiles(*said)]),
            "pinball": _Part(np.asarray, 1, lambda: [stats.pinball(*said).mean(axis=1)]),
        }
    if score.bounds:
        low, high, _ = score.bounds
        parts["coverage"] = _Part(np.asarray, 1, lambda: [(low <= score.target) & (score.target <= high)])
    block = stats.block_length(np.column_stack([y**2, squared, hit]))
    shape = len(y), sum(part.width for part in parts.values())
    means, draws = bootstrap_columns(
        (column for part in parts.values() for column in part.columns()), shape=shape, block=block, seed=seed
    )
    found: dict[str, float | int] = {"observations": len(y)}
    first = 0
    for name, (figure, width, _) in parts.items():
        own = slice(first, first + width)
        with np.errstate(divide="ignore", invalid="ignore"):
            value, spread = (_defined(figure(*each[:, own].T)) for each in (means[None], draws))
        low, high = stats.percentile_interval(spread)
        found |= {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}
        first = own.stop
    if score.bounds:
        found["interval"] = round(score.bounds[2], 10)
    if score.calibration:
        found["p_calibration"] = stats.uniformity_p_value(*score.calibration, horizon=target.horizon, seed=seed)
    scale = float(score.naive_error.mean())
    return found | {"mase": float(found["mae"]) / scale if scale > 0 else math.nan}


def _p_values(name: str, scores: Mapping[str, Scored], target: Target) -> dict[str, float | None]:
    score, horizon = scores[name], target.horizon
    y, f = score.outcome_change, score.forecast_change
    nested: dict[str, float | None] = {
        f"p_{reference}": stats.clark_west(y, f, scores[reference].forecast_change, horizon=horizon).p_value
        if reference in scores and reference != name
        else None
        for reference in REFERENCES
    }
    tests = {"p_direction": stats.pesaran_timmermann, "p_profit": stats.anatolyev_gerko}
    is_mean = np.allclose(f, score.mean_change, rtol=0.0, atol=ROUNDING * float(np.abs(y).max()))
    if np.isfinite(score.mean_change).all() and not is_mean:
        nested["p_mean"] = stats.clark_west(y, f, score.mean_change, horizon=horizon).p_value
    return nested | {column: test(y, f, horizon=horizon).p_value for column, test in tests.items()}


def _products(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Columns whose means give the correlation of a and b: both, their squares and their product, in standard units."""
    a, b = ((x - x.mean()) / (x.std() if np.ptp(x) else 1.0) for x in (a, b))
    yield from (a, b)
    yield a**2
    yield b**2
    yield a * b


def _correlation(a: np.ndarray, b: np.ndarray, aa: np.ndarray, bb: np.ndarray, ab: np.ndarray) -> np.ndarray:
    return (ab - a * b) / np.sqrt(np.maximum(aa - a**2, 0.0) * np.maximum(bb - b**2, 0.0))


def _defined(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, math.nan)


def _table(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows that need not have all columns; what is undefined becomes null."""
    return pl.from_dicts(rows, infer_schema_length=None).with_columns(pl.selectors.float().fill_nan(None))


def _nothing_known() -> NotEnoughDataError:
    return NotEnoughDataError(
        "no forecast has an outcome that is known yet",
        expected="test parts longer than the horizon, without a gap in each outcome",
        remedy="Give more candles, longer test parts or a shorter horizon",
    )
