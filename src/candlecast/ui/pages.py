"""`Pages`: which page stands at which address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files

from candlecast.errors import CandlecastError
from candlecast.serving import Reply, Stream
from candlecast.ui.candles import candles_page, series_page
from candlecast.ui.comparisons import comparison_page, comparisons_page
from candlecast.ui.differences import differences_page
from candlecast.ui.layout import refusal, with_way_back
from candlecast.ui.listing import Query
from candlecast.ui.paper import paper_page
from candlecast.ui.run import report_page, run_page
from candlecast.ui.runs import runs_page
from candlecast.ui.scans import cell_page, scan_page, scans_page
from candlecast.ui.trials import trials_page
from candlecast.ui.workspace import Workspace

Page = Callable[[Workspace, Query], Reply]
AT: dict[str, Page] = {
    "": runs_page,
    "run": run_page,
    "report": report_page,
    "differences": differences_page,
    "comparisons": comparisons_page,
    "comparison": comparison_page,
    "trials": trials_page,
    "scans": scans_page,
    "scan": scan_page,
    "cell": cell_page,
    "candles": candles_page,
    "series": series_page,
    "paper": paper_page,
}
SESSION = "session/"


class Pages:
    """Answers requests from a workspace; what is wrong with a file becomes a page with a sentence."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def __call__(self, path: str, query: Query) -> Reply | Stream | None:
        """The page at a path below the token; None where there is none."""
        if path == "style.css":
            return Reply(_file("candlecast.report", "page.css") + _file("candlecast.ui", "ui.css"), kind="text/css")
        if path == "script.js":
            scripts = _file("candlecast.report", "scripts/theme.js") + _file("candlecast.ui", "ui.js")
            return Reply(scripts, kind="text/javascript")
        try:
            if path.startswith(SESSION):
                name, slash, rest = path.removeprefix(SESSION).partition("/")
                return self._session(name, rest) if slash else None
            return AT[path](self.workspace, query) if path in AT else None
        except CandlecastError as error:
            return refusal(str(error), root="../" * path.count("/"))

    def _session(self, name: str, rest: str) -> Reply | Stream | None:
        """The page of a session, with a link to all of them, and what that page asks for."""
        found = self.workspace.session(name).answer(rest)
        if not isinstance(found, Reply):
            return found
        return replace(found, content=with_way_back(found.content, "../../paper", "All paper sessions"))


def _file(package: str, name: str) -> str:
    return (files(package) / name).read_text("utf-8")
