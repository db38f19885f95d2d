"""A study of prices that nobody could have traded at: it gains, and the verdict refuses the gain for its prices."""

from __future__ import annotations

import candlecast as cc
from candlecast.evaluation.verdict import Verdict
from candlecast.features import Feature
from candlecast.ledger import Ledger


def refused_prices(candles: cc.Candles, *features: Feature, cost_bps: float) -> Verdict:
    """The verdict of a regression on these features, which gains and is refused."""
    study = cc.Study(
        model=cc.Ridge(alpha=0.01),
        features=cc.Features(*features),
        costs=cc.Costs(fee_bps=cost_bps, slippage_bps=0),
        baselines=(cc.Naive(),),
        seeds=1,
    )
    verdict = study.run(candles, ledger=Ledger.in_memory()).verdict
    assert verdict.evidence.is_significant and not verdict.has_edge
    assert verdict.headline == "No edge found: orders were filled at prices that nobody could have traded at."
    return verdict
