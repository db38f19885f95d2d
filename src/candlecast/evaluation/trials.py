"""`trial_of`: what the ledger keeps of a backtested study, and of its baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.interval import Interval
from candlecast.ledger import Searched, Trial
from candlecast.ledger.profile import profile_of
from candlecast.recipes import describe

NO_CHOICE = ("baselines", "type")  # parts of a recipe that do not decide what was forecast and traded


def trial_of(
    result: BacktestResult,
    recipe: Mapping[str, Any],
    *,
    data: str,
    symbol: str,
    interval: Interval,
    model: str,
    target: str,
    skills: tuple[np.ndarray, np.ndarray],
    searches: Sequence[Searched] = (),
) -> Trial:
    """The trial of a study: its net returns, by data, choices and code.

    data: digest of the candles. target: its label. skills: times and skill of the forecast at each; see `ledger.profile_of`.
    searches: hyper-parameters that were tried inside training parts.
    """
    from candlecast import __version__

    times = result.equity["time"].dt.replace_time_zone(None).to_numpy()[1:]
    return Trial(
        data=data,
        study={name: value for name, value in recipe.items() if name not in NO_CHOICE},
        code=__version__,
        symbol=symbol,
        interval=str(interval),
        model=model,
        bars_per_year=result.bars_per_year,
        times=times,
        returns=result.returns,
        searches=tuple(searches),
        target=target,
        profile=profile_of(
            times,
            result.returns,
            step=interval.microseconds,
            benchmark=result.benchmark_returns,
            skills=skills,
        ),
    )


def trial_of_baseline(result: Any, baseline: Any) -> Trial:
    """The trial of one of the baselines of a result, of one asset or of a panel, as if it had been the studied model."""
    return replace(result, model=baseline.name, recipe=result.recipe | {"model": describe(baseline)}).trial
