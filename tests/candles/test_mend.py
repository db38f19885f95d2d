"""Nothing is changed unasked; what is asked for is done in one way, and counted."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles, Change, Origin
from candlecast.errors import CandleError, ConfigError
from candlecast.sources import synthetic

CLEAN = synthetic.random_walk(100, seed=1, interval="1h").candles


def said(candles: Candles) -> list[str]:
    return [str(change) for change in candles.origin.changes] if candles.origin else []


def with_values(**values: dict[int, float]) -> Candles:
    frame = CLEAN.frame
    for name, changed in values.items():
        column = frame[name].to_numpy().copy()
        column[list(changed)] = list(changed.values())
        frame = frame.with_columns(pl.Series(name, column))
    return replace(CLEAN, frame=frame)


def with_rows(rows) -> Candles:
    return replace(CLEAN, frame=CLEAN.frame[list(rows)])


def test_sound_candles_stay_as_they_are():
    for asked in ({"repair": "drop"}, {"repair": "clip"}, {"sort": True}, {"max_gap": 0}, {"bridge": 3}):
        mended = CLEAN.mended(**asked)
        assert mended.frame is CLEAN.frame
        assert mended.origin is None
    assert CLEAN.mended() is CLEAN


def test_bars_out_of_order_are_sorted_on_demand():
    turned = with_rows(range(99, -1, -1))
    assert turned.mended(sort=True).frame.equals(CLEAN.frame)
    assert said(turned.mended(sort=True)) == ["100 bars put in order of time (they were newest first)"]
    mixed = with_rows([*range(50), 51, 50, *range(52, 100)])
    assert said(mixed.mended(sort=True)) == ["2 bars put in order of time (they were out of it)"]
    with pytest.raises(CandleError, match="open before the previous bar"):
        turned.mended("drop").require_sound()  # an order is no reason to drop a bar


def test_faulty_bars_are_dropped_each_for_its_first_fault():
    wrong = with_values(close={10: np.nan, 11: np.inf}, low={20: -1.0}, high={30: 1.0}, volume={40: -2.0, 10: -1.0})
    mended = wrong.mended("drop")
    assert said(mended) == [
        "2 bars dropped (absent or infinite values)",
        "1 bar dropped (prices of zero or below)",
        "1 bar dropped (prices outside low..high)",
        "1 bar dropped (negative volume)",
    ]
    assert mended.frame.equals(CLEAN.frame.filter(~pl.int_range(pl.len()).is_in([10, 11, 20, 30, 40])))
    assert mended.require_sound().check().missing == 5
    assert mended.clock == CLEAN.clock


def test_of_bars_that_repeat_a_time_one_stays_or_none_if_they_differ():
    repeated = with_rows([*range(50), 49, 49, *range(50, 100), 99])
    mended = repeated.mended("drop", sort=True)
    assert mended.frame.equals(CLEAN.frame)
    assert said(mended) == ["3 bars dropped (the same bar again)"]
    other = repeated.frame.with_columns(
        volume=pl.when(pl.int_range(pl.len()) == 50).then(pl.col("volume") + 1).otherwise("volume")
    )
    mended = replace(repeated, frame=other).mended("drop", sort=True)
    assert said(mended) == ["1 bar dropped (the same bar again)", "3 bars dropped (one time, different values)"]
    assert mended.require_sound().frame.equals(CLEAN.frame.filter(pl.int_range(pl.len()) != 49))


def test_off_the_grid_is_dropped():
    moved = (
        pl.when(pl.int_range(pl.len()) == 7).then(pl.col("open_time") + pl.duration(minutes=1)).otherwise("open_time")
    )
    mended = replace(CLEAN, frame=CLEAN.frame.with_columns(moved)).mended("drop")
    assert said(mended) == ["1 bar dropped (off the grid)"]
    assert mended.require_sound().check().missing == 1


def test_clipping_keeps_opens_and_closes():
    wrong = with_values(high={30: 1.0}, low={31: 1e6}, close={32: 1e6}, volume={40: -2.0})
    mended = wrong.mended("clip")
    assert said(mended) == [
        "3 bars clipped (low and high moved to hold open and close)",
        "1 bar clipped (negative volume set to 0)",
    ]
    for name in ("open", "close"):
        np.testing.assert_array_equal(getattr(mended, name), getattr(wrong, name))
    kept = np.delete(np.arange(100), [30, 31, 32])
    np.testing.assert_array_equal(mended.high[kept], CLEAN.high[kept])
    assert mended.high[30] == max(CLEAN.open[30], CLEAN.close[30])
    assert mended.volume[40] == 0.0
    assert mended.require_sound().check().is_sound
    with pytest.raises(CandleError, match="price of zero or below"):
        with_values(low={3: 0.0}).mended("clip").require_sound()  # no number is better than another


def test_the_longest_stretch_without_a_long_gap():
    gapped = with_rows([*range(20), *range(23, 60), *range(61, 80), *range(90, 100)])
    assert gapped.check().missing == 14
    mended = gapped.mended(max_gap=2)
    assert mended.frame.equals(CLEAN.frame[[*range(23, 60), *range(61, 80)]])
    assert said(mended) == [
        "30 bars left out (before 2015-01-01 23:00 and after 2015-01-04 08:00: 2 gaps of more than 2 bars)"
    ]
    assert gapped.mended(max_gap=10).frame is gapped.frame
    equal = with_rows([*range(40), *range(60, 100)]).mended(max_gap=0)
    assert equal.frame.equals(CLEAN.frame[60:])  # the later one


def test_bridges_are_counted():
    gapped = with_rows([*range(20), *range(23, 60), *range(61, 100)])
    bridged = gapped.mended(bridge=2)
    assert said(bridged) == ["1 bar missing and bridged (1 gap of at most 2 bars)"]
    assert (bridged.bridge, bridged.segments[-1]) == (2, 1)
    assert said(gapped.mended(bridge=3)) == ["4 bars missing and bridged (2 gaps of at most 3 bars)"]


def test_all_at_once_in_order():
    rows = [*range(99, 60, -1), *range(58, 20, -1), *range(10), 5]
    mended = with_rows(rows).mended("drop", sort=True, max_gap=2, bridge=2)
    assert [change.kind for change in mended.origin.changes] == ["sorted", "dropped", "left_out", "bridged"]
    assert mended.segments[-1] == 0
    assert mended.frame.equals(CLEAN.frame[[*range(21, 59), *range(61, 100)]])


def test_changes_are_kept_with_the_origin_and_come_back_from_plain_values():
    first = replace(with_values(volume={3: -1.0}), origin=Origin("binance", "data", 7)).mended("clip")
    origin = first.recorded(Change("adjusted", 90, "by hand")).origin
    assert str(origin) == (
        "binance, version 7 of data; 1 bar clipped (negative volume set to 0), 90 bars adjusted (by hand)"
    )
    assert Origin(**asdict(origin)) == origin
    assert first[:10].origin == first.origin
    assert first.fingerprint != CLEAN.fingerprint


def test_what_cannot_be_mended():
    with pytest.raises(ConfigError, match="mend is 'fill'; expected drop or clip"):
        CLEAN.mended("fill")
    for name in ("max_gap", "bridge"):
        with pytest.raises(ConfigError, match=rf"{name} is -1; expected a whole number of 0 or more"):
            CLEAN.mended(**{name: -1})
    nothing = CLEAN.frame.with_columns(close=pl.lit(-1.0))
    with pytest.raises(
        CandleError, match=r"all 100 candles of RANDOM_WALK would be dropped \(prices of zero or below\)"
    ):
        replace(CLEAN, frame=nothing).mended("drop")
