"""Features made of traded volume, the number of trades, and who crossed the spread."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features.feature import Feature, last, require_period


def volume_change(period: int = 20) -> Feature:
    """Volume against its average: ln(V_t / mean of the last `period` volumes, V_t among them).

    A bar without volume counts as half the smallest volume of the others among the `period`, or as the average divided by
    `period` if that is less; 0.0 where none of them had any: currencies and indices come without.
    """
    require_period("volume_change", period, least=2)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        return _against_average(candles.volume, period, count)

    return Feature("volume_change", compute, period - 1, {"period": period})


def trades_change(period: int = 20) -> Feature:
    """Number of trades against its average: ln(N_t / mean of the last `period`), a bar without any as in `volume_change`.

    Of candles that have `trades`, such as those of Binance; of others it raises ConfigError.
    """
    require_period("trades_change", period, least=2)

    def compute(candles: Candles) -> np.ndarray:
        return _against_average(_activity(candles, "trades", "trades_change"), period)

    return Feature("trades_change", compute, period - 1, {"period": period})


def trade_size_change(period: int = 20) -> Feature:
    """Mean size of a trade against its average: ln((V_t / N_t) / mean of the last `period` such sizes), N_t the trades.

    A bar without trades has size 0, and counts as in `volume_change`. Of candles that have `trades`; of others it raises
    ConfigError.
    """
    require_period("trade_size_change", period, least=2)

    def compute(candles: Candles) -> np.ndarray:
        trades = _activity(candles, "trades", "trade_size_change")
        sizes = np.divide(candles.volume, trades, out=np.zeros(len(candles)), where=trades > 0)
        return _against_average(sizes, period)

    return Feature("trade_size_change", compute, period - 1, {"period": period})


def taker_imbalance(period: int = 1) -> Feature:
    """By how much more was bought than sold by those who crossed the spread, of the last `period` bars: -1 to 1.

    (2 B - V) / V, with V the volume and B the part of it that buyers took; 0.0 where there was none. Of candles that have
    `taker_volume`, such as those of Binance; of others it raises ConfigError.
    """
    require_period("taker_imbalance", period)

    def compute(candles: Candles) -> np.ndarray:
        bought = _activity(candles, "taker_volume", "taker_imbalance")
        values = np.full(len(candles), np.nan)
        if len(candles) >= period:
            bought, volume = (
                np.lib.stride_tricks.sliding_window_view(each, period).sum(axis=1) for each in (bought, candles.volume)
            )
            share = np.divide(2 * bought - volume, volume, out=np.zeros(len(volume)), where=volume > 0)
            values[period - 1 :] = np.where(np.isnan(bought), np.nan, share)
        return values

    return Feature("taker_imbalance", compute, period - 1, {"period": period})


def _activity(candles: Candles, name: str, kind: str) -> np.ndarray:
    if name not in candles.activity:
        raise ConfigError(
            f"{kind} of {candles.symbol} needs {name}, which its candles do not have",
            expected="candles of a source that gives it, such as cc.Binance()",
            remedy=f"Leave {kind} out, or add the numbers with candles.with_activity({name}=...)",
        )
    return getattr(candles, name)


def _against_average(values: np.ndarray, period: int, count: int | None = None) -> np.ndarray:
    """ln(x_t / mean of the last `period` x, x_t among them), of the newest `count` bars, (count,); see `volume_change` for a
    bar with x_t = 0.
    """
    import talib

    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0)  # absent in a table without volume
    read = None if count is None else count + period - 1
    mean = last(talib.SMA(values, period), read)  # of all bars, which its running sum depends on
    values = last(values, read)
    most = talib.MAX(values, period)
    is_silent = values == 0
    if is_silent.any() and len(values) >= period:
        among = np.lib.stride_tricks.sliding_window_view(np.where(is_silent, np.inf, values), period)
        rows = np.flatnonzero(is_silent[period - 1 :])
        values = values.copy()
        values[rows + period - 1] = np.minimum(0.5 * among[rows].min(axis=1), mean[rows + period - 1] / period)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(values / mean)
    return last(np.where(most == 0, 0.0, change), count)
