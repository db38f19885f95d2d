"""`LiveVerdict`: what a paper session has shown so far, valid at every look."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from candlecast.evaluation.anytime import LEVEL, anytime_p, bars_until_shown, beats, earns, falls_short
from candlecast.live.record import SessionRecord
from candlecast.study.result import StudyResult
from candlecast.text.formatting import count, p_value, years
from candlecast.text.json_values import json_values
from candlecast.text.notebook import notebook_paragraph

LONG_DAYS, DAYS_A_YEAR = 730, 365.25  # from here on a time is in years
SMALLEST_BOUND = 0.02  # of equity, that one bar can lose or gain at most


@dataclass(frozen=True)
class LiveVerdict:
    """The state of three tests after the last bar; each may be looked at after every bar, and stays valid.

    `p_earns`: the strategy earns after costs. `p_beats`: the forecast is better than naive, by relative squared errors (NaN
    for classes). `p_falls_short`: it earns less than in the backtest. Each p is anytime-valid (`candlecast.evaluation.anytime`),
    and below 5 % the claim is shown. `days_needed`: how long about it takes to show earnings like the backtest's (infinite
    where the backtest earned nothing).
    """

    bars: int
    days: float
    p_earns: float
    p_beats: float
    p_falls_short: float
    days_needed: float

    @property
    def has_edge(self) -> bool:
        """Earnings after costs are shown."""
        return self.p_earns < LEVEL

    @property
    def is_worse(self) -> bool:
        """It is shown that the session earns less than the backtest."""
        return self.p_falls_short < LEVEL

    @property
    def days_left(self) -> float:
        """About how many days are left at the backtest's pace; 0 once earnings are shown."""
        return 0.0 if self.has_edge else max(self.days_needed - self.days, 0.0)

    @property
    def text(self) -> str:
        """In a few sentences."""
        day = f"Day {math.ceil(self.days):,} ({count(self.bars, 'bar')}): "
        if self.has_edge:
            said = f"earnings after costs are shown ({_chance(self.p_earns)} at every look)."
        else:
            said = f"no edge shown so far ({_chance(self.p_earns)} at every look)"
            said += (
                "; the backtest earned nothing that could be shown."
                if math.isinf(self.days_needed)
                else f"; at the backtest's pace it would take {duration_words(self.days_needed)}."
            )
        if not math.isnan(self.p_beats):
            is_better = self.p_beats < LEVEL
            words = "is better than naive" if is_better else "is not shown to be better than naive"
            said += f" The forecast {words} ({_chance(self.p_beats)})."
        if self.is_worse:
            said += f" Results are worse than the backtest's ({_chance(self.p_falls_short)})."
        return day + said

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return notebook_paragraph(self.text)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values; what is undefined or without end is None."""
        return json_values(asdict(self) | {"days_left": self.days_left, "has_edge": self.has_edge, "text": self.text})


def live_verdict(record: SessionRecord, result: StudyResult) -> LiveVerdict:
    """What a session has shown so far, beside the backtest of its run."""
    returns, past = record.returns(), result.backtest.returns
    bars = [bar for bar in record.bars if bar["number"] >= 0]
    times = [datetime.fromisoformat(bar["close_time"]) for bar in bars]
    days = (times[-1] - times[0]).total_seconds() / 86_400 if len(times) > 1 else 0.0
    a_year = result.backtest.bars_per_year / 365.25
    largest = _largest(past)
    needed = bars_until_shown(past, largest_loss=largest) / a_year
    own, naive = _losses(record, result)
    horizon = result.primary_target.horizon
    e_beats = beats(own, naive, horizon=horizon)
    return LiveVerdict(
        bars=len(record.bars),
        days=days,
        p_earns=_last_p(earns(returns, largest_loss=largest)),
        p_beats=_last_p(e_beats) if result.primary_target.kind == "value" else math.nan,
        p_falls_short=_last_p(falls_short(returns, float(past.mean()) if len(past) else 0.0, largest_gain=largest)),
        days_needed=needed,
    )


def _largest(past: np.ndarray) -> float:
    """What one bar can lose or gain at most: twice the largest move of the backtest, at least 2 %."""
    return min(max(2.0 * float(np.abs(past).max(initial=0.0)), SMALLEST_BOUND), 1.0)


def _losses(record: SessionRecord, result: StudyResult) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of the forecasts whose outcomes are known, and those of the naive forecast, (forecasts,)."""
    candles, target = record.candles(result), result.primary_target
    values, naive = target.values(candles), target.naive(candles)
    rows = {time: row for row, time in enumerate(candles.frame["close_time"])}
    said = [
        (rows[datetime.fromisoformat(bar["close_time"])], bar["forecast"]["mean"])
        for bar in record.bars
        if bar["forecast"] is not None
    ]
    if not said:
        return np.empty(0), np.empty(0)
    place, means = np.array([row for row, _ in said]), np.array([mean for _, mean in said])
    return (values[place] - means) ** 2, (values[place] - naive[place]) ** 2


def _last_p(e_values: np.ndarray) -> float:
    return float(anytime_p(e_values)[-1]) if len(e_values) else 1.0


def duration_words(days: float) -> str:
    """About how long; in years where there are many days.

    >>> duration_words(139.2), duration_words(19_022.0)
    ('about 140 days', 'about 52 years')
    """
    return f"about {math.ceil(days):,} days" if days < LONG_DAYS else years(days / DAYS_A_YEAR)


def _chance(p: float) -> str:
    """A p-value in a sentence."""
    words = p_value(p)
    return f"p {words}" if words.startswith("<") else f"p = {words}"
