"""Workbooks of Excel and its like, as text: the one sheet that holds rows.

They are parsed in a process of their own, with limits on its memory and time: two cells in opposite corners of a sheet, in
a file of one kilobyte, make the parser allocate the whole sheet, which ends the process where there is no memory for it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from candlecast.errors import SourceError
from candlecast.reading.containers import FREE_BYTES, MAX_DOCUMENT, MAX_INFLATION, Content

SPARE_MEMORY, MEMORY_PER_BYTE = 768 << 20, 64  # limit on bytes of the process: in any case, and per byte of the file
SPARE_SECONDS, SECONDS_PER_MIB = 8, 4  # limit on its CPU time, likewise
CHILD = "from candlecast.reading.workbooks import convert; convert()"


def as_text(content: Content) -> tuple[Content, list[str]]:
    """The first sheet with rows as CSV, and what was left out. Raises SourceError without the extra or without rows."""
    try:
        import fastexcel  # noqa: F401
    except ImportError as error:
        raise SourceError(
            f"{content.path} is a workbook, and the extra that reads them is not installed",
            expected="fastexcel",
            remedy="Run `pip install 'candlecast[excel]'`, or save the sheet as CSV",
        ) from error
    size = content.path.stat().st_size
    if size > MAX_DOCUMENT:
        raise SourceError(
            f"{content.path} has {size:,} bytes", expected=f"at most {MAX_DOCUMENT:,}", remedy="Save the sheet as CSV"
        )
    summary, text = _converted(content.path)
    if "error" in summary:
        raise SourceError(
            f"{content.path} cannot be read ({summary['error']})",
            expected="a workbook of Excel",
            remedy="Save the sheet as CSV",
        )
    if not summary["filled"]:
        raise SourceError(
            f"{content.path} has no sheet with rows", expected="a sheet of candles", remedy="Check the file"
        )

    def opener() -> IO[bytes]:
        return io.BytesIO(text)

    notes = [f"sheet {summary['sheet']!r} of {summary['filled']}"] if summary["filled"] > 1 else []
    return Content(content.path, "text", content.name, opener, is_packed=False), notes


def convert() -> None:
    """Read a workbook from standard input; write a line of JSON and a sheet as CSV to standard output."""
    content = sys.stdin.buffer.read()
    _limit(len(content))
    try:
        import fastexcel

        reader = fastexcel.read_excel(content)
        sheets = [
            (name, reader.load_sheet(name, header_row=None, dtypes="string").to_polars()) for name in reader.sheet_names
        ]
        filled = [(name, sheet) for name, sheet in sheets if sheet.height > 1]
        summary = {"sheet": filled[0][0] if filled else "", "filled": len(filled)}
        text = filled[0][1].write_csv(include_header=False) if filled else ""
        if len(text) > max(FREE_BYTES, MAX_INFLATION * len(content)):
            raise ValueError(f"its cells have {len(text):,} bytes of text, and the file {len(content):,}")
    except BaseException as error:
        summary, text = {"error": (str(error).splitlines() or [type(error).__name__])[0]}, ""
    sys.stdout.buffer.write(json.dumps(summary).encode() + b"\n" + text.encode())


def _converted(path: Path) -> tuple[dict[str, Any], bytes]:
    """What `convert` writes for a file, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "POLARS_MAX_THREADS": "1"}
    with path.open("rb") as file:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", CHILD], stdin=file, capture_output=True, env=environment, check=False
        )
    head, _, text = ended.stdout.partition(b"\n")
    if ended.returncode:
        return {"error": "its cells need more memory or time than its size allows, or it is damaged"}, b""
    return json.loads(head), text


def _limit(size: int) -> None:
    """Limit memory and CPU time of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    memory = SPARE_MEMORY + MEMORY_PER_BYTE * size
    seconds = SPARE_SECONDS + SECONDS_PER_MIB * (size >> 20)
    for limit, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # a lower limit is in force
            resource.setrlimit(limit, (most, most))
