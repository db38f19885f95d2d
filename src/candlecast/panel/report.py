"""`write_panel_report`: the page of a panel, put together from the figures and tables of every report and its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.panel import figures
from candlecast.report.answers import answer_section
from candlecast.report.document import document, heading_html
from candlecast.report.figures import figure_html, table_with_data
from candlecast.report.history_tables import audit_table, trials_table
from candlecast.report.page_file import page_path, write_page
from candlecast.report.provenance import provenance_rows, recipe_details
from candlecast.report.returns_figures import drawdown_frame, drawdown_table, monthly_frame, monthly_table
from candlecast.report.tables import account_table, table
from candlecast.targets.words import described
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import close_moment, count, moment

if TYPE_CHECKING:
    from candlecast.panel.result import PanelResult

MOST_ASSETS = 600  # listed
NOTES = {
    "IC, rank IC": "mean over moments of the correlation over assets of score and return, of values and of ranks; 95 % CI "
    "(HAC, Lazarus and others 2018).",
    "ICIR": "mean rank IC / its standard deviation over moments.",
    "Spread": "mean return of the highest group by score less that of the lowest, over the horizon, before costs.",
    "p": "one-sided p-value of a mean rank IC of zero or less; the verdict uses it, adjusted for all trials.",
    "p rising": "p-value that returns do not rise from each group to the next (Patton and Timmermann 2010).",
    "Net": "return (a year; of less than a year, in all) and Sharpe ratio of the portfolio by the same rule and costs.",
}


def write_panel_report(result: PanelResult, path: str | Path) -> Path:
    """Write one self-contained HTML page about a study of a panel, and give its path. Raises as `write_page`."""
    path = page_path(path)
    return write_page(render(result, folder=path.parent), path)


def render(result: PanelResult, *, folder: Path = Path()) -> str:
    """The page as text; `folder` is where it is written."""
    verdict, tested, yearly = result.verdict, result.backtest.equity, result.backtest.bars_per_year
    drawn = {
        "account": figures.account_figure(result),
        "breadth": figures.breadth_figure(result),
        "coefficients": figures.coefficient_figure(result),
        "groups": figures.group_figure(result),
        "decay": figures.decay_figure(result),
        "losses": figures.loss_figure(result),
    }
    values = {name: figure_html(figure) for name, figure in drawn.items()} | {
        "answer": answer_section(
            verdict,
            period=f"Out of sample: {count(tested.height, 'bar')} from {close_moment(tested['time'][0], yearly)} to "
            f"{close_moment(tested['time'][-1], yearly)}, "
            f"{count(result.folds.height, 'fold')} that begin and end at one moment for all assets, "
            f"{count(len(result.forecast.seeds), 'seed')} each.",
        ),
        "monthly": table_with_data(
            "monthly", "Returns by month and year", monthly_table(result.backtest), monthly_frame(result.backtest)
        ),
        "summary": table_with_data(
            "summary", "Statistics", account_table(result.summary(), result.model, held="Universe"), result.summary()
        ),
        "drawdowns": table_with_data(
            "drawdowns", "Deepest drawdowns", drawdown_table(result.backtest), drawdown_frame(result.backtest)
        ),
        "turnover": escape(figures.turnover_words(result)),
        "sides": _sides(result),
        "exposure": _exposure(result),
        "models": _models(result),
        "notes": "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in NOTES.items()).join(
            ('<dl class="notes">', "</dl>")
        ),
        "by_year": _by_year(result),
        "folds": _folds(result),
        "tried": trials_table(result),
        "assets": _assets(result),
        "audit": audit_table(result),
        "provenance": table("Provenance", (), _provenance(result, folder)),
        "recipe": recipe_details(result.recipe),
    }
    title = f"{result.panel.name} {result.panel.interval}, {result.model}: {verdict.headline}"
    heading = heading_html(
        result.panel.name[0].upper() + result.panel.name[1:] + " assets",
        str(result.panel.interval),
        f"{result.model} forecasts the {described(result.target)}",
    )
    return document("panel", values, title=title, heading=heading, allowed="img-src data:")


def _models(result: PanelResult) -> str:
    """Every model's ranking and portfolio, the studied one emphasised."""
    rows, chosen = [], None
    for place, row in enumerate(result.ranking.iter_rows(named=True)):
        chosen = place if row["model"] == result.model else chosen
        traded = result.backtests[row["model"]]
        annual, sharpe = result.net[row["model"]]
        rows.append(
            (
                row["model"],
                _within(number, row, "ic", 4),
                _within(number, row, "rank_ic", 4),
                number(row["icir"], 3),
                _within(percent, row, "spread", 3),
                p_value(row["p_rank_ic"]),
                p_value(row["p_rising"]),
                percent(annual),
                number(sharpe),
                f"{traded.fills.height:,}",
            )
        )
    heads = ("Model", "IC", "Rank IC", "ICIR", "Spread", "p", "p rising", f"Net {_time(result)}", "Sharpe", "Fills")
    return table(
        "Ranking and portfolio of every model, out of sample; 95 % CI in brackets", heads, rows, emphasised=chosen
    )


def _time(result: PanelResult) -> str:
    """The time of an annual return: that of less than a year is of the whole time."""
    return "a year" if result.verdict.evidence.years >= 1.0 else "in all"


def _by_year(result: PanelResult) -> str:
    rows = [
        (
            str(row["year"]),
            f"{row['moments']:,}",
            number(row["rank_ic"], 4),
            percent(row["gross"], 3),
            percent(row["turnover"]),
            percent(row["net"]),
        )
        for row in result.by_year.iter_rows(named=True)
    ]
    heads = ("Year", "Moments", "Rank IC", "Gross a moment", "Turnover a moment", "Net of the year")
    return table("The portfolio year by year, as it came out", heads, rows)


def _sides(result: PanelResult) -> str:
    rows = [
        (row["side"], percent(row["return"]), number(row["sharpe"]), percent(row["turnover"]))
        for row in result.sides.iter_rows(named=True)
    ]
    return table(
        "Each side as an account of its own, after costs",
        ("Side", f"Return {_time(result)}", "Sharpe", "Turnover"),
        rows,
    )


def _exposure(result: PanelResult) -> str:
    rows = []
    for row in result.exposure.iter_rows(named=True):
        words: Callable[..., str] = percent if row["factor"] == "alpha" else number
        interval = f"{words(row['low']).removesuffix(' %')} to {words(row['high'])}"
        name = "alpha a year" if row["factor"] == "alpha" else f"beta to {row['factor']}"
        rows.append((name, words(row["beta"]), interval, number(row["t"])))
    return table(
        "Exposure of the gross returns; size: small less large by traded value",
        ("Factor", "Value", "95 % CI", "t"),
        rows or [("too few moments", "-", "-", "-")],
    )


def _folds(result: PanelResult) -> str:
    rows = [
        (
            str(row["fold"]),
            f"{moment(row['train_first'])} to {moment(row['train_last'])}",
            f"{moment(row['test_first'])} to {moment(row['test_last'])}",
            f"{row['train_rows']:,}",
            f"{row['assets_trained']:,}",
            f"{row['assets_tested']:,}",
        )
        for row in result.folds.iter_rows(named=True)
    ]
    heads = ("Fold", "Train", "Test", "Rows", "Assets learnt from", "Assets tested")
    lost = ", ".join(f"{bars:,} {cause}" for cause, bars in result.lost.items() if bars)
    return table(f"Folds; bars of members that were not used: {lost or 'none'}", heads, rows)


def _assets(result: PanelResult) -> str:
    rows = []
    for place, each in enumerate(result.panel.assets[:MOST_ASSETS]):
        member = int(result.panel.is_member[:, place].sum())
        held = int((result.weights[result.model][:, place] != 0.0).sum())
        ended = "ended" if each.has_ended else ""
        rows.append(
            (
                each.symbol,
                f"{each.open_time[0].astype('datetime64[D]')}",
                f"{each.close_time[-1].astype('datetime64[D]')}",
                f"{len(each):,}",
                f"{member:,}",
                f"{held:,}",
                ended,
            )
        )
    heads = ("Asset", "First", "Last", "Bars", "Member at", "Held at", "")
    more = f", the first {MOST_ASSETS}" if len(result.panel.assets) > MOST_ASSETS else ""
    body = table(f"Assets{more}", heads, rows)
    return f"<details><summary>{count(len(result.panel.assets), 'asset')}</summary>{body}</details>"


def _provenance(result: PanelResult, folder: Path) -> list[tuple[str, str]]:
    panel = result.panel
    universe = repr(panel.universe) if panel.universe else "none was given"
    return [
        (
            "Assets",
            f"{count(len(panel.assets), 'asset')}, {panel.interval}, {count(len(panel), 'moment')}; universe: {universe}",
        ),
        ("Digest of the assets", panel.fingerprint),
        *provenance_rows(result.environment, result.recipe, result.forecast.seeds),
    ]


def _within(words: Callable[..., str], row: dict[str, Any], name: str, digits: int) -> str:
    """A value with its interval in brackets."""
    value, low, high = (row[each] for each in (name, f"{name}_low", f"{name}_high"))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{words(value, digits)} [{words(low, digits).removesuffix(' %')}, {words(high, digits).removesuffix(' %')}]"
