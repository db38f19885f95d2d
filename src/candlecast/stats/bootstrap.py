"""The stationary block bootstrap: how much a statistic of dependent rows would vary, had history been another.

Data are float64, shape (time,), or (time, k) for series that are resampled together, row by row. Everything is
deterministic by `seed`, whatever the number of threads. `block` is the mean block length in bars, found by
`block_length` when not given. Data that are not finite, fewer rows than one, and a block below 1 raise ConfigError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from candlecast.errors import ConfigError
from candlecast.parameters import is_number
from candlecast.process.threads import in_parts
from candlecast.stats.performance import Moments, figures_by_path, sharpe
from candlecast.stats.samples import aligned

Statistic = Callable[[np.ndarray], "float | np.ndarray"]

CIRCULAR = 1.5 ** (1 / 3)  # best length of circular blocks over that of geometric ones; Politis and White (2004)
ROUNDING = 1e-7  # standard error of a difference, over that of a single ratio, below which there is no difference
TAIL, MIN_TAIL = 0.05, 20  # share of draws that the tail beyond them is estimated from, and at least how many
PARALLEL = 1_000_000  # observations of all paths from which on they are drawn on several threads
MAX_UNDEFINED = 0.1  # share of draws on which a statistic may be NaN, beyond which its interval is unknown


class BootstrapInterval(NamedTuple):
    """A statistic's `value` on the data, bounds `low` and `high`, and the `draws` they come from, shape (paths,)."""

    value: float
    low: float
    high: float
    draws: np.ndarray


class ColumnMeans(NamedTuple):
    """The mean of each column, (k,), and `draws`, the same on each resampled history, (paths, k)."""

    means: np.ndarray
    draws: np.ndarray


class SharpeDifference(NamedTuple):
    """Sharpe ratio less the benchmark's, per year, its bounds, and the one-sided p-value of no difference."""

    difference: float
    low: float
    high: float
    p_value: float


def block_length(data: np.ndarray) -> float:
    """Mean block length, in bars, that serves the stationary bootstrap of a mean best; of several series, the longest.

    (2 G^2 / D)^(1/3) n^(1/3), with G = sum_k w(k/M) |k| g_k, D = 2 (sum_k w(k/M) g_k)^2, both over |k| <= M, g_k the
    autocovariances and w the flat-top window min(1, 2 (1 - |x|)). M is twice the first lag after which max(5, log10 n)
    autocorrelations stay within 2 sqrt(log10(n) / n). Between 1 and min(3 sqrt(n), n / 3).
    Politis and White (2004), corrected by Patton, Politis and White (2009).

    >>> block_length(np.array([0.0, 0.0, 0.0, 0.0]))
    1.0
    """
    return max(_series_block_length(series) for series in _rows(data).T)


def stationary_indices(length: int, *, paths: int, block: float, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of each resampled path, int64, shape (length,).

    Blocks start anywhere with equal probability, have geometric lengths of mean `block`, and wrap from the last row to the
    first. Politis and Romano (1994).

    >>> next(stationary_indices(6, paths=1, block=3.0, seed=1)).shape
    (6,)
    """
    _require_paths(paths, block)
    from candlecast.stats.resampling import stationary_rows

    for state in _states(seed, paths):
        rows = np.empty(length, dtype=np.int64)
        stationary_rows(state, _length_scale(block), rows)
        yield rows


def stationary_bootstrap(
    data: np.ndarray, statistic: Statistic, *, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> np.ndarray:
    """The statistic on each of `paths` resampled histories, float64, shape (paths,) or (paths, its own shape).

    >>> stationary_bootstrap(np.array([1.0, 1.0, 1.0]), np.mean, paths=2)
    array([1., 1.])
    """
    rows = _rows(data)
    values = rows[:, 0] if np.ndim(data) == 1 else rows
    block = block_length(rows) if block is None else block
    indices = stationary_indices(len(values), paths=paths, block=block, seed=seed)
    return np.array([statistic(values[index]) for index in indices], dtype=np.float64)


def bootstrap_means(data: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0) -> np.ndarray:
    """The mean of each column on each resampled history, float64, shape (paths, k), without making the histories.

    The same draws as `stationary_bootstrap` with the mean as its statistic. Whatever is a function of means, such as R2 or a
    correlation, is resampled by these, all columns in one pass.

    >>> bootstrap_means(np.array([1.0, 1.0, 1.0]), paths=2).tolist()
    [[1.0], [1.0]]
    """
    rows = _rows(data)
    block = block_length(rows) if block is None else block
    middle = rows.mean(axis=0)  # taken off, so that the sums stay small and exact
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    np.subtract(rows, middle, out=sums[1:])
    return _drawn_means(sums, paths, block, seed) + middle


def bootstrap_columns(
    columns: Iterable[np.ndarray], *, shape: tuple[int, int], block: float, paths: int = 1_000, seed: int = 0
) -> ColumnMeans:
    """The mean of each column, and on each resampled history, as `bootstrap_means`; of columns that are made one by one.

    Args:
        columns: each of shape (time,), and freed once the next is asked for.
        shape: how many rows and columns there are.
        block: mean block length in bars.
        paths: how many histories.
        seed: of the histories.

    Raises:
        ConfigError: values that are not finite.

    >>> bootstrap_columns(iter([np.ones(3), np.zeros(3)]), shape=(3, 2), block=1.0, paths=1)
    ColumnMeans(means=array([1., 0.]), draws=array([[1., 0.]]))
    """
    sums = np.zeros((shape[0] + 1, shape[1]))  # the only copy of the data
    rows = sums[1:]
    for number, column in enumerate(columns):
        rows[:, number] = _rows(column)[:, 0]
    means = rows.mean(axis=0)
    rows -= means
    return ColumnMeans(means, _drawn_means(sums, paths, block, seed) + means)


def _drawn_means(sums: np.ndarray, paths: int, block: float, seed: int) -> np.ndarray:
    """Means of the rows on each resampled history, (paths, k). `sums` (time + 1, k): zeros, and the rows, which are added up."""
    _require_paths(paths, block)
    from candlecast.stats.resampling import stationary_means

    np.cumsum(sums[1:], axis=0, out=sums[1:])
    out = np.empty((paths, sums.shape[1]))
    states, scale = _states(seed, paths), _length_scale(block)
    _by_path(
        lambda first, last: stationary_means(states[first:last], scale, sums, out[first:last]), paths, len(sums) - 1
    )
    return out


def bootstrap_moments(
    returns: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> list[Moments]:
    """What an account made of each resampled history of its simple net returns, (time,), without making the histories.

    The same draws as `stationary_bootstrap`, whose statistic would be `moments`, in a twentieth of the time.

    >>> [path.growth for path in bootstrap_moments(np.array([0.5, 0.5]), paths=2)]
    [2.25, 2.25]
    """
    return [Moments(len(returns), *path) for path in _moments_by_path(returns, paths, block, seed).tolist()]


def bootstrap_figures(
    returns: np.ndarray, *, bars_per_year: float, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> np.ndarray:
    """`Moments.figures` of each path of `bootstrap_moments`, float64 (paths, 7).

    >>> bootstrap_figures(np.array([0.5, 0.5]), bars_per_year=2, paths=2)[:, :2]      # total and annual return
    array([[1.25, 1.25],
           [1.25, 1.25]])
    """
    found = _moments_by_path(returns, paths, block, seed)
    return figures_by_path(found, observations=len(returns), bars_per_year=bars_per_year)


def _moments_by_path(returns: np.ndarray, paths: int, block: float | None, seed: int) -> np.ndarray:
    """Growth, mean, deviation, downside and maximum drawdown of each path, float64 (paths, 5)."""
    (returns,) = aligned(returns=returns)
    block = block_length(returns) if block is None else block
    _require_paths(paths, block)
    from candlecast.stats.resampling import stationary_moments

    out = np.empty((paths, 5))
    states, scale = _states(seed, paths), _length_scale(block)
    _by_path(
        lambda first, last: stationary_moments(states[first:last], scale, returns, out[first:last]), paths, len(returns)
    )
    return out


def percentile_interval(draws: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the draws: the order statistics nearest to (1 - level) / 2 and (1 + level) / 2.

    Draws that are NaN (the statistic is undefined on that path) are left out; when they are more than a tenth, both
    bounds are NaN. Raises ConfigError for a level outside (0, 1). Efron (1979).

    >>> percentile_interval(np.arange(101.0), level=0.9)
    (5.0, 95.0)
    """
    if not is_number(level) or not 0.0 < level < 1.0:
        raise ConfigError(
            f"level is {level!r}", expected="a probability between 0 and 1", remedy="Use for example 0.95"
        )
    defined = draws[~np.isnan(draws)]
    if len(defined) < (1.0 - MAX_UNDEFINED) * len(draws) or not len(defined):
        return math.nan, math.nan
    order = np.sort(defined)
    low, high = (order[round(q * (len(order) - 1))] for q in ((1.0 - level) / 2, (1.0 + level) / 2))
    return float(low), float(high)


def bootstrap_interval(
    data: np.ndarray,
    statistic: Statistic,
    *,
    level: float = 0.95,
    paths: int = 1_000,
    block: float | None = None,
    seed: int = 0,
) -> BootstrapInterval:
    """A statistic that is one number, with its `percentile_interval` over resampled histories.

    >>> bootstrap_interval(np.array([2.0, 2.0, 2.0]), np.mean, paths=10)[:3]
    (2.0, 2.0, 2.0)
    """
    draws = stationary_bootstrap(data, statistic, paths=paths, block=block, seed=seed)
    return BootstrapInterval(float(statistic(np.asarray(data))), *percentile_interval(draws, level=level), draws)


def bootstrap_p_value(
    difference: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> float:
    """One-sided p-value of the hypothesis that the mean of `difference` is zero or less; shape (time,).

    (1 + the number of centred draws, mean* - mean, that are at or above the mean) / (1 + paths): how often luck
    alone, with the same dependence, would have given so much; below 1 / (1 + paths) by `_tail`. Values that are all zero
    give 1.0. White (2000).

    >>> bootstrap_p_value(np.ones(10), paths=99)
    0.01
    """
    return bootstrap_p_values(np.asarray(difference)[:, None], paths=paths, block=block, seed=seed)[0]


def bootstrap_p_values(
    differences: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0
) -> list[float]:
    """`bootstrap_p_value` of each column, (time, k), all on the same draws: in the time of one.

    `block`: as long as the column that needs the longest when not given.

    >>> bootstrap_p_values(np.array([[1.0, -1.0]] * 10), paths=99)
    [0.01, 1.0]
    """
    draws = bootstrap_means(differences, paths=paths, block=block, seed=seed)
    return [_p_value(float(np.mean(column)), drawn) for column, drawn in zip(differences.T, draws.T, strict=True)]


def studentised_p_value(values: np.ndarray, *, paths: int = 1_000, block: float | None = None, seed: int = 0) -> float:
    """One-sided p-value of the hypothesis that the mean is zero or less, with skewness allowed for; shape (time,).

    With m the mean and s its standard error, by the spread of sums over circular blocks, (1 + the number of paths on which
    (m* - m) / s* is at or above m / s) / (1 + paths). Where few values bring most of the loss, a path without them has a
    large mean and a small error, which counts against the claim: in `bootstrap_p_value` it does not. Values that are all
    equal give NaN, or 1.0 if they are zero. Hall (1988); blocks after Gotze and Kunsch (1996).

    >>> gains = np.repeat([1.0, -60.0], [248, 2])      # two bars take half of what the others bring
    >>> studentised_p_value(gains, block=1.0) > 0.1 > 0.01 > bootstrap_p_value(gains, block=1.0)
    True
    """
    (values,) = aligned(values=values)
    block = block_length(values) if block is None else block
    _require_paths(paths, block)
    spread = float(values.std())
    if not spread > 1e-12 * abs(values).max():
        return math.nan if values.any() else 1.0
    size = min(round(block * CIRCULAR), len(values))
    sums = _circular_sums((values / spread)[:, None], size)
    from candlecast.stats.resampling import block_moments

    mean, variance = np.empty((paths, 1)), np.empty((paths, 1, 1))
    count = len(values) // size
    block_moments(_states(seed, paths), sums, count, mean, variance)
    excess = mean[:, 0] - sums.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = excess / np.sqrt(np.maximum(variance[:, 0, 0], 0.0) / count)  # NaN or infinite on a path of one value
    statistic = float(sums.mean()) / math.sqrt(float(sums.var()) / count) if sums.var() > 0 else math.nan
    if math.isnan(statistic):
        return math.nan
    return (1 + int(np.sum(~(t < statistic)))) / (1 + paths)


def sharpe_difference(
    returns: np.ndarray,
    benchmark: np.ndarray,
    *,
    bars_per_year: float,
    level: float = 0.95,
    paths: int = 1_000,
    block: float | None = None,
    seed: int = 0,
) -> SharpeDifference:
    """Test that returns have a higher Sharpe ratio than the benchmark's returns of the same bars.

    The two are resampled together, so that what they share stays shared, in circular blocks as long as either or its square
    needs. With d the difference and s its standard error, by the spread of block sums, each path gives (d* - d) / s*: bounds
    are d - s times its quantiles, the one-sided p-value is (1 + the number of paths at or above d / s) / (1 + paths),
    and below 1 / (1 + paths) by `_tail`. Without a defined difference all are NaN. Raises ConfigError when the lengths
    differ. Ledoit and Wolf (2008), Robust Performance Hypothesis Testing with the Sharpe Ratio.

    >>> sharpe_difference(np.arange(-9.0, 9.0), np.arange(-9.0, 9.0), bars_per_year=252)
    SharpeDifference(difference=0.0, low=0.0, high=0.0, p_value=1.0)
    """
    if np.shape(returns) != np.shape(benchmark):
        raise ConfigError(
            f"returns have shape {np.shape(returns)} and the benchmark {np.shape(benchmark)}",
            expected="returns of the same bars",
            remedy="Pass result.returns and result.benchmark_returns of one backtest",
        )
    value = sharpe(returns, bars_per_year=bars_per_year) - sharpe(benchmark, bars_per_year=bars_per_year)
    if math.isnan(value) or not len(returns):
        return SharpeDifference(math.nan, math.nan, math.nan, math.nan)
    pairs = _rows(np.column_stack([returns, benchmark]))  # (time, 2)
    spread = pairs.std(axis=0)
    pairs = np.divide(pairs, spread, out=np.zeros_like(pairs), where=spread > 0)  # a ratio has no unit
    moments = np.column_stack([pairs, pairs**2])  # (time, 4)
    block = block_length(moments) if block is None else block
    _require_paths(paths, block)
    size = min(round(block * CIRCULAR), len(pairs))
    ratio, error, draws, errors = _studentised(moments, size, paths, seed)
    if not error > ROUNDING / math.sqrt(len(pairs)):  # the same returns, or a multiple of them
        return SharpeDifference(value, value, value, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(errors > 0, (draws - ratio) / errors, np.nan)
    unit = value / ratio if ratio else math.sqrt(bars_per_year)
    low, high = (value - unit * error * bound for bound in reversed(percentile_interval(t, level=level)))
    return SharpeDifference(value, low, high, share_above(ratio / error, t))


def _studentised(moments: np.ndarray, size: int, paths: int, seed: int) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Difference of two Sharpe ratios per bar and its standard error, on the data and on each path of circular blocks.

    `moments` (time, 4): both returns and their squares. Errors by the delta method from sums over blocks of `size` bars.
    """
    n = len(moments)
    sums = _circular_sums(moments, size)  # (time, 4)
    ratio, error = _ratio_and_error(sums.mean(axis=0)[None], np.cov(sums.T, bias=True)[None], size, observations=n)
    from candlecast.stats.resampling import block_moments

    mean, covariance = np.empty((paths, 4)), np.empty((paths, 4, 4))
    block_moments(_states(seed, paths), sums, n // size, mean, covariance)
    draws, errors = _ratio_and_error(mean, covariance, size, observations=n // size * size)
    return float(ratio[0]), float(error[0]), draws, errors


def _circular_sums(rows: np.ndarray, size: int) -> np.ndarray:
    """Sums (time, k) over the block of `size` rows that starts at each row, the first following the last."""
    wrapped = np.concatenate([rows, rows[: size - 1]])
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(wrapped, axis=0)])
    return total[size:] - total[:-size]


def _ratio_and_error(
    sums: np.ndarray, covariance: np.ndarray, size: int, *, observations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Difference and error of each path, (paths,), from mean (paths, 4) and covariance (paths, 4, 4) of its block sums."""
    first, second = sums[:, :2] / size, sums[:, 2:] / size
    variance = np.maximum(second - first**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = first / np.sqrt(variance)
        gradient = np.concatenate([second / variance**1.5, -0.5 * first / variance**1.5], axis=1)  # (paths, 4)
    ratio = np.where(np.isfinite(ratio), ratio, np.where(first == 0.0, 0.0, np.nan))  # all zero: as in `sharpe`
    gradient = np.where(np.isfinite(gradient), gradient, 0.0) * np.array([1.0, -1.0, 1.0, -1.0])
    squared = np.einsum("pi,pij,pj->p", gradient, covariance, gradient) / size / observations
    return ratio[:, 0] - ratio[:, 1], np.sqrt(np.maximum(squared, 0.0))


def _p_value(value: float, draws: np.ndarray) -> float:
    """Share of centred draws at or above the value; an undefined draw counts as above, which claims less."""
    return math.nan if math.isnan(value) else share_above(value, draws - value)


def share_above(value: float, draws: np.ndarray) -> float:
    """(1 + the number of draws at or above the value) / (1 + paths); by `_tail` where there is none."""
    above = int(np.sum(~(draws < value)))
    least = (1 + above) / (1 + len(draws))
    return least if above else min(least, _tail(value, draws))


def _tail(value: float, draws: np.ndarray) -> float:
    """Probability of a value above all draws, so that strong results stay significant among many trials.

    TAIL exp(-(value - u) / m): an exponential tail beyond the draws' quantile u at 1 - TAIL, m the mean excess above it. The
    tail of a normal variable falls faster, so this claims less: 1.8e-4 at 4 standard deviations, instead of 3e-5. 1.0 for
    fewer than MIN_TAIL draws beyond u, or draws without spread. Knijnenburg et al. (2009), Fewer Permutations, More Accurate
    P-values, with a generalised Pareto tail of shape 0.
    """
    bound = float(np.quantile(draws, 1.0 - TAIL))
    beyond = draws[draws > bound] - bound
    excess = float(beyond.mean()) if len(beyond) >= MIN_TAIL else 0.0
    return TAIL * math.exp(-(value - bound) / excess) if excess > 0.0 else 1.0


def _series_block_length(series: np.ndarray) -> float:
    n = len(series)
    x = series - series.mean()
    variance = x @ x / n
    if n < 4 or variance <= 1e-24 * series.mean() ** 2:
        return 1.0
    run = max(5, int(math.log10(n)))
    longest = min(math.ceil(math.sqrt(n)) + run, n - 1)
    spectrum = np.fft.rfft(x, 1 << (n + longest).bit_length())  # padded with zeros, so that no lag wraps around
    covariances = np.fft.irfft(np.abs(spectrum) ** 2)[: longest + 1] / n
    is_small = np.abs(covariances[1:]) < 2.0 * math.sqrt(math.log10(n) / n) * variance  # lags 1, 2, ...
    runs = np.flatnonzero(np.convolve(is_small, np.ones(run), mode="valid") == run) if longest >= run else is_small[:0]
    width = min(2 * (int(runs[0]) + 1), longest) if len(runs) else longest
    lags = np.arange(1, width + 1)
    weights = 2.0 * np.minimum(1.0, 2.0 * (1.0 - lags / width)) * covariances[1 : width + 1]
    slope, level = weights @ lags, covariances[0] + weights.sum()
    if level == 0.0:
        return 1.0
    best = (slope**2 / level**2 * n) ** (1 / 3)
    return float(min(max(best, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3))))


def _states(seed: int, paths: int) -> np.ndarray:
    """Where the random numbers of each path begin, uint64 (paths,): a path is the same however many follow it."""
    return np.random.SeedSequence(seed).generate_state(paths, np.uint64)


def _by_path(work: Callable[[int, int], None], paths: int, observations: int) -> None:
    """Do the work of all paths, on several threads where there is much of it."""
    if paths * observations < PARALLEL:
        work(0, paths)
    else:
        in_parts(work, paths)


def _length_scale(block: float) -> float:
    """1 / ln(1 - 1 / block): an exponential variable times this, rounded up, is a geometric length of mean `block`."""
    return 1.0 / math.log1p(-1.0 / block) if block > 1.0 else 0.0


def _require_paths(paths: int, block: float) -> None:
    if paths < 1 or not 1.0 <= block < math.inf:
        raise ConfigError(
            f"paths is {paths} and block is {block}",
            expected="at least 1 path, of blocks of at least 1 bar",
            remedy="Use for example paths=1_000 and leave block unset",
        )


def _rows(data: np.ndarray) -> np.ndarray:
    """The data as float64, shape (time, k)."""
    rows = np.asarray(data, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        raise ConfigError(
            f"data of shape {np.shape(data)} hold no rows, or values that are not finite",
            expected="finite values, shape (time,) or (time, k)",
            remedy="Drop the moments at which a value is not known",
        )
    return rows
