"""The page of a session: one self-contained file, or live on 127.0.0.1, read-only, by server-sent events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from candlecast.errors import CandlecastError
from candlecast.live.events import position_words
from candlecast.live.reconcile import reconcile
from candlecast.live.record import SessionRecord, read_session
from candlecast.live.verdict import duration_words, live_verdict
from candlecast.report.document import document, heading_html
from candlecast.report.page_file import write_page
from candlecast.serving import Reply, Stream, serve
from candlecast.study.result import StudyResult
from candlecast.study.study import Study
from candlecast.targets import Target
from candlecast.targets.units import unit_of
from candlecast.targets.words import described
from candlecast.text.formatting import count, price
from candlecast.text.unbroken import unbroken

NEWEST = 12  # bars and notices that are listed
POINTS = 600  # of each line
LOOK_SECONDS = 1.0  # between two looks at the journal
STATES = {
    "ACTIVE": "ACTIVE: follows the rule",
    "REDUCING": "REDUCING: only towards flat",
    "HALTED": "HALTED: stays flat",
}
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"


def save_page(session: str | Path, path: str | Path, *, study: Study | None = None) -> Path:
    """Write the page of a session to one self-contained file; gives its path. Raises RunError."""
    record = read_session(session)
    return write_page(page_of(state_of(record, record.result(study=study), study)), path)


@contextmanager
def serve_page(session: str | Path, *, port: int = 0, study: Study | None = None) -> Iterator[str]:
    """Serve the page of a session while the block runs: its address on this machine, which nobody else can reach.

    Raises ConfigError for a port in use.
    """
    page = LivePage(Path(session), study)
    with serve(lambda path, _: page.answer(path), port=port) as address:
        yield address


class LivePage:
    """The page of a session, computed again when its journal has grown, and its server-sent events."""

    def __init__(self, folder: Path, study: Study | None = None) -> None:
        self._folder, self._study = folder, study
        self._lock = threading.Lock()
        self._result: StudyResult | None = None
        self._seen, self._state = "", dict[str, Any]()

    def answer(self, path: str) -> Reply | Stream | None:
        """The page at the empty path, its events at "events". Raises RunError for a damaged session."""
        if path == "events":
            return Stream(self._events)
        return Reply(page_of(self._look()[1]), policy=POLICY) if not path else None

    def _look(self) -> tuple[str, dict[str, Any]]:
        """Digest of the journal, and the state."""
        with self._lock:
            record = read_session(self._folder)
            digest = record.entries[-1].digest
            if digest != self._seen:
                if self._result is None:
                    self._result = record.result(study=self._study)
                self._state, self._seen = state_of(record, self._result, self._study), digest
            return self._seen, self._state

    def _events(self, closing: threading.Event) -> Iterator[str]:
        seen = ""
        while not closing.wait(0 if not seen else LOOK_SECONDS):
            digest, state = self._look()
            yield f"data: {unbroken(json.dumps(state))}\n\n" if digest != seen else ": \n\n"
            seen = digest


def state_of(record: SessionRecord, result: StudyResult, study: Study | None = None) -> dict[str, Any]:
    """What the page shows, as JSON values."""
    opening, bars = record.opening, record.bars
    first, last = (_minute(bars[row]["close_time"]) if bars else "" for row in (0, -1))
    verdict = live_verdict(record, result)
    held = bars[-1]["decided"] if bars else None
    state = {
        "title": f"{opening['symbol']} {opening['interval']} on paper",
        "symbol": opening["symbol"],
        "interval": opening["interval"],
        "run": f"Paper trading of {Path(opening['run']).name}; feed: {opening['feed']}",
        "period": f"{first} to {last} UTC, {count(len(bars), 'bar')}" if bars else "No bar yet",
        "forecasts": f"Forecasts of the {described(result.primary_target)} ({unit_of(result.primary_target).reading})",
        "verdict": verdict.text,
        "badges": [
            STATES.get(record.state, record.state),
            "no position yet" if held is None else position_words(held),
            f"equity {record.equity:,.2f}",
            *([] if verdict.days_left in (0.0, float("inf")) else [f"{duration_words(verdict.days_left)} left"]),
        ],
        "paper": _points([bar["close_time"] for bar in bars], [bar["equity"] for bar in bars]),
        "hold": _points([bar["close_time"] for bar in bars], _held(record)),
        "backtest": [],
        "reconciled": "",
        "bars": [_bar_row(bar, result.primary_target) for bar in bars[-NEWEST:][::-1]],
        "notices": [
            _notice_row(entry.content, entry.kind)
            for entry in record.entries
            if entry.kind in ("notice", "limit", "refit")
        ][-NEWEST:][::-1],
    }
    if bars:
        try:
            found = reconcile(record.folder, run=result, study=study)
        except CandlecastError as error:
            return state | {"reconciled": str(error)}
        frame = found.frame
        state["backtest"] = _points([time.isoformat() for time in frame["time"]], frame["backtest"].to_list())
        state["reconciled"] = found.text
    return state


def page_of(state: dict[str, Any]) -> str:
    """The page with a state in it."""
    script = (files("candlecast.live") / "page.js").read_text("utf-8").rstrip()
    heading = heading_html(state["symbol"], state["interval"], state["run"])
    values = {"state": _embedded(state), "script": script}
    return document(
        "live", values, title=state["title"], heading=heading, allowed="connect-src 'self'", is_scripted=True
    )


def _points(times: Sequence[str], values: Sequence[float]) -> list[list[float]]:
    """At most about POINTS points of a line: seconds since 1970 and value."""
    step = max(1, len(values) // POINTS)
    rows = [*range(0, len(values), step), *([len(values) - 1] if len(values) and (len(values) - 1) % step else [])]
    return [[datetime.fromisoformat(times[row]).timestamp(), values[row]] for row in rows]


def _held(record: SessionRecord) -> list[float]:
    """The cash invested at the first close, without costs."""
    closes = [bar["bar"][3] for bar in record.bars]
    return [record.opening["cash"] * close / closes[0] for close in closes]


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _bar_row(bar: dict[str, Any], target: Target) -> list[str]:
    forecast = unit_of(target).words(bar["forecast"] and bar["forecast"]["mean"])
    position = "-" if bar["decided"] is None else position_words(bar["decided"]).removeprefix("position ")
    return [
        _minute(bar["close_time"]),
        price(bar["bar"][3]),
        forecast,
        position,
        f"{bar['equity']:,.2f}",
        "late" if bar["late"] else "in time",
    ]


def _notice_row(content: dict[str, Any], kind: str) -> list[str]:
    at = str(content.get("at") or content.get("since") or content.get("open_time") or "")[:16].replace("T", " ")
    words = content.get("detail") or content.get("reason") or content.get("state") or ""
    if kind == "refit":
        words = f"models trained on everything known by {content['trained_at'][:16].replace('T', ' ')} UTC"
    elif kind == "limit":
        words = f"{content['state']}: {content['reason']}" if content["reason"] else f"{content['state']} again"
    return [at, words]


def _embedded(state: dict[str, Any]) -> str:
    """JSON that no text can end early inside a page."""
    return unbroken(json.dumps(state)).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
