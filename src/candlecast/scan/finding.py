"""`Finding`: what a cell found, before it is known among how many trials; as JSON values and back."""

from __future__ import annotations

import base64
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.evidence import Evidence, gather
from candlecast.evaluation.objection import Objection
from candlecast.evaluation.objections import objections
from candlecast.evaluation.trial_count import TrialCount
from candlecast.evaluation.verdict import Decision, decide
from candlecast.ledger.profile import Profile
from candlecast.stats.confidence import TrackRecord
from candlecast.study.result import StudyResult

UNCOUNTED = TrialCount()
PASSED = (
    (False, False),
    (False, True),
    (True, False),
    (True, True),
)  # whether the forecast and the account pass their tests
BARE = ("conditions", "trial_count", "record")  # parts of the evidence that are stored apart, or not


@dataclass(frozen=True)
class Finding:
    """Tests, accuracy and account of a cell.

    accuracy: the row of the model in the accuracy table; summary: the statistics of its account by name, each with `value`,
    `low`, `high` and `benchmark`; baselines: R2 of the baselines by name. evidence: the tests, not adjusted for other trials;
    its conditions are left out. against: the objections, by whether the forecast and the account pass their tests.
    profile: that of the trial. break_even_bps: costs a side at which the account would have ended where it began.
    """

    accuracy: dict[str, Any]
    summary: dict[str, dict[str, Any]]
    baselines: dict[str, float]
    evidence: Evidence
    against: dict[tuple[bool, bool], tuple[Objection, ...]]
    profile: Profile
    break_even_bps: float
    fills: int
    audit: str

    @classmethod
    def of(cls, result: StudyResult) -> Finding:
        """What a study found; not yet a trial."""
        row = result.own_accuracy.row(by_predicate=pl.col("model") == result.model, named=True)
        evidence = gather(
            row,
            result.backtest,
            horizon=result.primary_target.horizon,
            trial_count=UNCOUNTED,
            conditions=result.conditions,
            seed=result.seed,
        )
        against = {
            passed: objections(
                row, result.backtest, result.primary_target, evidence, is_known=passed[0], is_significant=passed[1]
            )
            for passed in PASSED
        }
        return cls(
            accuracy=row,
            summary={line.pop("statistic"): line for line in result.summary().to_dicts()},
            baselines=_skills(result),
            evidence=evidence,
            against=against,
            profile=result.trial.outline,
            break_even_bps=evidence.break_even_bps,
            fills=result.backtest.fills.height,
            audit=result.conditions.audit,
        )

    def among(self, trial_count: TrialCount) -> tuple[Evidence, Decision]:
        """The tests adjusted for all trials, and what they amount to; as a verdict says it."""
        evidence = self.evidence.among(trial_count)
        return evidence, decide(evidence, self.against[evidence.is_known, evidence.is_significant])

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values; numbers that JSON lacks are text."""
        tests = {item.name: getattr(self.evidence, item.name) for item in fields(Evidence) if item.name not in BARE}
        return _coded(
            {
                "accuracy": self.accuracy,
                "summary": self.summary,
                "baselines": self.baselines,
                "tests": tests,
                "record": list(self.evidence.record),
                "conditions": self.evidence.conditions.to_dict(),
                "against": [[asdict(each) for each in self.against[passed]] for passed in PASSED],
                "profile": base64.b64encode(self.profile.pack()).decode(),
                "break_even_bps": self.break_even_bps,
                "fills": self.fills,
                "audit": self.audit,
            }
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Finding:
        """The finding of such values. Raises ValueError, KeyError or TypeError for others."""
        read = _decoded(values)
        sharpe, observations, *rest = read["record"]
        evidence = Evidence(
            **read["tests"],
            conditions=Conditions(),
            trial_count=UNCOUNTED,
            record=TrackRecord(sharpe, int(observations), *rest),
        )
        return cls(
            accuracy=read["accuracy"],
            summary=read["summary"],
            baselines=read["baselines"],
            evidence=evidence,
            against={
                passed: tuple(Objection(**each) for each in held)
                for passed, held in zip(PASSED, read["against"], strict=True)
            },
            profile=Profile.unpack(base64.b64decode(read["profile"])),
            break_even_bps=read["break_even_bps"],
            fills=read["fills"],
            audit=read["audit"],
        )


def _skills(result: StudyResult) -> dict[str, float]:
    """R2 of each baseline against naive, on the rows that the studied model forecasts."""
    studied = result.forecast.averaged().frame.select("time")
    found = {}
    for name, forecast in result.forecasts.items():
        if name == result.model:
            continue
        known = forecast.averaged().frame.join(studied, on="time", how="semi").drop_nulls("target")
        target, mean, naive = (known[column].to_numpy() for column in ("target", "mean", "naive"))
        total = float(np.sum((target - naive) ** 2))
        found[name] = 1.0 - float(np.sum((target - mean) ** 2)) / total if total > 0 else math.nan
    return found


def _coded(value: Any) -> Any:
    """JSON values of values: numbers that are not finite become text with a mark."""
    if isinstance(value, dict):
        return {str(key): _coded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_coded(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return f"number:{value}"
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decoded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if isinstance(value, str) and value in ("number:nan", "number:inf", "number:-inf"):
        return float(value.removeprefix("number:"))
    return value
