"""Opens and closes that were made with later prices: opens of bricks, and closes that were smoothed with the next bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MINIMUM = 200  # bars that show anything
AWAY = 0.25  # of the median move of a bar: an open this far from the close before lies away from it
LEAST, FEW = 30, 0.01  # bars that open away, and their share of all bars, at least
GOING_ON = 0.9  # share of them that go on in the direction of their gap; of real bars and of ticks 0.77 at most
CUT = 6.0  # medians of the sizes at which moves and gaps are cut
SLOPE = 0.05  # of a gap in the moves before and after it, at least
ERRORS = 3.5  # standard errors of both slopes
ALIKE = 3.0  # the most by which the sizes of both slopes may differ: a symmetric filter makes them equal


class Hindsight(NamedTuple):
    """What opens and closes show of later prices; NaN for too few bars.

    going_on: share of the bars that open away from the close before which then go on in the direction of that gap.
        has_chosen_opens: nearly all do, as in bricks (renko) and opens that were computed from the close of their own bar.
    before, after: slopes of the gap between a close and the next open in the move of the bar before it, and, with the opposite
        sign, in that from this open to the one after it. has_smoothed_closes: both are above zero, and alike.
    """

    going_on: float
    has_chosen_opens: bool
    before: float
    after: float
    has_smoothed_closes: bool


NOTHING = Hindsight(np.nan, False, np.nan, np.nan, False)


def hindsight(candles: Candles) -> Hindsight:
    """Whether opens depend on how their bar goes, and closes on the bar after them.

    What comes after an open has either sign, so that about half of the bars go on in the direction of the gap that they open
    with. A brick against the trend opens one brick behind the close before and goes on: all of them do. So do opens that were
    computed as a share of their bar's whole move. Overnight news that is correlated with that of the day stays below GOING_ON:
    with a correlation of 0.3, 0.61 to 0.74 of the bars go on (gaps of 50 % to 10 % of the move). It reaches GOING_ON with a
    correlation of 0.6 where gaps are small, and of 0.85 where they are 30 % of the move. Such an open nearly tells its close.

    A close that is a weighted mean of the true ones, c_t + w (c_(t-1) - 2 c_t + c_(t+1)), lies w D_t - w D_(t+1) below the true
    one, D_t the true move of bar t. So the gap to a true open rises with the move before it by about w, and falls with that to
    the open after it by nearly as much: it knows both. A close that is stale or a mean of earlier ones shows the first slope
    alone, and an open that is off the market the second one alone. Slopes are those of least squares, with robust standard
    errors (White 1980). Retrospective.

    >>> from candlecast.sources import synthetic
    >>> found = hindsight(synthetic.garch(1_000, seed=1).candles)
    >>> found.has_chosen_opens, found.has_smoothed_closes
    (False, False)
    """
    if len(candles) <= MINIMUM:
        return NOTHING
    gaps, moves = np.log(candles.open[1:] / candles.close[:-1]), np.log(candles.close / candles.open)
    usual = float(np.median(np.abs(moves)))
    if not usual > 0:
        return NOTHING
    is_away = (np.abs(gaps) > AWAY * usual) & (moves[1:] != 0)
    going_on = float((gaps[is_away] * moves[1:][is_away] > 0).mean()) if is_away.any() else np.nan
    has_chosen_opens = is_away.sum() >= LEAST and is_away.mean() >= FEW and going_on >= GOING_ON
    before, after, errors = _slopes(gaps[:-1], moves[:-2], np.diff(np.log(candles.open[1:])))
    sizes = np.array([before, -after])
    has_smoothed_closes = bool(
        (sizes >= np.maximum(SLOPE, ERRORS * errors)).all() and sizes.max() <= ALIKE * sizes.min()
    )
    return Hindsight(going_on, bool(has_chosen_opens), before, -after, has_smoothed_closes)


def _slopes(gaps: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Slopes of gaps in the moves before and after them, together, and their robust standard errors; 0.0 without gaps."""
    y, *columns = (_cut(each) for each in (gaps, before, after))
    x = np.column_stack(columns)
    inverse = np.linalg.pinv(x.T @ x)
    slopes = inverse @ (x.T @ y)
    rest = (y - x @ slopes)[:, None] * x
    errors = np.sqrt(np.maximum(np.diag(inverse @ (rest.T @ rest) @ inverse), 0.0))
    return float(slopes[0]), float(slopes[1]), errors


def _cut(values: np.ndarray) -> np.ndarray:
    """Values less their mean, cut at CUT medians of their sizes."""
    largest = CUT * float(np.median(np.abs(values)))
    cut = np.clip(values, -largest, largest)
    return cut - cut.mean()
