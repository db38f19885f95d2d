"""Options that name the candles of one asset, and say how they are read and repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import assets
from candlecast.cli.completion import one_of
from candlecast.cli.mending import Mending, mending_options
from candlecast.cli.reading import reading_options
from candlecast.cli.source_registry import NAMES, SOURCES, store_option
from candlecast.errors import ConfigError
from candlecast.events import Listener

if TYPE_CHECKING:
    from candlecast.candles import Candles

USUAL = "sp500"  # studied where nothing is named


@dataclass(frozen=True)
class AssetOptions:
    """What the options say. `mending` repairs candles that come from elsewhere, too."""

    interval: str | None
    source: str | None
    since: str | None
    until: str | None
    store: str
    reading: Mapping[str, Any]
    mending: Mending

    def load(self, asset: str, listener: Listener) -> Candles:
        """The candles of a symbol or a file, repaired. Raises CandlecastError."""
        candles = assets.load(
            asset,
            interval=self.interval,
            reading=self.reading,
            source=self.source,
            store=self.store,
            since=self.since,
            until=self.until,
            repair=self.mending.repaired,
            progress=listener,
        )
        return self.mending.joined(candles)

    def load_or_take(self, asset: str | None, own: Candles | None, listener: Listener) -> Candles:
        """The candles of an asset; where none is named, those of a study file or a run, or else the S&P 500.

        --interval, --since and --until hold for all of them. Raises ConfigError for an option that says where candles
        come from, or how a file is read, where they are those of a study file or a run.
        """
        if asset is not None or own is None:
            return self.load(asset or USUAL, listener)
        for name, value in [("source", self.source), *self.reading.items()]:
            if value:
                raise ConfigError(
                    f"--{name} without --asset",
                    expected="a symbol or a file that the option belongs to; the study file or the run has candles of its own",
                    remedy="Name it with --asset, or leave the option out",
                )
        candles = assets.part(self.mending.repaired(own), interval=self.interval, since=self.since, until=self.until)
        return self.mending.joined(candles)


def asset_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --interval, --source, --since, --until, --store and the options of reading and mending, received as `options`."""

    @click.option(
        "--interval",
        help="Length of one candle, such as 1h; the file's when not given, which is made longer if needed.",
    )
    @click.option("--source", shell_complete=one_of(SOURCES), help=f"Fetch a symbol from here first: {NAMES}.")
    @click.option("--since", help="First day or time, UTC.")
    @click.option("--until", help="End, UTC; now when not given.")
    @store_option
    @reading_options
    @mending_options
    @wraps(command)
    def decorated(
        interval: str | None,
        source: str | None,
        since: str | None,
        until: str | None,
        store: str,
        reading: Mapping[str, Any],
        mending: Mending,
        **others: Any,
    ) -> None:
        command(options=AssetOptions(interval, source, since, until, store, reading, mending), **others)

    return decorated
