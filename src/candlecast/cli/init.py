"""`candlecast init`: a study file to edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from candlecast.cli import assets
from candlecast.cli.command import Command
from candlecast.cli.console import print_json, say
from candlecast.cli.options import common
from candlecast.cli.reading import reading_options
from candlecast.errors import ConfigError

TEMPLATE = "study.py.txt"


@click.command(
    cls=Command,
    short_help="Write a study file to edit.",
    epilog="""
    candlecast init study.py && candlecast run study.py
    candlecast init btc.py --asset btc_1h.csv
    """,
)
@click.argument("path", default="study.py", type=click.Path(path_type=Path), metavar="[STUDY.py]")
@click.option("--asset", default="sp500", show_default=True, help="Candles of the study: a file, or a sample.")
@reading_options
@common
def init(path: Path, *, asset: str, reading: Mapping[str, Any], as_json: bool, quiet: bool) -> None:
    """Write a study file to edit: candles, a feature, model, folds, rule and costs. It runs as it is.

    An existing file is never overwritten.
    """
    if path.suffix != ".py":
        raise ConfigError(f"{path} is no name of a Python file", expected="STUDY.py", remedy=f"Use {path}.py")
    candles, symbol = _candles(asset, reading)
    text = files("candlecast.cli").joinpath(TEMPLATE).read_text("utf-8")
    for name, value in {"symbol": _plain(symbol), "file": _plain(path.name), "candles": candles}.items():
        text = text.replace(f"{{{name}}}", value)
    _write(path, text)
    if as_json:
        print_json({"study": str(path), "symbol": symbol})
    else:
        say(f"Study  {path}\nNext   candlecast run {path}")


def _candles(asset: str, reading: Mapping[str, Any]) -> tuple[str, str]:
    """How the study file makes its candles, and their symbol. Raises CandlecastError where they cannot be read."""
    from candlecast.sources.sample import SAMPLES

    found = assets.load(asset, interval=None, reading=reading)
    if asset.lower() in SAMPLES:
        return f'cc.sample("{asset.lower()}")', found.symbol
    if not assets.is_file(asset):
        raise ConfigError(
            f"{asset} is a symbol in the store",
            expected="a file of candles, or a sample",
            remedy='Leave --asset out, and write in the study file: candles = cc.Store("data").read(SOURCE, SYMBOL, INTERVAL)',
        )
    arguments = [repr(asset), *(f"{name}={value!r}" for name, value in reading.items())]
    return f"cc.read_candles({', '.join(arguments)})", found.symbol


def _plain(name: str) -> str:
    """A name as it may stand in a comment: letters, digits and the signs of symbols and paths."""
    return re.sub(r"[^\w.:/^=+@#&~ -]", "_", name)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if path.exists():
            raise ConfigError(
                f"{path} exists", expected="a new file", remedy=f"Choose another name: candlecast init my_{path.name}"
            ) from error
        raise ConfigError(
            f"{path} cannot be written ({error.strerror})",
            expected="a folder in which files can be written",
            remedy="Choose another place",
        ) from error
