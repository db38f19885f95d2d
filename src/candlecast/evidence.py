"""The numbers that a verdict rests on: tests of the forecast and of the account, paid for by the trials made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.stats import (
    TrackRecord,
    bootstrap_p_value,
    deflated_sharpe,
    detectable_r2,
    detectable_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    sharpe_difference,
    track_record,
)
from candlecast.tally import Tally


@dataclass(frozen=True)
class Evidence:
    """What the tests say. Undefined values are NaN.

    forecast_p: the largest of the Clark-West p-values against naive, drift and the mean outcome of the training rows;
        forecast_p_adjusted: 1 - (1 - p)^N for the N independent trials that the ledger is worth (Sidak 1967).
    return_p: bootstrap p-value of no return.
    sharpe_lead: Sharpe ratio per year less that of buy-and-hold, with its 95 % interval `sharpe_lead_low` to
        `sharpe_lead_high`; sharpe_p: p-value of no lead.
    lucky_sharpe: per year, what the best of N trials without skill shows; deflated_sharpe: confidence that the Sharpe ratio
        is above it.
    break_even_bps: costs a side, in basis points of the value traded, at which the mean return would be zero.
    detectable_sharpe (per year), detectable_r2: what this much data finds in 80 % of cases.
    years: length of the record; years_needed: length at which one like it tells its Sharpe ratio from zero with 95 %
        confidence, on whichever side of zero, one above zero from `lucky_sharpe`; infinite where it is not above that.
    """

    forecast_p: float
    forecast_p_adjusted: float
    return_p: float
    sharpe_lead: float
    sharpe_lead_low: float
    sharpe_lead_high: float
    sharpe_p: float
    lucky_sharpe: float
    deflated_sharpe: float
    break_even_bps: float
    detectable_sharpe: float
    detectable_r2: float
    years: float
    years_needed: float
    tally: Tally

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON values; what is undefined or without end is None."""
        numbers = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "tally"}
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return finite | {"trials": self.tally.to_dict()}


def gather(row: dict[str, Any], result: BacktestResult, *, horizon: int, tally: Tally, seed: int = 0) -> Evidence:
    """The evidence on one model, from its row of the accuracy table and its backtest."""
    forecast_p = largest_p(row)
    returns = result.returns
    record = track_record(returns)
    variance = 1.0 / max(
        record.observations - 1, 1
    )  # of Sharpe ratios without any skill, the least that trials vary by
    if not math.isnan(tally.sharpe_variance):
        variance = max(variance, tally.sharpe_variance)
    lucky = expected_maximum_sharpe(tally.effective, variance=variance)
    difference = sharpe_difference(returns, result.benchmark_returns, bars_per_year=result.bars_per_year, seed=seed)
    return Evidence(
        forecast_p=forecast_p,
        forecast_p_adjusted=-math.expm1(tally.effective * math.log1p(-min(forecast_p, 1 - 1e-12))),
        return_p=bootstrap_p_value(returns, seed=seed),
        sharpe_lead=difference.difference,
        sharpe_lead_low=difference.low,
        sharpe_lead_high=difference.high,
        sharpe_p=difference.p_value,
        lucky_sharpe=lucky * math.sqrt(result.bars_per_year),
        deflated_sharpe=deflated_sharpe(record, trials=tally.effective, variance=variance),
        break_even_bps=break_even_bps(result),
        detectable_sharpe=(
            detectable_sharpe(len(returns), bars_per_year=result.bars_per_year) if len(returns) > 1 else math.nan
        ),
        detectable_r2=(
            detectable_r2(row["observations"], horizon=horizon) if row["observations"] >= max(horizon, 2) else math.nan
        ),
        years=record.observations / result.bars_per_year,
        years_needed=_bars_needed(record, lucky) / result.bars_per_year,
        tally=tally,
    )


def largest_p(row: dict[str, Any]) -> float:
    """The p-value of a forecast in a row of the accuracy table: the largest of those against naive, drift and the past mean.

    NaN for naive and drift themselves, which have none against themselves.
    """
    p_values = [row["p_naive"], row["p_drift"]]
    if row.get("p_mean") is not None:
        p_values.append(row["p_mean"])
    return math.nan if None in p_values else max(p_values)


def _bars_needed(record: TrackRecord, lucky: float) -> float:
    """Bars that tell the Sharpe ratio from zero: a loss as its mirror image, a gain from the luck of the best trial."""
    if record.sharpe < 0:
        mirrored = record._replace(sharpe=-record.sharpe, skewness=-record.skewness)
        return minimum_track_record(mirrored)
    return minimum_track_record(record, benchmark=lucky)


def break_even_bps(result: BacktestResult) -> float:
    """Costs a side, in basis points of the value traded, at which the mean return per bar would be zero.

    10^4 sum(g) / sum(v): g the returns with the costs that were paid given back, v the value traded, both as fractions of
    the equity before the bar. Negative when the strategy loses even for free; NaN when it never traded.
    """
    if not result.fills.height:
        return math.nan
    equity = result.equity["equity"].to_numpy()
    before = np.where(equity[:-1] > 0, equity[:-1], np.nan)
    paid = np.diff(result.equity["cost"].to_numpy()) / before
    traded = result.fills.select(pl.col("time").dt.epoch("us"), "notional").to_numpy()
    closes = result.equity["time"].dt.epoch("us").to_numpy()
    bars = np.searchsorted(closes, traded[:, 0], side="right")  # a bar opens as the one before closes, or later
    bars = np.clip(bars, 1, len(closes) - 1) - 1
    turnover = float(np.nansum(traded[:, 1] / before[bars]))
    gross = float(np.nansum(result.returns + paid))
    return 1e4 * gross / turnover if turnover else math.nan
