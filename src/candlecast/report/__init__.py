"""The report: one self-contained HTML page with figures, evidence and verdict."""

from candlecast.report.html import write_report

__all__ = ["write_report"]
