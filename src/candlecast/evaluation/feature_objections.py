"""Objections to features: tables of the clock, levels of prices, and tables by name of the asset."""

from __future__ import annotations

from candlecast.evaluation.evidence import Evidence
from candlecast.evaluation.objection import Objection


def of_features(evidence: Evidence) -> list[Objection | None]:
    """The objections to what the features of a study are computed from."""
    return [_of_the_clock(evidence), _of_levels(evidence), _of_adjustment(evidence), _of_names(evidence)]


def _of_the_clock(evidence: Evidence) -> Objection | None:
    """A table of the clock is known beforehand, but who wrote it may have looked at the candles."""
    if not evidence.conditions.clock:
        return None
    return Objection(
        "No edge found: the forecast rests on a table of the clock.",
        f"{evidence.conditions.clock} depends on the time alone, and can hold what happened then in these candles; with "
        "cc.calendar() each fold learns effects of the hour, weekday and month from its training part, and a plain number, sine "
        "or flag of the time passes too",
        is_of_forecast=True,
    )


def _of_levels(evidence: Evidence) -> Objection | None:
    """The level of an asset's price against those of others is known only by what came later."""
    if not evidence.conditions.levels:
        return None
    return Objection(
        "No edge found: the forecast rests on the levels of prices.",
        f"values of {evidence.conditions.levels} change when all prices of each asset are multiplied by a constant of its own "
        "and its volumes divided by it, or when its prices get finer steps: adjusted prices know later splits, and a figure of "
        "today over a past price knows that of today; use returns and ratios of prices, or bring figures as they were known: "
        'cc.outside(..., known_at="known_at", combine=...)',
        is_of_forecast=True,
    )


def _of_adjustment(evidence: Evidence) -> Objection | None:
    """Prices that are adjusted for later splits, times volumes or below figures that are not, know these splits."""
    if not evidence.conditions.adjustment:
        return None
    return Objection(
        "No edge found: the forecast compares assets by figures that later splits may have changed.",
        f"values of {evidence.conditions.adjustment} change when only the prices of each asset are multiplied by a constant of "
        "its own, so they compare values traded, or figures per share over prices: vendors adjust past prices for later splits, "
        "often not the volumes, and published figures per share are never adjusted; where volumes and figures count the same "
        "shares as the prices, or nothing is adjusted, as with coins, say so: cc.PanelStudy(..., adjusted=True)",
        is_of_forecast=True,
    )


def _of_names(evidence: Evidence) -> Objection | None:
    """A table by name of the asset may have been made of what happened to it later."""
    if not evidence.conditions.names:
        return None
    return Objection(
        "No edge found: the forecast rests on a table by name of the asset.",
        f"values of {evidence.conditions.names} change when the assets exchange their names, so they can hold what became "
        "of each; give sectors to the universe, and bring other figures as they were known: "
        'cc.outside(..., known_at="known_at", combine=...)',
        is_of_forecast=True,
    )
