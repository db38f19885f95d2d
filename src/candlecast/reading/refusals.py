"""Files that hold no table, such as web pages and error answers: the errors that say what they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from candlecast.errors import SourceError

TABLE = "a table of candles"


def refuse_no_table(path: Path, text: str) -> None:
    """Raise SourceError when a text is empty, a web page, a pointer to a file elsewhere, or something like that."""
    start = text.lstrip()[:2_000]
    lowered = start.lower()
    if not start:
        raise SourceError(f"{path} is empty", expected=TABLE, remedy="Fetch it again")
    if start.startswith("version https://git-lfs"):
        raise SourceError(
            f"{path} is a pointer of Git LFS: the data itself was not fetched",
            expected=TABLE,
            remedy="Run `git lfs pull` where the file is from",
        )
    if re.match(r"<(!doctype|html|head|body|\?xml|script|svg|error|div)", lowered):
        raise SourceError(
            f"{path} is a web page or XML, not a table{_title(start)}",
            expected=TABLE,
            remedy="The download did not work: open the address in a browser, or sign in first",
        )
    if lowered.startswith(("%pdf", "sqlite format")):
        raise SourceError(f"{path} is no text", expected=TABLE, remedy="Export the table as CSV")


def answer_without_candles(path: Path, value: Any) -> SourceError:
    """The error for a JSON value that holds no candles, with the words that it says instead."""
    said = _message(value)
    return SourceError(
        f"{path} is an answer in JSON without candles" + (f": {said}" if said else ""),
        expected="a list of candles, as lists or objects",
        remedy="Ask again as the answer says, and keep the candles of a good answer" if said else "Check the file",
    )


def _title(start: str) -> str:
    match = re.search(r"<title>(.*?)</title>", start, re.IGNORECASE | re.DOTALL)
    return f" ({' '.join(match[1].split())[:80]})" if match else ""


def _message(value: Any) -> str:
    if isinstance(value, dict):
        for name in (
            "msg",
            "message",
            "error",
            "Error Message",
            "Information",
            "Note",
            "error_message",
            "errors",
            "detail",
        ):
            if value.get(name):
                return _message(value[name])
        return next((_message(each) for each in value.values() if isinstance(each, (dict, str)) and _message(each)), "")
    if isinstance(value, list):
        return _message(value[0]) if value and isinstance(value[0], (str, dict)) else ""
    return (value if isinstance(value, str) else json.dumps(value))[:200]
