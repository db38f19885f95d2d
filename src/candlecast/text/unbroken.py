"""Text whose lines do not break between a number and its unit or sign: on pages, in notebooks and on the terminal."""

from __future__ import annotations

import re
import textwrap

GLUE = "\u00a0"  # a space at which no line breaks
PLACES = re.compile(r"(?<=\d) (?=(?:%|bp\b))|(?<=[<>≤≥=]) (?=[-+]?\d)|(?<=&[lg]t;) (?=[-+]?\d)")
PARTS = re.compile(r"<(script|style|pre|code)\b.*?</\1>|<[^>]*>|[^<]+", re.DOTALL | re.IGNORECASE)


def unbroken(text: str) -> str:
    """The text with spaces at which no line breaks before percent signs and basis points, and after comparison signs.

    >>> unbroken("12.3 % of 4 bp, p < 0.001")
    '12.3\\xa0% of 4\\xa0bp, p <\\xa00.001'
    """
    return PLACES.sub(GLUE, text)


def unbroken_html(page: str) -> str:
    """The same for the texts of a page; tags, scripts, styles and code stay as they are.

    >>> unbroken_html('<p title="5 %">5 %, p &lt; 0.1</p><script>5 % 2</script>')
    '<p title="5 %">5\\xa0%, p &lt;\\xa00.1</p><script>5 % 2</script>'
    """
    return PARTS.sub(lambda found: found[0] if found[0].startswith("<") else unbroken(found[0]), page)


def lines_of(text: str, width: int, *, first: str = "", indent: str = "") -> list[str]:
    """The text in lines of at most `width` letters where its words allow it; long words, such as paths, stay whole.

    first: written before the first line. indent: written before the others.

    >>> lines_of("it returned 11.2 % a year", 18, indent="  ")
    ['it returned 11.2 %', '  a year']
    >>> lines_of("it returned 11.2 % a year", 17)
    ['it returned', '11.2 % a year']
    """
    wrap = textwrap.TextWrapper(
        width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(GLUE, " ") for line in wrap.wrap(unbroken(text))]
