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


class Spread(click.Command):
    """A command whose repeatable options take several values after one name: `--interval 1m 1h`.

    All values up to the next option belong to it, so that arguments come first.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name before each of the values."""
        names = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        spread: list[str] = []
        current = ""
        is_first = False
        for word in args:
            if word.startswith("-"):
                current, is_first = (word, True) if word in names else ("", False)
                spread.append(word)
            else:
                spread += [word] if is_first or not current else [current, word]
                is_first = False
        return super().parse_args(ctx, spread)
