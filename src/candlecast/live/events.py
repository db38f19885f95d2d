"""`PaperEvent`: what happened in a session, in a sentence and as values; and the same as content of a journal's entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from candlecast.backtesting.limits import LimitState
from candlecast.dataset.forecast import Forecast
from candlecast.live.trading import Step
from candlecast.sources.feed import Notice, Seen
from candlecast.targets import Target, primary
from candlecast.targets.units import unit_of
from candlecast.text.formatting import price as price_words

Kind = Literal["bar", "notice", "limit", "refit"]


@dataclass(frozen=True)
class PaperEvent:
    """What happened in a session: a closed bar and all that followed from it, a notice of the feed, a limit, a training.

    Of a bar: `forecast` (mean of the seeds in the target's units; None without a whole window), `position` (the target held
    from the next open on; None when nothing was decided), `fills` (units, price, fee and slippage of each), `equity` and
    `state` of the limits. `text` says it in a sentence; `session` is the name of the
    session.
    """

    kind: Kind
    time: datetime
    text: str
    bar: Seen | None = None
    forecast: float | None = None
    position: float | None = None
    fills: tuple[tuple[float, float, float, float], ...] = ()
    equity: float = math.nan
    state: str = "ACTIVE"
    is_live: bool = True
    session: str = ""

    def __str__(self) -> str:
        return self.text


Listener = Callable[[PaperEvent], None]


def by_bar(forecast: Forecast | None, closes: Sequence[datetime]) -> dict[datetime, dict[str, Any]]:
    """What was forecast at each close: the fold, the seeds' means, their mean, and the return that it implies."""
    if forecast is None:
        return {}
    frame = forecast.frame
    count = len(set(frame["seed"].to_list()))
    means = frame["mean"].to_numpy().reshape(count, -1).T.tolist()
    averaged = forecast.averaged().frame
    rows = zip(averaged["time"], averaged["fold"], means, averaged["mean"], averaged["expected_return"], strict=True)
    return {
        time: {"fold": fold, "means": each, "mean": mean, "expected_return": expected}
        for time, fold, each, mean, expected in rows
    }


def bar_content(
    bar: Seen,
    close: datetime,
    forecast: dict[str, Any] | None,
    ruled: float,
    step: Step,
    state: LimitState,
    is_late_: bool,
) -> dict[str, Any]:
    return {
        "open_time": bar.open_time.isoformat(),
        "close_time": close.isoformat(),
        "bar": [none(value) for value in bar.values],
        "forecast": forecast,
        "ruled": none(ruled),
        "decided": none(step.decided),
        "waiting": none(step.waiting),
        "traded": none(step.traded),
        "number": step.bar,
        "account": list(step.account),
        "equity": step.equity,
        "fills": [[none(value) for value in fill] for fill in step.fills],
        "late": is_late_,
        "limits": [state.state, state.reason, state.peak],
    }


def position_words(position: float) -> str:
    """A position that was decided.

    >>> position_words(0.25), position_words(0.0)
    ('position +25 %', 'flat')
    """
    return "flat" if position == 0 else f"position {100 * position:+.0f} %"


def equity_words(equity: float) -> str:
    """Equity in a line of events: from 1,000 on in whole units.

    >>> equity_words(9460.14), equity_words(99.5)
    ('9,460', '99.50')
    """
    return f"{equity:,.{0 if abs(equity) >= 1_000 else 2}f}"


def bar_event(
    bar: Seen,
    close: datetime,
    content: dict[str, Any],
    step: Step,
    state: LimitState,
    *,
    target: Target,
    is_live: bool,
) -> PaperEvent:
    """The event of a bar; `target` is that of the study, which says in what unit the forecast is written."""
    fills = tuple((fill[3], fill[4], fill[5], fill[6]) for fill in step.fills)
    mean = None if content["forecast"] is None else content["forecast"]["mean"]
    words = f"{close:%Y-%m-%d %H:%M} UTC {price_words(bar.close)}"
    words += "" if mean is None else f", forecast {unit_of(primary(target)).sentence(mean)}"
    words += "" if content["decided"] is None else f", {position_words(step.decided)}"
    words += "".join(
        f", {'bought' if units > 0 else 'sold'} {abs(units):.6g} at {price_words(price)}" for units, price, *_ in fills
    )
    words += f", equity {equity_words(step.equity)}" if is_live else ", before the session began"
    words += ", decided too late for the next open" if content["late"] else ""
    position = content["decided"]
    return PaperEvent("bar", close, words, bar, mean, position, fills, step.equity, state.state, is_live)


def notice_content(notice: Notice) -> dict[str, Any]:
    about = None if notice.bar is None else [none(value) for value in notice.bar.values]
    opened_at = None if notice.bar is None else notice.bar.open_time.isoformat()
    content = {"kind": notice.kind, "detail": notice.detail, "bar": about, "open_time": opened_at}
    return content | {"bars": notice.bars}


def none(value: float) -> float | None:
    return None if isinstance(value, float) and math.isnan(value) else value
