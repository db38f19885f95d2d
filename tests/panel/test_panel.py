"""Assets with histories of their own on one calendar."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.panel.assets import as_panel_assets


def test_nothing_is_filled(uneven):
    panel = cc.Panel.of(uneven)
    assert len(panel) == 500
    listed, ended, halted = (panel.has_bar[:, place] for place in range(3))
    assert (np.flatnonzero(listed)[0], listed.sum()) == (150, 350)
    assert (np.flatnonzero(ended)[-1], ended.sum()) == (299, 300)
    assert not halted[200:220].any() and halted.sum() == 480
    assert np.isnan(panel.closes[:150, 0]).all() and np.isnan(panel.closes[300:, 1]).all()
    ahead = panel.returns_ahead(1)
    assert np.isnan(ahead[199, 2]) and np.isfinite(ahead[220, 2])  # no return over the halt
    assert np.isnan(ahead[299, 1])  # nor after the last bar


def test_an_asset_that_ends_is_known_to_have_ended(uneven):
    panel = cc.Panel.of(uneven)
    assert [each.symbol for each in panel.assets if each.has_ended] == ["A001"]
    assert any("1 asset ended before the panel does (A001)" in notice for notice in panel.notices)
    again = cc.Panel.of(panel.assets)
    assert again.fingerprint == panel.fingerprint


def test_a_stray_bar_of_one_asset_is_no_moment_of_the_panel(world):
    first = world.assets[0]
    stray = first.frame[-1].with_columns(pl.col("open_time", "close_time") + pl.duration(days=3))
    panel = cc.Panel.of([replace(first, frame=pl.concat([first.frame, stray])), *world.assets[1:]])
    assert len(panel) == 500
    assert any("1 bar at moments at which fewer than half" in notice for notice in panel.notices)


def test_the_order_of_the_assets_changes_nothing(uneven):
    assert cc.Panel.of(uneven[::-1]).fingerprint == cc.Panel.of(uneven).fingerprint


def test_assets_from_files_folder_dict_and_store(world, tmp_path):
    folder = tmp_path / "stocks"
    folder.mkdir()
    for each in world.assets[:3]:
        each.frame.write_csv(folder / f"{each.symbol}.csv")
    of_folder, of_files = as_panel_assets(folder), as_panel_assets(sorted(folder.iterdir()))
    assert [each.symbol for each in of_folder] == [each.symbol for each in of_files] == ["A000", "A001", "A002"]
    assert np.array_equal(cc.Panel.of(folder).closes, cc.Panel.of(list(world.assets[:3])).closes)
    named = as_panel_assets({"Y": world.assets[0], "X": world.assets[1]})
    assert [each.symbol for each in named] == ["X", "Y"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (lambda w: w.assets[0], r"one asset \(A000\) was given for a cross-section; expected three assets or more"),
        (lambda w: [], "no asset was given for a cross-section"),
        (lambda w: [w.assets[0], w.assets[0]], "two assets are called A000"),
        (
            lambda w: [w.assets[0], w.assets[1].resample("1w")],
            "the assets have the intervals 1d, 1w; expected one interval",
        ),
    ],
)
def test_what_is_no_panel_is_refused(world, chosen, message):
    with pytest.raises(cc.ConfigError, match=message):
        cc.Panel.of(chosen(world))


def test_assets_without_a_moment_in_common(world):
    with pytest.raises(cc.NotEnoughDataError, match="have no moment in common: A000 from 2015-01-01 to 2015-04-11"):
        cc.Panel.of([world.assets[0][:100], world.assets[1][200:]])


def test_members_of_the_universe_at_each_moment(world):
    day = world.assets[0].frame["open_time"][100].strftime("%Y-%m-%d")
    universe = cc.Universe(
        [("A000", day, None), *((each.symbol, None, None) for each in world.assets[1:4]), ("ZZZ", None, day)]
    )
    panel = cc.Panel.of(world.assets, universe=universe)
    assert panel.is_member[:, 0].tolist() == [False] * 100 + [True] * 400
    assert panel.is_member[:, 1:4].all() and not panel.is_member[:, 4:].any()
    words = " ".join(panel.notices)
    assert "1 member of the universe without candles (ZZZ)" in words and "8 assets not in the universe" in words
    assert "survivorship" not in words


def test_moments_with_two_members_are_counted(world):
    late = [world.assets[0], world.assets[1], world.assets[2][40:]]
    words = "40 moments with two members only: the information coefficient (IC) needs 3 and leaves them out"
    assert any(words in notice for notice in cc.Panel.of(late).notices)
    assert not any("two members" in notice for notice in cc.Panel.of(world.assets[:3]).notices)


def test_a_panel_without_membership_says_so(world):
    assert "survivorship bias" in cc.Panel.of(world.assets).notices[0]


def test_a_universe_of_other_symbols_is_refused(world):
    with pytest.raises(
        cc.ConfigError, match="the universe names B000, none of which is among the assets.*Did you mean"
    ):
        cc.Panel.of(world.assets, universe=cc.Universe([("B000", "2000-01-01", None)]))
