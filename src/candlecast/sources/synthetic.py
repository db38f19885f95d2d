"""Synthetic markets with known answers: what can be forecast in them, and how well, is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.parameters import is_whole, require_seed
from candlecast.process.forking import require_threads
from candlecast.sources.synthetic_checks import require_above_zero, require_numbers, require_share, require_stay

START = datetime(2015, 1, 1, tzinfo=UTC)
NODES = 401  # equally likely next values, over which expectations of rounded prices are taken
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
    """Independent normal log returns r_t = drift + volatility * e_t: only the drift can be forecast."""
    require_numbers(volatility=volatility, drift=drift)
    generator = _generator(bars, seed)
    sigma = np.full(bars + 1, volatility)
    returns = drift + volatility * generator.standard_normal(bars)
    return _world("random walk", returns, np.full(bars, drift), sigma, generator, interval)


def ar1(
    bars: int, *, seed: int, phi: float = 0.1, volatility: float = 0.01, drift: float = 0.0, interval: str = "1d"
) -> World:
    """Planted momentum (phi > 0) or reversal (phi < 0): x_t = phi * x_{t-1} + e_t and r_t = drift + x_t, so the oracle is
    drift + phi * (r_t - drift)."""
    require_numbers(phi=phi, volatility=volatility, drift=drift)
    if not -1 < phi < 1:
        raise ConfigError(f"phi is {phi}", expected="a number inside (-1, 1)", remedy="Use for example phi=0.1")
    generator = _generator(bars, seed)
    swings = _autoregression(volatility * generator.standard_normal(bars), phi)
    sigma = np.full(bars + 1, volatility)
    return _world("AR(1)", drift + swings, drift + phi * swings, sigma, generator, interval)


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
    require_numbers(alpha=alpha, beta=beta, volatility=volatility, degrees=degrees)
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
    generator = _generator(bars, seed)
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
    require_numbers(drift=drift, volatility=volatility, stay=stay)
    require_stay(stay)
    generator = _generator(bars, seed)
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
    """Calm and volatile regimes, each kept with probability `stay` a bar: returns cannot be forecast, their size can.

    `World.volatility` is given the regime of each bar, with staying and switching weighted by their probabilities.
    """
    require_numbers(calm=calm, wild=wild, stay=stay)
    require_stay(stay)
    generator = _generator(bars, seed)
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
    """A fair price f (a random walk) plus a mispricing d that decays: p_t = f_t + d_t, d_t = persistence * d_{t-1} + n_t.

    `share` of the variance of the shocks goes into d. Only p is observed; the oracle is
    (persistence - 1) E[d_t | p_t, p_{t-1}, ...], by the Kalman filter. Summers (1986), Poterba and Summers (1988).
    """
    require_numbers(share=share, persistence=persistence, volatility=volatility)
    if not (0 < share <= 1 and 0 <= persistence < 1):
        raise ConfigError(
            f"share is {share} and persistence is {persistence}",
            expected="a share in (0, 1] and a persistence in [0, 1)",
            remedy="Use for example share=0.3, persistence=0.8",
        )
    generator = _generator(bars, seed)
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

    The leader is a random walk, in `World.leader`; the oracle is beta * a_t. The follower's own past has no information.
    """
    require_numbers(beta=beta, volatility=volatility)
    generator = _generator(bars, seed)
    own = volatility * generator.standard_normal(bars)
    led = volatility * generator.standard_normal(bars)
    sigma = np.full(bars + 1, volatility)
    follower = own + beta * np.concatenate([[0.0], led[:-1]])
    world = _world("lead lag", follower, beta * led, sigma, generator, interval)
    leader = _world("leader", led, np.zeros(bars), sigma, generator, interval)
    return replace(world, leader=leader.candles)


def ticks(
    bars: int,
    *,
    seed: int,
    price: float = 30.0,
    volatility: float = 0.01,
    is_chained: bool = True,
    interval: str = "1h",
) -> World:
    """Prices on a coarse grid: a random walk rounded to whole ticks, which starts at `price` ticks and never falls below 1.

    Later bars reverse rounding errors, so that returns of prices can be forecast. Nobody earns that, since the underlying
    value is a random walk. `is_chained`: each bar opens at the previous close; otherwise at its first step.
    `World.mean` and `World.volatility` are given the value.
    """
    require_numbers(price=price, volatility=volatility)
    require_above_zero("price", price)
    generator = _generator(bars, seed)
    value = price * np.exp(_steps(bars, volatility, generator))  # (bars, ticks per bar)
    traded = np.maximum(np.rint(value), 1.0)
    total, squares = np.zeros(bars), np.zeros(bars)
    for share in (np.arange(NODES) + 0.5) / NODES:
        ahead = np.log(np.maximum(np.rint(value[:, -1] * np.exp(volatility * NormalDist().inv_cdf(share))), 1.0))
        total += ahead
        squares += ahead**2
    mean, spread = total / NODES, np.sqrt(np.maximum(squares / NODES - (total / NODES) ** 2, 0.0))
    candles = _traded("ticks", traded, price if is_chained else None, generator, interval)
    return World("ticks", candles, mean - np.log(candles.close), spread)


def bid_ask_bounce(
    bars: int,
    *,
    seed: int,
    half_spread: float = 0.005,
    volatility: float = 0.005,
    is_chained: bool = True,
    interval: str = "1h",
) -> World:
    """Trades at the bid or the ask, at random, around a value that is a random walk: price = value * exp(+-half_spread).

    Returns revert (Roll 1984). Buying at the bid would earn that; market orders never do. `is_chained`: each bar opens at
    the previous close; otherwise at its first trade. `World.mean` and `World.volatility` are given the value.
    """
    require_numbers(half_spread=half_spread, volatility=volatility)
    require_above_zero("half_spread", half_spread)
    generator = _generator(bars, seed)
    value = np.log(100.0) + _steps(bars, volatility, generator)
    traded = value + half_spread * generator.choice([-1.0, 1.0], size=value.shape)
    candles = _traded("bid-ask bounce", np.exp(traded), 100.0 if is_chained else None, generator, interval)
    spread = np.full(bars, np.hypot(volatility, half_spread))
    return World("bid-ask bounce", candles, value[:, -1] - traded[:, -1], spread)


def stale_index(bars: int, *, seed: int, stale: float = 0.25, volatility: float = 0.01) -> World:
    """A daily index of many shares. Each share does not trade on a day with probability `stale`, and then keeps its old price.

    r_t = stale * r_{t-1} + (1 - stale) * f_t, f_t the news of the day, with the given volatility (Lo and MacKinlay 1990). The
    days are Monday to Friday. Each opens at the previous close, as computed indices do: the forecast stale * r_t is right,
    and nobody could have bought at that open.
    """
    require_numbers(stale=stale, volatility=volatility)
    require_share("stale", stale)
    world = ar1(bars, seed=seed, phi=stale, volatility=(1 - stale) * volatility)
    days = pl.datetime_range(START, START + timedelta(days=2 * bars + 7), "1d", time_unit="us", eager=True)
    weekdays = days.filter(days.dt.weekday() <= 5).head(bars)
    prices = world.candles.frame.select("open", "high", "low", "close", "volume").with_columns(open_time=weekdays)
    candles = Candles.from_frame(prices, interval=world.candles.interval, symbol="STALE_INDEX")
    return replace(world, name="stale index", candles=candles)


def filled_forward(
    bars: int,
    *,
    seed: int,
    share: float = 0.5,
    half_spread: float = 0.0,
    volatility: float = 0.005,
    interval: str = "1h",
) -> World:
    """An illiquid market: a `share` of bars has no trade, and the table repeats the last price there, at volume 0.

    The value is a random walk, which the liquid market in `World.leader` shows at every bar. A bar with trades opens and
    closes at the value, each times exp(+-half_spread). While the last price is old, the next one can be forecast, but
    nobody could have traded at the old price. `World.mean` and `World.volatility` are given the leader.
    """
    require_numbers(share=share, half_spread=half_spread, volatility=volatility)
    require_share("share", share)
    generator = _generator(bars, seed)
    returns = volatility * generator.standard_normal(bars)
    leader = _world("leader", returns, np.zeros(bars), np.full(bars + 1, volatility), generator, interval).candles
    is_traded = generator.random(bars) >= share
    is_traded[0] = True
    bounced = np.exp(half_spread * generator.choice([-1.0, 1.0], size=(bars, 2)))
    close = (leader.close * bounced[:, 1])[np.maximum.accumulate(np.where(is_traded, np.arange(bars), 0))]
    opened = leader.open * bounced[:, 0]
    high, low = np.maximum(leader.high, np.maximum(opened, close)), np.minimum(leader.low, np.minimum(opened, close))
    shapes = {"open": opened, "high": high, "low": low, "close": close, "volume": leader.volume}
    quiet = dict.fromkeys(shapes, close) | {"volume": np.zeros(bars)}
    frame = leader.frame.with_columns(
        pl.Series(name, np.where(is_traded, shape, quiet[name])) for name, shape in shapes.items()
    )
    gap = np.log(leader.close / close)
    mean = (1 - share) * gap
    spread = np.sqrt((1 - share) * (gap**2 + volatility**2 + half_spread**2) - mean**2)
    candles = replace(leader, frame=frame, symbol="FILLED_FORWARD")
    return World("filled forward", candles, mean, spread, leader)


def squeezes(
    bars: int,
    *,
    seed: int,
    phi: float = 0.5,
    volatility: float = 0.05,
    chance: float = 0.02,
    size: float = 2.3,
    interval: str = "1d",
) -> World:
    """Momentum whose short side is ruinous: after some falls the price jumps to `size` times itself.

    r_t = phi * r_{t-1} + e_t. After a fall of more than one volatility, a jump is added with probability `chance`; the r_{t-1}
    of the next bar leaves it out. With a `size` above 2, one jump costs an account at position -1 more than its equity, so
    that the expected log growth of following this momentum is minus infinity.
    """
    require_numbers(phi=phi, volatility=volatility, chance=chance, size=size)
    if not (-1 < phi < 1 and 0 <= chance < 1 and size > 0):
        raise ConfigError(
            f"phi is {phi}, chance {chance} and size {size}",
            expected="phi inside (-1, 1), a chance in [0, 1), a size above 0",
            remedy="Use for example phi=0.5, chance=0.02, size=2.3",
        )
    generator = _generator(bars, seed)
    calm = _autoregression(volatility * generator.standard_normal(bars), phi)
    is_fallen = calm < -volatility
    jumps = np.log(size) * np.concatenate([[False], is_fallen[:-1] & (generator.random(bars - 1) < chance)])
    mean = phi * calm + np.where(is_fallen, chance * np.log(size), 0.0)
    spread = np.sqrt(volatility**2 + np.where(is_fallen, chance * (1 - chance) * np.log(size) ** 2, 0.0))
    world = _world("squeezes", calm + jumps, mean, np.full(bars + 1, volatility), generator, interval)
    return replace(world, volatility=spread)


def rare_crashes(
    bars: int,
    *,
    seed: int,
    chance: float = 0.02,
    size: float = 0.1,
    turn: float = 0.05,
    noise: float = 0.0005,
    interval: str = "1d",
) -> World:
    """The returns of selling insurance: many small steps in one direction, and rare crashes against it that cancel them.

    The direction s changes sign with probability `turn` a bar. r_t = -s_{t-1} * size with probability `chance`, otherwise
    s_t * step + noise * e_t; `step` makes the expectation given s_{t-1} zero. Nothing can be forecast. Most short samples
    have too few crashes, and following s then looks like skill.
    """
    require_numbers(chance=chance, size=size, turn=turn, noise=noise)
    if not (0 < chance < 1 and size > 0 and noise > 0 and 0 <= turn < 0.5):
        raise ConfigError(
            f"chance is {chance}, size {size}, turn {turn} and noise {noise}",
            expected="a chance inside (0, 1), size and noise above 0, a turn in [0, 0.5)",
            remedy="Use for example chance=0.02, size=0.1, turn=0.05, noise=0.0005",
        )
    generator = _generator(bars, seed)
    side = np.cumprod(np.where(generator.random(bars + 1) < turn, -1.0, 1.0))
    step = chance * size / ((1 - chance) * (1 - 2 * turn))
    steps = side[1:] * step + noise * generator.standard_normal(bars)
    returns = np.where(generator.random(bars) < chance, -side[:-1] * size, steps)
    spread = np.full(bars, np.sqrt(chance * size**2 + (1 - chance) * (step**2 + noise**2)))
    world = _world("rare crashes", returns, np.zeros(bars), np.full(bars + 1, noise), generator, interval)
    return replace(world, volatility=spread)


def shuffled(candles: Candles, *, seed: int, block: int = 22) -> World:
    """Real bars in random order within each `block`, each with a random sign: nothing is left to forecast.

    Sizes, tails and slow changes of volatility stay. Each bar keeps its shape (log of open, high, low and close over the
    previous close, and volume); a bar with sign -1 has the negative of each log. Random order alone would leave an edge: in
    volatile blocks real prices fall, so that the range of a bar predicts the next return. `World.mean` is 0;
    `World.volatility` is that of the whole sample.
    """
    if not is_whole(block, 2):
        raise ConfigError(f"block is {block!r}", expected="2 bars or more", remedy="Use for example block=22")
    before, bars = candles.close[:-1], len(candles) - 1
    generator = _generator(bars, seed)
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


def _generator(bars: int, seed: int) -> np.random.Generator:
    """The random numbers of a world of that many bars. Raises ConfigError for fewer than two."""
    if not is_whole(bars, 2):
        raise ConfigError(f"bars is {bars!r}", expected="a whole number, 2 or more", remedy="Use for example bars=2000")
    require_seed(seed)
    return np.random.default_rng(seed)


def _autoregression(shocks: np.ndarray, phi: float) -> np.ndarray:
    """r_t = phi * r_{t-1} + e_t from 0, (time,)."""
    values, last = np.empty(len(shocks)), 0.0
    for t, shock in enumerate(shocks):
        last = phi * last + shock
        values[t] = last
    return values


def _steps(bars: int, volatility: float, generator: np.random.Generator) -> np.ndarray:
    """A random walk of log values from 0, (bars, TICKS_PER_BAR), with this volatility per bar."""
    steps = volatility / np.sqrt(TICKS_PER_BAR) * generator.standard_normal(bars * TICKS_PER_BAR)
    return np.cumsum(steps).reshape(bars, TICKS_PER_BAR)


def _traded(
    name: str, prices: np.ndarray, start: float | None, generator: np.random.Generator, interval: str
) -> Candles:
    """Candles of all trade prices, (bars, trades). Each opens at the previous close, the first at `start`; at its first trade
    when `start` is None."""
    close = prices[:, -1]
    opened = prices[:, 0] if start is None else np.concatenate([[start], close[:-1]])
    volume = 1e6 * np.exp(0.3 * generator.standard_normal(len(close)))
    columns = {
        "open": opened,
        "high": np.maximum(prices.max(axis=1), opened),
        "low": np.minimum(prices.min(axis=1), opened),
        "close": close,
        "volume": volume,
    }
    return _candles(name, columns, interval)


def _candles(name: str, columns: dict[str, np.ndarray], interval: str) -> Candles:
    """Candles one after another from `START` on."""
    length = Interval.parse(interval)
    last = START + (len(columns["close"]) - 1) * length.timedelta
    times = pl.datetime_range(START, last, length.timedelta, time_unit="us", eager=True)
    opened = times.dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"open_time": opened, "close_time": opened + length.timedelta, **columns})
    return Candles(frame, name.upper().replace(" ", "_").replace("-", "_"), length)


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
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return World(name, _candles(name, columns, interval), mean, sigma[1:])
