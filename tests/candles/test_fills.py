"""Prices that nobody could have traded at: stale and averaged opens, invented bars, runs of one price, coarse ticks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles, fills
from candlecast.candles.fills import flat_runs, is_averaged, is_copy, is_filled_weekend, is_invented, is_untraded
from candlecast.candles.infill import is_interpolated
from candlecast.candles.stale import opens
from candlecast.candles.ticks import ticks
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic


def notices(candles: Candles) -> list[tuple]:
    faults = candles.check().issues
    assert not faults["is_fatal"].any()
    return faults.filter(~pl.col("kind").is_in(["gap", "zero_volume"])).select("kind", "bars", "first", "last").rows()


def changed(candles: Candles, **columns) -> Candles:
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, value) for name, value in columns.items()))


def walk(times, *, seed=0, gap=0.005, interval=None, zone="UTC") -> Candles:
    """A random walk on the given times, each bar opening at the close before times a gap."""
    generator, bars = np.random.default_rng(seed), len(times)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, bars)))
    before = np.concatenate([[100.0], close[:-1]])
    opened = before * np.exp(gap * generator.standard_normal(bars))
    high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998
    frame = pl.DataFrame({"time": times, "open": opened, "high": high, "low": low, "close": close, "volume": 1.0})
    return Candles.from_frame(frame, zone=zone, interval=interval)


def weekdays(count: int) -> list[datetime]:
    days = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(2 * count)]
    return [day for day in days if day.weekday() < 5][:count]


def hours_of_sessions(days: int) -> list[datetime]:
    return [day + timedelta(hours=14 + hour) for day in weekdays(days) for hour in range(7)]


def stale(candles: Candles, rows: np.ndarray) -> Candles:
    """The same, these rows opening at the close before."""
    opened = candles.open.copy()
    opened[rows] = candles.close[rows - 1]
    high, low = np.maximum(candles.high, opened), np.minimum(candles.low, opened)
    return changed(candles, open=opened, high=high, low=low)


def test_opens_of_a_market_that_closes_are_stale_when_most_equal_the_close_before():
    days = walk(weekdays(400))
    assert days.has_sessions and notices(days) == []
    every = stale(days, np.arange(1, 400))
    assert notices(every) == [("stale_open", 399, every.frame["open_time"][1], every.frame["open_time"][-1])]
    assert opens(every).share == 1.0
    assert "100 % of 399 opens in this time: copied" in str(every.check())
    assert every.check().is_sound


def test_only_the_stale_part_is_listed():
    days = walk(weekdays(700))
    part = stale(days, np.arange(200, 400))
    ((kind, bars, first, last),) = notices(part)
    times = part.frame["open_time"]
    assert (kind, bars) == ("stale_open", 200)
    assert (first, last) == (times[200], times[399])
    assert opens(part).is_stale.sum() == 200
    assert notices(stale(days, np.arange(1, 700, 4))) == []  # a quarter of the opens is no stretch


def test_a_market_that_never_closes_opens_where_it_closed():
    chained = synthetic.random_walk(500, seed=1).candles
    assert not chained.has_sessions
    assert notices(chained) == []
    assert np.isnan(opens(chained).share) and not opens(chained).is_boundary.any()


def test_days_of_a_market_that_pauses_at_weekends_only():
    """Currencies trade around the clock: days from Tuesday to Friday open at the close before, Mondays do not."""
    days = walk(weekdays(400))
    within = np.array([row for row in range(1, 400) if days.frame["open_time"][row].weekday() != 0])
    assert opens(stale(days, within)).share > 0.75
    assert notices(stale(days, within)) == []
    assert [kind for kind, *_ in notices(stale(days, np.arange(1, 400)))] == ["stale_open"]


def test_hours_of_sessions_are_compared_across_the_night_only():
    hours = walk(hours_of_sessions(100), interval="1h")
    assert hours.has_sessions
    within = np.array([row for row in range(1, 700) if row % 7])
    assert notices(stale(hours, within)) == []
    nights = stale(hours, np.arange(7, 700, 7))
    ((kind, bars, *_),) = notices(nights)
    assert (kind, bars) == ("stale_open", 99)
    assert opens(nights).is_boundary.sum() == 99


def test_the_sample_says_which_of_its_years_have_no_opens():
    """The opens of the S&P 500 were copied until 2006, then computed while most shares had not opened."""
    rows = notices(sample("sp500"))
    assert [(kind, first.year, last.year) for kind, _, first, last in rows] == [
        ("stale_open", 1999, 2006),
        ("stale_open", 2006, 2010),
        ("stale_open", 2011, 2012),
        ("stale_open", 2012, 2013),
        ("stale_open", 2013, 2016),
    ]
    (sentence,) = sample("sp500").check().notices
    assert sentence.startswith(
        "4,227 bars that open at the close before, or nearly, after a closed market, in 5 parts of the"
    )
    assert "between 1999-01-05 and 2016-06-01, the longest from 1999-01-05 (96 % of 1,847 opens" in sentence
    assert notices(sample("nasdaq")) == []
    assert opens(sample("sp500")[:1_700]).share > 0.94


def test_adjusted_prices_are_compared_up_to_rounding():
    days = stale(walk(weekdays(200)), np.arange(1, 200))
    factor = np.linspace(0.9, 1.0, 200)
    rounded = {name: np.round(getattr(days, name) * 0.731, 6) for name in ("open", "high", "low", "close")}
    assert opens(changed(days, **rounded)).share == 1.0
    dividends = {name: getattr(days, name) * factor for name in ("open", "high", "low", "close")}
    assert opens(changed(days, **dividends)).share == 0.0  # another factor each day is another open


@pytest.mark.parametrize("bars", [0, 1, 2, 5, 6])
def test_few_bars_show_nothing_and_raise_nothing(bars):
    few = stale(walk(weekdays(60)), np.arange(1, 60))[:bars]
    assert len(opens(few).stretches) == (bars > 5)
    assert np.isnan(ticks(few).step).all()
    assert few.check().is_sound


def filled_forward(candles: Candles, rows: np.ndarray, volume: float = 0.0) -> Candles:
    """The same, these rows repeating the close before them."""
    columns = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for row in rows:
        for name in ("open", "high", "low", "close"):
            columns[name][row] = columns["close"][row - 1]
        columns["volume"][row] = volume
    return changed(candles, **columns)


def test_bars_that_fill_holes_are_listed_where_others_have_volume():
    rows = np.array([5, 6, 50])
    filled = filled_forward(synthetic.random_walk(100, seed=2).candles, rows)
    times = filled.frame["open_time"]
    assert notices(filled) == [("filled_forward", 3, times[5], times[50])]
    assert "3 bars without volume that repeat the bar before, or its close" in str(filled.check())
    assert "2 runs, the longest 2 bars" in str(filled.check())
    assert np.flatnonzero(is_invented(filled)).tolist() == rows.tolist()
    assert not is_invented(changed(filled, volume=np.zeros(100))).any()
    assert not is_invented(changed(filled, volume=np.ones(100))).any()


def test_long_runs_of_one_price():
    candles = filled_forward(synthetic.random_walk(100, seed=2).candles, np.arange(20, 30), volume=7.0)
    candles = filled_forward(candles, np.arange(50, 53), volume=7.0)
    assert notices(candles) == [("flat_run", 10, candles.frame["open_time"][20], candles.frame["open_time"][29])]
    whole = changed(candles, **dict.fromkeys(("open", "high", "low", "close"), np.full(100, 3.0)))
    assert not flat_runs(whole).any()
    first_too = {name: getattr(candles, name).copy() for name in ("open", "high", "low")}
    for values in first_too.values():
        values[19] = candles.close[19]
    assert np.flatnonzero(flat_runs(changed(candles, **first_too)))[0] == 19


def test_a_bar_is_untraded_only_once_volume_was_seen():
    volume = np.ones(20)
    volume[[0, 1, 5, 19]] = 0.0
    quiet = changed(synthetic.random_walk(20, seed=2).candles, volume=volume)
    assert np.flatnonzero(is_untraded(quiet)).tolist() == [5, 19]
    assert not is_untraded(changed(quiet, volume=np.zeros(20))).any()
    for bar in range(20):
        np.testing.assert_array_equal(is_untraded(quiet[: bar + 1]), is_untraded(quiet)[: bar + 1])


def test_heikin_ashi_candles_are_averages():
    true = synthetic.random_walk(300, seed=3).candles
    close = (true.open + true.high + true.low + true.close) / 4
    opened = np.empty(300)
    opened[0] = true.open[0]
    for row in range(1, 300):
        opened[row] = (opened[row - 1] + close[row - 1]) / 2
    high, low = (np.maximum(true.high, np.maximum(opened, close)), np.minimum(true.low, np.minimum(opened, close)))
    averages = changed(true, open=opened, high=high, low=low, close=close)
    assert is_averaged(averages)[1:].all()
    assert [kind for kind, *_ in notices(averages)] == ["averaged_open"]
    assert not is_averaged(true).any()


def rounded(candles: Candles, step: float) -> Candles:
    columns = {
        name: np.maximum(np.round(getattr(candles, name) / step), 1.0) * step
        for name in ("open", "high", "low", "close")
    }
    return changed(candles, **columns)


@pytest.mark.parametrize("step", [0.01, 0.05, 1 / 16, 1.0, 1e-3])
@pytest.mark.parametrize("factor", [1.0, 0.987654321])
def test_the_step_is_found_in_prices_and_in_adjusted_prices(step, factor):
    candles = rounded(synthetic.random_walk(1_000, seed=4).candles, step)
    scaled = {name: getattr(candles, name) * factor for name in ("open", "high", "low", "close")}
    found = ticks(changed(candles, **scaled))
    np.testing.assert_allclose(found.step, step * factor, rtol=1e-6)
    assert found.typical == pytest.approx(step * factor, rel=1e-6)
    assert found.bps == pytest.approx(1e4 * np.mean(step * factor / found.price), rel=1e-6)


def test_prices_without_a_step_have_none():
    for candles in (synthetic.random_walk(1_000, seed=4).candles, sample("nasdaq")):
        assert (ticks(candles).typical, ticks(candles).bps) == (0.0, 0.0)
        assert not ticks(candles).is_coarse.any()


def test_steps_as_large_as_the_moves_are_coarse():
    candles = synthetic.random_walk(1_000, seed=4).candles  # 1 % a bar of 100
    assert notices(rounded(candles, 0.1)) == []
    kinds = {kind: (bars, first, last) for kind, bars, first, last in notices(rounded(candles, 2.0))}
    times = candles.frame["open_time"]
    assert kinds["coarse_tick"] == (1_000, times[0], times[-1])
    assert "a step of 2 is" in str(rounded(candles, 2.0).check())


def test_a_step_that_became_finer_is_listed_for_its_time():
    candles = synthetic.random_walk(2_000, seed=4).candles
    before, after = rounded(candles, 2.0).frame[:1_000], rounded(candles, 0.01).frame[1_000:]
    listed = notices(replace(candles, frame=pl.concat([before, after])))
    (coarse,) = [row for row in listed if row[0] == "coarse_tick"]
    assert coarse[1:] == (1_000, candles.frame["open_time"][0], candles.frame["open_time"][999])


def test_bars_copied_from_the_bar_before():
    candles = walk(weekdays(300))
    columns = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")}
    rows = np.array([20, 21, 100])
    for values in columns.values():
        for row in rows:
            values[row] = values[row - 1]
    times = candles.frame["open_time"]
    copied = changed(candles, **columns)
    assert notices(copied) == [("copied_bar", 3, times[20], times[100])]
    without = columns | {"volume": np.where(np.isin(np.arange(300), rows), 0.0, 1.0)}
    assert notices(changed(candles, **without)) == [("filled_forward", 3, times[20], times[100])]
    unreported = columns | {"volume": np.zeros(300)}
    assert notices(changed(candles, **unreported)) == [("copied_bar", 3, times[20], times[100])]
    other = columns | {"volume": np.arange(300.0) + 1}
    assert notices(changed(candles, **other)) == []


def test_chained_bars_on_coarse_steps_are_no_copies():
    assert not is_copy(rounded(synthetic.random_walk(2_000, seed=4).candles, 5.0)).any()


def with_closes(candles, close):
    """The candles with other closes, each bar opening at the one before, ranges stretched to hold them."""
    opened = np.r_[candles.open[0], close[:-1]]
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    prices = {
        "open": opened,
        "high": np.maximum(candles.high, top),
        "low": np.minimum(candles.low, bottom),
        "close": close,
    }
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in prices.items()))


def test_bad_prints_are_told_from_a_market_that_moves():
    market = synthetic.garch(2_000, seed=1, alpha=0.08, beta=0.9, degrees=5).candles
    rows = np.arange(10, 1_990, 60)
    close = market.close.copy()
    close[rows] *= 1.12
    spoiled = with_closes(market, close)
    found = fills.is_spike(spoiled)
    assert len(set(np.flatnonzero(found)) - set(rows)) <= 2 and found[rows].mean() > 0.9
    assert fills.is_spike(market).sum() <= 2
    assert tradability(spoiled).has_spikes and not tradability(market).has_spikes
    kinds = spoiled.check().issues
    assert kinds.filter(pl.col("kind") == "spike")["bars"].to_list() == [int(found.sum())]


def test_straight_lines_between_bars_are_told_but_not_the_steps_of_a_tick():
    market = synthetic.random_walk(1_000, seed=2).candles
    rows = np.arange(len(market))
    kept = rows % 50 >= 8
    lines = [
        pl.Series(name, np.interp(rows, rows[kept], getattr(market, name)[kept]))
        for name in ("open", "high", "low", "close")
    ]
    frame = market.frame.with_columns(lines)
    drawn = replace(market, frame=frame[50:-50])
    assert is_interpolated(drawn).sum() > 80 and tradability(drawn).has_lines
    assert not is_interpolated(market).any()
    coarse = market.frame.with_columns(pl.col("open", "high", "low", "close").round(0))
    assert not tradability(replace(market, frame=coarse)).has_lines


def with_weekends(candles: Candles, volume: float) -> Candles:
    """The candles of weekdays with bars for weekends, at the last close and with that volume."""
    frame = candles.frame.drop("close_time").upsample("open_time", every="1d")
    closed = frame["close"].is_null()
    frame = frame.with_columns(pl.col("close").forward_fill())
    prices = [pl.col(name).fill_null(pl.col("close")) for name in ("open", "high", "low")]
    frame = frame.with_columns(*prices, pl.col("volume").fill_null(volume))
    assert closed.sum() > 100
    return Candles.from_frame(frame, interval="1d")


@pytest.mark.parametrize("volume", [1.0, 0.0])
def test_weekends_that_were_filled_forward(volume):
    days = walk(weekdays(300))
    filled = with_weekends(days, volume)
    weekend = filled.frame["open_time"].dt.weekday().to_numpy() >= 6
    assert is_filled_weekend(filled).tolist() == weekend.tolist()
    kinds = [row[:2] for row in notices(filled)]
    assert kinds == [("filled_weekend" if volume else "filled_forward", int(weekend.sum()))]
    found = tradability(filled)
    assert found.is_tradable is (volume == 0.0)  # bars without volume fill nothing
    assert found.faults == (("weekends filled forward",) if volume else ())


def test_weekends_of_a_market_that_trades_then_or_hardly_ever_are_left_alone():
    every_day = walk([datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(400)])
    assert not is_filled_weekend(every_day).any()
    quiet = changed(
        every_day, **{name: np.repeat(every_day.close[::4], 4) for name in ("open", "high", "low", "close")}
    )
    assert fills.is_repeat(quiet).mean() == 0.75 and not is_filled_weekend(quiet).any()
    assert not is_filled_weekend(walk(weekdays(300))).any() and not is_filled_weekend(every_day[:0]).any()
