"""The tests behind the verdict: how fast the bootstrap is, and how often each test is wrong, and right, at 5 %.

    python bench/inference.py [--worlds 500] [--json]

False alarms: worlds without skill (Student GARCH returns; forecasts by a rolling regression on momentum over 1 to 24 bars and a
slow signal, five folds), judged by this project's tests and by the textbook ones. Found: the same with a injected slow signal.
Turbulence: returns of several kinds, and a forecast of one bar that is short while the market is turbulent. Rare losses: a
record that gains a little at each bar and loses all of that once in 60 to 500 bars, and honest records beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable

import numpy as np
import statsmodels.api as sm
from arch.bootstrap import StationaryBootstrap
from scipy.signal import lfilter
from scipy.stats import norm

from candlecast import stats

BARS, PATHS = 10_000, 1_000
CASES = [(observations, horizon) for observations in (500, 2_500) for horizon in (1, 5, 24, 60)]


GARCH = {0.06: 0.9, 0.08: 0.9, 0.12: 0.86}  # alpha: beta


def returns_without_skill(generator: np.random.Generator, bars: int, alpha: float = 0.08) -> np.ndarray:
    shocks = generator.standard_t(5, size=bars) / math.sqrt(5 / 3)
    returns, variance = np.empty(bars), 1.0
    for t, shock in enumerate(shocks):
        returns[t] = math.sqrt(variance) * shock
        variance = 1 - alpha - GARCH[alpha] + alpha * returns[t] ** 2 + GARCH[alpha] * variance
    return returns


def turbulent(kind: float | str, generator: np.random.Generator, bars: int) -> np.ndarray:
    """Returns without skill: GARCH of that alpha, or "independent", or two "regimes" of volatility."""
    if isinstance(kind, float):
        return returns_without_skill(generator, bars, kind)
    if kind == "independent":
        return generator.standard_t(5, size=bars) / math.sqrt(5 / 3)
    is_wild, chances = False, generator.random(bars)
    scale = np.empty(bars)
    for t, chance in enumerate(chances):
        is_wild = chance > 0.03 if is_wild else chance < 0.01
        scale[t] = 3.0 if is_wild else 1.0
    return scale * generator.standard_normal(bars)


def timed(kind: float | str, seed: int, observations: int) -> tuple[np.ndarray, np.ndarray]:
    """Next returns, and a forecast of them that is short while an average of past squares is high."""
    returns = turbulent(kind, np.random.default_rng([seed, observations]), observations + 50)
    squares = np.asarray(lfilter([0.1], [1, -0.9], returns**2 - 1.0)) + 1.0
    return returns[50:], 2.0 - squares[49:-1]


def insured(generator: np.random.Generator, bars: int, once_in: int, gain: float) -> tuple[np.ndarray, float]:
    """Log returns of a mean of zero in bars of 0.1 %, a loss among them once in so many bars, and the size of that loss."""
    loss = gain * once_in
    losses = (generator.random(bars) < 1 / once_in) * loss * generator.uniform(0.7, 1.3, bars)
    return 1e-3 * (gain + generator.standard_normal(bars) - losses), 1e-3 * loss


def world(seed: int, observations: int, horizon: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes over `horizon` bars and forecasts of them, both (observations,)."""
    generator = np.random.default_rng([seed, observations, horizon])
    bars = 2 * observations + horizon + 60
    returns = returns_without_skill(generator, bars)
    signal = np.asarray(lfilter([math.sqrt(1 - 0.98**2)], [1, -0.98], generator.normal(size=bars)))
    returns[1:] += skill * signal[:-1]
    level = np.concatenate([[0.0], np.cumsum(returns)])
    rows = np.arange(50, bars - horizon)
    outcome = level[rows + 1 + horizon] - level[rows + 1]
    momentum = [(level[rows + 1] - level[rows + 1 - bars_back]) / math.sqrt(bars_back) for bars_back in (1, 5, 24)]
    inputs = np.column_stack([np.ones(len(rows)), *momentum, signal[rows]])
    first, forecast = len(rows) - observations, np.empty(len(rows))
    for part in np.array_split(np.arange(first, len(rows)), 5):
        train = slice(max(part[0] - first, 0), part[0] - horizon)
        forecast[part] = inputs[part] @ np.linalg.lstsq(inputs[train], outcome[train], rcond=None)[0]
    return outcome[first:], forecast[first:]


def bartlett_clark_west(outcome: np.ndarray, forecast: np.ndarray, horizon: int) -> float:
    """The usual recipe: Newey-West errors with 2 (h - 1) lags, normal p-values."""
    gain = outcome**2 - ((outcome - forecast) ** 2 - forecast**2)
    lags = max(2 * (horizon - 1), math.floor(4 * (len(gain) / 100) ** (2 / 9)))
    fit = sm.OLS(gain, np.ones(len(gain))).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    return float(norm.sf(fit.tvalues[0]))


def tests(outcome: np.ndarray, forecast: np.ndarray, horizon: int) -> dict[str, float]:
    nothing = np.zeros(len(outcome))
    return {
        "Clark-West": stats.clark_west(outcome, forecast, nothing, horizon=horizon).p_value,
        "Clark-West, Bartlett": bartlett_clark_west(outcome, forecast, horizon),
        "Pesaran-Timmermann": stats.pesaran_timmermann(outcome, forecast, horizon=horizon).p_value,
        "Pesaran-Timmermann, textbook": stats.pesaran_timmermann(outcome, forecast).p_value,
        "Anatolyev-Gerko": stats.anatolyev_gerko(outcome, forecast, horizon=horizon).p_value,
    }


def figure(
    name: str, value: float, unit: str, goal: float | None, better: str, against: str | None
) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": better, "against": against}


def seconds(work: Callable[[], object]) -> float:
    work()  # what is compiled or read on first use does not count
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speed() -> list[dict[str, object]]:
    series, other = 0.01 * np.random.default_rng(0).standard_t(4, size=(2, BARS)) + 0.0003
    ours = seconds(lambda: stats.bootstrap_means(series, paths=PATHS, block=10.0))
    work = {
        "mean, path by path": lambda: stats.stationary_bootstrap(series, np.mean, paths=PATHS, block=10.0),
        "Sharpe ratio, path by path": lambda: stats.stationary_bootstrap(
            series, lambda path: stats.sharpe(path, bars_per_year=252), paths=PATHS, block=10.0
        ),
        "Sharpe difference, studentised": lambda: stats.sharpe_difference(
            series, other, bars_per_year=252, paths=PATHS
        ),
    }
    theirs = seconds(lambda: StationaryBootstrap(10, series, seed=0).apply(np.mean, PATHS))
    size = f"{PATHS:,} paths of {BARS:,} bars"
    return [
        figure(f"bootstrap of means, {size}", ours, "s", 1.0, "lower", None),
        *(
            figure(f"bootstrap of the {name}, {size}", seconds(call), "s", 1.0, "lower", None)
            for name, call in work.items()
        ),
        figure("bootstrap of a mean, arch / ours", theirs / ours, "x", None, "higher", "arch"),
    ]


def rates(worlds: int) -> list[dict[str, object]]:
    figures = []
    for skill, words, goal, better in ((0.0, "false alarms", 5.0, "lower"), (0.08, "found", None, "higher")):
        for observations, horizon in CASES:
            found = [tests(*world(seed, observations, horizon, skill), horizon) for seed in range(worlds)]
            for name in found[0]:
                share = 100 * float(np.mean([each[name] < 0.05 for each in found]))
                label = f"{words}: {name}, {observations:,} bars, horizon {horizon}"
                figures.append(figure(label, share, "%", goal, better, None))
    return figures


def paper_anatolyev_gerko(outcome: np.ndarray, forecast: np.ndarray) -> float:
    """With the variance of the paper, and a normal p-value."""
    position = np.sign(forecast)
    error = math.sqrt(position.var() * outcome.var() / len(outcome))
    profit = np.mean((position - position.mean()) * (outcome - outcome.mean()))
    return float(norm.sf(profit / error)) if error else 1.0


def turbulence(worlds: int) -> list[dict[str, object]]:
    figures = []
    for observations in (500, 2_500):
        for kind in ("independent", *GARCH, "regimes"):
            found = []
            for outcome, forecast in (timed(kind, seed, observations) for seed in range(worlds)):
                found.append(
                    {
                        "Anatolyev-Gerko": stats.anatolyev_gerko(outcome, forecast).p_value,
                        "Anatolyev-Gerko, the paper's": paper_anatolyev_gerko(outcome, forecast),
                        "Pesaran-Timmermann": stats.pesaran_timmermann(outcome, forecast).p_value,
                    }
                )
            words = f"GARCH {kind}" if isinstance(kind, float) else kind
            for name in found[0]:
                share = 100 * float(np.mean([each[name] < 0.05 for each in found]))
                label = f"turbulence: {name}, {observations:,} bars, {words}"
                figures.append(figure(label, share, "%", 5.0, "lower", None))
    return figures


def rare_losses(worlds: int) -> list[dict[str, object]]:
    """Claims of a gain that is none: by the bootstrap, and where the check finds it reliable, the loss known or not."""
    figures = []
    for bars in (250, 500, 1_000, 2_500):
        for once_in in (60, 120, 250, 500):
            counts = np.zeros(3)
            for seed in range(worlds):
                returns, loss = insured(np.random.default_rng([seed, bars, once_in]), bars, once_in, 0.1)
                if stats.bootstrap_p_value(returns) < 0.05:
                    checks = stats.check_rare_losses(returns), stats.check_rare_losses(returns, worst_loss=loss)
                    counts += [1, *(check.is_reliable for check in checks)]
            for name, total in zip(("bootstrap", "its own losses", "the loss known"), counts, strict=True):
                label = f"rare losses: {name}, {bars:,} bars, once in {once_in}"
                figures.append(figure(label, 100 * total / worlds, "%", 5.0, "lower", None))
        for kind in ("independent", 0.08):
            kept = []
            for seed in range(worlds):
                returns = 0.01 * (turbulent(kind, np.random.default_rng([seed, bars, 1]), bars) + 0.05)
                kept.append(stats.check_rare_losses(returns).is_reliable)
            label = f"honest records found reliable: {bars:,} bars, {kind if kind == 'independent' else 'GARCH'}"
            figures.append(figure(label, 100 * float(np.mean(kept)), "%", 95.0, "higher", None))
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = speed() + rates(options.worlds) + turbulence(options.worlds) + rare_losses(options.worlds)
    if options.json:
        print(json.dumps({"bench": "inference", "machine": platform.platform(), "figures": figures}))
        return
    for each in figures:
        print(f"{each['name']:76} {each['value']:8.3g} {each['unit']}")


if __name__ == "__main__":
    main()
