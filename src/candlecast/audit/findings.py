"""What an audit found: movements of what was known, checks, and the report of them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite, nan
from typing import Any

import polars as pl

from candlecast.text.formatting import count, table
from candlecast.text.notebook import notebook_text

CLOCK = "features of the time alone"  # name of the check
LEVELS = "features of price levels"  # the same, of a panel
ADJUSTMENT = "features of values traded and figures per share"
NAMES = "features by name of the asset"
PASSED, WARNING, FAILED, NOT_RUN = "passed", "warning", "failed", "not run"
SEVERITY = (PASSED, NOT_RUN, WARNING, FAILED)
BOUNDS = ("before", "after")
FROM_EVERYWHERE = 0.5  # share of the known rows that move when a value is computed from the whole series

CAUSES: dict[str, tuple[str, str]] = {
    "target": (
        "outcomes are known later than the target's horizon says",
        "Give the target the horizon after which its last outcome is known",
    ),
    "universe": (
        "assets were chosen by what came later, such as those that survived or became large",
        "Choose the assets of each day by what was known on it, and keep those that end",
    ),
    "scaling": (
        "a scaler was fitted on rows after the training part",
        "Fit scalers on job.fit_rows only; the scalers of cc.Features do",
    ),
    "weights": (
        "the model learns from rows after its training part: early stopping, selection or search on tested rows",
        "Fit on job.train_rows, and choose on job.valid_rows",
    ),
    "forecasts": (
        "the model reads rows after the one that it forecasts, or pools over all rows that it is given",
        "Read only rows up to each row's own",
    ),
    "positions": (
        "the rule reads later forecasts, later candles or outcomes, such as a threshold chosen on the tested part",
        "Use forecasts up to each bar, and outcomes only where known_at is not later than time",
    ),
    **dict.fromkeys(
        ("orders", "fills", "account"),
        (
            "orders, fills or equity depend on candles after their own bar",
            "Fill an order at the open after its decision, or later",
        ),
    ),
}
OF_FEATURES = "Use only earlier bars: no statistic of all rows, no centred window, no shift towards the past"


@dataclass(frozen=True)
class Finding:
    """A value that moved although only later candles had changed.

    stage: the first stage of the pipeline that moved; column: of its table. time: when the moved value was known, UTC.
    bar: candles after this bar had changed. lead: the smallest number of bars that the value looks ahead, 1 or more.
    perturbation: how the candles had changed. before, after: the value. cause, remedy: the likely cause, and what to do.
    """

    stage: str
    column: str
    time: datetime
    bar: int
    lead: int
    perturbation: str
    before: float
    after: float
    cause: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.stage}, {self.column}: the value known at {self.time:%Y-%m-%d %H:%M} UTC moved from {self.before:.6g} to "
            f"{self.after:.6g} when only candles after bar {self.bar:,} changed ({self.perturbation}); it looks "
            f"{count(self.lead, 'bar')} ahead. Likely cause: {self.cause}. {self.remedy}"
        )


@dataclass(frozen=True)
class Check:
    """One check of an audit. status: passed, warning, failed or not run. detail: what was compared, or why it was not run."""

    name: str
    status: str
    detail: str


@dataclass(frozen=True)
class AuditReport:
    """The result of an audit. kind: quick or full. `print(report)` gives the checks as a table, then the findings."""

    kind: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != FAILED for check in self.checks)

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed: the findings, and the details of failed checks that have none."""
        found = {finding.stage for finding in self.findings}
        failed = (check for check in self.checks if check.status == FAILED and check.name not in found)
        return (*map(str, self.findings), *(f"{check.name}: {check.detail}" for check in failed))

    @property
    def clock_features(self) -> str:
        """The features that depend on the time alone and are no plain time, in words; empty where there are none."""
        return self._warned(CLOCK)

    @property
    def level_features(self) -> str:
        """The features of a panel that change with the level of each asset's prices, in words; empty where there are none."""
        return self._warned(LEVELS)

    @property
    def adjustment_features(self) -> str:
        """The features of a panel that change when prices alone are multiplied, in words; empty where there are none."""
        return self._warned(ADJUSTMENT)

    @property
    def name_features(self) -> str:
        """The features of a panel that change with the names of its assets, in words; empty where there are none."""
        return self._warned(NAMES)

    def _warned(self, name: str) -> str:
        """The detail of a check that warns; empty where it does not."""
        return next((check.detail for check in self.checks if (check.name, check.status) == (name, WARNING)), "")

    @property
    def line(self) -> str:
        """The result in one line, as verdict and report show it."""
        failed = [check.name for check in self.checks if check.status == FAILED]
        done = sum(check.status != NOT_RUN for check in self.checks)
        if failed:
            return f"Audit ({self.kind}): failed at {', '.join(failed)}"
        warned = [check.name for check in self.checks if check.status == WARNING]
        words = f"Audit ({self.kind}): no look-ahead found in {count(done, 'check')}"
        return f"{words}; warning: {', '.join(warned)}" if warned else words

    @property
    def frame(self) -> pl.DataFrame:
        """The checks: `check`, `status`, `detail`."""
        rows = [(check.name, check.status, check.detail) for check in self.checks]
        return pl.DataFrame(rows, schema=["check", "status", "detail"], orient="row")

    def _repr_html_(self) -> str:
        """The same as text, for notebooks."""
        return notebook_text(str(self))

    def __str__(self) -> str:
        rows = table([[check.name, check.status, check.detail] for check in self.checks], ["check", "result", "detail"])
        return "\n".join([self.line, "", rows, *(f"\n{finding}" for finding in self.findings)])

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AuditReport:
        """The report of its JSON values. Raises KeyError, TypeError or ValueError for others."""
        findings = [
            Finding(**(each | {"time": datetime.fromisoformat(each["time"])} | _bounds(each)))
            for each in values["findings"]
        ]
        checks = [Check(each["check"], each["status"], each["detail"]) for each in values["checks"]]
        return cls(str(values["kind"]), tuple(checks), tuple(findings))

    def to_dict(self) -> dict[str, object]:
        """The report as JSON values."""
        return {
            "passed": self.passed,
            "kind": self.kind,
            "line": self.line,
            "checks": self.frame.to_dicts(),
            "findings": [
                vars(finding)
                | {"time": finding.time.isoformat()}
                | {name: getattr(finding, name) if isfinite(getattr(finding, name)) else None for name in BOUNDS}
                for finding in self.findings
            ],
        }


def joined(reports: Mapping[str, AuditReport]) -> AuditReport:
    """One report of those on several assets, by symbol: of each check the worst result, and the earliest stage that moved."""
    if len(reports) == 1:
        return next(iter(reports.values()))
    found: dict[str, list[tuple[str, Check]]] = {}
    for symbol, report in reports.items():
        for check in report.checks:
            found.setdefault(check.name, []).append((symbol, check))
    checks = []
    for name, own in found.items():
        symbol, worst = max(own, key=lambda pair: SEVERITY.index(pair[1].status))
        is_same = all(check == worst for _, check in own)
        checks.append(Check(name, worst.status, worst.detail if is_same else f"{symbol}: {worst.detail}"))
    failed = [check.name for check in checks if check.status == FAILED]
    findings = [
        replace(finding, column=f"{finding.column} of {symbol}")
        for symbol, report in reports.items()
        for finding in report.findings
        if finding.stage == failed[0]
    ]
    return AuditReport(next(iter(reports.values())).kind, tuple(checks), tuple(findings[:1]))


def _bounds(values: Mapping[str, Any]) -> dict[str, float]:
    """Both values of a finding, NaN for None."""
    return {name: nan if values[name] is None else float(values[name]) for name in BOUNDS}


def cause_of(stage: str, lead: int, share: float) -> tuple[str, str]:
    """The likely cause of a movement and its remedy, by the stage, how far it looks ahead and how much of it moved."""
    if stage in CAUSES:
        return CAUSES[stage]
    if share > FROM_EVERYWHERE:
        return "it is computed from the whole series, such as a mean, a range or a scaler of all rows", OF_FEATURES
    if lead == 1:
        return (
            "it reads the next bar: a shift by -1, a centred window, a backward fill, or a join at the open time",
            OF_FEATURES,
        )
    return f"it reads bars up to {lead:,} ahead", OF_FEATURES
