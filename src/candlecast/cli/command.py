"""Commands as this command line has them: options in groups, examples at the end, several values after one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from candlecast.text.unbroken import lines_of

WIDTH = 80  # columns of the help, at most
OTHER = "Options"
MARGINS = 6  # columns beside the text of an option in a short help
SCREEN = 50  # lines
SHORT = "candlecast.short_help"  # of a context: whether -h was given, and not --help
EVERYDAY = (  # options that a short help explains; it names the others
    *("symbols", "files", "source", "interval", "since", "until", "offline", "preset", "study", "model", "target"),
    *("folds", "seeds", "rule", "fee-bps", "slippage-bps", "dry-run", "workers"),
    *("tape", "list", "shortcuts", "open", "json", "help"),
)
SEVERAL = "`candlecast compare --model NAME NAME` runs several models"
GROUPS: dict[str, tuple[str, ...]] = {
    "Data": (
        "asset",
        "symbols",
        "files",
        "source",
        "interval",
        "since",
        "until",
        "as-of",
        "largest",
        "store",
        "offline",
    ),
    "Reading a file": ("symbol", "zone", "dates", "decimal", "columns", "adjusted"),
    "Repairs": ("clock", "sort", "mend", "factors", "max-gap", "bridge", "real-jumps"),
    "Model": ("preset", "study", "model", "target", "horizon", "window", "hidden", "layers", "epochs"),
    "Many assets as one portfolio": ("panel", "universe", "k", "each"),
    "Walk": ("folds", "train", "test", "refit", "seeds", "seed"),
    "Rule": ("rule", "enter", "exit", "long-only", "band", "full", "fraction", "cap", "usual", "power", "halflife"),
    "Overlays on the rule": ("annual", "leverage", "limit", "resume"),
    "Costs": (
        *("venue", "fee-bps", "maker-fee-bps", "slippage-bps", "half-spread-bps", "impact-bps", "funding-bps"),
        *("borrow-percent", "interest-percent", "loan-percent", "maintenance-percent", "cash"),
    ),
    "Where it runs": ("dry-run", "workers", "ray", "shard", "join"),
    "Output": (
        "runs",
        "reports",
        "paper",
        "folder",
        "output",
        "open",
        "page",
        "port",
        "save",
        "json",
        "quiet",
        "verbose",
        "version",
        "help",
    ),
}  # headings of the help, and the options under each, in their order; an option means the same in every command


class Command(click.Command):
    """A command whose help has its options in groups and ends in the lines of `epilog`, which are examples.

    --help explains every option. -h does so where that is not longer than a screen; where it is, it explains everyday options
    and names the others. `ungrouped`: options of this command that mean something else than their group says.
    `grouped`: the headings, by name, of options that stand elsewhere than in other commands. A short help does not explain these.

    Repeatable options take several values after one name: `--interval 1m 1h`. All values up to the next option belong to it,
    so that arguments come first. Any other option may be given once.
    """

    def __init__(
        self,
        *args: Any,
        ungrouped: tuple[str, ...] = (),
        grouped: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.ungrouped = ungrouped
        self.grouped = grouped or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of a repeatable option before each of its values, and refuse others that are repeated."""
        ctx.meta[SHORT] = "-h" in args and "--help" not in args
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
        self._require_once(ctx, spread)
        try:
            return super().parse_args(ctx, spread)
        except click.UsageError as error:
            if "--model" in args and "--model" not in names and "extra argument" in error.message:
                raise click.UsageError(f"{error.message}; {SEVERAL}.", ctx) from error
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the whole help, or the short one where -h asks for more than a screen."""
        whole = ctx.make_formatter()
        super().format_help(ctx, whole)
        if not ctx.meta.get(SHORT) or whole.getvalue().count("\n") <= SCREEN:
            formatter.write(whole.getvalue())
            return
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(" ".join((self.help or "").partition("\n\n")[0].split()))
        self._format_everyday(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def _format_everyday(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write everyday options with a line each, and the names of the others."""
        rest: dict[str, list[str]] = {}
        for heading, options in self._grouped(ctx).items():
            rows = []
            for option in options:
                record, name = option.get_help_record(ctx), max(option.opts, key=len)
                if name.lstrip("-") in EVERYDAY and name.lstrip("-") not in self.grouped and record:
                    rows.append(record)
                else:
                    rest.setdefault(heading, []).append(name)
            if rows:
                width = formatter.width - MARGINS - max(len(names) for names, _ in rows)
                with formatter.section(heading):
                    formatter.write_dl([(names, _first_line(words, width)) for names, words in rows])
        if rest:
            with formatter.section("More, explained by --help"):
                for line in _columns(
                    {heading: " ".join(names) for heading, names in rest.items()}, formatter.width - 4
                ):
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def _grouped(self, ctx: click.Context) -> dict[str, list[click.Option]]:
        """The options that have help, by heading and in order."""
        found: dict[str, list[tuple[int, click.Option]]] = {heading: [] for heading in (OTHER, *GROUPS)}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and parameter.get_help_record(ctx) is not None:
                heading, place = _place(parameter, self.ungrouped, self.grouped)
                found[heading].append((place, parameter))
        return {
            heading: [option for _, option in sorted(options, key=lambda each: each[0])]
            for heading, options in found.items()
            if options
        }

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options under its heading."""
        for heading, options in self._grouped(ctx).items():
            records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        write_examples(self.epilog, formatter)

    def _require_once(self, ctx: click.Context, args: list[str]) -> None:
        if ctx.resilient_parsing:
            return
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        counts = Counter(order)
        for parameter in order:
            once = isinstance(parameter, click.Option) and not (
                parameter.multiple or parameter.is_flag or parameter.count
            )
            if once and counts[parameter] > 1:
                name = max(parameter.opts, key=len)
                hint = f"; {SEVERAL}" if name == "--model" else ""
                raise click.UsageError(f"{name} is given {counts[parameter]} times; expected one value{hint}.", ctx)


class Commands(click.Group):
    """Commands under headings. `headings`: of each the names of its commands; commands of no heading come last."""

    def __init__(self, *args: Any, headings: dict[str, tuple[str, ...]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.headings = headings

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of commands under its heading."""
        named = {name for names in self.headings.values() for name in names}
        rest = tuple(name for name in self.list_commands(ctx) if name not in named)
        longest = max(map(len, self.commands))
        for heading, names in {**self.headings, "Other": rest}.items():
            rows = [(name, self.commands[name]) for name in names if name in self.commands]
            if rows:
                limit = formatter.width - longest - 4
                with formatter.section(heading):
                    formatter.write_dl([(f"{name:<{longest}}", each.get_short_help_str(limit)) for name, each in rows])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        write_examples(self.epilog, formatter)


def write_examples(text: str | None, formatter: click.HelpFormatter) -> None:
    """The lines of an epilog under the heading "Examples"."""
    if text:
        with formatter.section("Examples"):
            for line in text.strip().splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


def _columns(texts: dict[str, str], width: int) -> list[str]:
    """Names, and their texts wrapped beside them; the name of an option is never broken.

    >>> print("\\n".join(_columns({"Costs": "--fee-bps --slippage-bps"}, 24)))
    Costs  --fee-bps
           --slippage-bps
    """
    first = max(map(len, texts)) + 2
    return [
        f"{'' if row else name:<{first}}{line}"
        for name, text in texts.items()
        for row, line in enumerate(lines_of(text, width - first))
    ]


def _first_line(text: str, width: int) -> str:
    """The words of a help that fit a line, up to the end of a part of a sentence.

    >>> _first_line("Fetch a symbol from here first: binance, yahoo", 40)
    'Fetch a symbol from here first'
    """
    if len(text) <= width:
        return text.rstrip(".")
    ends = [
        place for place, letter in enumerate(text[:width]) if letter in ".;:" and text[place + 1 : place + 2] == " "
    ]
    return text[: ends[-1]] if ends else text[: width - 4].rpartition(" ")[0].rstrip(",") + " ..."


def _place(option: click.Option, ungrouped: tuple[str, ...], grouped: Mapping[str, str]) -> tuple[str, int]:
    """The heading of an option, and its place below it; one of no group stays in the order of its command."""
    name = max(option.opts, key=len).lstrip("-")
    if name in grouped:
        return grouped[name], len(GROUPS[grouped[name]])
    for heading, names in GROUPS.items():
        if name in names and name not in ungrouped:
            return heading, names.index(name)
    return OTHER, 0
