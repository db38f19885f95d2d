"""`serve_ui`: the pages of a workspace, served while a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from candlecast.errors import ConfigError
from candlecast.parameters import as_path
from candlecast.serving import serve
from candlecast.ui.pages import Pages
from candlecast.ui.workspace import Workspace


@contextmanager
def serve_ui(
    *, runs: str | Path = "runs", store: str | Path = "data", paper: str | Path = "paper", port: int = 0
) -> Iterator[str]:
    """Serve pages about runs, comparisons, trials, stored candles and paper sessions; gives their address on this machine.

    Only requests for 127.0.0.1 or localhost with the token of the address are answered. Nothing is written, and nothing in a
    run is executed. A folder that does not exist yet is shown as empty.

    Args:
        runs: the folder of runs, with their ledger.
        store: the folder of the store, or the URL of an object store.
        paper: the folder of paper sessions.
        port: a free one when 0.

    Raises:
        ConfigError: for what is no folder, when none of the three exists, or for a port in use.

    >>> with serve_ui(runs="nowhere", store="nowhere", paper="nowhere"):
    ...     pass
    Traceback (most recent call last):
    candlecast.errors.ConfigError: there is none of nowhere, nowhere and nowhere; expected a folder of runs, ...
    """
    folders = {"runs": as_path(runs, "runs"), "paper": as_path(paper, "paper")}
    place = str(store)
    if "://" not in place:
        folders["store"] = as_path(store, "store")
    for name, folder in folders.items():
        if folder.exists() and not folder.is_dir():
            raise ConfigError(
                f"{name} is {folder}, which is a file", expected="a folder", remedy=f"Name the folder with {name}=..."
            )
    if len(folders) == 3 and not any(folder.is_dir() for folder in folders.values()):
        raise ConfigError(
            f"there is none of {folders['runs']}, {folders['store']} and {folders['paper']}",
            expected="a folder of runs, of candles or of paper sessions",
            remedy="Make a run first with `candlecast run`, or name its folder",
        )
    workspace = Workspace(runs=folders["runs"], store=place, paper=folders["paper"])
    with serve(Pages(workspace), port=port) as address:
        yield address
