"""Options that say how a file is to be read, and messages about it in the words of the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from candlecast.errors import ConfigError

NAMES = ("zone", "dates", "decimal", "symbol", "columns", "adjusted")
SPOKEN = re.compile(
    r"\b(zone|dates|decimal|symbol|interval|since|until|columns|adjusted)=(\"[^\"]*\"|\{[^}]*\}|True|\.\.\.)"
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --zone, --dates, --decimal, --symbol, --columns and --adjusted; the command receives what is given as `reading`."""

    @click.option("--zone", help="Zone of a file's times, if they name none, such as UTC.")
    @click.option("--dates", help="Order of a file's dates, if they do not show it: ymd, dmy or mdy.")
    @click.option("--decimal", help="Decimal mark of a file's numbers, if they do not show it: . or ,")
    @click.option("--symbol", help="Which symbol of a file that holds several, or the name of the one.")
    @click.option(
        "--columns", multiple=True, help="What a column of a file holds, such as open=OpnPric or time=Date+Time."
    )
    @click.option("--adjusted", is_flag=True, help="Take the adjusted prices that a file has beside the plain ones.")
    @wraps(command)
    def decorated(**options: Any) -> None:
        reading = {name: value for name in NAMES if (value := options.pop(name))}
        if "columns" in reading:
            reading["columns"] = _columns(reading["columns"])
        command(reading=reading, **options)

    return decorated


def require_file(asset: str, reading: Mapping[str, Any]) -> None:
    """Raise ConfigError for options of reading beside an asset that is no file."""
    if reading:
        names = ", ".join(f"--{name}" for name in reading)
        raise ConfigError(
            f"{names} of {asset}, which is no file",
            expected="options that say how a file is to be read, for a file alone",
            remedy="Leave them out",
        )


def in_shell(message: str) -> str:
    """A message in which arguments of Python are written as options of the shell.

    >>> in_shell('Say zone="America/New_York", decimal="," or columns={"open": "Opn Pric"}.')
    "Say --zone America/New_York, --decimal , or --columns 'open=Opn Pric'."
    """
    return SPOKEN.sub(lambda match: _option(match[1], match[2]), message)


def _option(name: str, value: str) -> str:
    if value == "True":
        return f"--{name}"
    if value.startswith("{"):
        pairs = re.findall(r'"([^"]*)": "([^"]*)"', value)
        return " ".join(f"--columns {shlex.quote(f'{role}={column}')}" for role, column in pairs)
    text = value.strip('"')
    return f"--{name} {text if text in (',', '.', '...') else shlex.quote(text)}"


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    columns = {}
    for each in given:
        role, mark, name = each.partition("=")
        if not mark or not role or not name:
            raise ConfigError(
                f"--columns {each!r}",
                expected="what it holds, =, and the column's name",
                remedy="Use for example --columns open=OpnPric",
            )
        columns[role.strip()] = name.strip()
    return columns
