"""`candlecast completion`: the script by which a shell completes commands, options and their values; and these values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from candlecast.cli.command import Command
from candlecast.errors import CandlecastError

SHELLS = ("bash", "zsh", "fish")
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
LINES = {
    "bash": 'eval "$(candlecast completion bash)"        in ~/.bashrc',
    "zsh": 'eval "$(candlecast completion zsh)"         in ~/.zshrc',
    "fish": "candlecast completion fish | source          in ~/.config/fish/config.fish",
}

MENDED = {  # parts of click's scripts, and what is written in their place
    # a shell that was never set up for completion has no compdef
    "zsh": [
        (
            "    compdef _candlecast_completion candlecast",
            (
                "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
                "    compdef _candlecast_completion candlecast"
            ),
        )
    ],
    "fish": [('(string split "," $completion)', '(string split --max 1 "," $completion)')],  # texts have commas too
}


@click.command(
    cls=Command,
    short_help="Print the script that completes commands in a shell.",
    epilog="\n".join(LINES.values()),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the script by which a SHELL completes commands, options, models, samples, stored symbols and runs."""
    made = get_completion_class(shell)
    assert made is not None, f"click completes {shell}"
    script = made(ctx.find_root().command, {}, "candlecast", "_CANDLECAST_COMPLETE").source()
    for old, new in MENDED.get(shell, ()):
        script = script.replace(old, new)
    click.echo(script)


def one_of(known: Iterable[str]) -> Completer:
    """Completes to one of the names that an option takes."""
    names = sorted(known)

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names if name.startswith(incomplete.lower())]

    return complete


def folders(place: str, *, others: bool = True) -> Completer:
    """Completes to the folders in `place`, such as runs, and, unless `others` is False, to paths."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        paths = sorted(Path(place).glob("*/"), key=str)
        names = [str(path) for path in paths if not path.name.startswith(".")]
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found or ([CompletionItem(incomplete, type="file")] if others else [])

    return complete


def assets(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes to samples and stored symbols, or else to paths."""
    from candlecast.cli.source_registry import is_store
    from candlecast.sources.sample import SAMPLES

    names: list[str] = [*SAMPLES]
    store = ctx.params.get("store") or "data"
    if is_store(store):
        from candlecast.store import Store

        try:
            names += Store(store).symbols()
        except CandlecastError:  # said by the command itself
            names += []
    found = [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]
    return [*found, CompletionItem(incomplete, type="file")] if incomplete or not found else found
