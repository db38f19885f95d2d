"""Workbooks of Excel and its like, as text: the one sheet that holds rows."""

from __future__ import annotations

import io
from typing import IO

from candlecast.errors import SourceError
from candlecast.reading.containers import MAX_DOCUMENT, Content


def as_text(content: Content) -> tuple[Content, list[str]]:
    """The first sheet with rows as CSV, and what was left out. Raises SourceError without the extra or without rows."""
    try:
        import fastexcel
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
    try:
        reader = fastexcel.read_excel(content.path.read_bytes())
        sheets = [
            (name, reader.load_sheet(name, header_row=None, dtypes="string").to_polars()) for name in reader.sheet_names
        ]
    except Exception as error:  # the parser has errors of its own, and of several kinds
        raise SourceError(
            f"{content.path} cannot be read ({str(error).splitlines()[0]})",
            expected="a workbook of Excel",
            remedy="Save the sheet as CSV",
        ) from error
    filled = [(name, sheet) for name, sheet in sheets if sheet.height > 1]
    if not filled:
        raise SourceError(
            f"{content.path} has no sheet with rows", expected="a sheet of candles", remedy="Check the file"
        )
    name, sheet = filled[0]
    text = sheet.write_csv(include_header=False).encode()

    def opener() -> IO[bytes]:
        return io.BytesIO(text)

    notes = [f"sheet {name!r} of {len(filled)}"] if len(filled) > 1 else []
    return Content(content.path, "text", content.name, opener, is_packed=False), notes
