"""Worlds by name: markets without an edge, markets with one, and markets whose prices nobody could have traded at."""

from __future__ import annotations

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.sources import synthetic

NULL = ("random walk", "drift", "GARCH-t", "regime volatility", "shuffled S&P 500 and Nasdaq")
LADDERS = {
    "AR(1), phi": (0.03, 0.06, 0.10, 0.15, 0.25),
    "momentum regimes, drift / volatility": (0.05, 0.10, 0.15, 0.20, 0.30),
    "mean reversion, share": (0.1, 0.2, 0.4, 0.6, 0.9),
    "volatility clustering, alpha": (0.02, 0.05, 0.08, 0.12, 0.16),
    "lead-lag, beta": (0.03, 0.06, 0.10, 0.15, 0.25),
}
HOURS, FIRST_HOURS = 48_000, 72  # of the market with several intervals, and how many of its last ones have minutes
INTERVALS = {"1m": 60 * FIRST_HOURS, "1h": 3_000, "4h": 3_000, "1d": HOURS // 24}  # bars that its user downloads


def make_world(family, strength, seed, bars):
    """A world by name. Raises KeyError for a family that is not there."""

    def shuffled():
        real = cc.sample(("sp500", "nasdaq")[seed % 2])
        return synthetic.shuffled(real[-bars - 1 :] if bars < len(real) else real, seed=seed)

    makers = {
        "random walk": lambda: synthetic.random_walk(bars, seed=seed),
        "drift": lambda: synthetic.random_walk(bars, seed=seed, drift=0.0004),
        "GARCH-t": lambda: synthetic.garch(bars, seed=seed, alpha=0.06, beta=0.92, degrees=5),
        "regime volatility": lambda: synthetic.regime_volatility(bars, seed=seed),
        "shuffled S&P 500 and Nasdaq": shuffled,
        "AR(1), phi": lambda: synthetic.ar1(bars, seed=seed, phi=strength),
        "momentum regimes, drift / volatility": lambda: synthetic.regime_switch(bars, seed=seed, drift=0.01 * strength),
        "mean reversion, share": lambda: synthetic.mean_reversion(bars, seed=seed, share=strength),
        "volatility clustering, alpha": lambda: synthetic.garch(bars, seed=seed, alpha=strength, beta=0.98 - strength),
        "lead-lag, beta": lambda: synthetic.lead_lag(bars, seed=seed, beta=strength),
        "ticks, chained opens": lambda: synthetic.ticks(bars, seed=seed),
        "ticks, opens of their own": lambda: synthetic.ticks(bars, seed=seed, is_chained=False),
        "bounce, chained opens": lambda: synthetic.bid_ask_bounce(bars, seed=seed),
        "bounce, opens of their own": lambda: synthetic.bid_ask_bounce(bars, seed=seed, is_chained=False),
        "stale opens": lambda: synthetic.stale_index(bars, seed=seed),
        "filled bars, own past": lambda: synthetic.filled_forward(bars, seed=seed, half_spread=0.008),
        "filled bars, a leader": lambda: synthetic.filled_forward(bars, seed=seed),
        "ruin, squeezes while short": lambda: synthetic.squeezes(bars, seed=seed, chance=0.015, size=4.0),
        "ruin, growth below zero": lambda: synthetic.ar1(
            bars, seed=seed, phi=0.08, volatility=0.15, drift=-(0.15**2) / 2
        ),
        "martingale of 5 % a bar": lambda: synthetic.random_walk(
            bars, seed=seed, volatility=0.05, drift=-(0.05**2) / 2
        ),
        "a crash in 50 bars": lambda: synthetic.rare_crashes(bars, seed=seed, chance=0.02),
        "a crash in 100 bars": lambda: synthetic.rare_crashes(bars, seed=seed, chance=0.01),
    }
    return makers[family]()


def features_of(world):
    """Return and range, and the leader's return where there is one."""
    own = (cc.log_return(1), cc.log_range(1))
    return cc.Features(*own) if world.leader is None else cc.Features(*own, leader_return(world.leader))


def leader_return(leader):
    """The return of the leader's bar, known as it closes, as a feature of the follower."""
    return cc.outside(
        "leader_return", leader.frame.select(known_at="close_time", leader_return=pl.col("close").log().diff())
    )


def one_market(seed):
    """A random walk as four downloads: its last minutes, hours and four hours, and all of its days.

    The last hours are made of the minutes, and the longer bars of the hours. Candles by interval.
    """
    minutes = synthetic.random_walk(
        60 * FIRST_HOURS, seed=seed, volatility=0.01 / np.sqrt(24 * 60), interval="1m"
    ).candles
    earlier = synthetic.random_walk(
        HOURS - FIRST_HOURS, seed=seed + 1, volatility=0.01 / np.sqrt(24), interval="1h"
    ).candles
    level, gap = earlier.close[-1] / minutes.open[0], earlier.close_time[-1] - minutes.open_time[0]
    prices = [pl.col(name) * level for name in ("open", "high", "low", "close")]
    shifted = minutes.frame.select(
        pl.Series("open_time", minutes.open_time + gap).dt.replace_time_zone("UTC"), *prices, "volume"
    )
    minutes = cc.Candles.from_frame(shifted, interval="1m", symbol="MARKET")
    columns = shifted.columns
    joined = pl.concat([earlier.frame.select(columns), minutes.resample("1h").frame.select(columns)])
    hours = cc.Candles.from_frame(joined, interval="1h", symbol="MARKET")
    found = {"1m": minutes, "1h": hours, "4h": hours.resample("4h"), "1d": hours.resample("1d")}
    return {interval: candles[-INTERVALS[interval] :] for interval, candles in found.items()}


def minutes_of(seed, bars=2_880):
    """Two days of minutes of another market, a random walk."""
    return synthetic.random_walk(bars, seed=seed, volatility=0.001, interval="1m").candles
