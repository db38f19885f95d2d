"""Features across assets: what the value of each asset is among those of the same moment.

The statistic of a moment is taken over the members of the universe at that moment, and every asset with a value is compared
with it. Nothing later is read: a function of one row of values cannot see another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features.feature import Feature, open_feature

OneMoment = Callable[[np.ndarray], np.ndarray]
ACROSS = ("cross_rank", "cross_zscore", "cross_relative", "sector_mean", "sector_relative", "across")


@dataclass(frozen=True)
class Across:
    """The computation of a feature across assets: `inner` of each asset, then the one of `how` over all of a moment.

    `function` is that of `across`, None for those of candlecast.
    """

    how: str
    inner: Feature
    function: OneMoment | None = None

    def __call__(self, candles: Candles) -> NoReturn:
        """Raises ConfigError: one asset has no cross-section."""
        raise ConfigError(
            f"{self.how} of {self.inner.name} compares assets, and {candles.symbol} is one asset",
            expected="several assets",
            remedy="Use cc.PanelStudy(model=..., features=...).run(assets)",
        )

    def over(self, values: np.ndarray, is_member: np.ndarray, sectors: np.ndarray) -> np.ndarray:
        """Values across assets, (time, asset), NaN where the asset has none.

        Args:
            values: those of `inner`, (time, asset), NaN where an asset has none.
            is_member: whether an asset counts in the statistics of the moment, (time, asset).
            sectors: number of each asset's sector, int64 (asset,).
        """
        counted = np.where(is_member, values, np.nan)
        if self.function is not None:
            return self._of_user(counted)
        return HOW[self.how](values, counted, sectors)

    def _of_user(self, counted: np.ndarray) -> np.ndarray:
        """A user's function over the members of each moment. Raises ConfigError for anything but a number for each."""
        assert self.function is not None
        found = np.full(counted.shape, np.nan)
        for row, own in enumerate(counted):
            places = np.flatnonzero(np.isfinite(own))
            if not len(places):
                continue
            given = own[places]
            given.flags.writeable = False
            made = np.asarray(self.function(given))
            if made.shape != given.shape or made.dtype.kind not in "fiub":
                raise ConfigError(
                    f"the function of {self.inner.name} across assets gave {made.dtype} of shape {made.shape} for "
                    f"{len(given)} assets",
                    expected="one real number for each asset",
                    remedy="Return an array as long as the one given, NaN where there is no value",
                )
            found[row, places] = made
        return found


def cross_rank(feature: Feature) -> Feature:
    """Rank of a feature among all assets at the moment, from -1 (lowest) to 1.

    2 s - 1, s the share of members with a lower value, ties counted half.

    >>> from candlecast.features import log_return
    >>> cross_rank(log_return(20)).name
    'log_return_20_rank'
    """
    return _made("cross_rank", feature, "rank")


def cross_zscore(feature: Feature) -> Feature:
    """A feature less its mean over all assets at the moment, in standard deviations over the assets (n - 1).

    Undefined at moments with fewer than two members or without spread.
    """
    return _made("cross_zscore", feature, "zscore")


def cross_relative(feature: Feature) -> Feature:
    """A feature less its mean over all assets at the moment: of `log_return(1)`, the return relative to the market."""
    return _made("cross_relative", feature, "relative")


def sector_mean(feature: Feature) -> Feature:
    """Mean of a feature over the assets of the same sector at the moment; the sectors are those of the `Universe`."""
    return _made("sector_mean", feature, "sector_mean")


def sector_relative(feature: Feature) -> Feature:
    """A feature less its mean over the assets of the same sector at the moment; see `sector_mean`."""
    return _made("sector_relative", feature, "sector_relative")


def across(function: OneMoment, feature: Feature) -> Feature:
    """A feature of yours across assets: `function` of the values of all members at one moment, (asset,) -> (asset,).

    It is called once for each moment with the defined values of that moment alone, so that it cannot look ahead; it must keep
    nothing between calls, which is checked.

    >>> from candlecast.features import log_return
    >>> across(lambda values: values - np.median(values), log_return(5)).columns
    ('log_return_5_across',)
    """
    if not callable(function):
        raise ConfigError(
            f"function is {function!r}",
            expected="a function of an array (asset,)",
            remedy="Use for example across(lambda values: values - np.median(values), cc.log_return())",
        )
    return _made("across", feature, getattr(function, "__name__", "across").replace("<lambda>", "across"), function)


def across_of(feature: Feature) -> Across | None:
    """The computation across assets of a feature; None for one of an asset alone."""
    return feature.compute if isinstance(feature.compute, Across) else None


def _made(how: str, feature: object, suffix: str, function: OneMoment | None = None) -> Feature:
    if not isinstance(feature, Feature):
        raise ConfigError(
            f"{how} is given {type(feature).__name__} for a feature",
            expected="a feature, such as cc.log_return(20)",
            remedy=f"Use for example {how}(cc.log_return(20))",
        )
    if feature.resolve is not None:
        found = open_feature(
            f"{feature.name}_{suffix}", lambda candles: _made(how, feature.on(candles), suffix, function)
        )
        return replace(found, scaling=feature.scaling)
    parameters: Mapping[str, object] = {"feature": feature}
    parameters = {**parameters, "function": function} if function is not None else parameters
    compute = Across(how, feature, function)
    return Feature(
        how, compute, feature.warmup, parameters, feature.outputs, feature.scaling, label=f"{feature.name}_{suffix}"
    )


def _rank(values: np.ndarray, counted: np.ndarray, sectors: np.ndarray) -> np.ndarray:
    found = np.full(values.shape, np.nan)
    ordered = np.sort(counted, axis=1)
    for row, (own, members) in enumerate(zip(values, ordered, strict=True)):
        known = int(np.isfinite(members).sum())
        if known > 1:
            below = np.searchsorted(members[:known], own, side="left")
            upto = np.searchsorted(members[:known], own, side="right")
            found[row] = (below + upto) / known - 1.0
    return np.where(np.isfinite(values), found, np.nan)


def _zscore(values: np.ndarray, counted: np.ndarray, sectors: np.ndarray) -> np.ndarray:
    mean, members = _mean(counted)
    square = np.nansum((counted - mean) ** 2, axis=1, keepdims=True)
    spread = np.sqrt(square / np.maximum(members - 1, 1))
    is_spread = (members > 1) & (spread > 0)
    return np.divide(values - mean, spread, out=np.full(values.shape, np.nan), where=is_spread & np.isfinite(values))


def _relative(values: np.ndarray, counted: np.ndarray, sectors: np.ndarray) -> np.ndarray:
    return values - _mean(counted)[0]


def _sector_mean(values: np.ndarray, counted: np.ndarray, sectors: np.ndarray) -> np.ndarray:
    found = np.full(values.shape, np.nan)
    for sector in np.unique(sectors):
        own = sectors == sector
        found[:, own] = _mean(counted[:, own])[0]
    return np.where(np.isfinite(values), found, np.nan)


def _sector_relative(values: np.ndarray, counted: np.ndarray, sectors: np.ndarray) -> np.ndarray:
    return values - _sector_mean(values, counted, sectors)


def _mean(counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the defined values of each row, NaN where there is none, and their number; both (time, 1)."""
    members = np.isfinite(counted).sum(axis=1, keepdims=True)
    total = np.nansum(counted, axis=1, keepdims=True)
    return np.divide(total, members, out=np.full(total.shape, np.nan), where=members > 0), members


HOW: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "cross_rank": _rank,
    "cross_zscore": _zscore,
    "cross_relative": _relative,
    "sector_mean": _sector_mean,
    "sector_relative": _sector_relative,
}
