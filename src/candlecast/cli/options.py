"""Options that several commands have."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
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


def runs_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --runs; the command receives `runs`."""
    return click.option(
        "--runs",
        type=click.Path(path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="Folder of runs and their ledger.",
    )(command)


def seed_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --seed; the command receives `seed`."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")(
        command
    )


def is_verbose() -> bool:
    """Whether -v was given."""
    return logging.getLogger("candlecast").isEnabledFor(logging.INFO)
