"""Rules across assets, by hand."""

import numpy as np
import pytest

import candlecast as cc
from candlecast.recipes import describe, restore
from candlecast.signals.across import Section, weights_of

NAN = float("nan")


def section(shape, volatility=1.0, sectors=None):
    sectors = np.zeros(shape[1], np.int64) if sectors is None else np.array(sectors)
    return Section(np.full(shape, volatility), sectors)


def held(rule, scores, **others):
    scores = np.array(scores, float)
    return weights_of(rule, scores, section(scores.shape, **others))


def test_top_and_bottom():
    assert held(cc.TopBottom(2, gross=2.0), [[5, 1, 4, 2, 3, NAN]]).tolist() == [[0.5, -0.5, 0.5, -0.5, 0.0, 0.0]]
    assert held(cc.TopBottom(1, long_only=True), [[5, 1, 4]]).tolist() == [[1.0, 0.0, 0.0]]
    assert held(cc.TopBottom(10), [[5, 1, 4]]).tolist() == [[0.5, -0.5, 0.0]]  # half of the three on each side
    assert held(cc.TopBottom(1), [[2, 2, 2], [NAN, 1, NAN]]).tolist() == [[0.0] * 3] * 2  # nothing to tell apart


def test_quantiles_ranks_and_equal_weights():
    assert held(cc.QuantileSpread(2), [[4, 3, 2, 1]]).tolist() == [[0.25, 0.25, -0.25, -0.25]]
    assert held(cc.RankWeights(), [[1, 5, 9, NAN]]).tolist() == [[-0.5, 0.0, 0.5, 0.0]]
    assert held(cc.EqualWeight(), [[1, NAN, 3, 4]]).tolist() == [[1 / 3, 0.0, 1 / 3, 1 / 3]]


def test_scaled_by_volatility_each_side_keeps_its_size():
    scores = np.array([[4.0, 3.0, 2.0, 1.0, 9.0]])
    volatility = np.array([[1.0, 3.0, 1.0, 1.0, NAN]])
    found = weights_of(cc.VolatilityScaled(cc.TopBottom(2)), scores, Section(volatility, np.zeros(5, np.int64)))
    assert found.tolist() == [[0.375, 0.125, -0.25, -0.25, 0.0]]


def test_sector_neutral_holds_as_much_long_as_short_in_each_sector():
    found = held(cc.SectorNeutral(cc.TopBottom(1)), [[9, 8, 2, 1, 5]], sectors=[0, 0, 1, 1, 2])
    assert found.tolist() == [[0.25, -0.25, 0.25, -0.25, 0.0]]


def test_turnover_is_limited_and_small_changes_are_not_traded():
    rule = cc.TurnoverLimited(cc.TopBottom(1), most=0.5)
    assert held(rule, [[1, 0], [1, 0], [0, 1]]).tolist() == [[0.25, -0.25], [0.5, -0.5], [0.25, -0.25]]
    assert held(rule, [[1, 0, 0.5], [1, 0, 0.5], [NAN, 0, 1]])[2].tolist() == [
        0.0,
        -0.5,
        0.0,
    ]  # closed, which takes it all
    banded = cc.TurnoverLimited(cc.RankWeights(), most=9.0, band=0.3)
    assert held(banded, [[1, 2, 3], [1, 3, 2]]).tolist() == [[-0.5, 0.0, 0.5], [-0.5, 0.5, 0.0]]
    turnover = cc.TurnoverLimited(cc.TopBottom(3), most=0.1)
    random = np.random.default_rng(0).standard_normal((200, 12))
    weights = held(turnover, random)
    assert np.abs(np.diff(weights, axis=0)).sum(axis=1).max() <= 0.1 + 1e-12
    assert np.abs(weights).sum(axis=1).max() <= 1.0 + 1e-12


RULES = [
    cc.TopBottom(4, gross=2.0),
    cc.QuantileSpread(5, long_only=True),
    cc.RankWeights(),
    cc.EqualWeight(),
    cc.VolatilityScaled(cc.TopBottom(2)),
    cc.SectorNeutral(),
    cc.TurnoverLimited(cc.VolatilityScaled(), most=0.3, band=0.01),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_moment_does_not_depend_on_later_ones(rule):
    scores = np.random.default_rng(1).standard_normal((60, 9))
    scores[np.random.default_rng(2).random(scores.shape) < 0.2] = NAN
    whole = section(scores.shape, sectors=[0, 0, 0, 1, 1, 1, 2, 2, 2])
    weights = rule.weights(scores, whole)
    assert np.array_equal(rule.weights(scores[:40], whole.until(40)), weights[:40])
    assert np.abs(weights).sum(axis=1).max() <= rule.gross * (1 + 1e-9)
    assert not weights[~np.isfinite(scores)].any()
    assert restore(describe(rule)) == rule


class Own:
    gross = 1.0

    def __init__(self, weights):
        self.weights = lambda scores, section: weights(scores)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (
            lambda s: s - s.mean(axis=0),
            cc.LookaheadError,
            "before moment .* are others when the later scores are taken away",
        ),
        (lambda s: s[:, :2], cc.ConfigError, "gave weights of shape"),
        (lambda s: s * NAN, cc.ConfigError, "with undefined values"),
        (lambda s: np.ones(s.shape), cc.ConfigError, "add up to 3 times equity; expected its gross of 1 or less"),
    ],
)
def test_a_rule_of_a_user_is_checked(weights, error, message):
    scores = 0.01 * np.random.default_rng(0).standard_normal((20, 3))
    with pytest.raises(error, match=message):
        weights_of(Own(weights), scores, section(scores.shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: cc.TopBottom(0),
        lambda: cc.TopBottom(gross=-1.0),
        lambda: cc.QuantileSpread(1),
        lambda: cc.TurnoverLimited(most=0.0),
        lambda: cc.TurnoverLimited(band=1.0),
        lambda: cc.SectorNeutral(cc.Threshold(enter=0.1)),
        lambda: cc.VolatilityScaled(cc.TopBottom),
    ],
)
def test_parameters_that_cannot_be(make):
    with pytest.raises(cc.ConfigError):
        make()
