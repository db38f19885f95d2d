"""`write_report`: the page, put together from its figures and tables and written in one piece."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.backtesting import Costs, backtest
from candlecast.report import history_tables, tables
from candlecast.report.account_chart import account_figure, account_view
from candlecast.report.answers import answer_section
from candlecast.report.calibration_figure import calibration
from candlecast.report.chart_library import ADDRESS, NOTICE, chart_library
from candlecast.report.columns import Columns, compressed
from candlecast.report.cost_figure import cost_figure
from candlecast.report.document import document, heading_html
from candlecast.report.figures import figure_html, table_with_data
from candlecast.report.forecast_figures import forecast_in_groups, lag_figure
from candlecast.report.forecast_values import forecast_rows
from candlecast.report.market_chart import add_candles, first_view, forecast_figure, price_figure
from candlecast.report.page_file import page_path, write_page
from candlecast.report.provenance import provenance_table, recipe_details
from candlecast.report.returns_figures import distribution, drawdown_frame, drawdown_table, monthly_frame, monthly_table
from candlecast.report.trade_list import add_trades, trade_section
from candlecast.report.training_figures import losses, skill_by_training, timeline
from candlecast.targets.words import described
from candlecast.text.formatting import close_moment, count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

SCRIPTS = ("columns", "pyramid", "charts", "views", "trades", "page")


def write_report(result: StudyResult, path: str | Path) -> Path:
    """Write one self-contained HTML page about a study, and give its path.

    The page loads nothing: it opens from a disk, offline. Raises as `write_page`.
    """
    path = page_path(path)
    return write_page(render(result, folder=path.parent), path)


def render(result: StudyResult, *, folder: Path = Path()) -> str:
    """The page as text; `folder` is where it is written."""
    gross = backtest(result.candles, result.positions[result.model], costs=Costs.free(), cash=result.cash)
    candles, tested, verdict = result.candles, result.backtest.equity, result.verdict
    yearly = result.backtest.bars_per_year
    columns = Columns()
    add_candles(result, columns)
    rows = forecast_rows(result)
    figures = (
        price_figure(result, columns),
        forecast_figure(result, columns, rows),
        account_figure(result, columns, gross),
        forecast_in_groups(result),
        lag_figure(result, rows),
        distribution(result),
        cost_figure(result),
        timeline(result),
        skill_by_training(result),
        losses(result),
        *calibration(result),
    )
    trades = add_trades(result, columns)
    scripts = files("candlecast.report") / "scripts"
    drawn = {"calibration": ""} | {figure.name: figure_html(figure) for figure in figures}
    values = drawn | {
        "answer": answer_section(
            verdict,
            period=f"Out of sample: {count(tested.height, 'bar')} from {close_moment(tested['time'][0], yearly)} to "
            f"{close_moment(tested['time'][-1], yearly)}, {count(result.folds.height, 'fold')}, "
            f"{count(len(result.forecast.seeds), 'seed')} each. No bar is forecast by a model that was trained on it.",
            changes=[f"The candles were changed: {change}" for change in verdict.changes],
        ),
        "trades": trade_section(result.backtest.trades.height),
        "monthly": table_with_data(
            "monthly", "Returns by month and year", monthly_table(result.backtest), monthly_frame(result.backtest)
        ),
        "drawdowns": table_with_data(
            "drawdowns", "Deepest drawdowns", drawdown_table(result.backtest), drawdown_frame(result.backtest)
        ),
        "statistics": table_with_data("summary", "Statistics", tables.summary_table(result), result.summary()),
        "accuracy": table_with_data("accuracy", "Accuracy", tables.accuracy_table(result), result.accuracy),
        "notes": tables.measure_notes(result),
        "payments": tables.costs_table(result, gross),
        "data": tables.data_table(result),
        "issues": history_tables.issues_table(candles.check()),
        "audit": history_tables.audit_table(result),
        "tried": history_tables.trials_table(result),
        "provenance": provenance_table(result, folder),
        "recipe": recipe_details(result.recipe),
        "notice": f'{escape(NOTICE)}, <a href="{ADDRESS}" rel="noopener">{ADDRESS}</a>',
        "header": _header(result, columns, trades),
        "library": compressed(chart_library()),
        "columns": columns.payload,
        "script": "\n".join((scripts / f"{name}.js").read_text("utf-8") for name in SCRIPTS),
    }
    title = f"{candles.symbol} {candles.interval}, {result.model}: {verdict.headline}"
    question = f"{result.model} forecasts the {described(result.primary_target)}"
    heading = heading_html(candles.symbol, str(candles.interval), question)
    return document("report", values, title=title, heading=heading, allowed="img-src data: blob:", is_scripted=True)


def _header(result: StudyResult, columns: Columns, trades: dict[str, Any]) -> str:
    """What the script needs to read the columns, as JSON that cannot end the script element around it."""
    header = {
        "columns": columns.entries,
        "step": result.candles.interval.microseconds / 1e6,
        "trades": trades,
        "views": {"market": first_view(result), "account": account_view(result)},
    }
    return json.dumps(header, separators=(",", ":")).replace("<", "\\u003c")
