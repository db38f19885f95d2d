"""`Figure`, the value that every figure of the report is, and the look that all of them share."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

# Okabe and Ito's blue and vermilion, shifted to lightnesses that read on white and on black: safe for colour-blind eyes
BLUE = "#2e86cf"
ORANGE = "#d9691e"
GREY = "#84898f"
CLEAR = "rgba(0,0,0,0)"
PALE_GREY = "rgba(132,137,143,0.28)"
PALE_BLUE = "rgba(46,134,207,0.28)"
PALE_ORANGE = "rgba(217,105,30,0.28)"
GRID = "rgba(132,137,143,0.25)"

DETAIL_BARS = 2_500  # drawn bar by bar at most; more would make the page slow
VIEW_BARS = 200  # what a time figure shows at first
BUCKETS = 600  # about two pixels each on a wide screen


@dataclass(frozen=True, eq=False)
class View:
    """A button under a figure: its words, and the layout values that it sets."""

    label: str
    layout: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure and the sentence that says what to see in it; `plot` is None when there is nothing to draw."""

    name: str
    caption: str
    plot: go.Figure | None = None
    views: tuple[View, ...] = ()


def styled(plot: go.Figure, *, height: int) -> go.Figure:
    """The shared look. Colours of text come from the page, so that they follow light and dark."""
    plot.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 12, "t": 30, "b": 8},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"family": "system-ui, sans-serif", "size": 12, "color": GREY},
        legend={"orientation": "h", "traceorder": "normal", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": CLEAR},
        hoverlabel={"bgcolor": "#22272c", "bordercolor": GREY, "font": {"color": "#f4f4f4"}},
        modebar={"bgcolor": CLEAR, "color": GREY, "activecolor": BLUE},
    )
    plot.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True, linecolor=GRID)
    plot.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True, linecolor=GRID)
    return plot


def milliseconds(times: pl.Series) -> np.ndarray:
    """Times as Plotly counts them, milliseconds since 1970 in UTC: a third of the bytes of written dates."""
    return times.dt.timestamp("ms").cast(pl.Float64).to_numpy()


def thinned(values: np.ndarray, buckets: int = BUCKETS) -> np.ndarray:
    """Rows that keep the look of a long line: lowest and highest of each bucket, and both ends; all rows of a short one.

    >>> thinned(np.array([0.0, 5.0, 1.0, 2.0, 9.0, 3.0, -4.0, 0.0]), buckets=2)
    array([0, 1, 4, 6, 7])
    """
    if len(values) <= 2 * buckets:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), buckets + 1).astype(int)
    parts = [(start, values[start:stop]) for start, stop in itertools.pairwise(edges)]
    extremes = [start + row for start, part in parts for row in (part.argmin(), part.argmax())]
    return np.unique([0, *extremes, len(values) - 1])


def recent_views(times: np.ndarray, low: np.ndarray, high: np.ndarray, *, panels: int = 1) -> tuple[View, ...]:
    """Buttons "last 200 bars" and "all bars" for a figure over `times`; `low` and `high` bound the uppermost panel."""
    if len(times) <= VIEW_BARS:
        return ()
    spans = {f"Last {VIEW_BARS} bars": slice(-VIEW_BARS, None), f"All {len(times):,} bars": slice(None)}
    views = []
    for label, rows in spans.items():
        bottom, top = float(np.nanmin(low[rows])), float(np.nanmax(high[rows]))
        margin = 0.05 * (top - bottom) or 1.0
        span = [float(times[rows][0]), float(times[rows][-1])]
        ranges = {f"xaxis{panel}.range": span for panel in ("", *range(2, panels + 1))}
        views.append(View(label, ranges | {"yaxis.range": [bottom - margin, top + margin]}))
    return tuple(views)


def show(plot: go.Figure, views: tuple[View, ...]) -> None:
    """Open a plot in its first view."""
    if views:
        plot.update_layout({key.replace(".", "_"): value for key, value in views[0].layout.items()})
