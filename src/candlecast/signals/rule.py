"""What a rule is: the forecast of one asset, its candles and costs in, positions out; and how every rule is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import CandleError, ConfigError
from candlecast.signals.positions import Positions

if TYPE_CHECKING:
    from candlecast.backtesting import Costs


class Rule(Protocol):
    """Turns the forecast of one asset, its candles and costs into positions: a plain rule, or an overlay on another rule.

    The signature is `rule(forecast, candles, costs=None)`; a rule that needs no costs may leave that parameter out, and one
    that needs no candles both. At each bar it may use what was forecast up to that bar and the candles up to its close, and
    nothing later.
    """

    def __call__(self, forecast: Forecast, candles: Candles, /) -> Positions:
        """The positions to hold.

        Args:
            forecast: of one asset; several seeds count as their mean.
            candles: those that were forecast. Rules that need none can be called without them.
            costs: what trading costs, for a rule with a parameter of that name: those of the study.

        Returns:
            A position for every bar of the forecast.
        """
        ...


def require_rule(rule: object) -> tuple[int, bool]:
    """How many of forecast and candles a rule can be called with, and whether it takes costs.

    Raises ConfigError for anything that cannot be called with a forecast and candles, and for the class of a rule.
    """
    if isinstance(rule, type):
        raise ConfigError(
            f"rule is the class {rule.__name__}",
            expected="a rule: an instance of it, or a function",
            remedy=f"Make one: {rule.__name__}()",
        )
    count, takes_costs = _arguments(rule)
    if not callable(rule) or count == 0:
        raise ConfigError(
            f"rule is {rule!r}",
            expected="a rule, called as rule(forecast, candles), which gives Positions",
            remedy="Use for example Threshold(enter=0.001), or a function of a forecast and candles, and costs if it needs them",
        )
    return count, takes_costs


def decide(rule: Rule, forecast: Forecast, candles: Candles, *, costs: Costs | None) -> Positions:
    """The positions of a rule, which is called with as much of forecast, candles and costs as it takes.

    Raises ConfigError for what is no rule, or gives anything but `Positions`, and whatever the rule raises.
    """
    count, takes_costs = require_rule(rule)
    called: Callable[..., Any] = rule
    given = (forecast, candles)[:count]
    found = called(*given, costs=costs) if takes_costs else called(*given)
    if not isinstance(found, Positions):
        raise ConfigError(
            f"rule {name_of(rule)} gives {type(found).__name__}",
            expected="Positions",
            remedy="Return Positions(frame) with the columns time, symbol and position",
        )
    return found


def name_of(rule: object) -> str:
    """A rule's name in messages."""
    return getattr(rule, "__name__", type(rule).__name__)


def require_candles(candles: Candles | None, rule: object) -> Candles:
    """The candles of a rule that needs them. Raises ConfigError where there are none."""
    if not isinstance(candles, Candles):
        name = name_of(rule)
        given = "without candles" if candles is None else f"with a {type(candles).__name__} for candles"
        raise ConfigError(
            f"{name} is called {given}",
            expected="the candles that were forecast, whose volatility or prices it reads",
            remedy=f"Call it as {name}(...)(forecast, candles)",
        )
    return candles


def at_decisions(frame: pl.DataFrame, candles: Candles, values: np.ndarray) -> np.ndarray:
    """Values by bar of the candles, (time,), at the times of the table's decisions, (decisions,).

    Raises CandleError for candles of another symbol, and for a time at which no bar closes.
    """
    times = frame["time"].dt.replace_time_zone(None).to_numpy()
    closes = candles.close_time
    rows = np.searchsorted(closes, times)
    unknown = closes[np.minimum(rows, len(closes) - 1)] != times if len(closes) else np.ones(len(times), dtype=bool)
    foreign = frame.filter(pl.col("symbol") != candles.symbol)["symbol"]
    if foreign.len() or unknown.any():
        wrong = (
            f"the candles are of {candles.symbol!r}, the decisions of {foreign[0]!r}"
            if foreign.len()
            else f"no candle closes at {times[int(unknown.argmax())].astype('datetime64[s]')} UTC, where a decision is made"
        )
        raise CandleError(wrong, expected="the candles that were forecast", remedy="Pass those")
    return values[rows]


def single(forecast: Forecast) -> pl.DataFrame:
    """The one asset's forecast, averaged over seeds, in order of time.

    Raises ConfigError for several assets, no forecast at all, and for anything that is no forecast.
    """
    if not isinstance(forecast, Forecast):
        raise ConfigError(
            f"the forecast is of type {type(forecast).__name__}",
            expected="a Forecast, as walk_forward gives it",
            remedy="Call a rule as rule(forecast, candles); overlays take positions as VolatilityTarget().scaled(positions, "
            "candles) and DrawdownStop().stopped(positions, candles)",
        )
    if len(forecast.symbols) != 1:
        raise ConfigError(
            f"the forecast holds {len(forecast.symbols)} assets",
            expected="one, since positions are held asset by asset",
            remedy='Select it with forecast.only("BTCUSDT")',
        )
    return forecast.averaged().frame


def expected_returns(forecast: Forecast) -> tuple[pl.DataFrame, np.ndarray]:
    """The averaged table and its expected log returns, float64 (time,). Raises ConfigError where a target implies none."""
    frame = single(forecast)
    if frame["expected_return"].null_count():
        raise ConfigError(
            f"{forecast.model} forecasts a target that implies no return",
            expected="a forecast of return, price or direction",
            remedy="Use InverseVolatility() for forecasts of volatility",
        )
    return frame, frame["expected_return"].to_numpy()


def positions(frame: pl.DataFrame, values: np.ndarray, *, leverage: float = 1.0) -> Positions:
    """Positions of the table's bars."""
    held = pl.Series("position", values, dtype=pl.Float64)
    return Positions(pl.DataFrame([frame["time"], frame["symbol"], held]), leverage=leverage)


def kept_within(wanted: np.ndarray, band: float, *, held: float = 0.0) -> np.ndarray:
    """Positions that move to the wanted ones (time,) only where these are farther away than `band`; `held` is held before.

    >>> kept_within(np.array([0.05, 0.3, 0.35, 0.1]), 0.1).tolist()
    [0.0, 0.3, 0.3, 0.1]
    """
    found = np.empty(len(wanted))
    for bar, value in enumerate(wanted.tolist()):
        if abs(value - held) > band:
            held = value
        found[bar] = held
    return found


def _arguments(rule: object) -> tuple[int, bool]:
    """How many of forecast and candles a rule can be called with: 2, 1, or 0 for what is no rule; and whether it has a
    parameter that is named `costs`.
    """
    try:
        signature = inspect.signature(rule)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):  # written in C, without a signature
        return (2 if callable(rule) else 0), False
    costs = signature.parameters.get("costs")
    takes_costs = costs is not None and costs.kind is not inspect.Parameter.POSITIONAL_ONLY
    named = {"costs": None} if takes_costs else {}
    for count in (2, 1):
        try:
            signature.bind(*[None] * count, **named)
        except TypeError:
            continue
        return count, takes_costs
    return 0, takes_costs
