"""Tables that are sorted, filtered and paged by their address: each heading is a link, each filter a field of a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from candlecast.text.redaction import visible

SHORT = 14  # letters of a first cell that stays in one line
ROWS = 100  # on a page
MOST_CHOICES = 100  # of a filter
LONGEST_FILTER = 200  # characters
Query = Mapping[str, list[str]]
T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: `value` is sorted by, `cell` is shown and escaped; `link` leads from the cell to another page.

    is_choice: rows can be filtered by its cells.
    """

    name: str
    heading: str
    value: Callable[[T], Any]
    cell: Callable[[T], str]
    link: Callable[[T], str | None] | None = None
    is_choice: bool = False


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A table of rows, in this order where the address names no other.

    path: of its page, with the fields `fixed`. chooser: a cell before the others, as HTML; tail: one after them.
    """

    path: str
    caption: str
    columns: Sequence[Column[T]]
    rows: Sequence[T]
    query: Query
    chooser: Callable[[T], str] | None = None
    tail: Callable[[T], str] | None = None
    tail_heading: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)

    def form(self) -> str:
        """The filters."""
        fields = [
            f'<label>Search <input type="search" name="q" value="{safe(self._field("q"))}" maxlength="{LONGEST_FILTER}"></label>'
        ]
        for column in self.columns:
            choices = sorted({column.cell(row) for row in self.rows}) if column.is_choice else []
            if not 2 <= len(choices) <= MOST_CHOICES:
                continue
            chosen = self._field(column.name)
            options = "".join(
                f'<option value="{safe(each)}"{" selected" if each == chosen else ""}>{safe(each)}</option>'
                for each in choices
            )
            fields.append(
                f'<label>{escape(column.heading)} <select name="{column.name}">'
                f'<option value="">all</option>{options}</select></label>'
            )
        held = {**{name: self._field(name) for name in ("sort", "order")}, **self.fixed}
        kept = "".join(
            f'<input type="hidden" name="{name}" value="{safe(value)}">' for name, value in held.items() if value
        )
        reset = f'<a href="{escape(address(self.path, **self.fixed) or ".")}">Reset</a>' if self._is_filtered else ""
        return f'<form class="filters" action="{escape(self.path)}">{"".join(fields)}{kept}<button>Apply</button>{reset}</form>'

    def table(self) -> str:
        """The rows of one page, and links to the others."""
        found = self._sorted([row for row in self.rows if self._fits(row)])
        pages = max(-(-len(found) // ROWS), 1)
        page = min(max(_whole(self._field("page")), 1), pages)
        shown = found[(page - 1) * ROWS : page * ROWS]
        heads = "".join(map(self._head, self.columns))
        before = "<th></th>" if self.chooser else ""
        after = f'<th scope="col">{escape(self.tail_heading)}</th>' if self.tail else ""
        body = "".join(map(self._line, shown)) or (
            f'<tr><td colspan="{len(self.columns) + 2}" class="none">No row fits these filters.</td></tr>'
        )
        of = "" if len(found) == len(self.rows) else f" of {len(self.rows):,}"
        caption = f"{self.caption}: {len(found):,}{of}"
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(self.caption)}"><table class="listing">'
            f"<caption>{safe(caption)}</caption><thead><tr>{before}{heads}{after}</tr></thead><tbody>{body}</tbody></table></div>"
            f"{self._pager(page, pages)}"
        )

    def _head(self, column: Column[T]) -> str:
        name, is_descending = self._order
        is_sorted = column.name == name
        state = ("descending" if is_descending else "ascending") if is_sorted else "none"
        turned = "desc" if is_sorted and not is_descending else "asc"
        address = self._address(sort=column.name, order=turned, page="")
        kind = ' class="number"' if self.rows and _is_number(column.value(self.rows[0])) else ""
        return (
            f'<th scope="col"{kind} aria-sort="{state}"><a href="{escape(address)}">{escape(column.heading)}</a></th>'
        )

    def _line(self, row: T) -> str:
        cells = [f"<td>{self.chooser(row)}</td>"] if self.chooser else []
        for place, column in enumerate(self.columns):
            text = safe(column.cell(row))
            address = column.link(row) if column.link else None
            if address is not None:
                text = f'<a href="{escape(address)}">{text}</a>'
            kind = "" if _is_number(column.value(row)) else ' class="text"'
            short = ' class="short"' if len(column.cell(row)) <= SHORT else ""
            cells.append(f'<th scope="row"{short}>{text}</th>' if place == 0 else f"<td{kind}>{text}</td>")
        if self.tail:
            cells.append(f'<td class="tail">{self.tail(row)}</td>')
        return f"<tr>{''.join(cells)}</tr>"

    def _pager(self, page: int, pages: int) -> str:
        if pages == 1:
            return ""
        links = [
            f'<a href="{escape(self._address(page=str(other)))}">{words}</a>'
            for words, other in (("Previous", page - 1), ("Next", page + 1))
            if 1 <= other <= pages
        ]
        return f'<p class="pager">Page {page:,} of {pages:,} {" ".join(links)}</p>'

    @property
    def _order(self) -> tuple[str, bool]:
        return self._field("sort"), self._field("order") == "desc"

    @property
    def _is_filtered(self) -> bool:
        return any(self._field(name) for name in ("q", *(column.name for column in self.columns if column.is_choice)))

    def _fits(self, row: T) -> bool:
        cells = {column.name: column.cell(row) for column in self.columns}
        chosen = [(column.name, self._field(column.name)) for column in self.columns if column.is_choice]
        text = " ".join(cells.values()).lower()
        words = self._field("q").lower().split()
        return all(cells[name] == held for name, held in chosen if held) and all(word in text for word in words)

    def _sorted(self, rows: list[T]) -> list[T]:
        """By the chosen column; what is undefined comes last either way."""
        name, is_descending = self._order
        column = next((column for column in self.columns if column.name == name), None)
        if column is None:
            return rows
        known = [row for row in rows if column.value(row) is not None]
        unknown = [row for row in rows if column.value(row) is None]
        return sorted(known, key=column.value, reverse=is_descending) + unknown

    def _address(self, **changed: str) -> str:
        names = ("q", *(column.name for column in self.columns if column.is_choice), "sort", "order", "page")
        fields = {name: self._field(name) for name in names} | changed
        return address(self.path, **self.fixed, **{name: value for name, value in fields.items() if value})

    def _field(self, name: str) -> str:
        return field_of(self.query, name)


def field_of(query: Query, name: str) -> str:
    """A field of the address; empty when it is not given."""
    return (query.get(name) or [""])[-1][:LONGEST_FILTER]


def address(path: str, **fields: str) -> str:
    """A link within the pages.

    >>> address("run", name="a b")
    'run?name=a%20b'
    """
    return f"{path}?{urlencode(fields, quote_via=quote, errors='replace')}" if fields else path


def safe(text: object) -> str:
    """Text of anybody as HTML: control characters as escapes, no markup.

    >>> safe("<b>")
    '&lt;b&gt;'
    """
    return escape(visible(str(text)))


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
