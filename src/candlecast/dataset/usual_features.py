"""`features_for`: the features of a walk on given candles, the standard ones where none are named."""

from __future__ import annotations

from candlecast.candles import Candles
from candlecast.features import Features, standard_features
from candlecast.targets import Target, Volatility, components


def features_for(features: Features | None, candles: Candles, target: Target) -> Features:
    """These features with the columns that they have on the candles; for None, the standard ones for interval and target.

    A volatility target has the calendar, the leverage effect and ranges of longer times among them, which explain much of its
    variance, and of returns next to none.
    """
    if features is None:
        is_volatility = any(isinstance(each, Volatility) for each in components(target))
        features = standard_features(candles.interval, of_volatility=is_volatility)
    return features.on(candles)
