"""`candlecast report`: the page of a run, made again."""

from __future__ import annotations

from pathlib import Path

import click

from candlecast.cli.answer import show_verdict
from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, say
from candlecast.cli.options import common


@click.command(
    cls=Command,
    short_help="Write the report of a run again.",
    epilog="""
    candlecast report runs/SP500-1d-lstm-return-1a2b3c4d --open
    """,
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@click.option(
    "--output", type=click.Path(path_type=Path), help="Where to write the page; report.html in the run when not given."
)
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@common
def report(run: Path, *, output: Path | None, open_report: bool, as_json: bool, quiet: bool) -> None:
    """Write the report of a RUN as one self-contained HTML page."""
    from candlecast.panel.loading import is_panel_run, load_panel_run
    from candlecast.study.loading import load_run

    result = load_panel_run(run) if is_panel_run(run) else load_run(run)
    page = result.report(output or run / "report.html")
    if as_json:
        print_json({"run": str(run), "report": str(page), "verdict": result.verdict.to_dict()})
    else:
        show_verdict(result.verdict)
        say(f"Report  {page}")
    if open_report:
        click.launch(str(page))
