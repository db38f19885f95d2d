"""Audits: proof that nothing a study knew depends on later candles."""

from candlecast.audit.audit import audit, quick_audit
from candlecast.audit.findings import AuditReport, Check, Finding
from candlecast.audit.shortcuts import ShortcutReport, shortcuts

__all__ = ["AuditReport", "Check", "Finding", "ShortcutReport", "audit", "quick_audit", "shortcuts"]
