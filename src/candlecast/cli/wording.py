"""Messages in the words of the shell: arguments of Python as options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

SPOKEN = re.compile(
    r"\b(zone|dates|decimal|symbol|interval|since|until|columns|adjusted)=(\"[^\"]*\"|\{[^}]*\}|True|\.\.\.)"
)
CALL = re.compile(r"\b(?:cc\.)?[A-Z]\w*\((\w+=[^(),]+(?:, \w+=[^(),]+)*)\)")  # of a class, with parameters by name


def in_shell(message: str, options: Collection[str] = ()) -> str:
    """A message in which arguments of Python are written as options of the shell.

    options: those that commands have. A call all of whose parameters are options becomes these.

    >>> in_shell('Say zone="America/New_York", decimal="," or columns={"open": "Opn Pric"}.')
    "Say --zone America/New_York, --decimal , or --columns 'open=Opn Pric'."
    >>> in_shell("Use Costs(fee_bps=10, slippage_bps=2) or LSTM(hidden=8, head=Gaussian()).", {"--fee-bps", "--slippage-bps"})
    'Use --fee-bps 10 --slippage-bps 2 or LSTM(hidden=8, head=Gaussian()).'
    """
    message = CALL.sub(lambda call: _as_options(call, options), message)
    return SPOKEN.sub(lambda match: _option(match[1], match[2]), message)


def _as_options(call: re.Match[str], options: Collection[str]) -> str:
    pairs = [pair.split("=", 1) for pair in call[1].split(", ")]
    names = [f"--{name.replace('_', '-')}" for name, _ in pairs]
    if not set(names) <= set(options):
        return call[0]
    values = (shlex.quote(value.strip("\"'")) for _, value in pairs)
    return " ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _option(name: str, value: str) -> str:
    if value == "True":
        return f"--{name}"
    if value.startswith("{"):
        pairs = re.findall(r'"([^"]*)": "([^"]*)"', value)
        return " ".join(f"--columns {shlex.quote(f'{role}={column}')}" for role, column in pairs)
    text = value.strip('"')
    return f"--{name} {text if text in (',', '.', '...') else shlex.quote(text)}"
