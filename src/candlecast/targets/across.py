"""Targets across assets: what the return of each asset is worth among those of the same moment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features import Scaler, Standard, Unscaled
from candlecast.parameters import require_kinds, require_parameters
from candlecast.targets.target import Kind, require_horizon

ROUNDING = 1e-15  # of the mean of log returns
HALF = 0.5  # naive forecast where each asset is as likely in the upper half of the returns as in the lower


class AcrossTarget(ABC):
    """An outcome of each asset relative to the other assets at the same moment; for `PanelStudy`.

    `across` gives the outcomes of all assets from their log returns over the horizon, and `level` is the naive forecast:
    that of somebody to whom all assets are alike. `direction` is -1.0 where a high forecast means a low return.
    """

    horizon: int
    name: str
    kind: Kind = "value"
    scaling: Scaler = Standard()
    direction: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_horizon(self.horizon)

    @property
    @abstractmethod
    def level(self) -> float:
        """The naive forecast, the same for all assets."""

    @abstractmethod
    def across(self, returns: np.ndarray) -> np.ndarray:
        """Outcomes (time, asset) of log returns over the horizon (time, asset); NaN where an asset has none."""

    def values(self, candles: Candles) -> NoReturn:
        """Raises ConfigError: one asset has no cross-section."""
        raise self._alone(candles)

    def naive(self, candles: Candles) -> NoReturn:
        """Raises ConfigError: one asset has no cross-section."""
        raise self._alone(candles)

    def expected_return(self, forecast: np.ndarray, candles: Candles) -> np.ndarray:
        """NaN: a place among others implies no return."""
        return np.full(len(forecast), np.nan)

    def change(self, values: np.ndarray, naive: np.ndarray) -> np.ndarray:
        """Values less the naive forecast."""
        return values - naive

    def _alone(self, candles: Candles) -> ConfigError:
        return ConfigError(
            f"the target {self.name} compares assets, and {candles.symbol} is one asset",
            expected="several assets",
            remedy="Use cc.PanelStudy(model=..., target=...).run(assets), or a target of one asset such as cc.NextReturn()",
        )


class _ChanceTarget(AcrossTarget):
    """An outcome of 0 to 1 that is forecast as a chance; naive is 1/2."""

    kind: Kind = "probability"
    scaling: Scaler = Unscaled()

    @property
    def level(self) -> float:
        return HALF


@dataclass(frozen=True)
class AboveMedian(_ChanceTarget):
    """Whether the return over the next `horizon` bars is above the median of all assets, forecast as a chance.

    1 above the median of the moment, 0 below, 1/2 at it. Naive: 1/2. Fischer and Krauss (2018), section 3.2.

    >>> AboveMedian().across(np.array([[0.01, -0.02, 0.03, np.nan]])).tolist()
    [[0.5, 0.0, 1.0, nan]]
    """

    horizon: int = 1
    name: str = field(default="above_median", init=False)

    def across(self, returns: np.ndarray) -> np.ndarray:
        return HALF + HALF * np.sign(returns - _by_row(np.nanmedian, returns))


@dataclass(frozen=True)
class AboveMean(_ChanceTarget):
    """Whether the return over the next `horizon` bars is above the mean of all assets, forecast as a chance; naive: 1/2.

    >>> AboveMean().across(np.array([[0.01, -0.02, 0.04]])).tolist()
    [[0.5, 0.0, 1.0]]
    """

    horizon: int = 1
    name: str = field(default="above_mean", init=False)

    def across(self, returns: np.ndarray) -> np.ndarray:
        distance = returns - _by_row(np.nanmean, returns)
        return HALF + HALF * np.sign(np.where(np.abs(distance) <= ROUNDING, 0.0, distance))


@dataclass(frozen=True)
class RelativeReturn(AcrossTarget):
    """Log return over the next `horizon` bars less the median or mean of all assets; naive: 0.

    >>> RelativeReturn(reference="mean").across(np.array([[0.0, 1.0, 5.0]])).tolist()
    [[-2.0, -1.0, 3.0]]
    """

    horizon: int = 1
    reference: Literal["median", "mean"] = "median"
    name: str = field(default="relative_return", init=False)

    @property
    def level(self) -> float:
        return 0.0

    def across(self, returns: np.ndarray) -> np.ndarray:
        return returns - _by_row(np.nanmedian if self.reference == "median" else np.nanmean, returns)


@dataclass(frozen=True)
class CrossSectionRank(AcrossTarget):
    """Rank of the return over the next `horizon` bars among all assets, from 0 (lowest) to 1; naive: 1/2.

    (rank - 1) / (assets - 1); equal returns share their mean rank.

    >>> CrossSectionRank().across(np.array([[0.3, 0.1, np.nan, 0.2]])).tolist()
    [[1.0, 0.0, nan, 0.5]]
    """

    horizon: int = 1
    name: str = field(default="cross_section_rank", init=False)

    @property
    def level(self) -> float:
        return HALF

    def across(self, returns: np.ndarray) -> np.ndarray:
        return rank_shares(returns)


@dataclass(frozen=True)
class _QuantileTarget(_ChanceTarget):
    """Whether the return is in an outer `share` of all assets, the highest or, with a `direction` of -1, the lowest."""

    share: float = 0.2
    horizon: int = 1

    def __post_init__(self) -> None:
        AcrossTarget.__post_init__(self)
        require_parameters(self, {"share": (0.0 < self.share <= 0.5, "a share in (0, 0.5]")})

    @property
    def level(self) -> float:
        return self.share

    def across(self, returns: np.ndarray) -> np.ndarray:
        found = (rank_shares(self.direction * returns) >= 1.0 - self.share).astype(np.float64)
        return np.where(np.isfinite(returns), found, np.nan)


@dataclass(frozen=True)
class TopQuantile(_QuantileTarget):
    """Whether the return over the next `horizon` bars is in the highest `share` of all assets; naive: that share.

    >>> TopQuantile(share=0.5).across(np.array([[0.3, 0.1, 0.4, 0.2]])).tolist()
    [[1.0, 0.0, 1.0, 0.0]]
    """

    name: str = field(default="top_quantile", init=False)


@dataclass(frozen=True)
class BottomQuantile(_QuantileTarget):
    """Whether the return over the next `horizon` bars is in the lowest `share` of all assets; naive: that share.

    A rule sells what has a high forecast.

    >>> BottomQuantile(share=0.25).across(np.array([[0.3, 0.1, 0.4, 0.2]])).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """

    name: str = field(default="bottom_quantile", init=False)
    direction: ClassVar[float] = -1.0


def rank_shares(values: np.ndarray) -> np.ndarray:
    """Ranks within each row (time, asset), from 0 to 1; NaN where undefined, 1/2 where a row holds one value only.

    >>> rank_shares(np.array([[5.0, 2.0, 5.0]])).tolist()
    [[0.75, 0.0, 0.75]]
    """
    order = np.sort(values, axis=1)  # NaN last
    found = np.full(values.shape, np.nan)
    for row, (own, ordered) in enumerate(zip(values, order, strict=True)):
        known = int(np.isfinite(ordered).sum())
        if not known:
            continue
        below = np.searchsorted(ordered[:known], own, side="left")
        upto = np.searchsorted(ordered[:known], own, side="right")
        rank = 0.5 * (below + upto - 1)
        found[row] = rank / (known - 1) if known > 1 else HALF
    return np.where(np.isfinite(values), found, np.nan)


def _by_row(statistic: Callable[..., Any], values: np.ndarray) -> np.ndarray:
    """A median or mean over the defined values of each row, (time, 1); NaN for a row without any."""
    found = np.full((len(values), 1), np.nan)
    is_known = np.isfinite(values).any(axis=1)
    found[is_known, 0] = statistic(values[is_known], axis=1)
    return found
