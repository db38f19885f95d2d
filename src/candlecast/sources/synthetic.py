"""Synthetic markets with known answers: what can be forecast in them, and how well, is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.interval import Interval

START = datetime(2015, 1, 1, tzinfo=UTC)
TICKS_PER_BAR = 12  # steps of the path inside a bar, from which its high and low are taken


@dataclass(frozen=True, eq=False)
class World:
    """A synthetic market and the truth about it.

    `mean` and `volatility`, float64, shape (time,): expectation and standard deviation of the *next* bar's log return
    given everything up to and including each bar. `mean` is the best possible forecast (the oracle).
    """

    name: str
    candles: Candles
    mean: np.ndarray
    volatility: np.ndarray

    @property
    def oracle_r2(self) -> float:
        """Share of the next return's variance that the oracle explains in this very sample, against a forecast of zero."""
        outcome = np.diff(np.log(self.candles.close))
        forecast = self.mean[:-1]
        return float(1 - np.sum((outcome - forecast) ** 2) / np.sum(outcome**2))


def random_walk(bars: int, *, seed: int, volatility: float = 0.01, drift: float = 0.0, interval: str = "1d") -> World:
    """Independent normal log returns r_t = drift + volatility * e_t: nothing to forecast but the drift."""
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    sigma = np.full(bars + 1, volatility)
    returns = drift + volatility * generator.standard_normal(bars)
    return _world("random walk", returns, np.full(bars, drift), sigma, generator, interval)


def ar1(bars: int, *, seed: int, phi: float = 0.1, volatility: float = 0.01, interval: str = "1d") -> World:
    """Planted momentum (phi > 0) or reversal (phi < 0): r_t = phi * r_{t-1} + e_t, so the oracle is phi * r_t."""
    if not -1 < phi < 1:
        raise ConfigError(f"phi is {phi}", expected="a number inside (-1, 1)", remedy="Use for example phi=0.1")
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    shocks = volatility * generator.standard_normal(bars)
    returns = np.empty(bars)
    last = 0.0
    for t in range(bars):
        last = phi * last + shocks[t]
        returns[t] = last
    return _world("AR(1)", returns, phi * returns, np.full(bars + 1, volatility), generator, interval)


def garch(
    bars: int, *, seed: int, alpha: float = 0.08, beta: float = 0.9, volatility: float = 0.01, interval: str = "1d"
) -> World:
    """GARCH(1,1) after Bollerslev (1986): returns cannot be forecast, their size can.

    s_t^2 = w + alpha * r_{t-1}^2 + beta * s_{t-1}^2, r_t = s_t * e_t; `volatility` is the unconditional one.
    """
    if alpha < 0 or beta < 0 or alpha + beta >= 1:
        raise ConfigError(
            f"alpha + beta is {alpha + beta:g}",
            expected="both at least 0, their sum below 1",
            remedy="Use 0.08 and 0.9",
        )
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    shocks = generator.standard_normal(bars)
    returns, variance = np.empty(bars), np.empty(bars + 1)
    variance[0] = volatility**2
    constant = volatility**2 * (1 - alpha - beta)
    for t in range(bars):
        returns[t] = np.sqrt(variance[t]) * shocks[t]
        variance[t + 1] = constant + alpha * returns[t] ** 2 + beta * variance[t]
    return _world("GARCH(1,1)", returns, np.zeros(bars), np.sqrt(variance), generator, interval)


def regime_switch(
    bars: int, *, seed: int, drift: float = 0.002, volatility: float = 0.01, stay: float = 0.99, interval: str = "1d"
) -> World:
    """A hidden bull and bear market after Hamilton (1989): drift +/- `drift`, each bar kept with probability `stay`.

    The regime is not observable; the oracle is the filtered expectation given the returns so far.
    """
    if not 0.5 <= stay < 1:
        raise ConfigError(f"stay is {stay}", expected="a probability in [0.5, 1)", remedy="Use for example stay=0.99")
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    turns = np.cumsum(generator.random(bars) >= stay) % 2
    returns = np.where(turns == 0, drift, -drift) + volatility * generator.standard_normal(bars)
    mean, bull = np.empty(bars), stay  # bull: probability of the bull market at this bar, given returns before it
    for t in range(bars):
        likelihood_ratio = np.exp(-2 * drift * returns[t] / volatility**2)  # bear against bull
        posterior = bull / (bull + (1 - bull) * likelihood_ratio)
        bull = stay * posterior + (1 - stay) * (1 - posterior)
        mean[t] = drift * (2 * bull - 1)
    world = _world("regime switch", returns, mean, np.full(bars + 1, volatility), generator, interval)
    return replace(world, volatility=np.sqrt(volatility**2 + drift**2 - mean**2))  # of the mixture of both regimes


def _require_bars(bars: int) -> None:
    if bars < 2:
        raise ConfigError(f"bars is {bars}", expected="at least 2", remedy="Use for example bars=2000")


def _world(
    name: str,
    returns: np.ndarray,
    mean: np.ndarray,
    sigma: np.ndarray,
    generator: np.random.Generator,
    interval: str,
) -> World:
    """Candles whose close-to-close log returns are `returns`; `sigma[t]` is the volatility of bar t."""
    length = Interval.parse(interval)
    bars = len(returns)
    close = 100.0 * np.exp(np.cumsum(returns))
    opened = np.concatenate([[100.0], close[:-1]])
    # a Brownian bridge from open to close, B(s) + s (r - B(1)), gives high and low
    path = np.cumsum(generator.standard_normal((bars, TICKS_PER_BAR)), axis=1) * (
        sigma[:bars, None] / np.sqrt(TICKS_PER_BAR)
    )
    share = np.arange(1, TICKS_PER_BAR + 1) / TICKS_PER_BAR
    path += share * (returns - path[:, -1])[:, None]
    high = np.maximum(opened * np.exp(path.max(axis=1)), np.maximum(opened, close))
    low = np.minimum(opened * np.exp(path.min(axis=1)), np.minimum(opened, close))
    volume = 1e6 * np.exp(0.3 * generator.standard_normal(bars)) * (1 + np.abs(returns) / sigma[:bars])
    times = pl.datetime_range(
        START, START + (bars - 1) * length.timedelta, length.timedelta, time_unit="us", eager=True
    )
    frame = pl.DataFrame(
        {"open_time": times, "open": opened, "high": high, "low": low, "close": close, "volume": volume}
    )
    candles = Candles.from_frame(frame, interval=length, symbol=name.upper().replace(" ", "_"))
    return World(name, candles, mean, sigma[1:])
