"""For the site: doctests and tables in docstrings are shown as code, wherever they stand."""

from __future__ import annotations

import re
from typing import Any

import griffe

COLUMNS = re.compile(r"\S {3,}\S")  # words of a line that stand in columns


class DoctestBlocks(griffe.Extension):
    """Puts every doctest of a docstring, up to the next empty line, and every table of words into a block of code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """The text with its doctests and its tables as blocks of code."""
    lines: list[str] = []
    for block in re.split(r"\n(?=[ \t]*\n)", text):  # a block begins with the empty line before it
        lines += _fenced_block(block.split("\n"))
    return "\n".join(lines)


def _fenced_block(lines: list[str]) -> list[str]:
    for place, line in enumerate(lines):
        if line.lstrip().startswith(">>> "):
            indent = line[: len(line) - len(line.lstrip())]
            return [*lines[:place], "", f"{indent}```pycon", *lines[place:], f"{indent}```"]
    held = [line for line in lines if line.strip()]
    is_other = (
        not held or held[0].startswith(" ") or held[0].endswith(":")
    )  # code already, or a section such as "Args:"
    is_table = len(held) > 1 and not is_other and any(map(COLUMNS.search, held))
    return ["", "```text", *held, "```"] if is_table else lines
