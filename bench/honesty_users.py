"""Users of the library on markets whose prices lie, and users who try many things: what each is told in the end.

Every try is a trial in the ledger of the user's own workspace, and every answer is that of the verdict. The tries of one
user share a walk: a linear forecast of other columns is fitted by least squares on the rows that the walk trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import honesty_worlds as worlds
import numpy as np
import polars as pl

import candlecast as cc
from candlecast.accuracy import scored
from candlecast.evidence import largest_p
from candlecast.forecast import Forecast
from candlecast.stats import bootstrap_p_value, clark_west
from candlecast.verdict import LEVEL
from candlecast.walk import watch_forward

COSTS = cc.Costs(fee_bps=1.0, slippage_bps=1.0)
TRIES = 50
SEQUENCE_BARS = 1_000
FOLLOW = cc.FollowDirection()
RETRADED = (
    cc.Threshold(enter=0.0002),
    cc.Threshold(enter=0.0005),
    cc.Threshold(enter=0.001),
    cc.Threshold(enter=0.001, exit=0.0005),
    cc.FollowDirection(allow_short=False),
)
IDLE = cc.Threshold(enter=0.5)  # a forecast of 50 % a bar never comes


def answer(verdict):
    return {"forecastable": verdict.is_forecastable, "edge": verdict.has_edge}


# One study in a fresh workspace


def study_of(world, *, window=2, features=None, folds=None, model=None):
    """The study of somebody with low costs and a linear model of the last return and the last five."""
    own = (cc.log_return(1), cc.log_return(5))
    led = () if world.leader is None else (worlds.leader_return(world.leader),)
    return cc.Study(
        model=model or cc.LinearRegression(window=window),
        features=features or cc.Features(*own, *led),
        folds=folds or cc.WalkForward(folds=2),
        costs=COSTS,
        baselines=(),
        seeds=1,
    )


def one_study(world, **options):
    return answer(study_of(world, **options).run(world.candles, ledger=cc.Ledger.in_memory()).verdict)


def short_record(world):
    """Half a record of 500 bars trains, 250 bars are judged."""
    return one_study(world, window=1, features=cc.Features(cc.log_return(1)), folds=cc.WalkForward(folds=1))


def follower(world):
    """The study of somebody who sees a liquid market that moves first."""
    return one_study(world, window=4)


def after_minutes(world, seed):
    """A true daily edge in a fresh workspace, and after three studies of three days of minutes of another market."""
    study, used = study_of(world), cc.Ledger.in_memory()
    minutes = worlds.minutes_of(seed)
    for model in (cc.Drift(), cc.Ridge(), cc.LinearRegression()):
        study_of(world, model=model).run(minutes, ledger=used)
    result = study.run(world.candles, ledger=cc.Ledger.in_memory())
    return answer(result.recorded(used).verdict) | {"fresh": answer(result.verdict)}


# Many tries in one workspace


@dataclass(frozen=True, eq=False)
class Walked:
    """A market that was walked once: whatever is tried on it is another forecast or another rule on the same rows.

    `columns` (time, k): what forecasts are made of, by `names`.
    """

    result: cc.StudyResult
    train: np.ndarray
    test: np.ndarray
    columns: dict[str, np.ndarray] = field(repr=False)

    @classmethod
    def of(cls, candles, columns: Callable[[cc.Candles], dict[str, np.ndarray]], *, target=None):
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
            for model in (*study.beside, study.model)
        }
        job = parts[study.model.name][0].job
        return cls(study.assemble(candles, parts), job.fit_rows, job.test_rows, columns(candles))

    @cached_property
    def outcomes(self) -> np.ndarray:
        """What is forecast, less naive, at every bar: float64 (time,)."""
        target, candles = self.result.lead, self.result.candles
        return target.values(candles) - target.naive(candles)

    @cached_property
    def naive(self) -> np.ndarray:
        return self.result.lead.naive(self.result.candles)

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
        forecast = Forecast(known.with_columns(**changed), self.result.lead.horizon)
        return replace(
            self.result,
            recipe=self.result.recipe | {"tried": recipe, "rule": repr(rule)},
            forecasts=self.result.forecasts | {name: forecast},
            positions={name: rule(forecast)},
        )

    @cached_property
    def _references(self) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
        scores = {name: scored(forecast, self.result.lead) for name, forecast in self.result.forecasts.items()}
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


def told(result, row, ledger):
    """The verdict on a try, as its user gets it; None where it cannot be forecastable, whatever was tried before.

    The trial is recorded in both cases. Paying for trials only raises a p-value, so that one that is above the level by
    itself needs no further judgement.
    """
    if largest_p(row) < LEVEL:
        return result.recorded(ledger).verdict
    ledger.record(result.trial)
    return None


def at_least_once(verdicts):
    given = [verdict for verdict in verdicts if verdict is not None]
    return {
        "forecastable": any(verdict.is_forecastable for verdict in given),
        "edge": any(verdict.has_edge for verdict in given),
        "judged": len(given),
    }


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


def in_sequence(candles):
    """Fifty things one after another, with a look at each verdict: forty-five forecasts, and after every ninth the best so far
    by another rule."""
    walked, ledger, verdicts, best = Walked.of(candles, columns_of), cc.Ledger.in_memory(), [], None
    for number, (names, alpha, recent) in enumerate(ideas(), start=1):
        mean = walked.forecast(names, alpha, recent=recent)
        row, recipe = walked.row(mean), {"columns": names, "alpha": alpha, "recent": recent}
        verdicts.append(told(walked.tried(mean, FOLLOW, **recipe), row, ledger))
        if best is None or largest_p(row) < largest_p(best[1]):
            best = mean, row, recipe
        if number % 9 == 0:
            mean, row, recipe = best
            verdicts.append(told(walked.tried(mean, RETRADED[number // 9 - 1], **recipe), row, ledger))
    return at_least_once(verdicts) | {"tries": ledger.count()}


def idle_trials(candles):
    """Fifty forecasts that never trade; then the best of them follows its direction, and that is judged."""
    walked, ledger, found = Walked.of(candles, columns_of), cc.Ledger.in_memory(), []
    many = list(ideas())
    many += [(names, 10.0, False) for names, _, _ in many[: TRIES - len(many)]]
    for names, alpha, recent in many:
        mean = walked.forecast(names, alpha, recent=recent)
        recipe = {"columns": names, "alpha": alpha, "recent": recent}
        ledger.record(walked.tried(mean, IDLE, **recipe).trial)
        found.append((walked.row(mean), mean, recipe))
    row, mean, recipe = min(found, key=lambda each: largest_p(each[0]))
    return at_least_once([told(walked.tried(mean, FOLLOW, **recipe), row, ledger)])


def several_intervals(seed):
    """One market at 1m, 1h, 4h and 1d: five forecasts of each, all in one workspace, with a look at each verdict."""
    ledger, verdicts = cc.Ledger.in_memory(), []
    for interval, candles in worlds.one_market(seed).items():
        walked = Walked.of(candles, columns_of)
        for names, alpha, recent in list(ideas())[:5]:
            mean = walked.forecast(names, alpha, recent=recent)
            result = walked.tried(mean, FOLLOW, columns=names, interval=interval)
            verdicts.append(told(result, walked.row(mean), ledger))
    return at_least_once(verdicts)


def volatility_timing(candles):
    """Twenty-four ways to hold less in turbulent times: six forecasts of the next range, four steps of the rule each.

    Ranges can be forecast; the first verdict says so. Of the others, those are judged whose return is above zero by itself.
    """
    walked, ledger, verdicts = Walked.of(candles, columns_of, target=cc.Volatility()), cc.Ledger.in_memory(), []
    ranges = tuple(f"range {lag}" for lag in range(1, 8))
    sets = (
        ("range",),
        ("range", *ranges[:2]),
        ("range", *ranges),
        ("volatility 5",),
        ("volatility 20",),
        ("size", "range"),
    )
    for names in sets:
        mean = walked.forecast(names, 0.0, recent=False)
        for step in (0.05, 0.1, 0.2, 0.25):
            result = walked.tried(mean, cc.InverseVolatility(step=step), columns=names)
            if not verdicts or bootstrap_p_value(result.backtest.returns) < LEVEL:
                verdicts.append(result.recorded(ledger).verdict)
            else:
                ledger.record(result.trial)
    return at_least_once(verdicts)


@dataclass(frozen=True)
class Family:
    """Markets or users of one kind. `market` is a family of `make_world`, `bars` its length, `user` what is done there.

    `is_null`: nothing can be forecast either. Where that is not so, prices can be forecast that nobody could trade at.
    """

    market: str
    bars: int
    user: Callable
    is_null: bool = False
    strength: float = float("nan")
    has_edge: bool = False

    def told(self, seed):
        world = worlds.make_world(self.market, self.strength, seed, self.bars) if self.market else None
        return self.user(world, seed)


def _of_world(user):
    return lambda world, seed: user(world)


def _of_candles(user):
    return lambda world, seed: user(world.candles)


def _purged(world, seed):
    return one_study(world, folds=cc.PurgedKFold())


def _combined(world, seed):
    return one_study(world, folds=cc.CombinatorialPurged())


NO_EDGE = {
    "ticks, chained opens": Family("ticks, chained opens", 4_000, _of_world(one_study)),
    "ticks, opens of their own": Family("ticks, opens of their own", 4_000, _of_world(one_study)),
    "bounce, chained opens": Family("bounce, chained opens", 4_000, _of_world(one_study)),
    "bounce, opens of their own": Family("bounce, opens of their own", 4_000, _of_world(one_study)),
    "stale opens": Family("stale opens", 4_000, _of_world(one_study)),
    "filled bars, own past": Family("filled bars, own past", 4_000, _of_world(one_study)),
    "filled bars, a leader": Family("filled bars, a leader", 4_000, _of_world(follower)),
    "ruin, squeezes while short": Family("ruin, squeezes while short", 4_000, _of_world(one_study)),
    "ruin, growth below zero": Family("ruin, growth below zero", 4_000, _of_world(one_study)),
    "martingale of 5 % a bar": Family("martingale of 5 % a bar", 4_000, _of_world(one_study), is_null=True),
    "rare crashes, 250 bars": Family("rare crashes", 500, _of_world(short_record), is_null=True),
    "purged k-fold on AR(1)": Family("AR(1), phi", 4_000, _purged, strength=0.25),
    "combinatorial purged on AR(1)": Family("AR(1), phi", 2_000, _combined, strength=0.25),
    "50 idle trials, then the best": Family("random walk", 2_000, _of_candles(idle_trials), is_null=True),
    "four intervals in a workspace": Family("", 0, lambda world, seed: several_intervals(seed), is_null=True),
    "24 ways of volatility timing": Family("GARCH-t", 2_000, _of_candles(volatility_timing)),
}
SEQUENCES = {
    f"50 tries on {market}": Family(market, SEQUENCE_BARS, _of_candles(in_sequence), is_null=True)
    for market in ("random walk", "GARCH-t", "shuffled S&P 500 and Nasdaq")
}
WITH_EDGE = {
    "a daily edge after three studies of minutes": Family(
        "AR(1), phi", 4_000, after_minutes, strength=0.2, has_edge=True
    )
}
FAMILIES = NO_EDGE | SEQUENCES | WITH_EDGE
