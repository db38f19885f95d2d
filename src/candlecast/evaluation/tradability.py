"""`Tradability`: whether orders could have been filled at the prices of candles, and the least cost of a trade."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from candlecast.candles import Candles, fills
from candlecast.candles.block_lines import block_lines
from candlecast.candles.block_paths import block_paths
from candlecast.candles.gaps import DAY
from candlecast.candles.hindsight import hindsight
from candlecast.candles.infill import is_interpolated
from candlecast.candles.late import are_late, late_share
from candlecast.candles.missing_days import are_chosen, missing_days
from candlecast.candles.offsets import offsets
from candlecast.candles.smoothing import smoothing
from candlecast.candles.stale import opens
from candlecast.candles.ticks import ticks
from candlecast.candles.volumes import early_activity, volume_timing
from candlecast.candles.weekend_quotes import weekend_quotes
from candlecast.evaluation.price_level import price_level
from candlecast.sources.files import as_candles
from candlecast.stats import bounce_spread, efficient_spread, high_low_spread, roll_spread
from candlecast.text.json_values import json_values

STALE_BARS = 0.05  # share of the bars from which gains may come from stale opens
LINES = 0.002  # share of the bars: each interpolated bar reveals where the next real one ends
COPIED_BARS = (
    0.001  # share of the bars: each repeats a known return, and 0.1 % of them give a daily Sharpe ratio of 0.4
)


@dataclass(frozen=True)
class Tradability:
    """Whether the prices of a range of bars could be traded at, and the least cost of a trade.

    bars: of the range.
    stale_open_share: share of the opens after a closed market that equal the close before (days: all opens of a market
        with sessions); NaN in a market that never closes. gap_variance: variance of the gaps between these closes and opens over
        that of the bars. stale_bar_share: share of all bars that open at the close before, or nearly, within
        stretches in which most opens do (`candles.stale.opens`). has_stale_opens: that is STALE_BARS or more, so orders at the
        open are filled at old prices.
    has_averaged_opens: most bars open midway through the bar before (Heikin-Ashi candles).
    copied_share: share of bars that copy the bar before, so they open at a price from before its close (bars without volume
        where others have some fill nothing and are not counted). has_copied_bars: that is COPIED_BARS
        or more.
    repeated_share: share of bars that belong to a stretch of bars that occurred before, at any price, mirrored or jittered, in
        the range or in the bars before it (`candles.repeats.is_repeated`). has_repeats: that is COPIED_BARS or more.
    filled_share: share of bars of weekends that repeat the close before, in a market that was closed then and whose table was
        filled forward (`candles.fills.is_filled_weekend`; bars without volume where others have some fill nothing and are not
        counted). has_filled_weekends: that is COPIED_BARS or more.
    spike_share: share of bars that close far off their neighbours, which agree; has_spikes: too many for real ones
        (`candles.fills.are_many`).
    interpolated_share: share of bars that look interpolated, where their moves go on into the next bar
        (`candles.infill.is_interpolated`); has_lines: LINES or more, at least 3.
    range_ratio: variance by the ranges over that by the moves of closes; autocorrelation: of these moves; NaN for few bars.
        has_smoothed_prices: the ranges are too wide for moves that go on (`candles.smoothing`).
    going_on_share: share of the bars that open away from the close before which go on in that direction. has_chosen_opens: nearly
        all do, as in bricks. has_hindsight_closes: closes were smoothed with the bar after them (`candles.hindsight`).
    undone_share: share of opposite signs in pairs of large moves of about one size; NaN for few moves. has_offsets: they are so
        many that prices were offset for some bars at a time (`candles.offsets`).
    late_share: share of the bars that repeat highs and lows of some bars before, more than by chance; has_late_bars: so many
        that some are from a source that lags (`candles.late`).
    line_block: the kind of calendar blocks, such as "week", within which moves go on most, in all bars; "" for few bars.
        block_excess: by how much the variance of such a block is larger than moves across its ends let expect; block_statistic:
        of that test. has_block_lines: prices within these blocks were computed from their ends (`candles.block_lines`).
    path_block, path_share: the kind of blocks in which the order of low and high tells most of how they end, and in how many of
        those that end near their beginning it does; in all bars. has_block_paths: the bars were generated from longer ones
        (`candles.block_paths`).
    weekend_ratio: variance ratio of weekends over that of their halves, in all bars. has_returning_weekends: quotes move away at
        weekends and come back (`candles.weekend_quotes`).
    level_statistic: of the test of a unit root in all closes, the bars before the range included; half_life: bars until half
        of a deviation from the level is gone (`evaluation.price_level`). is_stationary: the price returns to a level.
    missing_days_share: share of days without a bar (`candles.missing_days`); has_missing_days: too many to be holidays.
    has_early_volume: the volume seems to be that of a later bar (`candles.volumes.volume_timing`).
    early_activity: names of the columns of activity that seem to be of a later bar, in the range or in all bars
        (`candles.volumes.early_activity`).
    invented_share: share of bars that repeat the bar before or its close and have no volume, where other bars have some.
    flat_share: share of bars that repeat the close before in all four prices.
    has_volume: any bar has some.
    tick: the smallest step of prices, in units of price (median over the range; 0.0 where there is none); tick_bps: its
        mean share of the price, in basis points.
    half_spread_bps: half of `stats.bounce_spread`, in basis points, from the pairs of bars between which the market was open:
        0.0 where no bounce is significant, NaN where the range is too short. efficient_bps, roll_bps, high_low_bps: half of
        the other estimates, from all bars, for comparison only; they take true reversals for spreads (see `stats.spread`).
    """

    bars: int
    stale_open_share: float
    gap_variance: float
    stale_bar_share: float
    has_stale_opens: bool
    has_averaged_opens: bool
    copied_share: float
    has_copied_bars: bool
    repeated_share: float
    has_repeats: bool
    filled_share: float
    has_filled_weekends: bool
    spike_share: float
    has_spikes: bool
    interpolated_share: float
    has_lines: bool
    range_ratio: float
    autocorrelation: float
    has_smoothed_prices: bool
    going_on_share: float
    has_chosen_opens: bool
    has_hindsight_closes: bool
    undone_share: float
    has_offsets: bool
    late_share: float
    has_late_bars: bool
    line_block: str
    block_excess: float
    block_statistic: float
    has_block_lines: bool
    path_block: str
    path_share: float
    has_block_paths: bool
    weekend_ratio: float
    has_returning_weekends: bool
    level_statistic: float
    half_life: float
    is_stationary: bool
    missing_days_share: float
    has_missing_days: bool
    has_early_volume: bool
    early_activity: tuple[str, ...]
    invented_share: float
    flat_share: float
    has_volume: bool
    tick: float
    tick_bps: float
    half_spread_bps: float
    efficient_bps: float
    roll_bps: float
    high_low_bps: float

    @property
    def least_cost_bps(self) -> float:
        """The least cost of a side, in basis points: the larger of half the spread and a tick.

        A strategy that breaks even at no more loses after these costs.
        """
        return max(self.tick_bps, 0.0 if math.isnan(self.half_spread_bps) else self.half_spread_bps)

    @property
    def is_tradable(self) -> bool:
        """Whether orders could be filled at the prices: none are stale, averaged, copied, filled forward, bad prints,
        interpolated, smoothed, made with later prices, offset for some bars, late or computed from longer bars, and few days are
        missing."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the prices, in words; empty where orders could be filled at them."""
        found = {
            "stale opens": self.has_stale_opens,
            "averaged opens": self.has_averaged_opens,
            "copied bars": self.has_copied_bars,
            "copied stretches": self.has_repeats,
            "weekends filled forward": self.has_filled_weekends,
            "bad prints": self.has_spikes,
            "interpolated bars": self.has_lines,
            "smoothed prices": self.has_smoothed_prices,
            "opens that depend on how their bar goes": self.has_chosen_opens,
            "closes smoothed with later prices": self.has_hindsight_closes,
            "offsets that come and go": self.has_offsets,
            "late bars": self.has_late_bars,
            "bars computed from the ends of longer ones": self.has_block_lines or self.has_block_paths,
            "quotes that come back after weekends": self.has_returning_weekends,
            "missing days": self.has_missing_days,
        }
        return tuple(name for name, is_found in found.items() if is_found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """The `faults`, and that the price returns to a level, in words."""
        return (*self.faults, "a price that returns to its level") if self.is_stationary else self.faults

    def to_dict(self) -> dict[str, Any]:
        """The fields and `least_cost_bps` as JSON values; what is undefined is None."""
        return json_values(asdict(self) | {"least_cost_bps": self.least_cost_bps})


def tradability(candles: Candles, *, first: int = 0) -> Tradability:
    """The tradability of the bars of these candles from row `first` on, that of the first bar that was tested.

    The bars before it count only as those that later ones may be copies of, in the tests of whether the price returns to a
    level and of bars that were computed from longer ones, and in that of offsets, which the range has to show too.
    Retrospective: it describes the range as a whole and must not decide anything within it. Raises CandleError for unsound
    candles.

    >>> from candlecast.sources import sample, synthetic
    >>> found = tradability(synthetic.ar1(2_000, seed=0, phi=-0.2).candles)
    >>> found.has_stale_opens, found.half_spread_bps, found.tick_bps
    (False, 0.0, 0.0)
    >>> sp500 = sample("sp500")
    >>> tradability(sp500[:1_500]).has_stale_opens, tradability(sp500[-500:]).has_stale_opens
    (True, False)
    """
    candles = as_candles(candles).require_sound()
    repeated, shifted = _mean(candles.is_repeated[first:]), early_activity(candles)
    level, line, path = price_level(candles), block_lines(candles, first=first), block_paths(candles)
    weekends = weekend_quotes(candles, first=first)
    everything, candles = candles, candles[first:]
    bars = len(candles)
    opened, steps = opens(candles), ticks(candles)
    stale, invented = _mean(opened.is_stale), fills.is_invented(candles)
    copied = _mean(fills.is_copy(candles) & ~invented)
    filled = _mean(fills.is_filled_weekend(candles) & ~invented)
    spikes = fills.is_spike(candles)
    lines = _mean(is_interpolated(candles))
    smoothed, later = smoothing(candles), hindsight(candles)
    missing = missing_days(candles)
    prices = candles.open, candles.high, candles.low, candles.close
    follows = np.ones(bars, dtype=bool)
    if candles.interval.microseconds < DAY:
        follows[1:] = candles.open_time[1:] == candles.close_time[:-1]
    spread = bounce_spread(*prices, follows=follows)
    offset = offsets(everything, first=first, spread=0.0 if math.isnan(spread) else spread)
    late = late_share(candles)
    return Tradability(
        bars=bars,
        stale_open_share=opened.share,
        gap_variance=opened.gap_variance,
        stale_bar_share=stale,
        has_stale_opens=stale >= STALE_BARS,
        has_averaged_opens=_mean(fills.is_averaged(candles)) > fills.MAXIMUM,
        copied_share=copied,
        has_copied_bars=copied >= COPIED_BARS,
        repeated_share=repeated,
        has_repeats=repeated >= COPIED_BARS,
        filled_share=filled,
        has_filled_weekends=filled >= COPIED_BARS,
        spike_share=_mean(spikes),
        has_spikes=fills.are_many(spikes),
        interpolated_share=lines,
        has_lines=lines >= max(LINES, 3 / max(bars, 1)),
        range_ratio=smoothed.ratio,
        autocorrelation=smoothed.autocorrelation,
        has_smoothed_prices=smoothed.is_smoothed,
        going_on_share=later.going_on,
        has_chosen_opens=later.has_chosen_opens,
        has_hindsight_closes=later.has_smoothed_closes,
        undone_share=offset.share,
        has_offsets=offset.are_found,
        late_share=late,
        has_late_bars=are_late(candles, late),
        line_block=line.block,
        block_excess=line.excess,
        block_statistic=line.statistic,
        has_block_lines=line.is_found,
        path_block=path.block,
        path_share=path.share,
        has_block_paths=path.is_found,
        weekend_ratio=weekends.ratio,
        has_returning_weekends=weekends.are_found,
        level_statistic=level.statistic,
        half_life=level.half_life,
        is_stationary=level.is_stationary,
        missing_days_share=missing,
        has_missing_days=are_chosen(candles, missing),
        has_early_volume=volume_timing(candles).is_early,
        early_activity=tuple(sorted({*shifted, *early_activity(candles)})),
        invented_share=_mean(invented),
        flat_share=_mean(fills.is_repeat(candles)),
        has_volume=bool((candles.volume > 0).any()),
        tick=steps.typical,
        tick_bps=steps.bps,
        half_spread_bps=5_000 * spread,
        efficient_bps=5_000 * efficient_spread(*prices),
        roll_bps=5_000 * roll_spread(*prices),
        high_low_bps=5_000 * high_low_spread(*prices),
    )


def _mean(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else 0.0
