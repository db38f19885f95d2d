"""The accuracy row of forecasts made by hand, against the public functions of `stats`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast import stats
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import accuracy
from candlecast.targets import NextReturn

BARS, HORIZON = 600, 3
GENERATOR = np.random.default_rng(5)
SPREAD = np.repeat(GENERATOR.choice([0.3, 3.0], BARS // 30), 30)  # turbulence in stretches
OUTCOME = SPREAD * GENERATOR.standard_normal(BARS)
OUTCOME[::50] = 0.0  # bars on which nothing moves
MEAN = 0.2 * OUTCOME + 0.5 * GENERATOR.standard_normal(BARS)
MEAN[::50] = 0.0  # nor is anything said
DRIFT, PAST = 0.3, -0.4


def forecast(mean, model):
    time = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=bar) for bar in range(BARS)]
    frame = pl.DataFrame({"time": time, "mean": np.broadcast_to(mean, BARS), "target": OUTCOME}).with_columns(
        known_at=pl.col("time") + timedelta(hours=HORIZON),
        symbol=pl.lit("A"), model=pl.lit(model), fold=0, seed=0, naive=0.0, expected_return=pl.col("mean"),
        sigma=1.5, naive_error=0.8, train_mean=PAST,
    )  # fmt: skip
    return Forecast(frame, HORIZON)


@pytest.fixture(scope="module")
def row():
    table = accuracy(
        {"naive": forecast(0.0, "naive"), "drift": forecast(DRIFT, "drift"), "m": forecast(MEAN, "m")},
        NextReturn(HORIZON),
        models=["m"],
        seed=4,
    )
    assert table.height == 1
    return table.row(0, named=True)


def test_values(row):
    inside = np.abs(OUTCOME - MEAN) <= 1.6448536269514722 * 1.5
    expected = {
        "mae": np.abs(OUTCOME - MEAN).mean(),
        "rmse": np.sqrt(np.mean((OUTCOME - MEAN) ** 2)),
        "mase": np.abs(OUTCOME - MEAN).mean() / 0.8,
        "r2": 1 - np.sum((OUTCOME - MEAN) ** 2) / np.sum(OUTCOME**2),
        "hit_rate": np.mean(np.sign(OUTCOME[OUTCOME != 0]) == np.sign(MEAN[OUTCOME != 0])),
        "ic": np.corrcoef(OUTCOME, MEAN)[0, 1],
        "coverage": inside.mean(),
        "interval": 0.9,
        "observations": BARS,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_p_values(row):
    zero = np.zeros(BARS)
    expected = {
        "p_naive": stats.clark_west(OUTCOME, MEAN, zero, horizon=HORIZON),
        "p_drift": stats.clark_west(OUTCOME, MEAN, zero + DRIFT, horizon=HORIZON),
        "p_mean": stats.clark_west(OUTCOME, MEAN, zero + PAST, horizon=HORIZON),
        "p_direction": stats.pesaran_timmermann(OUTCOME, MEAN, horizon=HORIZON),
        "p_profit": stats.anatolyev_gerko(OUTCOME, MEAN, horizon=HORIZON),
    }
    assert {name: row[name] for name in expected} == {name: test.p_value for name, test in expected.items()}
    assert len(set(expected.values())) == 5


def test_blocks_are_as_long_as_squares_need(row):
    hits = (np.sign(OUTCOME) == np.sign(MEAN)) & (OUTCOME != 0)
    block = stats.block_length(np.column_stack([OUTCOME**2, (OUTCOME - MEAN) ** 2, hits]))
    assert block > 2 * stats.block_length(OUTCOME)
    draws = stats.bootstrap_means(np.abs(OUTCOME - MEAN), block=block, seed=4)[:, 0]
    assert (row["mae_low"], row["mae_high"]) == pytest.approx(stats.percentile_interval(draws))
