"""Forked processes: a fork does not copy the threads of Polars and torch, and work that waits for them never ends."""

from __future__ import annotations

import os

from candlecast.errors import ConfigError


class _Process:
    has_worked = False  # threads may exist
    is_orphan = False  # forked from a process whose threads may exist


_process = _Process()


def require_threads() -> None:
    """Call before work that needs threads. Raises ConfigError in a process forked after such work."""
    if _process.is_orphan:
        raise ConfigError(
            f"process {os.getpid()} was forked from one in which candlecast had worked",
            expected="a new process: the threads of Polars and torch do not survive a fork, and this one would wait for them "
            "for ever",
            remedy='Use multiprocessing.get_context("spawn"), also in ProcessPoolExecutor(mp_context=...), or fork first',
        )
    _process.has_worked = True


def _forked() -> None:
    _process.is_orphan = _process.has_worked


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
