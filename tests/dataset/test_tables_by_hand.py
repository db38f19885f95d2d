"""Forecast tables by hand: seeds that become one, and further targets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.forecast import Forecast

START = datetime(2024, 1, 1, tzinfo=UTC)


def table(**columns) -> pl.DataFrame:
    """Two bars, three seeds."""
    rows = [
        {
            "time": START + timedelta(hours=bar),
            "symbol": "A",
            "model": "m",
            "fold": 0,
            "seed": seed,
            "naive": 0.0,
            "target": 1.0,
        }
        for seed in range(3)
        for bar in range(2)
    ]
    known = pl.DataFrame(rows).with_columns(known_at=pl.col("time") + timedelta(hours=2), expected_return=0.0)
    return known.with_columns(**{name: pl.Series(values, dtype=pl.Float64) for name, values in columns.items()})


def test_the_spread_of_several_seeds_is_that_of_their_mixture():
    mean, sigma = [1.0, 2.0, 3.0, 2.0, 8.0, 2.0], [0.5, 1.0, 1.0, 1.0, 2.0, 1.0]
    found = Forecast(table(mean=mean, sigma=sigma), 2).averaged().frame
    assert found["mean"].to_list() == [4.0, 2.0]
    first = np.sqrt(np.mean([0.25, 1.0, 4.0]) + np.var([1.0, 3.0, 8.0]))
    assert found["sigma"].to_list() == pytest.approx([first, 1.0])
    assert found["seed"].to_list() == [0, 0]


def test_all_columns_are_means_over_the_seeds():
    values = [1.0, 4.0, 2.0, 5.0, 6.0, 9.0]
    names = ("mean", "expected_return", "position", "naive_error", "train_mean", "q05", "p_up")
    found = Forecast(table(**dict.fromkeys(names, values)), 2).averaged().frame
    for name in names:
        assert found[name].to_list() == [3.0, 6.0], name


def test_a_further_target_has_its_own_horizon_and_times():
    own = table(
        mean=[1.0] * 6, **{f"{name}@return_5": [7.0] * 6 for name in ("mean", "naive", "target", "expected_return")}
    )
    own = own.with_columns((pl.col("time") + timedelta(hours=5)).alias("known_at@return_5"))
    further = Forecast(own, 2).at("return_5")
    assert further.horizon == 5
    assert further.frame["mean"].to_list() == [7.0] * 6
    assert further.frame["known_at"][0] == START + timedelta(hours=5)
