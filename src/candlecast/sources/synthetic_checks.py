"""Checks of the parameters of synthetic markets."""

from __future__ import annotations

import math

from candlecast.errors import ConfigError
from candlecast.parameters import is_number


def require_numbers(**given: float | None) -> None:
    """Raise ConfigError for the first that is no finite number; None is one that was left out."""
    for name, value in given.items():
        if not (value is None or (is_number(value) and math.isfinite(value))):
            raise ConfigError(f"{name} is {value!r}", expected="a number", remedy="Leave it out")


def require_above_zero(name: str, value: float) -> None:
    """Raise ConfigError for what is not above zero."""
    if not value > 0:
        raise ConfigError(f"{name} is {value}", expected="a number above 0", remedy="Leave it out")


def require_stay(stay: float) -> None:
    """Raise ConfigError for what is no probability of staying in a regime."""
    if not 0.5 <= stay < 1:
        raise ConfigError(f"stay is {stay}", expected="a probability in [0.5, 1)", remedy="Use for example stay=0.99")


def require_share(name: str, share: float) -> None:
    """Raise ConfigError for what is no share in [0, 1)."""
    if not 0 <= share < 1:
        raise ConfigError(f"{name} is {share}", expected="a share in [0, 1)", remedy=f"Use for example {name}=0.25")
