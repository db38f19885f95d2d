"""The one account of a panel: weights traded at the next open of each asset, beside holding the universe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, Costs
from candlecast.backtesting.portfolio import Prepared, account_of, prepare
from candlecast.panel.panel import Panel
from candlecast.signals import Positions

ROOM = 2.0  # times the gross of a rule: what halted assets keep while the others already hold what is new
HIGHEST_COST = 1_000.0  # basis points a side
STEPS = 10  # of the search for the break-even cost, after the ladder
LADDER = (0.0, 5.0, 20.0, 100.0, HIGHEST_COST)


@dataclass(frozen=True, eq=False)
class Traded:
    """The tested part of a panel, by which all of its accounts are kept: the moments from `first` to `last`."""

    panel: Panel
    first: int
    last: int
    costs: Costs
    cash: float
    gross: float

    @property
    def leverage(self) -> float:
        """The most that may be held at once, times equity."""
        return max(1.0, ROOM * self.gross)

    def positions(self, weights: np.ndarray) -> list[Positions]:
        """What is decided of each asset: its weight (time, asset) at each of its bars at tested moments."""
        found = []
        for place, each in enumerate(self.panel.assets):
            rows = self.panel.rows[place]
            is_tested = (rows >= self.first) & (rows <= self.last)
            decided = np.where(is_tested, weights[np.maximum(rows, 0), place], np.nan)
            found.append(Positions.from_array(each, decided, leverage=self.leverage))
        return found

    def places(self) -> list[int]:
        """The assets with a bar at a tested moment and one after it, at which what was decided is filled."""
        found = []
        for place, rows in enumerate(self.panel.rows):
            decided = np.flatnonzero((rows >= self.first) & (rows <= self.last))
            if len(decided) and decided[0] + 1 < len(rows):
                found.append(place)
        return found

    def run(self, weights: np.ndarray, *, costs: Costs | None = None) -> BacktestResult:
        """The account of weights (time, asset), decided at each moment and filled at the next open of the asset.

        Its benchmark is itself.
        """
        costs = costs or self.costs
        return account_of(self.prepared(weights, costs=costs), costs, float(self.cash))

    def prepared(self, weights: np.ndarray, *, costs: Costs | None = None) -> Prepared:
        """What the account of these weights is run on."""
        places, positions = self.places(), self.positions(weights)
        assets, chosen = [self.panel.assets[place] for place in places], [positions[place] for place in places]
        return prepare(assets, chosen, costs=costs or self.costs, cash=self.cash)

    def against_universe(self, weights: np.ndarray, universe: BacktestResult | None = None) -> BacktestResult:
        """The same, with holding the universe as its benchmark."""
        held = self.universe if universe is None else universe
        found = self.run(weights)
        return replace(
            found,
            symbol=self.panel.name,
            benchmark=held.equity,
            benchmark_fills=held.fills,
            benchmark_trades=held.trades,
        )

    @property
    def universe(self) -> BacktestResult:
        """The account that holds all members in equal parts."""
        return self.run(universe_weights(self.panel))

    def break_even_bps(self, weights: np.ndarray) -> float:
        """The cost a side, in basis points, up to which these weights earn anything; NaN where they do not at no cost.

        Found between the steps of a ladder by bisection, to about a hundredth of the step. Infinity above 1,000.
        """
        return break_even_of(self.prepared(weights), costs=self.costs, cash=self.cash)

    def static_returns(self, weights: np.ndarray, result: BacktestResult, *, is_expanding: bool = False) -> np.ndarray:
        """Returns by bar of holding each asset's mean weight, with the financing of the account: (bars - 1,), up to ruin.

        The mean of all tested moments; `is_expanding`: of the tested moments before each.
        """
        tested = weights[self.first : self.last + 1]
        mean = np.tile(tested.mean(axis=0), (len(tested), 1))
        if is_expanding:
            mean = np.cumsum(tested, axis=0) / np.arange(1, len(tested) + 1)[:, None]
            mean = np.concatenate([np.zeros((1, tested.shape[1])), mean[:-1]])
        financing = np.diff(result.equity["financing"].to_numpy())
        before = result.equity["equity"].to_numpy()[:-1]
        paid = np.divide(financing, before, out=np.zeros(len(before)), where=before > 0)
        held = self._returns_of(mean, result)
        return held - paid[: len(held)]

    def market_returns(self, result: BacktestResult, static: np.ndarray) -> np.ndarray:
        """The `static` returns, with the account's beta to the universe beside them: constant, whatever is held.

        Weights may add up to nothing and still move with the market, as those that are short of the assets which move most.
        """
        universe = self._returns_of(universe_weights(self.panel)[self.first : self.last + 1], result)
        beside, moves = result.returns_until_ruin - static, universe - universe.mean()
        square = float(moves @ moves)
        return static + (float(beside @ moves) / square if square > 0 else 0.0) * universe

    def _returns_of(self, held: np.ndarray, result: BacktestResult) -> np.ndarray:
        """Returns by bar, (bars - 1,), up to ruin, of weights at each tested moment, (moments, asset), with no costs."""
        times = result.equity["time"].dt.replace_time_zone(None).to_numpy()
        rows = np.searchsorted(self.panel.times, times)
        inside = (rows < len(self.panel)) & (self.panel.times[np.minimum(rows, len(self.panel) - 1)] == times)
        closes = np.full((len(times), held.shape[1]), np.nan)
        closes[inside] = self.panel.closes[rows[inside]]
        simple = np.diff(carried(closes), axis=0) / carried(closes)[:-1]
        returns = (np.nan_to_num(simple) * held[np.clip(rows[:-1] - self.first, 0, len(held) - 1)]).sum(axis=1)
        return returns[: len(result.returns_until_ruin)]


def break_even_of(prepared: Prepared, *, costs: Costs, cash: float) -> float:
    """`Traded.break_even_bps` of an account that is prepared."""
    held = costs.of_holding()
    return _highest(lambda cost: prepared.final_equity(replace(held, fee_bps=cost), cash) > cash)


def universe_weights(panel: Panel) -> np.ndarray:
    """Equal parts of all members, (time, asset), set anew only when a member enters or leaves; a halted one stays."""
    listed = _listed(panel)
    found, last = np.zeros(listed.shape), np.zeros(listed.shape[1], dtype=bool)
    held = np.zeros(listed.shape[1])
    for row, own in enumerate(listed):
        if not np.array_equal(own, last):
            held, last = own / max(int(own.sum()), 1), own
        found[row] = held
    return found


def _listed(panel: Panel) -> np.ndarray:
    """Whether an asset is a member, or halted between two moments at which it is, bool (time, asset)."""
    before = np.maximum.accumulate(np.where(panel.has_bar, np.arange(len(panel))[:, None], -1), axis=0)
    after = np.logical_or.accumulate(panel.has_bar[::-1], axis=0)[::-1]
    was_member = np.take_along_axis(panel.is_member, np.maximum(before, 0), axis=0)
    return (before >= 0) & was_member & after


def carried(values: np.ndarray) -> np.ndarray:
    """Each column with its last defined value where it has none."""
    rows = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values))[:, None], 0), axis=0)
    return np.take_along_axis(values, rows, axis=0)


def _highest(earns: Callable[[float], bool]) -> float:
    below = math.nan
    above = math.inf
    for cost in LADDER:
        if not earns(cost):
            above = cost
            break
        below = cost
    if math.isnan(below) or math.isinf(above):
        return below if math.isnan(below) else math.inf
    for _ in range(STEPS):
        middle = 0.5 * (below + above)
        below, above = (middle, above) if earns(middle) else (below, middle)
    return below


def leg(weights: np.ndarray, sign: float) -> np.ndarray:
    """The longs (1.0) or the shorts (-1.0) of weights alone."""
    return sign * np.maximum(sign * weights, 0.0)


def returns_by_moment(panel: Panel, weights: np.ndarray) -> np.ndarray:
    """Gross return of weights over the moment after each, from close to close without costs: (time,); NaN at the last."""
    ahead = np.expm1(panel.returns_ahead(1))
    found = (weights * np.nan_to_num(ahead)).sum(axis=1)
    found[-1] = np.nan
    return found


def yearly(times: pl.Series, values: np.ndarray) -> pl.DataFrame:
    """Sums of log growth by calendar year: `year`, `return`."""
    frame = pl.DataFrame({"year": times.dt.year(), "growth": np.log1p(np.maximum(values, -0.999999))})
    return frame.group_by("year", maintain_order=True).agg((pl.col("growth").sum().exp() - 1).alias("return"))
