"""The check of a feature across assets: values of a moment do not move when all assets change after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from candlecast.causality.compare import require_equal
from candlecast.causality.markets import another_path
from candlecast.errors import ConfigError
from candlecast.features import Feature, Features, across_of
from candlecast.panel import Panel
from candlecast.panel.samples import panel_inputs

MOMENTS = (0.4, 0.7, 0.95)  # of the panel, after which all assets go on along other paths


def check_across(feature: Feature, assets: Sequence[Any] | Panel, *, seed: int = 0) -> None:
    """Raise unless a feature across assets is computed from its moment and earlier ones alone.

    The feature within it is checked as every walk checks it. At several moments all assets go on along other paths: no value
    at or before the moment may change by a single bit, of any asset. A function of yours has to give the same moment the
    same values in whatever order it is called.

    Raises LookaheadError naming column, bar and movement, ConfigError for a feature of one asset.

    >>> from candlecast.features import cross_rank, log_return
    >>> from candlecast.sources import synthetic_panel
    >>> check_across(cross_rank(log_return(5)), synthetic_panel(5, 300, seed=0).assets)
    """
    panel = Panel.of(list(assets) if isinstance(assets, Sequence) else assets)
    if across_of(feature.on(panel.assets[0])) is None:
        raise ConfigError(
            f"{feature.name} is a feature of one asset",
            expected="a feature across assets, such as cross_rank(...)",
            remedy="Use check_feature",
        )
    features, generator = Features(feature), np.random.default_rng(seed)
    before = panel_inputs(panel, features)
    for share in MOMENTS:
        time = panel.times[int(share * (len(panel) - 1))]
        bars = [int(np.searchsorted(each.close_time, time, side="right")) - 1 for each in panel.assets]
        others = tuple(
            another_path(each, bar, generator) if 0 <= bar < len(each) - 1 else each
            for each, bar in zip(panel.assets, bars, strict=True)
        )
        after = panel_inputs(Panel(others, panel.universe, panel.times, panel.bars), features)
        for each, bar, one, two in zip(panel.assets, bars, before, after, strict=True):
            require_equal(
                one[: bar + 1],
                two[: bar + 1],
                features.on(each).columns,
                each,
                bar,
                subject=f"feature {feature.name} of {each.symbol}",
            )
