"""`reconcile`: a paper session against its backtest on the final candles, each difference by its cause, in money.

The account is walked several times along the session, and one cause is taken away each time:

    paper          as the journal has it
    unexplained    the journal's decisions walked again by the account of the backtests: a difference is a defect
    limits         the rule's decisions in place of those that safety limits changed
    clock          orders held back because the machine's clock was wrong are given at their open
    delay          orders that were decided too late are given at their open
    costs          orders pay the assumed spread in place of the one that the feed showed
    model          the run's models in place of those that were trained during the session
    data           the final candles in place of the bars as they were seen: revised, late and missing ones
    backtest       `backtest` of the rule's positions on the final candles

Each cause is the difference of two walks that follow each other, so that the sum is exact at every bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, backtest
from candlecast.candles import Candles
from candlecast.candles.growing import PRICES, TIMES
from candlecast.errors import CandleError, NotEnoughDataError
from candlecast.live.journal import Arrivals, Entry
from candlecast.live.opening import Machinery, candles_of, machinery
from candlecast.live.record import SessionRecord, read_session
from candlecast.live.trading import Trader
from candlecast.signals.positions import Positions
from candlecast.study.result import StudyResult
from candlecast.study.study import Study
from candlecast.text.formatting import count, number, table
from candlecast.text.notebook import notebook_text

CAUSES = ("unexplained", "limits", "clock", "delay", "costs", "model", "data")
WORDS = {
    "unexplained": "unexplained: a defect",
    "limits": "safety limits",
    "clock": "orders held back by a wrong clock",
    "delay": "orders decided too late for the next open",
    "costs": "spread seen in place of the assumed one",
    "model": "age of the model: models trained during the session",
    "data": "bars revised, late or missing when they were traded",
}


@dataclass(frozen=True, eq=False)
class Reconciliation:
    """A session beside its backtest, in quote currency.

    `paper` and `backtest`: final equity of both. `causes`: what each cause added to the paper account, by name; their sum is
    paper - backtest exactly. `frame` has one row for each bar: `time`, `paper`, `backtest`, and the causes so far.
    `differences` has one row for each decision or fill that differs: `time`, `cause`, `what`. `spread`: what the fills would
    have cost more (below 0: less) at the best bid and ask that the feed showed, which are not part of the account; None where
    it showed none. `bars`, `late`, `revised`, `missing`: counts.
    """

    session: str
    paper: float
    backtest: float
    causes: dict[str, float]
    frame: pl.DataFrame
    differences: pl.DataFrame
    spread: float | None
    bars: int
    late: int
    revised: int
    missing: int

    @property
    def unexplained(self) -> float:
        """What no cause explains; 0.0 unless there is a defect, or the session ran with other libraries."""
        return self.causes["unexplained"]

    @property
    def text(self) -> str:
        """The answer and a table of the causes."""
        gap = self.paper - self.backtest
        head = (
            f"{self.session}: {count(self.bars, 'bar')}, paper {self.paper:,.2f}, backtest {self.backtest:,.2f}: "
            f"{'no difference' if gap == 0 else f'{gap:+,.2f}'}."
        )
        rows = [
            [WORDS[name], f"{value:+,.2f}"] for name, value in self.causes.items() if value or name == "unexplained"
        ]
        seen = f"Bars: {self.late:,} late, {self.revised:,} revised, {self.missing:,} missing when they were due."
        spread = (
            "The feed showed no bid and ask."
            if self.spread is None
            else f"At the best bid and ask that were seen, fills would have cost {number(self.spread)} more than assumed."
        )
        causes = ["", table(rows, ["cause", "money"])] if any(self.causes.values()) else []
        return "\n".join([head, *causes, "", seen, spread])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Reconciliation({self.text.splitlines()[0]})"

    def _repr_html_(self) -> str:
        """The answer and the causes, for notebooks."""
        return notebook_text(self.text)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "session": self.session,
            "paper": self.paper,
            "backtest": self.backtest,
            "difference": self.paper - self.backtest,
            "causes": self.causes,
            "spread": self.spread,
            "bars": self.bars,
            "late": self.late,
            "revised": self.revised,
            "missing": self.missing,
            "differences": [
                {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
                for row in self.differences.to_dicts()
            ],
        }


@dataclass(frozen=True, eq=False)
class Walk:
    """An account along the bars of a session: equity and decided target at each close, by time."""

    times: list[datetime]
    equity: list[float]
    decided: list[float]
    fills: list[tuple[datetime, float, float]]


def reconcile(
    session: str | Path, *, run: StudyResult | None = None, candles: Candles | None = None, study: Study | None = None
) -> Reconciliation:
    """Explain, in money, how a paper session differs from the backtest of its run on the final candles.

    Args:
        session: its folder.
        run: that was traded; read from where it was when not given.
        candles: the final ones, such as a source gives them now; when not given, the bars as the feed gave them last, with
            the revisions and the late bars that came during the session.
        study: that of the run, needed where its model, features or rule are functions of yours.

    Raises:
        RunError: for what is no session, a damaged one, or one whose run is gone.
        NotEnoughDataError: for a session without a bar.
        CandleError: for candles that do not cover the session.
    """
    record = read_session(session)
    result = record.result(study=study) if run is None else run
    if not record.bars:
        raise NotEnoughDataError(
            f"the session {record.folder} has no bar yet", expected="one bar or more", remedy="Let it run on"
        )
    final = _final(record, result, candles)
    seen = candles_of(record.every_bar, result.candles)
    journal = _of_journal(record)
    opening, entries = record.opening, record.entries
    trained = [entry for entry in entries if entry.kind == "refit"]
    made = _fresh(result, opening, study)
    ruled = _ruled(made, seen, entries, record.folder)
    untrained = ruled if not trained else _ruled(_fresh(result, opening, study), seen, (), record.folder)
    held_back, by_clock = _held_back(record)
    decided, own = (np.array([_number(bar[name]) for bar in record.every_bar]) for name in ("decided", "ruled"))
    same = np.array_equal(own, ruled, equal_nan=True)
    paid = _half_spreads(record)
    prompt = np.zeros_like(held_back)
    walks = [
        journal,
        _walked(made, record, seen, _with_stale(entries, decided), held_back, paid),
        _walked(made, record, seen, own, held_back, paid),
        _walked(made, record, seen, own, held_back & ~by_clock, paid),
        _walked(made, record, seen, own, prompt, paid),
        _walked(made, record, seen, own, prompt),
        _walked(made, record, seen, untrained, prompt),
        _backtested(_fresh(result, opening, study), record, result, final),
    ]
    return _explained(record, walks, final, is_recomputed=same)


def _fresh(result: StudyResult, opening: dict[str, Any], study: Study | None) -> Machinery:
    return machinery(result, opening, (), Path(), study)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _of_journal(record: SessionRecord) -> Walk:
    bars = record.bars
    times = [datetime.fromisoformat(bar["close_time"]) for bar in bars]
    fills = [
        (time, _number(fill[3]), _number(fill[4]))
        for time, bar in zip(times, bars, strict=True)
        for fill in bar["fills"]
    ]
    given = _with_stale(record.entries, np.array([_number(bar["decided"]) for bar in record.every_bar]))
    decided = [float(each) for each, bar in zip(given, record.every_bar, strict=True) if not bar["warm"]]
    return Walk(times, [bar["equity"] for bar in bars], decided, fills)


def _ruled(made: Machinery, bars: Candles, entries: Sequence[Entry], folder: Path) -> np.ndarray:
    """What the rule decides on bars, by the run's models and those that were trained on the way."""
    from candlecast.live.opening import NETS

    found, start = [], 0
    closes = bars.frame["close_time"].to_list()
    for entry in (each for each in entries if each.kind == "refit"):
        stop = closes.index(datetime.fromisoformat(entry.content["trained_at"])) + 1
        found.append(_decided(made, bars[start:stop]))
        since = np.datetime64(datetime.fromisoformat(entry.content["since"]).replace(tzinfo=None), "us")
        kept, index = made.forecaster.growing.candles(len(made.forecaster.growing)), entry.content["index"]
        made.forecaster.add(made.trainer.restored(kept, index, since, folder / NETS.format(index)))
        start = stop
    if start < len(bars):
        found.append(_decided(made, bars[start:]))
    return np.concatenate(found)


def _decided(made: Machinery, bars: Candles) -> np.ndarray:
    return made.trader.decide(made.forecaster.step(bars), bars, made.forecaster.growing)


def _held_back(record: SessionRecord) -> tuple[np.ndarray, np.ndarray]:
    """Bool (bars,): the bar's open had gone by when the order was decided; and that because of a wrong clock."""
    late = [bool(bar["late"]) for bar in record.every_bar]
    is_off, by_clock = False, []
    for entry in record.entries:
        if entry.kind == "notice" and entry.content["kind"] in ("clock wrong", "clock right"):
            is_off = entry.content["kind"] == "clock wrong"
        elif entry.kind == "bar":
            by_clock.append(is_off and bool(entry.content["late"]))
    return np.array([False, *late[:-1]]), np.array([False, *by_clock[:-1]])


def _with_stale(entries: Sequence[Entry], decided: np.ndarray) -> np.ndarray:
    """The targets decided at each bar, and in their place those that limits gave before the next one."""
    row, found = -1, decided.copy()
    for entry in entries:
        row += entry.kind == "bar"
        if entry.kind == "limit" and entry.content.get("target") is not None and row >= 0:
            found[row] = entry.content["target"]
    return found


def _half_spreads(record: SessionRecord) -> np.ndarray | None:
    """What orders paid in place of the assumed spread, (bars,); None for a session at the assumed one."""
    if not record.opening.get("at_spread"):
        return None
    return np.array([math.nan, *(_number(bar.get("half_spread")) for bar in record.every_bar[:-1])])


def _walked(
    made: Machinery,
    record: SessionRecord,
    bars: Candles,
    decided: np.ndarray,
    held_back: np.ndarray,
    half_spreads: np.ndarray | None = None,
) -> Walk:
    """The account along bars with given decisions; what was decided before the session began is not traded."""
    is_warm = np.array([bar["warm"] for bar in record.every_bar])
    trader = Trader(made.parts.rule, made.trader.costs, record.opening["cash"])
    trader.rules = made.trader.rules  # whose unit and band are known
    trader.remember(made.history, None, made.forecaster.growing)
    steps = trader.trade(bars, np.where(is_warm, np.nan, decided), held_back=held_back, half_spreads=half_spreads)
    closes = bars.frame["close_time"].to_list()
    traded = [(time, step) for time, step, warm in zip(closes, steps, is_warm, strict=True) if not warm]
    fills = [(time, fill[3], fill[4]) for time, step in traded for fill in step.fills]
    return Walk([time for time, _ in traded], [s.equity for _, s in traded], [s.decided for _, s in traded], fills)


def _backtested(made: Machinery, record: SessionRecord, result: StudyResult, final: Candles) -> Walk:
    """The backtest of the rule's positions on the final candles, from the first bar of the session on."""
    decided = _decided(made, final)
    trades_from = datetime.fromisoformat(record.opening["trades_from"])
    closes = final.frame["close_time"].to_list()
    rows = [row for row, time in enumerate(closes) if time > trades_from and not math.isnan(decided[row])]
    times = [time for time in closes if time > trades_from]
    cash = float(record.opening["cash"])
    if not rows:
        return Walk(times, [cash] * len(times), [math.nan] * len(times), [])
    rules = made.trader.rules
    frame = pl.DataFrame({"time": [closes[row] for row in rows], "position": decided[rows]})
    positions = Positions(
        frame.with_columns(symbol=pl.lit(final.symbol)), rules.leverage, in_units=rules.in_units, band=rules.band
    )
    whole = replace(final, frame=made.history.frame.select(final.frame.columns).vstack(final.frame))
    found = backtest(whole, positions, costs=result.costs, cash=cash)
    by_time = dict(zip(found.equity["time"], found.equity["equity"], strict=True))
    equity = [by_time.get(time, cash) for time in times]
    wanted = [decided[row] for row, time in enumerate(closes) if time > trades_from]
    return Walk(times, equity, [float(each) for each in wanted], _fills(found, final))


def _fills(found: BacktestResult, final: Candles) -> list[tuple[datetime, float, float]]:
    """Fills by the close of their bar."""
    closes = dict(final.frame.select("open_time", "close_time").iter_rows())
    signs = [1.0 if side == "buy" else -1.0 for side in found.fills["side"]]
    rows = zip(found.fills["time"], signs, found.fills["units"], found.fills["price"], strict=True)
    return [(closes.get(time, time), sign * units, price) for time, sign, units, price in rows]


def _final(record: SessionRecord, result: StudyResult, candles: Candles | None) -> Candles:
    """The bars of the session as they are known in the end."""
    first = datetime.fromisoformat(record.every_bar[0]["open_time"])
    last = datetime.fromisoformat(record.every_bar[-1]["open_time"])
    if candles is not None:
        opened = candles.frame["open_time"]
        frame = candles.frame.filter((opened >= first) & (opened <= last))
        if not frame.height or frame["open_time"][0] != first or frame["open_time"][-1] != last:
            raise CandleError(
                f"the candles go from {opened[0] if len(candles) else 'nowhere'} to {opened[-1] if len(candles) else 'nowhere'}",
                expected=f"all bars of the session, from {first} to {last}",
                remedy="Fetch the candles again",
            )
        return replace(result.candles, frame=frame.select(*TIMES, *PRICES), origin=None)
    bars = {bar["open_time"]: bar for bar in record.every_bar}
    interval = result.candles.interval
    for entry in record.entries:
        notice = entry.content
        if entry.kind == "notice" and notice["kind"] in ("revised", "back in time") and notice["bar"] is not None:
            opened = datetime.fromisoformat(notice["open_time"])
            if first <= opened <= last:
                bars[notice["open_time"]] = {
                    "open_time": notice["open_time"],
                    "close_time": interval.next(opened).isoformat(),
                    "bar": notice["bar"],
                }
    return candles_of([bars[time] for time in sorted(bars)], result.candles)


def _explained(record: SessionRecord, walks: list[Walk], final: Candles, *, is_recomputed: bool) -> Reconciliation:
    """Differences of walks that follow each other; exact by exact fractions."""
    times = walks[-1].times
    columns = [_along(walk, times, float(record.opening["cash"])) for walk in walks]
    causes = {}
    frame = {"time": times, "paper": columns[0], "backtest": columns[-1]}
    for name, before, after in zip(CAUSES, columns[:-1], columns[1:], strict=True):
        frame[name] = [float(Fraction(one) - Fraction(other)) for one, other in zip(before, after, strict=True)]
        causes[name] = frame[name][-1]
    if not is_recomputed and causes["unexplained"] == 0.0:
        causes["unexplained"] = math.nan  # the same decisions do not come back: other libraries, or a defect
    kinds = [entry.content["kind"] for entry in record.entries if entry.kind == "notice"]
    return Reconciliation(
        session=str(record.folder),
        paper=columns[0][-1],
        backtest=columns[-1][-1],
        causes=causes,
        frame=pl.DataFrame(frame),
        differences=_differences(walks),
        spread=_spread(record),
        bars=len(record.bars),
        late=sum(bar["late"] for bar in record.bars),
        revised=kinds.count("revised"),
        missing=len(final) - len(record.every_bar) + _absent(record),
    )


def _absent(record: SessionRecord) -> int:
    """Bars that never came."""
    notices = [entry.content for entry in record.entries if entry.kind == "notice"]
    absent = sum(notice["bars"] for notice in notices if notice["kind"] == "missing")
    late = sum(notice["kind"] == "back in time" for notice in notices)
    return max(absent - late, 0)


def _along(walk: Walk, times: list[datetime], cash: float) -> list[float]:
    """Equity at each of the times, that of the bar before where there is none."""
    known = dict(zip(walk.times, walk.equity, strict=True))
    found, last = [], cash
    for time in times:
        last = known.get(time, last)
        found.append(last)
    return found


def _differences(walks: list[Walk]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for name, before, after in zip(CAUSES, walks[:-1], walks[1:], strict=True):
        one, other = (
            dict(zip(before.times, before.decided, strict=True)),
            dict(zip(after.times, after.decided, strict=True)),
        )
        for time in sorted({*one, *other}):
            held, wanted = one.get(time, math.nan), other.get(time, math.nan)
            if held != wanted and not (math.isnan(held) and math.isnan(wanted)):
                rows.append(
                    {"time": time, "cause": name, "what": f"position {_shown(held)} in place of {_shown(wanted)}"}
                )
        rows += [{"time": time, "cause": name, "what": what} for time, what in _filled(before.fills, after.fills)]
    schema = {"time": pl.Datetime("us", "UTC"), "cause": pl.String, "what": pl.String}
    return pl.DataFrame(rows, schema=schema).sort("time", maintain_order=True)


def _filled(
    one: list[tuple[datetime, float, float]], other: list[tuple[datetime, float, float]]
) -> list[tuple[datetime, str]]:
    """Fills that only one of two walks has, or has otherwise."""
    before, after = set(one), set(other)
    gone = [
        (time, f"filled {units:+.6g} at {price:.8g}") for time, units, price in one if (time, units, price) not in after
    ]
    new = [
        (t, f"did not fill {units:+.6g} at {price:.8g}") for t, units, price in other if (t, units, price) not in before
    ]
    return gone + new


def _shown(position: float) -> str:
    return "none" if math.isnan(position) else f"{position:+g}"


def _spread(record: SessionRecord) -> float | None:
    """What the fills would have cost more at the best bid and ask seen before the bar; None where none were seen."""
    arrivals = Arrivals(record.folder)
    try:
        first = datetime.fromisoformat(record.every_bar[0]["open_time"])
        quotes = {bar.open_time: (bar.bid, bar.ask) for bar in arrivals.bars(first)}
    finally:
        arrivals.close()
    total, found, before = 0.0, False, (math.nan, math.nan)
    for bar in record.every_bar:
        for fill in bar["fills"]:
            units, price = fill[3], fill[4]
            touched = before[1] if units > 0 else before[0]
            if not math.isnan(touched):
                found = True
                total += units * (touched - price)
        before = quotes.get(datetime.fromisoformat(bar["open_time"]), before)
    return total if found else None
