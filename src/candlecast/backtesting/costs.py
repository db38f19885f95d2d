"""What trading costs: `Costs` in basis points for people, `Rates` as fractions for the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from candlecast.errors import ConfigError

HIGHEST_BPS = 1_000.0  # 10 %: more is a unit mistaken (percent, or a fraction of price), not a market


class Rates(NamedTuple):
    """Costs as fractions of traded value, the form that the account computes with."""

    fee: float
    slippage: float


@dataclass(frozen=True)
class Costs:
    """Fee and slippage of each trade, in basis points (1 bp = 0.01 %) of its value, on each side.

    A buy is filled at open x (1 + slippage), a sell at open x (1 - slippage); the fee is taken from the value traded at
    that price. The defaults are a taker's on a large exchange. Raises ConfigError outside 0 to 1,000 bps.

    >>> Costs(fee_bps=10, slippage_bps=2).rates
    Rates(fee=0.001, slippage=0.0002)
    """

    fee_bps: float = 10.0
    slippage_bps: float = 2.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps"):
            value = getattr(self, name)
            if not 0.0 <= value <= HIGHEST_BPS:
                raise ConfigError(
                    f"{name} is {value}",
                    expected=f"0 to {HIGHEST_BPS:,.0f} basis points of the value traded",
                    remedy="One basis point is 0.01 %: write 0.1 % as 10. Use Costs.free() for none",
                )

    @classmethod
    def free(cls) -> Costs:
        """No costs at all: what a strategy would earn in a world without friction."""
        return cls(fee_bps=0.0, slippage_bps=0.0)

    @property
    def rates(self) -> Rates:
        """The same costs as fractions."""
        return Rates(self.fee_bps / 10_000, self.slippage_bps / 10_000)


DEFAULT_COSTS = Costs()
