"""The frame of every page in one file: head, security policy, style, heading and the button of the theme around its body."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template

from candlecast.text.unbroken import unbroken_html

FRAME = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; $allowed">
<title>$title</title>
<style>
$style
</style>
<script>
$theme</script>
</head>
<body>
<header class="top">
<div>
$heading
</div>
<button type="button" id="theme" hidden></button>
</header>
$body
</body>
</html>
""")


def document(
    package: str,
    values: Mapping[str, str],
    *,
    title: str,
    heading: str,
    body: str = "page",
    allowed: str = "",
    is_scripted: bool = False,
) -> str:
    """A page whose body is a template of a package of candlecast, filled with HTML.

    Args:
        package: the name of the package, which holds `<body>.html` and may hold `<body>.css`, its additions to the common
            style.
        values: HTML by name in the template.
        title: plain text.
        heading: HTML, as `heading_html` makes it.
        body: the name of the template.
        allowed: what the page may load beside its style, as further parts of the security policy, such as "img-src data:".
        is_scripted: whether the body has scripts of its own; in other pages nothing runs but the script of the theme.
    """
    place, common = files(f"candlecast.{package}"), files("candlecast.report")
    sheets = dict.fromkeys((common / "page.css", place / f"{body}.css"))
    style = "\n".join(sheet.read_text("utf-8").rstrip() for sheet in sheets if sheet.is_file())
    theme = (common / "scripts" / "theme.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(f"\n{theme}".encode()).digest()).decode()
    scripts = "'unsafe-inline'" if is_scripted else f"'sha256-{digest}'"
    page = FRAME.substitute(
        title=escape(title),
        style=style,
        theme=theme,
        heading=heading,
        body=Template((place / f"{body}.html").read_text("utf-8").rstrip()).substitute(values),
        allowed="; ".join(filter(None, (f"script-src {scripts}", allowed))),
    )
    return unbroken_html(page)


def heading_html(name: str, detail: str = "", question: str = "") -> str:
    """The heading of a page from plain text: a name with a detail in a paler colour, and a line under it.

    >>> heading_html("SP500", "1d", "lstm forecasts the next return")
    '<h1>SP500 <span class="interval">1d</span></h1>\\n<p class="question">lstm forecasts the next return</p>'
    """
    beside = f' <span class="interval">{escape(detail)}</span>' if detail else ""
    under = f'\n<p class="question">{escape(question)}</p>' if question else ""
    return f"<h1>{escape(name)}{beside}</h1>{under}"
