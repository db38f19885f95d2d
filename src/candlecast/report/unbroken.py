"""Text whose lines do not break between a number and its sign."""

from __future__ import annotations


def unbroken(text: str) -> str:
    """The text with spaces that do not break before percent signs and after comparison signs.

    >>> unbroken("12.3 %, p < 0.001")
    '12.3\xa0%, p <\xa00.001'
    """
    return text.replace(" %", "\u00a0%").replace("< ", "<\u00a0")
