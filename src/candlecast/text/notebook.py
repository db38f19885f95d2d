"""HTML for notebooks: what `_repr_html_` of a value gives, without styles or scripts of its own; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from candlecast.text.redaction import visible


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


def notebook_paragraph(text: str, *, is_bold: bool = False) -> str:
    """A paragraph.

    >>> notebook_paragraph("p < 0.05", is_bold=True)
    '<p><strong>p &lt; 0.05</strong></p>'
    """
    return f"<p><strong>{_safe(text)}</strong></p>" if is_bold else f"<p>{_safe(text)}</p>"


def notebook_text(text: str) -> str:
    """Plain text with its lines and columns as they are.

    >>> notebook_text("a  1")
    '<pre>a  1</pre>'
    """
    lines = "\n".join(_safe(line) for line in text.split("\n"))
    return f"<pre>{lines}</pre>"


def _safe(value: object) -> str:
    return escape(visible(str(value)))
