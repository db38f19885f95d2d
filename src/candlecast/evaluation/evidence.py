"""The numbers that a verdict rests on: tests of the forecast and of the account, adjusted for all trials."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.trial_count import TrialCount
from candlecast.stats import (
    TrackRecord,
    adjusted_p_value,
    bootstrap_p_values,
    check_rare_losses,
    deflated_sharpe,
    detectable_r2,
    detectable_sharpe,
    expected_maximum_sharpe,
    log_returns,
    minimum_track_record,
    sharpe_difference,
    track_record,
)
from candlecast.stats.combined import shared_p_value
from candlecast.stats.persistence import persistent_p_value
from candlecast.text.json_values import json_values

LEVEL = 0.05  # probability of a false claim that is accepted in each question
RUINED = -0.999999  # return of a static account that is lost


@dataclass(frozen=True)
class Evidence:
    """The results of the tests. Undefined values are NaN.

    Each p-value has an `_adjusted` form, adjusted for multiple testing (`stats.adjusted_p_value`): tests of the forecast for
    the effective number of forecasts in the ledger, tests of the account for its effective number of strategies.

    forecast_p: the largest of the Clark-West p-values against naive, drift and the mean outcome of the training rows.
    return_p: test of growth, by bootstrap: the null hypothesis is a mean log return of zero or less. 1 for a ruined account.
    timing_p: timing test, by bootstrap: the null hypothesis is a mean log return no higher than that of an account that holds
        the mean position, with the same financing. A constant exposure earns drift or interest, and is no skill. Where the
        forecast is of volatility, that account holds less, so that its risk is the same (`Conditions.static_returns`). The
        largest p-value of up to three tests: against the mean position of the whole record, against that of the bars so far, and,
        of a panel, against the mean positions with the account's beta to the universe beside them; corrected where positions
        are slow and go against the price (`stats.persistence`).
    sharpe_difference: Sharpe ratio per year less that of buy-and-hold, with its 95 % confidence interval
        `sharpe_difference_low` to `sharpe_difference_high`; sharpe_p: test of the Sharpe difference: the null hypothesis is
        zero or less.
    lucky_sharpe: per year, the expected largest Sharpe ratio of this many strategies without skill; deflated_sharpe:
        confidence that the Sharpe ratio of the log returns is above it.
    detectable_sharpe (per year), detectable_r2: detected with a power of 80 % in a record of this length.
    years: length of the record, up to ruin; years_needed: minimum track record length, at 95 % confidence, for a Sharpe ratio
        like this one to differ from zero, or, if positive, to exceed `lucky_sharpe`; infinite where it does not exceed that.
    doubt: the reason why a significant gain cannot be trusted (`stats.check_rare_losses`); empty where there is none.
    record: of the log returns, of the returns of a ruined account; bars_per_year: of the account.
    """

    forecast_p: float
    forecast_p_adjusted: float
    return_p: float
    return_p_adjusted: float
    timing_p: float
    timing_p_adjusted: float
    sharpe_difference: float
    sharpe_difference_low: float
    sharpe_difference_high: float
    sharpe_p: float
    sharpe_p_adjusted: float
    lucky_sharpe: float
    deflated_sharpe: float
    detectable_sharpe: float
    detectable_r2: float
    years: float
    years_needed: float
    doubt: str
    conditions: Conditions
    trial_count: TrialCount
    record: TrackRecord = TrackRecord(math.nan, 0)
    is_ruined: bool = False
    bars_per_year: float = math.nan

    @property
    def is_known(self) -> bool:
        """Whether the forecast passes its test, adjusted for multiple testing."""
        return self.forecast_p_adjusted < LEVEL

    @property
    def is_significant(self) -> bool:
        """Whether the account passes its tests, adjusted for multiple testing."""
        return (
            self.return_p_adjusted < LEVEL
            and self.timing_p_adjusted < LEVEL
            and self.sharpe_p_adjusted < LEVEL
            and self.deflated_sharpe > 1 - LEVEL
        )

    def among(self, trial_count: TrialCount) -> Evidence:
        """The same tests, adjusted for other trials."""
        before, after = trial_count.trades_before, trial_count.trades

        def of_account(p_value: float) -> float:
            return adjusted_p_value(shared_p_value(p_value, trial_count.trade_own), before=before, after=after)

        lucky, yearly = lucky_sharpe(self.record, after), self.bars_per_year
        return replace(
            self,
            forecast_p_adjusted=adjusted_p_value(
                shared_p_value(self.forecast_p, trial_count.forecast_own),
                before=trial_count.forecasts_before,
                after=trial_count.forecasts,
            ),
            return_p_adjusted=of_account(self.return_p),
            timing_p_adjusted=of_account(self.timing_p),
            sharpe_p_adjusted=of_account(self.sharpe_p),
            lucky_sharpe=lucky * math.sqrt(yearly),
            deflated_sharpe=0.0 if self.is_ruined else deflated_sharpe(self.record, trials=after),
            years_needed=float(_bars_needed(self.record, lucky) / yearly),
            trial_count=trial_count,
        )

    @property
    def break_even_bps(self) -> float:
        """Costs a side at which the account would have ended where it began; see `Conditions`."""
        return self.conditions.break_even_bps

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON values; what is undefined or without end is None."""
        held = ("doubt", "conditions", "trial_count", "record", "is_ruined", "bars_per_year")
        numbers = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in held}
        return json_values(
            numbers | {"doubt": self.doubt} | self.conditions.to_dict() | {"trials": self.trial_count.to_dict()}
        )


def gather(
    row: dict[str, Any],
    result: BacktestResult,
    *,
    horizon: int,
    trial_count: TrialCount,
    conditions: Conditions,
    seed: int = 0,
) -> Evidence:
    """The evidence on one model, from its row of the accuracy table and its backtest."""
    forecast_p = largest_p(row)
    returns, yearly = result.returns_until_ruin, result.bars_per_year
    is_ruined = result.ruined_at is not None
    growth = returns if is_ruined else log_returns(returns)
    record = track_record(growth)
    return_p, timing_p = _account_p_values(growth, conditions, is_ruined=is_ruined, seed=seed)
    difference = sharpe_difference(returns, result.benchmark_returns_until_ruin, bars_per_year=yearly, seed=seed)
    unadjusted = Evidence(
        forecast_p=forecast_p,
        forecast_p_adjusted=forecast_p,
        return_p=return_p,
        return_p_adjusted=return_p,
        timing_p=timing_p,
        timing_p_adjusted=timing_p,
        sharpe_difference=difference.difference,
        sharpe_difference_low=difference.low,
        sharpe_difference_high=difference.high,
        sharpe_p=difference.p_value,
        sharpe_p_adjusted=difference.p_value,
        lucky_sharpe=math.nan,
        deflated_sharpe=math.nan,
        detectable_sharpe=detectable_sharpe(len(returns), bars_per_year=yearly) if len(returns) > 1 else math.nan,
        detectable_r2=(
            detectable_r2(row["observations"], horizon=horizon) if row["observations"] >= max(horizon, 2) else math.nan
        ),
        years=float(record.observations / yearly),
        years_needed=math.nan,
        doubt=_doubt(growth, return_p, conditions, seed) if not is_ruined else "",
        conditions=conditions,
        trial_count=trial_count,
        record=record,
        is_ruined=is_ruined,
        bars_per_year=yearly,
    )
    return unadjusted.among(trial_count)


def lucky_sharpe(record: TrackRecord, trials: float) -> float:
    """The expected largest Sharpe ratio per bar of this many strategies without skill, over a record of that length."""
    return expected_maximum_sharpe(trials, variance=1.0 / max(record.observations - 1, 1))


def largest_p(row: dict[str, Any]) -> float:
    """The p-value of a forecast in a row of the accuracy table: the largest of those against naive, drift and the past mean.

    NaN for naive and drift, which are not tested against themselves.
    """
    p_values = [row["p_naive"], row["p_drift"]]
    if row.get("p_mean") is not None:
        p_values.append(row["p_mean"])
    return math.nan if None in p_values else max(p_values)


def _account_p_values(growth: np.ndarray, conditions: Conditions, *, is_ruined: bool, seed: int) -> tuple[float, float]:
    """Tests of log returns (time,), on the same draws: against zero, and against those of the static accounts where known."""
    if is_ruined:
        return 1.0, 1.0
    if not len(growth):
        return math.nan, math.nan
    p_values = []
    for static in (conditions.static_returns, conditions.expanding_returns, conditions.market_returns):
        if p_values and len(static) != len(growth):
            continue
        held = log_returns(np.maximum(static, RUINED)) if len(static) == len(growth) else np.zeros(len(growth))
        p_values.append(bootstrap_p_values(np.column_stack([growth, growth - held]), seed=seed))
    timing_p = persistent_p_value(max(timing for _, timing in p_values), conditions.persistence, seed=seed)
    return p_values[0][0], timing_p


def _doubt(growth: np.ndarray, p_value: float, conditions: Conditions, seed: int) -> str:
    """The reason to doubt a significant gain: the record may lack rare large losses."""
    if not p_value < LEVEL or math.isnan(conditions.worst_loss):
        return ""
    return check_rare_losses(
        growth,
        worst_loss=conditions.worst_loss,
        worst_stretches=conditions.worst_stretches,
        bars_known=conditions.bars_known,
        level=LEVEL,
        mean_p=p_value,
        seed=seed,
    ).why


def _bars_needed(record: TrackRecord, lucky: float) -> float:
    """Minimum track record length in bars: a negative Sharpe ratio against zero, a positive one against `lucky`."""
    if record.sharpe < 0:
        mirrored = record._replace(sharpe=-record.sharpe, skewness=-record.skewness)
        return minimum_track_record(mirrored)
    return minimum_track_record(record, benchmark=lucky)
