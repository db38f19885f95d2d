"""Pipelines with one known leak each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.signals import Positions
from candlecast.targets import NextReturn
from candlecast.testing.pipelines.case import OwnModel, PipelineCase, design, least_squares, of_feature, study

WEEK = 24  # bars of the longer interval


def returns(candles: Candles) -> np.ndarray:
    """Log returns, 0 at the first bar."""
    return np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))


def ahead(values: np.ndarray, bars: int) -> np.ndarray:
    """values[t + bars] at t, NaN at the end."""
    return np.concatenate([values[bars:], np.full(bars, np.nan)])


def whole_scaler(candles: Candles) -> np.ndarray:
    moves = returns(candles)
    return (moves - moves.mean()) / moves.std()


def whole_min_max(candles: Candles) -> np.ndarray:
    return (candles.close - candles.close.min()) / np.ptp(candles.close)


def centred_average(candles: Candles) -> np.ndarray:
    return np.convolve(candles.close, np.ones(5) / 5, mode="same") / candles.close


def backward_fill(candles: Candles) -> np.ndarray:
    moves = pl.Series(np.where(candles.volume > np.median(candles.volume[:50]), returns(candles), np.nan))
    return moves.fill_nan(None).fill_null(strategy="backward").fill_null(0.0).to_numpy()


def negative_shift(candles: Candles) -> np.ndarray:
    return ahead(returns(candles), 1)


def one_bar_peek(candles: Candles) -> np.ndarray:
    return np.maximum(candles.high, np.nan_to_num(ahead(candles.high, 1), nan=0.0)) / candles.close


def longer_interval_at_open(candles: Candles) -> np.ndarray:
    last = np.minimum((np.arange(len(candles)) // WEEK + 1) * WEEK - 1, len(candles) - 1)
    return candles.close[last] / candles.open


def season_of_all_rows(candles: Candles) -> np.ndarray:
    hours, moves = np.arange(len(candles)) % 24, returns(candles)
    return np.array([moves[hours == hour].mean() for hour in range(24)])[hours]


def target_as_a_code(candles: Candles) -> np.ndarray:
    groups = (np.abs(returns(candles)) > 0.01).astype(int)
    following = np.nan_to_num(ahead(returns(candles), 1))
    return np.array([following[groups == group].mean() if (groups == group).any() else 0.0 for group in (0, 1)])[groups]


def adjusted_by_the_last_close(candles: Candles) -> np.ndarray:
    return candles.close / candles.close[-1]


def components_of_all_rows(candles: Candles) -> np.ndarray:
    columns = np.column_stack([returns(candles), candles.high / candles.low - 1, np.log(candles.volume + 1)])
    columns = columns - columns[:50].mean(axis=0)
    return columns @ np.linalg.svd(columns, full_matrices=False)[2][0]


class Understated(NextReturn):
    """A return of five bars that claims to be one of the next bar."""

    def values(self, candles: Candles) -> np.ndarray:
        return ahead(np.log(candles.close), 5) - np.log(candles.close)


class ResampledLabel(NextReturn):
    """The return to the end of a longer bar, which claims to be known one bar later."""

    def values(self, candles: Candles) -> np.ndarray:
        last = np.minimum((np.arange(len(candles)) // WEEK + 1) * WEEK, len(candles) - 1)
        values = np.log(candles.close[last] / candles.close)
        values[-1] = np.nan
        return values


def scaled_by_all_rows(job: Job, jobs: Sequence[Job]) -> np.ndarray:
    samples = job.samples
    scale = np.nanstd(samples.inputs, axis=0)
    return least_squares(samples, job.fit_rows) / np.append(scale, 1.0)


def fitted_on_tested_rows(job: Job, jobs: Sequence[Job]) -> np.ndarray:
    rows = np.concatenate([job.fit_rows, job.test_rows])
    return least_squares(job.samples, rows[job.samples.is_known[rows]])


def stopped_on_tested_rows(job: Job, jobs: Sequence[Job]) -> np.ndarray:
    weights, samples = least_squares(job.samples, job.fit_rows), job.samples
    rows = job.test_rows[samples.is_known[job.test_rows]]
    errors = [
        np.square(samples.outcomes[rows] - samples.naive[rows] - design(samples, rows) @ (share * weights)).sum()
        for share in np.linspace(0, 1, 21)
    ]
    return weights * np.linspace(0, 1, 21)[int(np.argmin(errors))]


def searched_over_all_folds(job: Job, jobs: Sequence[Job]) -> np.ndarray:
    every = np.mean([fitted_on_tested_rows(each, jobs)[0] for each in jobs])
    weights = least_squares(job.samples, job.fit_rows)
    return weights * (1.0 + abs(every))


def selected_on_all_rows(job: Job, jobs: Sequence[Job]) -> np.ndarray:
    samples = job.samples
    known = np.flatnonzero(samples.is_complete & samples.is_known)
    score = np.corrcoef(samples.inputs[known, 0], samples.outcomes[known])[0, 1]
    return least_squares(samples, job.fit_rows) * (1.0 + score)


def pooled_over_rows(weights: np.ndarray, samples: Samples, rows: np.ndarray) -> np.ndarray:
    values = design(samples, rows) @ weights
    later = samples.inputs[rows[0] : rows[-1] + 2, 0]
    return samples.naive[rows] + values - np.nanmean(later)


def next_outcome(weights: np.ndarray, samples: Samples, rows: np.ndarray) -> np.ndarray:
    return samples.naive[rows] + design(samples, rows) @ weights + 0.1 * np.nan_to_num(samples.outcomes[rows])


def _positions(frame: pl.DataFrame, values: np.ndarray) -> Positions:
    return Positions(frame.select("time", "symbol").with_columns(position=pl.Series(np.asarray(values, float))))


def threshold_from_tested_rows(forecast: Forecast, candles: Candles | None = None) -> Positions:
    frame = forecast.averaged().frame
    expected, known = frame["expected_return"].to_numpy(), np.nan_to_num(frame["target"].to_numpy())
    levels = np.quantile(np.abs(expected), np.linspace(0, 0.9, 10))
    earned = [(np.sign(expected) * (np.abs(expected) > level) * known).sum() for level in levels]
    return _positions(frame, np.sign(expected) * (np.abs(expected) > levels[int(np.argmax(earned))]))


def outcomes_as_signals(forecast: Forecast, candles: Candles | None = None) -> Positions:
    frame = forecast.averaged().frame
    return _positions(frame, np.sign(frame["target"].fill_null(0.0).to_numpy()))


def scaled_by_the_largest(forecast: Forecast, candles: Candles | None = None) -> Positions:
    frame = forecast.averaged().frame
    expected = frame["expected_return"].to_numpy()
    return _positions(frame, expected / np.abs(expected).max())


def filled_at_the_deciding_close(candles: Candles) -> dict[str, Any]:
    wanted = (returns(candles) > 0.005).astype(float)
    rows = np.flatnonzero(np.diff(wanted, prepend=0.0))
    fills = pl.DataFrame({"time": candles.close_time[rows], "price": candles.close[rows], "units": wanted[rows]})
    return {"positions": wanted, "fills": fills}


def sold_at_the_best_price(candles: Candles) -> dict[str, Any]:
    best = pl.Series(candles.high[::-1]).rolling_max(5, min_samples=1).to_numpy()[::-1]
    return {"positions": (returns(candles) > 0).astype(float), "account": np.cumsum(best / candles.close - 1)}


def assets_of(candles: Candles) -> np.ndarray:
    """Prices of eight assets that follow the market's returns with other weights, half of them inversely: (time, asset)."""
    weights = np.array([-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0])
    return np.exp(np.cumsum(np.outer(returns(candles), weights), axis=0))


def shares_of(universe: np.ndarray) -> np.ndarray:
    """The same share of each asset of the universe (time, asset)."""
    return universe / np.maximum(universe.sum(axis=1, keepdims=True), 1.0)


def dropped_by_later_data(candles: Candles) -> dict[str, Any]:
    prices = assets_of(candles)
    universe = np.broadcast_to((prices[-1] > prices[0]).astype(float), prices.shape)
    return {"universe": universe, "positions": shares_of(universe)}


def listed_once_large(candles: Candles) -> dict[str, Any]:
    prices = assets_of(candles)
    universe = (np.maximum.accumulate(prices[::-1], axis=0)[::-1] > 1.2).astype(float)
    return {"universe": universe, "positions": shares_of(universe)}


def pooled_over_futures(candles: Candles) -> dict[str, Any]:
    moves = np.diff(np.log(assets_of(candles)), axis=0, prepend=0.0)
    scaled = (moves - moves.mean()) / moves.std(axis=0)
    return {"features": scaled, "positions": np.sign(scaled)}


def fitted_before_the_walk(candles: Candles) -> dict[str, Any]:
    moves, following = returns(candles)[:-1], returns(candles)[1:]
    slope = moves @ following / (moves @ moves)
    return {"features": returns(candles), "forecasts": slope * returns(candles)}


def dates_of_later_moves(candles: Candles) -> np.ndarray:
    large = np.abs(returns(candles)) > 0.02
    following = [np.flatnonzero(large[bar + 1 :]) for bar in range(len(candles))]
    return np.array([float(rows[0]) if len(rows) else 100.0 for rows in following])


LEAKY = (
    PipelineCase("scaler of the whole series", of_feature(whole_scaler), "mean and deviation of all rows", "features"),
    PipelineCase("min and max of the whole series", of_feature(whole_min_max), "range of all rows", "features"),
    PipelineCase("centred moving average", of_feature(centred_average), "reads two bars ahead", "features"),
    PipelineCase("backward fill", of_feature(backward_fill), "gaps are filled with later values", "features"),
    PipelineCase("negative shift", of_feature(negative_shift), "the next return", "features"),
    PipelineCase("peek of one bar", of_feature(one_bar_peek), "the next high", "features"),
    PipelineCase(
        "longer interval at its open", of_feature(longer_interval_at_open), "its close is not known", "features"
    ),
    PipelineCase("season of all rows", of_feature(season_of_all_rows), "means of later days", "features"),
    PipelineCase("target as a code", of_feature(target_as_a_code), "mean outcome of a group, of all rows", "features"),
    PipelineCase("adjusted by the last close", of_feature(adjusted_by_the_last_close), "revised later", "features"),
    PipelineCase("components of all rows", of_feature(components_of_all_rows), "fitted on all rows", "features"),
    PipelineCase("calendar of later moves", of_feature(dates_of_later_moves), "bars until a large move", "features"),
    PipelineCase("understated horizon", lambda: study(target=Understated()), "labels overlap the test", "target"),
    PipelineCase("resampled label", lambda: study(target=ResampledLabel()), "known at the end of the day", "target"),
    PipelineCase(
        "model scaled by all rows", lambda: study(model=OwnModel(scaled_by_all_rows)), "own scaler", "weights"
    ),
    PipelineCase("fitted on tested rows", lambda: study(model=OwnModel(fitted_on_tested_rows)), "", "weights"),
    PipelineCase("stopped on tested rows", lambda: study(model=OwnModel(stopped_on_tested_rows)), "", "weights"),
    PipelineCase("searched over all folds", lambda: study(model=OwnModel(searched_over_all_folds)), "", "weights"),
    PipelineCase("columns chosen on all rows", lambda: study(model=OwnModel(selected_on_all_rows)), "", "weights"),
    PipelineCase(
        "pooled over later rows",
        lambda: study(model=OwnModel(lambda job, jobs: least_squares(job.samples, job.fit_rows), pooled_over_rows)),
        "mean of inputs up to the next bar",
        "forecasts",
    ),
    PipelineCase(
        "next outcome",
        lambda: study(model=OwnModel(lambda job, jobs: least_squares(job.samples, job.fit_rows), next_outcome)),
        "reads the outcome of the row",
        "forecasts",
    ),
    PipelineCase("threshold from tested rows", lambda: study(rule=threshold_from_tested_rows), "", "positions"),
    PipelineCase("outcomes as signals", lambda: study(rule=outcomes_as_signals), "", "positions"),
    PipelineCase("scaled by the largest forecast", lambda: study(rule=scaled_by_the_largest), "", "positions"),
    PipelineCase("filled at the deciding close", lambda: filled_at_the_deciding_close, "", "fills"),
    PipelineCase("sold at the best price of five bars", lambda: sold_at_the_best_price, "", "account"),
    PipelineCase("assets dropped by later data", lambda: dropped_by_later_data, "survivors only", "universe"),
    PipelineCase("assets listed once they are large", lambda: listed_once_large, "those that grow later", "universe"),
    PipelineCase("pooled over assets' futures", lambda: pooled_over_futures, "statistics of all rows", "features"),
    PipelineCase("fitted before the walk", lambda: fitted_before_the_walk, "saw the test", "forecasts"),
)
