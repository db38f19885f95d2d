"""Portfolio optimisers as rules across assets, against portfolios whose best weights are known."""

import sys

import numpy as np
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.recipes import describe, restore
from candlecast.signals.across import Section, weights_of

pytest.importorskip("skfolio")

NAN = float("nan")
RULES = [
    cc.MinimumVariance(cc.TopBottom(2), bars=40, every=3),
    cc.MeanVariance(cc.TopBottom(2), bars=40, every=10, largest=0.7),
    cc.MaximumDiversification(cc.TopBottom(2), bars=40, every=10),
    cc.RiskParity(cc.TopBottom(2), bars=40, every=10),
    cc.HierarchicalRiskParity(cc.TopBottom(2), bars=40, every=10),
    cc.TurnoverLimited(cc.SectorNeutral(cc.RiskParity(cc.TopBottom(1), bars=40, every=10))),
]


def market(deviations, moments=400, common=0.0, seed=0):
    """A section of assets with these standard deviations and a factor that all share."""
    generator = np.random.default_rng(seed)
    returns = generator.standard_normal((moments, len(deviations))) * deviations
    returns += common * generator.standard_normal((moments, 1))
    return Section(np.ones(returns.shape), np.zeros(len(deviations), np.int64), returns)


def last(rule, scores, section):
    """What a rule holds at the last moment, if these were the scores of that moment alone."""
    every = np.full(section.volatility.shape, NAN)
    every[-1] = scores
    return weights_of(rule, every, section)[-1]


def test_minimum_variance_of_independent_assets_is_by_inverse_variance():
    section = market([0.01, 0.02, 0.02, 0.01])
    found = last(cc.MinimumVariance(cc.EqualWeight(), bars=400), [1, 1, 1, 1], section)
    assert found == pytest.approx([0.4, 0.1, 0.1, 0.4], abs=0.04) and found.sum() == pytest.approx(1.0)


def test_longs_and_shorts_hedge_each_other():
    """An asset that moves as the short one does is bought more of, although its own variance is the same."""
    section = market([0.02, 0.02, 0.02])
    section.returns[:, 0] = section.returns[:, 2] + 0.1 * section.returns[:, 0]
    found = last(cc.MinimumVariance(cc.TopBottom(2), bars=400), [4.0, 3.0, 1.0], section)
    assert np.flatnonzero(found).tolist() == [0, 2]  # of three assets, one on each side
    both = market([0.02, 0.02, 0.02, 0.02])
    both.returns[:, 0] = both.returns[:, 3] + 0.1 * both.returns[:, 0]
    found = last(cc.MinimumVariance(cc.TopBottom(2), bars=400), [4.0, 3.0, 1.0, 2.0], both)
    assert found[0] > 2 * found[1] > 0 and found[3] < 2 * found[2] < 0
    assert found[:2].sum() == pytest.approx(0.5) and found[2:].sum() == pytest.approx(-0.5)


def test_mean_variance_follows_the_scores_the_more_the_smaller_the_aversion():
    section = market([0.02] * 4)
    held = {
        aversion: last(cc.MeanVariance(cc.EqualWeight(), bars=400, risk_aversion=aversion), [4, 1, 1, 1], section)
        for aversion in (1.0, 1e6)
    }
    assert held[1.0] == pytest.approx([1, 0, 0, 0], abs=1e-3)
    assert held[1e6] == pytest.approx([0.25] * 4, abs=0.05)
    capped = last(cc.MeanVariance(cc.EqualWeight(), bars=400, risk_aversion=1.0, largest=0.4), [4, 1, 1, 1], section)
    assert capped[0] == pytest.approx(0.4, abs=1e-4)
    short = last(cc.MeanVariance(cc.TopBottom(2), bars=400, risk_aversion=1.0), [9, 3, -3, -9], section)
    assert short == pytest.approx([0.5, 0, 0, -0.5], abs=1e-3)  # a low score is a gain of a short


@pytest.mark.parametrize("make", [cc.RiskParity, cc.HierarchicalRiskParity, cc.MaximumDiversification])
def test_each_side_is_divided_by_risk(make):
    """Independent assets: risk parity and diversification by inverse volatility, the tree by inverse variance."""
    found = last(make(cc.TopBottom(2), bars=400), [4, 3, 2, 1], market([0.01, 0.02, 0.02, 0.01]))
    ratio = {cc.RiskParity: 2.0, cc.MaximumDiversification: 2.0, cc.HierarchicalRiskParity: 4.0}[make]
    assert found[0] / found[1] == pytest.approx(ratio, rel=0.25) and found[3] / found[2] == pytest.approx(
        ratio, rel=0.25
    )
    assert found[:2].sum() == pytest.approx(0.5) and found[2:].sum() == pytest.approx(-0.5)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_moment_does_not_depend_on_later_ones(rule):
    generator = np.random.default_rng(1)
    scores = generator.standard_normal((90, 6))
    scores[:50] = NAN
    scores[generator.random(scores.shape) < 0.15] = NAN
    section = market([0.01, 0.02, 0.03, 0.01, 0.02, 0.03], moments=90, common=0.01)
    section.returns[generator.random(scores.shape) < 0.05] = NAN
    section = Section(section.volatility, np.array([0, 0, 0, 1, 1, 1]), section.returns)
    weights = rule.weights(scores, section)
    assert np.array_equal(rule.weights(scores[:72], section.until(72)), weights[:72])
    other = Section(section.volatility, section.sectors, np.where(np.arange(90)[:, None] < 72, section.returns, 0.05))
    assert np.array_equal(rule.weights(scores, other)[:72], weights[:72])
    assert weights.any() and np.abs(weights).sum(axis=1).max() <= rule.gross * (1 + 1e-9)
    assert not weights[~np.isfinite(scores)].any()
    assert restore(describe(rule)) == rule


def test_between_two_optimisations_sizes_stay_and_new_assets_have_the_mean():
    section = market([0.01, 0.02, 0.04, 0.02, 0.02, 0.02])
    scores = np.full(section.volatility.shape, NAN)
    scores[-3:] = [[6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 0, 3, 2, 1]]
    found = cc.RiskParity(cc.TopBottom(3, long_only=True), bars=400, every=10).weights(scores, section)[-3:]
    assert np.array_equal(found[0], found[1])
    assert found[2][0] / found[2][1] == pytest.approx(found[0][0] / found[0][1])
    assert found[2][3] == pytest.approx(found[2].sum() * 1.0 / (1.0 + 3 * found[0][:2].sum()))


def test_assets_without_returns_are_not_held_and_constant_prices_are_held_as_the_rule_says():
    section = market([0.01, 0.02, 0.02, 0.01])
    section.returns[-200:, 0] = NAN
    found = last(cc.RiskParity(cc.TopBottom(2), bars=250), [4, 3, 2, 1], section)
    assert not found[0] and np.flatnonzero(found).tolist() == [1, 3]
    section.returns[:, 1] = 0.0
    assert last(cc.RiskParity(cc.EqualWeight(), bars=250), [1, 1, 1, 1], section).tolist() == [0, 1 / 3, 1 / 3, 1 / 3]


def test_a_study_trades_an_optimiser_and_its_run_comes_back():
    study = cc.PanelStudy(
        model=cc.LinearRegression(window=5),
        features=cc.Features(cc.log_return()),
        rule=cc.MinimumVariance(cc.TopBottom(3), bars=60, every=40),
        folds=cc.WalkForward(folds=1),
        baselines=(),
        seeds=1,
    )
    result = study.run(cc.synthetic_panel(9, 300, seed=3).assets, ledger=Ledger.in_memory())
    assert result.audit.passed and restore(result.recipe["rule"]) == study.rule
    plain = cc.TopBottom(3).weights(result.scores["linear"], result.panel.section)
    held = result.weights["linear"]
    assert (np.sign(held) * np.sign(plain) >= 0).all() and np.abs(held).sum(axis=1).max() == pytest.approx(1.0)
    assert held[held != 0].size and len(np.unique(np.abs(held[result.tested][0]).round(9))) > 2


def test_what_is_missing_or_wrong_is_said(monkeypatch):
    for make in (
        lambda: cc.RiskParity(cc.Threshold(enter=0.1)),
        lambda: cc.RiskParity(bars=5),
        lambda: cc.MinimumVariance(every=0),
        lambda: cc.MinimumVariance(largest=0.0),
        lambda: cc.MeanVariance(risk_aversion=0.0),
        lambda: cc.MeanVariance(ic=2.0),
    ):
        with pytest.raises(cc.ConfigError):
            make()
    scores = np.ones((30, 3))
    with pytest.raises(cc.ConfigError, match="the section has no returns"):
        cc.RiskParity().weights(scores, Section(scores, np.zeros(3, np.int64)))

    class Unsolvable(cc.RiskParity.__base__):
        def shares(self, estimate):
            raise ArithmeticError("no solution")

    with pytest.raises(cc.ConfigError, match=r"found no weights at moment 399 \(no solution\)"):
        last(Unsolvable(cc.EqualWeight()), [1, 1, 1], market([0.01] * 3))
    monkeypatch.setitem(sys.modules, "skfolio", None)
    study = cc.PanelStudy(model=cc.LinearRegression(), rule=cc.TurnoverLimited(cc.RiskParity()))
    with pytest.raises(cc.ConfigError, match=r"skfolio is not installed.*pip install 'candlecast\[portfolio\]'"):
        study.run([], ledger=Ledger.in_memory())
