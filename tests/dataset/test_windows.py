"""Samples and windows: views, whole, and known when they say."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from candlecast.candles import Candles
from candlecast.dataset.folds import Fold
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples, make_samples, windows
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features import Feature, Features, log_return, realized_volatility, rsi, sma_ratio
from candlecast.sources import synthetic
from candlecast.targets import Direction, NextReturn, Volatility

MARKET = synthetic.garch(400, seed=0, interval="1h").candles
SIMPLE = Features(log_return())


def without(candles: Candles, rows) -> Candles:
    return replace(candles, frame=candles.frame[[row for row in range(len(candles)) if row not in set(rows)]])


def samples(candles: Candles = MARKET, *, features=SIMPLE, target=None, window: int = 10) -> Samples:
    return make_samples(candles, features=features, target=target or NextReturn(), window=window)


def test_windows_are_views_that_end_at_their_row():
    values = np.arange(60.0).reshape(20, 3)
    view = windows(values, 5)
    assert view.shape == (16, 5, 3)
    assert np.shares_memory(view, values)
    assert not view.flags.writeable
    for row in range(16):
        np.testing.assert_array_equal(view[row], values[row : row + 5])


def test_samples_add_at_most_a_tenth_to_the_memory_of_their_features():
    bars, columns = 200_000, 20
    candles = synthetic.random_walk(bars, seed=0, interval="1h").candles
    features = Features(*[log_return(period) for period in range(1, columns + 1)])
    features.compute(candles)  # what candles keep for themselves, they keep before the measurement
    tracemalloc.start()
    try:
        inputs = features.compute(candles)
        alone = tracemalloc.get_traced_memory()[1]
        del inputs
        tracemalloc.reset_peak()
        made = samples(candles, features=features, window=50)
        view = windows(made.inputs, 50)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.inputs.nbytes == bars * columns * 8
    assert np.shares_memory(view, made.inputs)
    assert kept <= 1.101 * made.inputs.nbytes
    assert peak <= alone + 0.101 * made.inputs.nbytes


def complete_slowly(made: Samples) -> np.ndarray:
    """`is_complete`, written as it reads."""
    rows = np.zeros(len(made), dtype=bool)
    segments = made.candles.segments
    for row in range(made.window - 1, len(made)):
        part = slice(row - made.window + 1, row + 1)
        rows[row] = (
            np.isfinite(made.inputs[part]).all() and len(set(segments[part])) == 1 and np.isfinite(made.naive[row])
        )
    return rows


@given(
    missing=st.sets(st.integers(1, 118), max_size=6),
    undefined=st.sets(st.integers(0, 100), max_size=4),
    window=st.integers(1, 30),
    horizon=st.integers(1, 8),
)
def test_complete_and_known_are_what_they_say(missing, undefined, window, horizon):
    made = samples(without(MARKET[:120], missing), target=Volatility(horizon), window=window)
    made.inputs[list(undefined)] = np.nan
    np.testing.assert_array_equal(made.is_complete, complete_slowly(made))
    segments = made.candles.segments
    known = [
        row + horizon < len(made) and segments[row + horizon] == segments[row] and np.isfinite(made.outcomes[row])
        for row in range(len(made))
    ]
    np.testing.assert_array_equal(made.is_known, known)


def test_whether_a_window_is_whole_is_known_at_its_end():
    candles = without(MARKET, {50, 51, 200, 333})
    features = Features(log_return(3), sma_ratio(20), rsi(5))
    whole = samples(candles, features=features, window=24)
    for bar in (130, 198, 199, 250, 395):
        part = samples(candles[: bar + 1], features=features, window=24)
        np.testing.assert_array_equal(part.is_complete, whole.is_complete[: bar + 1])
        assert part.inputs.tobytes() == whole.inputs[: bar + 1].tobytes()
        assert part.naive.tobytes() == whole.naive[: bar + 1].tobytes()


@pytest.mark.parametrize("horizon", [1, 24])
def test_outcomes_are_known_at_the_close_of_their_horizon(horizon):
    made = samples(target=NextReturn(horizon))
    np.testing.assert_array_equal(made.known_at(made.target)[:-horizon], MARKET.close_time[horizon:])
    assert np.isnat(made.known_at(made.target)[-horizon:]).all()
    assert made.horizon == horizon
    for row in (20, 300):
        bar = int(np.searchsorted(MARKET.close_time, made.known_at(made.target)[row]))
        known, before = MARKET[: bar + 1], MARKET[:bar]
        assert np.isfinite(made.target.values(known)[row])
        assert row >= len(before) or np.isnan(made.target.values(before)[row])


def test_usable_rows_begin_with_the_first_whole_window():
    made = samples(features=Features(log_return(), sma_ratio(20)), window=10)
    assert made.usable == range(19 + 9, 400)
    assert {cause: bars for cause, bars in made.dropped_rows.items() if bars} == {
        "warm-up": 28,
        "outcome not known yet": 1,
    }


def test_bars_are_lost_to_one_cause_each():
    holed = samples(without(MARKET, {100}), window=10)
    assert holed.dropped_rows == {
        "warm-up": 10,
        "window across a gap": 9,
        "undefined feature in the window": 0,
        "outcome across a gap": 1,
        "undefined outcome": 0,
        "outcome not known yet": 1,
    }
    broken = replace(holed, inputs=holed.inputs.copy(), y=holed.y.copy())
    broken.inputs[200], broken.outcomes[300] = np.nan, np.nan
    assert broken.dropped_rows == {**holed.dropped_rows, "undefined feature in the window": 10, "undefined outcome": 1}
    assert sum(broken.dropped_rows.values()) == len(broken) - (broken.is_complete & broken.is_known).sum()


def test_a_bridged_hole_costs_nothing():
    holed = without(MARKET, {100, 170, 171})
    assert samples(holed.with_max_gap(1), window=10).dropped_rows["window across a gap"] == 9
    assert samples(holed.with_max_gap(2), window=10).dropped_rows["window across a gap"] == 0
    assert samples(holed.with_max_gap(2), window=10).dropped_rows["outcome across a gap"] == 0


def test_jobs_learn_from_whole_windows_with_known_outcomes_only():
    made = samples(without(MARKET, {100, 170, 250}), target=Direction(5), window=10)
    job = Job(made, Fold(2, range(10, 150), range(155, 200), range(205, 396)), seed=3)
    assert job.key == "GARCH(1,1)/fold-2/seed-3"
    learnable = made.is_complete & made.is_known
    for rows, part in (
        (job.train_rows, job.fold.train),
        (job.valid_rows, job.fold.valid),
        (job.fit_rows, range(10, 200)),
    ):
        assert rows.tolist() == [row for row in part if learnable[row]]
        assert len(rows) < len(part)
    assert job.test_rows.tolist() == [row for row in range(205, 396) if made.is_complete[row]]
    assert 395 in job.test_rows
    assert not made.is_known[395]


def test_a_job_without_rows_to_learn_from():
    job = Job(samples(window=100), Fold(1, range(50), range(0), range(300, 400)), seed=0)
    for name in ("train_rows", "fit_rows"):
        with pytest.raises(
            NotEnoughDataError, match=r"fold 1 of GARCH\(1,1\) has no whole window with a known outcome"
        ):
            getattr(job, name)
    assert len(job.valid_rows) == 0


def test_a_window_longer_than_the_candles():
    with pytest.raises(NotEnoughDataError) as error:
        samples(window=401)
    assert str(error.value) == (
        "a window of 401 bars is longer than the 400 candles of GARCH(1,1); expected a window shorter than the candles. "
        "Use a shorter window, or give more candles."
    )


def test_a_horizon_longer_than_the_candles():
    with pytest.raises(NotEnoughDataError) as error:
        samples(target=NextReturn(400))
    assert str(error.value).startswith(
        "a horizon of 400 bars reaches past all 400 candles of GARCH(1,1); expected a horizon"
    )
    assert samples(target=NextReturn(399)).is_known.tolist() == [True] + [False] * 399


def test_no_window_is_whole():
    holed = without(MARKET, range(5, 400, 6))
    with pytest.raises(NotEnoughDataError) as error:
        _ = samples(holed).usable
    assert str(error.value).startswith(
        "GARCH(1,1) has 334 candles, and no window of 10 bars among them is whole; expected"
    )
    sparse = Feature("sparse", lambda candles: np.where(np.arange(len(candles)) % 2, candles.close, np.nan), 0)
    with pytest.raises(NotEnoughDataError, match="no window of 10 bars among them is whole"):
        _ = samples(MARKET, features=Features(realized_volatility(), sparse)).usable


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_of_nothing(window):
    with pytest.raises(ConfigError) as error:
        samples(window=window)
    assert str(error.value) == f"window is {window}; expected 1 bar or more. Use for example window=50."
