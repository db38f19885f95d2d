"""Forked processes: the threads of Polars and torch do not come along, and work that waits for them would wait for ever."""

from __future__ import annotations

import os

from candlecast.errors import ConfigError


class _Process:
    has_worked = False  # so that there may be such threads
    is_orphan = False  # forked from a process that had worked


_process = _Process()


def require_threads() -> None:
    """To be called before work that needs threads. Raises ConfigError in a process forked from one that has worked."""
    if _process.is_orphan:
        raise ConfigError(
            f"process {os.getpid()} was forked from one in which candlecast had worked",
            expected="a process that was started afresh: the threads of Polars and torch do not survive a fork, and this one "
            "would wait for them for ever",
            remedy='Use multiprocessing.get_context("spawn"), also in ProcessPoolExecutor(mp_context=...), or fork first',
        )
    _process.has_worked = True


def _forked() -> None:
    _process.is_orphan = _process.has_worked


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
