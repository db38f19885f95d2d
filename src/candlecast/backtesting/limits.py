"""`Limits`: safety limits of an account, one state step at each close; the same for paper trading and for a backtest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from candlecast.parameters import as_path, is_number, require_kinds, require_parameters
from candlecast.text.formatting import percent

TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]


class LimitState(NamedTuple):
    """What limits remember: the state and its reason, the highest equity so far, and the last close."""

    state: TradingState
    reason: str
    peak: float
    close: float


class Close(NamedTuple):
    """The account at the close of a bar.

    `decided` is the target that the rule decided there (NaN: none), `target` the one that was given to the account before.
    `is_killed`: the kill switch is on; `is_stale`: no bar has come for too long.
    """

    equity: float
    close: float
    decided: float
    target: float
    is_killed: bool = False
    is_stale: bool = False


@dataclass(frozen=True)
class Limits:
    """When the account may only reduce its position, and when it stops.

    drawdown: HALTED, flat from the next open on, when equity at a close is this share below its peak; None for never.
    max_position: largest position, a fraction of equity (or units, for a rule in units); larger targets are cut to it.
    price_band: REDUCING while the close of a bar is farther than this share from the close before, such as 0.2.
    stale_bars: REDUCING to flat when no bar has come for this many intervals (paper trading only).
    kill_file: HALTED while this file exists (paper trading only).

    ACTIVE follows the rule. REDUCING follows it only towards flat, until a bar is within the limits again. HALTED stays flat;
    a session leaves it only when it is told to (`resume`), or when the kill file is gone and that was the reason.
    """

    drawdown: float | None = None
    max_position: float | None = None
    price_band: float | None = None
    stale_bars: float = 2.0
    kill_file: Path | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "drawdown": (_is_share(self.drawdown), "a share in (0, 1), such as 0.2, or None"),
                "max_position": (self.max_position is None or _is_above_zero(self.max_position), "above 0, or None"),
                "price_band": (self.price_band is None or _is_above_zero(self.price_band), "a share above 0, or None"),
                "stale_bars": (_is_above_zero(self.stale_bars), "a number of bars above 0"),
            },
        )
        if self.kill_file is not None:
            object.__setattr__(self, "kill_file", as_path(self.kill_file, "kill_file"))

    def init(self, equity: float) -> LimitState:
        """The state before the first bar."""
        return LimitState("ACTIVE", "", equity, math.nan)

    def step(self, state: LimitState, now: Close) -> tuple[LimitState, float]:
        """The state after a close, and the target that takes the place of the decided one (NaN: keep what is held).

        >>> limits = Limits(drawdown=0.1)
        >>> state, target = limits.step(limits.init(100.0), Close(equity=95.0, close=1.0, decided=1.0, target=0.0))
        >>> state.state, target
        ('ACTIVE', 1.0)
        >>> state, target = limits.step(state, Close(equity=89.0, close=1.0, decided=1.0, target=1.0))
        >>> state.state, state.reason, target
        ('HALTED', 'equity is 11.0 % below its peak', 0.0)
        """
        peak = max(state.peak, now.equity)
        after, reason = self._after(state, now, peak)
        target = now.decided
        if self.max_position is not None and not math.isnan(target):
            target = max(-self.max_position, min(self.max_position, target))
        if after == "HALTED" or (after == "REDUCING" and now.is_stale):
            target = 0.0 if now.target != 0.0 or not math.isnan(target) else math.nan
        elif after == "REDUCING" and not math.isnan(target):
            target = _reduced(target, now.target)
        return LimitState(after, reason, peak, now.close), target

    def _after(self, state: LimitState, now: Close, peak: float) -> tuple[TradingState, str]:
        fallen = 1.0 - now.equity / peak if peak > 0 else 1.0
        if self.drawdown is not None and fallen >= self.drawdown:
            return "HALTED", f"equity is {percent(fallen)} below its peak"
        if now.is_killed:
            return "HALTED", "the kill file is there"
        if state.state == "HALTED" and state.reason != "the kill file is there":
            return "HALTED", state.reason
        if now.is_stale:
            return "REDUCING", f"no bar has come for {self.stale_bars:g} intervals"
        moved = abs(now.close / state.close - 1.0) if state.close > 0 else 0.0
        if self.price_band is not None and moved > self.price_band:
            return "REDUCING", (
                f"the close moved by {percent(moved)} in one bar, beyond the band of {percent(self.price_band)}"
            )
        return "ACTIVE", ""


def _reduced(wanted: float, held: float) -> float:
    """The wanted target as far as it leads towards flat."""
    if held == 0.0 or wanted * held <= 0.0:
        return 0.0
    return math.copysign(min(abs(wanted), abs(held)), held)


def _is_share(value: object) -> bool:
    return value is None or (is_number(value) and 0.0 < float(value) < 1.0)  # type: ignore[arg-type]


def _is_above_zero(value: object) -> bool:
    return is_number(value) and 0.0 < float(value) < math.inf  # type: ignore[arg-type]
