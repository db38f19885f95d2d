"""Scans: every asset x interval x target x model x costs of a plan, each a counted trial, on one machine or several."""

from candlecast.scan.plan import Plan
from candlecast.scan.result import Scan
from candlecast.scan.scanning import list_scans, load_scan, scan

__all__ = ["Plan", "Scan", "list_scans", "load_scan", "scan"]
