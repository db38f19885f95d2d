"""`probe_memory`: whether a pretrained model forecasts history better than the same history turned upside down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.folds import Fold
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import make_samples
from candlecast.errors import NotEnoughDataError
from candlecast.features import Features, log_return
from candlecast.models.wrappers.zero_shot import ZeroShot
from candlecast.targets import NextReturn, Target

ROWS = 200  # bars that are forecast, spread over the candles
LEAST_ROWS = 30
SCALE = 3.0  # by which moves grow
SHIFT = 7.0  # by which prices are multiplied
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class MemoryProbe:
    """What `probe_memory` found.

    `frame` has one row for each variant of the candles: `variant`, `rows`, `error` (squared error over that of the naive
    forecast), `p` (one-sided, of the hypothesis that the original is forecast no better than this one; null for itself).
    `is_suspect`: it is forecast better than the inverted candles, p below 5 %.
    """

    frame: pl.DataFrame

    @property
    def is_suspect(self) -> bool:
        """Whether the history seems to be remembered."""
        return bool(self.frame.filter(pl.col("variant") == "inverted")["p"][0] < LEVEL)

    def __str__(self) -> str:
        lines = [
            f"{variant}: {error:.3f} of the naive squared error" + ("" if p is None else f", p = {p:.3f}")
            for variant, _, error, p in self.frame.iter_rows()
        ]
        answer = "history seems to be remembered" if self.is_suspect else "no sign of remembered history"
        return "; ".join([answer, *lines])


def probe_memory(model: ZeroShot, candles: Candles, *, target: Target | None = None, rows: int = ROWS) -> MemoryProbe:
    """Whether a pretrained model forecasts these candles better than the same ones changed, as if it remembered them.

    They are forecast as they are, `inverted` (1 / price), `rescaled` (moves three times as large) and `shifted` (at seven times
    the price). What a model has learnt of markets holds for all of these but for a drift; what it has memorised of these very
    candles holds for the original alone, or for those of its shape. The loss of each forecast is its squared error over the
    naive mean squared error of its candles; losses are compared pair by pair (Diebold and Mariano 1995).

    Args:
        model: what is probed.
        candles: bars that it may have been trained on: those before `trained_until`.
        target: the next return when not given.
        rows: how many bars are forecast, spread evenly over the candles after the first `context`.

    Raises NotEnoughDataError for candles with fewer than 30 such bars, CandleError for unsound ones.
    """
    target = NextReturn() if target is None else target
    losses = {name: _losses(model, change(candles), target, rows) for name, change in VARIANTS.items()}
    original = losses["original"]
    table = [
        {
            "variant": name,
            "rows": len(loss),
            "error": float(loss.mean()),
            "p": None if name == "original" else _p(loss - original),
        }
        for name, loss in losses.items()
    ]
    return MemoryProbe(pl.DataFrame(table, schema_overrides={"p": pl.Float64}))


def _losses(model: ZeroShot, candles: Candles, target: Target, most: int) -> np.ndarray:
    """Squared error of each forecast over the mean of the naive ones, (rows,)."""
    samples = make_samples(candles, features=Features(log_return()), target=target, window=1)
    usable = np.flatnonzero(samples.is_known & samples.is_complete)
    usable = usable[usable >= model.context]
    if len(usable) < LEAST_ROWS:
        raise NotEnoughDataError(
            f"{candles.symbol} has {len(usable):,} bars with a known outcome after the first {model.context:,}",
            expected=f"at least {LEAST_ROWS}",
            remedy="Give more candles, or a model with a shorter context",
        )
    chosen = np.unique(np.linspace(0, len(usable) - 1, most).astype(int))
    asked = usable[chosen]
    job = Job(samples, Fold(0, range(int(asked[0])), range(0), range(int(asked[0]), len(samples))), 0)
    mean = model.restore(job, {}).forecast(samples, asked).mean
    outcomes, naive = samples.outcomes[asked], samples.naive[asked]
    squared = target.change(outcomes, naive) ** 2
    return (target.change(outcomes, naive) - target.change(mean, naive)) ** 2 / squared.mean()


def _p(difference: np.ndarray) -> float:
    """One-sided p-value of a mean above zero, by the normal distribution."""
    spread = float(difference.std(ddof=1)) / sqrt(len(difference))
    return 0.5 * erfc(float(difference.mean()) / spread / sqrt(2)) if spread > 0 else 1.0


def _with_prices(candles: Candles, change: Callable[[np.ndarray], np.ndarray], *, swaps: bool = False) -> Candles:
    prices = {name: change(getattr(candles, name)) for name in ("open", "high", "low", "close")}
    if swaps:
        prices["high"], prices["low"] = prices["low"], prices["high"]
    return replace(
        candles, frame=candles.frame.with_columns(**{name: pl.Series(each) for name, each in prices.items()})
    )


def _inverted(candles: Candles) -> Candles:
    first = candles.close[0]
    return _with_prices(candles, lambda price: first**2 / price, swaps=True)


def _rescaled(candles: Candles) -> Candles:
    first = candles.close[0]
    return _with_prices(candles, lambda price: first * np.exp(SCALE * np.log(price / first)))


def _shifted(candles: Candles) -> Candles:
    return _with_prices(candles, lambda price: SHIFT * price)


VARIANTS: dict[str, Callable[[Candles], Candles]] = {
    "original": lambda candles: candles,
    "inverted": _inverted,
    "rescaled": _rescaled,
    "shifted": _shifted,
}
