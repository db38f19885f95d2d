"""The stationary bootstrap against theory, against arch, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast import stats
from candlecast.errors import ConfigError
from candlecast.stats import bootstrap


def autoregressive(n: int, rho: float, seed: int) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -rho], np.random.default_rng(seed).normal(size=n))


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("n", [60, 500, 5_000])
def test_block_length_equals_arch(rho, n):
    from arch.bootstrap import optimal_block_length

    series = autoregressive(n, rho, seed=n)
    expected = max(1.0, float(optimal_block_length(series)["stationary"].iloc[0]))
    assert stats.block_length(series) == pytest.approx(expected, rel=0.02)


def test_block_length_of_several_series_is_the_longest():
    short, long = autoregressive(500, 0.0, 1), autoregressive(500, 0.8, 2)
    both = stats.block_length(np.column_stack([short, long]))
    assert both == stats.block_length(long) > stats.block_length(short)


@pytest.mark.parametrize("series", [np.zeros(100), np.full(100, 0.1), np.array([1.0]), np.array([1.0, 2.0, 3.0])])
def test_block_length_without_dependence_to_see(series):
    assert stats.block_length(series) == 1.0


def test_blocks_have_geometric_lengths_and_wrap():
    (rows,) = stats.stationary_indices(100_000, paths=1, block=8.0, seed=0)
    assert len(rows) == 100_000
    assert rows.min() >= 0
    assert rows.max() < 100_000
    breaks = np.flatnonzero(np.diff(rows) % 100_000 != 1)
    lengths = np.diff(breaks)
    assert lengths.mean() == pytest.approx(8.0, rel=0.03)
    assert np.mean(lengths == 1) == pytest.approx(1 / 8, rel=0.1)
    histogram = np.bincount(rows // 10_000)
    assert histogram == pytest.approx(np.full(10, 10_000), rel=0.15)


def test_rows_follow_each_other_across_the_end():
    (rows,) = stats.stationary_indices(5, paths=1, block=1e9, seed=3)
    assert (np.diff(rows) % 5 == 1).all()


def test_variance_of_the_mean_is_the_one_in_theory():
    """Politis and Romano (1994): circular autocovariances weighted by (1 - 1/block)^k."""
    series, block, n = autoregressive(200, 0.6, seed=5), 10.0, 200
    x = series - series.mean()
    circular = np.array([x @ np.roll(x, -k) for k in range(n)]) / n
    k = np.arange(1, n)
    expected = (circular[0] + 2 * ((1 - k / n) * (1 - 1 / block) ** k) @ circular[1:]) / n
    draws = stats.stationary_bootstrap(series, np.mean, paths=8_000, block=block, seed=0)
    assert draws.var() == pytest.approx(expected, rel=0.06)
    assert draws.mean() == pytest.approx(series.mean(), abs=4 * math.sqrt(expected / 8_000))


def test_means_are_those_of_the_resampled_histories():
    series = np.column_stack([autoregressive(300, 0.4, seed=11), np.arange(300.0)])
    for block in (1.0, 1.5, 20.0, 1e6):
        means = stats.bootstrap_means(series, paths=25, block=block, seed=3)
        histories = stats.stationary_bootstrap(series, lambda rows: rows.mean(axis=0), paths=25, block=block, seed=3)
        np.testing.assert_allclose(means, histories, rtol=1e-12)


def test_means_of_columns_made_one_by_one_have_the_same_bits():
    series = np.ascontiguousarray(np.column_stack([autoregressive(300, 0.4, seed=11), np.arange(300) % 3 == 0]))
    found = bootstrap.bootstrap_columns(
        (column for column in series.T), shape=series.shape, block=5.0, paths=20, seed=3
    )
    assert found.draws.tobytes() == stats.bootstrap_means(series, paths=20, block=5.0, seed=3).tobytes()
    assert found.means.tobytes() == series.mean(axis=0).tobytes()
    with pytest.raises(ConfigError, match="not finite"):
        bootstrap.bootstrap_columns([np.full(3, np.nan)], shape=(3, 1), block=1.0)


@pytest.mark.parametrize(
    "returns",
    [
        0.02 * autoregressive(300, 0.4, seed=21),
        np.where(np.arange(60) % 20 == 3, 0.01, 0.0),  # some paths never moved
        np.full(40, 0.003),
        np.array([0.1, -1.0, 0.0, 0.2]),  # ruined
        np.array([0.01]),
    ],
)
def test_figures_of_an_account_are_those_of_the_resampled_histories(returns):
    def figures(rows):
        growth = [stats.total_return(rows), stats.annual_return(rows, bars_per_year=252)]
        ratios = [f(rows, bars_per_year=252) for f in (stats.annual_volatility, stats.sharpe, stats.sortino)]
        risk = [stats.max_drawdown(stats.equity_curve(rows)), stats.calmar(rows, bars_per_year=252)]
        return np.array([*growth, *ratios, *risk])

    with np.errstate(invalid="ignore"):
        expected = stats.stationary_bootstrap(returns, figures, paths=200, block=3.0, seed=3)
        assert stats.moments(returns).figures(bars_per_year=252) == pytest.approx(figures(returns), nan_ok=True)
    paths = stats.bootstrap_moments(returns, paths=200, block=3.0, seed=3)
    found = np.array([path.figures(bars_per_year=252) for path in paths])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    for yearly in (2, 252):  # more and less than a year
        found = np.array([path.figures(bars_per_year=yearly) for path in paths])
        at_once = stats.bootstrap_figures(returns, bars_per_year=yearly, paths=200, block=3.0, seed=3)
        np.testing.assert_allclose(at_once, found, rtol=1e-12, atol=1e-15)


def test_columns_are_tested_on_the_same_draws():
    """One block length, one set of draws: each column has the p-value that it has alone."""
    columns = np.column_stack([autoregressive(300, 0.2, seed) + 0.1 for seed in range(3)])
    alone = [stats.bootstrap_p_value(column, block=4.0, seed=7) for column in columns.T]
    assert stats.bootstrap_p_values(columns, block=4.0, seed=7) == alone


def test_strong_results_have_p_values_below_one_over_the_paths():
    """Beyond all draws the tail is estimated: it falls as the mean rises, and slower than that of a normal variable."""
    noise = np.random.default_rng(3).normal(size=1_000)
    noise = (noise - noise.mean()) / noise.std()
    found = {z: stats.bootstrap_p_value(noise + z / math.sqrt(1_000), block=1.0) for z in (2.0, 4.0, 5.0, 6.0)}
    for z, p in found.items():
        assert p == pytest.approx(0.5 * math.erfc(z / math.sqrt(2.0)), rel=0.3) if z == 2.0 else p < 1 / 1_001
    assert found[4.0] > found[5.0] > found[6.0]
    assert all(found[z] > 2.0 * 0.5 * math.erfc(z / math.sqrt(2.0)) for z in (4.0, 5.0, 6.0))
    held = np.random.default_rng(4).normal(size=1_000)
    assert stats.sharpe_difference(held + 0.3, held, bars_per_year=252).p_value < 1 / 1_001


def test_a_path_does_not_depend_on_how_many_follow():
    series = autoregressive(100, 0.2, seed=12)
    few, many = (stats.bootstrap_means(series, paths=paths, block=4.0, seed=5) for paths in (3, 50))
    assert few.tolist() == many[:3].tolist()
    assert len(np.unique(many)) == 50


def test_rows_are_drawn_evenly_and_independently():
    """Blocks of one bar: uniform rows, without memory, different in each path."""
    from scipy.stats import chisquare

    paths = np.array(list(stats.stationary_indices(200, paths=500, block=1.0, seed=7)))
    assert chisquare(np.bincount(paths.ravel(), minlength=200)).pvalue > 1e-3
    assert chisquare(np.bincount(paths[:, 0], minlength=200)).pvalue > 1e-3
    pairs = np.diff(paths, axis=1) % 200
    assert chisquare(np.bincount(pairs.ravel(), minlength=200)).pvalue > 1e-3


def test_interval_equals_archs():
    from arch.bootstrap import StationaryBootstrap

    series = autoregressive(400, 0.3, seed=6)
    ours = stats.bootstrap_interval(series, np.mean, paths=3_000, block=6.0, seed=1)
    theirs = StationaryBootstrap(6, series, seed=2).conf_int(np.mean, reps=3_000, method="percentile")
    assert (ours.low, ours.high) == pytest.approx(theirs[:, 0].tolist(), abs=0.1 * (ours.high - ours.low))
    assert ours.low < ours.value == series.mean() < ours.high
    assert ours.draws.shape == (3_000,)


def test_rows_are_resampled_together():
    series = autoregressive(100, 0.2, seed=7)
    pairs = np.column_stack([series, 2 * series])
    draws = stats.stationary_bootstrap(pairs, lambda rows: float(np.abs(rows[:, 1] - 2 * rows[:, 0]).max()), paths=20)
    assert (draws == 0).all()


def test_a_statistic_may_have_several_values():
    draws = stats.stationary_bootstrap(np.arange(9.0), lambda x: np.array([x.min(), x.max()]), paths=7)
    assert draws.shape == (7, 2)
    assert (draws[:, 0] <= draws[:, 1]).all()


def test_the_seed_decides():
    series = autoregressive(100, 0.2, seed=8)
    one, same, other = (stats.stationary_bootstrap(series, np.mean, paths=20, seed=seed) for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()


def test_percentile_interval_edges():
    draws = np.arange(100.0)
    draws[:5] = np.nan
    assert stats.percentile_interval(draws, level=0.9) == (10.0, 94.0)
    draws[:11] = np.nan
    assert all(map(math.isnan, stats.percentile_interval(draws)))
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigError, match=r"level is .*expected a probability between 0 and 1"):
            stats.percentile_interval(draws, level=level)


def test_p_value_sees_a_gain_and_no_gain():
    noise = autoregressive(400, 0.2, seed=9)
    noise -= noise.mean()
    assert stats.bootstrap_p_value(noise + 0.5) < 0.01
    assert stats.bootstrap_p_value(noise - 0.5) > 0.99
    assert stats.bootstrap_p_value(noise) == pytest.approx(0.5, abs=0.06)
    assert stats.bootstrap_p_value(np.zeros(50)) == 1.0


def test_p_value_has_its_size():
    """Of 150 series without gain about 10 % are significant at 10 %."""
    p_values = [stats.bootstrap_p_value(autoregressive(150, 0.2, seed), paths=199) for seed in range(150)]
    assert 0.03 < np.mean(np.array(p_values) < 0.1) < 0.19


def test_sharpe_difference():
    rng = np.random.default_rng(10)
    benchmark = rng.normal(0.0, 0.01, 800)
    better = benchmark + 0.001 + rng.normal(0.0, 0.001, 800)
    result = stats.sharpe_difference(better, benchmark, bars_per_year=252, seed=0)
    own, other = (stats.sharpe(each, bars_per_year=252) for each in (better, benchmark))
    assert result.difference == own - other
    assert 0 < result.low < result.difference < result.high
    assert result.p_value < 0.01
    mirrored = stats.sharpe_difference(benchmark, better, bars_per_year=252, seed=0)
    assert mirrored.difference == -result.difference
    assert mirrored.p_value > 0.99


def test_sharpe_difference_has_the_standard_error_in_theory():
    """Independent normal returns: Jobson and Korkie (1981) as corrected by Memmel (2003)."""
    rng = np.random.default_rng(14)
    common, own = rng.normal(size=(2, 20_000))
    returns, benchmark = 0.1 + 0.7 * common + math.sqrt(0.51) * own, 0.05 + common
    a, b = (stats.sharpe(each, bars_per_year=1) for each in (returns, benchmark))
    r = np.corrcoef(returns, benchmark)[0, 1]
    error = math.sqrt((2 - 2 * r + (a**2 + b**2 - 2 * a * b * r**2) / 2) / 20_000)
    result = stats.sharpe_difference(returns, benchmark, bars_per_year=1, block=1.0, paths=4_000)
    assert result.high - result.low == pytest.approx(2 * 1.96 * error, rel=0.06)
    assert (result.high + result.low) / 2 == pytest.approx(a - b, abs=0.1 * error)


@pytest.mark.parametrize("dependence", ["independent", "autocorrelated"])
def test_sharpe_difference_has_its_size(dependence):
    """Of 200 equal pairs about 10 % are significant at 10 %, and 90 % of the intervals hold zero."""
    rng = np.random.default_rng(15)
    found, held = 0, 0
    for _ in range(200):
        shocks = rng.standard_t(5, size=(302, 2))
        returns = shocks[2:] + (0.4 * shocks[1:-1] if dependence == "autocorrelated" else 0.0) + 0.1
        result = stats.sharpe_difference(*returns.T, bars_per_year=252, level=0.9, paths=199)
        found += result.p_value < 0.1
        held += result.low <= 0.0 <= result.high
    assert 0.04 < found / 200 < 0.17
    assert 0.82 < held / 200 < 0.97


def test_sharpe_difference_to_returns_that_are_all_zero():
    returns = np.random.default_rng(16).normal(0.002, 0.01, 400)
    result = stats.sharpe_difference(returns, np.zeros(400), bars_per_year=252)
    assert result.difference == stats.sharpe(returns, bars_per_year=252)
    assert result.low < result.difference < result.high


def test_sharpe_difference_of_the_same_returns():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 200)
    assert stats.sharpe_difference(returns, returns, bars_per_year=252) == (0.0, 0.0, 0.0, 1.0)
    for share in (0.3, 0.7, 1.1):  # as much or less of the same has the same ratio, but for rounding
        result = stats.sharpe_difference(share * returns, returns, bars_per_year=252)
        assert result.difference == pytest.approx(0.0, abs=1e-12)
        assert result.p_value == 1.0


def test_sharpe_difference_that_is_undefined():
    result = stats.sharpe_difference(np.full(50, 0.1), np.zeros(50), bars_per_year=252)
    assert all(map(math.isnan, result))


def test_doors():
    with pytest.raises(ConfigError, match=r"returns have shape \(3,\) and the benchmark \(2,\)"):
        stats.sharpe_difference(np.zeros(3), np.zeros(2), bars_per_year=252)
    for data in (np.array([]), np.array([1.0, np.nan]), np.zeros((2, 2, 2))):
        with pytest.raises(ConfigError, match="hold no rows, or values that are not finite"):
            stats.stationary_bootstrap(data, np.mean)
    for options in ({"paths": 0}, {"block": 0.5}, {"block": math.nan}):
        with pytest.raises(ConfigError, match="expected at least 1 path, of blocks of at least 1 bar"):
            stats.stationary_bootstrap(np.ones(5), np.mean, **options)


@pytest.mark.parametrize(("block", "size"), [(1.0, 1), (8.0, 9), (20.0, 23)])
def test_circular_blocks_are_longer_than_geometric_ones(monkeypatch, block, size):
    """By the cube root of 3/2: Politis and White (2004)."""
    sizes, sums = [], bootstrap._circular_sums
    monkeypatch.setattr(bootstrap, "_circular_sums", lambda rows, size: sizes.append(size) or sums(rows, size))
    values = np.random.default_rng(1).normal(size=(200, 2))
    stats.studentised_p_value(values[:, 0], block=block, paths=2)
    stats.sharpe_difference(*values.T, bars_per_year=1.0, block=block, paths=2)
    assert sizes == [size, size]


def test_no_p_value_is_zero():
    values = 1.0 + 1e-3 * np.random.default_rng(0).normal(size=100)
    assert 0.0 < stats.bootstrap_p_value(values, paths=199) <= 1 / 200
    assert stats.studentised_p_value(values, paths=199) == 1 / 200
    assert stats.bootstrap_p_value(-values, paths=199) == 1.0


def test_paths_on_which_a_ratio_is_undefined_are_no_evidence():
    """One gain in twelve bars: a third of all paths miss it, and have no error."""
    returns = np.zeros(12)
    returns[3] = 1.0
    found = stats.sharpe_difference(returns, np.zeros(12), bars_per_year=1.0, block=1.0, paths=999)
    assert found.p_value > 0.3
