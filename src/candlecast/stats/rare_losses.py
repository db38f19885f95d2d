"""Whether a record is long enough for a gain to be claimed from it: rare large losses may be missing from it.

Who earns a little at each bar and loses much once in hundreds shows a fine record for as long as the loss does not come. No
test of the record alone can see what is not in it. So the claim is asked to survive one more bar, with a loss that is known
to be possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.bootstrap import bootstrap_p_value, studentised_p_value
from candlecast.stats.samples import aligned
from candlecast.text import count, p_value, percent

FEWEST_KNOWN = 250  # bars in which a loss was looked for
FEWEST_LOSSES = 10  # losing bars that say what a loss costs
LARGE_EXPOSURE = 0.95  # quantile of the exposures at which the worst move is thought to come


@dataclass(frozen=True)
class RareLosses:
    """Whether a gain `is_reliable`, and `why` it is not, in words; `why` is empty where it is, or none would be claimed.

    p_value: of no gain, by a test that allows for skewed returns; p_with_loss: the same with one more bar, that loses
    `worst_loss`. bars_known: bars in which a worse loss was looked for; one that comes less than once in a third of them may
    be missing there by chance (5 %), and nothing here speaks against it.
    """

    is_reliable: bool
    why: str
    p_value: float
    p_with_loss: float
    worst_loss: float
    bars_known: int


def check_rare_losses(
    returns: np.ndarray,
    *,
    worst_loss: float | None = None,
    bars_known: int | None = None,
    level: float = 0.05,
    paths: int = 1_000,
    seed: int = 0,
) -> RareLosses:
    """Whether a gain may be claimed from log returns per bar, (time,), or rests on large losses that happen to be missing.

    A gain is claimed where `bootstrap_p_value` is below `level`. It is reliable if (1) `studentised_p_value` is below `level`
    too; (2) with one more bar that loses `worst_loss` it is still below 2 x level; (3) at least 10 bars lost, else what a
    loss costs is not known; (4) at least 250 bars are known. What nobody would claim is reliable.

    `worst_loss` is a log return, positive: what the strategy would have lost in the worst bar known of its market, that of
    the training part included; see `worst_case_loss`. The record's own largest loss where that is larger, or none is given.
    `bars_known`: how many bars that is the worst of; those of the record where not given.

    A loss that is nowhere in N known bars cannot be excluded if it comes less than once in N / 3 bars: they hold none with a
    chance of (1 - 3 / N)^N = 5 % (rule of three: Hanley and Lippman-Hand 1983). So a claim is as safe from rare losses as the
    market's history is long.

    Share of 500 worlds without a gain in which one is claimed, a mean gain of 0.05, 0.1 and 0.3 standard deviations a bar being
    lost again once in so many bars (`bench/inference.py`): by the bootstrap; where it is reliable too, by the record alone,
    and with the worst loss of a history five times as long, which may lack it as well:

        bars    loss once in    bootstrap          the record alone     its history known
        250     500             12, 31, 61 %       12, 29, 61 %         2, 4, 6 %
        250     120             7, 10, 19 %        5, 6, 12 %           5, 2, 0 %
        500     500             13, 24, 33 %       12, 24, 33 %         0, 0, 0 %
        500     120             7, 10, 17 %        6, 5, 3 %            6, 4, 2 %
        1,000   500             11, 20, 19 %       6, 16, 11 %          1, 0, 0 %
        2,500   500             8, 12, 11 %        4, 5, 1 %            4, 4, 1 %
        2,500   120             3, 8, 8 %          3, 6, 5 %            3, 6, 5 %

    Honest records (normal, Student's t, GARCH; 250 and 500 bars, a mean of 0 to 0.1 standard deviations) are reliable in 95 to
    100 % by themselves, and held in full through such a history in 97 to 99 % without a gain and 85 to 99 % with one.

    Raises ConfigError for returns that are not finite, a level outside (0, 0.5), or a negative loss.

    >>> steady = 0.001 + 0.004 * np.random.default_rng(0).normal(size=500)
    >>> check_rare_losses(steady).is_reliable
    True
    >>> print(check_rare_losses(steady, worst_loss=0.3).why)
    one more bar that loses 25.9 %, the worst that is known to be possible, would leave no significant gain (p = 0.4...)
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
    loss = float(max(losses.max(initial=0.0), worst_loss or 0.0))
    if not len(returns):
        return RareLosses(True, "", math.nan, math.nan, loss, known)
    alone, with_loss = (
        studentised_p_value(values, paths=paths, seed=seed) if math.isfinite(values.sum()) else 1.0
        for values in (returns, np.append(returns, -loss))
    )
    is_claimed = bootstrap_p_value(returns, paths=paths, seed=seed) < level
    why = ""
    if is_claimed and known < FEWEST_KNOWN:
        why = f"{count(known, 'bar')} are too few to know what a bar can lose: at least {FEWEST_KNOWN} are needed"
    elif is_claimed and len(losses) < FEWEST_LOSSES:
        why = f"only {count(len(losses), 'bar')} lost, too few to know what a loss costs: at least {FEWEST_LOSSES} are needed"
    elif is_claimed and not alone < level:
        why = (
            "its gain hangs on how often its few largest losses come, which so short a record does not tell "
            f"(p {p_value(alone)} by a test that allows for it)"
        )
    elif is_claimed and not with_loss < 2 * level:
        size = percent(-math.expm1(-loss))
        why = (
            f"one more bar that loses {size}, the worst that is known to be possible, would leave no significant gain "
            f"(p {p_value(with_loss)})"
        )
    return RareLosses(not why, why, alone, with_loss, loss, known)


def worst_case_loss(exposures: np.ndarray, moves: np.ndarray) -> float:
    """The largest loss that one bar could have brought, as a positive log return: large exposure at the market's worst move.

    exposures (time,): value held over the equity, negative when short, at each bar of the record. moves (time,): simple
    returns per bar of all of the market's known history. The exposure is the 95 % quantile of those on a side, zeros left
    out: -ln(1 - exposure x move), the larger of long at the deepest fall and short at the highest rise. 0.0 for who never
    held anything; infinite where it takes the whole equity.

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
