"""Options for the rule that trades forecasts: a plain rule by name, and overlays on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from candlecast.cli.completion import one_of
from candlecast.errors import ConfigError, RunError, near_misses

if TYPE_CHECKING:
    from candlecast.backtesting import Costs
    from candlecast.signals import Rule

PLAIN = {
    "no-trade-band": "NoTradeBand",
    "direction": "FollowDirection",
    "threshold": "Threshold",
    "volatility": "InverseVolatility",
    "position": "HoldPosition",
    "kelly": "Kelly",
}
OVERLAYS = {"volatility-target": "VolatilityTarget", "drawdown-stop": "DrawdownStop"}
RULES = (*PLAIN, *OVERLAYS)


class Setting(NamedTuple):
    """One option: its name in the shell, the parameter that it sets, the rules that have it, its help and its type.

    An option of type bool is a flag that sets its parameter to False.
    """

    option: str
    parameter: str
    rules: tuple[str, ...]
    words: str
    kind: type = float


SETTINGS = (
    Setting("enter", "enter", ("threshold",), "Expected log return that opens a position"),
    Setting("exit", "exit", ("threshold",), "Expected log return below which it is closed"),
    Setting("long-only", "allow_short", ("no-trade-band", "direction", "threshold"), "Flat instead of short", bool),
    Setting("band", "band", ("position", "volatility"), "Change of position that is too small to trade"),
    Setting("full", "full", ("no-trade-band",), "Forecast, in standard deviations, at which the position is full"),
    Setting("fraction", "fraction", ("kelly",), "Part of the Kelly position"),
    Setting("cap", "cap", ("kelly", "volatility"), "Largest position, times equity"),
    Setting("usual", "usual", ("volatility",), "Position at the usual range, times equity"),
    Setting("power", "power", ("volatility",), "Power of usual range / forecast range"),
    Setting("halflife", "halflife", ("kelly", "volatility-target"), "Half-life of the volatility, bars", int),
    Setting("annual", "annual", ("volatility-target",), "Volatility a year to hold, 0.15 for 15 %"),
    Setting("leverage", "leverage", ("volatility-target",), "Largest factor on a position"),
    Setting("limit", "limit", ("drawdown-stop",), "Drawdown at which all is sold, 0.2 for 20 %"),
    Setting("resume", "resume", ("drawdown-stop",), "Drawdown at which trading begins again"),
)


@dataclass(frozen=True)
class GivenRule:
    """What the options say: names of rules, from the innermost to the outermost, and values by option."""

    names: tuple[str, ...]
    values: Mapping[str, float | bool]

    def of(self, usual: Callable[[], Rule], costs: Costs) -> Rule | None:
        """The rule they describe; None where they say nothing.

        Args:
            usual: gives the rule under an overlay that no plain rule is named before.
            costs: those of the drawdown stop's shadow account.

        Raises:
            ConfigError: for an unknown name, an option without its rule, and an overlay under a plain rule.
        """
        names = [_known(name) for name in self.names]
        self._require_owned(names)
        rule: Rule | None = None
        for place, name in enumerate(names):
            if name in PLAIN and place:
                raise ConfigError(
                    f"--rule {name} after --rule {names[place - 1]}",
                    expected="one plain rule, before the overlays",
                    remedy=f"Overlays are {' and '.join(OVERLAYS)}; leave one of the others out",
                )
            if name in PLAIN:
                rule = _plain(name, self._parameters(name))
            else:
                rule = _overlay(name, rule or usual(), self._parameters(name), costs)
        return rule

    def _parameters(self, name: str) -> dict[str, float | bool]:
        given = {setting: self.values[setting.option] for setting in SETTINGS if setting.option in self.values}
        return {setting.parameter: value for setting, value in given.items() if name in setting.rules}

    def _require_owned(self, names: list[str]) -> None:
        for setting in SETTINGS:
            if setting.option in self.values and not set(setting.rules) & set(names):
                given = f"with --rule {' '.join(names)}" if names else "without --rule"
                raise ConfigError(
                    f"--{setting.option} {given}",
                    expected=" or ".join(f"--rule {name}" for name in setting.rules),
                    remedy=f"Add it, or leave --{setting.option} out",
                )


def rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --rule and an option for each of SETTINGS; the command receives them as `given_rule`."""

    @wraps(command)
    def decorated(rules: tuple[str, ...], **options: Any) -> None:
        values = {setting.option: options.pop(_received(setting)) for setting in SETTINGS}
        given = {name: value for name, value in values.items() if value is not None}
        command(given_rule=GivenRule(rules, given), **options)

    for setting in reversed(SETTINGS):
        is_flag = setting.kind is bool
        kind: dict[str, Any] = (
            {"is_flag": True, "flag_value": False, "default": None} if is_flag else {"type": setting.kind}
        )
        decorated = click.option(
            f"--{setting.option}",
            _received(setting),
            help=f"{setting.words}; with --rule {' or '.join(setting.rules)}.",
            **kind,
        )(decorated)
    words = (
        f"One of {', '.join(PLAIN)}; the run's when not given. Overlays on it: {' and '.join(OVERLAYS)}. Repeatable."
    )
    return click.option("--rule", "rules", multiple=True, shell_complete=one_of(RULES), help=words)(decorated)


def _received(setting: Setting) -> str:
    """The name under which a command receives an option."""
    return f"of_rule_{setting.option.replace('-', '_')}"


def of_run(recipe: Mapping[str, Any]) -> Callable[[], Rule]:
    """Makes the rule of a run's recipe again, when asked."""
    from candlecast.recipes import restore

    def made() -> Rule:
        try:
            return restore(recipe["rule"])
        except RunError as error:
            raise ConfigError(
                f"the rule of the run cannot be made again ({error.wrong})",
                expected="a plain rule before the overlay",
                remedy="Name it: --rule threshold --rule drawdown-stop",
            ) from error

    return made


def _known(name: str) -> str:
    """A rule's name as it is listed, however it is written."""
    chosen = {each.replace("-", ""): each for each in RULES}.get(name.lower().replace("-", "").replace("_", ""))
    if chosen is None:
        raise ConfigError(
            f"there is no rule {name!r}",
            expected=f"one of {', '.join(RULES)}",
            remedy=near_misses(name, RULES, are_listed=True),
        )
    return chosen


def _plain(name: str, parameters: dict[str, Any]) -> Rule:
    from candlecast import signals

    return getattr(signals, PLAIN[name])(**parameters)


def _overlay(name: str, under: Rule, parameters: dict[str, Any], costs: Costs) -> Rule:
    from candlecast.backtesting import DrawdownStop
    from candlecast.signals import VolatilityTarget

    if name == "drawdown-stop":
        return DrawdownStop(rule=under, costs=costs, **parameters)
    return VolatilityTarget(rule=under, **parameters)
