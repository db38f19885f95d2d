"""Tables of what stands behind a result: trials made before, issues of the candles, checks of the audit."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from candlecast.errors import CandlecastError
from candlecast.evaluation.trial_count import unfinished_words
from candlecast.ledger.trials import as_ledger
from candlecast.report.tables import table
from candlecast.stats import annual_return, level_of_next, sharpe
from candlecast.targets.words import label_words
from candlecast.text import cells
from candlecast.text.cells import number
from candlecast.text.formatting import count, moment, small

if TYPE_CHECKING:
    from candlecast.candles import CandleReport

MOST_TRIALS = 100  # listed, the last ones
MOST_ISSUES = 50


class Recorded(Protocol):
    """What these tables read of a result: its trial, among which others it is counted, where, and its audit."""

    @property
    def trial(self) -> Any: ...

    @property
    def counted(self) -> Any: ...

    @property
    def ledger(self) -> Any: ...

    @property
    def audit(self) -> Any: ...


def trials_table(result: Recorded) -> str:
    """The trials of the ledger on this market, interval and target, in order of time, this one emphasised."""
    ledger = as_ledger(result.ledger)
    own = result.trial
    try:
        trials = ledger.trials()
    except CandlecastError as error:
        return f'<p class="absent">{escape(str(error))}</p>'
    numbered = [(row, trial) for row, trial in enumerate(trials, start=1) if _family(trial) == _family(own)]
    counted = result.counted
    words = (
        f"{count(counted.trials, 'trial')} counted in this workspace with this one{unfinished_words(counted.unfinished)}; "
        f"{counted.family:,} on {own.symbol} "
        f"{own.interval}, {label_words(own.target)}. Effective number of trials: {counted.forecasts:,.1f} as "
        f"forecasts, {counted.trades:,.1f} as strategies. "
    )
    if counted.overfitting_words:
        words += f"{counted.overfitting_words[0].upper()}{counted.overfitting_words[1:]}. "
    words += (
        "Every further trial raises what a result must show: the next one is significant at 5 % with a p-value below "
        f"{small(level_of_next(counted.forecasts))} for its forecast and {small(level_of_next(counted.trades))} for its account."
    )
    note = f'<p class="note">{escape(words)}</p>'
    shown = numbered[-MOST_TRIALS:]
    if not shown:
        return f'{note}<p class="absent">The ledger holds no trial of this market, interval and target.</p>'
    rows, chosen = [], None
    for place, (row, trial) in enumerate(shown):
        if trial.identity == own.identity:
            chosen = place
        yearly = annual_return(trial.returns, bars_per_year=trial.bars_per_year)
        ratio = sharpe(trial.returns, bars_per_year=trial.bars_per_year) if np.ptp(trial.returns) > 0 else None
        first, last = (str(trial.times[end].astype("datetime64[D]")) for end in (0, -1))
        returned = cells.annual_return(yearly, is_annual=len(trial.returns) >= trial.bars_per_year)
        rows.append((f"{row:,}", trial.model, f"{first} to {last}", returned, number(ratio)))
    heads = ("Trial", "Model", "Record", "Annual return", "Sharpe ratio")
    caption = (
        f"The last {len(shown):,} of these {len(numbered):,} trials"
        if len(numbered) > len(shown)
        else "All trials of this market, interval and target"
    )
    return note + table(caption, heads, rows, emphasised=chosen)


def issues_table(report: CandleReport) -> str:
    """What a check of candles found."""
    issues = report.issues
    if issues.is_empty():
        return '<p class="note">The check of the candles found no issue.</p>'
    rows = [
        (
            row["kind"].replace("_", " "),
            "fatal" if row["is_fatal"] else "notice",
            f"{row['bars']:,}",
            moment(row["first"]),
            moment(row["last"]),
            row["detail"],
        )
        for row in issues.head(MOST_ISSUES).iter_rows(named=True)
    ]
    more = f", the first {MOST_ISSUES} of {issues.height:,}" if issues.height > MOST_ISSUES else ""
    return table(
        f"Issues of the candles{more}", ("Kind", "Severity", "Bars", "First", "Last", "Detail"), rows, style="words"
    )


def audit_table(result: Recorded) -> str:
    """The checks that the audit of the study made, and its findings."""
    audit = result.audit
    if audit is None:
        return '<p class="note">The audit was not run.</p>'
    rows = [(check.name, check.status, check.detail) for check in audit.checks]
    findings = "".join(f'<p class="notice">{escape(str(finding))}</p>' for finding in audit.findings)
    return table(audit.line, ("Check", "Result", "Detail"), rows, style="words") + findings


def _family(trial: object) -> tuple[object, ...]:
    return tuple(getattr(trial, name) for name in ("symbol", "interval", "target"))
