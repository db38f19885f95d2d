"""The check of a feature: causal, warm-up long enough, values well formed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.compare import require_equal
from candlecast.causality.features import require_causal_everywhere, require_no_answers
from candlecast.causality.markets import other_futures
from candlecast.causality.warmup import require_warm
from candlecast.errors import ConfigError
from candlecast.features import Feature, across_of
from candlecast.panel import Panel
from candlecast.sources import synthetic_panel
from candlecast.testing.across import check_across
from candlecast.testing.markets import require_bars, synthetic_market


def check_feature(
    feature: Feature, candles: Candles | Sequence[Candles] | Panel | None = None, *, seed: int = 0
) -> None:
    """Raise unless the feature is causal and computed, its warm-up long enough and its values well formed.

    Causal: at several bars t the candles after t are cut off, then replaced by another path of prices and volumes; no
    value at or before t may change by a single bit. Computed from the candles, not looked up by date, price or row number:
    values stay equal when all dates move by 28 years, change little when all prices move by 0.01 %, belong to the same bars
    when the candles begin later, and are a function of the clock if they depend on no price. Warm-up: the feature is
    computed again on candles that begin later; from row `warmup` on, no value may differ from the first computation by more
    than 1e-3 standard deviations of its column. Without `candles`, a synthetic hourly market is used, in which every value
    after the warm-up must be defined as well. A feature across assets takes the candles of several assets, and is checked by
    `check_across`.

    Raises LookaheadError naming column, bar and movement; ConfigError for a short warm-up, naming one that would do, or
    for values of a wrong shape or type; NotEnoughDataError when `candles` are fewer than four warm-ups and 40 more.

    >>> from candlecast.features import feature
    >>> @feature(warmup=0)
    ... def share_of_high(candles):
    ...     return candles.close / candles.high.max()
    >>> check_feature(share_of_high)
    Traceback (most recent call last):
    candlecast.errors.LookaheadError: feature share_of_high, column share_of_high, moved from 0.9... to 0.9... at bar 0 ...
    """
    if not isinstance(candles, Candles | None) or across_of(feature) is not None:
        assets = synthetic_panel(6, 400, seed=seed).assets if candles is None else candles
        check_across(feature, assets if isinstance(assets, Panel) else list(assets), seed=seed)  # type: ignore[arg-type]
        return
    market = synthetic_market(4 * feature.warmup + 1_000, seed) if candles is None else candles
    require_bars(market, 4 * feature.warmup + 40, f"feature {feature.name} with a warm-up of {feature.warmup:,} bars")
    raw = np.asarray(feature.compute(market))
    if raw.dtype.kind not in "fiub":
        raise ConfigError(
            f"feature {feature.name} gave values of type {raw.dtype}",
            expected="numbers",
            remedy="Return a NumPy array of floats, NaN where there is no value",
        )
    values = feature(market)
    for bar, other in other_futures(market, feature.warmup, seed):
        require_equal(
            values[: bar + 1],
            feature(other)[: bar + 1],
            feature.columns,
            market,
            bar,
            subject=f"feature {feature.name}",
        )
    require_causal_everywhere(feature, market, values, seed)
    require_no_answers(feature, market, seed=seed)
    require_warm(feature, market, must_be_defined=candles is None)
