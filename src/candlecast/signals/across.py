"""Rules across assets: the scores of all assets at each moment in, the fraction of equity to hold of each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from candlecast.errors import ConfigError, LookaheadError
from candlecast.parameters import is_whole, require_kinds, require_parameters

HIGHEST_GROSS = 10.0  # times equity
OWN = "candlecast.signals."  # modules of the rules that need no check
WORK, LEAST_MOMENTS, MOST_MOMENTS = (
    2_000_000,
    3,
    24,
)  # of each kind in the check of a rule: so many scores are read anew


@dataclass(frozen=True, eq=False)
class Section:
    """What a rule across assets knows beside the scores.

    volatility: standard deviation of the log return a bar over the `VOLATILITY_BARS` bars up to each close, (time, asset), NaN
        where it is not known; sectors: number of each asset's sector, int64 (asset,); returns: log return of the bar that ends at
        each close, (time, asset), NaN where there is none; None where no rule needs them.
    """

    volatility: np.ndarray
    sectors: np.ndarray
    returns: np.ndarray | None = None

    VOLATILITY_BARS = 60

    def until(self, row: int) -> Section:
        """What is known at the moments before `row`."""
        return Section(self.volatility[:row], self.sectors, None if self.returns is None else self.returns[:row])

    def of(self, assets: np.ndarray) -> Section:
        """What is known of some assets, bool (asset,)."""
        returns = None if self.returns is None else self.returns[:, assets]
        return Section(self.volatility[:, assets], self.sectors[assets], returns)


@runtime_checkable
class RuleAcross(Protocol):
    """Turns the scores of all assets into what to hold of each, moment by moment."""

    @property
    def gross(self) -> float:
        """The most that longs and shorts add up to, times equity."""
        ...

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """What to hold.

        Args:
            scores: what is forecast of each asset, higher for a higher return, (time, asset); NaN where an asset is no member
                of the universe, or is not forecast.
            section: volatilities, sectors and returns.

        Returns:
            Fractions of equity, (time, asset), of which the sizes at each moment add up to `gross` at most. Row t may use rows
            up to t.
        """
        ...


class _Momentary(ABC):
    """A rule that decides each moment by itself."""

    gross: float

    def __post_init__(self) -> None:
        require_kinds(self)
        _require_gross(self, self.gross)

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """Fractions of equity, (time, asset); see `RuleAcross`."""
        found = np.zeros(scores.shape)
        for row, own in enumerate(scores):
            places = np.flatnonzero(np.isfinite(own))
            if len(places):
                found[row, places] = self.moment(own[places])
        return found

    @abstractmethod
    def moment(self, scores: np.ndarray) -> np.ndarray:
        """Fractions of equity for the scores of one moment, (asset,), all defined."""


@dataclass(frozen=True)
class TopBottom(_Momentary):
    """Long the `k` highest scores and short the `k` lowest, all of equal size; `long_only` holds the longs alone.

    Longs and shorts are `gross` / 2 each, or the longs `gross`. Where fewer than 2 k assets have a score, half of them are held
    on each side. Equal scores are taken in the order of the assets. Fischer and Krauss (2018), section 3.5.

    >>> TopBottom(1).moment(np.array([0.1, 0.9, 0.5])).tolist()
    [-0.5, 0.5, 0.0]
    """

    k: int = 10
    gross: float = 1.0
    long_only: bool = False

    def __post_init__(self) -> None:
        _Momentary.__post_init__(self)
        require_parameters(self, {"k": (is_whole(self.k), "a whole number of assets, 1 or more")})

    def moment(self, scores: np.ndarray) -> np.ndarray:
        return _legs(scores, self.k, self.gross, long_only=self.long_only)


@dataclass(frozen=True)
class QuantileSpread(_Momentary):
    """Long the highest of `quantiles` equal groups of scores and short the lowest; otherwise as `TopBottom`.

    >>> QuantileSpread(2).moment(np.array([4.0, 3.0, 2.0, 1.0])).tolist()
    [0.25, 0.25, -0.25, -0.25]
    """

    quantiles: int = 5
    gross: float = 1.0
    long_only: bool = False

    def __post_init__(self) -> None:
        _Momentary.__post_init__(self)
        require_parameters(self, {"quantiles": (is_whole(self.quantiles, 2), "a whole number of groups, 2 or more")})

    def moment(self, scores: np.ndarray) -> np.ndarray:
        return _legs(scores, max(len(scores) // self.quantiles, 1), self.gross, long_only=self.long_only)


@dataclass(frozen=True)
class RankWeights(_Momentary):
    """Hold in proportion to the rank of the score less the mean rank: every asset, the extremes most.

    >>> RankWeights().moment(np.array([1.0, 5.0, 9.0])).tolist()
    [-0.5, 0.0, 0.5]
    """

    gross: float = 1.0

    def moment(self, scores: np.ndarray) -> np.ndarray:
        ranks = _ranks(scores)
        return _scaled(ranks - ranks.mean(), self.gross)


@dataclass(frozen=True)
class EqualWeight(_Momentary):
    """Long every asset with a score, all of equal size: holding the universe."""

    gross: float = 1.0

    def moment(self, scores: np.ndarray) -> np.ndarray:
        return np.full(len(scores), self.gross / len(scores))


@dataclass(frozen=True)
class VolatilityScaled:
    """The positions of another rule divided by the volatility of their asset; longs and shorts add up to what they were.

    An asset without a known volatility is not held.
    """

    rule: RuleAcross = field(default_factory=TopBottom)

    def __post_init__(self) -> None:
        require_rule_across(self.rule)

    @property
    def gross(self) -> float:
        """As the rule's."""
        return self.rule.gross

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """Fractions of equity, (time, asset); see `RuleAcross`."""
        held = self.rule.weights(np.where(section.volatility > 0, scores, np.nan), section)
        inverse = np.divide(1.0, section.volatility, out=np.zeros(held.shape), where=section.volatility > 0)
        found = np.zeros(held.shape)
        for sign in (1.0, -1.0):
            leg = np.maximum(sign * held, 0.0)
            sized = leg * inverse
            total = sized.sum(axis=1, keepdims=True)
            share = np.divide(leg.sum(axis=1, keepdims=True), total, out=np.zeros(total.shape), where=total > 0)
            found += sign * sized * share
        return found


@dataclass(frozen=True)
class SectorNeutral:
    """Another rule within each sector: the scores of a moment are compared with those of the same sector alone.

    Each sector with two or more scores has the same part of `gross`. Sectors are those of the `Universe`.
    """

    rule: RuleAcross = field(default_factory=lambda: QuantileSpread(3))

    def __post_init__(self) -> None:
        require_rule_across(self.rule)

    @property
    def gross(self) -> float:
        """As the rule's."""
        return self.rule.gross

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """Fractions of equity, (time, asset); see `RuleAcross`."""
        found, used = np.zeros(scores.shape), np.zeros((len(scores), 1))
        for sector in np.unique(section.sectors):
            own = section.sectors == sector
            part = scores[:, own]
            is_enough = (np.isfinite(part).sum(axis=1) > 1)[:, None]
            found[:, own] = self.rule.weights(np.where(is_enough, part, np.nan), section.of(own))
            used += is_enough
        return found / np.maximum(used, 1.0)


@dataclass(frozen=True)
class TurnoverLimited:
    """The positions of another rule, approached by trading no more than `most` times equity at a moment.

    A change smaller than `band` is not traded. The remaining changes are all cut by the same factor where they add up to more
    than `most`. An asset without a score is closed at once, and counts first. Changes are those of the wanted fractions; what
    prices do to them is not considered. Garleanu and Pedersen (2013) on trading partially towards the aim.

    >>> rule = TurnoverLimited(TopBottom(1), most=0.5)
    >>> rule.weights(np.array([[1.0, 0.0], [1.0, 0.0]]), Section(np.ones((2, 2)), np.zeros(2, np.int64))).tolist()
    [[0.25, -0.25], [0.5, -0.5]]
    """

    rule: RuleAcross = field(default_factory=TopBottom)
    most: float = 0.2
    band: float = 0.0

    def __post_init__(self) -> None:
        require_rule_across(self.rule)
        require_kinds(self)
        require_parameters(
            self,
            {
                "most": (self.most > 0, "a fraction of equity above 0"),
                "band": (0 <= self.band < 1, "a fraction of equity in [0, 1)"),
            },
        )

    @property
    def gross(self) -> float:
        """As the rule's."""
        return self.rule.gross

    def weights(self, scores: np.ndarray, section: Section) -> np.ndarray:
        """Fractions of equity, (time, asset); see `RuleAcross`."""
        wanted = self.rule.weights(scores, section)
        is_scored = np.isfinite(scores)
        found, held = np.empty(wanted.shape), np.zeros(wanted.shape[1])
        for row, aim in enumerate(wanted):
            closed = np.where(is_scored[row], held, 0.0)
            left = max(self.most - float(np.abs(held - closed).sum()), 0.0)
            change = aim - closed
            change[np.abs(change) < self.band] = 0.0
            size = float(np.abs(change).sum())
            held = closed + change * (min(left / size, 1.0) if size > 0 else 0.0)
            gross = float(np.abs(held).sum())
            held = held * (min(self.gross / gross, 1.0) if gross > 0 else 1.0)
            found[row] = held
        return found


def require_rule_across(rule: object) -> None:
    """Raise ConfigError for what is no rule across assets: a rule of one asset, or a class."""
    if isinstance(rule, type) or not isinstance(rule, RuleAcross):
        raise ConfigError(
            f"rule is {rule!r}",
            expected="a rule across assets, with gross and weights(scores, section)",
            remedy="Use for example cc.TopBottom(10), or cc.QuantileSpread(5)",
        )


def weights_of(rule: RuleAcross, scores: np.ndarray, section: Section) -> np.ndarray:
    """What a rule holds, (time, asset), once it is well formed and decided by what was known.

    From some moments on the scores and volatilities are taken away: no earlier row may move. Raises ConfigError,
    LookaheadError.
    """
    name = type(rule).__name__
    found = _checked(rule, rule.weights(scores.copy(), section), scores)
    for row in () if is_own_across(rule) else _moments(scores, found):
        before = np.asarray(rule.weights(scores[:row].copy(), section.until(row)), np.float64)
        if before.shape != found[:row].shape or not np.allclose(before, found[:row], rtol=1e-9, atol=1e-12):
            raise LookaheadError(
                f"the weights of rule {name} before moment {row:,} are others when the later scores are taken away",
                expected="weights that follow from scores up to their moment",
                remedy="Use only earlier rows: no mean, rank or range of all rows",
            )
    return found


def _moments(scores: np.ndarray, weights: np.ndarray) -> list[int]:
    """Moments from which on scores are taken away: after unusual scores and changes of weights, and spread ones; fewer of large
    panels, whose weights take long.
    """
    count = int(np.clip(WORK / max(scores.size, 1), LEAST_MOMENTS, MOST_MOMENTS))
    changes = np.abs(np.diff(weights, axis=0, prepend=0.0)).sum(axis=1)
    sizes = np.abs(np.nan_to_num(scores)).max(axis=1, initial=0.0)
    unusual = [np.argsort(-each, kind="stable")[:count] + 1 for each in (changes, sizes)]
    rows = np.unique(np.concatenate([*unusual, np.linspace(1, len(scores) - 1, count).astype(np.int64)]))
    return rows[(rows > 0) & (rows < len(scores))].tolist()


def is_own_across(rule: object) -> bool:
    """Whether a rule, and the rule within it, is one of candlecast's."""
    within = getattr(rule, "rule", None)
    return type(rule).__module__.startswith(OWN) and (within is None or is_own_across(within))


def _checked(rule: RuleAcross, found: object, scores: np.ndarray) -> np.ndarray:
    weights, name = np.asarray(found, np.float64), type(rule).__name__
    if weights.shape != scores.shape or not np.isfinite(weights).all():
        raise ConfigError(
            f"rule {name} gave weights of shape {weights.shape}"
            + ("" if weights.shape != scores.shape else " with undefined values"),
            expected=f"finite fractions of equity of shape {scores.shape}",
            remedy="Return 0.0 where nothing is held",
        )
    gross = np.abs(weights).sum(axis=1)
    if len(gross) and gross.max() > rule.gross * (1 + 1e-9):
        row = int(gross.argmax())
        raise ConfigError(
            f"the weights of rule {name} at moment {row:,} add up to {gross[row]:.4g} times equity",
            expected=f"its gross of {rule.gross:g} or less",
            remedy="Divide them, or give the rule a larger gross",
        )
    return weights


def _legs(scores: np.ndarray, k: int, gross: float, *, long_only: bool) -> np.ndarray:
    """The k highest scores long and the k lowest short, (asset,)."""
    found, order = np.zeros(len(scores)), np.argsort(-scores, kind="stable")
    if len(scores) < 2 or np.ptp(scores) == 0:  # nothing to tell the assets apart by
        return found
    k = min(k, len(scores) // 2)
    found[order[:k]] = (gross if long_only else 0.5 * gross) / k
    if not long_only:
        found[order[-k:]] = -0.5 * gross / k
    return found


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each score, ties sharing their mean rank, (asset,)."""
    ordered = np.sort(scores)
    return 0.5 * (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right"))


def _scaled(values: np.ndarray, gross: float) -> np.ndarray:
    """Values whose sizes add up to `gross`; zeros where there is nothing to scale."""
    total = float(np.abs(values).sum())
    return values * (gross / total) if total > 0 else np.zeros(len(values))


def _require_gross(rule: object, gross: float) -> None:
    require_parameters(rule, {"gross": (0 < gross <= HIGHEST_GROSS, f"a number in (0, {HIGHEST_GROSS:g}]")})
