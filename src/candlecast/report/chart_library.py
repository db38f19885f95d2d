"""The script of TradingView's Lightweight Charts, which the package litecharts carries, and its notice."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

from candlecast.errors import RunError

PACKAGE, SCRIPT = "litecharts", "litecharts/js/lightweight-charts.js"
NOTICE = "TradingView Lightweight Charts™, Copyright © TradingView, Inc., Apache License 2.0"
ADDRESS = "https://www.tradingview.com/"


@cache
def chart_library() -> bytes:
    """The script; the package is not imported. Raises RunError when it is not installed as it should be."""
    try:
        path = distribution(PACKAGE).locate_file(SCRIPT)
        content = path.read_bytes()  # type: ignore[attr-defined]
    except (PackageNotFoundError, OSError) as error:
        raise RunError(
            f"the report needs the script of {PACKAGE}, which is not there ({error})",
            expected=f"{SCRIPT} in the environment",
            remedy=f"Install it: pip install {PACKAGE}",
        ) from error
    return content
