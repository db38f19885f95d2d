"""Options that repair unsound candles, the same in every command; without one of them nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from candlecast.candles import Candles


@dataclass(frozen=True)
class Mending:
    """What the options say."""

    repair: str | None
    sort: bool
    factors: Path | None
    max_gap: int | None
    bridge: int | None
    clock: str | None
    real_jumps: bool

    def repaired(self, candles: Candles) -> Candles:
        """The candles as they were read on the clock given, sorted, mended and adjusted, each change counted in their origin.

        Longer candles are made of these. Raises CandlecastError.
        """
        from candlecast.sources.file_formats import with_factors

        if self.clock is not None:
            candles = candles.on_clock(self.clock)
        candles = candles.mended(self.repair, sort=self.sort)  # type: ignore[arg-type]
        return candles if self.factors is None else with_factors(candles, self.factors)

    def joined(self, candles: Candles) -> Candles:
        """The candles that are computed on: gaps cut out or bridged, jumps declared. Raises CandlecastError."""
        candles = candles.mended(max_gap=self.max_gap, bridge=self.bridge)
        return candles.with_real_jumps() if self.real_jumps else candles


def mending_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --clock, --sort, --mend, --factors, --max-gap, --bridge and --real-jumps; the command receives them as `mending`."""

    @click.option(
        "--clock",
        help='Trading hours, such as "09:30-16:00 America/New_York" or "always"; found in the times if not given.',
    )
    @click.option("--sort", is_flag=True, help="Put the bars in order of time.")
    @click.option(
        "--mend",
        type=click.Choice(["drop", "clip"]),
        help="Leave out invalid bars, or move low and high out to hold open and close.",
    )
    @click.option(
        "--factors", type=click.Path(path_type=Path), help="Factor file of splits and dividends, as Lean writes it."
    )
    @click.option("--max-gap", type=int, help="Keep the longest stretch without a gap of more bars.")
    @click.option("--bridge", type=int, help="Count gaps of at most so many bars as none.")
    @click.option("--real-jumps", is_flag=True, help="Jumps like splits are moves of the market; give a verdict.")
    @wraps(command)
    def decorated(
        clock: str | None,
        sort: bool,
        mend: str | None,
        factors: Path | None,
        max_gap: int | None,
        bridge: int | None,
        real_jumps: bool,
        **options: Any,
    ) -> None:
        command(mending=Mending(mend, sort, factors, max_gap, bridge, clock, real_jumps), **options)

    return decorated
