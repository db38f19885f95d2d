"""Candles at rest: one Delta Lake table of everything that sources ever said, on a folder or an object store."""

from candlecast.store.store import Store

__all__ = ["Store"]
