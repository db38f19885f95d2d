"""Local pages over all runs, comparisons, trials, stored candles and paper sessions."""

from candlecast.ui.serving import serve_ui

__all__ = ["serve_ui"]
