"""`SessionRecord`: a session read back from its journal: its bars, account, forecasts and decisions as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.backtesting.filters import NO_FILTERS
from candlecast.backtesting.simulate import AccountHistory, AccountOptions, Market, walk_targets
from candlecast.candles import Candles
from candlecast.disk.exclusive import is_held
from candlecast.errors import NotEnoughDataError, RunError
from candlecast.live.journal import JOURNAL, Entry, read_journal
from candlecast.live.opening import account_of, candles_of
from candlecast.parameters import as_path
from candlecast.study.loading import load_run
from candlecast.study.result import StudyResult
from candlecast.study.study import Study
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_table

SHOWN = 5  # bars in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class SessionRecord:
    """What the journal of a session holds.

    folder: of the session.
    opening: its first entry.
    entries: all of them.
    """

    folder: Path
    opening: dict[str, Any]
    entries: tuple[Entry, ...]

    def __repr__(self) -> str:
        market = f"{self.opening.get('symbol')} {self.opening.get('interval')}"
        return f"SessionRecord({market}: {count(len(self.bars), 'bar')}, equity {self.equity:,.2f}, {self.state})"

    def _repr_html_(self) -> str:
        """The last bars, for notebooks."""
        heads = ("close", "price", "position", "equity")
        rows = [(bar["close_time"][:16], bar["bar"][3], bar["decided"], bar["equity"]) for bar in self.bars[-SHOWN:]]
        return notebook_table(repr(self), heads, rows)

    @cached_property
    def bars(self) -> list[dict[str, Any]]:
        """Entries of closed bars that were traded, or could have been."""
        return [entry.content for entry in self.entries if entry.kind == "bar" and not entry.content["warm"]]

    @cached_property
    def every_bar(self) -> list[dict[str, Any]]:
        """The same with those before the session began to trade."""
        return [entry.content for entry in self.entries if entry.kind == "bar"]

    @property
    def equity(self) -> float:
        """Equity at the last close; the initial cash before the first."""
        return float(self.bars[-1]["equity"]) if self.bars else float(self.opening["cash"])

    @property
    def state(self) -> str:
        """The state of the limits after the last bar."""
        return self.bars[-1]["limits"][0] if self.bars else "ACTIVE"

    @property
    def last_close(self) -> datetime | None:
        """Close of the last bar."""
        return datetime.fromisoformat(self.every_bar[-1]["close_time"]) if self.every_bar else None

    @property
    def is_running(self) -> bool:
        """Whether a process runs it now."""
        return is_held(self.folder)

    def result(self, *, study: Study | None = None) -> StudyResult:
        """The run that is traded. Raises RunError when it is gone."""
        return load_run(self._run, study=study)

    @property
    def _run(self) -> Path:
        """Its folder; a relative one that is not below the present folder is looked for beside the folder of sessions."""
        path = Path(self.opening["run"])
        beside = self.folder.resolve().parent.parent / path
        return beside if not path.is_dir() and beside.is_dir() else path

    def backtest(self, result: StudyResult) -> BacktestResult:
        """The account of the session with the tables of a backtest, and buy-and-hold beside it.

        Raises NotEnoughDataError before the first decision.
        """
        candles, costs = self.candles(result), result.costs
        bars = [bar for bar in self.every_bar if bar["number"] >= 0]
        if len(bars) < 2:
            raise NotEnoughDataError(
                f"the session {self.folder} has traded {len(bars)} bars",
                expected="2 or more after the first decision",
                remedy="Let it run on",
            )
        first = len(candles) - len(bars)
        options = AccountOptions(costs, self.opening["cash"], NO_FILTERS, None)
        market = Market.of(candles, options, first=first)
        held = np.array([[*account_of(bar)[:2]] for bar in bars])
        fills = [[math.nan if value is None else value for value in fill] for bar in bars for fill in bar["fills"]]
        written = np.array(fills, dtype=np.float64).reshape(-1, 8)
        history = AccountHistory(held, written, account_of(bars[-1]))
        benchmark = walk_targets(market, np.ones(len(market.bars)))
        waiting = bars[-1]["waiting"]
        return BacktestResult.of(market, history, benchmark, pending=waiting, bounds=None)

    def candles(self, result: StudyResult) -> Candles:
        """The bars of the run before the session, and those of the session as they were traded."""
        opened = datetime.fromisoformat(self.opening["first"])
        history = result.candles.frame.filter(result.candles.frame["open_time"] < opened)
        own = candles_of(self.every_bar, result.candles).frame
        return replace(result.candles, frame=history.select(own.columns).vstack(own), origin=None)

    def returns(self) -> np.ndarray:
        """Simple net returns of equity by bar since the first decision, float64."""
        equity = np.array([bar["equity"] for bar in self.bars if bar["number"] >= 0])
        return equity[1:] / equity[:-1] - 1.0 if len(equity) > 1 else np.empty(0)


def read_session(folder: str | Path) -> SessionRecord:
    """A session from its folder. Raises RunError for what is no session, or a damaged one."""
    folder = as_path(folder, "session")
    entries = read_journal(folder)
    if not entries or entries[0].kind != "session":
        raise RunError(
            f"{folder} holds no session yet",
            expected="a session that has begun",
            remedy="Begin it with: candlecast paper RUN",
        )
    return SessionRecord(folder, entries[0].content, tuple(entries))


def list_sessions(folder: str | Path = "paper") -> list[Path]:
    """The sessions in a folder, by name."""
    place = as_path(folder, "folder")
    found: Sequence[Path] = sorted(place.iterdir()) if place.is_dir() else []
    return [path for path in found if (path / JOURNAL).is_file()]
