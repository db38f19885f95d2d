"""Charts of the market: candles with every fill, and the forecast beside the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.report.columns import Columns
from candlecast.report.figures import Figure
from candlecast.report.forecast_values import forecast_words, happened, unit_of
from candlecast.text.cells import percent
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

FIRST_BARS = 250  # shown at first
SEED_RANGE = {"seeds_low": "lowest seed", "seeds_high": "highest seed"}


def add_candles(result: StudyResult, columns: Columns) -> None:
    """The bars: open time in seconds, prices, volume."""
    columns.add("time", result.candles.frame["open_time"].dt.timestamp("ms").to_numpy() / 1e3)
    for name in ("open", "high", "low", "close", "volume"):
        columns.add(name, result.candles.frame[name].to_numpy())


def price_figure(result: StudyResult, columns: Columns) -> Figure:
    """Candles with every fill, volume, and the position held. Adds the column of the position."""
    traded = result.backtest
    first = bars_of(result, traded.equity["time"])[0]
    columns.add("position", 100 * traded.equity["position"].to_numpy(), offset=int(first), figures=4)
    panes = [
        {"weight": 5, "series": [{"kind": "candles"}]},
        {"weight": 1, "series": [{"kind": "volume", "column": "volume", "label": "volume", "colour": "grey"}]},
        {
            "weight": 1,
            "series": [{"kind": "area", "column": "position", "label": "position", "percent": True, "digits": 0}],
        },
    ]
    legend = (("buy", "buy"), ("sell", "sell"), ("candle-up", "closed higher"), ("candle-down", "closed lower"))
    return Figure(
        "signals",
        "Price and fills",
        _signal_words(result),
        chart={"group": "market", "height": 560, "panes": panes},
        legend=legend,
    )


def forecast_figure(result: StudyResult, columns: Columns, rows: pl.DataFrame) -> Figure:
    """Forecast, naive forecast and actual value (`forecast_rows`) at the time that they are forecast for. Adds their columns."""
    title = f"Forecast and outcome: {unit_of(result).label}"
    known = rows.drop_nulls("target")
    if known.is_empty():
        return Figure("forecast", title, "No outcome is known yet, so there is nothing to compare the forecast with.")
    unit = unit_of(result)
    places = bars_of(result, known["known_at"])
    first, last = (
        int(places.min()),
        int(places.max()),
    )  # outcomes of barriers are not known in the order of their forecasts
    close = known["close"].to_numpy()
    is_probability = result.primary_target.kind == "probability"
    shown = {"forecast": "mean", "naive": "naive", "actual": "target"}
    if len(result.forecast.seeds) > 1:
        shown |= {"seeds_low": "low", "seeds_high": "high"}
    for name, source in shown.items():
        values = np.full(last - first + 1, np.nan)
        read = happened(known) if is_probability and name == "actual" else known[source].to_numpy()
        values[places - first] = unit.convert(read, close)
        columns.add(name, values, offset=first)
    thin = {"kind": "line", "colour": "blue-pale", "width": 1}
    figures = {"digits": 1 if is_probability else 2, "percent": True} if "%" in unit.label else {}
    outcomes = {"dots": True} if is_probability else {}  # they are all or nothing, and a line between them says nothing
    series = [
        *({**thin, "column": name, "label": label} for name, label in SEED_RANGE.items() if name in shown),
        {"kind": "line", "column": "actual", "label": "actual", "colour": "grey", "width": 2, **outcomes},
        {"kind": "line", "column": "naive", "label": "naive", "colour": "orange", "width": 1, "dash": 2},
        {"kind": "line", "column": "forecast", "label": result.model, "colour": "blue", "width": 2},
    ]
    panes = [{"weight": 1, "series": [each | figures for each in series]}]
    chart = {"group": "market", "height": 340, "panes": panes}
    return Figure("forecast", title, forecast_words(result, rows, known), chart=chart)


def first_view(result: StudyResult) -> tuple[int, int]:
    """The bars that the charts of the market show at first: the last of the test part."""
    end = len(result.candles)
    return max(0, end - FIRST_BARS), end


def bars_of(result: StudyResult, closes: pl.Series) -> np.ndarray:
    """Bars that close at these times."""
    times = result.candles.close_time
    return np.searchsorted(times, closes.dt.replace_time_zone(None).to_numpy().astype(times.dtype))


def _signal_words(result: StudyResult) -> str:
    traded = result.backtest
    if traded.fills.is_empty():
        return "The rule never traded, so there are no fills to show."
    position = traded.equity["position"].to_numpy()[1:]
    shares = [percent(float(np.mean(chosen)), 0) for chosen in (position > 0, position < 0, position == 0)]
    return (
        f"{count(traded.fills.height, 'fill')} in {count(traded.equity.height, 'bar')}, at the open after the decision, make "
        f"{count(traded.trades.height, 'trade')}. "
        f"Long on {shares[0]} of the bars, short on {shares[1]}, flat on {shares[2]}. Closed markets take no width. Zoomed out, "
        "a candle stands for several bars and keeps their open, high, low and close; an arrow marks one or more fills."
    )
