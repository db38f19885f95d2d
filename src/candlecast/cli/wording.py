"""Messages in the words of the shell: arguments and methods of Python as options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

PARAMETERS = (
    "zone",
    "dates",
    "decimal",
    "symbol",
    "interval",
    "since",
    "until",
    "columns",
    "adjusted",
    "max_gap",
    "bridge",
)
SPOKEN = re.compile(rf"\b({'|'.join(PARAMETERS)})=(\"[^\"]*\"|\{{[^}}]*\}}|True|\d+|\.\.\.)")
METHODS = {
    "mended": "--mend",
    "with_max_gap": "--bridge",
    "with_real_jumps": "--real-jumps",
    "on_clock": "--clock",
    "resample": "--interval",
    "check": "`candlecast candles FILE`",
}  # of candles, whose one argument is the value of the option
METHOD = re.compile(rf"\bcandles\.({'|'.join(METHODS)})\((?:(\w+)=)?([^()]*)\)")
LATER = re.compile(r"candles\[\d+:\] \(since=(\"[^\"]*\")\)")  # rows, and the time of the first
CALL = re.compile(  # of a class, with parameters by name; not within code, where it is a value
    r"(?<![=(\[.\w])(?<!= )(?:cc\.)?[A-Z]\w*\((\w+=[^(),]+(?:, \w+=[^(),]+)*)\)"
)


def in_shell(message: str, options: Collection[str] = ()) -> str:
    """A message in which arguments of Python, and methods of candles, are written as options of the shell.

    options: those that commands have. A call all of whose parameters are options becomes these.

    >>> in_shell('Say zone="America/New_York", decimal="," or columns={"open": "Opn Pric"}.')
    "Say --zone America/New_York, --decimal , or --columns 'open=Opn Pric'."
    >>> in_shell("Use Costs(fee_bps=10, slippage_bps=2) or LSTM(hidden=8, head=Gaussian()).", {"--fee-bps", "--slippage-bps"})
    'Use --fee-bps 10 --slippage-bps 2 or LSTM(hidden=8, head=Gaussian()).'
    >>> in_shell('Use candles.mended("drop"), candles.mended(sort=True) or candles.with_real_jumps().')
    'Use --mend drop, --sort or --real-jumps.'
    >>> in_shell("Write study = cc.Study(model=cc.LSTM(hidden=32)).", {"--hidden"})
    'Write study = cc.Study(model=cc.LSTM(hidden=32)).'
    """
    message = CALL.sub(lambda call: _as_options(call, options), message)
    message = LATER.sub(lambda match: f"those {_option('since', match[1])}", message)
    message = METHOD.sub(_method, message)
    return SPOKEN.sub(lambda match: _option(match[1], match[2]), message)


def _as_options(call: re.Match[str], options: Collection[str]) -> str:
    pairs = [pair.split("=", 1) for pair in call[1].split(", ")]
    names = [f"--{name.replace('_', '-')}" for name, _ in pairs]
    if not set(names) <= set(options):
        return call[0]
    values = (shlex.quote(value.strip("\"'")) for _, value in pairs)
    return " ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _method(call: re.Match[str]) -> str:
    name, parameter, value = call.groups()
    if parameter is not None:
        return _option(parameter, value)
    return f"{METHODS[name]} {shlex.quote(value.strip(chr(34)))}" if value else METHODS[name]


def _option(name: str, value: str) -> str:
    option = f"--{name.replace('_', '-')}"
    if value == "True":
        return option
    if value.startswith("{"):
        pairs = re.findall(r'"([^"]*)": "([^"]*)"', value)
        return " ".join(f"{option} {shlex.quote(f'{role}={column}')}" for role, column in pairs)
    if value == "...":
        return option
    text = value.strip('"')
    return f"{option} {text if text in (',', '.') else shlex.quote(text)}"
