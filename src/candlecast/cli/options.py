"""Options that every command has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from candlecast.cli.console import log_to_stderr


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Add --json, -q and -v; the command receives `as_json` and `quiet`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress goes to stderr.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more: the whole verdict, and log messages on stderr.")
    @wraps(command)
    def decorated(verbose: bool, **options: Any) -> None:
        log_to_stderr()
        logging.getLogger("candlecast").setLevel(logging.INFO if verbose else logging.WARNING)
        command(**options)

    return decorated


def is_verbose() -> bool:
    """Whether -v was given."""
    return logging.getLogger("candlecast").isEnabledFor(logging.INFO)
