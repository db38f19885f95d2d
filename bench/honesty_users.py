"""Users of the library: one study, or many trials in one workspace, and the claims of their verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import honesty_worlds as worlds
import numpy as np
from honesty_tries import COSTS, FOLLOW, IDLE, Walked, Workspace, ideas

import candlecast as cc
from candlecast.evaluation.evidence import largest_p
from candlecast.stats import sharpe

TRIES = 50
SEQUENCE_BARS = 1_000
SHORT_BARS = 660  # of which 250 are judged
RETRADED = (
    cc.Threshold(enter=0.0002),
    cc.Threshold(enter=0.0005),
    cc.Threshold(enter=0.001),
    cc.Threshold(enter=0.001, exit=0.0005),
    cc.FollowDirection(allow_short=False),
)


def answer(verdict):
    return {"forecastable": verdict.is_forecastable, "edge": verdict.has_edge}


# One study in a fresh workspace


def study_of(*, window=2, features=None, folds=None, model=None):
    """A study with low costs and a linear model of the last return and the last five-bar return."""
    return cc.Study(
        model=model or cc.LinearRegression(window=window),
        features=features or cc.Features(cc.log_return(1), cc.log_return(5)),
        folds=folds or cc.WalkForward(folds=2),
        costs=COSTS,
        baselines=(),
        seeds=1,
    )


def one_study(world, **options):
    return answer(study_of(**options).run(world.candles, ledger=cc.Ledger.in_memory()).verdict)


def follower(world):
    """A study with a feature of a liquid market that moves first."""
    features = cc.Features(cc.log_return(1), worlds.leader_return(world.leader))
    return one_study(world, window=4, features=features)


def of_the_last_return(world):
    """A study of the last return alone: long after rises, short after falls."""
    return one_study(world, window=1, features=cc.Features(cc.log_return(1)))


def after_minutes(world, seed):
    """A true daily edge in a fresh workspace, and after three studies of two days of minutes of another market."""
    study, used = study_of(), cc.Ledger.in_memory()
    minutes = worlds.minutes_of(seed)
    for model in (cc.Drift(), cc.Ridge(), cc.LinearRegression()):
        study_of(model=model).run(minutes, ledger=used)
    result = study.run(world.candles, ledger=cc.Ledger.in_memory())
    return answer(result.record(used).verdict) | {"fresh": answer(result.verdict)}


# Many trials in one workspace


def in_sequence(candles):
    """Fifty trials in sequence: forty-five forecasts, and after every ninth the best so far by another rule."""
    walked, workspace, best = Walked.of(candles), Workspace(), None
    for number, (names, alpha, recent) in enumerate(ideas(), start=1):
        mean = walked.forecast(names, alpha, recent=recent)
        row, recipe = walked.row(mean), {"columns": names, "alpha": alpha, "recent": recent}
        workspace.follow(walked, mean, row, **recipe)
        if best is None or largest_p(row) < largest_p(best[1]):
            best = mean, row, recipe
        if number % 9 == 0:
            mean, row, recipe = best
            result = walked.tried(mean, RETRADED[number // 9 - 1], **recipe)
            if workspace.could_be_forecastable(row):
                workspace.judge(result, row)
            else:
                workspace.ledger.record(result.trial)
    return workspace.claims()


def idle_trials(candles):
    """Fifty forecasts that never trade; then the best of them follows its direction, and that is judged."""
    walked, workspace, found = Walked.of(candles), Workspace(), []
    many = list(ideas())
    many += [(names, 10.0, False) for names, _, _ in many[: TRIES - len(many)]]
    for names, alpha, recent in many:
        mean = walked.forecast(names, alpha, recent=recent)
        recipe = {"columns": names, "alpha": alpha, "recent": recent}
        workspace.ledger.record(walked.trial(mean, rule=IDLE, **recipe))
        found.append((walked.row(mean), mean, recipe))
    row, mean, recipe = min(found, key=lambda each: largest_p(each[0]))
    workspace.judge(walked.tried(mean, FOLLOW, **recipe), row)
    return workspace.claims()


def seller(candles):
    """Trades the sign of the last bar, tested on a short record: small gains, and rare large losses."""
    walked, workspace = Walked.of(candles), Workspace()
    mean = 0.002 * np.sign(walked.columns["return 0"][walked.test])
    workspace.judge(walked.tried(mean, FOLLOW, columns="sign"), walked.row(mean))
    return workspace.claims()


def several_intervals(seed):
    """One market at 1m, 1h, 4h and 1d: five forecasts of each, all in one workspace, each with its verdict."""
    workspace = Workspace()
    for interval, candles in worlds.one_market(seed).items():
        walked = Walked.of(candles)
        for names, alpha, recent in list(ideas())[:5]:
            mean = walked.forecast(names, alpha, recent=recent)
            workspace.follow(walked, mean, walked.row(mean), columns=names, interval=interval)
    return workspace.claims()


def volatility_timing(candles):
    """Twenty-four kinds of volatility timing: six forecasts of the next range, four steps of the rule each.

    Ranges can be forecast, as the first verdict says. Of the others, only those that could pay are judged.
    """
    walked, workspace = Walked.of(candles, target=cc.Volatility()), Workspace()
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
            if not workspace.verdicts or could_pay(result.backtest):
                workspace.verdicts.append(result.record(workspace.ledger).verdict)
            else:
                workspace.ledger.record(result.trial)
    return workspace.claims()


def could_pay(result):
    """Whether growth is more than 1.3 standard errors above zero, which a test at 5 % needs, and the Sharpe ratio above that of
    holding."""
    growth = np.log1p(result.returns)
    errors = growth.mean() / growth.std() * np.sqrt(len(growth))
    own, held = (sharpe(each, bars_per_year=1.0) for each in (result.returns, result.benchmark_returns))
    return errors > 1.3 and own > held


@dataclass(frozen=True)
class Family:
    """Markets or users of one kind. `market` is a family of `make_world`, `bars` its length, `user` what is done there.

    `is_null`: nothing can be forecast either, so that claim is false too. `has_edge`: the market has a true edge.
    """

    market: str
    bars: int
    user: Callable
    is_null: bool = False
    strength: float = float("nan")
    has_edge: bool = False

    def claims(self, seed):
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
    "ruin, squeezes while short": Family("ruin, squeezes while short", 5_000, _of_world(of_the_last_return)),
    "ruin, growth below zero": Family("ruin, growth below zero", 4_000, _of_world(one_study)),
    "martingale of 5 % a bar": Family("martingale of 5 % a bar", 4_000, _of_world(one_study), is_null=True),
    "a crash in 50 bars, 250 bars": Family("a crash in 50 bars", SHORT_BARS, _of_candles(seller), is_null=True),
    "a crash in 100 bars, 250 bars": Family("a crash in 100 bars", SHORT_BARS, _of_candles(seller), is_null=True),
    "purged k-fold on AR(1)": Family("AR(1), phi", 4_000, _purged, strength=0.25),
    "combinatorial purged on AR(1)": Family("AR(1), phi", 2_000, _combined, strength=0.25),
    "50 idle trials, then the best": Family("random walk", 2_000, _of_candles(idle_trials), is_null=True),
    "four intervals in a workspace": Family("", 0, lambda world, seed: several_intervals(seed), is_null=True),
    "24 ways of volatility timing": Family("GARCH-t", 1_500, _of_candles(volatility_timing)),
}
SEQUENCES = {
    f"50 trials on {market}": Family(market, SEQUENCE_BARS, _of_candles(in_sequence), is_null=True)
    for market in ("random walk", "GARCH-t", "shuffled S&P 500 and Nasdaq")
}
WITH_EDGE = {
    "a daily edge after three studies of minutes": Family(
        "AR(1), phi", 4_000, after_minutes, strength=0.2, has_edge=True
    )
}
FAMILIES = NO_EDGE | SEQUENCES | WITH_EDGE
