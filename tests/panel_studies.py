"""A study of a panel that is quick to run: least squares on one bar, one fold, one seed, no baselines."""

from __future__ import annotations

from typing import Any

import candlecast as cc
from candlecast.features import Feature


def quick_study(*features: Feature, fee_bps: float = 0.1, folds: int = 1, **parts: Any) -> cc.PanelStudy:
    """The study on these features, or on the return relative to the others; `parts` as of `PanelStudy`."""
    usual: dict[str, Any] = {
        "model": cc.LinearRegression(window=1),
        "target": cc.RelativeReturn(),
        "rule": cc.TopBottom(2),
        "baselines": (),
        "seeds": 1,
    }
    return cc.PanelStudy(
        features=cc.Features(*(features or (cc.cross_relative(cc.log_return()),))),
        folds=cc.WalkForward(folds=folds),
        costs=cc.Costs(fee_bps=fee_bps, slippage_bps=0),
        **(usual | parts),
    )
