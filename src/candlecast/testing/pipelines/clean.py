"""Clean pipelines that look suspicious: long memories, seasons, longer intervals, expanding statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.folds import PurgedKFold
from candlecast.dataset.forecast import Forecast
from candlecast.features import Features, log_return, macd, rsi, scaled_close, standard_features, time_of_day
from candlecast.fleet.settings import Fit
from candlecast.interval import Interval
from candlecast.models import HAR, LSTM, Conformal, Ridge
from candlecast.signals import Positions, Threshold
from candlecast.targets import Direction, Price, TripleBarrier, Volatility
from candlecast.testing.pipelines.case import OwnModel, PipelineCase, least_squares, of_feature, study
from candlecast.testing.pipelines.leaky import WEEK, assets_of, returns, shares_of


def heavy_recursion(candles: Candles) -> np.ndarray:
    return pl.Series(returns(candles)).ewm_mean(alpha=0.05, adjust=False).to_numpy()


def expanding_scaler(candles: Candles) -> np.ndarray:
    moves, count = returns(candles), np.arange(1, len(candles) + 1)
    mean = np.cumsum(moves) / count
    spread = np.sqrt(np.maximum(np.cumsum(moves**2) / count - mean**2, 1e-12))
    return (moves - mean) / spread


def expanding_extremes(candles: Candles) -> np.ndarray:
    return candles.close / np.maximum.accumulate(candles.high)


def rolling_rank(candles: Candles) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(returns(candles), (49, 0)), 50)
    return (windows[:, :-1] < windows[:, -1:]).mean(axis=1)


def longer_interval_when_closed(candles: Candles) -> np.ndarray:
    last = (np.arange(len(candles)) + 1) // WEEK * WEEK - 1
    return np.where(last >= 0, candles.close[np.maximum(last, 0)] / candles.close, 1.0)


def season_so_far(candles: Candles) -> np.ndarray:
    moves, mean = returns(candles), np.zeros(len(candles))
    for hour in range(24):
        own = moves[hour::24]
        mean[hour::24] = np.cumsum(own) / np.arange(1, len(own) + 1)
    return mean


def forward_fill(candles: Candles) -> np.ndarray:
    moves = pl.Series(np.where(returns(candles) > 0, returns(candles), np.nan))
    return moves.fill_nan(None).fill_null(strategy="forward").fill_null(0.0).to_numpy()


def state_with_hysteresis(candles: Candles) -> np.ndarray:
    state, values = 0.0, np.zeros(len(candles))
    for bar, move in enumerate(returns(candles)):
        state = 1.0 if move > 0.01 else 0.0 if move < -0.01 else state
        values[bar] = state
    return values


def kalman_level(candles: Candles) -> np.ndarray:
    level, spread, values = np.log(candles.close[0]), 1.0, np.zeros(len(candles))
    for bar, price in enumerate(np.log(candles.close)):
        spread += 1e-5
        gain = spread / (spread + 1e-3)
        level, spread = level + gain * (price - level), (1 - gain) * spread
        values[bar] = price - level
    return values


def spectrum_of_the_past(candles: Candles) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(returns(candles), (63, 0)), 64)
    return np.abs(np.fft.rfft(windows, axis=1)[:, 4])


def from_train_means(forecast: Forecast, candles: Candles | None = None) -> Positions:
    frame = forecast.averaged().frame
    signs = np.sign((frame["mean"] - frame["train_mean"]).to_numpy())
    return Positions(frame.select("time", "symbol").with_columns(position=pl.Series(signs)))


def by_known_outcomes(forecast: Forecast, candles: Candles | None = None) -> Positions:
    frame = forecast.averaged().frame
    known = frame.select(pl.col("target").shift(1).fill_null(0.0))["target"].to_numpy()
    return Positions(frame.select("time", "symbol").with_columns(position=pl.Series(np.sign(known))))


def filled_at_the_next_open(candles: Candles) -> dict[str, Any]:
    wanted = (returns(candles) > 0.005).astype(float)
    rows = np.flatnonzero(np.diff(wanted, prepend=0.0))
    rows = rows[rows < len(candles) - 1]
    fills = pl.DataFrame({"time": candles.open_time[rows + 1], "price": candles.open[rows + 1], "units": wanted[rows]})
    return {"positions": wanted, "fills": fills}


def filled_at_a_resting_limit(candles: Candles) -> dict[str, Any]:
    limit = np.roll(candles.close, 1) * 0.995
    rows = np.flatnonzero(candles.low < limit)
    rows = rows[rows > 0]
    fills = pl.DataFrame({"time": candles.close_time[rows], "price": np.minimum(limit, candles.open)[rows]})
    return {"positions": (returns(candles) > 0).astype(float), "fills": fills}


def filled_at_a_close_decided_before(candles: Candles) -> dict[str, Any]:
    rows = np.arange(20, len(candles), 20)
    fills = pl.DataFrame({"time": candles.close_time[rows], "price": candles.close[rows]})
    return {"positions": (np.arange(len(candles)) % 20 == 0).astype(float), "fills": fills}


def universe_of_the_past(candles: Candles) -> dict[str, Any]:
    prices = assets_of(candles)
    universe = (prices > 0.9 * np.maximum.accumulate(prices, axis=0)).astype(float)
    return {"universe": universe, "positions": shares_of(universe)}


def ranked_across_assets(candles: Candles) -> dict[str, Any]:
    moves = np.diff(np.log(assets_of(candles)), axis=0, prepend=0.0)
    ranks = (moves - moves.mean(axis=1, keepdims=True)) / np.maximum(moves.std(axis=1, keepdims=True), 1e-12)
    return {"features": ranks, "positions": np.sign(ranks)}


def own_least_squares(job: Any, jobs: Any) -> np.ndarray:
    return least_squares(job.samples, job.fit_rows)


CLEAN = (
    PipelineCase("standard features", lambda: study(features=standard_features(Interval.parse("1h"))), "long warm-ups"),
    PipelineCase("heavy recursion", of_feature(heavy_recursion, warmup=250), "every value depends on all before"),
    PipelineCase("long warm-up", lambda: study(features=Features(rsi(14), macd(12, 26, 9))), "recursive indicators"),
    PipelineCase("scaled price", lambda: study(features=Features(scaled_close())), "levels, scaled in training parts"),
    PipelineCase("expanding scaler", of_feature(expanding_scaler), "statistics of all earlier rows"),
    PipelineCase("expanding extremes", of_feature(expanding_extremes), "maximum so far"),
    PipelineCase("rolling rank", of_feature(rolling_rank, warmup=50), "ranks of the last 50 bars"),
    PipelineCase("longer interval when closed", of_feature(longer_interval_when_closed), "joined after its close"),
    PipelineCase("season so far", of_feature(season_so_far), "means of earlier days"),
    PipelineCase(
        "time of day", lambda: study(features=Features(log_return(), time_of_day())), "later bars have it too"
    ),
    PipelineCase("forward fill", of_feature(forward_fill, warmup=40), "gaps are filled with earlier values"),
    PipelineCase("state with hysteresis", of_feature(state_with_hysteresis, warmup=40), "unbounded memory"),
    PipelineCase("Kalman filter", of_feature(kalman_level, warmup=100), "recursion from the first bar"),
    PipelineCase("spectrum of the past", of_feature(spectrum_of_the_past, warmup=64), "transform of a trailing window"),
    PipelineCase("outcome of five bars", lambda: study(target=Volatility(horizon=5)), "labels overlap, and are purged"),
    PipelineCase("triple barrier", lambda: study(target=TripleBarrier(horizon=10)), "known before the horizon"),
    PipelineCase("price", lambda: study(target=Price()), "forecast as a level"),
    PipelineCase(
        "direction", lambda: study(target=Direction(horizon=3), model=_small_net()), "a net with early stopping"
    ),
    PipelineCase("long lags", lambda: study(model=HAR(lags=(1, 5, 22)), target=Volatility()), "22 bars of memory"),
    PipelineCase("intervals", lambda: study(model=Conformal(Ridge())), "calibrated inside the training part"),
    PipelineCase("universe of the past", lambda: universe_of_the_past, "assets leave it and come back"),
    PipelineCase("ranked across assets", lambda: ranked_across_assets, "statistics over assets of one bar"),
    PipelineCase("own model", lambda: study(model=OwnModel(own_least_squares)), "a model of the user's"),
    PipelineCase("purged folds", lambda: study(folds=PurgedKFold(3)), "trains on later bars by design"),
    PipelineCase("training means", lambda: study(rule=from_train_means), "a rule of the user's"),
    PipelineCase("known outcomes", lambda: study(rule=by_known_outcomes), "outcomes once they are known"),
    PipelineCase("threshold", lambda: study(rule=Threshold(0.001, 0.0)), "positions depend on the path"),
    PipelineCase("next open", lambda: filled_at_the_next_open, "fills at the time of the deciding close"),
    PipelineCase("resting limit", lambda: filled_at_a_resting_limit, "fills within a bar, at a price known before"),
    PipelineCase("market on close", lambda: filled_at_a_close_decided_before, "fills at closes, decided earlier"),
)


def _small_net() -> LSTM:
    return LSTM(hidden=4, window=8, training=Fit(epochs=3, patience=1))
