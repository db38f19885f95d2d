"""The frame of every page in one file: head, security policy and style around the template of its body."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template

FRAME = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'$allowed">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
$body
</body>
</html>
""")


def document(package: str, values: Mapping[str, str], *, title: str, body: str = "page", allowed: str = "") -> str:
    """A page whose body is a template of a package of candlecast, filled with HTML.

    package: the name of the package, which holds `<body>.html` and may hold `<body>.css`, its additions to the common style.
    values: HTML by name in the template. title: plain text. allowed: what the page may load beside its style, as further
    parts of the security policy, such as "script-src 'unsafe-inline'".
    """
    place, common = files(f"candlecast.{package}"), files("candlecast.report") / "page.css"
    sheets = dict.fromkeys((common, place / f"{body}.css"))
    style = "\n".join(sheet.read_text("utf-8").rstrip() for sheet in sheets if sheet.is_file())
    filled = Template((place / f"{body}.html").read_text("utf-8").rstrip()).substitute(values)
    return FRAME.substitute(title=escape(title), style=style, body=filled, allowed=f"; {allowed}" if allowed else "")
