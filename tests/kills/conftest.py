"""The table that ends `make kills`."""

from __future__ import annotations

from .rounds import COLUMNS


def pytest_terminal_summary(terminalreporter):
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    rows = [(*value, each.outcome) for each in reports for name, value in each.user_properties if name == "kills"]
    if not rows:
        return
    terminalreporter.section("kills")
    terminalreporter.write_line(f"{'work':<12}" + "".join(f"{name:>14}" for name in (*COLUMNS, "outcome")))
    for work, counts, outcome in sorted(rows, key=lambda row: row[0]):
        figures = "".join(f"{counts[name]:>14,}" for name in COLUMNS)
        terminalreporter.write_line(f"{work:<12}{figures}{outcome:>14}")
