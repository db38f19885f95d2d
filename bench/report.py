"""The report: size of the page, time until it is painted and ready, and the slowest step of panning and zooming.

    python bench/report.py [--bars 5000 100000 1000000] [--repeats 5] [--json]

A linear model on synthetic minutes; the page is opened in headless Chromium. A step is one change of the view with the frame
that draws it: zooming from all bars to a hundred, panning there, and zooming out again, through every level of the pyramid.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from candlecast import Holdout, LinearRegression, Study
from candlecast.features import Features, log_return
from candlecast.ledger import Ledger
from candlecast.sources.synthetic import ar1

PAINTED = "new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime)).observe(\
{type: 'largest-contentful-paint', buffered: true}))"
MOVES = """() => {
  const view = candlecast.views.market, moves = [];
  window.moves = moves;
  window.frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  view.set(0, view.bars);
  let width = view.bars;
  for (; width > 100; width *= 0.8) moves.push(() => view.zoom(0.8, view.from + 0.7 * (view.to - view.from)));
  for (let i = 0; i < 40; i++) moves.push(() => view.pan((i % 20 < 10 ? 1 : -1) * 0.15 * (view.to - view.from)));
  for (; width < view.bars; width *= 1.25) {
    moves.push(() => view.zoom(1.25));
    moves.push(() => view.pan(0.1 * (view.to - view.from)));
  }
  return moves.length;
}"""
MOVE = """async (i) => {
  const start = performance.now();
  moves[i]();
  await frame();
  return performance.now() - start;
}"""


def steps_of(page: Any, repeats: int) -> list[float]:
    """Milliseconds of each step of the view with its frame: the least of some repeats, which other processes disturb least."""
    runs = [[page.evaluate(MOVE, step) for step in range(page.evaluate(MOVES))] for _ in range(repeats)]
    return [min(step) for step in zip(*runs, strict=True)]


def measured(bars: int, browser: Any, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Figures of the page of a study of this many bars."""
    study = Study(model=LinearRegression(), features=Features(log_return()), folds=Holdout(0.5), baselines=(), seeds=1)
    result = study.run(ar1(bars, seed=1, interval="1m").candles, ledger=Ledger.in_memory())
    path = result.report(folder / f"{bars}.html")
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(path.as_uri())
    painted = page.evaluate(PAINTED)
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    ready = page.evaluate("performance.getEntriesByName('ready')[0].startTime")
    steps = steps_of(page, repeats)
    page.close()
    numbers = (
        ("page", path.stat().st_size / 1e6, "MB", None),
        ("largest contentful paint", painted, "ms", 1_000 if bars <= 100_000 else 2_000),
        ("charts ready", ready, "ms", None),
        ("median step", statistics.median(steps), "ms", None),
        ("slowest step", max(steps), "ms", 50),
    )
    return [
        {
            "name": f"{name}, {bars:,} bars",
            "value": value,
            "unit": unit,
            "goal": goal,
            "better": "lower",
            "against": None,
        }
        for name, value, unit, goal in numbers
    ]


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, nargs="+", default=[5_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5, help="of each step; the least counts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    figures: list[dict[str, Any]] = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for bars in options.bars:
            figures += measured(bars, browser, Path(folder), options.repeats)
    if options.json:
        print(json.dumps({"bench": "report", "machine": platform.platform(), "figures": figures}))
        return
    for figure in figures:
        goal = f"  (goal {figure['goal']:,})" if figure["goal"] else ""
        print(f"{figure['name']:<48}{figure['value']:>10,.1f} {figure['unit']}{goal}")


if __name__ == "__main__":
    main()
