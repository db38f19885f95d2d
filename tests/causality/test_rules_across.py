"""A rule across assets holds what follows from scores and section: tables of weights are refused, rules of users are not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.panel import Panel
from candlecast.signals.across import Section
from candlecast.sources import synthetic_panel
from panel_studies import quick_study

ASSETS, BARS = 10, 700


@pytest.fixture(scope="module")
def panel():
    return Panel.of(synthetic_panel(ASSETS, BARS, seed=8, ic=0.05).assets)


@pytest.fixture(scope="module")
def study():
    return quick_study(folds=2, fee_bps=10)


def scaled(weights: np.ndarray) -> np.ndarray:
    total = np.abs(weights).sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


@dataclass(frozen=True)
class Pasted:
    """Weights of a table, of which a share are those of the scores."""

    table: np.ndarray
    share: float = 0.0
    gross: float = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        given = np.where(np.isfinite(scores), self.table[: len(scores)], 0.0)
        return self.share * ByScore().weights(scores, section) + (1 - self.share) * scaled(given)


class ByScore:
    gross = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        known = np.isfinite(scores)
        centre = np.divide(
            np.where(known, scores, 0).sum(1), known.sum(1), out=np.zeros(len(scores)), where=known.any(1)
        )
        return scaled(np.where(known, scores - centre[:, None], 0.0))


class ByPlace(ByScore):
    """The side of each place in the list."""

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        return super().weights(scores, section) * np.where(np.arange(scores.shape[1]) % 3 == 0, -1.0, 1.0)


@dataclass(frozen=True)
class Sometimes:
    """The scores, at moments that a table names."""

    table: np.ndarray
    gross: float = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        return ByScore().weights(scores, section) * self.table[: len(scores), None]


class Slow:
    """Halfway to the scores, moment by moment."""

    gross = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        wanted = ByScore().weights(scores, section)
        for row in range(1, len(wanted)):
            wanted[row] = 0.9 * wanted[row - 1] + 0.1 * wanted[row]
        return wanted


class Weekly:
    """The scores of every fifth moment."""

    gross = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        held = ByScore().weights(scores, section)[np.arange(len(scores)) // 5 * 5]
        return np.where(np.isfinite(scores), held, 0.0)


class ByVolatility:
    """What is calm, whatever the scores."""

    gross = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        return scaled(np.where(np.isfinite(scores), 1 / np.nan_to_num(section.volatility, nan=1e9), 0.0))


class Equal:
    gross = 1.0

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        return scaled(np.isfinite(scores).astype(float))


def hindsight(panel, *, noise):
    ahead = np.nan_to_num(panel.returns_ahead(5))
    ahead -= ahead.mean(axis=1, keepdims=True)
    return ahead / ahead.std() + noise * np.random.default_rng(1).normal(size=ahead.shape)


def test_a_table_of_weights_is_refused(panel, study):
    with pytest.raises(cc.LookaheadError, match=r"rule Pasted are nearly the same .* cc\.backtest_portfolio"):
        replace(study, rule=Pasted(hindsight(panel, noise=2.0))).run(panel, ledger=Ledger.in_memory())


def test_a_table_of_hindsight_is_refused_where_half_of_the_weights_follow_the_scores(panel, study):
    with pytest.raises(cc.LookaheadError, match="rule Pasted gain whatever the scores are"):
        replace(study, rule=Pasted(hindsight(panel, noise=1.0), share=0.6)).run(panel, ledger=Ledger.in_memory())


def test_a_number_for_each_place_in_the_list_is_refused(panel, study):
    with pytest.raises(cc.LookaheadError, match="it keeps a number for each place in the list"):
        replace(study, rule=ByPlace()).run(panel, ledger=Ledger.in_memory())


def test_a_table_of_moments_is_refused(panel, study):
    earned = (np.nan_to_num(panel.returns_ahead(1)) * np.sign(np.nan_to_num(panel.returns_behind(1)))).sum(axis=1)
    rule = Sometimes((earned > 0).astype(float))
    with pytest.raises(cc.LookaheadError, match="they go by the number of the row"):
        replace(study, rule=rule).run(panel, ledger=Ledger.in_memory())


@pytest.mark.parametrize("rule", [ByScore(), Slow(), Weekly(), ByVolatility(), Equal(), cc.TopBottom(2)])
def test_rules_of_users_are_taken(panel, study, rule):
    assert replace(study, rule=rule).run(panel, ledger=Ledger.in_memory()).weights
