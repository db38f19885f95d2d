"""Synthetic cross-sections whose truth is known: many assets, a market that moves them all, and a planted signal or none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.parameters import is_number, is_whole
from candlecast.sources.synthetic import _generator, _world


@dataclass(frozen=True, eq=False)
class PanelWorld:
    """A synthetic cross-section and the truth about it.

    `mean` (time, asset): expectation of the next bar's log return of each asset beyond that of the market, given everything up
    to and including the bar: the best possible forecast of who beats whom (the oracle).
    """

    assets: tuple[Candles, ...]
    mean: np.ndarray


def synthetic_panel(
    assets: int,
    bars: int,
    *,
    seed: int,
    ic: float = 0.0,
    lags: int = 5,
    volatility: float = 0.01,
    market: float = 0.01,
    interval: str = "1d",
) -> PanelWorld:
    """Assets with a common market return, and own returns that continue with a correlation of `ic`, or with none.

    r_{i,t+1} = m_{t+1} + volatility z_{i,t+1},  z_{i,t+1} = ic s_{i,t} + sqrt(1 - ic^2) n_{i,t+1},
    s_{i,t} = (z_{i,t} + ... + z_{i,t-lags+1}) / sqrt(lags), with n standard normal and m normal with standard deviation `market`.
    The information coefficient of s is about `ic` at every moment; with 0 nothing can be forecast.

    Symbols are A000, A001, ... Raises ConfigError for fewer than two assets, and for an `ic` outside [0, 0.3].

    >>> world = synthetic_panel(3, 50, seed=0)
    >>> [each.symbol for each in world.assets], bool(world.mean.any())
    (['A000', 'A001', 'A002'], False)
    """
    if not is_whole(assets, 2) or not is_whole(lags) or not is_number(ic) or not 0.0 <= ic <= 0.3:
        raise ConfigError(
            f"assets is {assets!r}, lags is {lags!r} and ic is {ic!r}",
            expected="two assets or more, one lag or more, and an ic in [0, 0.3]",
            remedy="Use for example synthetic_panel(50, 2000, seed=0, ic=0.05)",
        )
    generator = _generator(bars, seed)
    common = market * generator.standard_normal(bars)
    shocks = generator.standard_normal((bars, assets))
    own, signal = np.zeros((bars + lags, assets)), np.zeros((bars, assets))
    for t in range(bars):
        before = own[t : t + lags].sum(axis=0) / np.sqrt(lags)
        own[t + lags] = ic * before + np.sqrt(1 - ic**2) * shocks[t]
        signal[t] = own[t + 1 : t + 1 + lags].sum(axis=0) / np.sqrt(lags)
    returns = common[:, None] + volatility * own[lags:]
    sigma = np.full(bars + 1, np.hypot(volatility, market))
    width = max(len(str(assets - 1)), 3)
    made = []
    for number in range(assets):
        world = _world("a", returns[:, number], np.zeros(bars), sigma, generator, interval)
        made.append(replace(world.candles, symbol=f"A{number:0{width}d}"))
    return PanelWorld(tuple(made), ic * volatility * signal)
