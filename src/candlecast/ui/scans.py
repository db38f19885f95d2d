"""Scans: the list of them, the page of each, and the reports of its cells."""

from __future__ import annotations

from candlecast.serving import Reply
from candlecast.text.formatting import CELL
from candlecast.ui.entries import entries_page
from candlecast.ui.layout import with_way_back
from candlecast.ui.listing import Column, Query, address, field_of
from candlecast.ui.run import REPORT_POLICY
from candlecast.ui.workspace import Scanned, Workspace


def scans_page(workspace: Workspace, query: Query) -> Reply:
    """All scans, the newest first."""
    absent = f"No scans in {workspace.runs}. Make one with: candlecast scan"
    return entries_page(
        workspace.scans(), COLUMNS, query, of="scans", title="Scans", lead=str(workspace.runs), absent=absent
    )


def scan_page(workspace: Workspace, query: Query) -> Reply:
    """The page of a scan, made from its tables. Raises RunError."""
    html = with_way_back(workspace.scan_page(field_of(query, "name")), "scans", "All scans")
    return Reply(html, policy=REPORT_POLICY)


def cell_page(workspace: Workspace, query: Query) -> Reply:
    """The report of a cell of a scan, made from its tables. Raises RunError."""
    scan = field_of(query, "scan")
    html = workspace.cell_report(scan, field_of(query, "cell"))
    return Reply(with_way_back(html, address("scan", name=scan), f"Scan {scan}"), policy=REPORT_POLICY)


def _count(scanned: Scanned, name: str) -> int:
    """Cells whose column of this name is true."""
    return int(scanned.scan.frame[name].sum()) if scanned.scan else 0


def _cells(scanned: Scanned) -> int:
    return scanned.scan.frame.height if scanned.scan else 0


def _failures(scanned: Scanned) -> int:
    return scanned.scan.failures.height if scanned.scan else 0


def _names(scanned: Scanned, name: str) -> str:
    """The different values of a column, the first few."""
    found = scanned.scan.frame[name].unique(maintain_order=True).to_list() if scanned.scan else []
    return (
        ", ".join(found[:MOST_NAMES]) + (f" and {len(found) - MOST_NAMES:,} more" * (len(found) > MOST_NAMES))
    ) or CELL


MOST_NAMES = 3
COLUMNS: tuple[Column[Scanned], ...] = (
    Column(
        "scan", "Scan", lambda each: each.name, lambda each: each.name, lambda each: address("scan", name=each.name)
    ),
    Column("cells", "Cells", lambda each: float(_cells(each)), lambda each: f"{_cells(each):,}"),
    Column("assets", "Assets", lambda each: _names(each, "symbol"), lambda each: _names(each, "symbol")),
    Column("models", "Models", lambda each: _names(each, "model"), lambda each: _names(each, "model")),
    Column(
        "forecast",
        "Can be forecast",
        lambda each: float(_count(each, "is_forecastable")),
        lambda each: f"{_count(each, 'is_forecastable'):,}",
    ),
    Column(
        "edges",
        "With an edge",
        lambda each: float(_count(each, "has_edge")),
        lambda each: f"{_count(each, 'has_edge'):,}",
    ),
    Column("failures", "Without a result", lambda each: float(_failures(each)), lambda each: f"{_failures(each):,}"),
    Column(
        "written",
        "Written, UTC",
        lambda each: each.written_at and each.written_at.timestamp(),
        lambda each: f"{each.written_at:%Y-%m-%d %H:%M}" if each.written_at else CELL,
    ),
)
