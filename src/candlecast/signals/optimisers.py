"""Portfolio optimisers of skfolio as rules across assets: another rule names the sides, the optimiser the sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from candlecast.errors import ConfigError
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.signals.across import RuleAcross, Section, TopBottom, require_rule_across

LEAST_BARS = 20  # that a covariance is estimated from
SHARE_KNOWN = 0.5  # of the bars, of which an asset must have a return to be held
SMALLEST = 1e-6  # of a side: a solver's zero
SLACK = 1e-6  # of the largest share, so that equal shares are no single point
SIDES = (1.0, -1.0)


@dataclass(frozen=True)
class Estimate:
    """What an optimiser reads at one moment.

    returns: simple returns (bars, asset) up to the moment, those of shorts with the other sign, divided by `scale`, the mean
        standard deviation; expected: of the next bar in the same unit, by the scores; is_long: bool (asset,);
        shares: what the longs and the shorts add up to, of 1; largest: share of each asset at most, (asset,);
        scale: see `returns`; gross: what all sizes add up to, times equity.
    """

    returns: np.ndarray
    expected: np.ndarray
    is_long: np.ndarray
    shares: tuple[float, float]
    largest: np.ndarray
    scale: float
    gross: float


@dataclass(frozen=True)
class _Optimised(ABC):
    """Another rule names the assets of each side and what the side adds up to; an optimiser divides it. See `MinimumVariance`."""

    rule: RuleAcross = field(default_factory=TopBottom)
    bars: int = 250
    every: int = 5
    largest: float = 1.0

    def __post_init__(self) -> None:
        require_rule_across(self.rule)
        require_kinds(self)
        require_parameters(
            self,
            {
                "bars": (is_whole(self.bars, LEAST_BARS), f"a whole number of bars, {LEAST_BARS} or more"),
                "every": (is_whole(self.every), "a whole number of moments, 1 or more"),
                "largest": (0 < self.largest <= 1, "a share in (0, 1]"),
            },
        )

    @property
    def gross(self) -> float:
        """As the rule's."""
        return self.rule.gross

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """Fractions of equity, (time, asset); see `RuleAcross`. Raises ConfigError where skfolio is missing or finds nothing."""
        require_skfolio()
        returns = _returns_of(section, scores)
        scores = np.where(_counts(np.isfinite(returns), self.bars) >= SHARE_KNOWN * self.bars, scores, np.nan)
        found = self.rule.weights(scores, section).copy()
        sizes, fitted = np.full(scores.shape[1], np.nan), -self.every
        for row, aim in enumerate(found):
            held = np.flatnonzero(aim)
            if len(held) and row - fitted >= self.every:
                part = returns[max(row + 1 - self.bars, 0) : row + 1, held]
                sizes, fitted = np.full(scores.shape[1], np.nan), row
                sizes[held] = self._sizes(part, aim[held], _expected(scores[row])[held], row)
            if len(held):
                found[row] = _sized(aim, sizes)
        return found

    @abstractmethod
    def shares(self, estimate: Estimate) -> np.ndarray:
        """Shares (asset,), none negative, of all assets at one moment; those of a side may add up to anything."""

    def _sizes(self, returns: np.ndarray, aim: np.ndarray, expected: np.ndarray, row: int) -> np.ndarray:
        """The size of each asset relative to the mean of its side, with the sign of the side, (asset,)."""
        side, total = np.sign(aim), float(np.abs(aim).sum())
        shares = [float(np.abs(aim[side == sign]).sum()) / total for sign in SIDES]
        largest = np.zeros(len(aim))
        for sign, share in zip(SIDES, shares, strict=True):
            own = side == sign
            largest[own] = share * min(max(self.largest, 1.0 / max(int(own.sum()), 1)) * (1.0 + SLACK), 1.0)
        if all((side == sign).sum() * self.largest <= 1.0 for sign in SIDES):
            return side
        simple = np.expm1(np.where(np.isfinite(returns), returns, np.nanmean(returns, axis=0)))
        deviation = simple.std(axis=0)
        if not (deviation > 0).all():  # a price that never moves has no risk to divide by
            return side
        scale = float(deviation.mean())
        read = Estimate(
            returns=simple * side / scale,
            expected=expected * side * deviation / scale,
            is_long=side > 0,
            shares=(shares[0], shares[1]),
            largest=largest,
            scale=scale,
            gross=total,
        )
        try:
            with deterministic_fit():
                found = np.asarray(self.shares(read), np.float64)
        except ConfigError:
            raise
        except Exception as error:  # solvers raise errors of many types
            raise _unsolved(self, row, str(error).strip() or type(error).__name__) from error
        if found.shape != side.shape or not np.isfinite(found).all():
            raise _unsolved(self, row, "it gave no finite weights")
        sizes = np.ones(len(side))
        for sign in SIDES:
            own = side == sign
            mean = found[own].mean() if own.any() else 0.0
            if mean > 0:
                sizes[own] = np.where(found[own] > SMALLEST * own.sum() * mean, found[own] / mean, 0.0)
        return side * sizes


@dataclass(frozen=True)
class MinimumVariance(_Optimised):
    """The positions of another rule, sized for the least variance of longs and shorts together (Markowitz 1952).

    Needs `pip install candlecast[portfolio]`; the optimiser is skfolio's. The rule names the assets of each side and what the
    side adds up to, at each moment; only the sizes within a side change.

    Args:
        rule: another rule across assets.
        bars: returns up to the moment that the covariance of Ledoit and Wolf (2004) is estimated from. An asset with returns at
            fewer than half of them is not held; a return that is missing within them counts as the mean of the asset.
        every: moments between two optimisations. In between, an asset that stays on its side keeps its size relative to the mean
            of the side, and a new one has the mean.
        largest: of a side, the share of one asset at most; or 1 / assets where that is more.

    Raises:
        ConfigError: where skfolio is not installed, or finds no weights.

    >>> MinimumVariance(TopBottom(5), largest=0.4).gross
    1.0
    """

    def shares(self, estimate: Estimate) -> np.ndarray:
        """See `_Optimised`."""
        return _mean_risk(estimate, None)


@dataclass(frozen=True)
class MeanVariance(_Optimised):
    """The positions of another rule, sized for the largest m'w - risk_aversion / 2 w'Sw, longs and shorts together.

    m is the expected return of the next bar, whatever the target: `ic` times volatility times the score less the mean of all
    scores, in standard deviations (Grinold 1994, Alpha is volatility times IC times score). S is the covariance of the returns,
    w fractions of equity. Other parameters: see `MinimumVariance`.

    >>> MeanVariance(TopBottom(5), risk_aversion=10.0).ic
    0.03
    """

    risk_aversion: float = 5.0
    ic: float = 0.03

    def __post_init__(self) -> None:
        _Optimised.__post_init__(self)
        require_parameters(
            self,
            {
                "risk_aversion": (self.risk_aversion > 0, "a number above 0"),
                "ic": (0 < self.ic <= 1, "a correlation in (0, 1]"),
            },
        )

    def shares(self, estimate: Estimate) -> np.ndarray:
        """See `_Optimised`."""
        # in units of `scale`, and of shares in place of fractions of equity
        aversion = 0.5 * self.risk_aversion * estimate.scale * estimate.gross
        return _mean_risk(estimate, (self.ic * estimate.expected, aversion))


@dataclass(frozen=True)
class MaximumDiversification(_Optimised):
    """The positions of another rule, each side sized for the largest ratio of its assets' mean volatility to its own.

    Choueifaty and Coignard (2008), equation 1. Parameters: see `MinimumVariance`.

    >>> MaximumDiversification(TopBottom(5)).every
    5
    """

    def shares(self, estimate: Estimate) -> np.ndarray:
        """See `_Optimised`."""
        from skfolio import optimization

        return _by_side(optimization.MaximumDiversification, estimate)


@dataclass(frozen=True)
class RiskParity(_Optimised):
    """The positions of another rule, each side sized so that every asset adds the same to its variance.

    Maillard, Roncalli and Teiletche (2010). Parameters: see `MinimumVariance`.

    >>> RiskParity(TopBottom(5)).bars
    250
    """

    def shares(self, estimate: Estimate) -> np.ndarray:
        """See `_Optimised`."""
        from skfolio import optimization

        return _by_side(optimization.RiskBudgeting, estimate)


@dataclass(frozen=True)
class HierarchicalRiskParity(_Optimised):
    """The positions of another rule, each side divided down a tree of clusters by inverse variance.

    Lopez de Prado (2016), Building diversified portfolios that outperform out of sample. Parameters: see `MinimumVariance`.

    >>> HierarchicalRiskParity(TopBottom(5), bars=120).bars
    120
    """

    def shares(self, estimate: Estimate) -> np.ndarray:
        """See `_Optimised`."""
        from skfolio import optimization
        from skfolio.cluster import HierarchicalClustering

        # the tree alone is read: how many clusters to cut it into need not be searched
        tree = HierarchicalClustering(max_clusters=2)
        return _by_side(partial(optimization.HierarchicalRiskParity, hierarchical_clustering_estimator=tree), estimate)


def require_optimiser(rule: object) -> None:
    """Raise ConfigError where a rule, or one within it, needs skfolio and it is not installed."""
    while rule is not None:
        if isinstance(rule, _Optimised):
            require_skfolio()
        rule = getattr(rule, "rule", None)


def require_skfolio() -> None:
    """Raise ConfigError where skfolio is not installed."""
    try:
        import skfolio  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "skfolio is not installed",
            expected="the extra portfolio",
            remedy="Install it with: pip install 'candlecast[portfolio]'",
        ) from error


def _mean_risk(estimate: Estimate, utility: tuple[np.ndarray, float] | None) -> np.ndarray:
    """Shares of the least variance, or of the largest utility: expected returns (asset,) and the aversion to variance."""
    from skfolio.moments import LedoitWolf
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import EmpiricalPrior

    is_both = estimate.is_long.any() and not estimate.is_long.all()
    sums = np.where(estimate.is_long, 1.0, 0.0)
    settings: dict[str, Any] = {"max_weights": estimate.largest, "min_weights": 0.0}
    if is_both:  # what the longs add up to, and with the budget of 1 the shorts
        share = estimate.shares[0]
        settings |= {"left_inequality": np.stack([sums, -sums]), "right_inequality": np.array([share, -share])}
    if utility is None:
        model = MeanRisk(prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()), **settings)
    else:
        expected, aversion = utility
        model = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_aversion=aversion,
            prior_estimator=EmpiricalPrior(mu_estimator=_given(expected), covariance_estimator=LedoitWolf()),
            **settings,
        )
    return np.asarray(model.fit(estimate.returns).weights_)


def _by_side(make: Callable[..., Any], estimate: Estimate) -> np.ndarray:
    """Shares by an optimiser of skfolio that knows no shorts, of each side alone."""
    from skfolio.moments import LedoitWolf
    from skfolio.prior import EmpiricalPrior

    found = np.zeros(len(estimate.is_long))
    for own, share in zip((estimate.is_long, ~estimate.is_long), estimate.shares, strict=True):
        if own.sum() < 2:
            found[own] = share
            continue
        prior = EmpiricalPrior(covariance_estimator=LedoitWolf())
        model = make(prior_estimator=prior, max_weights=estimate.largest[own] / share)
        found[own] = share * np.asarray(model.fit(estimate.returns[:, own]).weights_)
    return found


def _given(expected: np.ndarray) -> Any:
    """An estimator of skfolio whose expected returns are these."""
    from skfolio.moments import BaseMu

    class Given(BaseMu):
        def __init__(self, expected: np.ndarray) -> None:
            self.expected = expected

        def fit(self, X: Any, y: Any = None, **parameters: Any) -> Any:
            self.mu_ = np.asarray(self.expected)
            return self

    return Given(expected)


def _returns_of(section: Section, scores: np.ndarray) -> np.ndarray:
    if section.returns is None or section.returns.shape != scores.shape:
        raise ConfigError(
            "the section has no returns",
            expected=f"the log returns of all assets, of shape {scores.shape}",
            remedy="Give Section(volatility, sectors, returns)",
        )
    return section.returns


def _counts(is_known: np.ndarray, bars: int) -> np.ndarray:
    """How many of the last `bars` rows are known, of each asset, (time, asset)."""
    sums = np.cumsum(is_known, axis=0, dtype=np.int64)
    sums[bars:] -= sums[:-bars].copy()
    return sums


def _expected(scores: np.ndarray) -> np.ndarray:
    """The scores of one moment less their mean, in standard deviations, (asset,); zeros where all are the same."""
    known = scores[np.isfinite(scores)]
    deviation = known.std() if len(known) else 0.0
    return (scores - known.mean()) / deviation if deviation > 0 else np.zeros(len(scores))


def _sized(aim: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Each side of `aim` divided by the sizes of its assets, (asset,); the mean for one without a size on that side."""
    found = np.zeros(len(aim))
    for sign in SIDES:
        own = np.sign(aim) == sign
        given = np.where(np.isfinite(sizes) & (sign * sizes >= 0), np.abs(sizes), 1.0)[own]
        total = float(given.sum())
        found[own] = aim[own] if total <= 0 else aim[own].sum() * given / total
    return found


def _unsolved(rule: object, row: int, why: str) -> ConfigError:
    return ConfigError(
        f"{type(rule).__name__} found no weights at moment {row:,} ({why[:200]})",
        expected="returns that an optimiser can read",
        remedy="Use more bars, a larger share of one asset (largest), or cc.VolatilityScaled",
    )
