"""Statistics of returns and forecasts: performance, accuracy, tests, and intervals by resampling."""

from candlecast.stats.accuracy import hit_rate, information_coefficient, mae, r2_against, rank_ic, rmse
from candlecast.stats.bootstrap import (
    BootstrapInterval,
    SharpeDifference,
    block_length,
    bootstrap_interval,
    bootstrap_p_value,
    percentile_interval,
    sharpe_difference,
    stationary_bootstrap,
    stationary_indices,
)
from candlecast.stats.inference import (
    TestResult,
    clark_west,
    diebold_mariano,
    newey_west_variance,
    pesaran_timmermann,
)
from candlecast.stats.performance import (
    annual_return,
    annual_volatility,
    calmar,
    equity_curve,
    max_drawdown,
    sharpe,
    sortino,
    total_return,
)

__all__ = [
    "BootstrapInterval",
    "SharpeDifference",
    "TestResult",
    "annual_return",
    "annual_volatility",
    "block_length",
    "bootstrap_interval",
    "bootstrap_p_value",
    "calmar",
    "clark_west",
    "diebold_mariano",
    "equity_curve",
    "hit_rate",
    "information_coefficient",
    "mae",
    "max_drawdown",
    "newey_west_variance",
    "percentile_interval",
    "pesaran_timmermann",
    "r2_against",
    "rank_ic",
    "rmse",
    "sharpe",
    "sharpe_difference",
    "sortino",
    "stationary_bootstrap",
    "stationary_indices",
    "total_return",
]
