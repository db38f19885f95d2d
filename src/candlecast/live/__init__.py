"""Paper trading: feed -> streaming features -> fitted nets -> rule -> account, one closed bar at a time."""

from candlecast.live.session import PaperEvent, PaperSession, paper

__all__ = ["PaperEvent", "PaperSession", "paper"]
