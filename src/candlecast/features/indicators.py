"""Classic indicators, computed by TA-Lib and brought to a form that does not depend on the price level.

Exponential averages never forget entirely. Their warm-up is the number of bars after which the weight of everything
earlier is below `MEMORY`.

Each computes the newest `count` bars where that is given, from all bars: what TA-Lib carries along depends on the first one.
"""

from __future__ import annotations

import math

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError
from candlecast.features.feature import LONGEST_PERIOD, Feature, last, require_period
from candlecast.parameters import is_number, is_whole

MEMORY = 1e-4


def sma_ratio(period: int = 20) -> Feature:
    """Close against its simple moving average: C_t / SMA_t - 1."""
    require_period("sma_ratio", period)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        import talib

        return last(candles.close, count) / last(talib.SMA(candles.close, period), count) - 1

    return Feature("sma_ratio", compute, period - 1, {"period": period})


def ema_ratio(period: int = 20) -> Feature:
    """Close against its exponential moving average, weight 2 / (period + 1): C_t / EMA_t - 1."""
    require_period("ema_ratio", period)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        import talib

        return last(candles.close, count) / last(talib.EMA(candles.close, period), count) - 1

    return Feature("ema_ratio", compute, period + _memory(2 / (period + 1)), {"period": period})


def rsi(period: int = 14) -> Feature:
    """Relative strength index after Wilder (1978), brought from 0..100 to -1..1: RSI / 50 - 1.

    0.0 where the price has not moved for as long as the index remembers (its warm-up): neither gains nor losses.
    """
    require_period("rsi", period, least=2)
    warmup = period + _memory(1 / period)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        return _strength_index(candles.close, period, warmup, count)

    return Feature("rsi", compute, warmup, {"period": period})


def trend_strength(period: int = 14, *, bars: int | None = None) -> Feature:
    """How one-sided recent moves are, whichever the side: |RSI / 50 - 1|, of Wilder's (1978) relative strength index.

    0 where gains and losses balance, 1 where all moves have one direction. Ranges are larger after one-sided moves of
    either side, which a regression on the index itself cannot say.

    Args:
        period: a move counts 1 - 1 / period of what the move of the next bar counts.
        bars: the moves of this many bars count, and none before. None: of all bars; the warm-up then is over where those
            before it count 0.01 %, which takes 9 periods.
    """
    require_period("trend_strength", period, least=2)
    if bars is not None:
        require_period("trend_strength", bars, least=2, name="bars")

        def compute_recent(candles: Candles, count: int | None = None) -> np.ndarray:
            return _recent_strength(candles.close, 1 - 1 / period, bars, count)

        return Feature("trend_strength", compute_recent, bars, {"period": period, "bars": bars})
    warmup = period + _memory(1 / period)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        return np.abs(_strength_index(candles.close, period, warmup, count))

    return Feature("trend_strength", compute, warmup, {"period": period})


def macd(fast: int = 12, slow: int = 26, signal: int = 9) -> Feature:
    """Moving average convergence/divergence after Appel (1979), in units of the close.

    Columns: `line` (EMA_fast - EMA_slow) / C, `signal` EMA of the line / C, `histogram` their difference / C.
    """
    if (
        not (is_whole(fast, 2) and is_whole(slow, 2) and is_whole(signal) and fast < slow)
        or max(slow, signal) > LONGEST_PERIOD
    ):
        raise ConfigError(
            f"macd({fast!r}, {slow!r}, {signal!r})",
            expected="whole numbers of bars, 2 <= fast < slow and a signal of 1 bar or more",
            remedy="Use macd(12, 26, 9)",
        )

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        import talib

        lines = [last(line, count) for line in talib.MACD(candles.close, fast, slow, signal)]
        return np.column_stack(lines) / last(candles.close, count)[:, None]

    warmup = slow + signal + _memory(2 / (slow + 1)) + _memory(2 / (signal + 1))
    parameters = {"fast": fast, "slow": slow, "signal": signal}
    return Feature("macd", compute, warmup, parameters, outputs=("line", "signal", "histogram"))


def bollinger(period: int = 20, width: float = 2.0) -> Feature:
    """Bollinger %b: where the close stands between the bands, 0 at the lower, 1 at the upper one.

    (C_t - (SMA_t - width * sd_t)) / (2 * width * sd_t), sd with divisor `period`. 0.5, the middle, while
    the price stands still.
    """
    require_period("bollinger", period, least=2)
    if not is_number(width) or not 0 < width < np.inf:
        raise ConfigError(
            f"width of bollinger is {width!r}", expected="a number above 0", remedy="Use bollinger(20, 2.0)"
        )

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        import talib

        upper, _, lower = (last(band, count) for band in talib.BBANDS(candles.close, period, width, width))
        with np.errstate(divide="ignore", invalid="ignore"):
            position = (last(candles.close, count) - lower) / (upper - lower)
        return np.where(_is_flat(candles.close, period, count), 0.5, position)

    return Feature("bollinger", compute, period - 1, {"period": period, "width": width})


def atr(period: int = 14) -> Feature:
    """Average true range after Wilder (1978), in units of the close: ATR_t / C_t."""
    require_period("atr", period)

    def compute(candles: Candles, count: int | None = None) -> np.ndarray:
        import talib

        return last(talib.ATR(candles.high, candles.low, candles.close, period), count) / last(candles.close, count)

    return Feature("atr", compute, period + _memory(1 / period), {"period": period})


def _strength_index(close: np.ndarray, period: int, warmup: int, count: int | None) -> np.ndarray:
    """The relative strength index from -1 to 1, 0.0 where the price has not moved for its warm-up, at the newest `count` bars."""
    import talib

    index = last(talib.RSI(close, period), count) / 50 - 1
    return np.where(_is_flat(close, warmup + 1, count), 0.0, index)


def _recent_strength(close: np.ndarray, weight: float, bars: int, count: int | None) -> np.ndarray:
    """|gains - losses| / (gains + losses) of the moves of `bars` bars, each weighted by `weight` times the next one."""
    read = last(close, None if count is None else count + bars)
    moves = np.diff(read, prepend=read[:1])
    gains, losses = (_decayed_sum(np.maximum(side, 0.0), weight, bars) for side in (moves, -moves))
    path = gains + losses
    with np.errstate(invalid="ignore"):
        return last(np.where(path == 0, 0.0, np.abs(gains - losses) / path), count)


def _decayed_sum(values: np.ndarray, weight: float, bars: int) -> np.ndarray:
    """Sum over i < bars of weight ** i values[t - i], at each t, where there are so many.

    Sums of 1, 2, 4, ... bars are added, as many as `bars` has binary digits. Each value is computed by itself, so that its
    bits do not depend on how many there are.
    """
    total, taken, block = np.zeros(len(values)), 0, values
    for size in (2**digit for digit in range(bars.bit_length())):
        if bars & size:
            total[taken:] += weight**taken * block[: max(len(block) - taken, 0)]
            taken += size
        doubled = block.copy()
        doubled[size:] += weight**size * block[: max(len(block) - size, 0)]
        block = doubled
    return total


def _is_flat(values: np.ndarray, period: int, count: int | None) -> np.ndarray:
    """Whether the last `period` values are all equal, at the newest `count` bars, bool (count,); False where there are fewer."""
    import talib

    count = len(values) if count is None else count
    read = last(values, count + period - 1)
    if len(read) < period:
        return np.zeros(min(count, len(values)), dtype=bool)
    return last(talib.MAX(read, period) == talib.MIN(read, period), count)


def _memory(weight: float) -> int:
    """Bars after which an exponential average with this weight of the newest bar has forgotten all but `MEMORY`."""
    return math.ceil(math.log(MEMORY) / math.log(1 - weight)) if weight < 1 else 1
