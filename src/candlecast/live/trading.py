"""`Trader`: positions of the rule and the account, bar by bar, by the account step of the backtests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting.actions import carry_by_bar
from candlecast.backtesting.costs import Costs, checked
from candlecast.backtesting.engine.account import Account, Bar, CarryEvents, Conditions, Fill, follow, start
from candlecast.backtesting.simulate import require_bearable
from candlecast.candles import Candles
from candlecast.candles.growing import GrowingCandles
from candlecast.dataset.forecast import Forecast
from candlecast.signals import Rule
from candlecast.signals.streaming import RuleStream

NAN = float("nan")
Limited = Callable[[int, float, float, float, float], float]


@dataclass(frozen=True)
class Step:
    """One closed bar: the account at its close, what was filled in it, and the target decided at its close.

    `fills` are rows of bar, whether at the open, target, and the fields of `Fill`, as backtests write them; `decided` is NaN
    where there is no forecast, `traded` the target that the account was given at the open, and `waiting` the one that waits.
    """

    bar: int
    account: Account
    equity: float
    fills: tuple[tuple[float, ...], ...]
    traded: float
    decided: float
    waiting: float


class Trader:
    """The rule and the account of one asset, flat until the first decision; `bar` counts from it, -1 before.

    A target decided at a close is filled at the next open with trades; `hold` keeps a target from its open, as one that was
    decided too late, and it waits for the next.
    """

    def __init__(self, rule: Rule, costs: Costs, cash: float) -> None:
        self.rules = RuleStream(rule, costs)
        self.costs, self.cash = costs, float(cash)
        self.account = start(self.cash)
        self.bar = -1
        self.pending = NAN
        self._before: Candles | None = None
        self._has_traded = False
        self._conditions: Conditions | None = None

    def remember(self, history: Candles, forecast: Forecast | None, growing: GrowingCandles | None) -> None:
        """Take note of the bars, and of what was forecast, before the account begins."""
        self._has_traded = bool((history.volume > 0).any())
        if len(history):
            self._before = history[-1:]
        if forecast is not None and growing is not None and len(forecast):
            self.rules.step(forecast, growing)

    def decide(self, forecast: Forecast | None, bars: Candles, growing: GrowingCandles) -> np.ndarray:
        """Targets decided at the closes of new bars, float64 (bars,), NaN where there is no forecast."""
        decided = np.full(len(bars), np.nan)
        if forecast is not None:
            times = np.unique(forecast.frame["time"].cast(pl.Int64).to_numpy()).astype("datetime64[us]")
            decided[np.searchsorted(bars.close_time, times)] = self.rules.step(forecast, growing)
        return decided

    def trade(
        self,
        bars: Candles,
        decided: np.ndarray,
        *,
        held_back: np.ndarray | None = None,
        limited: Limited | None = None,
        half_spreads: np.ndarray | None = None,
    ) -> list[Step]:
        """Carry the account through new bars, which follow those before.

        Args:
            bars: new ones.
            decided: what the rule decides at the close of each, (bars,), NaN for nothing.
            held_back: bool (bars,): the target that waits is not given to the account in this bar.
            limited: called with the row, equity, close, decided and last target at each close; gives the target instead.
            half_spreads: half the spread that was seen before each bar, a fraction of the price, (bars,), which an order pays
                in place of the assumed one; NaN for the assumed one.
        """
        events = self._events(bars)
        columns = [getattr(bars, name).tolist() for name in ("open", "high", "low", "close")]
        volumes = np.nan_to_num(bars.volume, nan=0.0).tolist()
        steps = []
        for row, (opened, high, low, close, volume) in enumerate(zip(*columns, volumes, strict=True)):
            is_untraded = self._has_traded and not volume > 0
            self._has_traded = self._has_traded or volume > 0
            fills: list[tuple[float, ...]] = []
            target = NAN
            if self.bar >= 0:
                self.bar += 1
                if not is_untraded and not (held_back is not None and held_back[row]):
                    target, self.pending = self.pending, NAN
                carried = None if events is None else CarryEvents(*events[row].tolist())
                bar = Bar(opened, high, low, close, NAN if is_untraded else volume, carried)
                self.account, *made = follow(self.account, bar, target, self._terms(half_spreads, row))
                fills = self._stamped(made, target)
            equity = self.account.cash + self.account.units * close
            wanted = float(decided[row])
            if limited is not None:
                wanted = limited(row, equity, close, wanted, self.target)
            if not math.isnan(wanted):
                self.pending = wanted
                self.bar = max(self.bar, 0)
            steps.append(Step(self.bar, self.account, equity, tuple(fills), target, wanted, self.pending))
        self._before = bars[-1:]
        return steps

    def _events(self, bars: Candles) -> np.ndarray | None:
        """What holding costs in each of the new bars; see `carry_by_bar`."""
        if self._before is None or not self.costs.has_carry:
            return carry_by_bar(bars, self.costs, None)
        found = carry_by_bar(_after(self._before, bars), self.costs, None)
        return None if found is None else found[len(found) - len(bars) :]

    def restore(self, bars: Sequence[dict[str, Any]], last: Candles) -> None:
        """The account as it was after the bars of a journal, the last of which is given as candles too."""
        traded = [bar for bar in bars if bar["number"] >= 0]
        self._before = last
        self._has_traded = self._has_traded or any((bar["bar"][4] or 0.0) > 0 for bar in bars)
        if not traded:
            return
        content = traded[-1]
        self.account = Account(*content["account"])
        self.bar = content["number"]
        self.pending = NAN if content["waiting"] is None else content["waiting"]

    @property
    def target(self) -> float:
        """The target that waits, or else the one that the account was given last."""
        return self.account.target if math.isnan(self.pending) else self.pending

    def _stamped(self, made: list[Fill], target: float) -> list[tuple[float, ...]]:
        gapped, filled, ended = made
        held = self.account.target
        rows = ((1.0, held, gapped), (1.0, target, filled), (0.0, held, ended))
        return [(self.bar, at_open, aim, *fill) for at_open, aim, fill in rows if fill.reason != 0]

    def _terms(self, half_spreads: np.ndarray | None, row: int) -> Conditions:
        assumed = self._assumed()
        if half_spreads is None or math.isnan(half_spreads[row]):
            return assumed
        slippage = self.costs.slippage_bps / 10_000 + float(half_spreads[row])
        return assumed._replace(terms=assumed.terms._replace(slippage=slippage))

    def _assumed(self) -> Conditions:
        rules = self.rules
        if self._conditions is None:
            terms = self.costs.terms()
            require_bearable(rules.leverage, terms)
            terms = terms._replace(band=float(rules.band))
            self._conditions = Conditions(terms, checked(self.costs.extra), in_units=rules.in_units)
        return self._conditions


def _after(one: Candles, other: Candles) -> Candles:
    return replace(other, frame=one.frame.select(other.frame.columns).vstack(other.frame))
