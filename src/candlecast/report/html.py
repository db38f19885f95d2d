"""`write_report`: the page, put together from its figures and tables and written in one piece."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from plotly.offline import get_plotlyjs

from candlecast.backtesting import Costs, backtest
from candlecast.report import tables
from candlecast.report.calibration_figure import calibration
from candlecast.report.figures import Figure
from candlecast.report.forecast_figures import forecast_in_groups, forecast_over_time
from candlecast.report.page_file import write_page
from candlecast.report.provenance import provenance_table
from candlecast.report.trading_figures import equity, signals
from candlecast.report.training_figures import losses, skill_by_training, timeline
from candlecast.report.unbroken import unbroken
from candlecast.targets.words import described
from candlecast.text.formatting import count, moment

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult


def write_report(result: StudyResult, path: str | Path) -> Path:
    """Write one self-contained HTML page about a study, and give its path.

    The page loads nothing: it opens from a disk, offline. Raises RunError when the path cannot be written.
    """
    return write_page(render(result, folder=Path(path).parent), path)


def render(result: StudyResult, *, folder: Path = Path()) -> str:
    """The page as text; `folder` is where it is written."""
    gross = backtest(result.candles, result.positions, costs=Costs.free(), cash=result.cash)
    figures = (
        forecast_over_time(result),
        forecast_in_groups(result),
        signals(result),
        equity(result, gross),
        timeline(result),
        skill_by_training(result),
        losses(result),
        *calibration(result),
    )
    shown = {figure.name: _figure(figure) for figure in figures}
    candles, tested = result.candles, result.backtest.equity
    verdict = result.verdict
    package = files("candlecast.report")
    return Template((package / "page.html").read_text("utf-8")).substitute(
        {"calibration": ""} | shown,
        title=escape(f"{candles.symbol} {candles.interval}, {result.model}: {result.verdict.headline}"),
        symbol=escape(candles.symbol),
        interval=escape(str(candles.interval)),
        question=escape(f"{result.model} forecasts the {described(result.primary_target)}"),
        period=escape(
            f"Out of sample: {count(tested.height, 'bar')} from {moment(tested['time'][0])} to "
            f"{moment(tested['time'][-1])}, {count(result.folds.height, 'fold')}, "
            f"{count(len(result.forecast.seeds), 'seed')} each. No bar is forecast by a model that was trained on it."
        ),
        edge="edge" if verdict.has_edge else "no-edge",
        headline=escape(result.verdict.headline),
        notices="".join(f'<p class="notice">{escape(notice)}</p>' for notice in result.verdict.notices),
        badges=_badge("Can it be forecast?", verdict.is_forecastable)
        + _badge("Does it pay after costs?", verdict.pays),
        reasons="".join(f"<li>{escape(unbroken(reason[0].upper() + reason[1:]))}.</li>" for reason in verdict.reasons),
        accuracy=tables.accuracy_table(result),
        notes=tables.measure_notes(result),
        summary=tables.summary_table(result),
        costs=tables.costs_table(result, gross),
        data=tables.data_table(result),
        provenance=provenance_table(result, folder),
        check=escape(str(candles.check())),
        recipe=escape(json.dumps(result.recipe, indent=2, ensure_ascii=False)),
        style=(package / "page.css").read_text("utf-8"),
        plotly=get_plotlyjs(),
        plots=_plots(figures),
        script=(package / "page.js").read_text("utf-8"),
    )


def _figure(figure: Figure) -> str:
    caption = escape(unbroken(figure.caption))
    if figure.plot is None:
        return f'<p class="absent" id="{figure.name}">{caption}</p>'
    buttons = "".join(
        f'<button type="button" aria-pressed="{str(index == 0).lower()}" data-figure="{figure.name}" '
        f'data-layout="{escape(json.dumps(view.layout))}">{escape(view.label)}</button>'
        for index, view in enumerate(figure.views)
    )
    views = f'<div class="views" role="group" aria-label="View">{buttons}</div>' if buttons else ""
    return f'<figure>{views}<div class="plot" id="{figure.name}"></div><figcaption>{caption}</figcaption></figure>'


def _badge(question: str, is_yes: bool) -> str:
    kind, sign, answer = ("yes", "✓", "Yes") if is_yes else ("no", "✗", "No")
    return f'<p class="badge {kind}">{question} <strong><span aria-hidden="true">{sign}</span> {answer}</strong></p>'


def _plots(figures: tuple[Figure, ...]) -> str:
    """Data and layout of every plot as JSON that cannot end the script element around it."""
    plots = ",".join(f'"{figure.name}":{figure.plot.to_json()}' for figure in figures if figure.plot is not None)
    return f"{{{plots}}}".replace("<", "\\u003c")
