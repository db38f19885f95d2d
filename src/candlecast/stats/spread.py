"""Effective bid-ask spreads estimated from candles.

A close at the ask stands half a spread too high, one at the bid half a spread too low. A backtest on such prices buys at
a bid that is past, and earns what it would have paid. Each function here takes open, high, low and close of
one range of bars, float64, shape (time,), and gives the full spread as a fraction of the price: 0.01 is 1 %, of which a
market order pays half. Where the square of the spread comes out negative, so does the estimate: no spread shows. NaN
where the prices do not determine it.

    bounce_spread     the part of the reversal that is over at once; for a verdict
    efficient_spread  Ardia, Guidotti and Kroencke (2024); needs opens that differ from the close before
    roll_spread       Roll (1984); takes every reversal from bar to bar for a spread
    high_low_spread   Corwin and Schultz (2012); above zero without a spread, too

What half of each comes to, in basis points: means over 20 to 60 synthetic markets of 2,000 bars with a volatility of 1 % a
bar. "honest" is a market without spread whose returns follow AR(1) with phi, or revert to a fair price; "chained" means
that each bar opens at the close before, as in hours of crypto; "closes only" that high and low are no further than open
and close. Of 100 to 200 random walks of each kind with gaps (10 to 60 % of the variance overnight; normal, fat-tailed, GARCH,
AR(1) with phi -0.1 to 0.1; 250 to 5,000 bars), 0 to 1 % have a bounce spread other than 0.

    market                            truth   bounce   efficient   Roll   high-low
    honest, phi -0.3, chained             0      0.0         NaN     57         18
    honest, phi -0.1, chained             0      0.0         NaN     31         16
    honest, phi 0.1, chained              0      0.0         NaN    -32         13
    honest, phi -0.1, open after a gap    0      0.2          10     31         12
    honest, mean reversion, chained       0      0.0         NaN     17         15
    bounce, chained                      50       49         NaN     49         36
    bounce, opens of their own           50       50          51     49         36
    bounce of closes, chained            50       49         NaN     49         24
    bounce of closes, opens at mids      50       50          37     49         23
    bounce, closes only                  50       49         NaN     49         12

So Roll's estimate condemns every honest reversal (the edge of phi -0.1 breaks even at 7 bp a side, that of -0.3 at 21 bp),
the efficient estimator sees nothing where opens are chained and some of the drift where they are not, and high-low
spreads are no evidence of any.
"""

from __future__ import annotations

import math

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.samples import aligned

SURE = 2.576  # standard errors, one-sided 0.5 %: a reversal at once that is less sure is taken as none
OWN = 0.2  # of the whole reversal: where at least so much is over at once, all of it is taken for bounce
CLOSES_ONLY = 1 / 3  # of the bars without prices beyond open and close, above which nothing is known from within bars
MINIMUM = 30  # pairs of bars that show anything
SAME = 1e-12  # relative: float rounding


def bounce_spread(
    opens: np.ndarray,
    highs: np.ndarray,
    lows: np.ndarray,
    closes: np.ndarray,
    *,
    follows: np.ndarray | None = None,
) -> float:
    """The spread that shows as a reversal of closes which is over at once; 0.0 where none is sure.

    A bounce reverses with the next trade, a forecastable return comes evenly over the bar. With log prices o, h, l, c, the
    middle m = (h + l) / 2, and x = c' - m' of the bar before:

        S_o = -E[x (m - o)] + E[x (c - m)]          bounce that the open still has (a chained open)
        S_c = -E[x (o - c')] + k E[x (c - m)]       bounce that is over at the open

        k = max(var(o - c') / var(c - m), 2 cov(o - c', c - o) / var(c - o))

    The second terms take off what reverses as fast later in the bar; the second ratio of k is the drift of a gap that is
    correlated with the rest of its bar. They may only lower S: prices that go on would look like bounce. So each of S_o, S_c
    and S_o + S_c is tested with and without its second term, and the lower of both counts. (s / 2)^2 is the largest of
    those that are SURE standard errors above zero in both. Extremes that are at bid or ask themselves make these up to a
    half too small, so that where they are a fifth or more of Roll's whole reversal, that is taken. It also bounds S_o and
    S_o + S_c: prices that are reported late, in the range of the next bar, draw m towards the bar before, and c does not
    follow. Where over a third of the bars have no price beyond open and close, nothing shows within bars, and Roll's
    estimate is taken: a reversal there cannot be distinguished from bounce. Bars that repeat the close before in all prices count
    as no bars.

    `follows`, bool (time,): whether the market was open from the bar before to this one; pairs of bars that do not follow
    each other are left out. NaN for fewer than MINIMUM pairs. The moments are those of `efficient_spread`, with a control.

    Raises ConfigError for arrays of unlike shape, or that hold NaN or a price of zero or below.

    >>> values = 100 * np.exp(np.cumsum(0.003 * np.random.default_rng(0).standard_normal((1_000, 12)))).reshape(-1, 12)
    >>> trades = values * (1 + 0.005 * np.random.default_rng(1).choice([-1, 1], values.shape))
    >>> found = bounce_spread(trades[:, 0], trades.max(axis=1), trades.min(axis=1), trades[:, -1])
    >>> round(found, 2)
    0.01
    """
    prices = _prices(opens, highs, lows, closes)
    joined = np.ones(len(prices[0]), dtype=bool) if follows is None else np.asarray(follows, dtype=bool)
    if joined.shape != prices[0].shape:
        raise ConfigError(
            f"follows has shape {joined.shape}",
            expected=f"one value for each of {len(prices[0]):,} bars",
            remedy="Leave it out where each bar follows the one before",
        )
    moved = _moved(*prices[1:])
    moving = [each[moved] for each in prices]
    o, h, low, c = map(np.log, moving)
    after = np.diff(np.cumsum(~joined)[moved]) == 0  # nor is there a break at the bars left out
    if after.sum() < MINIMUM:
        return math.nan
    roll = _reversal(c, after)
    if not have_ranges(*moving):
        return 2 * math.sqrt(max(roll, 0.0))
    return 2 * math.sqrt(_at_once(o, (h + low) / 2, c, after, roll))


def have_ranges(opens: np.ndarray, highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> bool:
    """Whether at least two thirds of the bars have prices beyond open and close, so that their ranges are informative.

    All of shape (time,); False without bars.

    >>> have_ranges(np.array([1.0, 2.0]), np.array([2.5, 3.0]), np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    False
    """
    beyond = (highs > np.maximum(opens, closes) * (1 + SAME)) | (lows < np.minimum(opens, closes) * (1 - SAME))
    return bool(len(beyond)) and float(np.mean(~beyond)) <= CLOSES_ONLY


def _at_once(o: np.ndarray, m: np.ndarray, c: np.ndarray, after: np.ndarray, roll: float) -> float:
    """(s / 2)^2 of `bounce_spread`, from log prices, the pairs of bars that count, and the whole reversal."""
    x = _centred((c - m)[:-1][after])
    gap, early, late = (_centred(values[after]) for values in (o[1:] - c[:-1], (m - o)[1:], (c - m)[1:]))
    k = max(_ratio(gap * gap, late * late), 2 * _ratio(gap * (early + late), (early + late) ** 2))
    of_open, of_close, later = -x * early, -x * gap, x * late
    found = [0.0]
    for alone, control, bound in (
        (of_close, k * later, math.inf),
        (of_open, later, roll),
        (of_open + of_close, (1 + k) * later, roll),
    ):
        controlled = alone + control
        if _is_sure(alone) and _is_sure(controlled):
            mean = float(min(alone.mean(), controlled.mean()))
            found.append(mean if mean <= OWN * roll else min(max(mean, roll), bound))
    return max(found)


def _ratio(above: np.ndarray, below: np.ndarray) -> float:
    """The ratio of two means; 0.0 where the second is zero."""
    mean = float(below.mean())
    return float(above.mean()) / mean if mean > 0 else 0.0


def _is_sure(values: np.ndarray) -> bool:
    return bool(values.mean() * math.sqrt(len(values)) > SURE * values.std())


def _reversal(c: np.ndarray, after: np.ndarray) -> float:
    """Minus the autocovariance of returns (log closes c) over bars that follow each other: (s / 2)^2 of Roll (1984)."""
    returns = np.diff(c)
    pairs = after[1:] & after[:-1]
    if not pairs.any():
        return math.nan
    returns = returns - returns[after].mean()
    return float(-np.mean(returns[1:][pairs] * returns[:-1][pairs]))


def efficient_spread(opens: np.ndarray, highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> float:
    """The efficient estimator of Ardia, Guidotti and Kroencke (2024), "EDGE", signed as the square that it is the root of.

    With log prices, m the middle of high and low, ' the bar before, t whether a bar has moved (h != l or l != c'), and d()
    a return less its mean over the bars that moved:

        x_1 = -4/p_o d(m - o)(o - m') - 4/p_c d(m - c')(c' - m')
        x_2 = -4/p_o d(m - o)(o - c') - 4/p_c d(o - c')(c' - m')
        s^2 = (v_2 e_1 + v_1 e_2) / (v_1 + v_2)                       e mean, v variance of x_1 and x_2

    p_o is the share of opens that are not the high plus that of those that are not the low, p_c likewise of the closes
    before. NaN for fewer than 3 bars, where nothing moves, and where no open differs from the close before: x_2 is then 0
    without an error, and would take all weight.

    Raises ConfigError for arrays of unlike shape, or that hold NaN or a price of zero or below.

    >>> values = 100 * np.exp(np.cumsum(0.003 * np.random.default_rng(0).standard_normal((1_000, 12)))).reshape(-1, 12)
    >>> trades = values * (1 + 0.005 * np.random.default_rng(1).choice([-1, 1], values.shape))
    >>> round(efficient_spread(trades[:, 0], trades.max(axis=1), trades.min(axis=1), trades[:, -1]), 2)
    0.01
    """
    prices = _prices(opens, highs, lows, closes)
    if len(prices[0]) < 3:
        return math.nan
    o, h, low, c = (np.log(each) for each in prices)
    m = (h + low) / 2
    h_1, l_1, c_1, m_1 = h[:-1], low[:-1], c[:-1], m[:-1]
    o, h, low, m = o[1:], h[1:], low[1:], m[1:]
    moved = (h != low) | (low != c_1)
    p_o = np.mean(moved & (o != h)) + np.mean(moved & (o != low))
    p_c = np.mean(moved & (c_1 != h_1)) + np.mean(moved & (c_1 != l_1))
    if moved.sum() < 2 or p_o == 0 or p_c == 0 or (o == c_1).all():
        return math.nan

    def less_mean(returns: np.ndarray) -> np.ndarray:
        return returns - returns.mean() / moved.mean() * moved

    d_open, d_close, d_gap = less_mean(m - o), less_mean(m - c_1), less_mean(o - c_1)
    x_1 = -4 / p_o * d_open * (o - m_1) - 4 / p_c * d_close * (c_1 - m_1)
    x_2 = -4 / p_o * d_open * (o - c_1) - 4 / p_c * d_gap * (c_1 - m_1)
    e_1, e_2, v_1, v_2 = x_1.mean(), x_2.mean(), x_1.var(), x_2.var()
    return _signed_root((v_2 * e_1 + v_1 * e_2) / (v_1 + v_2) if v_1 + v_2 > 0 else (e_1 + e_2) / 2)


def roll_spread(opens: np.ndarray, highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> float:
    """Roll (1984): 2 sqrt(-cov(r_t, r_{t-1})) of log returns of the closes, negative where they go on; NaN below 4 bars.

    >>> closes = np.array([101.0, 99.0] * 500)
    >>> round(roll_spread(closes, closes, closes, closes), 3)      # two ticks of 2 % between bid and ask, in turns
    0.04
    """
    closes = _prices(opens, highs, lows, closes)[3]
    if len(closes) < 4:
        return math.nan
    return _signed_root(4 * _reversal(np.log(closes), np.ones(len(closes) - 1, dtype=bool)))


def high_low_spread(opens: np.ndarray, highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> float:
    """Corwin and Schultz (2012): the mean over pairs of bars of what their range has beyond that of a random walk.

        a = (sqrt(2 b) - sqrt(b)) / (3 - 2 sqrt 2) - sqrt(g / (3 - 2 sqrt 2)),    s = 2 (e^a - 1) / (1 + e^a)

    b: sum of squared log ranges of two bars; g: squared log range of both together, the second shifted by what it opened
    beyond the close before (the overnight adjustment). Negative estimates of a pair count as 0, as in the paper, so that
    the mean is above zero without any spread. NaN for fewer than 2 bars.

    >>> closes = np.array([101.0, 99.0] * 500)
    >>> round(high_low_spread(closes, closes + 1.0, closes - 1.0, closes), 3)
    0.0
    """
    _, h, low, c = (np.log(each) for each in _prices(opens, highs, lows, closes))
    if len(c) < 2:
        return math.nan
    shift = np.maximum(c[:-1] - h[1:], 0.0) - np.maximum(low[1:] - c[:-1], 0.0)
    top, bottom = h[1:] + shift, low[1:] + shift
    b = (h[:-1] - low[:-1]) ** 2 + (top - bottom) ** 2
    g = (np.maximum(h[:-1], top) - np.minimum(low[:-1], bottom)) ** 2
    k = 3 - 2 * math.sqrt(2)
    a = (np.sqrt(2 * b) - np.sqrt(b)) / k - np.sqrt(g / k)
    return float(np.mean(np.maximum(2 * np.tanh(a / 2), 0.0)))


def _prices(opens: np.ndarray, highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> list[np.ndarray]:
    """The four arrays; raises ConfigError for unlike shapes, NaN, and prices of zero or below."""
    prices = aligned(opens=opens, highs=highs, lows=lows, closes=closes)
    lowest = min((float(each.min()) for each in prices if len(each)), default=1.0)
    if lowest <= 0:
        raise ConfigError(
            f"a price is {lowest:g}", expected="prices above zero", remedy="Pass candles that check() finds sound"
        )
    return prices


def _moved(highs: np.ndarray, lows: np.ndarray, closes: np.ndarray) -> np.ndarray:
    """Bool (time,): the bar does not merely repeat the close before in all of its prices."""
    moved = np.ones(len(closes), dtype=bool)
    moved[1:] = (highs - lows > SAME * highs)[1:] | (np.abs(np.diff(closes)) > SAME * closes[:-1])
    return moved


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def _signed_root(square: float) -> float:
    return math.copysign(math.sqrt(abs(square)), square)
