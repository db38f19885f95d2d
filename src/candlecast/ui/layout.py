"""The frame of every page: heading, links to the other pages, and content."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from candlecast.serving import Reply
from candlecast.text.unbroken import unbroken_html
from candlecast.ui.listing import address, safe

PAGES = (
    ("", "Runs"),
    ("comparisons", "Comparisons"),
    ("scans", "Scans"),
    ("trials", "Trials"),
    ("candles", "Candles"),
    ("paper", "Paper"),
)
ARTICLES = ("there ", "the ", "a ", "an ", "no ")  # words at the start of a sentence that begin no name
CURRENT = ' aria-current="page"'


def page(heading: str, content: str, *, of: str | None, lead: str = "", status: int = 200, root: str = "") -> Reply:
    """A page.

    of: the path of the page among PAGES that it belongs to. lead: a sentence under the heading. root: the way to the first
    page from here, such as "../".
    """
    links = "".join(
        f'<a href="{root}{path or "."}"{CURRENT if path == of else ""}>{words}</a>' for path, words in PAGES
    )
    filled = Template((files("candlecast.ui") / "page.html").read_text("utf-8")).substitute(
        title=f"{safe(heading)} - candlecast",
        heading=safe(heading),
        lead=f'<p class="question">{safe(lead)}</p>' if lead else "",
        links=links,
        root=root,
        content=content,
    )
    return Reply(unbroken_html(filled), status=status)


def with_way_back(html: str, address: str, words: str) -> str:
    """A page of its own, such as a report, with a link above its heading that leads back to these pages."""
    back = f'<p class="back"><a href="{safe(address)}">{safe(words)}</a></p>'
    opening, top, rest = html.partition('<header class="top">\n<div>\n')
    return f"{opening}{top}{back}\n{rest}" if top else html


def refusal(message: str, *, of: str | None = None, status: int = 404, root: str = "") -> Reply:
    """A page that says in a sentence why there is nothing to show."""
    return page("Not shown", error(message), of=of, status=status, root=root)


def error(message: str) -> str:
    """A sentence about what went wrong, within a page."""
    opening = message[0].upper() if message.startswith(ARTICLES) else message[:1]
    return f'<p class="error">{safe(opening + message[1:])}</p>'


def link(words: str, path: str, **fields: str) -> str:
    """A link within the pages."""
    return f'<a href="{safe(address(path, **fields))}">{safe(words)}</a>'


def bullets(sentences: tuple[str, ...] | list[str]) -> str:
    """Sentences as a list."""
    return f'<ul class="found">{"".join(f"<li>{safe(each)}</li>" for each in sentences)}</ul>'
