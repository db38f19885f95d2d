"""Whether a record is long enough to claim a gain from it: it may lack rare large losses.

A strategy that gains a little in most bars and loses much in one of hundreds has a good record until that loss. No test of
the record alone sees the loss that is missing. So the gain has to stay significant with one more loss that is known to be
possible, of one bar or of a stretch of bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.bootstrap import bootstrap_p_value, studentised_p_value
from candlecast.stats.samples import aligned
from candlecast.text.formatting import count, p_value, percent

MIN_KNOWN = 250  # bars that the largest loss is taken of
MIN_LOSSES = 10  # losing bars, to know the size of a loss
LARGE_EXPOSURE = 0.95  # quantile of the exposures that the worst move is applied to
STRETCHES = (2, 5, 10, 20, 40)  # bars of the stretches that are looked at beside single bars
MIN_STRETCHES = 5  # in a record, to know what the strategy holds during one
LOWEST = -1e3  # log return that stands for the loss of everything, in sums
RARE = 5.0  # standard deviations beyond which a stretch counts: others are ordinary
USUAL = 0.8413  # quantile of a normal variable one standard deviation above its median


@dataclass(frozen=True)
class RareLosses:
    """Whether a gain `is_reliable`, and `why` it is not, in words; `why` is empty where it is, or where nothing is significant.

    p_value: test of the mean that allows for skewed returns; p_with_loss: the same with one more loss of `worst_loss`, in a
    stretch of `stretch` bars. bars_known: bars that `worst_loss` is the worst of. A loss that occurs less than once in a third
    of them is missing from all of them with a probability above 5 %, and is not detected here.
    """

    is_reliable: bool
    why: str
    p_value: float
    p_with_loss: float
    worst_loss: float
    bars_known: int
    stretch: int = 1


def check_rare_losses(
    returns: np.ndarray,
    *,
    worst_loss: float | None = None,
    worst_stretches: Iterable[tuple[int, float]] = (),
    bars_known: int | None = None,
    level: float = 0.05,
    mean_p: float | None = None,
    paths: int = 1_000,
    seed: int = 0,
) -> RareLosses:
    """Whether a gain may be claimed from log returns per bar, (time,), or the record may lack rare large losses.

    A gain is claimed where `bootstrap_p_value`, or `mean_p` where it is given, is below `level`. It is reliable if
    (1) `studentised_p_value` is below `level` too; (2) with one more loss like the worst one it is still below 2 x level;
    (3) at least 10 bars lost, else the size of a loss is not known; (4) at least 250 bars are known. A gain that is not
    significant counts as reliable.

    `worst_loss` is a log return, positive: the loss of the strategy in the worst known bar of its market, training part
    included; see `worst_case_loss`. The largest loss of the record is used where it is larger, or where none is given.
    `worst_stretches`: the same for numbers of bars in a row, in pairs of both; see `worst_case_stretches`. The worst stretches of
    the record are used too. A stretch of k bars counts only if it loses more than 5 sqrt(k) standard deviations of the returns:
    lesser ones are what independent bars bring, and the test knows them. It is added as one loss.
    `bars_known`: the number of bars that this is the worst of; the length of the record where not given.

    A loss that occurs once in N / 3 bars is missing from N bars with a probability of (1 - 3 / N)^N = 5 % (rule of three:
    Hanley and Lippman-Hand 1983), so rarer losses cannot be excluded: the longer the history, the rarer they are.

    Share of 500 worlds without a gain in which one is claimed (`bench/inference.py`). A mean gain of 0.05, 0.1 and 0.3 standard
    deviations a bar is lost again in one of so many bars. By the bootstrap alone; with this check of the record alone; with
    this check and the worst loss of a history five times as long, which may lack it too:

        bars    loss once in    bootstrap          the record alone     its history known
        250     500             12, 31, 61 %       12, 29, 61 %         2, 4, 6 %
        250     120             7, 10, 19 %        5, 6, 12 %           5, 2, 0 %
        500     500             13, 24, 33 %       12, 24, 33 %         0, 0, 0 %
        500     120             7, 10, 17 %        6, 5, 3 %            6, 4, 2 %
        1,000   500             11, 20, 19 %       6, 16, 11 %          1, 0, 0 %
        2,500   500             8, 12, 11 %        4, 5, 1 %            4, 4, 1 %
        2,500   120             3, 8, 8 %          3, 6, 5 %            3, 6, 5 %

    Records without rare losses (normal, Student's t, GARCH; 250 and 500 bars, a mean of 0 to 0.1 standard deviations) are
    reliable in 95 to 100 % of worlds by the record alone; with such a history, in 97 to 99 % without a gain and in 85 to 99 %
    with one.

    Raises ConfigError for returns that are not finite, a level outside (0, 0.5), or a negative loss.

    >>> steady = 0.001 + 0.004 * np.random.default_rng(0).normal(size=500)
    >>> check_rare_losses(steady).is_reliable
    True
    >>> print(check_rare_losses(steady, worst_loss=0.3).why)
    with one more bar that loses 25.9 %, the largest loss known to be possible, the gain is not significant (p-value 0.42)
    """
    (returns,) = aligned(returns=returns)
    known = len(returns) if bars_known is None else bars_known
    if not 0.0 < level < 0.5 or (worst_loss is not None and not worst_loss >= 0.0):
        raise ConfigError(
            f"level is {level} and worst_loss is {worst_loss}",
            expected="a level between 0 and 0.5, and a loss of 0 or more",
            remedy="Pass the size of the loss as a positive number",
        )
    losses = -returns[returns < 0]
    loss, stretch = float(max(losses.max(initial=0.0), worst_loss or 0.0)), 1
    if not len(returns):
        return RareLosses(True, "", math.nan, math.nan, loss, known)
    ordinary = RARE * float(returns.std())
    for bars, lost in (*_own_stretches(returns), *worst_stretches):
        if lost > max(loss, ordinary * math.sqrt(bars)):
            loss, stretch = float(lost), bars
    alone, with_loss = (
        studentised_p_value(values, paths=paths, seed=seed) if math.isfinite(values.sum()) else 1.0
        for values in (returns, np.append(returns, -loss))
    )
    claimed_p = bootstrap_p_value(returns, paths=paths, seed=seed) if mean_p is None else mean_p
    is_claimed = claimed_p < level
    why = ""
    if is_claimed and known < MIN_KNOWN:
        why = f"{count(known, 'bar')} are too few to know the largest loss of a bar: at least {MIN_KNOWN} are needed"
    elif is_claimed and len(losses) < MIN_LOSSES:
        why = f"only {count(len(losses), 'bar')} lost, too few to know the size of a loss: at least {MIN_LOSSES} are needed"
    elif is_claimed and not alone < level:
        why = (
            "the gain depends on the frequency of a few large losses, which is not known from so short a record "
            f"(p-value {p_value(alone)} by a test that allows for skewness)"
        )
    elif is_claimed and not with_loss < 2 * level:
        size = percent(-math.expm1(-loss))
        one = "bar" if stretch == 1 else f"stretch of {count(stretch, 'bar')}"
        why = (
            f"with one more {one} that loses {size}, the largest loss known to be possible, the gain is not significant "
            f"(p-value {p_value(with_loss)})"
        )
    return RareLosses(not why, why, alone, with_loss, loss, known, stretch)


def worst_case_loss(exposures: np.ndarray, moves: np.ndarray) -> float:
    """The largest loss possible in one bar, as a positive log return: a large exposure at the market's worst move.

    exposures (time,): value held over the equity, negative when short, at each bar of the record. moves (time,): simple
    returns per bar of the market's whole known history. -ln(1 - exposure x move), with the exposure the 95 % quantile of those
    on one side without zeros; the larger of long at the deepest fall and short at the highest rise. 0.0 where nothing was
    held; infinite where the loss takes the whole equity.

    >>> round(worst_case_loss(np.array([0.0, 0.5, 0.5]), np.array([0.01, -0.2, 0.3])), 4)      # -ln(1 - 0.5 x 0.2)
    0.1054
    """
    (exposures,), (moves,) = aligned(exposures=exposures), aligned(moves=moves)
    loss = 0.0
    for side in (1.0, -1.0):
        held = side * exposures[side * exposures > 0]
        if len(held) and len(moves):
            loss = max(loss, float(np.quantile(held, LARGE_EXPOSURE)) * float(max((-side * moves).max(), 0.0)))
    return -math.log1p(-loss) if loss < 1.0 else math.inf


def worst_case_stretches(
    exposures: np.ndarray, moves: np.ndarray, *, lengths: Sequence[int] = STRETCHES
) -> tuple[tuple[int, float], ...]:
    """The largest loss possible in so many bars in a row, as positive log returns: pairs of bars and loss.

    As `worst_case_loss`, whose arguments these are: for k bars, the exposure is the 95 % quantile of the means over k bars of
    the record on one side, and the loss the largest of -sum ln(1 + exposure x move) over k bars of the known history, with the
    exposure kept, if it is rare for the market (`rare_loss`); else 0. A strategy that changes sides often has small means: it
    would have left the side that loses. Lengths of which the record has fewer than five are left out.

    >>> moves = np.array([0.01, -0.01] * 20 + [-0.2, -0.2])
    >>> ((bars, loss),) = worst_case_stretches(np.ones(10), moves)
    >>> bars, round(loss, 4)      # -2 ln(1 - 0.2)
    (2, 0.4463)
    """
    (exposures,), (moves,) = aligned(exposures=exposures), aligned(moves=moves)
    found = []
    for bars in lengths:
        if len(exposures) < MIN_STRETCHES * bars or len(moves) < bars:
            continue
        loss, means = 0.0, rolling_sums(exposures, bars) / bars
        for side in (1.0, -1.0):
            held = side * means[side * means > 0]
            if len(held):
                kept = 1.0 + side * float(np.quantile(held, LARGE_EXPOSURE)) * moves
                growth = np.log(kept, out=np.full(len(kept), -math.inf), where=kept > 0)
                loss = max(loss, rare_loss(-rolling_sums(np.maximum(growth, LOWEST), bars)))
        found.append((bars, math.inf if loss >= -LOWEST else loss))
    return tuple(found)


def rare_loss(losses: np.ndarray) -> float:
    """The largest of the losses of overlapping stretches, (stretches,), if it is rare; else 0.0.

    It is rare if it lies beyond the median by more than 5 times the distance of the 84 % quantile from it, one standard deviation
    of normal losses: trends of a market that has many are not.

    >>> losses = np.random.default_rng(0).standard_normal(2_000)
    >>> rare_loss(losses), rare_loss(np.append(losses, 9.0))
    (0.0, 9.0)
    """
    middle, usual = np.quantile(losses, [0.5, USUAL])
    largest = float(losses.max())
    return largest if largest - middle > RARE * (usual - middle) else 0.0


def rolling_sums(values: np.ndarray, bars: int) -> np.ndarray:
    """Sums over so many rows in a row, along the first axis: (time - bars + 1, ...).

    >>> rolling_sums(np.array([1.0, 2.0, 4.0]), 2).tolist()
    [3.0, 6.0]
    """
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    return total[bars:] - total[:-bars]


def _own_stretches(returns: np.ndarray) -> tuple[tuple[int, float], ...]:
    """The worst stretches of a record of log returns: pairs of bars and loss."""
    lengths = [bars for bars in STRETCHES if len(returns) >= MIN_STRETCHES * bars]
    return tuple((bars, -float(rolling_sums(returns, bars).min())) for bars in lengths)
