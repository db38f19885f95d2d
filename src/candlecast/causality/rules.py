"""The check of a rule before trading: each position depends on forecasts, outcomes and candles known at its bar only."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.causality.copies import by_earlier_calls
from candlecast.causality.markets import (
    PERIOD,
    another_path,
    dated_otherwise,
    other_prices,
    repeating,
    same_calendar,
    turned_around,
)
from candlecast.causality.rows import ROWS_LATER, goes_by_rows
from candlecast.causality.telling import telling_rows
from candlecast.dataset.forecast import MEASURED, Forecast
from candlecast.errors import CandlecastError, LookaheadError
from candlecast.signals import Positions, Rule
from candlecast.signals.rule import decide, name_of

if TYPE_CHECKING:
    from candlecast.backtesting import Costs

MOMENTS = (0.15, 0.35, 0.5, 0.7, 0.9)  # shares of the forecast's bars
MINIMUM = 20  # bars that can be checked
CHANGES = 10  # of positions after a moment, from which on they have to answer to what changed
FEW_VALUES = 20  # most distinct positions of a rule that has sizes of its own
MOST_OF_CLOCK = (
    0.7  # correlation with the positions for other forecasts and prices, above which a rule goes by the clock
)
SHIFTS = (0.27, 0.43, 0.58, 0.74)  # of the forecast's bars, by which forecasts move
SIGNED = (
    "mean",
    "expected_return",
    "position",
)  # columns whose sign changes; that of the mean around the naive forecast

REMEDY = "Use forecasts and candles up to each bar, and outcomes only where known_at is not later than time"
BY_DATE = (
    "Compute them from the forecast, the candles and the clock; what was known elsewhere at the time enters as a feature, "
    "cc.outside(...). Trade positions that come from elsewhere with cc.backtest(candles, positions)"
)


class Given(NamedTuple):
    """What a rule is called with, and how that was changed."""

    forecast: Forecast
    candles: Candles
    how: str


def require_causal_rule(
    rule: Rule,
    forecast: Forecast,
    candles: Candles,
    *,
    costs: Costs | None = None,
    positions: Positions | None = None,
) -> None:
    """Raise unless a rule that is not candlecast's own decides by what was known at each bar.

    At several bars t, forecasts and candles after t and outcomes that were not known at t are changed, then taken away: no
    position at or before t may move, and those after t have to. When all dates move by 28 years, or forecast and candles begin
    later, the same bars have the same positions.

    Args:
        rule: an overlay of candlecast's is checked where the rule under it is not candlecast's.
        forecast: of one asset.
        candles: those that were forecast.
        costs: what trading costs, as the rule is given it.
        positions: what the rule made of both; made again when not given.

    Raises:
        LookaheadError: naming the bar.
    """
    if is_own(rule):
        return
    times = forecast.frame["time"].unique().sort()
    if len(times) < MINIMUM:
        return
    generator = np.random.default_rng(0)
    others = [_other_worlds(forecast, candles, times[0], generator)[0]]
    others.append(_other_futures(forecast, candles, times[int(MOMENTS[3] * len(times))], generator)[0])
    _require_nothing_kept(rule, costs, Given(forecast, candles, ""), others)
    held = (decide(rule, forecast, candles, costs=costs) if positions is None else positions).frame
    for share in MOMENTS:
        moment = times[int(share * len(times))]
        until = pl.col("time") <= moment
        for given in _other_futures(forecast, candles, moment, generator):
            after = _positions(rule, costs, given)
            _require_same(name_of(rule), held.filter(until), after.filter(until), moment, given.how)
    for moment in _telling_times(held, candles):
        until, given = pl.col("time") <= moment, _without_later(forecast, candles, moment)
        _require_same(name_of(rule), held.filter(until), _positions(rule, costs, given), moment, given.how)
    if held["position"].n_unique() == 1:
        return
    worlds = _other_worlds(forecast, candles, times[0], generator)
    is_fixed = all(_positions(rule, costs, given)["position"].equals(held["position"]) for given in worlds)
    _require_same_on_other_dates(
        rule, costs, forecast, candles, held, is_fixed=is_fixed and _differ(forecast, worlds[0])
    )
    _require_forecasts_used(rule, costs, forecast, candles, held)
    if not is_fixed:
        _require_answers(rule, costs, forecast, candles, held, times[int(MOMENTS[1] * len(times))])
    _require_no_row_numbers(rule, costs, forecast, candles)


def _telling_times(held: pl.DataFrame, candles: Candles) -> list[datetime]:
    """Times of decisions after which a cut tells a look-ahead that happens at few bars."""
    times = held["time"].dt.replace_time_zone(None).to_numpy()
    first = int(np.searchsorted(candles.close_time, times[0]))
    part = candles[first : int(np.searchsorted(candles.close_time, times[-1])) + 1]
    rows = np.searchsorted(part.close_time, times)
    positions = np.full((len(part), 1), np.nan)
    positions[rows[rows < len(part)], 0] = held["position"].to_numpy()[rows < len(part)]
    chosen = part.close_time[telling_rows(part, positions, 0, seed=0)] if len(part) else times[:0]
    return held["time"].filter(np.isin(times, chosen) & (times < times[-1])).to_list()


def _require_same_on_other_dates(
    rule: Rule, costs: Costs | None, forecast: Forecast, candles: Candles, held: pl.DataFrame, *, is_fixed: bool
) -> None:
    """The same positions when all dates move by 28 years, after which hours, weekdays, days and months are the same."""
    shift = same_calendar(candles)
    dates = [name for name in forecast.frame.columns if name == "time" or name.startswith("known_at")]
    later = forecast.frame.with_columns(pl.col(dates) + shift)
    years = f"{abs(shift.days) // 365} years {'later' if shift > timedelta() else 'earlier'}"
    dated = _positions(
        rule, costs, Given(Forecast(later, forecast.horizon), dated_otherwise(candles, shift), f"dated {years}")
    )
    one, two = held["position"].to_numpy(), dated["position"].to_numpy()
    is_moved = ~np.isclose(one, two, rtol=1e-9, atol=1e-12) if len(one) == len(two) else np.ones(len(one), dtype=bool)
    if not is_moved.any() or (len(one) == len(two) and _is_as_often(one, two, is_moved)):
        return
    if is_fixed or len(one) != len(two):
        wrong = (
            "do not depend on the forecast or the candles, and are others for the same dates"
            if is_fixed
            else "are others"
        )
        wrong += f" {years}"
    else:
        row = int(is_moved.argmax())
        wrong = (
            f"depend on the dates: {one[row]:.6g} at {held['time'][row]:%Y-%m-%d %H:%M}, and {two[row]:.6g} for the same "
            f"forecast and candles {years}"
        )
    raise LookaheadError(
        f"the positions of rule {name_of(rule)} {wrong}",
        expected="positions that follow from the forecast, the candles, or the hour, weekday, day and month",
        remedy=BY_DATE,
    )


def _require_forecasts_used(
    rule: Rule, costs: Costs | None, forecast: Forecast, candles: Candles, held: pl.DataFrame
) -> None:
    """Positions are others for other forecasts and prices at the same times: a table of the clock can hold what happened then.

    Every second time the prices of the time before are turned around. Positions that follow slow moves of the price agree by luck
    with those on another path, and on paths that happen to go the same way: they do not with those on a path and on its reverse.
    """
    generator = np.random.default_rng(2)
    own = held["position"].to_numpy()
    alike = []
    mirrored = _mirrored(forecast.frame, held["time"][0] - timedelta(microseconds=1))
    prices = candles
    for place, share in enumerate(SHIFTS):
        frame = forecast.frame if place % 2 else mirrored
        prices = turned_around(prices) if place % 2 else other_prices(candles, generator)
        moved = frame.with_columns(_shifted(name, share) for name in _forecast_columns(frame))
        given = Given(Forecast(moved, forecast.horizon), prices, "changed")
        if not _differ(forecast, given):
            return
        other = _positions(rule, costs, given)["position"].to_numpy()
        if len(other) != len(own) or not np.ptp(other) > 0:
            return
        alike.append(float(np.corrcoef(own, other)[0, 1]))
        if alike[-1] <= MOST_OF_CLOCK:
            return
    raise LookaheadError(
        f"the positions of rule {name_of(rule)} go by the clock: for other forecasts and prices at the same times they are "
        f"nearly the same (correlation {min(alike):.2f} or more), so they may hold what happened then",
        expected=f"positions that follow from the forecast or the candles, with a correlation of at most {MOST_OF_CLOCK:g}",
        remedy="Learn effects of the hour, weekday or month in the walk, with cc.calendar() among the features; trade a rule of "
        "the clock with cc.backtest(candles, positions)",
    )


def _shifted(name: str, share: float) -> pl.Expr:
    """A column of forecasts, each as many bars later; the last ones come first."""
    place = (pl.int_range(pl.len()) + (share * pl.len()).cast(pl.Int64)) % pl.len()
    return pl.col(name).gather(place).over("symbol", "seed")


def _differ(forecast: Forecast, given: Given) -> bool:
    """Whether forecasts were changed at all: those of a naive model, mirrored at the naive forecast, are the same."""
    names = _forecast_columns(forecast.frame)
    return not forecast.frame.select(names).equals(given.forecast.frame.select(names))


def _is_as_often(one: np.ndarray, two: np.ndarray, is_moved: np.ndarray) -> bool:
    """Whether few positions moved, and are as often as before: daylight saving time changes its rules, and Easter moves.

    Of positions of many sizes, those count that are flat: a filter by date that lets them through or does not.
    """
    if 5 * is_moved.sum() > len(one):
        return False
    if len(np.unique(one)) > FEW_VALUES:
        if not ((one == 0) | (two == 0))[is_moved].all():
            return False
        one, two = one == 0, two == 0
    found = [dict(zip(*np.unique(each, return_counts=True), strict=True)) for each in (one, two)]
    changed = np.unique(np.concatenate([one[is_moved], two[is_moved]]))
    counts = [(int(found[0].get(value, 0)), int(found[1].get(value, 0))) for value in changed]
    lost = [int((one[is_moved] == value).sum()) - int((two[is_moved] == value).sum()) for value in changed]
    return all(abs(before - after) <= 2 + before // 4 for before, after in counts) and all(
        abs(difference) <= 2 + int(is_moved.sum()) // 4 for difference in lost
    )


def _require_answers(
    rule: Rule, costs: Costs | None, forecast: Forecast, candles: Candles, held: pl.DataFrame, moment: datetime
) -> None:
    """Positions after a moment answer to other forecasts and candles after it."""
    later = held.filter(pl.col("time") > moment)
    if (later["position"].diff().abs() > 0).sum() < CHANGES:
        return
    generator = np.random.default_rng(1)
    changed = _other_futures(forecast, candles, moment, generator)[0]
    turned = Given(Forecast(_turned(forecast.frame, moment), forecast.horizon), changed.candles, "changed")
    for given in (changed, turned):
        after = _positions(rule, costs, given).filter(pl.col("time") > moment)
        if not after["position"].equals(later["position"]):
            return
    raise LookaheadError(
        f"no position of rule {name_of(rule)} after {moment:%Y-%m-%d %H:%M} moved when all forecasts and candles after it were "
        "replaced, though positions move when those before it are: it answers from memory",
        expected="positions that follow from the forecast and the candles of each bar",
        remedy="Keep nothing between calls, or by a key of all that the rule reads",
    )


def _require_no_row_numbers(rule: Rule, costs: Costs | None, forecast: Forecast, candles: Candles) -> None:
    """Positions belong to bars: where forecast and candles begin later, the same bars have the same positions.

    On a market and forecasts that repeat, so that whatever a rule has seen before a bar is the same in both. Refused is what
    differs for these forecasts and for the mirrored ones: a rule that stops for good after losses does so in one of them.
    """
    times = forecast.frame["time"].unique().sort()
    shift = next((each for each in ROWS_LATER if len(times) >= each + 4 * PERIOD), None)
    if shift is None:
        return
    frame = _repeated(forecast.frame)
    market = repeating(candles, 0)
    rows = np.searchsorted(candles.close_time, times.dt.replace_time_zone(None).to_numpy()[[0, shift]])
    for each in (frame, _mirrored(frame, times[0] - timedelta(microseconds=1))):
        whole = _positions(rule, costs, Given(Forecast(each, forecast.horizon), market, "repeated"))
        late = whole.filter(pl.col("time") >= times[shift])
        part = each.filter(pl.col("time") >= times[shift])
        own = _positions(
            rule, costs, Given(Forecast(part, forecast.horizon), market[int(rows[1] - rows[0]) :], "repeated")
        )
        if not own["time"].equals(late["time"]):
            return
        if not goes_by_rows(own["position"].to_numpy(), late["position"].to_numpy(), is_clock=False):
            return
    raise LookaheadError(
        f"the positions of rule {name_of(rule)} are others at the same bars when forecast and candles begin {shift:,} bars "
        "later: they go by the number of the row, or by what happened since the first one, such as gains of their own",
        expected="positions that follow from the forecast, the candles or the clock, and forget what lies far back",
        remedy=BY_DATE,
    )


def _repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """The first forecasts and outcomes of each seed over and over again, at the same times."""
    names = [*_forecast_columns(frame), "naive", "target"]
    place = pl.int_range(pl.len()) % PERIOD
    return frame.with_columns(pl.col(names).gather(place).over("symbol", "seed"))


def _turned(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Forecasts after the moment in the opposite order."""
    is_later = pl.col("time") > moment
    return frame.with_columns(
        pl.when(is_later)
        .then(pl.col(name).reverse().over("symbol", "seed", is_later))
        .otherwise(pl.col(name))
        .alias(name)
        for name in _forecast_columns(frame)
    )


def _require_nothing_kept(rule: Rule, costs: Costs | None, own: Given, others: list[Given]) -> None:
    """The same positions for the same forecast and candles, whatever the rule was called with before."""

    def call(copy: Rule, given: Given) -> np.ndarray:
        return decide(copy, given.forecast, given.candles, costs=costs).frame["position"].to_numpy()

    kept = by_earlier_calls(rule, call, own=own, others=others)
    if kept is not None:
        raise LookaheadError(
            f"rule {name_of(rule)} gives other positions once it was called with another forecast: it keeps something between "
            "calls",
            expected="the same positions for the same forecast and candles",
            remedy="Fit nothing inside a rule, and draw no random numbers",
        )


def is_own(value: object) -> bool:
    """Whether a rule, or a part of one, is candlecast's own through and through: a recipe of it, of plain values and recipes.

    >>> from candlecast.signals import Threshold, VolatilityTarget
    >>> is_own(VolatilityTarget(rule=Threshold())), is_own(VolatilityTarget(rule=lambda forecast, candles: None))
    (True, False)
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return True
    module = sys.modules.get(kind.__module__)
    is_ours = kind.__module__.startswith("candlecast.") and getattr(module, kind.__qualname__, None) is kind
    return is_ours and is_dataclass(value) and all(is_own(getattr(value, item.name)) for item in fields(value))


def _other_futures(
    forecast: Forecast, candles: Candles, moment: datetime, generator: np.random.Generator
) -> tuple[Given, Given]:
    """The same up to the moment: first with another future, then with none."""
    last = int(np.searchsorted(candles.close_time, np.datetime64(moment.replace(tzinfo=None)), side="right")) - 1
    after = another_path(candles, last, generator) if 0 <= last < len(candles) - 1 else candles
    mirrored = Given(Forecast(_mirrored(forecast.frame, moment), forecast.horizon), after, "changed")
    return mirrored, _without_later(forecast, candles, moment)


def _without_later(forecast: Forecast, candles: Candles, moment: datetime) -> Given:
    """The same up to the moment, and nothing after it."""
    last = int(np.searchsorted(candles.close_time, np.datetime64(moment.replace(tzinfo=None)), side="right")) - 1
    return Given(Forecast(_cut(forecast.frame, moment), forecast.horizon), candles[: max(last + 1, 1)], "missing")


def _other_worlds(
    forecast: Forecast, candles: Candles, first: datetime, generator: np.random.Generator
) -> tuple[Given, Given]:
    """All forecasts and candles changed, at the same times, in two ways."""
    mirrored = _mirrored(forecast.frame, first - timedelta(microseconds=1))
    turned = forecast.frame.with_columns(pl.col(_forecast_columns(forecast.frame)).reverse().over("symbol", "seed"))
    first_prices, second_prices = other_prices(candles, generator), other_prices(candles, generator)
    return (
        Given(Forecast(mirrored, forecast.horizon), first_prices, "changed"),
        Given(Forecast(turned, forecast.horizon), second_prices, "changed"),
    )


def _forecast_columns(frame: pl.DataFrame) -> list[str]:
    """Columns that forecast."""
    own = {"time", "known_at", "symbol", "model", "fold", "seed", "naive", "target", *MEASURED}
    return [name for name in frame.columns if name not in own and not name.startswith(("target@", "known_at@"))]


def _mirrored(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Forecasts after the moment mirrored, and outcomes not known at it too."""
    is_later = pl.col("time") > moment
    is_unknown = pl.col("known_at").is_null() | (pl.col("known_at") > moment)
    mirrored = {
        "mean": 2 * pl.col("naive") - pl.col("mean"),
        "expected_return": -pl.col("expected_return"),
        "position": -pl.col("position"),
    }
    others = [name for name in _forecast_columns(frame) if name not in SIGNED]
    reversed_ = [
        pl.when(is_later)
        .then(pl.col(name).reverse().over("symbol", "seed", is_later))
        .otherwise(pl.col(name))
        .alias(name)
        for name in others
    ]
    return frame.with_columns(
        *(pl.when(is_later).then(new).otherwise(pl.col(name)).alias(name) for name, new in mirrored.items()),
        *reversed_,
        pl.when(is_unknown).then(2 * pl.col("naive") - pl.col("target")).otherwise(pl.col("target")).alias("target"),
    )


def _cut(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The rows up to the moment, with the outcomes known at it."""
    last = pl.lit(moment, dtype=frame.schema["time"])
    is_known = pl.col("known_at") <= last
    known = {name: pl.when(is_known).then(name) for name in ("target", "known_at")}
    return frame.lazy().filter(pl.col("time") <= last).with_columns(**known).collect()


def _positions(rule: Rule, costs: Costs | None, given: Given) -> pl.DataFrame:
    try:
        return decide(rule, given.forecast, given.candles, costs=costs).frame
    except Exception as error:  # whatever a user's rule raises
        said = error.wrong if isinstance(error, CandlecastError) else f"{type(error).__name__}: {error}"
        raise LookaheadError(
            f"rule {name_of(rule)} fails when later forecasts and candles, and outcomes that are not known yet, are "
            f"{given.how} ({said})",
            expected="positions from what was forecast and known at each bar",
            remedy=REMEDY,
        ) from error


def _require_same(name: str, before: pl.DataFrame, after: pl.DataFrame, moment: datetime, how: str) -> None:
    if before["time"].equals(after["time"]):
        one, two = before["position"].to_numpy(), after["position"].to_numpy()
        moved = np.flatnonzero(~np.isclose(one, two, rtol=1e-9, atol=1e-12))
        if not len(moved):
            return
        row = int(moved[0])
        wrong = (
            f"the position of rule {name} at {before['time'][row]:%Y-%m-%d %H:%M} moved from {before['position'][row]:.6g} to "
            f"{after['position'][row]:.6g}"
        )
    else:
        wrong = (
            f"rule {name} gives {after.height:,} instead of {before.height:,} positions up to {moment:%Y-%m-%d %H:%M}"
        )
    raise LookaheadError(
        f"{wrong} when only forecasts and candles after {moment:%Y-%m-%d %H:%M} and outcomes not known by then were {how}",
        expected="positions that do not move when what is not known yet does",
        remedy=REMEDY,
    )
