"""The check of a rule across assets: what it holds follows from scores and section, and not from the place in a table."""

from __future__ import annotations

import numpy as np

from candlecast.causality.rows import ROWS_LATER
from candlecast.causality.rules import MOST_OF_CLOCK, SHIFTS
from candlecast.errors import LookaheadError
from candlecast.signals.across import RuleAcross, Section, is_own_across

LEAST_MOMENTS = 40  # with forecasts, that are compared
LEAST_SHARE = 0.05  # of the weights' squares, that changes while the members stay the same, for a rule to be compared
FEW = 0.01  # share of the moments, at which weights may depend on the order of the assets by rounding
LEAST_LATER = 60  # moments cut off at the start, a multiple of usual periods
SETTLED = 0.9  # correlation of the weights of the later half
GAIN = 3.0  # standard errors, above which the weights for other scores gain


def require_answering_rule(
    rule: RuleAcross, scores: np.ndarray, section: Section, weights: np.ndarray, returns: np.ndarray
) -> None:
    """Raise unless a rule that is not candlecast's own decides by the scores and the section.

    Several times the scores, volatilities and returns of each asset are those of another one, at other moments. Weights that are
    nearly the same as before come from a table, which can hold what happened then; so do weights that gain each time, whatever
    they have in common with those before. With the assets in another order, or from a later start on, each has its own weight.

    Args:
        rule: of the study.
        scores: (time, asset), NaN where there is none.
        section: what the rule knows beside them.
        weights: what the rule held, (time, asset).
        returns: log return of each asset from each moment to the next, (time, asset), NaN where there is none.

    Raises:
        LookaheadError: naming the rule.
    """
    rows = np.flatnonzero(np.isfinite(scores).any(axis=1))
    if is_own_across(rule) or len(rows) < LEAST_MOMENTS:
        return
    _require_no_table(rule, scores, section, weights, returns, slice(rows[0], rows[-1] + 1))
    _require_no_places(rule, scores, section, weights)
    _require_no_rows(rule, scores, section, weights, rows)


def _require_no_table(
    rule: RuleAcross, scores: np.ndarray, section: Section, weights: np.ndarray, returns: np.ndarray, part: slice
) -> None:
    """Weights are others for the scores of other assets at other moments, and do not gain with them."""
    has_score = np.isfinite(scores)
    own = _within_members(weights[part], has_score[part])
    if not float((own**2).sum()) > LEAST_SHARE * float((weights[part] ** 2).sum()):
        return  # held as long as an asset is a member
    generator, earned = np.random.default_rng(0), np.nan_to_num(returns[part])
    alike, gains = list[float](), list[float]()
    for share in SHIFTS:
        places = generator.permutation(scores.shape[1])
        moved = _moved(scores, places, share, part)
        other = np.asarray(rule.weights(moved, _section(section, places, share, part)), np.float64)
        found = _within_members(other[part], has_score[part])
        if not found.any():
            return
        alike.append(float((own * found).sum() / np.sqrt((own**2).sum() * (found**2).sum())))
        gain = (found * earned).sum(axis=1)
        gains.append(float(gain.mean() / max(gain.std(), 1e-300) * np.sqrt(len(gain))))
        if alike[-1] <= MOST_OF_CLOCK and gains[-1] <= GAIN:
            return
    wrong = (
        f"are nearly the same for the scores of other assets and moments (correlation {min(alike):.2f} or more)"
        if min(alike) > MOST_OF_CLOCK
        else f"gain whatever the scores are: with those of other assets and moments {min(gains):.1f} standard errors or more"
    )
    raise LookaheadError(
        f"the weights of rule {type(rule).__name__} {wrong}, so they may hold what happened then",
        expected="weights that follow from scores, volatilities and returns up to their moment",
        remedy="Compute them from scores and section; what was known elsewhere at the time enters as a feature, "
        "cc.outside(...). Trade weights that come from elsewhere with cc.backtest_portfolio(assets, weights)",
    )


def _require_no_places(rule: RuleAcross, scores: np.ndarray, section: Section, weights: np.ndarray) -> None:
    """Weights do not depend on the places of the assets; ties of scores, which a place may decide, are few."""
    places = np.random.default_rng(1).permutation(scores.shape[1])
    back = np.argsort(places)
    other = Section(
        section.volatility[:, places],
        section.sectors[places],
        None if section.returns is None else section.returns[:, places],
    )
    found = np.asarray(rule.weights(scores[:, places].copy(), other), np.float64)[:, back]
    is_tied = np.array([len(np.unique(row[np.isfinite(row)])) < np.isfinite(row).sum() for row in scores])
    moved = ~np.isclose(found, weights, rtol=1e-6, atol=1e-9).all(axis=1) & ~is_tied
    if moved.sum() > FEW * len(moved):
        row = int(moved.argmax())
        raise LookaheadError(
            f"the weights of rule {type(rule).__name__} at moment {row:,} are others when the assets stand in another order: it "
            "keeps a number for each place in the list, which can hold what became of the asset",
            expected="weights that follow from scores, volatilities and returns up to their moment",
            remedy="Compute them from scores and section alone",
        )


def _require_no_rows(
    rule: RuleAcross, scores: np.ndarray, section: Section, weights: np.ndarray, rows: np.ndarray
) -> None:
    """Weights do not go by the number of the row: where the scores begin later, they are soon the same."""
    multiples = (-(-int(rows[0] + 1) // base) * base for base in (*ROWS_LATER, LEAST_LATER))
    begin = next((each for each in multiples if each <= rows[len(rows) // 3]), None)
    if begin is None:
        return
    settled = rows[len(rows) // 2] + 1
    late = Section(
        section.volatility[begin:], section.sectors, None if section.returns is None else section.returns[begin:]
    )
    found = np.asarray(rule.weights(scores[begin:].copy(), late), np.float64)[settled - begin :]
    own = weights[settled:]
    sizes = float((own**2).sum() * (found**2).sum())
    if (own**2).sum() > 0 and not (own * found).sum() > SETTLED * np.sqrt(sizes):
        raise LookaheadError(
            f"the weights of rule {type(rule).__name__} are others at the same moments when the scores begin {begin:,} moments "
            "later: they go by the number of the row, or by what happened since the first one",
            expected="weights that follow from scores, volatilities and returns, and forget what lies far back",
            remedy="Compute them from scores and section of the moments before",
        )


def _within_members(weights: np.ndarray, has_score: np.ndarray) -> np.ndarray:
    """Weights less their mean of each asset over the moments with the same members, one after the other."""
    begins = np.append(True, (has_score[1:] != has_score[:-1]).any(axis=1))
    stretch = np.cumsum(begins) - 1
    sizes = np.bincount(stretch)[:, None]
    sums = np.zeros((len(sizes), weights.shape[1]))
    np.add.at(sums, stretch, weights)
    return weights - (sums / sizes)[stretch]


def _moved(values: np.ndarray, places: np.ndarray, share: float, part: slice) -> np.ndarray:
    """Values of other assets at other moments of a part, where there are values; the others, and those missing, are as before."""
    found, tested = values.copy(), values[part]
    other = np.roll(tested[:, places], round(share * len(tested)), axis=0)
    found[part] = np.where(np.isfinite(tested) & np.isfinite(other), other, tested)
    return found


def _section(section: Section, places: np.ndarray, share: float, part: slice) -> Section:
    returns = None if section.returns is None else _moved(section.returns, places, share, part)
    return Section(_moved(section.volatility, places, share, part), section.sectors, returns)
