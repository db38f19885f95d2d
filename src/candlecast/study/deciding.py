"""Positions of a rule by the forecasts of each model, checked for looking ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from candlecast.backtesting import Costs
from candlecast.candles import Candles
from candlecast.causality import require_causal_rule
from candlecast.dataset.forecast import Forecast
from candlecast.errors import calling
from candlecast.signals import Positions, Rule
from candlecast.signals.rule import decide, name_of


def positions_by_model(
    rule: Rule,
    forecasts: Mapping[str, Forecast],
    candles: Candles,
    costs: Costs,
    *,
    parts: pl.DataFrame | None = None,
) -> dict[str, Positions]:
    """What a rule holds by each model's forecasts. Raises LookaheadError for one that looks at what is not known yet.

    `parts`: the table of the folds where some test parts are left out, between which nothing is held.
    """
    with calling(
        f"rule {name_of(rule)}",
        expected="Positions for the forecast of any asset",
        remedy="Try it on result.forecast and its candles",
    ):
        positions = {name: decide(rule, forecast, candles, costs=costs) for name, forecast in forecasts.items()}
    for name, forecast in forecasts.items():
        require_causal_rule(rule, forecast, candles, costs=costs, positions=positions[name])
    if parts is not None:
        positions = {name: _flat_between(held, parts, candles) for name, held in positions.items()}
    return positions


def _flat_between(positions: Positions, parts: pl.DataFrame, candles: Candles) -> Positions:
    """Positions that are closed after each test part that the next one does not follow at once.

    The decision of the last bar of a part is held for a bar; the next decision is to hold nothing.
    """
    closes = candles.frame["close_time"]
    first, last = (closes.search_sorted(parts[name].sort()).to_numpy() for name in ("test_first", "test_last"))
    ends = [bar + 1 for bar, following in zip(last, [*first[1:], len(closes)], strict=True) if bar + 1 < following]
    flat = positions.frame.head(1).select("symbol").join(pl.DataFrame({"time": closes.gather(ends)}), how="cross")
    added = flat.with_columns(position=pl.lit(0.0)).select(positions.frame.columns)
    return replace(positions, frame=pl.concat([positions.frame, added]).unique("time", keep="first").sort("time"))
