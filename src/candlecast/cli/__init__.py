"""The command line: the same journeys as in Python. The only package that prints.

Exit codes: 0 fine, 1 a CandlecastError, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

import click

from candlecast.cli.audit import audit
from candlecast.cli.backtest import backtest
from candlecast.cli.candles import candles
from candlecast.cli.command import WIDTH, Commands
from candlecast.cli.compare import compare
from candlecast.cli.completion import completion
from candlecast.cli.confirm import confirm
from candlecast.cli.console import say_error, say_usage
from candlecast.cli.doctor import doctor
from candlecast.cli.fetch import fetch
from candlecast.cli.forecast import forecast
from candlecast.cli.init import init
from candlecast.cli.paper import paper
from candlecast.cli.reconcile import reconcile
from candlecast.cli.replay import diff, replay
from candlecast.cli.report import report
from candlecast.cli.run import run
from candlecast.cli.runs import runs
from candlecast.cli.scan import scan
from candlecast.cli.ui import ui
from candlecast.cli.wording import in_shell
from candlecast.errors import CandlecastError

NAME = "candlecast"
INTERRUPTED = 130  # exit code of a process that signal 2 ended
CONTINUED = (
    "run",
    "compare",
    "scan",
    "fetch",
    "paper",
)  # commands that continue an interrupted one when they are run again


class Interruptible(Commands):
    """Commands that, when they are interrupted, say what the same command would do next."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.Abort, KeyboardInterrupt):
            again = ": run the same command again to continue" if ctx.invoked_subcommand in CONTINUED else ""
            click.echo(f"Interrupted{again}; what was stored before is untouched.", err=True)
            ctx.exit(INTERRUPTED)


HEADINGS = {
    "Candles": ("fetch", "candles"),
    "Studies": ("run", "compare", "scan", "init", "audit"),
    "Runs": ("runs", "report", "backtest", "confirm", "forecast", "replay", "diff", "ui"),
    "Paper trading": ("paper", "reconcile"),
    "This installation": ("doctor", "completion"),
}


@click.group(
    cls=Interruptible,
    headings=HEADINGS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
    epilog="""
    candlecast run
    candlecast run btc_1h.csv --model gru --open
    candlecast compare sp500 --model naive linear lstm
    """,
)
@click.version_option(package_name="candlecast")
def cli() -> None:
    """Train recurrent networks on market candles, walk forward, backtest after costs, and say whether there is an edge.

    `-h` after a command shows its everyday options, `--help` all of them.
    """


COMMANDS = (
    *(fetch, candles, run, compare, scan, init, audit, runs, report, ui, backtest, confirm, forecast, replay, diff),
    *(paper, reconcile, doctor, completion),
)
for command in COMMANDS:
    cli.add_command(command)


def _options() -> set[str]:
    """The options of all commands."""
    return {name for command in cli.commands.values() for parameter in command.params for name in parameter.opts}


def _usage(error: click.ClickException) -> tuple[str, str]:
    """How the command is used, and what was wrong; what an option means that is missing."""
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    missing = error.param if isinstance(error, click.MissingParameter) else None
    if isinstance(missing, click.Option) and missing.help:
        message = f"{message.rstrip('.')}: {missing.help[0].lower()}{missing.help[1:]}"
    if context is None:
        return "", message
    hint = f"Try '{context.command_path} {context.help_option_names[-1]}' for help."
    return f"{context.get_usage()}\n{hint}\n", message


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    atexit.register(gc.freeze)  # or Python searches all that torch and the others made for garbage before it leaves
    color = False if os.environ.get("NO_COLOR") else None  # None: where the output is a terminal
    try:
        code = cli.main(arguments, prog_name=NAME, standalone_mode=False, color=color)
    except CandlecastError as error:
        say_error(in_shell(str(error), _options()))
        sys.exit(1)
    except click.ClickException as error:
        say_usage(*_usage(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):  # before there was a command
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    if code:
        sys.exit(code)
