"""Options that say how a file is to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from candlecast.errors import ConfigError

NAMES = ("zone", "dates", "decimal", "symbol", "columns", "adjusted")


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
