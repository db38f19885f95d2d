"""Synthetic markets with known answers: what can be forecast in them, and how well, is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.forking import require_threads
from candlecast.interval import Interval

START = datetime(2015, 1, 1, tzinfo=UTC)
TICKS_PER_BAR = 12  # steps of the path inside a bar, from which its high and low are taken


@dataclass(frozen=True, eq=False)
class World:
    """A synthetic market and the truth about it.

    `mean` and `volatility`, float64, shape (time,): expectation and standard deviation of the *next* bar's log return
    given everything up to and including each bar. `mean` is the best possible forecast (the oracle). `leader`: candles of
    another asset of the same world, at the same times, that the forecast may read too.
    """

    name: str
    candles: Candles
    mean: np.ndarray
    volatility: np.ndarray
    leader: Candles | None = None

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
    bars: int,
    *,
    seed: int,
    alpha: float = 0.08,
    beta: float = 0.9,
    volatility: float = 0.01,
    degrees: float | None = None,
    interval: str = "1d",
) -> World:
    """GARCH(1,1) after Bollerslev (1986): returns cannot be forecast, their size can.

    s_t^2 = w + alpha * r_{t-1}^2 + beta * s_{t-1}^2, r_t = s_t * e_t; `volatility` is the unconditional one. e_t is normal,
    or Student's t with so many `degrees` of freedom, scaled to variance 1 (Bollerslev 1987).
    """
    if alpha < 0 or beta < 0 or alpha + beta >= 1:
        raise ConfigError(
            f"alpha + beta is {alpha + beta:g}",
            expected="both at least 0, their sum below 1",
            remedy="Use 0.08 and 0.9",
        )
    if degrees is not None and degrees <= 2:
        raise ConfigError(
            f"degrees is {degrees}", expected="more than 2, so that there is a variance", remedy="Use degrees=5"
        )
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    if degrees is None:
        shocks = generator.standard_normal(bars)
    else:
        shocks = generator.standard_t(degrees, bars) * np.sqrt((degrees - 2) / degrees)
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
    _require_stay(stay)
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


def regime_volatility(
    bars: int, *, seed: int, calm: float = 0.006, wild: float = 0.018, stay: float = 0.98, interval: str = "1d"
) -> World:
    """Calm and wild markets in turns, each bar kept with probability `stay`: returns cannot be forecast, their size can.

    `volatility` is that of who sees the regime of the bar: stay and change weighted.
    """
    _require_stay(stay)
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    turns = np.cumsum(generator.random(bars + 1) >= stay) % 2
    sigma = np.where(turns == 0, calm, wild)
    returns = sigma[:bars] * generator.standard_normal(bars)
    world = _world("regime volatility", returns, np.zeros(bars), sigma, generator, interval)
    other = np.where(turns[:bars] == 0, wild, calm)
    return replace(world, volatility=np.sqrt(stay * sigma[:bars] ** 2 + (1 - stay) * other**2))


def mean_reversion(
    bars: int,
    *,
    seed: int,
    share: float = 0.3,
    persistence: float = 0.8,
    volatility: float = 0.01,
    interval: str = "1d",
) -> World:
    """A fair price that walks at random, and a mispricing that decays: p_t = f_t + d_t, d_t = persistence * d_{t-1} + n_t.

    `share` of the variance of the shocks goes into d. Only p is seen; the oracle is (persistence - 1) E[d_t | p_t, p_{t-1}, ...],
    by the Kalman filter. Summers (1986), Poterba and Summers (1988).
    """
    if not (0 < share <= 1 and 0 <= persistence < 1):
        raise ConfigError(
            f"share is {share} and persistence is {persistence}",
            expected="a share in (0, 1] and a persistence in [0, 1)",
            remedy="Use for example share=0.3, persistence=0.8",
        )
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    fair = volatility * np.sqrt(1 - share) * generator.standard_normal(bars)
    shocks = volatility * np.sqrt(share) * generator.standard_normal(bars)
    pull, noise = persistence - 1, volatility**2 * share
    mispricing, returns, mean, spread = 0.0, np.empty(bars), np.empty(bars), np.empty(bars + 1)
    believed, doubt = 0.0, 0.0  # mean and variance of d given the prices so far; it starts at 0
    spread[0] = volatility
    for t in range(bars):
        returns[t] = fair[t] + shocks[t] + pull * mispricing
        mispricing = persistence * mispricing + shocks[t]
        surprise, variance = returns[t] - pull * believed, pull**2 * doubt + volatility**2
        shared = persistence * pull * doubt + noise
        believed = persistence * believed + shared / variance * surprise
        doubt = persistence**2 * doubt + noise - shared**2 / variance
        mean[t] = pull * believed
        spread[t + 1] = np.sqrt(pull**2 * doubt + volatility**2)
    return _world("mean reversion", returns, mean, spread, generator, interval)


def lead_lag(bars: int, *, seed: int, beta: float = 0.2, volatility: float = 0.01, interval: str = "1d") -> World:
    """A follower that repeats its leader one bar late: r_t = beta * a_{t-1} + e_t, a the leader's return.

    The leader walks at random and is in `World.leader`; the oracle is beta * a_t. The follower's own past tells nothing.
    """
    generator = np.random.default_rng(seed)
    _require_bars(bars)
    own = volatility * generator.standard_normal(bars)
    led = volatility * generator.standard_normal(bars)
    sigma = np.full(bars + 1, volatility)
    follower = own + beta * np.concatenate([[0.0], led[:-1]])
    world = _world("lead lag", follower, beta * led, sigma, generator, interval)
    leader = _world("leader", led, np.zeros(bars), sigma, generator, interval)
    return replace(world, leader=leader.candles)


def shuffled(candles: Candles, *, seed: int, block: int = 22) -> World:
    """Real bars in random order within each `block`, each turned upside down or not by a coin: nothing is left to forecast.

    Sizes, tails and the slow turns of volatility stay. Each bar keeps its shape (open, high, low and close against the close
    before, and volume); one that is turned has the negative of each logarithm. Order alone would leave an edge: in
    turbulent blocks real prices fall, so that the range of a bar says something about the next. `mean` is 0;
    `volatility` is that of the whole sample.
    """
    if block < 2:
        raise ConfigError(f"block is {block}", expected="2 bars or more", remedy="Use for example block=22")
    generator = np.random.default_rng(seed)
    before, bars = candles.close[:-1], len(candles) - 1
    _require_bars(bars)
    order = np.arange(bars)
    for first in range(0, bars, block):
        generator.shuffle(order[first : first + block])
    opened, high, low, close = (
        np.log(getattr(candles, name)[1:] / before)[order] for name in ("open", "high", "low", "close")
    )
    sign = generator.choice([-1.0, 1.0], size=bars)
    turned = {"open": sign * opened, "close": sign * close}
    turned |= {"high": np.where(sign > 0, high, -low), "low": np.where(sign > 0, low, -high)}
    start = np.log(candles.close[0]) + np.concatenate([[0.0], np.cumsum(turned["close"][:-1])])
    frame = candles.frame[1:].with_columns(
        *(pl.Series(name, np.exp(start + shape)) for name, shape in turned.items()),
        pl.Series("volume", candles.volume[1:][order]),
    )
    spread = np.full(bars, np.sqrt(np.mean(close**2)))
    return World("shuffled", replace(candles, frame=frame), np.zeros(bars), spread)


def _require_stay(stay: float) -> None:
    if not 0.5 <= stay < 1:
        raise ConfigError(f"stay is {stay}", expected="a probability in [0.5, 1)", remedy="Use for example stay=0.99")


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
    require_threads()
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
