"""Paper trading: feed -> streaming features -> fitted nets -> rule -> account, one closed bar at a time."""

from candlecast.live.events import PaperEvent
from candlecast.live.limited import limited_backtest
from candlecast.live.reconcile import Reconciliation, reconcile
from candlecast.live.record import SessionRecord, list_sessions, read_session
from candlecast.live.session import PaperSession
from candlecast.live.sessions import PaperSessions
from candlecast.live.starting import paper

__all__ = [
    "PaperEvent",
    "PaperSession",
    "PaperSessions",
    "Reconciliation",
    "SessionRecord",
    "limited_backtest",
    "list_sessions",
    "paper",
    "read_session",
    "reconcile",
]
