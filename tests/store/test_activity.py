"""Quote volume, trades and taker volume: kept where a source gives them, and never required."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from candlecast.candles.intake import ACTIVITY
from candlecast.store import table
from candlecast.store.observations import COLUMNS, observe
from candlecast.store.table import Location, Series
from shelf import START, Shelf


@pytest.fixture(scope="module")
def full(bars):
    """The same bars with what klines hold beside them."""
    return bars.with_columns(
        quote_volume=pl.col("volume") * pl.col("close"),
        trades=pl.int_range(1, pl.len() + 1).cast(pl.Float64),
        taker_volume=pl.col("volume") / 2,
    )


def write_without(store, bars, monkeypatch):
    """A store as it was written before there were such columns."""
    series, older = Series("shelf", "X", "1h"), {name: kind for name, kind in COLUMNS.items() if name not in ACTIVITY}
    seen = {"asked_from": START, "has_sessions": False, "seen_at": datetime(2016, 1, 1, tzinfo=UTC), "source": "x"}
    observed = observe(bars, interval=series.step, **seen).select(*older)
    location = Location(store.url, {})
    with monkeypatch.context() as before:
        before.setattr(table, "COLUMNS", older)
        location.make()
        location.append(series, observed)


def test_what_a_source_gives_is_kept_and_read(store, full):
    candles = store.update(Shelf(full), "X", "1h")
    assert candles.frame.equals(full)
    assert candles.activity == ACTIVITY
    version = store.version
    assert store.update(Shelf(full), "X", "1h").frame.equals(full) and store.version == version


def test_candles_without_are_as_they_were(store, bars):
    assert store.update(Shelf(bars), "X", "1h").activity == ()


def test_what_is_known_of_some_bars_only_is_nan_elsewhere(store, full):
    part = full.with_columns(pl.when(pl.int_range(pl.len()) >= 900).then(pl.col(name)).alias(name) for name in ACTIVITY)
    candles = store.update(Shelf(part), "X", "1h")
    assert np.isnan(candles.trades[:900]).all() and (candles.trades[900:] == full["trades"][900:].to_numpy()).all()


def test_an_older_store_is_read_goes_on_and_is_filled_when_all_is_asked_again(store, bars, full, monkeypatch):
    write_without(store, bars[:900], monkeypatch)
    assert store.read("shelf", "X", "1h").frame.equals(bars[:900])
    shelf = Shelf(full)
    candles = store.update(shelf, "X", "1h")
    assert [asked[2] for asked in shelf.asked] == [190]  # the last bars only: more about a bar is no change of it
    assert candles.frame.select(bars.columns).equals(bars)
    assert np.isnan(candles.trades[:800]).all() and (candles.trades[800:] == full["trades"][800:].to_numpy()).all()
    assert store.changes("shelf", "X", "1h").is_empty()
    assert store.update(Shelf(full), "X", "1h", refresh=True).frame.equals(full)
    store.compact()
    assert store.read("shelf", "X", "1h").frame.equals(full)
    assert store.changes("shelf", "X", "1h").is_empty()


def test_a_source_that_no_longer_says_changes_nothing(store, bars, full):
    store.update(Shelf(full), "X", "1h")
    version = store.version
    assert store.update(Shelf(bars), "X", "1h", refresh=True).frame.equals(full)
    assert store.version == version


def test_a_changed_price_is_a_change_with_or_without_them(store, full):
    store.update(Shelf(full), "X", "1h")
    changed = full.with_columns(high=pl.when(pl.int_range(pl.len()) == 980).then(pl.col("high") * 2).otherwise("high"))
    assert store.update(Shelf(changed), "X", "1h").frame.equals(changed)
    assert store.changes("shelf", "X", "1h").height == 1
    assert set(ACTIVITY) <= set(COLUMNS)
