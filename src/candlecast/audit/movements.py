"""The movements that an audit comes across: the earliest stage counts, and in it the value that looks least far ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from candlecast.audit.findings import Finding, cause_of
from candlecast.audit.perturbations import NEXT_BAR, TRUNCATION, Perturbation
from candlecast.audit.stage import Movement, Stage, first_movement
from candlecast.candles import Candles
from candlecast.errors import CandlecastError

FILLS = "fills"  # the stage of executions


class Movements:
    """Findings on the same candles, by stage: of each stage, the one with the smallest lead.

    How far a value looks ahead shows when a single bar changes, so that such a finding is preferred.
    """

    def __init__(self, candles: Candles) -> None:
        self.candles = candles
        self._found: dict[str, Finding] = {}

    def add(self, name: str, before: Stage, after: Stage | None, bar: int, how: Perturbation) -> bool:
        """Compare what is known at the close of a bar, after which the candles changed; whether anything moved."""
        moved = after_change(before, after, self.candles.close_time[bar], is_cut=how is TRUNCATION)
        if moved is None:
            return False
        row = int(np.searchsorted(self.candles.close_time, moved.time, side="right")) - 1
        self._keep(name, moved, bar, max(bar + 1 - row, 1), how.name)
        return True

    def failed(self, name: str, bar: int, how: Perturbation, error: Exception) -> None:
        """Record that a stage raised an error on changed candles."""
        said = error.wrong if isinstance(error, CandlecastError) else f"{type(error).__name__}: {error}"
        moved = Movement(f"error ({said[:200]})", self.candles.close_time[bar], np.nan, np.nan, 0.0)
        self._keep(name, moved, bar, 1, how.name)

    def of(self, stages: Sequence[str]) -> tuple[Finding, ...]:
        """The finding of the earliest stage that moved; none if nothing did. Later stages follow from it."""
        return next(((self._found[name],) for name in stages if name in self._found), ())

    def _keep(self, name: str, moved: Movement, bar: int, lead: int, how: str) -> None:
        known = self._found.get(name)
        if known is not None and (known.perturbation != NEXT_BAR.name, known.lead) <= (how != NEXT_BAR.name, lead):
            return
        cause, remedy = cause_of(name, lead, moved.share)
        time: datetime = moved.time.astype("datetime64[us]").item()
        self._found[name] = Finding(
            name,
            moved.column,
            time.replace(tzinfo=UTC),
            bar,
            lead,
            how,
            moved.before,
            moved.after,
            cause,
            remedy,
        )


def after_change(before: Stage, after: Stage | None, time: Any, *, is_cut: bool = False) -> Movement | None:
    """Where what is known at a time moved; a stage that is not there any more has no columns.

    A fill at that very time may be at the open of the next bar: that it happens is known, its price is not. Where candles
    end (`is_cut`), there is no such fill.
    """
    after = after or Stage(before.name, {})
    if before.name != FILLS:
        return first_movement(before, after, time)
    events = (
        Stage.of(FILLS, ((name, column.times, np.zeros(len(column.times))) for name, column in stage.columns.items()))
        for stage in (before, after)
    )
    earlier = first_movement(before, after, time - np.timedelta64(1, "us"))
    return earlier if earlier or is_cut else first_movement(next(events), next(events), time)
