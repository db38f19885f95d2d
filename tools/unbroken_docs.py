"""An extension of Python-Markdown for the site: its lines do not break between a number and its percent sign."""

from __future__ import annotations

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

from candlecast.text.unbroken import unbroken_html

LAST = 1  # after the parts of HTML that others put aside are back


class UnbrokenPostprocessor(Postprocessor):
    """Writes the spaces of a finished page at which no line breaks."""

    def run(self, text: str) -> str:
        return unbroken_html(text)


class UnbrokenExtension(Extension):
    """Adds the postprocessor."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's name
        md.postprocessors.register(UnbrokenPostprocessor(md), "unbroken", LAST)


def makeExtension(**settings: object) -> UnbrokenExtension:  # noqa: N802 - Markdown's name
    """What Markdown calls for the name of this module."""
    return UnbrokenExtension(**settings)
