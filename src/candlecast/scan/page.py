"""The page of a scan: the answer, heat maps of assets x intervals, the cells in order, small accounts, failures."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.interval import Interval
from candlecast.report.document import document, heading_html
from candlecast.report.page_file import page_path, write_page
from candlecast.report.tables import side_of
from candlecast.scan.cell_result import cell_result
from candlecast.scan.folder import ScanFolder
from candlecast.scan.judging import equity_of
from candlecast.scan.words import cell_words, ranked, verdict_word
from candlecast.targets.words import label_words
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import CELL, count, small

if TYPE_CHECKING:
    from candlecast.scan.outlook import SmallestEdge
    from candlecast.scan.result import Scan

MOST_ROWS = 400  # of the list and of each heat map; the table on disk has all of them
MOST_FAILURES = 200
ACCOUNTS = 24  # small accounts
POINTS = 160  # of each line of an account
WIDE, HIGH = 220, 84  # pixels of a small account
TAG = re.compile(r"<[^>]*>")
LEVELS = (0.01, 0.05, 0.2)  # of p-values, each with a colour
QUESTIONS = (  # title, p-value, number that is shown, its name, scale, what the number is
    ("Can it be forecast?", "p_discovery", "r2", "R2, %", 100.0, "R2 against naive in percent"),
    (
        "Does it pay after costs?",
        "p_pay_discovery",
        "sharpe_difference",
        "Sharpe difference",
        1.0,
        "Sharpe ratio a year less that of buy-and-hold",
    ),
)


def write_scan_page(scan: Scan, folder: ScanFolder, path: str | Path, *, cells: int | None) -> Path:
    """Write the page, and the reports of the first cells of its list beside it; gives the path of the page. Raises RunError."""
    path = page_path(path)
    order = ranked(scan.frame)
    place = path.parent / f"{path.stem}_cells"
    links: dict[str, str] = {}
    for name in order["cell"].head(order.height if cells is None else cells):
        page = place / f"{name}.html"
        if not page.exists():
            cell_result(folder, name, ledger=scan.ledger).report(page)
        links[name] = os.path.relpath(page, path.parent).replace(os.sep, "/")
    return write_page(render(scan, folder, order, links), path)


def render(scan: Scan, folder: ScanFolder, order: pl.DataFrame, links: dict[str, str]) -> str:
    """The page as text; `order` are the cells from the first of the list to the last, `links` the reports of some."""
    frame = scan.frame
    edges = int(frame["has_edge"].sum()) if frame.height else 0
    linked = (
        "Each cell links to its report."
        if len(links) == frame.height
        else (f"{_first_words(len(links))}; scan.report(cells=None), or --reports in the shell, writes more.")
    )
    values = {
        "text": escape(scan.text),
        "linked": escape(linked),
        "edges": _edge_table(scan.smallest_edges),
        "heat": "".join(heat_maps(frame, question, links) for question in QUESTIONS),
        "cells": _list(order, links),
        "accounts": _accounts(order, folder, links),
        "failures": _failures(scan.failures),
        "name": escape(scan.folder.name),
    }
    cells = count(frame.height, "cell")
    heading = heading_html("Scan", cells, _subjects(frame))
    return document("scan", values, title=f"Scan: {cells}, {edges:,} with an edge", heading=heading)


def _first_words(links: int) -> str:
    if links == 1:
        return "The first cell of the list links to its report"
    return f"The first {links:,} cells of the list link to their reports" if links else "No cell links to a report"


def _subjects(frame: pl.DataFrame) -> str:
    names = (
        ("symbol", "asset"),
        ("interval", "interval"),
        ("target", "target"),
        ("model", "model"),
        ("costs", "cost level"),
    )
    return " x ".join(count(frame[column].n_unique(), word) for column, word in names)


def _edge_table(edges: Sequence[SmallestEdge]) -> str:
    heads = (
        "Interval",
        "Target",
        "Cells",
        "Bars judged",
        "Level",
        "R2, alone",
        "R2, in this scan",
        "Sharpe difference, alone",
        "Sharpe difference, in this scan",
    )
    rows = [
        (
            escape(each.interval),
            escape(label_words(each.target)),
            f"{each.cells:,}",
            f"{each.bars:,}",
            small(each.level),
            percent(each.r2_alone, 2),
            percent(each.r2, 2),
            number(each.sharpe_alone),
            number(each.sharpe),
        )
        for each in edges
    ]
    return _table(
        "The smallest edges that this scan finds with a power of 80 %, each cell an independent test", heads, rows
    )


def heat_maps(frame: pl.DataFrame, question: tuple[str, str, str, str, float, str], links: dict[str, str]) -> str:
    """Assets x intervals of one question, for targets, models and costs side by side; assets with the smallest p first."""
    title, p, shown, name, scale, what = question
    if frame.is_empty():
        return ""
    keys = ("target", "model", "costs", "interval")
    found = list(dict.fromkeys(frame.select(keys).rows()))
    groups = list(dict.fromkeys(column[:3] for column in found))
    columns = sorted(found, key=lambda column: (groups.index(column[:3]), Interval.parse(column[3])))
    best = (
        frame.group_by("symbol", maintain_order=True).agg(pl.col(p).min()).sort(p, nulls_last=True, maintain_order=True)
    )
    known = {(row["symbol"], *(row[key] for key in keys)): row for row in frame.iter_rows(named=True)}
    top = "".join(
        f'<th colspan="{sum(column[:3] == group for column in columns)}" scope="colgroup">{escape(_group_words(*group))}</th>'
        for group in groups
    )
    lower = "".join(f'<th scope="col">{escape(column[3])}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(symbol)}</th>'
        + "".join(_heat_cell(known.get((symbol, *column)), p, shown, scale, links) for column in columns)
        + "</tr>"
        for symbol in best["symbol"].head(MOST_ROWS)
    )
    more = (
        f" The {best.height - MOST_ROWS:,} assets with larger p-values are left out." if best.height > MOST_ROWS else ""
    )
    return (
        f"<h3>{escape(title)}</h3><p class='hint'>{escape(name)}: {escape(what)}. Stronger colour: smaller p-value, adjusted for "
        f"the false discovery rate (below 1\u00a0%, 5\u00a0%, 20\u00a0%).{more}</p>"
        f'<div class="scroll tall" tabindex="0"><table class="map"><thead><tr><td></td>{top}</tr><tr><td></td>{lower}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _group_words(target: str, model: str, costs: str) -> str:
    """What the columns of a map below one head have in common."""
    return f"{label_words(target)} {model} {costs}"


def _heat_cell(row: dict[str, Any] | None, p: str, shown: str, scale: float, links: dict[str, str]) -> str:
    if row is None:
        return '<td class="none" title="no result">-</td>'
    value, chance = row[shown], row[p]
    words = CELL if value is None else number(scale * value, 2)
    rank = 0 if chance is None else sum(chance < level for level in LEVELS)
    side = "" if value is None else " gain" if value > 0 else " loss"
    label = escape(f"{cell_words(row)}: {words}, p {p_value(chance)}")
    return f'<td class="s{rank}{side}" title="{label}">{_linked(escape(words), row["cell"], links, label)}</td>'


def _linked(words: str, cell: str, links: dict[str, str], label: str) -> str:
    return f'<a href="{escape(links[cell])}" aria-label="{label}">{words}</a>' if cell in links else words


def _list(order: pl.DataFrame, links: dict[str, str]) -> str:
    heads = (
        "Cell",
        "Found",
        "R2",
        "95 % CI",
        "p",
        "p adj.",
        "FDR",
        "FDR, any dependence",
        "Best baseline",
        "Return",
        "Sharpe difference",
        "95 % CI",
        "p pays",
        "FDR",
        "Break-even, bp",
        "Trades",
    )
    rows = [
        (
            _linked(escape(cell_words(row)), row["cell"], links, escape(f"Report of {cell_words(row)}")),
            verdict_word(row),
            percent(row["r2"], 2),
            _range(row["r2_low"], row["r2_high"], 100, 2),
            p_value(row["p"]),
            p_value(row["p_trials"]),
            p_value(row["p_discovery"]),
            p_value(row["p_discovery_any"]),
            escape(f"{row['best_baseline'] or CELL} {percent(row['best_baseline_r2'], 2)}"),
            percent(row["annual_return"]),
            number(row["sharpe_difference"]),
            _range(row["sharpe_difference_low"], row["sharpe_difference_high"], 1, 2),
            p_value(row["p_pay"]),
            p_value(row["p_pay_discovery"]),
            _cost(row["break_even_bps"]),
            f"{row['trades']:,}",
        )
        for row in order.head(MOST_ROWS).iter_rows(named=True)
    ]
    caption = "Cells with an edge first, then by p-value; p adj.: for all trials, FDR: for the false discovery rate; "
    caption += "return: a year, of a record of less than a year in all"
    caption += f"; the first {MOST_ROWS:,} of {order.height:,}" if order.height > MOST_ROWS else ""
    return _table(caption, heads, rows)


def _range(low: float | None, high: float | None, scale: float, digits: int) -> str:
    if low is None or high is None:
        return CELL
    return f"{number(scale * low, digits)} to {number(scale * high, digits)}"


def _cost(value: float | None) -> str:
    if value is None:
        return CELL
    return "any" if np.isinf(value) else number(value, 1)


def _accounts(order: pl.DataFrame, folder: ScanFolder, links: dict[str, str]) -> str:
    return "".join(_account(row, folder, links) for row in order.head(ACCOUNTS).iter_rows(named=True))


def _account(row: dict[str, Any], folder: ScanFolder, links: dict[str, str]) -> str:
    """One small account: equity and buy-and-hold on a common logarithmic scale, from 1."""
    frame = equity_of(folder, row["cell"])
    places = np.unique(np.linspace(0, frame.height - 1, min(POINTS, frame.height)).round().astype(int))
    equity = frame["equity"].to_numpy()[places] / max(frame["equity"][0], 1e-300)
    lines = [np.log(np.maximum(each, 1e-6)) for each in (equity, frame["benchmark"].to_numpy()[places])]
    low, high = min(float(each.min()) for each in lines), max(float(each.max()) for each in lines)
    spread = (high - low) or 1.0
    x = np.linspace(2, WIDE - 2, len(places))
    drawn = "".join(
        _line(x, 3 + (high - each) / spread * (HIGH - 6), kind)
        for each, kind in zip(reversed(lines), ("grey", "blue"), strict=True)
    )
    name, end = cell_words(row), percent(float(equity[-1]) - 1.0)
    label = escape(f"Account of {name}: {end} after costs")
    return (
        f'<figure class="small"><h4>{_linked(escape(name), row["cell"], links, escape(f"Report of {name}"))}</h4>'
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{label}">{drawn}</svg>'
        f"<figcaption>{verdict_word(row)}; {end}, buy-and-hold {percent(float(np.exp(lines[1][-1])) - 1.0)}</figcaption></figure>"
    )


def _line(x: np.ndarray, y: np.ndarray, kind: str) -> str:
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<path class="line {kind}" d="M{points}"/>'


def _failures(failures: pl.DataFrame) -> str:
    if failures.is_empty():
        return "<p>None.</p>"
    together = failures.group_by("symbol", "interval", "sentence", maintain_order=True).agg(
        pl.len(), pl.col("model").first()
    )
    rows = [
        (escape(f"{row['symbol']} {row['interval']}".strip()), f"{row['len']:,}", escape(row["sentence"]))
        for row in together.head(MOST_FAILURES).iter_rows(named=True)
    ]
    more = f"; the first {MOST_FAILURES:,} of {together.height:,}" if together.height > MOST_FAILURES else ""
    caption = f"{count(failures.height, 'failure')}{more}"
    return f'<div class="words">{_table(caption, ("Candles", "Cells", "Why"), rows)}</div>'


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML already; columns of words stand to the left."""
    texts = [[TAG.sub("", cell) for cell in column] for column in zip(*rows, strict=True)] or [[] for _ in heads]
    sides = [side_of(column) if place else "" for place, column in enumerate(texts)]
    top = "".join(f'<th scope="col"{side}>{escape(head)}</th>' for head, side in zip(heads, sides, strict=True))
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{side}>{cell}</td>" for cell, side in zip(row[1:], sides[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
