"""The ledger: every trial that was made in a workspace, and the profiles by which trials are compared."""

from candlecast.ledger.inbox import Inbox
from candlecast.ledger.trial import Begun, Entry, Searched, Trial
from candlecast.ledger.trials import Ledger, as_ledger

__all__ = ["Begun", "Entry", "Inbox", "Ledger", "Searched", "Trial", "as_ledger"]
