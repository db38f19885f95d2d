"""All slips, by package."""

from __future__ import annotations

from . import (
    backtesting,
    candles,
    causality,
    cli,
    evaluation,
    fleet,
    models,
    report,
    runs,
    safety,
    signals,
    sources,
    walks,
)

SLIPS = [
    slip
    for part in (
        evaluation, causality, walks, signals, backtesting, report, runs, cli, sources, candles, fleet, models, safety,
    )
    for slip in part.SLIPS
]  # fmt: skip
