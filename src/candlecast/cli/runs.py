"""`candlecast runs`: what has been studied."""

from __future__ import annotations

from pathlib import Path

import click

from candlecast.cli.console import print_json, print_table
from candlecast.cli.options import common


@click.command(epilog="Example: candlecast runs --json")
@click.option(
    "--runs", "folder", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@common
def runs(folder: Path, *, as_json: bool, quiet: bool) -> None:
    """List the runs, the newest first, with their verdicts."""
    from candlecast.runs import list_runs, read_manifest

    found = [(path, read_manifest(path)) for path in list_runs(folder)]
    if as_json:
        print_json({"runs": [{"run": str(path), **manifest} for path, manifest in found]})
        return
    if not found:
        click.echo(f"No runs in {folder}. Make one with: candlecast run")
        return
    rows = [
        [
            path.name,
            f"{manifest['candles']['bars']:,}",
            str(len(manifest["seeds"])),
            "yes" if manifest["verdict"]["is_forecastable"] else "no",
            "yes" if manifest["verdict"]["pays"] else "no",
            "yes" if manifest["verdict"]["has_edge"] else "no",
        ]
        for path, manifest in found
    ]
    print_table(rows, ["run", "bars", "seeds", "forecastable", "pays", "edge"])
