"""`candlecast ui`: local pages over everything in a workspace."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.core import ParameterSource

from candlecast.cli.command import Command
from candlecast.cli.console import print_json, say
from candlecast.cli.options import common, runs_option
from candlecast.cli.source_registry import is_store, store_option
from candlecast.errors import ConfigError


@click.command(
    cls=Command,
    short_help="Local pages over runs, trials, candles and sessions.",
    epilog="""
    candlecast ui --open
    candlecast ui --runs runs --port 8000
    """,
)
@runs_option
@store_option
@click.option(
    "--paper",
    type=click.Path(path_type=Path),
    default=Path("paper"),
    show_default=True,
    help="Folder of paper sessions.",
)
@click.option("--port", type=int, default=0, help="Port on 127.0.0.1; a free one when not given.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@common
@click.pass_context
def ui(
    context: click.Context,
    *,
    runs: Path,
    store: str,
    paper: Path,
    port: int,
    open_page: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show runs, comparisons, scans, trials, stored candles and paper sessions in a browser: sorted, filtered, side by side.

    The page is served on 127.0.0.1 alone, at an address with a random token. Nothing is written. Ctrl-C ends it.
    """
    from candlecast.ui import serve_ui

    for name, place in {"runs": str(runs), "store": store, "paper": str(paper)}.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not is_store(place):
            raise ConfigError(
                f"--{name} {place} does not exist",
                expected="a folder that is there",
                remedy="Check the path, or leave the option out",
            )
    with _ending() as ended, serve_ui(runs=runs, store=store, paper=paper, port=port) as address:
        if as_json:
            print_json({"address": address})
        else:
            say(f"Page     {address}\nCtrl-C ends it.")
        if open_page:
            click.launch(address)
        while not ended.wait(0.5):
            pass


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, either of which is the usual end of the block."""
    ended = threading.Event()
    kept = {each: signal.signal(each, lambda *_: ended.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for each, before in kept.items():
            signal.signal(each, before)
