"""Features and outcomes of all assets of a panel, and stacks of them: what one training learns from, one asset after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from candlecast.candles import Candles
from candlecast.causality import require_causal_features
from candlecast.dataset.rows import Rows
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError
from candlecast.features import Feature, Features, Scaler, across_of
from candlecast.panel.panel import Panel
from candlecast.panel.spells import Spells
from candlecast.targets import AcrossTarget

CHECKED = 40  # moments at which a user's function across assets is called again


@dataclass(frozen=True, eq=False)
class PanelSamples:
    """What is known of each asset at the close of each of its bars, and the outcome that it waits for.

    `assets` holds the samples of each asset on its own bars; a row counts only where the asset is a member of the universe.
    `returns` (time, asset) are the log returns over the horizon that the outcomes compare, NaN for those that are no members.
    """

    panel: Panel
    assets: tuple[Samples, ...]
    returns: np.ndarray
    outcomes: np.ndarray
    target: AcrossTarget
    window: int

    @property
    def horizon(self) -> int:
        """Moments until an outcome is known."""
        return self.target.horizon

    @cached_property
    def is_complete(self) -> np.ndarray:
        """Whether each asset is a member with a whole window, bool (time, asset)."""
        return self.panel.matrix([each.is_complete.astype(np.float64) for each in self.assets]) == 1.0

    @property
    def usable(self) -> range:
        """Moments from the first at which two assets have whole windows, to the last. Raises NotEnoughDataError."""
        enough = self.is_complete.sum(axis=1) >= 2
        if not enough.any():
            raise NotEnoughDataError(
                f"the {len(self.panel.times):,} moments of {self.panel!r} have none at which two members have a whole window of "
                f"{self.window} bars",
                expected="some windows without warm-up, gaps or undefined features",
                remedy="Give more candles, a shorter window, or features with a shorter memory",
            )
        return range(int(enough.argmax()), len(enough))

    @property
    def dropped(self) -> dict[str, int]:
        """Bars of members that cannot be learnt from, by cause."""
        member, known = self.panel.is_member, np.isfinite(self.outcomes)
        first = self.usable.start
        return {
            "warm-up": int(member[:first].sum()),
            "window not whole": int((member & ~self.is_complete)[first:].sum()),
            "outcome not known": int((self.is_complete & ~known)[first:].sum()),
        }


def panel_samples(panel: Panel, *, features: Features, target: AcrossTarget, window: int) -> PanelSamples:
    """Samples of all assets.

    Features of an asset alone are computed on its own candles; those across assets moment by moment, over the members. The
    outcome of an asset compares its return between two moments of the panel with those of the other members.

    Raises LookaheadError for a feature that looks ahead, ConfigError for one that cannot be computed, NotEnoughDataError for an
    asset shorter than the warm-up only where all are.
    """
    if window < 1:
        raise ConfigError(f"window is {window}", expected="1 bar or more", remedy="Use for example window=60")
    inputs = panel_inputs(panel, features)
    returns = np.where(panel.is_member, panel.returns_ahead(target.horizon), np.nan)
    outcomes = target.across(returns)
    found = []
    for place, each in enumerate(panel.assets):
        rows = panel.rows[place]
        y, naive = np.full(len(each), np.nan), np.full(len(each), np.nan)
        counts = rows >= 0
        counts[counts] = panel.is_member[rows[counts], place]
        y[counts] = outcomes[rows[counts], place]
        naive[counts] = target.level
        found.append(Samples(each, features.on(each), target, window, inputs[place], y[:, None], naive))
    return PanelSamples(panel, tuple(found), returns, outcomes, target, window)


def panel_inputs(panel: Panel, features: Features, *, are_checked: bool = False) -> list[np.ndarray]:
    """The feature array of each asset on its own bars, float64 (bars, column); NaN where undefined.

    `are_checked`: whether the features are known to be causal, so that they are computed only.
    """
    settled = [features.on(each) for each in panel.assets]
    width = len(settled[0].columns)
    if len({each.columns for each in settled}) > 1:
        raise ConfigError(
            "the assets have features of different columns, because their hours differ",
            expected="the same features for all",
            remedy="Name them with features=cc.Features(...)",
        )
    found = [np.full((len(each), width), np.nan) for each in panel.assets]
    column = 0
    for number in range(len(features.features)):
        own = [each.features[number] for each in settled]
        outputs = len(own[0].columns)
        values = (across_values if across_of(own[0]) else own_values)(panel, own, are_checked=are_checked)
        for place, part in enumerate(values):
            found[place][:, column : column + outputs] = part
        column += outputs
    for values, spells in zip(found, panel.spells, strict=True):
        values[spells.starts[1:]] = np.nan  # so that no window reaches across a long gap
    return found


def own_values(panel: Panel, features: Sequence[Feature], *, are_checked: bool = False) -> list[np.ndarray]:
    """A feature of each spell of each asset alone, (bars, column); NaN throughout for one shorter than its warm-up."""
    found = []
    for each, feature, spells in zip(panel.assets, features, panel.spells, strict=True):
        if len(each) <= feature.warmup:
            found.append(np.full((len(each), len(feature.columns)), np.nan))
            continue
        if not are_checked:
            require_causal_features(Features(feature), each)
        found.append(feature(each) if len(spells) == 1 else _by_spell(feature, each, spells))
    return found


def _by_spell(feature: Feature, candles: Candles, spells: Spells) -> np.ndarray:
    """A feature of each spell alone, (bars, column): what was before a long gap may be of another asset."""
    found = np.full((len(candles), len(feature.columns)), np.nan)
    for part in spells.parts(len(candles)):
        if part.stop - part.start > feature.warmup:
            found[part] = feature(candles[part])
    return found


def across_values(panel: Panel, features: Sequence[Feature], *, are_checked: bool = False) -> list[np.ndarray]:
    """A feature across assets on the own bars of each, (bars, column); NaN at bars on no moment of the panel."""
    computed = across_of(features[0])
    assert computed is not None
    inner = [found.inner for each in features if (found := across_of(each)) is not None]
    nested = [across_of(each) is not None for each in inner]
    values = (across_values if any(nested) else own_values)(panel, inner, are_checked=are_checked)
    found = [np.full(each.shape, np.nan) for each in values]
    for column in range(values[0].shape[1]):
        matrix = panel.matrix([each[:, column] for each in values])
        across = computed.over(matrix, panel.is_member, panel.sectors)
        if computed.function is not None and not are_checked:
            _require_momentary(features[0], matrix, across, panel)
        for place, rows in enumerate(panel.rows):
            counts = rows >= 0
            found[place][counts, column] = across[rows[counts], place]
    return found


def _require_momentary(feature: Feature, matrix: np.ndarray, found: np.ndarray, panel: Panel) -> None:
    """Raise LookaheadError for a user's function that gives a moment other values when it is called in another order."""
    computed = across_of(feature)
    assert computed is not None
    rows = np.unique(np.linspace(0, len(matrix) - 1, CHECKED).astype(int))[::-1]
    again = computed.over(matrix[rows], panel.is_member[rows], panel.sectors)
    if not np.array_equal(again, found[rows], equal_nan=True):
        raise LookaheadError(
            f"feature {feature.name} gives other values for the same moment when later moments come first",
            expected="values that depend on the moment alone",
            remedy="Keep nothing between calls, and draw no random numbers",
        )


@dataclass(frozen=True, eq=False)
class Joined:
    """The name and the gaps of a stack: what of candles a model reads that learns from several assets."""

    symbol: str
    segments: np.ndarray


@dataclass(frozen=True, eq=False)
class Stack:
    """Stretches of the samples of several assets, one after the other, with undefined rows in between: as `Samples` are read.

    `place` and `moment` (rows,) name the asset and the moment of each row, -1 for those that count for nothing.
    """

    candles: Joined
    features: Features
    target: AcrossTarget
    window: int
    inputs: np.ndarray
    y: np.ndarray
    naive: np.ndarray
    is_complete: np.ndarray
    place: np.ndarray
    moment: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def outcomes(self) -> np.ndarray:
        """What is forecast: float64 (rows,)."""
        return self.y[:, 0]

    @property
    def horizon(self) -> int:
        """Moments until an outcome is known."""
        return self.target.horizon

    @property
    def scalers(self) -> Sequence[Scaler]:
        """How each column of the inputs is scaled."""
        return self.features.scalers

    @cached_property
    def is_known(self) -> np.ndarray:
        """Whether the outcome is known, bool (rows,)."""
        return np.asarray(np.isfinite(self.y).all(axis=1))

    @property
    def sample_weight(self) -> np.ndarray:
        """Weights of the outcomes: all 1, (rows, 1)."""
        return np.ones_like(self.y)

    def of(self, target: object) -> Stack:
        """Itself: there is one target."""
        return self

    def learnable(self, part: Rows) -> np.ndarray:
        """See `Samples.learnable`."""
        rows = part.array
        return rows[self.is_complete[rows] & self.is_known[rows]]

    def learnable_at(self, moments: np.ndarray) -> np.ndarray:
        """Rows with a whole window and a known outcome at these moments, bool (time,): int64, rising."""
        counts = (self.moment >= 0) & self.is_complete & self.is_known
        counts[counts] = moments[self.moment[counts]]
        return np.flatnonzero(counts)

    def forecastable_at(self, moments: np.ndarray) -> np.ndarray:
        """Rows with a whole window at these moments; as `learnable_at`."""
        counts = (self.moment >= 0) & self.is_complete
        counts[counts] = moments[self.moment[counts]]
        return np.flatnonzero(counts)


def stacked(samples: PanelSamples, places: Sequence[int], first: int, last: int, *, reach: int, name: str) -> Stack:
    """The rows of some assets at the moments from `first` to `last`, and of each the `reach` bars before.

    Only these rows are copied: windows are views of them.
    """
    inputs, y, naive, complete, place, moment, segments = ([] for _ in range(7))
    for number in places:
        own, rows = samples.assets[number], samples.panel.rows[number]
        inside = np.flatnonzero((rows >= first) & (rows <= last))
        if not len(inside):
            continue
        part = slice(max(int(inside[0]) - reach, 0), int(inside[-1]) + 1)
        size, width = part.stop - part.start, own.inputs.shape[1]
        inputs += [own.inputs[part], np.full((reach, width), np.nan)]
        y += [own.y[part], np.full((reach, 1), np.nan)]
        naive += [own.naive[part], np.full(reach, np.nan)]
        complete += [own.is_complete[part], np.zeros(reach, dtype=bool)]
        place += [np.full(size, number), np.full(reach, -1)]
        moment += [rows[part], np.full(reach, -1)]
        start = int(segments[-1][-1]) + 1 if segments else 0
        gaps = own.candles.segments[part]
        segments += [gaps - gaps[0] + start, np.full(reach, gaps[-1] - gaps[0] + start + 1)]
    if not inputs:
        raise NotEnoughDataError(
            f"{name} has no bar from {samples.panel.times[first]} to {samples.panel.times[last]}",
            expected="bars to learn from",
            remedy="Use fewer folds, or leave the asset out",
        )
    whole = samples.assets[places[0]]
    return Stack(
        candles=Joined(name, np.concatenate(segments)),
        features=whole.features,
        target=samples.target,
        window=samples.window,
        inputs=np.concatenate(inputs),
        y=np.concatenate(y),
        naive=np.concatenate(naive),
        is_complete=np.concatenate(complete),
        place=np.concatenate(place),
        moment=np.concatenate(moment),
    )
