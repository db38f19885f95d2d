"""The table of forecasts: its order, and what is averaged in it, whatever takes little memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.forecast import Forecast
from candlecast.dataset.repeated import Repeated

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def part(symbol: str, seed: int, fold: int, bars: range) -> pl.DataFrame:
    """What one training forecasts."""
    draws = np.random.default_rng([seed, fold]).standard_normal((3, len(bars)))
    times = [FIRST + timedelta(hours=bar) for bar in bars]
    return pl.DataFrame(
        {
            "time": times,
            "known_at": [time + timedelta(hours=1) for time in times],
            "symbol": symbol,
            "model": "m",
            "fold": fold,
            "seed": seed,
            "mean": draws[0],
            "naive": 0.0,
            "target": [*np.arange(len(bars) - 1.0), None],
            "expected_return": draws[1],
            "sigma": np.abs(draws[2]),
        }
    )


WALK = [part("A", seed, fold, range(50 * fold, 50 * fold + 50)) for fold in range(2) for seed in range(3)]
OVERLAPPING = [part("A", seed, fold, range(30 * fold, 30 * fold + 50)) for fold in range(2) for seed in range(2)]
UNEQUAL = [part("A", 0, 0, range(50)), part("A", 1, 0, range(40))]
SHIFTED = [part("A", seed, 0, range(20 * seed, 20 * seed + 50)) for seed in range(2)]
ONE_SEED = OVERLAPPING[::2]
TWO = [part(symbol, seed, 0, range(20)) for seed in range(2) for symbol in "BA"]
ALONE = [part("A", 4, fold, range(50 * fold, 50 * fold + 50)) for fold in (1, 0)]


@pytest.mark.parametrize("frames", [WALK, OVERLAPPING, UNEQUAL, SHIFTED, ONE_SEED, TWO, ALONE])
def test_rows_are_sorted_and_averaged_in_parts_as_at_once(frames, monkeypatch):
    forecast = Forecast.joined(frames[::-1], 1)
    rows = pl.concat(frames).sort("symbol", "seed", "time", "fold")
    assert (
        forecast.frame.sort("symbol", "seed", "time", "fold")
        .select(rows.columns)
        .equals(rows.cast(dict(forecast.frame.select(rows.columns).schema)))
    )
    keys = forecast.frame.select("symbol", "seed", "time")
    assert keys.equals(keys.sort("symbol", "seed", "time"))
    found = {}
    for bars in (7, 1_000):
        monkeypatch.setattr("candlecast.dataset.forecast.GROUPED", bars)
        found[bars] = Forecast.joined(frames, 1).averaged().frame
    assert found[7].equals(found[1_000])
    expected = rows.group_by("symbol", "time").agg(
        pl.col("mean", "expected_return").mean(),
        pl.col("fold").min().cast(pl.Int32),
        sigma=(pl.col("sigma").pow(2).mean() + pl.col("mean").var(ddof=0)).sqrt(),
    )
    expected = expected.sort("symbol", "time")
    assert found[7]["seed"].unique().to_list() == [0]
    assert found[7]["fold"].to_list() == expected["fold"].to_list()
    for name in ("mean", "expected_return", "sigma"):
        np.testing.assert_allclose(found[7][name].to_numpy(), expected[name].to_numpy(), rtol=1e-12)


def test_rows_in_order_are_not_copied():
    frame = Forecast.joined(WALK, 1).frame
    assert Forecast(frame, 1).frame is frame
    assert Forecast.joined(WALK, 1).only("A").frame.equals(frame)
    with pytest.raises(Exception, match="no forecast of 'B'"):
        Forecast(frame, 1).only("B")


def test_no_row_is_averaged_to_no_row():
    empty = Forecast(Forecast.joined(WALK, 1).frame.clear(), 1)
    assert empty.averaged().frame.height == 0


def test_one_row_is_averaged_without_a_query(monkeypatch):
    """A query waits for the threads of Polars: of each bar of a paper session it took longer than the net."""
    one = Forecast(Forecast.joined(WALK, 1).frame[:1].with_columns(seed=pl.lit(0, dtype=pl.Int32)), 1)

    def refuse(*_, **__):
        raise AssertionError("a query")

    monkeypatch.setattr(pl.LazyFrame, "collect", refuse)
    assert one.averaged() is one


def address(column: pl.Series, part: int) -> int:
    """Where the values of one of the frames are that were joined."""
    return column.get_chunks()[part].to_numpy(allow_copy=False).__array_interface__["data"][0]


def test_columns_of_one_value_share_their_memory_to_the_last_bit():
    columns = Repeated()
    first, again, shorter = (columns.of(0.0, rows, pl.Float64) for rows in (100, 103, 7))
    assert address(first, 0) == address(again, 0) == address(shorter, 0)
    assert (len(first), len(again), len(shorter)) == (100, 103, 7)
    negative = columns.of(-0.0, 3, pl.Float64)
    assert np.signbit(negative.to_numpy()).all() and not np.signbit(first.to_numpy()).any()
    assert columns.of(1, 2, pl.Int32).dtype == pl.Int32
    assert columns.of(None, 2, pl.String).to_list() == [None, None]


def test_a_long_average_shares_what_is_the_same_for_all_seeds(monkeypatch):
    monkeypatch.setattr("candlecast.dataset.forecast.GROUPED", 25)
    frames = [frame.with_columns(signal_std=pl.lit(0.5 + frame["fold"][0])) for frame in WALK]
    forecast = Forecast.joined(frames, 1)
    averaged = forecast.averaged().frame
    assert address(averaged["naive"], 0) == address(forecast.frame["naive"], 0)
    assert address(averaged["signal_std"], 0) == address(averaged["signal_std"], 1)
    assert averaged["signal_std"].to_list() == [0.5] * 50 + [1.5] * 50
    assert averaged["train_mean"].null_count() == 100
    assert averaged["target"].to_list() == [*WALK[0]["target"], *WALK[3]["target"]]
