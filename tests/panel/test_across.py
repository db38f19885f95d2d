"""Features and targets across assets: by hand, and from no later moment."""

import numpy as np
import pytest

import candlecast as cc
from candlecast.causality.markets import another_path
from candlecast.panel.samples import panel_inputs, panel_samples
from candlecast.recipes import describe, restore
from candlecast.testing import check_across, check_feature

FEATURES = [
    cc.cross_rank(cc.log_return(5)),
    cc.cross_zscore(cc.log_return()),
    cc.cross_relative(cc.log_return()),
    cc.sector_mean(cc.log_return(3)),
    cc.sector_relative(cc.log_return(3)),
    cc.cross_rank(cc.cross_relative(cc.log_return(2))),
    cc.across(lambda values: values - np.median(values), cc.log_return()),
]


def over(feature, values, member=None, sectors=None):
    values = np.array([values], float)
    member = np.isfinite(values) if member is None else np.array([member])
    sectors = np.zeros(values.shape[1], np.int64) if sectors is None else np.array(sectors)
    return feature.compute.over(values, member, sectors)[0].tolist()


def test_features_across_assets_by_hand():
    of, nan = cc.log_return(), float("nan")
    assert over(cc.cross_rank(of), [3.0, 1.0, 2.0, 2.0]) == [0.75, -0.75, 0.0, 0.0]
    assert over(cc.cross_zscore(of), [1.0, 2.0, 3.0]) == [-1.0, 0.0, 1.0]
    assert over(cc.cross_relative(of), [1.0, 2.0, 6.0]) == [-2.0, -1.0, 3.0]
    assert over(cc.sector_mean(of), [1.0, 3.0, 7.0], sectors=[0, 0, 1]) == [2.0, 2.0, 7.0]
    assert over(cc.sector_relative(of), [1.0, 3.0, 7.0], sectors=[0, 0, 1]) == [-1.0, 1.0, 0.0]
    # the mean is that of the members, and others are compared with it
    assert over(cc.cross_relative(of), [1.0, 3.0, 9.0], member=[True, True, False]) == [-1.0, 1.0, 7.0]
    assert np.isnan(over(cc.cross_rank(of), [1.0, nan, 2.0])[1])


def test_targets_across_assets_by_hand():
    returns = np.array([[0.02, -0.01, 0.03, np.nan, 0.0]])
    nan = float("nan")
    expected = {
        cc.AboveMedian(): [1.0, 0.0, 1.0, nan, 0.0],
        cc.AboveMean(): [1.0, 0.0, 1.0, nan, 0.0],
        cc.CrossSectionRank(): [2 / 3, 0.0, 1.0, nan, 1 / 3],
        cc.TopQuantile(share=0.25): [0.0, 0.0, 1.0, nan, 0.0],
        cc.BottomQuantile(share=0.25): [0.0, 1.0, 0.0, nan, 0.0],
        cc.RelativeReturn(): [0.01, -0.02, 0.02, nan, -0.01],
    }
    for target, values in expected.items():
        assert np.allclose(target.across(returns)[0], values, equal_nan=True), target.name
        assert restore(describe(target)) == target


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_features_across_assets_are_causal(feature, uneven):
    check_across(feature, uneven)


def test_the_check_of_features_takes_features_across_assets(uneven):
    check_feature(FEATURES[0])
    check_feature(FEATURES[0], uneven)
    with pytest.raises(cc.ConfigError, match="log_return_1 is a feature of one asset"):
        check_across(cc.log_return(), uneven)


def test_a_function_across_assets_that_keeps_something_is_refused(uneven):
    seen = []

    def drifting(values):
        seen.append(values.mean())
        return values - np.mean(seen)

    with pytest.raises(cc.LookaheadError, match="gives other values for the same moment when later moments come first"):
        check_across(cc.across(drifting, cc.log_return()), uneven)


def test_an_inner_feature_that_looks_ahead_is_refused(uneven):
    @cc.feature(warmup=0)
    def tomorrow(candles):
        return np.append(np.diff(np.log(candles.close)), np.nan)

    with pytest.raises(cc.LookaheadError, match="tomorrow"):
        check_across(cc.cross_rank(tomorrow), uneven)


def test_what_is_known_at_a_moment_does_not_move_with_later_candles(uneven):
    panel, features = cc.Panel.of(uneven), cc.Features(*FEATURES)
    generator, time = np.random.default_rng(0), panel.times[260]
    assets = []
    for each in panel.assets:
        bar = int(np.searchsorted(each.close_time, time, side="right")) - 1
        assets.append(another_path(each, bar, generator) if 0 <= bar < len(each) - 1 else each)
    other = cc.Panel(tuple(assets), None, panel.times, panel.bars)
    for one, two, each in zip(panel_inputs(panel, features), panel_inputs(other, features), panel.assets, strict=True):
        known = each.close_time <= time
        assert np.array_equal(one[known], two[known], equal_nan=True)
        assert known.all() or not np.array_equal(one[~known], two[~known], equal_nan=True)


def test_one_asset_has_no_cross_section(world):
    with pytest.raises(cc.ConfigError, match="cross_rank of log_return_5 compares assets, and A000 is one asset"):
        cc.cross_rank(cc.log_return(5))(world.assets[0])
    with pytest.raises(
        cc.ConfigError, match="the target above_median compares assets, and A000 is one asset.*PanelStudy"
    ):
        cc.Study(model=cc.LinearRegression(), target=cc.AboveMedian()).run(world.assets[0])


def test_features_across_assets_are_described_and_restored():
    for feature in FEATURES[:-1]:
        again = restore(describe(feature))
        assert (again.name, again.warmup, again.kind) == (feature.name, feature.warmup, feature.kind)
    described = describe(FEATURES[-1])
    assert "identity" in described or "identity" in described["parameters"]["function"]


def test_a_window_reaches_back_before_membership(world):
    day = world.assets[0].frame["open_time"][100].strftime("%Y-%m-%d")
    universe = cc.Universe([("A000", day, None), *((each.symbol, None, None) for each in world.assets[1:])])
    panel = cc.Panel.of(world.assets, universe=universe)
    samples = panel_samples(panel, features=cc.Features(cc.log_return()), target=cc.AboveMedian(), window=20)
    assert samples.is_complete[99:101, 0].tolist() == [False, True]
    assert np.isnan(samples.returns[:100, 0]).all()
