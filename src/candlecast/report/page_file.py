"""Writing a page: complete, or not at all."""

from __future__ import annotations

from pathlib import Path

from candlecast.disk.files import put_flushed
from candlecast.errors import ConfigError, RunError


def write_page(page: str, path: str | Path) -> Path:
    """Write a page to a temporary file and move it to `path` when complete, so that an older page survives a failure.

    Raises ConfigError for what names no HTML page, RunError when the path cannot be written.
    """
    path = page_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_flushed(path, page.encode())
    except OSError as error:
        raise RunError(
            f"the report cannot be written to {path} ({error.strerror})",
            expected=f"a file in a writable folder with {len(page) / 1e6:.0f} MB left",
            remedy="Choose another path, or free space on the disk",
        ) from error
    return path


def page_path(path: object) -> Path:
    """The path of an HTML page. Raises ConfigError for what names none."""
    if not isinstance(path, (str, Path)) or Path(path).suffix.lower() not in (".html", ".htm") or Path(path).is_dir():
        raise ConfigError(
            f"the report is to be written to {path!r}", expected="the path of an HTML page", remedy='Use "report.html"'
        )
    return Path(path)
