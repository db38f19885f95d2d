"""The verdict: can it be forecast, and does it pay after costs? Two questions, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.stats import bootstrap_p_value, sharpe_difference
from candlecast.targets import Target

LEVEL = 0.05  # chance of a false alarm that is accepted in each question
FORECASTS = {
    "return": "next return",
    "price": "next price",
    "direction": "next direction",
    "volatility": "next range",
}


@dataclass(frozen=True)
class Verdict:
    """The answer to both questions, and what it rests on.

    is_forecastable: the forecast adds to naive and to drift (both Clark-West tests below 5 %).
    pays: net of costs the strategy earns more than nothing, and a higher Sharpe ratio than buy-and-hold (both
        bootstrap tests below 5 %).
    has_edge: both.
    headline: the answer in a sentence; `reasons`: what it rests on, one by one; p-values: NaN where not defined.
    """

    is_forecastable: bool
    pays: bool
    headline: str
    reasons: tuple[str, ...]
    forecast_p: float
    return_p: float
    sharpe_p: float

    @property
    def has_edge(self) -> bool:
        """Forecastable, and it pays."""
        return self.is_forecastable and self.pays

    @property
    def text(self) -> str:
        """Headline and reasons as one paragraph."""
        return " ".join([self.headline, *(f"{reason[0].upper()}{reason[1:]}." for reason in self.reasons)])

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values; undefined p-values are None."""
        p_values = {"forecast_p": self.forecast_p, "return_p": self.return_p, "sharpe_p": self.sharpe_p}
        return {
            "is_forecastable": self.is_forecastable,
            "pays": self.pays,
            "has_edge": self.has_edge,
            "headline": self.headline,
            "text": self.text,
            "reasons": list(self.reasons),
            **{name: None if math.isnan(value) else value for name, value in p_values.items()},
        }


def judge(
    accuracy: pl.DataFrame,
    result: BacktestResult,
    summary: pl.DataFrame,
    target: Target,
    *,
    model: str,
    trained: int,
    seed: int = 0,
) -> Verdict:
    """The verdict on one model of one asset, from its row of the accuracy table, its backtest and that one's summary.

    `trained` is the number of networks or fits behind the forecast, for the words.
    """
    row = accuracy.row(by_predicate=pl.col("model") == model, named=True)
    p_values = [math.nan if row[name] is None else row[name] for name in ("p_naive", "p_drift")]
    forecast_p = math.nan if any(map(math.isnan, p_values)) else max(p_values)
    return_p = bootstrap_p_value(result.returns, seed=seed)
    difference = sharpe_difference(
        result.returns, result.benchmark_returns, bars_per_year=result.bars_per_year, seed=seed
    )
    is_forecastable = forecast_p < LEVEL
    pays = return_p < LEVEL and difference.p_value < LEVEL
    lines = {line["statistic"]: line for line in summary.iter_rows(named=True)}
    per_side = result.costs.fee_bps + result.costs.slippage_bps
    annual, sharpe = lines["annual return"], lines["Sharpe ratio"]
    reasons = (
        _skill_words(model, target, row, forecast_p),
        (
            f"after {per_side:g} bp of costs a side and {_count(result.fills.height, 'order')} the strategy earns "
            f"{_percent(annual['value'])} a year (95 % between {_percent(annual['low'])} and "
            f"{_percent(annual['high'])}), buy-and-hold {_percent(annual['benchmark'])}"
        ),
        (
            f"its Sharpe ratio is {_number(sharpe['value'])}, buy-and-hold's {_number(sharpe['benchmark'])} "
            f"(p {_p_value(difference.p_value)} that a lead is luck)"
        ),
        f"judged on {row['observations']:,} bars that no training saw, by {_count(trained, 'separate training')}",
    )
    headline = _headline(is_forecastable, pays)
    return Verdict(is_forecastable, pays, headline, reasons, forecast_p, return_p, difference.p_value)


def _skill_words(model: str, target: Target, row: dict[str, Any], p_value: float) -> str:
    """What the accuracy row says about the first question."""
    evidence = (
        f"Clark-West p {_p_value(p_value)}; R2 out of sample {_percent(row['r2'], 2)}, "
        f"95 % between {_percent(row['r2_low'], 2)} and {_percent(row['r2_high'], 2)}"
    )
    forecast = f"{model}'s forecast of the {FORECASTS.get(target.name, target.name)}"
    if not p_value < LEVEL:
        return f"{forecast} is no better than naive and drift ({evidence})"
    if row["r2"] is not None and row["r2"] > 0:
        return f"{forecast} is better than naive and drift ({evidence})"
    return f"{forecast} knows something that naive and drift do not, but its noise outweighs it ({evidence})"


def _headline(is_forecastable: bool, pays: bool) -> str:
    if is_forecastable and pays:
        return "An edge was found."
    if is_forecastable:
        return "No edge found: the forecast carries information, but trading it does not pay."
    if pays:
        return "No edge found: the strategy did well, but its forecast did not, so that was luck or the market."
    return "No edge found."


def _percent(value: float | None, digits: int = 1) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _p_value(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return "< 0.001" if value < 0.001 else f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.2f}"
