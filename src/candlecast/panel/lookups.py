"""Features of a panel that rest on the level of each asset's prices, or on its name: both can hold what came later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import compress
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.audit.findings import ADJUSTMENT, LEVELS, NAMES, PASSED, WARNING, Check
from candlecast.candles import Candles
from candlecast.causality.compare import size
from candlecast.causality.features import is_ours
from candlecast.errors import listed
from candlecast.features import Feature, Features, Known, across_of
from candlecast.panel.panel import Panel
from candlecast.panel.samples import PanelSamples, panel_inputs
from candlecast.process.shared import ignoring
from candlecast.text.formatting import count

OF_LEVELS = ("scaled_close",)  # features of candlecast that are the price itself
DOUBLINGS = 5  # the most by which prices of an asset are doubled or halved
ROUNDING, TINY = 1e-6, 1e-10  # relative to a column's size, and absolute: changes by rounding
FEW = 0.01  # share of the values that may change where rounding decides ties
MOST_DIGITS = 8  # behind the point, that prices are taken to be rounded to
FINER = 32.0  # times as many steps of the price
MOST_OF_STEPS = 0.1  # standard deviations of a column, by which its mean may move with the steps of prices


class Lookups(NamedTuple):
    """Names of the columns that change with the level of each asset's prices, with their adjustment, and with the names of the
    assets."""

    levels: tuple[str, ...]
    adjustment: tuple[str, ...]
    names: tuple[str, ...]


def lookups(
    samples: PanelSamples, features: Features, *, is_pooled: bool, is_adjusted: bool = False, seed: int = 0
) -> Lookups:
    """Which features rest on what is known of an asset only afterwards.

    Adjusted prices are those of today divided by later splits, so that their level knows these; a figure of today, such as
    earnings a share, over the price of a past day knows the price of today. Returns and ratios of prices do not change when all
    prices of an asset are multiplied by a constant, and its volumes divided by it. So each asset gets a constant of its own, and
    the features, those across assets too, have to stay. Features that tell the level by the steps of the prices, which files
    round to cents, move when half of the assets get finer steps.

    Values traded, and figures per share over prices, also know later splits where prices are adjusted and volumes or figures are
    not. They change when prices alone get a constant; with `is_adjusted`, which says that all are adjusted alike, this is not
    asked.

    At last the assets exchange their names, and their places: what changes was found in a table by name or place. A feature
    that reads a table of rows with the time at which each was known (`features.outside`) may use names. Features of candlecast
    are known to stay, and are not asked.

    `is_pooled`: one model learns from all assets. A model of one asset scales its features by their own past, so a column that
    becomes a multiple of itself plus a constant says the same to it.
    """
    others, first = _Others(samples.panel, seed), 0
    levels, adjustment, names = list[str](), list[str](), list[str]()
    for feature in features.features:
        columns = feature.on(samples.panel.assets[0]).columns
        own = slice(first, first + len(columns))
        first = own.stop
        if not is_asked(feature) and not is_outside(feature):
            continue
        before = [each.inputs[:, own] for each in samples.assets]
        is_scaled = not is_pooled and across_of(feature) is None
        of_levels = np.zeros(len(columns), dtype=bool)
        if is_asked(feature):
            of_levels = _moves(feature, others.scaled, before, is_scaled=is_scaled)
            if not is_scaled:
                of_levels |= _moves_with_steps(feature, others.finer, before)
            levels += compress(columns, of_levels)
            names += compress(columns, _moves_with_names(feature, others, before))
        if not is_adjusted and not of_levels.all():
            adjustment += compress(columns, _moves(feature, others.priced, before, is_scaled=is_scaled) & ~of_levels)
    return Lookups(tuple(levels), tuple(adjustment), tuple(names))


@dataclass(frozen=True, eq=False)
class _Others:
    """The same panel in other terms, each made where it is needed."""

    panel: Panel
    seed: int

    @cached_property
    def factors(self) -> list[float]:
        """A constant of each asset's own."""
        generator = np.random.default_rng(self.seed)
        return [2.0 ** int(generator.choice([-1, 1]) * generator.integers(1, DOUBLINGS + 1)) for _ in self.panel.assets]

    @cached_property
    def scaled(self) -> Panel:
        """With other levels of prices, and the same values traded."""
        return self._of(map(with_level, self.panel.assets, self.factors))

    @cached_property
    def priced(self) -> Panel:
        """With other levels of prices alone."""
        return self._of(map(partial(with_level, has_units=True), self.panel.assets, self.factors))

    @cached_property
    def finer(self) -> Panel:
        """With finer steps of the price in every second asset."""
        generator = np.random.default_rng(self.seed)
        return self._of(
            with_steps(each, generator) if place % 2 else each for place, each in enumerate(self.panel.assets)
        )

    @cached_property
    def renamed(self) -> Panel:
        """With the names of other assets."""
        names = np.roll(self.panel.symbols, 1).tolist()
        return self._of(replace(one, symbol=name) for one, name in zip(self.panel.assets, names, strict=True))

    @cached_property
    def turned(self) -> Panel:
        """With the assets in the opposite order."""
        panel = self.panel
        return Panel(panel.assets[::-1], panel.universe, panel.times, panel.bars[:, ::-1])

    def _of(self, assets: Iterable[Candles]) -> Panel:
        return Panel(tuple(assets), self.panel.universe, self.panel.times, self.panel.bars)


def lookup_checks(
    samples: PanelSamples, features: Features, *, is_pooled: bool, is_adjusted: bool = False, seed: int = 0
) -> list[Check]:
    """`lookups` as checks of an audit."""
    found = lookups(samples, features, is_pooled=is_pooled, is_adjusted=is_adjusted, seed=seed)
    asked = count(len(features.features), "feature")
    given = {LEVELS: found.levels, ADJUSTMENT: found.adjustment, NAMES: found.names}
    return [
        Check(name, WARNING, listed(columns)) if columns else Check(name, PASSED, asked)
        for name, columns in given.items()
    ]


def is_asked(feature: Feature) -> bool:
    """Whether a feature may rest on a level or a name: a function of a user, or the price itself, alone or within another."""
    chain = [*_chain(feature)]
    if any(found.function for each in chain if (found := across_of(each)) is not None):
        return True
    return not isinstance(chain[-1].compute, Known) and (chain[-1].kind in OF_LEVELS or not is_ours(chain[-1]))


def is_outside(feature: Feature) -> bool:
    """Whether a feature reads a table from outside, alone or within another."""
    return isinstance([*_chain(feature)][-1].compute, Known)


def _chain(feature: Feature) -> Iterator[Feature]:
    """A feature, and that which one across assets, or of a longer interval, is computed from, and so on."""
    yield feature
    inner = feature.parameters.get("feature")
    if isinstance(inner, Feature) and (across_of(feature) is not None or feature.kind == "at"):
        yield from _chain(inner)


def with_level(candles: Candles, factor: float, *, has_units: bool = False) -> Candles:
    """The same candles with all prices times a factor, and what is counted in units of the asset divided by it.

    `has_units`: with the same units, as where prices are adjusted for splits and volumes are not.
    """
    prices = [pl.col(name) * factor for name in ("open", "high", "low", "close")]
    units = [pl.col(name) / factor for name in ("volume", "taker_volume") if name in candles.frame.columns]
    return replace(candles, frame=candles.frame.with_columns(*prices, *([] if has_units else units)))


def with_steps(candles: Candles, generator: np.random.Generator) -> Candles:
    """The same candles with a level `FINER` times as high at the same step of the price: each price is drawn from those that
    are rounded to it. The same candles where prices have no step in common.
    """
    open_, high, low, close = (np.array(each) for each in (candles.open, candles.high, candles.low, candles.close))
    digits = next((d for d in range(MOST_DIGITS + 1) if _are_rounded((open_, high, low, close), d)), None)
    if digits is None:
        return candles

    def drawn(prices: np.ndarray) -> np.ndarray:
        return np.maximum(prices + generator.uniform(-0.5, 0.5, len(prices)) * 10.0**-digits, 0.25 * 10.0**-digits)

    new_close, new_open = drawn(close), drawn(open_)
    repeats = np.append(False, open_[1:] == close[:-1])  # an open at the close before stays there
    new_open[repeats] = new_close[:-1][repeats[1:]]
    top, bottom = np.maximum(new_open, new_close), np.minimum(new_open, new_close)
    new_high = np.where(high == np.maximum(open_, close), top, np.maximum(drawn(high), top))
    new_low = np.where(low == np.minimum(open_, close), bottom, np.minimum(drawn(low), bottom))
    prices = {"open": new_open, "high": new_high, "low": new_low, "close": new_close}
    finer = {name: np.round(FINER * each, digits) for name, each in prices.items()}
    return replace(with_level(candles, FINER), frame=with_level(candles, FINER).frame.with_columns(**finer))


def _are_rounded(prices: Sequence[np.ndarray], digits: int) -> bool:
    return all(np.allclose(np.round(each, digits), each, rtol=1e-12, atol=1e-12) for each in prices)


def _innermost(feature: Feature) -> Feature:
    """The feature of each asset alone within one across assets."""
    found = across_of(feature)
    return feature if found is None else _innermost(found.inner)


def _moves(feature: Feature, panel: Panel, before: Sequence[np.ndarray], *, is_scaled: bool) -> np.ndarray:
    """Of each column, whether it is another one than before, bool; all columns of a feature that cannot be computed."""
    after = _computed(feature, panel)
    found = np.ones(before[0].shape[1], dtype=bool)
    if after is None:
        return found
    for column in range(len(found)):
        pairs = zip(before, after, strict=True)
        counts = [_moved(one[:, column], two[:, column], is_scaled=is_scaled) for one, two in pairs]
        moved, values = (sum(each) for each in zip(*counts, strict=True))
        found[column] = moved > FEW * values
    return found


def _moves_with_steps(feature: Feature, panel: Panel, before: Sequence[np.ndarray]) -> np.ndarray:
    """Of each column, whether its mean moves in every second asset of the panel, which have finer steps of the price."""
    after = _computed(feature, panel)
    found = np.ones(before[0].shape[1], dtype=bool)
    if after is None:
        return found
    for column in range(len(found)):
        shifts = [_shift(one[:, column], two[:, column]) for one, two in zip(before, after, strict=True)]
        values = np.concatenate([one[:, column] for one in before])
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        found[column] = abs(np.mean(shifts[1::2]) - np.mean(shifts[::2])) > MOST_OF_STEPS * spread + TINY
    return found


def _moves_with_names(feature: Feature, others: _Others, before: Sequence[np.ndarray]) -> np.ndarray:
    """Of each column, whether it moves with the names of the assets, or with their places in the list."""
    found = np.zeros(before[0].shape[1], dtype=bool)
    inner = _innermost(feature)
    if not is_ours(inner):
        again = panel_inputs(others.panel, Features(inner), are_checked=True)
        found |= _moves(inner, others.renamed, again, is_scaled=False)
    if across_of(feature) is not None:
        found |= _moves(feature, others.turned, before[::-1], is_scaled=False)
    return found


def _computed(feature: Feature, panel: Panel) -> list[np.ndarray] | None:
    """Values of a feature by asset; None where it cannot be computed."""
    try:
        with np.errstate(all="ignore"), ignoring(Warning):
            return panel_inputs(panel, Features(feature), are_checked=True)
    except Exception:  # whatever a user's function raises: it is computed on the panel's own candles
        return None


def _shift(one: np.ndarray, two: np.ndarray) -> float:
    """By how much the mean moves, of the values that are known before and after."""
    is_known = np.isfinite(one) & np.isfinite(two)
    return float((two[is_known] - one[is_known]).mean()) if is_known.any() else 0.0


def _moved(one: np.ndarray, two: np.ndarray, *, is_scaled: bool) -> tuple[int, int]:
    """How many values changed by more than rounding, and how many there are; `is_scaled`: but for a multiple and a constant."""
    is_known = np.isfinite(one) & np.isfinite(two)
    lost = int((np.isfinite(one) != np.isfinite(two)).sum())
    one, two = one[is_known], two[is_known]
    if is_scaled and len(one) > 2 and np.ptp(two) > 0:
        design = np.column_stack([np.ones(len(two)), two])
        two = design @ np.linalg.lstsq(design, one, rcond=None)[0]
    return int((np.abs(one - two) > ROUNDING * size(one) + TINY).sum()) + lost, len(one) + lost
