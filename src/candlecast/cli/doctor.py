"""`candlecast doctor`: whether this installation works."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from candlecast.cli import checks
from candlecast.cli.command import Command
from candlecast.cli.console import print_json, progress, say
from candlecast.cli.options import common, runs_option
from candlecast.cli.source_registry import store_option
from candlecast.events import Progress
from candlecast.text.redaction import visible
from candlecast.text.unbroken import lines_of

FAILED = 1  # exit code
COLOURS = {"ok": "green", "note": "yellow", "failed": "red"}
COLUMNS, INDENT = 80, 29


@click.command(
    cls=Command,
    short_help="Does this installation work? Check all of it.",
    epilog="""
    candlecast doctor
    candlecast doctor --offline --json
    """,
)
@store_option
@runs_option
@click.option("--offline", is_flag=True, help="Do not ask the servers of the sources.")
@common
def doctor(store: str, *, runs: Path, offline: bool, as_json: bool, quiet: bool) -> None:
    """Check the installation: versions, cores, linear algebra, GPU, compiled kernels, store, runs, and the network.

    The exit code is 1 where something that is needed does not work. A missing GPU, extra, store or server is a note. Nothing is
    changed but the cache of compiled code, and no key or password is shown.
    """
    subjects: dict[str, checks.Check] = {
        "versions": checks.versions,
        "machine": checks.machine,
        "kernels": checks.kernels,
        "extras": checks.extras,
        "store": partial(checks.stored, store),
        "runs": partial(checks.worked, runs),
    }
    if not offline:
        subjects["network"] = checks.network
    found: list[checks.Finding] = []
    with progress(quiet) as listener:
        for done, (subject, check) in enumerate(subjects.items()):
            listener(Progress("check", done, len(subjects), subject))
            with checks.reporting(subject, found, "Report it, with this output"):
                found += check()
        listener(Progress("check", len(subjects), len(subjects)))
    failed = [each for each in found if each.state == "failed"]
    if as_json:
        print_json({"is_working": not failed, "findings": [vars(each) for each in found]})
    else:
        for each in found:
            _show(each)
        say(f"\n{len(failed)} of {len(found)} checks failed." if failed else "\nEverything that is needed works.")
    if failed:
        click.get_current_context().exit(FAILED)


def _show(finding: checks.Finding) -> None:
    remedy = f". {finding.remedy}" if finding.remedy else ""
    text = lines_of(visible(f"{finding.text}{remedy}"), COLUMNS - INDENT)
    state = click.style(f"{finding.state:<7}", fg=COLOURS[finding.state])
    click.echo(f"{state}{visible(finding.subject):<{INDENT - 7}}{text[0]}")
    for line in text[1:]:
        click.echo(f"{'':<{INDENT}}{line}")
