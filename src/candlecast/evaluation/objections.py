"""Objections to a claim, whatever the tests give: the gravest one is the headline of the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from candlecast.backtesting import BacktestResult
from candlecast.errors import listed
from candlecast.evaluation.evidence import Evidence
from candlecast.stats import track_record
from candlecast.targets import Target
from candlecast.text import number, percent

HIGHEST_R2, HIGHEST_HIT_RATE = 0.5, 0.75  # of returns out of sample; liquid markets show 1 % and 55 %
HIGHEST_SHARPE = 0.6  # per bar, after costs; that of a forecast with the other two is 0.7 before costs
MIN_LEFT = 0.25  # of the break-even cost, with fills in the middle of the bar; honest forecasts keep 0.35 or more
MIN_MOVES = 100  # that a hit rate or a Sharpe ratio is taken of
SIGNED = (
    "return",
    "price",
    "direction",
    "scaled_return",
    "excess_return",
)  # targets that name the side of the next move


@dataclass(frozen=True)
class Objection:
    """A reason against a claim: its `headline`, the `reason` as a clause, and whether it holds for the forecast too."""

    headline: str
    reason: str
    is_of_forecast: bool = False


def objections(
    row: dict[str, Any], result: BacktestResult, target: Target, evidence: Evidence, *, is_significant: bool
) -> tuple[Objection, ...]:
    """All objections to a result, the gravest first. `is_significant`: the account passes its tests."""
    found = [
        _replaced(evidence),
        _leaking(evidence),
        _unadjusted(evidence),
        _implausible(row, result, target),
        _ruined(result),
        _future_trained(evidence),
        _untradable(evidence),
        _within_the_spread(result, evidence) if is_significant else None,
        _stale_fills(evidence) if is_significant else None,
        _doubtful(evidence) if is_significant else None,
    ]
    return tuple(objection for objection in found if objection is not None)


def _replaced(evidence: Evidence) -> Objection | None:
    """A copy with other parts says nothing about the study: it may hold what was known only afterwards."""
    names = evidence.conditions.replaced
    if not names:
        return None
    return Objection(
        f"No verdict on skill: {listed(names)} from elsewhere.",
        f"this copy has {listed(names)} that its study did not make, which cannot be checked; backtest(candles, "
        "positions) trades positions from elsewhere, and Study.run forecasts other candles",
        is_of_forecast=True,
    )


def _leaking(evidence: Evidence) -> Objection | None:
    """A value that moves when only later candles change is not known at its time."""
    if not evidence.conditions.leaks:
        return None
    return Objection(
        "No verdict: the audit found values that depend on later candles.",
        evidence.conditions.leaks[0].removesuffix("."),
        is_of_forecast=True,
    )


def _unadjusted(evidence: Evidence) -> Objection | None:
    """A split that was not adjusted looks like a loss or a gain, and is none."""
    jumps = evidence.conditions.jumps
    if not jumps:
        return None
    return Objection(
        "No verdict: the prices jump as after a split that was not adjusted.",
        f"{jumps[0]}; take adjusted prices, or declare the jumps to be real: candles.with_real_jumps(), or --real-jumps in "
        "the shell",
        is_of_forecast=True,
    )


def _implausible(row: dict[str, Any], result: BacktestResult, target: Target) -> Objection | None:
    """Figures better than any market gives point to leakage."""
    if target.name not in SIGNED:
        return None
    figures = []
    if row["r2"] is not None and row["r2"] > HIGHEST_R2:
        figures.append(f"an R2 of {percent(row['r2'], 0)}")
    hits = row["hit_rate"]
    if target.horizon == 1 and hits is not None and hits > HIGHEST_HIT_RATE and row["observations"] >= MIN_MOVES:
        figures.append(f"a hit rate of {percent(hits, 0)}")
    record = track_record(result.returns_until_ruin)
    if record.observations >= MIN_MOVES and record.sharpe > HIGHEST_SHARPE:
        figures.append(f"a Sharpe ratio of {number(record.sharpe * math.sqrt(result.bars_per_year), 1)} a year")
    if not figures:
        return None
    return Objection(
        "No verdict: the result is better than any market gives. Does a feature, the target or the model see the future?",
        f"{' and '.join(figures)} out of sample is a sign of leakage until it is explained; check features with "
        "candlecast.testing.check_feature, and look for prices that were filled in or come from later",
        is_of_forecast=True,
    )


def _ruined(result: BacktestResult) -> Objection | None:
    if result.ruined_at is None:
        return None
    date = f"{result.ruined_at:%Y-%m-%d}"
    return Objection(
        f"No edge: the account was ruined on {date}.",
        f"the account lost all its money on {date}, where the record ends",
    )


def _future_trained(evidence: Evidence) -> Objection | None:
    if evidence.conditions.is_in_time_order:
        return None
    return Objection(
        "No verdict on trading: the folds train on bars that come after those they are tested on.",
        "cross-validated folds compare forecasts, but not what could have been earned; use WalkForward for that",
    )


def _untradable(evidence: Evidence) -> Objection | None:
    """Prices at which no order could have been filled at that time."""
    found = evidence.conditions.tradability
    if found is None or found.is_tradable:
        return None
    if found.has_stale_opens:
        share = percent(found.stale_open_share, 0)
        reason = f"{share} of the opens after a closed market repeat the close before, a price from before the order was decided"
    elif found.has_averaged_opens:
        reason = "most opens are the middle of the bar before, as in Heikin-Ashi candles: nothing was traded at them"
    elif found.has_spikes:
        share = percent(found.spike_share, 1)
        reason = f"{share} of the bars close far from the bars before and after them, as bad prints do"
    elif found.has_lines:
        reason = f"{percent(found.interpolated_share, 1)} of the bars are interpolated: they lie on straight lines between others"
    else:
        reason = (
            f"{percent(found.copied_share, 1)} of the bars are copies of the bar before, so their open is an old price"
        )
    return Objection("No edge found: orders were filled at prices that nobody could have traded at.", reason)


def _within_the_spread(result: BacktestResult, evidence: Evidence) -> Objection | None:
    conditions = evidence.conditions
    least = conditions.least_cost_bps(result.costs.per_side_bps)
    if not conditions.break_even_bps <= least:
        return None
    return Objection(
        "No edge found: it was earned inside the spread, and nobody could have traded there.",
        f"the strategy breaks even at {conditions.break_even_bps:.1f} bp a side, but a trade costs at least {least:.1f} bp: the "
        "largest of the costs, half the estimated spread and a tick",
    )


def _stale_fills(evidence: Evidence) -> Objection | None:
    """A true forecast earns over the whole bar; a gain from a stale open is made at the fill."""
    conditions = evidence.conditions
    if not conditions.middle_bps <= MIN_LEFT * conditions.break_even_bps:
        return None
    return Objection(
        "No edge found: the gain comes from opens that lag behind the market.",
        f"with fills in the middle of each bar's range instead of its open, the break-even cost falls from "
        f"{conditions.break_even_bps:.1f} to {conditions.middle_bps:.1f} bp a side",
    )


def _doubtful(evidence: Evidence) -> Objection | None:
    if not evidence.doubt:
        return None
    return Objection("No edge found: the record is too short to trust its tests.", evidence.doubt)
