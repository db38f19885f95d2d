"""Features of a panel that rest on the level of each asset's prices, or on its name: both can hold what came later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.audit.findings import LEVELS, NAMES, PASSED, WARNING, Check
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


class Lookups(NamedTuple):
    """Names of the columns that change with the level of each asset's prices, and with the names of the assets."""

    levels: tuple[str, ...]
    names: tuple[str, ...]


def lookups(samples: PanelSamples, features: Features, *, is_pooled: bool, seed: int = 0) -> Lookups:
    """Which features rest on what is known of an asset only afterwards.

    Adjusted prices are those of today divided by later splits, so that their level knows these; a figure of today, such as
    earnings a share, over the price of a past day knows the price of today. Returns and ratios of prices do not change when all
    prices of an asset are multiplied by a constant, and its volumes divided by it. So each asset gets a constant of its own, and
    the features, those across assets too, have to stay. Then the assets exchange their names: what changes was found in a table
    by name. A feature that reads a table of rows with the time at which each was known (`features.outside`) may use both.
    Features of candlecast are known to stay, and are not asked.

    `is_pooled`: one model learns from all assets. A model of one asset scales its features by their own past, so a column that
    becomes a multiple of itself plus a constant says the same to it.
    """
    panel, levels, names, first = samples.panel, [], [], 0
    generator = np.random.default_rng(seed)
    doublings = [2.0 ** int(generator.choice([-1, 1]) * generator.integers(1, DOUBLINGS + 1)) for _ in panel.assets]
    scaled = [with_level(each, factor) for each, factor in zip(panel.assets, doublings, strict=True)]
    renamed = [
        replace(one, symbol=name) for one, name in zip(panel.assets, np.roll(panel.symbols, 1).tolist(), strict=True)
    ]
    for feature in features.features:
        columns = feature.on(panel.assets[0]).columns
        own = slice(first, first + len(columns))
        first = own.stop
        if not is_asked(feature):
            continue
        before = [each.inputs[:, own] for each in samples.assets]
        is_scaled = not is_pooled and across_of(feature) is None
        is_moved = _moves(feature, _on(panel, scaled), before, is_scaled=is_scaled)
        levels += [name for name, moved in zip(columns, is_moved, strict=True) if moved]
        if not is_ours(inner := _innermost(feature)):
            before = panel_inputs(panel, Features(inner), are_checked=True)
            is_moved = _moves(inner, _on(panel, renamed), before, is_scaled=False)
            names += [name for name, moved in zip(columns, is_moved, strict=True) if moved]
    return Lookups(tuple(levels), tuple(names))


def lookup_checks(samples: PanelSamples, features: Features, *, is_pooled: bool, seed: int = 0) -> list[Check]:
    """`lookups` as checks of an audit."""
    found = lookups(samples, features, is_pooled=is_pooled, seed=seed)
    asked = count(len(features.features), "feature")
    return [
        Check(name, WARNING, listed(columns)) if columns else Check(name, PASSED, asked)
        for name, columns in ((LEVELS, found.levels), (NAMES, found.names))
    ]


def is_asked(feature: Feature) -> bool:
    """Whether a feature may rest on a level or a name: one of a user, or the price itself, alone or within another."""
    inner = feature.parameters.get("feature")
    if isinstance(inner, Feature) and (across_of(feature) is not None or feature.kind == "at"):
        return is_asked(inner)
    if isinstance(feature.compute, Known):
        return False
    return feature.kind in OF_LEVELS or not is_ours(feature)


def with_level(candles: Candles, factor: float) -> Candles:
    """The same candles with all prices times a factor, and what is counted in units of the asset divided by it."""
    prices = [pl.col(name) * factor for name in ("open", "high", "low", "close")]
    units = [pl.col(name) / factor for name in ("volume", "taker_volume") if name in candles.frame.columns]
    return replace(candles, frame=candles.frame.with_columns(*prices, *units))


def _innermost(feature: Feature) -> Feature:
    """The feature of each asset alone within one across assets."""
    found = across_of(feature)
    return feature if found is None else _innermost(found.inner)


def _on(panel: Panel, assets: Sequence[Candles]) -> Panel:
    """The panel with other candles of the same bars."""
    return Panel(tuple(assets), panel.universe, panel.times, panel.bars)


def _moves(feature: Feature, panel: Panel, before: Sequence[np.ndarray], *, is_scaled: bool) -> list[bool]:
    """Of each column, whether it is another one than before; all columns of a feature that cannot be computed."""
    try:
        with np.errstate(all="ignore"), ignoring(Warning):
            after = panel_inputs(panel, Features(feature), are_checked=True)
    except Exception:  # whatever a user's function raises: it is computed on the panel's own candles
        return [True] * before[0].shape[1]
    found = []
    for column in range(before[0].shape[1]):
        pairs = zip(before, after, strict=True)
        counts = [_moved(one[:, column], two[:, column], is_scaled=is_scaled) for one, two in pairs]
        moved, values = (sum(each) for each in zip(*counts, strict=True))
        found.append(moved > FEW * values)
    return found


def _moved(one: np.ndarray, two: np.ndarray, *, is_scaled: bool) -> tuple[int, int]:
    """How many values changed by more than rounding, and how many there are; `is_scaled`: but for a multiple and a constant."""
    is_known = np.isfinite(one) & np.isfinite(two)
    lost = int((np.isfinite(one) != np.isfinite(two)).sum())
    one, two = one[is_known], two[is_known]
    if is_scaled and len(one) > 2 and np.ptp(two) > 0:
        design = np.column_stack([np.ones(len(two)), two])
        two = design @ np.linalg.lstsq(design, one, rcond=None)[0]
    return int((np.abs(one - two) > ROUNDING * size(one) + TINY).sum()) + lost, len(one) + lost
