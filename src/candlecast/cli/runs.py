"""`candlecast runs`: what has been studied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from candlecast.cli.command import Command
from candlecast.cli.console import print_json, print_table, say
from candlecast.cli.options import common
from candlecast.text.redaction import visible


@click.command(
    cls=Command,
    short_help="List the runs, with their verdicts.",
    epilog="""
    candlecast runs
    candlecast runs --json
    """,
)
@click.option(
    "--runs", "folder", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@common
def runs(folder: Path, *, as_json: bool, quiet: bool) -> None:
    """List the runs, the newest first, with their verdicts. Those that cannot be read are marked, and why."""
    from candlecast.runs import list_runs

    found = [(path, *_looked_at(path)) for path in list_runs(folder)]
    if as_json:
        print_json({"runs": [{"run": str(path), **(manifest or {"error": why})} for path, manifest, why in found]})
        return
    if not found:
        click.echo(f"No runs in {folder}. Make one with: candlecast run")
        return
    rows = [_row(path, manifest) for path, manifest, _ in found]
    print_table(rows, ["run", "bars", "seeds", "forecastable", "pays", "edge"])
    for path, _, why in found:
        if why:
            say(f"{path.name} cannot be read: {why}")


def _looked_at(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What the manifest of a run says, or why it cannot be read."""
    from candlecast.errors import RunError
    from candlecast.runs.manifest import read_manifest, require_shape

    try:
        manifest = read_manifest(path)
        require_shape(path, manifest)
    except RunError as error:
        return None, str(error)
    return manifest, ""


def _row(path: Path, manifest: dict[str, Any] | None) -> list[str]:
    if manifest is None:
        return [visible(path.name), "-", "-", "-", "-", "-"]
    verdict = manifest["verdict"]
    return [
        visible(path.name),
        f"{manifest['candles']['bars']:,}",
        str(len(manifest["seeds"])),
        *("yes" if verdict[name] else "no" for name in ("is_forecastable", "pays", "has_edge")),
    ]
