"""`Confirmation`: an edge that is looked for again, by the same study, in the candles of a second source of the same asset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.confirmation.second_source import SAME
from candlecast.evaluation.answers import figure_words
from candlecast.evaluation.growth import LOST
from candlecast.evaluation.verdict import Verdict
from candlecast.stats import annual_return, bootstrap_p_value, log_returns, sharpe
from candlecast.text import cells
from candlecast.text.formatting import close_moment, count, number, p_value, percent, table
from candlecast.text.json_values import json_values
from candlecast.text.notebook import notebook_paragraph, notebook_table

HEADINGS = ("", "Own source", "Second source")
INDEPENDENCE = (
    "Candles cannot show that both sources recorded their prices independently, at venues where one can trade."
)
LEVEL = 0.05  # of the test of growth at the other prices
KEPT = 0.5  # of the return at the own prices, that is left at the others at least


@dataclass(frozen=True)
class Account:
    """What the orders of the run come to, filled at the opens of one source and valued at its closes, in the bars in common.

    annual_return: a fraction, of the whole time where that is less than a year (`is_annual`). sharpe: ratio a year. growth_p:
    bootstrap p-value of no growth, of one test.
    """

    annual_return: float
    sharpe: float
    growth_p: float
    is_annual: bool

    @classmethod
    def of(cls, account: BacktestResult, *, seed: int) -> Account:
        """That of a backtest; `seed` of the bootstrap."""
        returns, yearly = account.returns_until_ruin, account.bars_per_year
        return cls(
            annual_return=annual_return(returns, bars_per_year=yearly),
            sharpe=sharpe(returns, bars_per_year=yearly),
            growth_p=bootstrap_p_value(log_returns(np.maximum(returns, LOST)), seed=seed),
            is_annual=bool(len(returns) >= yearly),
        )


@dataclass(frozen=True)
class Found:
    """What a study found in the candles of one source.

    headline, has_edge, is_forecastable, pays: of its verdict. skill: how good the forecasts are, by `measure`; forecast_p:
    p-value of no skill. annual_return: a fraction, of the whole time where that is less than a year (`is_annual`). sharpe: ratio
    a year. break_even_bps: costs a side at which it earns nothing; infinite where it earns at any, NaN where it loses even
    without costs. growth_p, timing_p, sharpe_p: bootstrap p-values of no growth, no timing, and of a Sharpe ratio no higher than
    that of the benchmark. All p-values are adjusted for all trials of the workspace. deflated_sharpe: a probability. outside:
    names of candles and tables from elsewhere that the study uses.
    """

    headline: str
    has_edge: bool
    is_forecastable: bool
    pays: bool
    measure: str
    skill: float | None
    forecast_p: float
    annual_return: float
    sharpe: float
    break_even_bps: float
    growth_p: float
    timing_p: float
    sharpe_p: float
    deflated_sharpe: float
    is_annual: bool
    outside: tuple[str, ...] = ()

    @classmethod
    def of(cls, verdict: Verdict, summary: pl.DataFrame) -> Found:
        """What a verdict says, with the statistics of its account."""
        lines = _lines(summary)
        forecast, _ = verdict.answers
        return cls(
            headline=verdict.headline,
            has_edge=verdict.has_edge,
            is_forecastable=verdict.is_forecastable,
            pays=verdict.pays,
            measure=forecast.measure,
            skill=forecast.value,
            forecast_p=verdict.evidence.forecast_p_adjusted,
            annual_return=lines["annual return"],
            sharpe=lines["Sharpe ratio"],
            break_even_bps=verdict.evidence.break_even_bps,
            growth_p=verdict.evidence.return_p_adjusted,
            timing_p=verdict.evidence.timing_p_adjusted,
            sharpe_p=verdict.evidence.sharpe_p_adjusted,
            deflated_sharpe=verdict.evidence.deflated_sharpe,
            outside=verdict.evidence.conditions.outside,
            is_annual=verdict.evidence.years >= 1.0,
        )


@dataclass(frozen=True)
class Confirmation:
    """The same study on the candles of a second source, and on nothing else: does it find an edge there too?

    First the orders of the run are filled at the prices of the second source: a gain that is only in the prices of the run, as
    that of noise of its own is, is lost there. Then the study is repeated: features, training, positions and fills come from the
    second source alone. What is wrong with the candles of the run, prices or volumes or dates, is not in it, unless both sources
    have it. The first repetition of its assets is judged among the trials of the run, any other as one more trial.

    symbol, interval, model: of the run. own_source, other_source: symbol and source of both.
    first, last: closes of the first and the last tested bar in common; bars: their number; missing_share: of the tested bars of
        the run, that the other source lacks. bars_per_year: of these.
    assets, missing_assets: of a panel, how many both have, and how many the other source lacks; both 0 for one asset.
    correlation: of the returns of a bar (`stats.robust.robust_correlation`); of a panel, that of the median asset.
    opens_apart_share, closes_apart_share: share of the bars whose open, or close, differs by more than the costs of a side, where
        the level of prices does not count (101 bars).
    cost_bps: the costs of a side.
    equal_share: share of the bars whose open has moved as in the run since the bar before, to the last digit.
    kept, crossed: what the orders of the run come to in these bars, at its own prices and at those of the second source.
    own, other: what the study found; `other` is None where there is nothing to confirm or nothing that could confirm it, so that
        the study was not repeated.
    notes: what else a reader should know, in sentences.
    """

    symbol: str
    interval: str
    model: str
    own_source: str
    other_source: str
    first: datetime
    last: datetime
    bars: int
    bars_per_year: float
    missing_share: float
    assets: int
    missing_assets: int
    correlation: float
    opens_apart_share: float
    closes_apart_share: float
    cost_bps: float
    equal_share: float
    own: Found
    kept: Account
    crossed: Account
    other: Found | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_same_prices(self) -> bool:
        """The opens are equal in nearly all bars, as official daily prices are."""
        return self.equal_share >= SAME

    @property
    def is_crossed(self) -> bool:
        """The orders of the run earn at the other prices: the account grows (p-value below 5 %), with half of the return."""
        grows = self.crossed.annual_return > 0 and self.crossed.growth_p < LEVEL
        return grows and self.crossed.annual_return >= KEPT * self.kept.annual_return

    @property
    def is_worth_repeating(self) -> bool:
        """There is an edge to confirm, of candles alone, and the second source can confirm it."""
        return self.own.has_edge and not self.own.outside and not self.has_same_prices and self.is_crossed

    @property
    def is_confirmed(self) -> bool:
        """The study finds an edge in the candles of both sources."""
        return self.own.has_edge and self.other is not None and self.other.has_edge

    @property
    def answer(self) -> str:
        """Whether the edge is confirmed, in a sentence."""
        if not self.own.has_edge:
            return "Nothing to confirm: the study found no edge, and other candles make none."
        if self.own.outside:
            return (
                f"Not confirmed: the study uses other candles or tables ({', '.join(self.own.outside)}), which are the same on "
                "both sides; run it with those of a second source, too."
            )
        if self.has_same_prices:
            return "Not confirmed: both sources have the same prices, which confirms nothing."
        if not self.is_crossed or self.other is None:
            return (
                "Not confirmed: filled at the prices of the second source, the orders of the run earn "
                f"{percent(self.crossed.annual_return)} {self._time_words} instead of {percent(self.kept.annual_return)} "
                f"(p-value of no growth {p_value(self.crossed.growth_p)}): most of the gain is in the prices of one source."
            )
        if self.is_confirmed:
            return "Confirmed: the same study finds an edge in the candles of the second source as well."
        words = self.other.headline
        return f"Not confirmed: on the candles of the second source the same study says: {words[0].lower()}{words[1:]}"

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The answer, and how the candles compare, without the table."""
        ends = (close_moment(each, self.bars_per_year) for each in (self.first, self.last))
        lacks = (
            f"; the second source lacks {percent(self.missing_share)} of the tested bars of the run"
            if self.missing_share
            else ""
        )
        of_assets = f" of {count(self.assets, 'asset')}" if self.assets else ""
        compared = (
            f"{self.own_source[0].upper()}{self.own_source[1:]} and {self.other_source} have {count(self.bars, 'tested bar')} "
            f"in common{of_assets}, {' to '.join(ends)}{lacks}. Their returns have a correlation of "
            f"{number(self.correlation, 3)}; opens differ by more than the costs of a side ({self.cost_bps:g} bp) in "
            f"{percent(self.opens_apart_share)} of the bars, closes in {percent(self.closes_apart_share)}."
        )
        return (self.answer, compared, *self._crossed_words)

    @property
    def _crossed_words(self) -> tuple[str, ...]:
        """What the orders earn at the other prices, where the answer does not say it."""
        if not self.is_worth_repeating:
            return ()
        words = (
            f"Filled at the prices of the second source, the orders of the run earn {percent(self.crossed.annual_return)} "
            f"{self._time_words} (p-value of no growth {p_value(self.crossed.growth_p)}); at its own prices, "
            f"{percent(self.kept.annual_return)}."
        )
        return (words,)

    @property
    def _time_words(self) -> str:
        days = max(round((self.last - self.first).total_seconds() / 86_400), 1)
        return "a year" if self.crossed.is_annual else f"in {count(days, 'day')}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what a confirmation leaves as it is, in sentences."""
        words = self.own.headline
        sentences = [f"Note: {note}." for note in self.notes]
        if self.is_confirmed:
            sentences.append(INDEPENDENCE)
        return (*sentences, f"The verdict on the run stays as it is: {words[0].lower()}{words[1:]}")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What was found, as the lines of a table: what, in the candles of the run, in those of the second source."""
        if self.other is None:
            return []
        both = (self.own, self.other)
        heading = "Return a year" if all(each.is_annual for each in both) else "Return"
        measure = self.own.measure
        skills = [figure_words(measure, each.skill, None, None).removeprefix(measure).strip() for each in both]
        figures = (
            ("p-value of no skill", p_value, "forecast_p"),
            (heading, percent, "annual_return"),
            ("Sharpe ratio", cells.number, "sharpe"),
            ("Break-even cost, bp a side", _cost, "break_even_bps"),
            ("p-value of no growth", p_value, "growth_p"),
            ("p-value of no timing", p_value, "timing_p"),
            ("p-value of no better Sharpe ratio", p_value, "sharpe_p"),
            ("Deflated Sharpe ratio", percent, "deflated_sharpe"),
        )
        return [
            ("Edge", *("yes" if each.has_edge else "no" for each in both)),
            (measure, *skills),
            *((words, *(written(getattr(each, name)) for each in both)) for words, written, name in figures),
        ]

    @property
    def text(self) -> str:
        """All of it: the answer first, the results side by side, and what remains to be known."""
        tables = [table(self.rows, HEADINGS)] if self.rows else []
        return "\n\n".join([*self.paragraphs, *tables, *self.remarks])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Confirmation({self.symbol} {self.interval}, {self.model}: {self.answer})"

    def _repr_html_(self) -> str:
        """The same, for notebooks."""
        first, *others = self.paragraphs
        figures = [notebook_table("The same study on both", HEADINGS, self.rows)] if self.rows else []
        parts = (notebook_paragraph(first, is_bold=True), *map(notebook_paragraph, others), *figures)
        return "".join([*parts, *map(notebook_paragraph, self.remarks)])

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is undefined or without end is None."""
        names = ("is_confirmed", "is_crossed", "has_same_prices", "answer", "text")
        return json_values(asdict(self) | {name: getattr(self, name) for name in names})


def _lines(summary: pl.DataFrame) -> Mapping[str, float]:
    """The values of a summary by statistic; NaN where undefined."""
    return {
        name: math.nan if value is None else float(value) for name, value in summary.select("statistic", "value").rows()
    }


def _cost(value: float) -> str:
    """A break-even cost in a table."""
    return "none" if math.isnan(value) else "any" if math.isinf(value) else number(value, 1)
