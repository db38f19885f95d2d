"""What forbids a claim although the tests are passed, or whatever they give: the first objection is the headline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.evidence import Evidence
from candlecast.stats import track_record
from candlecast.targets import Target
from candlecast.text import number, percent

HIGHEST_R2, HIGHEST_HIT_RATE = 0.5, 0.75  # of returns out of sample; liquid markets show 1 % and 55 %
HIGHEST_SHARPE = 0.6  # per bar, after costs; that of a forecast with the other two is 0.7 before costs
LEAST_LEFT = 0.25  # of the break-even cost, filled in the middle of the bar; honest forecasts keep 0.35 or more
FEWEST_MOVES = 100  # below which a hit rate says nothing
SIGNED = (
    "return",
    "price",
    "direction",
    "scaled_return",
    "excess_return",
)  # targets that name the side of the next move


@dataclass(frozen=True)
class Objection:
    """Why a claim is not made: the `headline`, the `reason` as a clause, and whether the forecast is meant too."""

    headline: str
    reason: str
    is_of_forecast: bool = False


def objections(
    row: dict[str, Any], result: BacktestResult, target: Target, evidence: Evidence, *, has_paid: bool
) -> tuple[Objection, ...]:
    """All objections to a result, the gravest first. `has_paid`: the tests of the account are passed."""
    found = [
        _unadjusted(evidence),
        _implausible(row, result, target),
        _ruined(result),
        _future_trained(evidence),
        _untradable(evidence),
        _within_the_spread(result, evidence) if has_paid else None,
        _over_at_once(evidence) if has_paid else None,
        _doubtful(evidence) if has_paid else None,
    ]
    return tuple(objection for objection in found if objection is not None)


def _unadjusted(evidence: Evidence) -> Objection | None:
    """A split that was not adjusted is a loss or a gain that nobody had."""
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
    """Figures that no market gives are a fault of the study until somebody shows that they are not."""
    if target.name not in SIGNED:
        return None
    said = []
    if row["r2"] is not None and row["r2"] > HIGHEST_R2:
        said.append(f"an R2 of {percent(row['r2'], 0)}")
    hits = row["hit_rate"]
    if target.horizon == 1 and hits is not None and hits > HIGHEST_HIT_RATE and row["observations"] >= FEWEST_MOVES:
        said.append(f"a hit rate of {percent(hits, 0)}")
    if (
        len(result.returns_until_ruin) >= FEWEST_MOVES
        and track_record(result.returns_until_ruin).sharpe > HIGHEST_SHARPE
    ):
        ratio = track_record(result.returns_until_ruin).sharpe * math.sqrt(result.bars_per_year)
        said.append(f"a Sharpe ratio of {number(ratio, 1)} a year")
    if not said:
        return None
    return Objection(
        "No verdict: the result is better than any market gives. Does a feature, the target or the model see the future?",
        f"{' and '.join(said)} out of sample is a sign of leakage until it is explained; check features with "
        "candlecast.testing.check_feature, and look for prices that were filled in or come from later",
        is_of_forecast=True,
    )


def _ruined(result: BacktestResult) -> Objection | None:
    if result.ruined_at is None:
        return None
    date = f"{result.ruined_at:%Y-%m-%d}"
    return Objection(
        f"No edge: the account was ruined on {date}.", f"all money was lost on {date}, which ends the record"
    )


def _future_trained(evidence: Evidence) -> Objection | None:
    if evidence.conditions.is_in_time_order:
        return None
    return Objection(
        "No verdict on trading: the folds train on bars that come after those they are tested on.",
        "cross-validated folds compare forecasts, and say nothing about what could have been earned; WalkForward does",
    )


def _untradable(evidence: Evidence) -> Objection | None:
    """Opens that were over, or never were, when they are said to have been traded at."""
    found = evidence.conditions.tradability
    if found is None or found.is_tradable:
        return None
    if found.has_stale_opens:
        share = percent(found.stale_open_share, 0)
        reason = f"{share} of the opens after a closed market repeat the close before, which was over when orders were decided"
    elif found.has_averaged_opens:
        reason = "most opens are the middle of the bar before, as in Heikin-Ashi candles: no price that was ever traded"
    elif found.has_spikes:
        share = percent(found.spike_share, 1)
        reason = (
            f"{share} of the bars close far off their neighbours, as bad prints do, and the next price is back again"
        )
    elif found.has_lines:
        reason = (
            f"{percent(found.interpolated_share, 1)} of the bars lie on straight lines that were drawn between others"
        )
    else:
        reason = (
            f"{percent(found.copied_share, 1)} of the bars are copies of the bar before, whose prices were over by then"
        )
    return Objection("No edge found: orders were filled at prices that nobody could have had.", reason)


def _within_the_spread(result: BacktestResult, evidence: Evidence) -> Objection | None:
    conditions = evidence.conditions
    least = conditions.least_cost_bps(result.costs.per_side_bps)
    if not conditions.break_even_bps <= least:
        return None
    return Objection(
        "No edge found: it was earned inside the spread, and nobody could have traded there.",
        f"it breaks even at {conditions.break_even_bps:.1f} bp a side, and a trade takes {least:.1f} bp at least: the largest "
        "of costs, half the estimated spread and a tick",
    )


def _over_at_once(evidence: Evidence) -> Objection | None:
    """A forecast return comes evenly over the bar; a stale price is over as soon as anybody can trade."""
    conditions = evidence.conditions
    if not conditions.middle_bps <= LEAST_LEFT * conditions.break_even_bps:
        return None
    return Objection(
        "No edge found: what was earned is over by the middle of the bar that fills the order.",
        f"filled in the middle of the range of its bar in place of its open, it breaks even at {conditions.middle_bps:.1f} bp a "
        f"side in place of {conditions.break_even_bps:.1f}: opens lag behind the prices that can be traded at",
    )


def _doubtful(evidence: Evidence) -> Objection | None:
    if not evidence.conditions.doubt:
        return None
    return Objection("No edge found: the record is too short to trust its tests.", evidence.conditions.doubt)
