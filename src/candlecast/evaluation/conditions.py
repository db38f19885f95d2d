"""The conditions of a result, of market, prices and folds, which may forbid a claim whatever the tests give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, account_returns, break_even_bps, delayed, filled_at_worse
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.asset_prices import AssetPrices
from candlecast.evaluation.between_bars import BetweenBars, between_bars
from candlecast.evaluation.fill_gains import FillGains, fill_gains
from candlecast.evaluation.following import followed_share
from candlecast.evaluation.short_side import Shorts, shorts_of
from candlecast.evaluation.stresses import Stresses, stresses
from candlecast.evaluation.tradability import Tradability, tradability
from candlecast.recipes.describing import identities
from candlecast.signals import Positions
from candlecast.stats import annual_return, have_ranges, worst_case_loss, worst_case_stretches
from candlecast.stats.persistence import Persistence, persistence_of
from candlecast.targets import Target
from candlecast.text.json_values import json_values

OUTSIDE = "outside:"  # before the name of a feature from outside, in its description
CANDLES = "Candles"  # the type of candles within a description
NO_AUDIT = "Audit: not run"
NUMBERS = ("break_even_bps", "middle_bps", "delayed_return", "worse_return")  # fields
MIN_BARS = 2  # of a backtest with delayed fills
REBALANCED = 1e-9  # of equity: the band within which a constant exposure is not rebalanced


@dataclass(frozen=True)
class Conditions:
    """The conditions of a result. The defaults mean that nothing is known, and raise no objection.

    break_even_bps: costs a side, in basis points of the value traded, at which the total return is zero
        (`backtesting.break_even_bps`); NaN where the account loses even without costs.
    middle_bps: the same with fills in the middle of each bar's range, 0.0 where the account then loses even without costs;
        infinite where too many bars have no prices beyond open and close, so their ranges are not informative.
    delayed_return: annual return with fills one bar later; worse_return: with fills at the worse of open and close of their bar
        (`backtesting.filled_at_worse`). For information only: a true edge may be gone by then.
    tradability: of the candles of the tested bars; None where not known. assets: the same of a panel, of all its assets.
    fill_gains: what the account gains at its fills; between_bars: what it gains between bars; stresses: the account under other
        terms; shorts: the part of its short positions in the gain.
    is_in_time_order: each training part lies before its test part. trains_by_place: the training parts follow from their place
        alone. untested: bars that the folds leave out after the first tested
        one, and all bars from there on.
    worst_loss: the loss of the strategy in the worst known bar of its market, a positive log return
        (`stats.worst_case_loss`); NaN where not known. worst_stretches: the same of stretches, in pairs of bars and loss
        (`stats.worst_case_stretches`). bars_known: the number of bars that these are the worst of.
    outside: names of what comes from elsewhere, whose times the candles cannot verify: features from outside tables, and other
        candles (`features.of`, benchmarks) by symbol and interval. tables: the features alone.
    clock: names of a user's features that depend on the time alone and are no plain time, in words.
    levels, adjustment, names: of a panel, names of the features that change with the level of each asset's prices, with that of
        prices alone where the study does not say that all is adjusted alike, and with the names of the assets, in words.
    currencies: of a panel, those of its prices, in words, where there are several.
    replaced: names of the parts of the result that its study did not make: a changed copy. code: names of a user's functions
        and objects in its recipe.
    audit: the result of the audit, in a line; leaks: its failures, such as values that moved when
        only later candles changed.
    static_returns: returns per bar of an account with a constant position, with the same financing and no trading costs: the
        mean position of this one, or, where the forecast is of volatility, less of it with the same risk (`is_at_equal_risk`);
        empty where not known. expanding_returns: the same with the mean position so far, at each bar, in place of that of the
        whole record. market_returns: of a panel, those of the mean positions with the account's beta to the universe beside them.
    persistence: whether the positions are slow and go against the price, so that the timing test needs a correction.
    followed_share: the share of the gain that positions keep where they are a function of the forecast alone
        (`evaluation.following`); NaN where rule and target are candlecast's, or nothing is gained.
    notices: odd properties of the candles, in sentences; jumps: the notices of jumps that look like splits and were not
        declared to be real; changes: the changes made to the candles before anything was computed.
    """

    break_even_bps: float = math.nan
    middle_bps: float = math.inf
    delayed_return: float = math.nan
    worse_return: float = math.nan
    tradability: Tradability | None = None
    assets: AssetPrices | None = None
    fill_gains: FillGains = FillGains()
    between_bars: BetweenBars = BetweenBars()
    stresses: Stresses = Stresses()
    shorts: Shorts = Shorts()
    is_in_time_order: bool = True
    trains_by_place: bool = True
    untested: tuple[int, int] = (0, 0)
    worst_loss: float = math.nan
    worst_stretches: tuple[tuple[int, float], ...] = ()
    bars_known: int = 0
    outside: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    clock: str = ""
    levels: str = ""
    adjustment: str = ""
    currencies: str = ""
    names: str = ""
    replaced: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    audit: str = NO_AUDIT
    leaks: tuple[str, ...] = ()
    static_returns: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    expanding_returns: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    market_returns: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    is_at_equal_risk: bool = False
    persistence: Persistence = Persistence()
    followed_share: float = math.nan
    notices: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def least_cost_bps(self, cost_bps: float) -> float:
        """The least cost of a trade, a side: the largest of the costs, half the estimated spread and a tick."""
        of_prices = self.tradability or self.assets
        return max(cost_bps, of_prices.least_cost_bps if of_prices else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """The conditions as JSON values; what is undefined or without end is None."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        of_assets = {} if self.assets is None else {"assets": asdict(self.assets)}
        return json_values(
            {
                **numbers,
                **of_assets,
                "tradability": self.tradability.to_dict() if self.tradability else None,
                "fill_gains": asdict(self.fill_gains),
                "between_bars": self.between_bars._asdict(),
                "stresses": asdict(self.stresses),
                "shorts": asdict(self.shorts),
                "is_in_time_order": self.is_in_time_order,
                "trains_by_place": self.trains_by_place,
                "untested": self.untested,
                "is_at_equal_risk": self.is_at_equal_risk,
                "persistence": self.persistence._asdict(),
                "followed_share": self.followed_share,
                "outside": self.outside,
                "tables": self.tables,
                "clock": self.clock,
                "levels": self.levels,
                "adjustment": self.adjustment,
                "currencies": self.currencies,
                "names": self.names,
                "replaced": self.replaced,
                "code": self.code,
                "audit": self.audit,
                "leaks": self.leaks,
                "notices": self.notices,
                "jumps": self.jumps,
                "changes": self.changes,
            }
        )


def conditions_of(
    candles: Candles,
    positions: Positions,
    result: BacktestResult,
    *,
    is_in_time_order: bool,
    trains_by_place: bool = True,
    untested: tuple[int, int] = (0, 0),
    implies_return: bool = True,
    forecast: Forecast | None = None,
    target: Target | None = None,
    described: Any = None,
    seed: int = 0,
    clock: str = "",
    replaced: tuple[str, ...] = (),
    audit: str = NO_AUDIT,
    leaks: tuple[str, ...] = (),
) -> Conditions:
    """The conditions of a backtest of these positions on these candles; `described`: the parts of the study, as in its recipe.

    `implies_return`: whether the forecast implies a return; one of volatility does not, and is judged at equal risk.
    `forecast`: what the rule was given, where that or the target is a user's; `target`: one of a user's.
    """
    first = int(np.searchsorted(candles.close_time, result.equity["time"].dt.replace_time_zone(None).to_numpy()[0]))
    later = delayed(candles, positions)
    delayed_return = worse_return = math.nan
    if result.fills.height:
        worse_return = _annual(filled_at_worse(candles, result.fills), positions, result)
        if len(later) >= MIN_BARS:
            delayed_return = _annual(candles, later, result)
    checked, changes = candles.check(), candles.origin.changes if candles.origin else ()
    are_real = any(change.kind == "accepted" for change in changes)
    worst_loss, worst_stretches = _worst_losses(candles, result)
    static_returns, expanding_returns = (
        _held_returns(candles, positions, result, exposures, is_at_equal_risk=not implies_return)
        for exposures in _mean_exposures(positions, result)
    )
    return Conditions(
        break_even_bps=break_even_bps(candles, positions, costs=result.costs, cash=result.cash),
        middle_bps=_middle_bps(candles, positions, result),
        delayed_return=delayed_return,
        worse_return=worse_return,
        shorts=shorts_of(result),
        tradability=tradability(candles, first=first),
        fill_gains=fill_gains(candles, positions, result, seed=seed),
        between_bars=between_bars(candles, result, seed=seed),
        stresses=stresses(candles, positions, result, seed=seed),
        is_in_time_order=is_in_time_order,
        trains_by_place=trains_by_place,
        untested=untested,
        worst_loss=worst_loss,
        worst_stretches=worst_stretches,
        bars_known=len(candles),
        outside=outside_names(described),
        tables=table_names(described),
        clock=clock,
        replaced=replaced,
        code=tuple(identities(described)),
        audit=audit,
        leaks=leaks,
        static_returns=static_returns,
        expanding_returns=expanding_returns,
        is_at_equal_risk=not implies_return,
        persistence=_persistence(result),
        followed_share=(
            math.nan
            if forecast is None
            else followed_share(candles, positions, forecast, result, static_returns, target=target)
        ),
        notices=checked.notices,
        jumps=() if are_real else checked.jumps,
        changes=tuple(map(str, changes)),
    )


def _annual(candles: Candles, positions: Positions, result: BacktestResult) -> float:
    """The annual return of positions with the costs and the cash of a backtest."""
    returns = account_returns(candles, positions, costs=result.costs, cash=result.cash)
    return annual_return(returns, bars_per_year=result.bars_per_year)


def outside_names(described: Any) -> tuple[str, ...]:
    """Names of the outside features and of the other candles within the description of a study's parts, sorted."""
    return tuple(sorted({name for name, _ in _outside(described)}))


def table_names(described: Any) -> tuple[str, ...]:
    """Names of the outside features alone, sorted."""
    return tuple(sorted({name for name, is_feature in _outside(described) if is_feature}))


def _outside(described: Any) -> Iterator[tuple[str, bool]]:
    """Each name, and whether it is of a feature."""
    if isinstance(described, dict):
        if described.get("type") == CANDLES:
            yield f"{described.get('symbol')} {described.get('interval')}", False
        kind = described.get("kind")
        if isinstance(kind, str) and kind.startswith(OUTSIDE):
            yield kind.removeprefix(OUTSIDE), True
        described = list(described.values())
    if isinstance(described, list | tuple):
        for each in described:
            yield from _outside(each)


def _worst_losses(candles: Candles, result: BacktestResult) -> tuple[float, tuple[tuple[int, float], ...]]:
    """The losses of the strategy in the worst bar and stretches of the candles, training part included; NaN without a trade."""
    if not result.fills.height:
        return math.nan, ()
    held, moves = result.equity["position"].to_numpy(), np.diff(candles.close) / candles.close[:-1]
    return worst_case_loss(held, moves), worst_case_stretches(held, moves)


def _persistence(result: BacktestResult) -> Persistence:
    """Of the exposures of an account, up to its ruin, each held through the next move of the closes."""
    last = len(result.returns_until_ruin)
    held, closes = (result.equity[name].to_numpy()[: last + 1] for name in ("position", "close"))
    return persistence_of(held[:-1], np.diff(np.log(closes)))


def _mean_exposures(positions: Positions, result: BacktestResult) -> tuple[np.ndarray, np.ndarray]:
    """The mean exposure of the account at each decision, (decisions,): of the whole record, and of the bars so far."""
    exposures = result.equity["position"].to_numpy()
    so_far = np.cumsum(exposures) / np.arange(1, len(exposures) + 1)
    decided, closed = (frame["time"].to_physical().to_numpy() for frame in (positions.frame, result.equity))
    rows = np.searchsorted(closed, decided, side="right") - 1
    return np.full(len(decided), float(exposures.mean())), np.where(rows >= 0, so_far[np.maximum(rows, 0)], 0.0)


def _held_returns(
    candles: Candles, positions: Positions, result: BacktestResult, exposures: np.ndarray, *, is_at_equal_risk: bool
) -> np.ndarray:
    """Returns of an account that holds these mean exposures: the same financing, without timing.

    At equal risk, they are multiplied by the ratio of the standard deviations of both accounts' returns, 1 at most. Who forecasts
    volatility holds less before large moves: the mean return of a position of constant size is nearly the same as his, and its
    risk is larger. A ratio above 1 is not applied, so that this account never holds more than the mean position.
    """
    returns = _returns_of(candles, positions, result, exposures)
    if not is_at_equal_risk:
        return returns
    risk, own = float(np.std(returns)), float(np.std(result.returns_until_ruin))
    return _returns_of(candles, positions, result, exposures * own / risk) if own < risk else returns


def _returns_of(candles: Candles, positions: Positions, result: BacktestResult, exposures: np.ndarray) -> np.ndarray:
    """Returns per bar of these exposures within the leverage of these positions, with no trading costs."""
    within = np.clip(exposures, -positions.leverage, positions.leverage)
    held = replace(
        positions, frame=positions.frame.with_columns(position=pl.Series(within)), in_units=False, band=REBALANCED
    )
    free = result.costs.of_holding()
    return account_returns(candles, held, costs=free, cash=result.cash)[: len(result.returns_until_ruin)]


def _middle_bps(candles: Candles, positions: Positions, result: BacktestResult) -> float:
    """The break-even cost of the same positions, filled in the middle of the range of each bar."""
    if not have_ranges(candles.open, candles.high, candles.low, candles.close):
        return math.inf
    middle = candles.frame.with_columns(open=(pl.col("high") + pl.col("low")) / 2)
    cost = break_even_bps(replace(candles, frame=middle), positions, costs=result.costs, cash=result.cash)
    return 0.0 if math.isnan(cost) else cost
