"""The report: one self-contained HTML page with figures, evidence and verdict."""

from candlecast.report.html import write_report
from candlecast.report.shortcuts_page import write_shortcuts

__all__ = ["write_report", "write_shortcuts"]
