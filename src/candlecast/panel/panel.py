"""`Panel`: assets with histories of their own, side by side at the moments that they share; nothing is filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError, listed
from candlecast.interval import Interval
from candlecast.panel.assets import as_panel_assets, spelt_as, with_ends
from candlecast.panel.spells import Spells, numbers, spells_of
from candlecast.panel.universe import Universe
from candlecast.signals.across import Section
from candlecast.stats.ranking import LEAST_ASSETS
from candlecast.text.formatting import count

SHARE = 0.5  # of the assets that are listed at a moment, which must have a bar for it to be one of the panel
SHOWN = 5  # symbols that a notice lists


@dataclass(frozen=True, eq=False)
class Panel:
    """Candles of several assets on one calendar.

    `assets` are in the order of their symbols. `times` are the moments of the panel, closes in UTC, datetime64[us]: those at
    which at least half of the assets that are listed then (between the first and the last bar of each) have a bar, and two of
    them at least. `bars` (time, asset) is the number of each asset's own bar that closes at the moment, -1 where there is none:
    not listed yet, delisted, or halted. Nothing is filled. `universe` says who is a member when; without one, every
    asset is a member wherever it has a bar.

    Assets whose symbols differ from those of the universe in their case alone are called as there.

    An asset that trades no more for 30 days, or 20 bars where these are shorter, before the panel ends counts as ended: what is
    held of it is closed at its last close. One that does not trade for more than 20 moments (`panel.spells`) and then goes on
    may be another asset under the same symbol: no window, feature or outcome reaches across such a gap.
    """

    assets: tuple[Candles, ...]
    universe: Universe | None
    times: np.ndarray
    bars: np.ndarray

    @classmethod
    def of(cls, assets: Any, *, universe: Universe | None = None, interval: str | None = None) -> Panel:
        """The panel of these assets; see `as_panel_assets`.

        Raises ConfigError for one asset, several intervals, a universe that names none of the assets; NotEnoughDataError for
        assets without a moment in common.

        >>> from candlecast.sources import synthetic_panel
        >>> Panel.of(synthetic_panel(3, 100, seed=0).assets)
        Panel(3 assets, 1d, 100 moments)
        """
        if isinstance(assets, Panel):
            return assets
        found = as_panel_assets(assets, interval=interval)
        if universe is not None:
            found = spelt_as(found, universe.symbols)
            universe.require_known([each.symbol for each in found])
        found = with_ends(found, max(each.close_time[-1] for each in found))
        every = np.unique(np.concatenate([each.close_time for each in found]))
        bars = np.full((len(every), len(found)), -1, dtype=np.int64)
        listed_then = np.zeros(len(every), dtype=np.int64)
        for place, each in enumerate(found):
            rows = np.searchsorted(every, each.close_time)
            bars[rows, place] = np.arange(len(each))
            listed_then[rows[0] : rows[-1] + 1] += 1
        there = (bars >= 0).sum(axis=1)
        is_shared = (there >= 2) & (there >= SHARE * listed_then)
        if not is_shared.any():
            spans = [
                f"{each.symbol} from {_day(each.open_time[0])} to {_day(each.close_time[-1])}" for each in found[:3]
            ]
            raise NotEnoughDataError(
                f"the assets have no moment in common: {'; '.join(spans)}",
                expected="bars of two assets or more that close at the same moment",
                remedy="Give assets of the same time, exchange hours and interval",
            )
        return cls(tuple(found), universe, every[is_shared], bars[is_shared])

    def __repr__(self) -> str:
        return f"Panel({count(len(self.assets), 'asset')}, {self.interval}, {count(len(self.times), 'moment')})"

    def __len__(self) -> int:
        return len(self.times)

    @property
    def symbols(self) -> list[str]:
        """The assets' symbols, in order."""
        return [each.symbol for each in self.assets]

    @property
    def members(self) -> list[str]:
        """The symbols of those that are members of the universe at some moment, in order; all without a universe."""
        return [symbol for symbol, own in zip(self.symbols, self.is_member.T, strict=True) if own.any()]

    @property
    def name(self) -> str:
        """The panel in a word or two, for tables and folders."""
        return f"panel of {len(self.assets)}"

    @property
    def interval(self) -> Interval:
        """The interval of all assets."""
        return self.assets[0].interval

    @cached_property
    def has_bar(self) -> np.ndarray:
        """Whether each asset has a bar, bool (time, asset)."""
        return self.bars >= 0

    @cached_property
    def is_member(self) -> np.ndarray:
        """Whether each asset has a bar and is a member of the universe then, bool (time, asset)."""
        if self.universe is None:
            return self.has_bar
        opens = self.interval.before(pl.Series(self.times)).to_numpy().astype("datetime64[us]")
        return self.has_bar & self.universe.is_member(self.symbols, opens)

    @cached_property
    def sectors(self) -> np.ndarray:
        """Number of each asset's sector, int64 (asset,); all the same where none is known."""
        if self.universe is None:
            return np.zeros(len(self.assets), dtype=np.int64)
        return np.unique(self.universe.sectors_of(self.symbols), return_inverse=True)[1].astype(np.int64)

    @cached_property
    def rows(self) -> tuple[np.ndarray, ...]:
        """Of each asset, the moment of each of its own bars, int64 (bars,); -1 for a bar that lies on none."""
        found = []
        for place, each in enumerate(self.assets):
            rows = np.full(len(each), -1, dtype=np.int64)
            moments = np.flatnonzero(self.has_bar[:, place])
            rows[self.bars[moments, place]] = moments
            found.append(rows)
        return tuple(found)

    @cached_property
    def spells(self) -> tuple[Spells, ...]:
        """Of each asset, its bars between long gaps, each spell perhaps of another asset; see `panel.spells`."""
        return tuple(spells_of(each, self.times) for each in self.assets)

    @cached_property
    def has_gaps(self) -> bool:
        """Whether any asset has a long gap."""
        return any(len(each) > 1 for each in self.spells)

    @cached_property
    def _spell_numbers(self) -> np.ndarray:
        """The number of each asset's spell (time, asset), NaN where it has no bar."""
        return self.matrix(numbers(self.spells, [len(each) for each in self.assets]))

    def matrix(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Values of each asset by its own bars as one array (time, asset), NaN where an asset has no bar."""
        found = np.full(self.bars.shape, np.nan)
        for place, own in enumerate(values):
            moments = np.flatnonzero(self.has_bar[:, place])
            found[moments, place] = own[self.bars[moments, place]]
        return found

    @cached_property
    def closes(self) -> np.ndarray:
        """Closing prices (time, asset), NaN where an asset has no bar."""
        return self.matrix([each.close for each in self.assets])

    def returns_ahead(self, horizon: int) -> np.ndarray:
        """Log return of each asset from each moment over the next `horizon` moments, (time, asset).

        NaN where it has no bar at either end: no price is carried over a halt, and a delisted asset has no outcome after its
        last bar. NaN across a long gap.
        """
        found, logs = np.full(self.closes.shape, np.nan), np.log(self.closes)
        if horizon < len(self):
            found[:-horizon] = logs[horizon:] - logs[:-horizon]
            if self.has_gaps:
                spell = self._spell_numbers
                found[:-horizon][spell[horizon:] != spell[:-horizon]] = np.nan
        return found

    def returns_behind(self, horizon: int) -> np.ndarray:
        """Log return of each asset over the last `horizon` moments, (time, asset); NaN as for `returns_ahead`."""
        found = np.full(self.closes.shape, np.nan)
        if horizon < len(self):
            found[horizon:] = self.returns_ahead(horizon)[:-horizon]
        return found

    @cached_property
    def section(self) -> Section:
        """What rules know beside the scores: volatilities, sectors and returns."""
        returns, window = self.returns_behind(1), Section.VOLATILITY_BARS
        counted = np.isfinite(returns)
        sums = [np.cumsum(np.where(counted, returns**power, 0.0), axis=0) for power in (0, 1, 2)]
        number, total, square = (
            each - np.concatenate([np.zeros((window, each.shape[1])), each])[: len(each)] for each in sums
        )
        is_known = number >= window // 2
        mean = np.divide(total, number, out=np.zeros(total.shape), where=is_known)
        spread = np.sqrt(np.maximum(square - number * mean**2, 0.0) / np.maximum(number - 1, 1))
        return Section(np.where(is_known & (spread > 0), spread, np.nan), self.sectors, returns)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all assets and the universe, hexadecimal: names this very data."""
        digest = sha256("".join(each.fingerprint for each in self.assets).encode())
        digest.update((self.universe.fingerprint if self.universe else "every asset").encode())
        return digest.hexdigest()

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """What is odd about the assets, in sentences."""
        found = [self._survivorship, *self._of_universe]
        ended = [each.symbol for each in self.assets if each.has_ended]
        if ended:
            found.append(
                f"{count(len(ended), 'asset')} ended before the panel does ({_listed(ended)}): "
                f"{'it is' if len(ended) == 1 else 'they are'} closed at the last close; what was paid after that is not known"
            )
        gapped = [each.symbol for each, spells in zip(self.assets, self.spells, strict=True) if len(spells) > 1]
        if gapped:
            found.append(
                f"{count(len(gapped), 'asset')} did not trade for a long time while others did, and then went on "
                f"({_listed(gapped)}): another asset may have the symbol after such a gap; no feature or outcome reaches across"
            )
        off = sum(int((rows < 0).sum()) for rows in self.rows)
        if off:
            found.append(
                f"{count(off, 'bar')} at moments at which fewer than half of the assets have one: features read them, and "
                "nothing is forecast or decided there"
            )
        few = int((self.is_member.sum(axis=1) == LEAST_ASSETS - 1).sum())
        if few:
            found.append(
                f"{count(few, 'moment')} with two members only: the information coefficient (IC) needs {LEAST_ASSETS} and leaves "
                "them out, but the portfolio trades there"
            )
        return tuple(notice for notice in found if notice)

    @property
    def _survivorship(self) -> str:
        from candlecast.evaluation.survivorship import survivorship

        if self.universe is not None:
            return ""
        warning = survivorship(self.assets).warning
        return (
            "no membership was given, so that every asset counts as a member from its first bar on: a list that was chosen "
            "with later knowledge makes all results too good (survivorship bias); give universe=cc.Universe(...), or "
            "--universe FILE in the shell" + (f". {warning[0].upper()}{warning[1:]}" if warning else "")
        )

    @property
    def _of_universe(self) -> list[str]:
        if self.universe is None:
            return []
        lacking = sorted(set(self.universe.symbols) - set(self.symbols))
        strange = sorted(set(self.symbols) - set(self.universe.symbols))
        found = []
        if lacking:
            found.append(
                f"{count(len(lacking), 'member')} of the universe without candles ({_listed(lacking)}): results leave them out, "
                "and are too good where those that failed are among them"
            )
        if strange:
            found.append(
                f"{count(len(strange), 'asset')} not in the universe ({_listed(strange)}): never members, so never held"
            )
        return found


def require_members(panel: Panel) -> None:
    """Raise ConfigError for a panel of which fewer than three assets are members at any moment: it has no rank IC."""
    most = int(panel.is_member.sum(axis=1).max())
    if most < 2:
        raise ConfigError(
            "no two assets are members of the universe at the same moment",
            expected=f"{LEAST_ASSETS} members or more",
            remedy="Check the dates of the universe against those of the candles",
        )
    if most < LEAST_ASSETS:
        raise ConfigError(
            f"no more than {most} assets are members at the same moment: over two assets an information coefficient (IC) is "
            "+1, -1 or undefined, so no ranking can be tested",
            expected=f"{LEAST_ASSETS} assets or more",
            remedy="Add assets, or forecast one of them with cc.Study, for example target=cc.ExcessReturn(the other)",
        )


def _listed(symbols: list[str]) -> str:
    more = f" and {len(symbols) - SHOWN:,} more" if len(symbols) > SHOWN else ""
    return f"{', '.join(symbols[:SHOWN])}{more}" if more else listed(symbols)


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))
