"""The conditions of a panel: what its prices, fills and costs allow to be claimed of its portfolio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, Costs, filled_at_worse, traded_volume
from candlecast.candles import Candles
from candlecast.candles.caps import is_at_cap
from candlecast.candles.fills import is_locked
from candlecast.candles.stale import opens
from candlecast.evaluation.asset_prices import AssetPrices, asset_prices, faults_of, prices_of
from candlecast.evaluation.between_bars import STEPPED, BetweenBars
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.fill_gains import FEW, MIN_FILLS, FillGains, repeats_close
from candlecast.evaluation.growth import LOST, Growth
from candlecast.evaluation.short_side import shorts_of
from candlecast.evaluation.stresses import (
    UNLIMITED,
    Ended,
    Stresses,
    counts_units,
    stresses_of,
    without_last_closes,
    without_payments,
)
from candlecast.panel.account import Traded
from candlecast.panel.dating import misdated
from candlecast.panel.following import followed_share_across
from candlecast.panel.panel import Panel
from candlecast.panel.rare_losses import worst_losses
from candlecast.panel.spells import split_at_gaps
from candlecast.stats import annual_return, bootstrap_p_value, have_ranges, log_returns

NONE = Growth(math.nan, 0.0)  # of what was not tried
MOST_WITHOUT_RANGES = (
    1 / 3
)  # share of the fills in assets without ranges, above which fills within a bar are not judged


@dataclass(frozen=True, eq=False)
class Fills:
    """The fills of a portfolio: place of the asset, its bar, value traded as a share of equity, above 0 bought; (fills,)."""

    places: np.ndarray
    rows: np.ndarray
    times: np.ndarray
    traded: np.ndarray
    frame: pl.DataFrame

    def of(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Values by asset and bar, at each fill."""
        found = np.zeros(len(self.rows), np.asarray(values[0]).dtype)
        for place in np.unique(self.places):
            own = self.places == place
            found[own] = values[place][self.rows[own]]
        return found


@dataclass(frozen=True, eq=False)
class _Judged:
    """A portfolio that grows, and the same under other terms."""

    traded: Traded
    weights: np.ndarray
    result: BacktestResult
    seed: int

    @property
    def assets(self) -> tuple[Candles, ...]:
        return self.traded.panel.assets

    @cached_property
    def fills(self) -> Fills:
        """The fills at opens."""
        places = {symbol: place for place, symbol in enumerate(self.traded.panel.symbols)}
        frame = self.result.fills.filter("is_at_open")
        column = frame["symbol"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
        times = frame["time"].dt.replace_time_zone(None).to_numpy()
        rows = np.zeros(len(times), np.int64)
        for place in np.unique(column):
            own = column == place
            rows[own] = np.searchsorted(self.assets[place].open_time, times[own])
        closes = self.result.equity["time"].dt.replace_time_zone(None).to_numpy()
        before = np.maximum(np.searchsorted(closes, times, side="right") - 1, 0)
        equity = np.maximum(self.result.equity["equity"].to_numpy()[before], 1e-12)
        signed = np.where(frame["side"].to_numpy() == "buy", 1.0, -1.0)
        return Fills(column, rows, times, signed * frame["notional"].to_numpy() / equity, frame)

    def on(self, assets: Sequence[Candles]) -> Traded:
        """The account on other candles of the same bars."""
        panel = self.traded.panel
        return replace(self.traded, panel=Panel(tuple(assets), panel.universe, panel.times, panel.bars))

    def growth(self, traded: Traded, weights: np.ndarray, costs: Costs | None = None) -> Growth:
        """The growth of an account of these weights; none where it never trades."""
        if not weights.any():
            return Growth(0.0, 1.0)
        found = traded.run(weights, costs=costs)
        growth = log_returns(np.maximum(found.returns_until_ruin, LOST))
        return Growth(
            annual_return(found.returns_until_ruin, bars_per_year=found.bars_per_year),
            bootstrap_p_value(growth, seed=self.seed),
        )

    def without(self, barred: Sequence[np.ndarray]) -> tuple[float, Growth]:
        """The share of the fills in these bars, bool (bars,) of each asset, and the growth when they fill nothing."""
        share = float(self.fills.of(barred).mean()) if len(self.fills.rows) else 0.0
        if not share:
            return 0.0, NONE
        return share, self.growth(
            self.on([_closed(each, own) for each, own in zip(self.assets, barred, strict=True)]), self.weights
        )


def panel_conditions(
    traded: Traded,
    weights: np.ndarray,
    result: BacktestResult,
    given: Conditions,
    *,
    followed: np.ndarray | None = None,
    seed: int = 0,
) -> Conditions:
    """The conditions of a portfolio, with those of `given` that need no fills.

    How a gain was made is looked at only where the account grows: there is nothing to object to in a loss.

    Args:
        traded: the tested part of the panel.
        weights: of the portfolio, (time, asset).
        result: its account.
        given: what is known of folds, audit and notices.
        followed: scores (time, asset) that a rule of the user's was given, None for another rule.
        seed: of the bootstraps.
    """
    static_returns = traded.static_returns(weights, result)
    given = replace(
        given,
        break_even_bps=traded.break_even_bps(weights),
        shorts=shorts_of(result),
        delayed_return=_annual(traded.run(np.concatenate([np.zeros((1, weights.shape[1])), weights[:-1]]))),
        static_returns=static_returns,
        expanding_returns=traded.static_returns(weights, result, is_expanding=True),
        market_returns=traded.market_returns(result, static_returns),
    )
    equity = result.equity["equity"].to_numpy()
    if result.ruined_at is not None or not result.fills["is_at_open"].any() or not equity[-1] > equity[0]:
        return given
    judged = _Judged(traded, weights, result, seed)
    worse = [
        filled_at_worse(each, own) if (own := result.fills.filter(pl.col("symbol") == each.symbol)).height else each
        for each in traded.panel.assets
    ]
    (_, worst_loss), *worst_stretches = worst_losses(traded.panel, weights[traded.first : traded.last + 1])
    return replace(
        given,
        followed_share=(
            math.nan if followed is None else followed_share_across(traded, weights, followed, result, static_returns)
        ),
        worst_loss=worst_loss,
        worst_stretches=tuple(worst_stretches),
        bars_known=len(traded.panel),
        middle_bps=_middle_bps(judged),
        worse_return=_annual(judged.on(worse).run(weights)),
        assets=_asset_prices(judged),
        fill_gains=_fill_gains(judged),
        between_bars=_between_bars(judged),
        stresses=_stresses(judged),
    )


def _annual(result: BacktestResult) -> float:
    return annual_return(result.returns_until_ruin, bars_per_year=result.bars_per_year)


def _closed(candles: Candles, barred: np.ndarray) -> Candles:
    """The candles, of which some bars have no volume, so that they fill nothing."""
    if not barred.any():
        return candles
    volume = candles.volume if (candles.volume > 0).any() else np.full(len(candles), UNLIMITED)
    return replace(candles, frame=candles.frame.with_columns(volume=pl.Series(np.where(barred, 0.0, volume))))


def _asset_prices(judged: _Judged) -> AssetPrices:
    """Whether the prices of the traded assets could be traded at; the growth without those of which they could not."""
    panel, fills = judged.traded.panel, judged.fills
    value = np.bincount(fills.places, weights=np.abs(fills.traded), minlength=len(panel.assets))
    places = np.flatnonzero(value > 0)
    begins = panel.times[judged.traded.first]
    chosen = [panel.assets[place] for place in places]
    firsts = [min(int(np.searchsorted(each.close_time, begins)), len(each) - 1) for each in chosen]
    found = {each.symbol: one for each, one in zip(chosen, prices_of(chosen, firsts), strict=True)}
    faulty = [place for place, one in zip(places, found.values(), strict=True) if faults_of(one)]
    rest = None
    if faulty:
        weights = judged.weights.copy()
        weights[:, faulty] = 0.0
        rest = judged.growth(judged.traded, weights)
    prices = asset_prices(found, {panel.symbols[place]: float(value[place]) for place in places}, rest)
    dated = misdated(np.diff(np.log(panel.closes), axis=0))
    return replace(
        prices,
        ahead=tuple(panel.symbols[place] for place in dated.ahead),
        behind=tuple(panel.symbols[place] for place in dated.behind),
    )


def _has_ranges(candles: Candles) -> bool:
    return bool(have_ranges(candles.open, candles.high, candles.low, candles.close))


def _middle_bps(judged: _Judged) -> float:
    """The break-even cost with fills in the middle of each bar; infinite where too few assets have ranges."""
    known = np.array([_has_ranges(each) for each in judged.assets])
    if not known[judged.fills.places].mean() >= 1 - MOST_WITHOUT_RANGES:
        return math.inf
    middle = [
        replace(each, frame=each.frame.with_columns(open=(pl.col("high") + pl.col("low")) / 2)) if is_known else each
        for each, is_known in zip(judged.assets, known, strict=True)
    ]
    cost = judged.on(middle).break_even_bps(judged.weights)
    return 0.0 if math.isnan(cost) else cost


def _fill_gains(judged: _Judged) -> FillGains:
    """What the fills of all assets gain at once (`evaluation.fill_gains`), tested by moment: those of one are one sample."""
    fills, assets = judged.fills, judged.assets
    known = np.array([_has_ranges(each) for each in assets])[fills.places]
    at_fill, p_value = math.nan, 1.0
    if known.sum() >= MIN_FILLS and known.mean() >= 1 - MOST_WITHOUT_RANGES:
        skew = [np.log(each.high) + np.log(each.low) - np.log(each.open) - np.log(each.close) for each in assets]
        gains = np.where(known, fills.traded * fills.of(skew), 0.0)
        moment = np.unique(fills.times, return_inverse=True)[1]
        at_fill = 1e4 * float(gains.sum()) / float(np.abs(fills.traded[known]).sum())
        p_value = bootstrap_p_value(np.bincount(moment, weights=gains), seed=judged.seed)
    repeated = [repeats_close(each) for each in assets]
    share = float(fills.of(repeated).mean())
    if share < FEW:
        return FillGains(at_fill, p_value, share)
    growth = judged.without(repeated)[1]
    return FillGains(at_fill, p_value, share, growth.annual, growth.p_value)


def _between_bars(judged: _Judged) -> BetweenBars:
    """The gross gain from close to open and from open to close, by the weights that were held then."""
    panel, weights = judged.traded.panel, judged.weights
    part = slice(judged.traded.first, judged.traded.last + 1)
    gaps, moves, closed = (panel.matrix(list(each)) for each in zip(*map(_moves, panel.assets), strict=True))
    held = np.concatenate([np.zeros((1, weights.shape[1])), weights[:-1]])  # filled at the open
    before = np.concatenate([np.zeros((1, weights.shape[1])), held[:-1]])
    across, within = (np.nan_to_num(each)[part] for each in (before * gaps, held * moves))
    total = float(across.sum() + within.sum())
    if not total > 0:
        return BetweenBars()
    is_closed = np.nan_to_num(closed)[part] > 0
    steps = np.where(is_closed, 0.0, across).sum(axis=1)
    closed_share = float(across[is_closed].sum()) / total
    squares = [float(np.nansum(np.where(is_closed, 0.0, each[part]) ** 2)) for each in (gaps, moves)]
    filled = np.where(is_closed, 0.0, np.nan_to_num(((before - held) * gaps)[part])).sum(axis=1)
    fills = float(filled.sum()) / total, bootstrap_p_value(filled, seed=judged.seed)
    if not squares[0] < STEPPED * sum(squares):
        return BetweenBars(0.0, 1.0, closed_share, *fills)
    return BetweenBars(float(steps.sum()) / total, bootstrap_p_value(steps, seed=judged.seed), closed_share, *fills)


def _moves(candles: Candles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns from the close before to the open, from open to close, and whether the market was closed before; (bars,)."""
    gaps = np.append(0.0, candles.open[1:] / candles.close[:-1] - 1.0)
    return gaps, candles.close / candles.open - 1.0, opens(candles).is_boundary.astype(np.float64)


def _stresses(judged: _Judged) -> Stresses:
    """The account without what its costs pay it, without fills at limits and after cut moves, and against volumes."""
    costs, assets, result = judged.traded.costs, judged.assets, judged.result
    free = without_payments(costs)
    unpaid = NONE if free is None else judged.growth(judged.traded, judged.weights, free)
    locked = [is_locked(each) for each in assets]
    follows = [np.concatenate([[False], is_at_cap(each)[:-1]]) for each in assets]
    locked_share, without_locked = judged.without(locked)
    capped_share, capped = 0.0, NONE
    if judged.fills.of(follows).any():
        capped_share, capped = judged.without([one | other for one, other in zip(locked, follows, strict=True)])
    tested = judged.weights[judged.traded.first : judged.traded.last + 1]
    return stresses_of(
        result,
        held=float(np.abs(tested).sum(axis=1).mean()),
        participation=_participation(judged),
        is_in_units=all(map(counts_units, assets)),
        unpaid=unpaid,
        locked=(locked_share, without_locked),
        capped=(capped_share, capped),
        ended=_without_last_closes(judged),
    )


def _without_last_closes(judged: _Judged) -> Ended:
    """The account, had positions been lost that were held when their series ended or came to a long gap."""
    traded = judged.traded
    if not traded.panel.has_gaps:
        return without_last_closes(judged.result, seed=judged.seed)
    panel, weights, before_gaps = split_at_gaps(traded.panel, judged.weights)
    result = replace(traded, panel=panel).run(weights)
    return without_last_closes(result, before_gaps=before_gaps, seed=judged.seed)


def _participation(judged: _Judged) -> float:
    """The median order as a share of the volume of its bar, in units or in value, over the fills of all assets."""
    fills = judged.fills
    volume = fills.of([traded_volume(each) for each in judged.assets])
    has_volume = volume > 0
    if not has_volume.mean() > 0.5:
        return math.nan
    sizes: list[Any] = [fills.frame[name].to_numpy()[has_volume] for name in ("units", "notional")]
    return float(min(np.median(each / volume[has_volume]) for each in sizes))
