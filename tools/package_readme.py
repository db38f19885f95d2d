"""The readme of the package on PyPI: that of the repository, with links and pictures that lead there from anywhere."""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGES = "https://github.com/candlecast/candlecast/blob/v{}/"
FILES = "https://raw.githubusercontent.com/candlecast/candlecast/v{}/"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)]+)\)")


class ReadmeHook(MetadataHookInterface):
    """What hatchling asks for the readme when it builds."""

    def update(self, metadata: dict) -> None:
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, version=metadata["version"])}


def absolute(text: str, *, version: str) -> str:
    """The text with relative links of Markdown as addresses of the tag of a version."""

    def linked(found: re.Match[str]) -> str:
        mark, words, path = found.groups()
        return f"{mark}[{words}]({(FILES if mark else PAGES).format(version)}{path})"

    return LINK.sub(linked, text)
