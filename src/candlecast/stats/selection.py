"""Selection bias: many trials, many models, many assets, of which the best is chosen afterwards.

Returns are simple net returns per bar, losses are errors per bar (smaller is better), both float64 of shape (time, k), a
column for each trial or model, of the same moments. Values that are not finite raise ConfigError, unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.parameters import is_number
from candlecast.stats.bootstrap import block_length

DRAWS = 32_768  # of trials without skill, for their expected best
FEW = 64  # trials up to which all draws are made; the best of more trials varies less, so fewer draws are as exact
MIN_DRAWS, CHUNK = 1_024, 1_024  # at least, and at once
PRECISION = 1e-13  # of the logarithm of an effective number
JITTER = 1e-9  # of a correlation matrix, whose rank is lower than its size where trials are copies
UNTIED = 1e-12  # of a loss, by which models of equal mean loss differ


class Overfitting(NamedTuple):
    """The results of choosing the best trial of the past.

    probability: that the best of the past is below the median afterwards; `logits`, one per split, of its relative rank
    afterwards (0 is the median); degradation: slope of its Sharpe ratio afterwards on that before; loss: share of splits
    in which it loses money afterwards.
    """

    probability: float
    logits: np.ndarray
    degradation: float
    loss: float


class Superiority(NamedTuple):
    """p-values of the hypothesis that no model beats the benchmark: `consistent`, between its bounds `lower` and `upper`."""

    lower: float
    consistent: float
    upper: float


def effective_trials(returns: np.ndarray, *, seed: int = 0) -> float:
    """The effective number of independent trials of correlated ones: between 1 and their number.

    The number of independent standard normals whose expected largest is that of the trials' standardised means when none
    has skill, in draws with the correlations of the returns. NaN marks bars that a trial did not cover; a trial without any
    spread is no trial.

    Copies count once, a cluster of near-copies little more, unrelated trials in full. (A count of clusters, as in Lopez de
    Prado and Lewis 2019, is the same at both ends, but calls 100 trials with correlation 0.6 one, although the best of them
    is lucky by 1.6 standard errors; this says 11.)

    Raises ConfigError for returns that are infinite or not of shape (time, trials).

    >>> copies = np.tile(np.array([[0.01], [-0.02], [0.03]]), 5)
    >>> round(effective_trials(copies), 3)
    1.0
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or np.isinf(returns).any():
        raise ConfigError(
            f"returns of trials have shape {returns.shape}, or hold infinite values",
            expected="shape (time, trials), NaN where a trial has no return",
            remedy="Stack the trials' returns as columns, aligned by time",
        )
    covered = ~np.isnan(returns)
    unit = unit_columns(np.where(covered, returns, 0.0), covered)
    return max(effective_counts(unit, [unit.shape[1]], seed=seed)[0], 1.0)


def unit_columns(columns: np.ndarray, covered: np.ndarray, *, rounding: float = 1e-12) -> np.ndarray:
    """Columns (time, trials) centred over the rows that each covers, of length 1; 0 where a column has no spread.

    `covered`, bool (time, trials): columns are 0 elsewhere. `rounding`: spread below this share of a column's length is none.

    >>> unit_columns(np.array([[3.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), np.array([[True, True], [True, True], [False, True]]))
    array([[ 0.70710678,  0.        ],
           [-0.70710678,  0.        ],
           [ 0.        ,  0.        ]])
    """
    before = np.sqrt((columns**2).sum(axis=0))
    centred = np.where(covered, columns - columns.sum(axis=0) / np.maximum(covered.sum(axis=0), 1), 0.0)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > rounding * before)


def effective_counts(unit: np.ndarray, counts: Sequence[int], *, seed: int = 0) -> list[float]:
    """`effective_trials` of the first 1, 2, ... columns, for each of `counts`, in one set of draws.

    `unit` (time, trials): centred columns of length 1, or 0 where a trial has no spread, which is then no trial. A count
    whose columns are all without spread gives 0.

    >>> two = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, 0.5], [-0.5, -0.5]])
    >>> [round(each, 1) for each in effective_counts(two, [1, 2])]
    [1.0, 2.0]
    """
    is_trial = (unit != 0.0).any(axis=0)
    kept, numbers = unit[:, is_trial], np.concatenate([[0], np.cumsum(is_trial)])[list(counts)]
    trials = kept.shape[1]
    if trials < 2:
        return [float(number) for number in numbers]
    root = np.linalg.cholesky(kept.T @ kept + JITTER * np.eye(trials)).astype(np.float32)  # (k, k), of the correlations
    generator = np.random.default_rng(seed)
    draws = max(DRAWS * min(FEW, trials) // trials // CHUNK * CHUNK, MIN_DRAWS)
    best = np.zeros(len(numbers))
    for _ in range(0, draws, CHUNK):
        z = (
            generator.standard_normal((CHUNK, trials), dtype=np.float32) @ root.T
        )  # (chunk, k); its negative is as likely
        for place, number in enumerate(numbers):
            if number > 1:
                best[place] += float((z[:, :number].max(axis=1) - z[:, :number].min(axis=1)).sum(dtype=np.float64)) / 2
    found = [_equal_count(each / draws, int(number)) for each, number in zip(best, numbers, strict=True)]
    return [each if number > 1 else float(number) for each, number in zip(found, numbers, strict=True)]


def overfitting_probability(returns: np.ndarray, *, blocks: int = 16) -> Overfitting:
    """Probability of backtest overfitting, by combinatorially symmetric cross-validation.

    History is cut into `blocks` equal parts (the oldest bars that do not fit are left out). For each choice of half of
    them, the trial with the best Sharpe ratio there is looked up in the other half: its rank there among N trials, ties at
    their middle, is w = rank / (N + 1), and its logit ln(w / (1 - w)). The probability is the share of logits at or below
    0. A trial without spread has a Sharpe ratio of 0. It only ranks the trials: where all others lose more, it is near 0 for a
    best one without any skill.

    Raises ConfigError for fewer than 2 trials or an odd number of blocks, NotEnoughDataError for fewer than 2 bars a block.
    Bailey, Borwein, Lopez de Prado and Zhu (2017), The Probability of Backtest Overfitting.

    >>> steady = np.array([[0.02, -0.01], [0.01, -0.02]] * 8)      # the first is better in every block
    >>> overfitting_probability(steady, blocks=4).probability
    0.0
    """
    returns = _matrix(returns, "returns", least=2)
    if blocks < 2 or blocks % 2:
        raise ConfigError(f"blocks is {blocks}", expected="an even number, 2 or more", remedy="Use blocks=16")
    size, trials = len(returns) // blocks, returns.shape[1]
    if size < 2:
        raise NotEnoughDataError(
            f"{len(returns):,} bars cannot be cut into {blocks} blocks",
            expected=f"at least {2 * blocks:,} bars",
            remedy="Use fewer blocks, or longer records",
        )
    parts = returns[len(returns) - size * blocks :].reshape(blocks, size, trials)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)  # (blocks, trials)
    is_past = np.zeros((len(list(combinations(range(blocks), blocks // 2))), blocks))
    for row, chosen in zip(is_past, combinations(range(blocks), blocks // 2), strict=True):
        row[list(chosen)] = 1.0
    bars = size * blocks // 2
    before = _sharpes(is_past @ sums, is_past @ squares, bars)  # (splits, trials)
    after = _sharpes((1.0 - is_past) @ sums, (1.0 - is_past) @ squares, bars)
    best = before.argmax(axis=1)[:, None]
    chosen_before, chosen_after = (np.take_along_axis(ratios, best, axis=1) for ratios in (before, after))
    rank = (after < chosen_after).sum(axis=1) + ((after == chosen_after).sum(axis=1) + 1) / 2
    share = rank / (trials + 1)
    logits = np.log(share / (1.0 - share))
    x, y = chosen_before[:, 0], chosen_after[:, 0]
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread else np.nan
    return Overfitting(float(np.mean(logits <= 0.0)), logits, slope, float(np.mean(y < 0.0)))


def superior_predictive_ability(
    benchmark: np.ndarray, losses: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> Superiority:
    """Test that at least one of many models has smaller expected loss than the benchmark, adjusted for the search.

    Studentised, by the stationary bootstrap, in blocks of mean length `block` (that of the longest loss difference when not
    given), through `arch`. Losses that all equal the benchmark's give 1.0. Hansen (2005), A Test for Superior Predictive
    Ability; `upper` is White's (2000) Reality Check.

    >>> rng = np.random.default_rng(0)
    >>> losses = rng.random((200, 3))
    >>> superior_predictive_ability(losses[:, 0] + 0.2, losses).consistent
    0.0
    """
    benchmark, losses = _against(benchmark, losses)
    differing = losses[:, (losses != benchmark[:, None]).any(axis=0)]
    if not differing.shape[1]:
        return Superiority(1.0, 1.0, 1.0)
    from arch.bootstrap import SPA

    test = SPA(benchmark, differing, block_size=_block(benchmark[:, None] - differing, block), reps=paths, seed=seed)
    test.compute()
    return Superiority(*np.asarray(test.pvalues, dtype=np.float64).tolist())  # lower, consistent, upper


def superior_models(
    benchmark: np.ndarray,
    losses: np.ndarray,
    *,
    level: float = 0.05,
    paths: int = 1_000,
    block: float | None = None,
    seed: int = 0,
) -> list[int]:
    """Columns of the models that beat the benchmark, with a probability of at most `level` that any of them does not.

    Stepwise multiple testing, studentised, through `arch`; options as in `superior_predictive_ability`.
    Romano and Wolf (2005), Stepwise Multiple Testing as Formalized Data Snooping.

    >>> rng = np.random.default_rng(0)
    >>> losses = rng.random((200, 3)) + np.array([0.0, 0.5, 0.0])
    >>> superior_models(rng.random(200) + 0.3, losses)
    [0, 2]
    """
    _require_level(level)
    benchmark, losses = _against(benchmark, losses)
    differing = np.flatnonzero((losses != benchmark[:, None]).any(axis=0))
    if not len(differing):
        return []
    from arch.bootstrap import StepM

    size = _block(benchmark[:, None] - losses[:, differing], block)
    test = StepM(benchmark, losses[:, differing], size=level, block_size=size, reps=paths, seed=seed)
    try:
        test.compute()
    except ValueError:  # of arch, which looks for one more once all of them are superior
        return sorted(differing.tolist())
    return sorted(differing[np.asarray(test.superior_models, dtype=np.int64)].tolist())


def model_confidence_set(
    losses: np.ndarray, *, level: float = 0.05, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> np.ndarray:
    """p-value of each model: the set of those at or above `level` holds the best one with confidence 1 - `level`.

    Models are taken out one by one, the one with the largest standardised loss first, while equal predictive ability of
    those left is rejected (range statistic). Models with the same losses share their p-value. Float64 (models,). Through
    `arch`; `paths`, `block`, `seed` as in `superior_predictive_ability`. Hansen, Lunde and Nason (2011), The Model
    Confidence Set.

    >>> rng = np.random.default_rng(0)
    >>> model_confidence_set(rng.random((200, 3)) + np.array([0.0, 0.5, 0.0])) >= 0.05
    array([ True, False,  True])
    """
    _require_level(level)
    losses = _matrix(losses, "losses", least=2)
    from arch.bootstrap import MCS

    _, first, same = np.unique(losses, axis=1, return_index=True, return_inverse=True)
    kept = np.sort(first)  # of models with the same losses, the first stands for all
    if len(kept) == 1:
        return np.ones(losses.shape[1])
    shares = 1 + UNTIED * np.arange(len(kept), dtype=np.float64)  # arch takes out both models of a tie of means
    unlike: np.ndarray = losses[:, kept] * shares
    size = _block(unlike - unlike.mean(axis=1, keepdims=True), block)
    test = MCS(unlike, size=level, block_size=size, reps=paths, seed=seed)
    test.compute()
    found = test.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64)
    return found[np.searchsorted(kept, first[same.ravel()])]


def false_discovery(p_values: np.ndarray, *, dependence: Literal["positive", "any"] = "positive") -> np.ndarray:
    """Adjusted p-values of many tests, such as one per asset: reject those below q, and a share of at most q is false.

    p_(i) m / i, made monotone from the largest down (Benjamini and Hochberg 1995): valid for tests that are independent or
    lean the same way, as assets of one market do. dependence="any" multiplies by sum_{i=1..m} 1 / i (Benjamini and Yekutieli
    2001). NaN, a test that could not be made, stays NaN and does not count. Through SciPy.

    Raises ConfigError for values outside [0, 1].

    >>> false_discovery(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.04,  nan, 0.04])
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p_values, dtype=np.float64)
    is_known = ~np.isnan(values)
    if values.ndim != 1 or ((values[is_known] < 0) | (values[is_known] > 1)).any():
        raise ConfigError(
            f"p-values of shape {values.shape} hold something else than probabilities",
            expected="numbers in [0, 1], NaN where a test is undefined, shape (tests,)",
            remedy="Pass the p_value of each test",
        )
    adjusted = np.full(values.shape, np.nan)
    if is_known.any():
        method = "bh" if dependence == "positive" else "by"
        adjusted[is_known] = false_discovery_control(values[is_known], method=method)
    return adjusted


def _equal_count(best: float, trials: int) -> float:
    """The number of independent standard normals, in [1, trials], whose expected largest is `best`."""
    from scipy.special import log_ndtr

    x = np.linspace(-8.0, 8.0, 4_001)
    logs = log_ndtr(x)

    def expected(count: float) -> tuple[float, float]:
        """E max = int x dF^count, by parts: 8 - int F^count dx, where F^count is 1 at 8; and its slope in ln(count)."""
        powers = np.exp(count * logs)
        return 8.0 - float(np.trapezoid(powers, x)), -count * float(np.trapezoid(powers * logs, x))

    if best >= expected(float(trials))[0]:
        return float(trials)
    log_count, step = 0.0, math.inf  # Newton's method from below: the expected maximum is concave in ln(count)
    while step > PRECISION:
        value, slope = expected(math.exp(log_count))
        step = (best - value) / slope
        log_count += max(step, 0.0)
    return math.exp(log_count)


def _sharpes(sums: np.ndarray, squares: np.ndarray, bars: int) -> np.ndarray:
    mean = sums / bars
    spread = np.sqrt(np.maximum(squares / bars - mean**2, 0.0) * bars / (bars - 1))
    return np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-12 * np.abs(mean))


def _matrix(values: np.ndarray, name: str, *, least: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < least or not len(values) or not np.isfinite(values).all():
        raise ConfigError(
            f"{name} have shape {values.shape}, or hold values that are not finite",
            expected=f"shape (time, k) with k of at least {least}, all finite",
            remedy="Stack one column for each, of the moments that all of them cover",
        )
    return values


def _against(benchmark: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    losses = _matrix(losses, "losses", least=1)
    benchmark = np.asarray(benchmark, dtype=np.float64)
    if benchmark.shape != losses.shape[:1] or not np.isfinite(benchmark).all():
        raise ConfigError(
            f"the benchmark's losses have shape {benchmark.shape}, or are not finite",
            expected=f"shape {losses.shape[:1]}, as the models' losses",
            remedy="Pass one loss for each moment",
        )
    return benchmark, losses


def _block(differences: np.ndarray, block: float | None) -> int:
    return max(round(block_length(differences) if block is None else block), 1)


def _require_level(level: float) -> None:
    if not is_number(level) or not 0.0 < level < 1.0:
        raise ConfigError(
            f"level is {level!r}", expected="a probability between 0 and 1", remedy="Use for example 0.05"
        )
