"""`candlecast runs`: what has been studied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from candlecast.cli.command import Command
from candlecast.cli.console import print_json, print_table, say
from candlecast.cli.options import common, runs_option
from candlecast.text.redaction import visible


@click.command(
    cls=Command,
    short_help="List the runs, with their verdicts.",
    epilog="""
    candlecast runs
    candlecast runs --json
    """,
)
@runs_option
@common
def runs(runs: Path, *, as_json: bool, quiet: bool) -> None:
    """List the runs, the newest first, with their verdicts, and the scans. Those that cannot be read are marked, and why."""
    from candlecast.runs import list_runs
    from candlecast.scan import list_scans

    found = [(path, *_looked_at(path)) for path in list_runs(runs)]
    scans = [(path, *_scanned(path)) for path in list_scans(runs)]
    if as_json:
        runs_found = [{"run": str(path), **(manifest or {"error": why})} for path, manifest, why in found]
        print_json(
            {
                "runs": runs_found,
                "scans": [{"scan": str(path), **(values or {"error": why})} for path, values, why in scans],
            }
        )
        return
    if not found and not scans:
        click.echo(f"No runs in {runs}. Make one with: candlecast run")
        return
    if found:
        rows = [_row(path, manifest) for path, manifest, _ in found]
        print_table(rows, ["run", "bars", "can be forecast", "pays", "edge"])
    if scans:
        if found:
            click.echo()
        print_table([_scan_row(path, values) for path, values, _ in scans], ["scan", "cells", "failures", "edges"])
    for path, _, why in (*found, *scans):
        if why:
            say(f"{path.name} cannot be read: {why}")


def _scanned(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What a scan found, in numbers, or why it cannot be read."""
    from candlecast.errors import RunError
    from candlecast.scan import load_scan

    try:
        scan = load_scan(path)
    except RunError as error:
        return None, str(error)
    edges = int(scan.frame["has_edge"].sum())
    return {"cells": scan.frame.height, "failures": scan.failures.height, "edges": edges}, ""


def _scan_row(path: Path, values: dict[str, Any] | None) -> list[str]:
    if values is None:
        return [visible(path.name), "-", "-", "-"]
    return [visible(path.name), *(f"{values[name]:,}" for name in ("cells", "failures", "edges"))]


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
        return [visible(path.name), "-", "-", "-", "-"]
    from candlecast.evaluation.answers import stored_answers

    verdict = manifest["verdict"]
    return [
        visible(path.name),
        f"{manifest['candles']['bars']:,}",
        *stored_answers(verdict),
        "yes" if verdict["has_edge"] else "no",
    ]
