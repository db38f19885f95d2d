"""Many trials in one workspace: a market that is walked once, further forecasts and rules on it, and the verdict on each.

Every one is a trial in the ledger of the workspace. They share a walk: a linear forecast of other columns is fitted by least
squares on the rows that the walk trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import scored
from candlecast.evaluation.evidence import largest_p
from candlecast.evaluation.trial_count import TrialCount
from candlecast.evaluation.verdict import LEVEL, Verdict
from candlecast.ledger import Trial
from candlecast.ledger.profile import profile_of
from candlecast.stats import adjusted_p_value, clark_west
from candlecast.study.seal import digests_of
from candlecast.walkforward import watch_forward

COSTS = cc.Costs(fee_bps=1.0, slippage_bps=1.0)
FOLLOW = cc.FollowDirection()
IDLE = cc.Threshold(enter=0.5)  # a forecast of 50 % a bar never comes


@dataclass(frozen=True, eq=False)
class Walked:
    """A market that was walked once: further trials are another forecast or another rule on the same rows.

    `train` and `test`: rows of the candles; `columns`: what forecasts can be made of, float64 (time,) each.
    """

    result: cc.StudyResult
    train: np.ndarray
    test: np.ndarray
    columns: dict[str, np.ndarray] = field(repr=False)

    @classmethod
    def of(cls, candles: cc.Candles, *, target=None) -> Walked:
        target = target or cc.NextReturn()
        study = cc.Study(
            model=cc.LinearRegression(window=20),
            features=cc.Features(cc.log_return(1), cc.rsi(14)),  # as far back as any column looks
            target=target,
            folds=cc.WalkForward(folds=1),
            costs=COSTS,
            baselines=(),
            seeds=1,
        )
        parts = {
            model.name: list(
                watch_forward(
                    model, candles, features=study.features, target=target, folds=study.folds, seeds=range(1), window=20
                )
            )
            for model in (*study.baseline_models, study.model)
        }
        job = parts[study.model.name][0].job
        return cls(study.assemble(candles, parts), job.fit_rows, job.test_rows, columns_of(candles))

    @cached_property
    def outcomes(self) -> np.ndarray:
        """What is forecast, less naive, at every bar: float64 (time,)."""
        target, candles = self.result.primary_target, self.result.candles
        return target.values(candles) - target.naive(candles)

    @cached_property
    def naive(self) -> np.ndarray:
        return self.result.primary_target.naive(self.result.candles)

    def forecast(self, names: tuple[str, ...], alpha: float, *, recent: bool) -> np.ndarray:
        """Ridge regression on the named columns: the forecast of each test row. `recent`: of the later half of the training."""
        inputs = np.column_stack([self.columns[name] for name in names])
        rows = self.train[len(self.train) // 2 :] if recent else self.train
        middle, spread = inputs[rows].mean(axis=0), inputs[rows].std(axis=0)
        scaled = (inputs - middle) / np.where(spread > 0, spread, 1.0)
        level = self.outcomes[rows].mean()
        weights = np.linalg.solve(
            scaled[rows].T @ scaled[rows] / len(rows) + (alpha + 1e-9) * np.eye(len(names)),
            scaled[rows].T @ (self.outcomes[rows] - level) / len(rows),
        )
        return self.naive[self.test] + level + scaled[self.test] @ weights

    def tried(self, mean: np.ndarray, rule, **recipe) -> cc.StudyResult:
        """The result of another forecast of the same rows, traded by a rule; not yet a trial."""
        name, known = self.result.model, self.result.forecast.frame
        changed = {"mean": pl.Series(mean)}
        if not known["expected_return"].null_count():
            changed["expected_return"] = pl.Series(mean)
        forecast = Forecast(known.with_columns(**changed), self.result.primary_target.horizon)
        tried = replace(
            self.result,
            recipe=self.result.recipe | {"tried": recipe, "rule": repr(rule)},
            forecasts=self.result.forecasts | {name: forecast},
            positions={name: rule(forecast)},
        )
        return replace(tried, digests=digests_of(tried))  # as a study of its own would have it: no part is replaced

    @cached_property
    def _references(self) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
        scores = {
            name: scored(forecast, self.result.primary_target) for name, forecast in self.result.forecasts.items()
        }
        own = scores[self.result.model]
        is_known = self.result.forecast.frame["target"].is_not_null().to_numpy()
        others = {
            "p_naive": scores["naive"].forecast_change,
            "p_drift": scores["drift"].forecast_change,
            "p_mean": own.mean_change,
        }
        return own.outcome_change, others, is_known, self.naive[self.test][is_known]

    def row(self, mean: np.ndarray) -> dict[str, float]:
        """What a verdict reads of the accuracy of a forecast: its Clark-West tests, before any trial is counted."""
        outcome, others, is_known, naive = self._references
        change = mean[is_known] - naive
        found = {name: clark_west(outcome, change, other).p_value for name, other in others.items()}
        return found | {"observations": len(outcome)}

    @cached_property
    def _own_trial(self) -> Trial:
        return self.result.trial

    @cached_property
    def _moves(self) -> tuple[np.ndarray, np.ndarray]:
        """Simple returns from the close of each test row but the last to the open after it, and from that to its close."""
        candles, before = self.result.candles, self.test[:-1]
        opened = candles.open[before + 1]
        return opened / candles.close[before] - 1, candles.close[before + 1] / opened - 1

    def trial(self, mean: np.ndarray, *, rule=FOLLOW, **recipe) -> Trial:
        """What the ledger keeps of a forecast and a rule, FOLLOW or IDLE, without the tables of a backtest.

        As `tried(...).trial`, but that a position is held at its full size through every bar.
        """
        outcome, others, is_known, naive = self._references
        own, change = self._own_trial, mean[:-1] - self.naive[self.test][:-1]
        position = np.sign(change) if rule == FOLLOW else np.zeros(len(change))
        overnight, within = self._moves
        changes = np.diff(position, prepend=0.0)
        returns = (position - changes) * overnight + position * within - COSTS.per_side_bps / 1e4 * np.abs(changes)
        centre = others["p_mean"]
        skills = (outcome - centre) * (mean[is_known] - naive - centre)
        profile = profile_of(
            own.times,
            returns,
            step=self.result.candles.interval.microseconds,
            benchmark=overnight + within,
            skills=(self.result.candles.close_time[self.test[is_known] + self.result.primary_target.horizon], skills),
        )
        study = {**own.study, "tried": recipe, "rule": repr(rule)}
        return replace(own, study=study, returns=returns, profile=profile)


@dataclass
class Workspace:
    """A ledger, and the verdicts on the trials that could have been forecastable."""

    ledger: cc.Ledger = field(default_factory=cc.Ledger.in_memory)
    counted: TrialCount = field(default_factory=TrialCount)
    verdicts: list[Verdict] = field(default_factory=list)

    def could_be_forecastable(self, row: dict[str, float]) -> bool:
        """Whether the p-value of a forecast, adjusted for the trials counted so far, is below 5 %; later ones only raise it."""
        return adjusted(row, self.counted) < LEVEL

    def judge(self, result: cc.StudyResult, row: dict[str, float]) -> None:
        """Record and count a trial, and compute its verdict where the adjusted p-value of its forecast is below 5 %."""
        recorded = result.record(self.ledger)
        self.counted = recorded.counted
        if self.could_be_forecastable(row):
            verdict = recorded.verdict
            if verdict.evidence.conditions.replaced:
                raise RuntimeError(f"a trial of {result.model} gets no verdict, so that nothing would be measured")
            self.verdicts.append(verdict)

    def follow(self, walked: Walked, mean: np.ndarray, row: dict[str, float], **recipe) -> None:
        """A forecast whose direction is followed: judged where it could be forecastable, and recorded in any case."""
        if self.could_be_forecastable(row):
            self.judge(walked.tried(mean, FOLLOW, **recipe), row)
        else:
            self.ledger.record(walked.trial(mean, **recipe))

    def claims(self) -> dict[str, bool | int]:
        """Whether any verdict claimed a forecast, and an edge; how many trials were made."""
        return {
            "forecastable": any(verdict.is_forecastable for verdict in self.verdicts),
            "edge": any(verdict.has_edge for verdict in self.verdicts),
            "tries": self.ledger.count(),
        }


def adjusted(row: dict[str, float], trial_count: TrialCount) -> float:
    """The p-value of a forecast, as the verdict adjusts it for the trials counted."""
    return adjusted_p_value(largest_p(row), before=trial_count.forecasts_before, after=trial_count.forecasts)


def columns_of(candles) -> dict[str, np.ndarray]:
    """What users of daily or shorter bars try: returns, sums of returns, ranges, volume, indicators, days of the week."""
    known = {
        "range": cc.log_range(1),
        "sma 10": cc.sma_ratio(10),
        "sma 50": cc.sma_ratio(50),
        "rsi 5": cc.rsi(5),
        "rsi 14": cc.rsi(14),
        "volatility 5": cc.realized_volatility(5),
        "volatility 20": cc.realized_volatility(20),
    }
    returns = np.diff(np.log(candles.close), prepend=np.nan)
    found = {name: cc.Features(feature).compute(candles)[:, 0] for name, feature in known.items()}
    for lag in range(20):
        found[f"return {lag}"] = shifted(returns, lag)
    for bars in (3, 5, 10, 20, 50):
        found[f"sum {bars}"] = np.log(candles.close) - shifted(np.log(candles.close), bars)
    volume = np.log(np.maximum(candles.volume, 1.0))
    found["volume"] = volume - shifted(volume, 1)
    for lag in range(1, 8):
        found[f"range {lag}"] = shifted(found["range"], lag)
    found |= {"size": np.abs(returns), "signed square": returns * np.abs(returns), "sign": np.sign(returns)}
    found["body"] = np.log(candles.close / candles.open)
    found["wick"] = np.log(candles.high / candles.close)
    days = candles.frame["close_time"].dt.weekday().to_numpy()
    return found | {f"weekday {day}": (days == day).astype(np.float64) for day in range(1, 5)}


def shifted(values, lag):
    """What was known so many bars before; NaN where nothing was."""
    return np.concatenate([np.full(lag, np.nan), values[: len(values) - lag]])


def ideas() -> Iterator[tuple[tuple[str, ...], float, bool]]:
    """Forty-five forecasts that somebody might try one after another: columns, alpha, and whether only recent rows train."""
    last = {bars: tuple(f"return {lag}" for lag in range(bars)) for bars in (1, 2, 3, 5, 8, 13, 20)}
    ranges = {bars: ("range", *(f"range {lag}" for lag in range(1, bars))) for bars in (1, 3, 8)}
    sets = [
        *last.values(),
        *((f"sum {bars}",) for bars in (3, 5, 10, 20, 50)),
        *((f"return {lag}",) for lag in range(1, 6)),
        *ranges.values(),
        *((name,) for name in ("sma 10", "sma 50", "rsi 5", "rsi 14", "volume", "body", "wick", "sign")),
        ("volatility 5", "volatility 20"),
        ("size", "signed square"),
        tuple(f"weekday {day}" for day in range(1, 5)),
        ("return 0", "range", "rsi 14", "sma 50"),
    ]
    yield from ((names, 0.0, False) for names in sets)
    yield from ((last[bars], 1.0, False) for bars in (5, 13, 20))
    yield from ((names, 0.0, True) for names in (last[1], last[3], last[5], ("sum 3",), ("sum 10",), ("sum 50",)))
    yield from ((names, 0.0, True) for names in (("rsi 14",), ("sma 10",), ("body",), ("range",)))
