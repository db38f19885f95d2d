"""A page that lists what a folder holds: what can be read in a table, and the reasons of what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from candlecast.serving import Reply
from candlecast.ui.layout import error, page
from candlecast.ui.listing import Column, Listing, Query, safe


class Entry(Protocol):
    """Something that was found in a folder, or why it cannot be read."""

    @property
    def name(self) -> str:
        """Of its folder."""
        ...

    @property
    def error(self) -> str:
        """Why it cannot be read; empty where it can."""
        ...


Found = TypeVar("Found", bound=Entry)


def entries_page(
    found: Sequence[Found],
    columns: Sequence[Column[Found]],
    query: Query,
    *,
    of: str,
    title: str,
    lead: str,
    absent: str,
    heading: str = "",
) -> Reply:
    """A page that lists the entries. `absent`: the text where there is none. `heading`: that of the table, if not the title."""
    readable = [each for each in found if not each.error]
    broken = "".join(error(f"{each.name} cannot be read: {each.error}") for each in found if each.error)
    if not readable:
        return page(title, f'<p class="absent">{safe(absent)}</p>{broken}', of=of)
    listing = Listing(of, heading or title, columns, readable, query)
    return page(title, f"{listing.form()}{listing.table()}{broken}", of=of, lead=lead)
