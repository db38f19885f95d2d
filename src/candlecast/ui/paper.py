"""The page of paper sessions."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from candlecast.serving import Reply
from candlecast.text.cells import number, percent
from candlecast.text.formatting import CELL
from candlecast.ui.entries import entries_page
from candlecast.ui.listing import Column, Query
from candlecast.ui.workspace import Session, Workspace


def paper_page(workspace: Workspace, query: Query) -> Reply:
    """All sessions, by name."""
    absent = f"No paper sessions in {workspace.paper}. Begin one with: candlecast paper RUN --tape"
    return entries_page(
        workspace.sessions(),
        COLUMNS,
        query,
        of="paper",
        title="Paper",
        heading="Paper sessions",
        lead=str(workspace.paper),
        absent=absent,
    )


def _opening(session: Session, name: str) -> str:
    held = session.record.opening.get(name) if session.record else None
    return str(held) if held is not None else CELL


def _gain(session: Session) -> float | None:
    record = session.record
    return None if record is None else record.equity / float(record.opening["cash"]) - 1.0


def _last(session: Session) -> str:
    time = session.record.last_close if session.record else None
    return f"{time:%Y-%m-%d %H:%M}" if time else CELL


def _bars(session: Session) -> int:
    return len(session.record.bars) if session.record else 0


def _equity(session: Session) -> float | None:
    return session.record.equity if session.record else None


def _state(session: Session) -> str:
    return session.record.state if session.record else CELL


def _is_running(session: Session) -> str:
    return "yes" if session.record and session.record.is_running else "no"


def _market(session: Session) -> str:
    return f"{_opening(session, 'symbol')} {_opening(session, 'interval')}"


def _run(session: Session) -> str:
    return Path(_opening(session, "run")).name


COLUMNS: tuple[Column[Session], ...] = (
    Column(
        "session",
        "Session",
        lambda session: session.name.lower(),
        lambda session: session.name,
        lambda session: f"session/{quote(session.name, safe='', errors='replace')}/",
    ),
    Column("market", "Market", _market, _market, is_choice=True),
    Column("run", "Run", _run, _run),
    Column("bars", "Bars", _bars, lambda session: f"{_bars(session):,}"),
    Column("last", "Last close, UTC", _last, _last),
    Column("equity", "Equity", _equity, lambda session: number(_equity(session))),
    Column("return", "Return", _gain, lambda session: percent(_gain(session))),
    Column("state", "State", _state, _state, is_choice=True),
    Column("running", "Running", _is_running, _is_running, is_choice=True),
)
