"""HTML for notebooks: what `_repr_html_` of a value gives, without styles or scripts of its own; every text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from candlecast.text.formatting import CELL
from candlecast.text.redaction import visible
from candlecast.text.unbroken import unbroken

SHOWN = 5  # rows at each end of a table


def notebook_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column names its rows.

    >>> notebook_table("a & b", ["x"], [["1"]])
    '<table><caption>a &amp; b</caption><thead><tr><th>x</th></tr></thead><tbody><tr><th>1</th></tr></tbody></table>'
    """
    head = "".join(f"<th>{_safe(name)}</th>" for name in heads)
    body = "".join(
        f"<tr><th>{_safe(name)}</th>{''.join(f'<td>{_safe(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return f"<table><caption>{_safe(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def notebook_ends(
    caption: str, frame: Any, *, shown: int = SHOWN, written: Mapping[str, Callable[[Any], str]] | None = None
) -> str:
    """The first and the last rows of a Polars table, without columns that are null in all of them.

    `written`: how the values of a column are written, by its name.

    >>> import polars as pl
    >>> notebook_ends("x", pl.DataFrame({"time": ["a"], "value": [0.1 + 0.2], "none": [None]})).count("<td>")
    1
    """
    kept = frame if frame.height <= 2 * shown else frame.head(shown).vstack(frame.tail(shown))
    names = [name for name in kept.columns if kept[name].null_count() < kept.height or not kept.height]
    words = [(written or {}).get(name, _plain) for name in names]
    rows = ([of(value) for of, value in zip(words, row, strict=True)] for row in kept.select(names).iter_rows())
    return notebook_table(caption, names, rows)


def notebook_paragraph(text: str, *, is_bold: bool = False) -> str:
    """A paragraph.

    >>> notebook_paragraph("p < 0.05", is_bold=True)
    '<p><strong>p &lt;\\xa00.05</strong></p>'
    """
    return f"<p><strong>{_safe(text)}</strong></p>" if is_bold else f"<p>{_safe(text)}</p>"


def notebook_text(text: str) -> str:
    """Plain text with its lines and columns as they are: code, since notebooks set other text in letters of different widths.

    >>> notebook_text("a  1")
    '<pre><code>a  1</code></pre>'
    """
    lines = "\n".join(escape(visible(line)) for line in text.split("\n"))
    return f"<pre><code>{lines}</code></pre>"


def _plain(value: object) -> str:
    """A value of a table: times to the minute, numbers with eight figures, a dash for none."""
    if value is None:
        return CELL
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _safe(value: object) -> str:
    return escape(unbroken(visible(str(value))))
