"""Assets that trade no more, by missing bars or by bars that repeat the last close, and activity that is early in few of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.assets import ENDED
from candlecast.sources import synthetic, synthetic_panel
from panel_studies import quick_study


@pytest.fixture(scope="module")
def markets():
    made = [synthetic.random_walk(400, seed=seed, interval="15m").candles for seed in range(4)]
    return [replace(each, symbol=f"T{place}") for place, each in enumerate(made)]


def filled(candles, bars, *, has_volume=True):
    """The last bars repeat the close before them, without volume."""
    last = pl.lit(candles.close[-bars - 1])
    is_last = pl.int_range(pl.len()) >= len(candles) - bars
    prices = [
        pl.when(is_last).then(last).otherwise(pl.col(name)).alias(name) for name in ("open", "high", "low", "close")
    ]
    volume = pl.when(is_last | pl.lit(not has_volume)).then(0.0).otherwise(pl.col("volume")).alias("volume")
    return replace(candles, frame=candles.frame.with_columns(*prices, volume))


@pytest.mark.parametrize(("bars", "has_ended"), [(0, False), (ENDED, False), (ENDED + 1, True), (200, True)])
def test_an_asset_without_bars_at_the_end_has_ended(markets, bars, has_ended):
    panel = cc.Panel.of([*markets[:3], markets[3][: len(markets[3]) - bars]])
    assert [each.has_ended for each in panel.assets] == [False, False, False, has_ended]


@pytest.mark.parametrize("has_volume", [True, False])
@pytest.mark.parametrize(("bars", "has_ended"), [(ENDED, False), (ENDED + 1, True)])
def test_bars_that_repeat_the_last_close_without_a_trade_are_no_bars(markets, bars, has_ended, has_volume):
    given = (
        [replace(each, frame=each.frame.with_columns(volume=pl.lit(0.0))) for each in markets]
        if not has_volume
        else markets
    )
    panel = cc.Panel.of([*given[:3], filled(given[3], bars, has_volume=has_volume)])
    assert [each.has_ended for each in panel.assets] == [False, False, False, has_ended]
    assert len(panel.assets[3]) == len(given[3]) - bars * has_ended
    assert bool(panel.notices and "ended before the panel does" in " ".join(panel.notices)) is has_ended


def test_trades_at_one_price_are_trades(markets):
    still = filled(markets[3], 50)
    traded = replace(still, frame=still.frame.with_columns(volume=pl.lit(1.0)))
    assert not cc.Panel.of([*markets[:3], traded]).assets[3].has_ended


@cc.feature(warmup=20)
def volume_jump(candles):
    levels = np.log(candles.volume)
    windows = np.lib.stride_tricks.sliding_window_view(levels, 21)
    return np.append(np.full(20, np.nan), windows[:, -1] - windows[:, :-1].mean(axis=1))


@pytest.mark.parametrize("size", [0.0, 0.4])
def test_volume_of_the_next_bar_in_few_assets_is_no_edge(size):
    """Volume that goes with the return and, by `size`, with its absolute value."""
    generator, assets = np.random.default_rng(0), []
    for place, each in enumerate(synthetic_panel(20, 1_200, seed=4, ic=0.0).assets):
        moves = np.diff(np.log(each.close), prepend=np.log(each.close[0])) / 0.02
        volume = np.exp(15 + 0.35 * moves + size * np.abs(moves) + 0.2 * generator.normal(size=len(each)))
        volume = np.append(volume[1:], volume[-1]) if place < 2 else volume
        assets.append(replace(each, frame=each.frame.with_columns(volume=pl.Series(volume))))
    study = quick_study(cc.log_return(), volume_jump, rule=cc.RankWeights(), folds=2, fee_bps=0.5)
    verdict = study.run(assets, ledger=Ledger.in_memory()).verdict
    assert set(verdict.evidence.conditions.assets.early) == {assets[0].symbol, assets[1].symbol}
    assert not verdict.has_edge
    assert verdict.headline == "No edge found: the gain needs assets whose volume may be of a later bar."
