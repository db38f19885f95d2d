"""The assets of a panel from whatever holds them: candles, frames, files, a folder, a dict, or a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.candles import Candles, Ending, Origin
from candlecast.candles.fills import repeated_at_end
from candlecast.errors import ConfigError, listed
from candlecast.sources.files import as_candles
from candlecast.store import Store

ENDED = 20  # bars without a trade at the end, after which an asset has ended


def as_panel_assets(assets: Any, *, interval: str | None = None) -> list[Candles]:
    """The candles of each asset, in the order of their symbols.

    Args:
        assets: a list of `Candles`, frames or paths; a dict of them by symbol; a folder, of which all files are read; or a
            `Store`, of which all series are read.
        interval: which series of a store; needed where it has several intervals.

    Raises:
        ConfigError: for one asset, for several of one symbol, and for several intervals.
        CandleError, SourceError: for what cannot be read, for unsound candles, and for a symbol that was given to another asset.
    """
    found = _candles(assets, interval)
    if len(found) < 2:
        given = f"one asset ({found[0].symbol}) was given" if found else "no asset was given"
        raise ConfigError(
            f"{given} for a cross-section",
            expected="three assets or more",
            remedy="Give more, or use cc.Study for one asset",
        )
    symbols = [each.symbol for each in found]
    doubled = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if doubled:
        raise ConfigError(
            f"two assets are called {doubled[0]}",
            expected="a symbol each",
            remedy='Give them by name: {"AAA": candles, "BBB": others}',
        )
    intervals = sorted({str(each.interval) for each in found})
    if len(intervals) > 1:
        raise ConfigError(
            f"the assets have the intervals {listed(intervals)}",
            expected="one interval",
            remedy="Resample to the longest: candles.resample(...)",
        )
    for each in found:
        each.require_sound().require_one_asset()
    return sorted(found, key=lambda each: each.symbol)


def spelt_as(assets: list[Candles], symbols: Sequence[str]) -> list[Candles]:
    """The assets, of which those whose symbol differs from one of `symbols` in its case alone are called by that one.

    Files are often named in lower case, and lists of members in upper case. A symbol that two assets could be called stays.
    """
    exact, taken = set(symbols), Counter(each.symbol.casefold() for each in assets)
    spelt = {symbol.casefold(): symbol for symbol in symbols}
    alone = Counter(symbol.casefold() for symbol in exact)

    def named(each: Candles) -> Candles:
        folded = each.symbol.casefold()
        is_plain = each.symbol not in exact and taken[folded] == 1 and alone[folded] == 1
        return replace(each, symbol=spelt[folded]) if is_plain else each

    return sorted(map(named, assets), key=lambda each: each.symbol)


def with_ends(assets: list[Candles], end: Any) -> list[Candles]:
    """The assets, of which those that trade no more before `end` (datetime64) are known to have ended.

    Those without a bar in the last 30 days, or in the last `ENDED` bars where these are shorter; and those whose file goes on
    with the last close, without any trade, for as long: these bars are left out. Positions are then closed at the last close,
    instead of being held at that price for ever.
    """
    from candlecast.evaluation.survivorship import LATE

    late = min(LATE, ENDED * np.timedelta64(assets[0].interval.microseconds, "us"))
    return [_with_end(each, end, late) for each in assets]


def _with_end(candles: Candles, end: Any, late: Any) -> Candles:
    traded = len(candles) - repeated_at_end(candles)
    if traded and candles.close_time[traded - 1] < end - late:
        return ended(candles[:traded])
    return candles


def ended(candles: Candles) -> Candles:
    """The candles, known to have ended with their last bar."""
    if candles.has_ended:
        return candles
    origin = candles.origin or Origin("table")
    at = f"{candles.frame['close_time'][-1].isoformat()}"
    ending = Ending(at, "no later trade, although other assets of the panel have some")
    return replace(candles, origin=replace(origin, ended=ending))


def _candles(assets: Any, interval: str | None) -> list[Candles]:
    if isinstance(assets, Store):
        return _of_store(assets, interval)
    if isinstance(assets, Mapping):
        return [replace(as_candles(each), symbol=str(symbol)) for symbol, each in assets.items()]
    if isinstance(assets, (str, Path)) and Path(assets).is_dir():
        files = sorted(path for path in Path(assets).iterdir() if path.is_file() and not path.name.startswith("."))
        return [as_candles(path) for path in files]
    if isinstance(assets, (list, tuple)):
        return [as_candles(each) for each in assets]
    return [as_candles(assets)]


def _of_store(store: Store, interval: str | None) -> list[Candles]:
    series = store.series()
    intervals = sorted(series["interval"].unique())
    if interval is None and len(intervals) != 1:
        raise ConfigError(
            f"the store has candles of {listed(intervals) if intervals else 'nothing'}",
            expected="one interval",
            remedy='Name one, as in run(store, interval="1d")' if intervals else "Fetch some: candlecast fetch",
        )
    chosen = interval or intervals[0]
    rows = series.filter(series["interval"] == chosen).select("source", "symbol", "interval").rows()
    return [store.read(source, symbol, length) for source, symbol, length in rows]
