"""What a feature is, and how several become one array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features.scaling import Scaler, Standard, require_scaler
from candlecast.parameters import is_whole
from candlecast.text.formatting import count

Compute = Callable[[Candles], np.ndarray]
LONGEST_PERIOD = 100_000  # bars that indicators of TA-Lib take at most


@dataclass(frozen=True)
class Feature:
    """A causal function of candles: its value at bar t may use bars up to and including t, nothing later.

    `compute` maps candles to float values of shape (time,) or (time, column). Its first `warmup` rows are never used:
    from row `warmup` on, the value must not depend on what lies before the candles given. `columns` name the columns.
    `kind` and `parameters` say how it was made, so that a stored study can make it again; `label` is its name, where these
    do not make a good one.

    Columns and warm-up of some features depend on the candles' interval and hours (`calendar()`). Such a feature is open:
    `resolve` makes it for given candles, `on(candles)` gives the result, and every walk calls it for each asset.
    """

    kind: str
    compute: Compute = field(compare=False, repr=False)
    warmup: int
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    outputs: tuple[str, ...] = ()
    scaling: Scaler | None = None
    label: str = ""
    resolve: Callable[[Candles], Feature] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ConfigError(
                f"warmup of {self.kind} is {self.warmup}",
                expected="0 or more bars",
                remedy="Count the earlier bars used",
            )
        if not isinstance(self.outputs, (tuple, list)) or not all(isinstance(name, str) for name in self.outputs):
            raise ConfigError(
                f"outputs of {self.kind} is {self.outputs!r}",
                expected="a name for each of its columns",
                remedy='Use for example outputs=("low", "high"), or leave it out for one column',
            )
        require_scaler(self.scaling, of=self.kind)

    @cached_property
    def name(self) -> str:
        """The kind and its parameters, `rsi_14`, or its label."""
        return self.label or "_".join(
            [self.kind, *(str(value).replace(".", "p") for value in self.parameters.values())]
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it gives."""
        return tuple(f"{self.name}_{output}" for output in self.outputs) or (self.name,)

    def scaled(self, scaling: Scaler) -> Feature:
        """The same feature with a scaling of its own, instead of its set's."""
        return replace(self, scaling=scaling)

    def on(self, candles: Candles) -> Feature:
        """The feature with the columns and the warm-up that it has on candles of this interval and these hours."""
        return self if self.resolve is None else replace(self.resolve(candles), scaling=self.scaling)

    def __call__(self, candles: Candles) -> np.ndarray:
        """Values of shape (time, column), float64; NaN during warm-up and wherever the feature is undefined."""
        if self.resolve is not None:
            return self.on(candles)(candles)
        computed = self.compute(candles)
        if np.iscomplexobj(computed):
            raise ConfigError(
                f"feature {self.name} gave complex numbers for {len(candles)} candles",
                expected="real numbers",
                remedy="Return the part that is meant, such as np.abs(values) or values.real",
            )
        values = np.array(computed, dtype=np.float64)
        values = values[:, None] if values.ndim == 1 else values
        if values.shape != (len(candles), len(self.columns)):
            raise ConfigError(
                f"feature {self.name} gave shape {values.shape} for {len(candles)} candles",
                expected=f"({len(candles)},) or ({len(candles)}, {len(self.columns)})",
                remedy="Return one value per candle (NaN where there is none) and name several columns with outputs=",
            )
        values[: self.warmup] = np.nan
        values[~np.isfinite(values)] = np.nan
        return values


def last(values: np.ndarray, count: int | None) -> np.ndarray:
    """The last `count` values, or all where there are fewer, and for None."""
    return values if count is None else values[max(len(values) - count, 0) :]


def feature(
    undeclared: object = None,
    /,
    *,
    warmup: int | None = None,
    outputs: tuple[str, ...] = (),
    scaling: Scaler | None = None,
) -> Callable[[Compute], Feature]:
    """Make a feature of a function of candles, declaring how many earlier bars its value needs.

    Every walk checks on its own candles that the function computes from them, and from nothing that comes later; data from
    elsewhere enter as `outside`. `candlecast.testing.check_feature` checks that too, and whether the warm-up is long enough.
    Raises ConfigError where no warm-up is declared.

    >>> @feature(warmup=1)
    ... def overnight(candles):
    ...     return np.concatenate([[np.nan], candles.open[1:] / candles.close[:-1] - 1])
    >>> overnight.name, overnight.warmup
    ('overnight', 1)
    """

    if warmup is None or undeclared is not None:
        raise ConfigError(
            f"feature of {getattr(undeclared, '__name__', _shown(undeclared))} without a warm-up",
            expected="the number of earlier bars that a value needs",
            remedy="Write @cc.feature(warmup=20) above the function",
        )

    if not is_whole(warmup, 0):
        raise ConfigError(
            f"warmup is {warmup!r}", expected="a whole number of bars, 0 or more", remedy="Use for example warmup=20"
        )

    def decorate(compute: Compute) -> Feature:
        return Feature(compute.__name__, compute, warmup, outputs=outputs, scaling=scaling)

    return decorate


def open_feature(kind: str, resolve: Callable[[Candles], Feature]) -> Feature:
    """A feature whose columns and warm-up `resolve` settles once the candles are known."""
    return Feature(kind, lambda candles: resolve(candles)(candles), 0, resolve=resolve)


def require_period(kind: str, period: int, *, least: int = 1, name: str = "period") -> None:
    """Raise ConfigError for a period, or `name` of other bars, that the feature of this kind cannot be computed over."""
    if not is_whole(period, least) or period > LONGEST_PERIOD:
        expected = f"{count(least, 'bar')} or more" if is_whole(period, -LONGEST_PERIOD) else "a whole number of bars"
        if is_whole(period, LONGEST_PERIOD):
            expected = f"{LONGEST_PERIOD:,} bars or fewer"
        raise ConfigError(
            f"{name} of {kind} is {period!r}",
            expected=expected,
            remedy=f"Use for example {kind}(20)",
        )


def require_features(features: object) -> None:
    """Raise ConfigError for what are no Features; None stands for the standard ones."""
    if features is not None and not isinstance(features, Features):
        raise ConfigError(
            f"features is {_shown(features)}",
            expected="Features, or None",
            remedy="Use cc.Features(cc.log_return(), ...)",
        )


def _shown(value: object) -> str:
    """A value in a message: functions by name, arrays and tables by type."""
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    return repr(value) if isinstance(value, (str, int, float, type(None))) else f"of type {type(value).__name__}"


@dataclass(frozen=True, init=False)
class Features:
    """An ordered set of features, and the scaling of each (`scaling` where a feature has none of its own)."""

    features: tuple[Feature, ...]
    scaling: Scaler

    def __init__(self, *features: Feature, scaling: Scaler | None = None) -> None:
        if not features:
            raise ConfigError("Features() is empty", expected="at least one feature", remedy="Add cc.log_return()")
        for number, each in enumerate(features, start=1):
            if not isinstance(each, Feature):
                raise ConfigError(
                    f"feature {number} is {_shown(each)}",
                    expected="a feature, such as cc.log_return() or a function decorated with @cc.feature",
                    remedy="Call functions that make features, as in cc.rsi(14), and decorate functions of your own",
                )
        require_scaler(scaling, of="Features")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "scaling", scaling or Standard())
        known = [column for each in features for column in (each.columns if each.resolve is None else (each.name,))]
        doubled = {name for name in known if known.count(name) > 1}
        if doubled:
            raise ConfigError(
                f"column {sorted(doubled)[0]} is given twice", expected="distinct features", remedy="Remove one of them"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order. Raises ConfigError while a feature is open, as `warmup` and `scalers` do."""
        self._require_resolved()
        return tuple(column for feature in self.features for column in feature.columns)

    @property
    def scalers(self) -> tuple[Scaler, ...]:
        """The scaling recipe of each column, in order."""
        self._require_resolved()
        return tuple(feature.scaling or self.scaling for feature in self.features for _ in feature.columns)

    @property
    def warmup(self) -> int:
        """Rows at the start in which at least one feature is not settled."""
        self._require_resolved()
        return max(feature.warmup for feature in self.features)

    def on(self, candles: Candles) -> Features:
        """The same features with the columns and the warm-up that they have on candles of this interval and these hours."""
        if all(feature.resolve is None for feature in self.features):
            return self
        return Features(*(feature.on(candles) for feature in self.features), scaling=self.scaling)

    def _require_resolved(self) -> None:
        for feature in self.features:
            if feature.resolve is not None:
                raise ConfigError(
                    f"the columns of {feature.name} depend on the candles",
                    expected="features on candles of one interval",
                    remedy="Use features.on(candles)",
                )

    def compute(self, candles: Candles) -> np.ndarray:
        """All columns over all bars: float64, shape (time, column), C order, unscaled; NaN where undefined.

        Raises NotEnoughDataError when the warm-up is longer than the candles, CandleError when they are unsound.
        """
        candles.require_sound()
        if any(feature.resolve is not None for feature in self.features):
            return self.on(candles).compute(candles)
        if len(candles) <= self.warmup:
            slowest = max(self.features, key=lambda feature: feature.warmup)
            raise NotEnoughDataError(
                f"{candles.symbol} has {len(candles):,} candles, and {slowest.name} settles after {slowest.warmup:,}",
                expected=f"more than {self.warmup:,} candles",
                remedy="Give more candles or features with a shorter memory",
            )
        values = np.empty((len(candles), len(self.columns)))
        column = 0
        for feature in self.features:
            width = len(feature.columns)
            values[:, column : column + width] = feature(candles)
            column += width
        return values
