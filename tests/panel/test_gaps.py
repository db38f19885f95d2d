"""Long gaps of an asset in a panel: another asset may have its symbol afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.backtesting import Costs
from candlecast.evaluation.stresses import without_last_closes
from candlecast.panel.account import Traded
from candlecast.panel.assets import ENDED
from candlecast.panel.samples import panel_inputs, panel_samples
from candlecast.panel.spells import split_at_gaps
from candlecast.sources import synthetic, synthetic_panel

FIRST = 200  # bar that is missing, or repeats the close before


def without(candles, bars, first=FIRST):
    rows = np.ones(len(candles), dtype=bool)
    rows[first : first + bars] = False
    return replace(candles, frame=candles.frame.filter(rows))


def filled(candles, bars, first=FIRST):
    """The same bars repeat the close before, without volume."""
    rows = pl.int_range(pl.len())
    is_flat = (rows >= first) & (rows < first + bars)
    last = float(candles.close[first - 1])
    names = ("open", "high", "low", "close")
    prices = [pl.when(is_flat).then(last).otherwise(pl.col(name)).alias(name) for name in names]
    volume = pl.when(is_flat).then(0.0).otherwise(pl.col("volume")).alias("volume")
    return replace(candles, frame=candles.frame.with_columns(*prices, volume))


@pytest.fixture(scope="module")
def assets():
    return synthetic_panel(4, 400, seed=1).assets


@pytest.mark.parametrize("make", [without, filled])
@pytest.mark.parametrize(("bars", "spells"), [(ENDED, 1), (ENDED + 1, 2), (60, 2)])
def test_a_spell_ends_before_a_long_gap(assets, make, bars, spells):
    panel = cc.Panel.of([*assets[:3], make(assets[3], bars)])
    assert [len(each) for each in panel.spells] == [1, 1, 1, spells]
    assert ("another asset may have the symbol" in " ".join(panel.notices)) is (spells > 1)
    if spells > 1:
        assert panel.spells[3].ends[0] == FIRST
        assert panel.spells[3].starts[1] == FIRST + (bars if make is filled else 0)


def test_a_gap_of_all_assets_is_none_of_one(assets):
    assert not cc.Panel.of([without(each, 60) for each in assets]).has_gaps


def test_a_gap_of_minutes_is_none():
    made = [synthetic.random_walk(400, seed=seed, interval="1m").candles for seed in range(4)]
    named = [replace(each, symbol=f"T{place}") for place, each in enumerate(made)]
    assert not cc.Panel.of([*named[:3], without(named[3], 60)]).has_gaps


@pytest.mark.parametrize("make", [without, filled])
@pytest.mark.parametrize("window", [1, 5])
def test_nothing_reaches_across_a_long_gap(assets, make, window):
    """Other prices before the gap change nothing after it."""
    features = cc.Features(cc.log_return(10), cc.realized_volatility(20), cc.log_range(1))
    gapped = make(assets[3], 60)
    start = FIRST + (60 if make is filled else 0)
    rows = pl.int_range(pl.len())
    names = ("open", "high", "low", "close")
    scaled = [pl.when(rows < start).then(1.25 * pl.col(name)).otherwise(pl.col(name)).alias(name) for name in names]
    other = replace(gapped, frame=gapped.frame.with_columns(*scaled))
    panels = [cc.Panel.of([*assets[:3], each]) for each in (gapped, other)]
    one, two = (panel_inputs(panel, features)[3][start:] for panel in panels)
    np.testing.assert_array_equal(one, two)
    for horizon in (1, 5, 100):
        ahead, again = (panel.returns_ahead(horizon)[:, 3] for panel in panels)
        np.testing.assert_allclose(ahead, again, atol=1e-12)
    samples = panel_samples(panels[0], features=features, target=cc.RelativeReturn(), window=window)
    complete = samples.assets[3].is_complete
    assert not complete[start : start + 20 + window - 1].any() and complete[start + 20 + window]


@pytest.mark.parametrize("make", [without, filled])
@pytest.mark.parametrize(("weight", "is_short"), [(0.25, False), (-0.25, True)])
def test_positions_before_a_gap_count_as_lost(assets, make, weight, is_short):
    """A quarter of the equity is held into the gap: the return of that bar is about -25 %."""
    panel = cc.Panel.of([*assets[:3], make(assets[3], 60)])
    weights = np.zeros(panel.bars.shape)
    weights[:, 3] = weight
    traded = Traded(panel, 100, len(panel) - 1, Costs(), 10_000.0, 0.25)
    split, chosen, before_gaps = split_at_gaps(panel, weights)
    assert before_gaps == (panel.symbols[3],) and len(split.assets) == 5
    result = replace(traded, panel=split).run(chosen)
    found = without_last_closes(result, before_gaps=before_gaps)
    assert found.positions == found.before_gaps == 1 and found.is_short is is_short
    closed = result.fills.filter(pl.col("reason") == "series ended")
    assert closed["price"].item() == pytest.approx(panel.assets[3].close[FIRST - 1], rel=1e-2)
    assert closed["notional"].item() == pytest.approx(2_500, rel=0.3)


def test_the_split_account_holds_what_the_other_holds_where_there_is_no_gap(assets):
    panel = cc.Panel.of(list(assets))
    weights = np.random.default_rng(0).uniform(-0.2, 0.2, panel.bars.shape)
    split, chosen, before_gaps = split_at_gaps(panel, weights)
    accounts = [Traded(each, 50, len(panel) - 1, Costs(), 10_000.0, 0.8) for each in (panel, split)]
    one, two = (each.run(own) for each, own in zip(accounts, (weights, chosen), strict=True))
    assert not before_gaps and one.equity.equals(two.equity)
