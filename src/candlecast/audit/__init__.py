"""Audits: proof that nothing a study knew depends on later candles."""

from candlecast.audit.audit import audit
from candlecast.audit.findings import AuditReport, Check, Finding

__all__ = ["AuditReport", "Check", "Finding", "audit"]
