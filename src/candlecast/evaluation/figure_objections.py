"""Objections to figures that no forecast of a market has: better than any, or in other units than the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.objection import Objection
from candlecast.stats import track_record
from candlecast.stats.confidence import TrackRecord
from candlecast.targets import AcrossTarget, Target
from candlecast.text.formatting import number, percent

HIGHEST_R2, HIGHEST_HIT_RATE = 0.5, 0.75  # of returns out of sample; liquid markets show 1 % and 55 %
LOWEST_R2 = -4.0  # five times the squared error of naive; the last return as the next one has twice
HIGHEST_SHARPE = 0.6  # per bar, after costs; that of a forecast with the other two is 0.7 before costs
HIGHEST_SHARPE_OF_MANY = 1.0  # the same of panels; nine assets with a rank IC of 0.2 give 0.62
HIGHEST_YEARLY, HIGHEST_YEARLY_OF_MANY = 10.0, 20.0  # a year, with a confidence of 95 %, on bars of any length
MIN_MOVES = 100  # that a hit rate or a Sharpe ratio is taken of
SURE = 1.645  # standard errors below the ratio
SIGNED = (
    "return",
    "price",
    "direction",
    "scaled_return",
    "excess_return",
)  # targets that name the side of the next move


def of_figures(row: dict[str, Any], result: BacktestResult, target: Target) -> list[Objection | None]:
    """The objections to a row of the accuracy table, and to the Sharpe ratio of the account."""
    return [_implausible(row, result, target), _oversized(row)]


def _implausible(row: dict[str, Any], result: BacktestResult, target: Target) -> Objection | None:
    """Figures better than any market gives point to leakage; so does a portfolio of many assets."""
    is_signed = target.name in SIGNED
    figures = []
    if is_signed and row["r2"] is not None and row["r2"] > HIGHEST_R2:
        figures.append(f"an R2 of {percent(row['r2'], 0)}")
    hits = row["hit_rate"]
    is_next = is_signed and target.horizon == 1
    if is_next and hits is not None and hits > HIGHEST_HIT_RATE and row["observations"] >= MIN_MOVES:
        figures.append(f"a hit rate of {percent(hits, 0)}")
    record = track_record(result.returns_until_ruin)
    of_many = HIGHEST_SHARPE_OF_MANY if isinstance(target, AcrossTarget) else math.inf
    highest = HIGHEST_SHARPE if is_signed else of_many
    if record.observations >= MIN_MOVES and record.sharpe > highest:
        figures.append(_sharpe_words(record, result))
    return _too_good(figures)


def of_yearly_sharpe(result: BacktestResult, target: Target) -> Objection | None:
    """A Sharpe ratio that is surely higher a year than any market gives, on bars of any length."""
    of_many = HIGHEST_YEARLY_OF_MANY if isinstance(target, AcrossTarget) else math.inf
    highest = HIGHEST_YEARLY if target.name in SIGNED else of_many
    record = track_record(result.returns_until_ruin)
    surely = (record.sharpe - SURE * math.sqrt(record.variance)) * math.sqrt(result.bars_per_year)
    return _too_good([_sharpe_words(record, result)] if record.observations >= MIN_MOVES and surely > highest else [])


def _sharpe_words(record: TrackRecord, result: BacktestResult) -> str:
    return f"a Sharpe ratio of {number(record.sharpe * math.sqrt(result.bars_per_year), 1)} a year"


def _too_good(figures: Sequence[str]) -> Objection | None:
    """The objection to figures that no market gives; None without any."""
    if not figures:
        return None
    return Objection(
        "No verdict: the result is better than any market gives. Does a feature, the target or the model see the future?",
        f"{' and '.join(figures)} out of sample is a sign of leakage until it is explained; check features with "
        "candlecast.testing.check_feature, and look for prices that were filled in or come from later",
        is_of_forecast=True,
    )


def _oversized(row: dict[str, Any]) -> Objection | None:
    """A forecast far off in size is a signal in other units, and its tests of comparison with naive say nothing."""
    if row["r2"] is None or not row["r2"] < LOWEST_R2:
        return None
    return Objection(
        "No verdict: the forecasts are not in the units of the target.",
        f"their squared error is {number(1 - row['r2'], 0)} times that of naive (R2 out of sample {percent(row['r2'], 0)}), so "
        "they are no forecasts of it; return forecasts in the units of the target, and let the rule decide the size",
        is_of_forecast=True,
    )
