"""How well scores rank the returns of a panel: coefficients, groups, decay, exposures and sides, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from candlecast import stats
from candlecast.panel.panel import Panel

GROUPS = 5  # by score, or fewer where there are few assets
PER_GROUP = 4  # assets in a group on average, at least
HORIZONS = (1, 2, 3, 5, 10, 20)  # moments over which the decay of a forecast is measured
SIZE_BARS = 60  # moments over which the traded value of an asset is averaged
LAGS = 5  # of the covariance of the regressions on market and size, Newey and West (1987)


def ranking(scores: Mapping[str, np.ndarray], returns: np.ndarray, *, horizon: int, seed: int = 0) -> pl.DataFrame:
    """One row for each model: how well its scores (time, asset) rank the returns (time, asset) that they forecast.

    `model`, `observations` (moments), `assets` (mean number at a moment), `ic`, `rank_ic` (means over the moments) with `_low`,
    `_high` (95 % CI, HAC), `p_rank_ic` (one-sided, of a mean of zero or less), `icir` (mean rank IC / its standard
    deviation over moments), `positive` (share of moments with a positive rank IC), `spread` (mean return of the highest group
    less the lowest, over the horizon) with `_low`, `_high`, and `p_rising` (`stats.rising_p_value`: that returns do not rise
    from group to group). What is undefined is null.
    """
    rows = []
    for name, own in scores.items():
        both = np.isfinite(own) & np.isfinite(returns)
        by_rank, plain = stats.coefficients(own, returns), stats.coefficients(own, returns, by_rank=False)
        groups = groups_of(own, returns)
        rank, ic = stats.mean_test(by_rank, horizon=horizon), stats.mean_test(plain, horizon=horizon)
        spread = stats.mean_test(groups[:, -1] - groups[:, 0], horizon=horizon)
        known = by_rank[np.isfinite(by_rank)]
        deviation = float(known.std(ddof=1)) if len(known) > 1 else math.nan
        counts = both.sum(axis=1)
        rows.append(
            {
                "model": name,
                "observations": len(known),
                "assets": float(counts[counts > 0].mean()) if counts.any() else math.nan,
                "ic": ic.mean,
                "ic_low": ic.low,
                "ic_high": ic.high,
                "rank_ic": rank.mean,
                "rank_ic_low": rank.low,
                "rank_ic_high": rank.high,
                "p_rank_ic": rank.p_value,
                "icir": rank.mean / deviation if deviation > 0 else math.nan,
                "positive": float((known > 0).mean()) if len(known) else math.nan,
                "spread": spread.mean,
                "spread_low": spread.low,
                "spread_high": spread.high,
                "p_rising": stats.rising_p_value(groups, seed=seed),
            }
        )
    return _table(rows)


def groups_of(scores: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """Mean returns of the groups by score, (time, groups): five of them, or as many as hold `PER_GROUP` assets each."""
    both = np.isfinite(scores) & np.isfinite(returns)
    counts = both.sum(axis=1)
    typical = int(np.median(counts[counts > 0])) if counts.any() else 2
    return stats.group_means(scores, returns, groups=max(2, min(GROUPS, typical // PER_GROUP)))


def group_table(scores: np.ndarray, returns: np.ndarray, *, horizon: int, per_year: float) -> pl.DataFrame:
    """One row for each group by score, the lowest first: `group`, `mean`, `low`, `high`, `annual`.

    Returns over the horizon less the mean of all assets at the moment: what moves all of them tells nothing about a ranking.
    """
    rows = []
    both = np.isfinite(scores) & np.isfinite(returns)
    relative = returns - _row_mean(np.where(both, returns, np.nan))[:, None]
    for number, values in enumerate(groups_of(scores, relative).T, start=1):
        found = stats.mean_test(values, horizon=horizon)
        rows.append(
            {
                "group": number,
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                "annual": found.mean * per_year / horizon,
            }
        )
    return _table(rows)


def decay(panel: Panel, scores: np.ndarray, *, horizons: Sequence[int] = HORIZONS) -> pl.DataFrame:
    """How long a score is of use: one row for each horizon and delay.

    `horizon`: moments; `rank_ic`, `low`, `high`: of the return over that horizon; `marginal`, `marginal_low`,
    `marginal_high`: of the return in the last moment of it alone, that is of a forecast that is `horizon` - 1 moments old.
    """
    rows = []
    single = np.where(panel.is_member, panel.returns_ahead(1), np.nan)
    for horizon in horizons:
        if horizon >= len(panel):
            break
        whole = np.where(panel.is_member, panel.returns_ahead(horizon), np.nan)
        later = np.full(single.shape, np.nan)
        later[: len(single) - horizon + 1] = single[horizon - 1 :]
        of_all = stats.mean_test(stats.coefficients(scores, whole), horizon=horizon)
        of_last = stats.mean_test(stats.coefficients(scores, later))
        rows.append(
            {
                "horizon": horizon,
                "rank_ic": of_all.mean,
                "low": of_all.low,
                "high": of_all.high,
                "marginal": of_last.mean,
                "marginal_low": of_last.low,
                "marginal_high": of_last.high,
            }
        )
    return _table(rows)


def factors(panel: Panel) -> dict[str, np.ndarray]:
    """Returns of the market (all members, equal parts) and of size over the moment after each: (time,).

    Size: the third of the members with the least traded value (mean of close x volume over `SIZE_BARS` moments) less the third
    with the most; candles hold no number of shares. Left out where volumes are not known.
    """
    ahead = np.where(panel.is_member, np.expm1(panel.returns_ahead(1)), np.nan)
    market = _row_mean(ahead)
    volume = panel.matrix([np.nan_to_num(each.volume) for each in panel.assets])
    value = _trailing_mean(np.nan_to_num(volume * panel.closes), SIZE_BARS)
    value = np.where(panel.is_member & (value > 0), value, np.nan)
    found = {"market": market}
    if np.isfinite(value).any():
        groups = stats.group_means(-value, ahead, groups=3)
        found["size"] = groups[:, 2] - groups[:, 0]
    return found


def exposure(returns: np.ndarray, of: Mapping[str, np.ndarray], *, per_year: float) -> pl.DataFrame:
    """Regression of returns on those of factors, all (time,): `factor`, `beta`, `low`, `high`, `t`; `alpha` a year first.

    Ordinary least squares with the covariance of Newey and West (1987), `LAGS` lags. Empty with fewer than 60 moments.
    """
    columns = np.column_stack([returns, *of.values()])
    known = columns[np.isfinite(columns).all(axis=1)]
    schema = {"factor": pl.String, "beta": pl.Float64, "low": pl.Float64, "high": pl.Float64, "t": pl.Float64}
    if len(known) < 60 or not known[:, 0].any():
        return pl.DataFrame(schema=schema)
    y, x = known[:, 0], np.column_stack([np.ones(len(known)), known[:, 1:]])
    inverse = np.linalg.pinv(x.T @ x)
    beta = inverse @ x.T @ y
    scored = x * (y - x @ beta)[:, None]
    middle = scored.T @ scored
    for lag in range(1, LAGS + 1):
        cross = scored[lag:].T @ scored[:-lag]
        middle += (1 - lag / (LAGS + 1)) * (cross + cross.T)
    error = np.sqrt(np.maximum(np.diag(inverse @ middle @ inverse), 0.0))
    scale = np.array([per_year, *np.ones(len(of))])
    beta, error = beta * scale, error * scale
    t = np.divide(beta, error, out=np.full(len(beta), np.nan), where=error > 0)
    names = ["alpha", *of]
    rows = [
        {"factor": name, "beta": b, "low": b - 1.96 * e, "high": b + 1.96 * e, "t": ratio}
        for name, b, e, ratio in zip(names, beta.tolist(), error.tolist(), t.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, schema=schema)


def by_year(times: np.ndarray, coefficients: np.ndarray, gross: np.ndarray, turnover: np.ndarray) -> pl.DataFrame:
    """One row for each year: `year`, `moments`, `rank_ic`, `gross` (mean return a moment before costs), `turnover` a moment."""
    frame = pl.DataFrame(
        {
            "year": pl.Series(times).dt.year(),
            "rank_ic": pl.Series(coefficients, nan_to_null=True),
            "gross": pl.Series(gross, nan_to_null=True),
            "turnover": pl.Series(turnover, nan_to_null=True),
        }
    )
    means = [pl.len().alias("moments"), pl.col("rank_ic", "gross", "turnover").mean()]
    return frame.group_by("year", maintain_order=True).agg(means).sort("year")


def _row_mean(values: np.ndarray) -> np.ndarray:
    number = np.isfinite(values).sum(axis=1)
    return np.divide(np.nansum(values, axis=1), number, out=np.full(len(values), np.nan), where=number > 0)


def _trailing_mean(values: np.ndarray, bars: int) -> np.ndarray:
    """Mean of the last `bars` rows up to each, of fewer at the start."""
    sums = np.cumsum(values, axis=0)
    before = np.concatenate([np.zeros((bars, values.shape[1])), sums])[: len(sums)]
    return (sums - before) / np.minimum(np.arange(1, len(sums) + 1), bars)[:, None]


def _table(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.from_dicts(rows, infer_schema_length=None).with_columns(pl.selectors.float().fill_nan(None))
