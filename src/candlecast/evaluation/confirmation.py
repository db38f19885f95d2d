"""`Confirmation`: an edge at the prices of a second source of the same asset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from candlecast.backtesting import BacktestResult, backtest, break_even_bps
from candlecast.candles import Candles
from candlecast.evaluation.growth import LOST
from candlecast.evaluation.second_source import MOVED, SAME, PairedBars, foreknown_moves, pair_bars, source_words
from candlecast.evaluation.verdict import Verdict
from candlecast.signals import Positions
from candlecast.stats import annual_return, bootstrap_p_value, log_returns, sharpe
from candlecast.text import cells
from candlecast.text.formatting import close_moment, count, number, p_value, percent, table
from candlecast.text.json_values import json_values
from candlecast.text.notebook import notebook_paragraph, notebook_table

MOST_LEFT_OUT = 0.01  # bars of the second source that the run lacks, as a share of its own
LEVEL = 0.05  # of the test of growth
KEPT = 0.5  # of the return at the own prices, that an edge keeps at others at least
HEADINGS = ("", "Own prices", "Other prices")
INDEPENDENCE = (
    "Candles cannot show that both sources recorded their prices independently, at venues where one can trade."
)
MOSTLY = 0.5  # share of equal opens, from which on both may have one feed in common


@dataclass(frozen=True)
class Priced:
    """An account at the prices of one source.

    annual_return: a fraction, of the whole time where that is less than a year. sharpe: ratio a year. break_even_bps: costs a
    side at which it earns nothing; infinite where it earns at any, NaN where it loses even without costs. growth_p: bootstrap
    p-value of no growth of the logarithm of equity.
    """

    annual_return: float
    sharpe: float
    break_even_bps: float
    growth_p: float


@dataclass(frozen=True)
class Confirmation:
    """The same orders, filled at the opens of a second source and valued at its closes: is the edge still there?

    Positions stay as the run decided them on its own candles; costs, cash and the account step are those of the run. Both
    accounts trade the bars that both sources have. It is no trial: nothing is forecast or chosen anew, and the verdict stays as
    it is.

    symbol, interval, model: of the run. own_source, other_source: symbol and source of both. has_edge, headline: of the verdict.
    first, last: closes of the first and the last bar in common; bars: their number; missing_share: of the bars of the run, that
        the other source lacks; left_out_share: bars of the other source that the run lacks, over those of the run, of bars
        shorter than a day in a market that never closes. bars_per_year: of these.
    assets, missing_assets: of a panel, how many both have, and how many the other source lacks; both 0 for one asset.
    correlation: of the returns of a bar (`stats.robust.robust_correlation`); of a panel, that of the median asset.
    opens_apart_share, closes_apart_share: share of the bars whose open, or close, differs by more than the costs of a side, where
        the level of prices does not count (101 bars).
    cost_bps: the costs of a side.
    equal_share: share of the bars whose open has moved as in the run since the bar before, to the last digit.
    led_free_return, led_free_p: annual return at the other prices without what closes of the run foretell of the next bar
        there beyond what its own closes do (`second_source.foreknown_moves`), and p-value of no growth.
    own, other: the accounts. notes: what else a reader should know, in sentences.
    """

    symbol: str
    interval: str
    model: str
    own_source: str
    other_source: str
    has_edge: bool
    headline: str
    first: datetime
    last: datetime
    bars: int
    bars_per_year: float
    missing_share: float
    left_out_share: float
    assets: int
    missing_assets: int
    correlation: float
    opens_apart_share: float
    closes_apart_share: float
    cost_bps: float
    equal_share: float
    led_free_return: float
    led_free_p: float
    own: Priced
    other: Priced
    notes: tuple[str, ...] = ()

    @property
    def has_same_prices(self) -> bool:
        """The opens are equal in nearly all bars, as official daily prices are."""
        return self.equal_share >= SAME

    @property
    def leaves_out(self) -> bool:
        """The run lacks more than a few bars that the second source has."""
        return self.left_out_share > MOST_LEFT_OUT

    @property
    def grows(self) -> bool:
        """The account grows at the other prices, with a p-value below 5 %."""
        return self.other.annual_return > 0 and self.other.growth_p < LEVEL

    @property
    def keeps_return(self) -> bool:
        """At the other prices at least half of the return is left."""
        return self.other.annual_return >= KEPT * self.own.annual_return

    @property
    def is_led(self) -> bool:
        """Most of the gain at the other prices needs closes that foretell the next bar better than those prices do."""
        is_left = self.led_free_return >= KEPT * self.other.annual_return
        return not (self.led_free_return > 0 and self.led_free_p < LEVEL and is_left)

    @property
    def is_confirmed(self) -> bool:
        """The verdict has an edge, and other prices leave it: it grows and keeps half of its return, also without any lead."""
        is_whole = not self.leaves_out and not self.has_same_prices
        return self.has_edge and is_whole and self.grows and self.keeps_return and not self.is_led

    @property
    def answer(self) -> str:
        """Whether the edge is confirmed, in a sentence."""
        if not self.has_edge:
            return "Nothing to confirm: the study found no edge, and other prices make none."
        if self.has_same_prices:
            return "Not confirmed: both sources have the same prices, which confirms nothing."
        if self.leaves_out:
            return (
                f"Not confirmed: the run lacks {percent(self.left_out_share)} of the bars, which the second source has and which "
                "may have been left out for what happened in them."
            )
        if not self.grows:
            return "Not confirmed: at the prices of the second source the account does not grow significantly."
        if not self.keeps_return:
            return "Not confirmed: at the prices of the second source less than half of the return is left."
        if self.is_led:
            return (
                "Not confirmed: most of the gain needs closes that are ahead of the second source: those of the run know later "
                "prices, or the second source lags."
            )
        return "Confirmed: the edge is still there at the prices of the second source."

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The answer, and what it rests on, without the table."""
        ends = (close_moment(each, self.bars_per_year) for each in (self.first, self.last))
        lacks = (
            f"; the second source lacks {percent(self.missing_share)} of the bars of the run"
            if self.missing_share
            else ""
        )
        of_assets = f" of {count(self.assets, 'asset')}" if self.assets else ""
        found = (
            f"At the prices of {self.other_source} the same orders return {percent(self.other.annual_return)} "
            f"{self._time_words} (p-value of no growth {p_value(self.other.growth_p)}); at those of {self.own_source}, "
            f"{percent(self.own.annual_return)}."
        )
        compared = (
            f"Both have {count(self.bars, 'bar')}{of_assets}, {' to '.join(ends)}{lacks}. Their returns have a correlation of "
            f"{number(self.correlation, 3)}; opens differ by more than the costs of a side ({self.cost_bps:g} bp) in "
            f"{percent(self.opens_apart_share)} of the bars, closes in {percent(self.closes_apart_share)}."
        )
        led = (
            "Without what closes of the run add to a forecast of the next bar of the second source, the account "
            f"returns {percent(self.led_free_return)} (p-value of no growth {p_value(self.led_free_p)})."
        )
        return self.answer, found, f"{compared} {led}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what a confirmation leaves as it is, in sentences."""
        verdict = f"The verdict stays as it is: {self.headline[0].lower()}{self.headline[1:]}"
        sentences = [f"Note: {note}." for note in self.notes]
        if self.is_confirmed:
            sentences.append(INDEPENDENCE)
        return (*sentences, verdict)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Both accounts as the lines of a table: what, at the own prices, at the others."""
        heading = "Return a year" if self._is_annual else "Return"
        figures = (
            (heading, percent, "annual_return"),
            ("Sharpe ratio", cells.number, "sharpe"),
            ("Break-even cost, bp a side", _cost, "break_even_bps"),
            ("p-value of no growth", p_value, "growth_p"),
        )
        return [
            (words, *(written(getattr(account, name)) for account in (self.own, self.other)))
            for words, written, name in figures
        ]

    @property
    def text(self) -> str:
        """All of it: the answer first, the accounts side by side, and what remains to be known."""
        return "\n\n".join([*self.paragraphs, table(self.rows, HEADINGS), *self.remarks])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Confirmation({self.symbol} {self.interval}, {self.model}: {self.answer})"

    def _repr_html_(self) -> str:
        """The same, for notebooks."""
        first, *others = self.paragraphs
        figures = notebook_table("The same orders at both prices", HEADINGS, self.rows)
        parts = (notebook_paragraph(first, is_bold=True), *map(notebook_paragraph, others), figures)
        return "".join([*parts, *map(notebook_paragraph, self.remarks)])

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is undefined or without end is None."""
        names = ("is_confirmed", "grows", "keeps_return", "is_led", "has_same_prices", "answer", "text")
        return json_values(asdict(self) | {name: getattr(self, name) for name in names})

    @property
    def _is_annual(self) -> bool:
        return self.bars > self.bars_per_year

    @property
    def _time_words(self) -> str:
        days = max(round((self.last - self.first).total_seconds() / 86_400), 1)
        return "a year" if self._is_annual else f"in {count(days, 'day')}"


def confirm(
    own: Candles,
    positions: Positions,
    result: BacktestResult,
    other: Candles,
    *,
    model: str,
    verdict: Verdict,
    seed: int = 0,
) -> Confirmation:
    """The account `result` of positions on `own` candles, beside the same at the prices of `other`. Raises as `pair_bars`."""
    paired = pair_bars(own, other, since=positions.frame["time"][0])
    decided = paired.positions(positions)
    accounts = []
    for candles in (paired.own, paired.other):
        account = backtest(candles, decided, costs=result.costs, cash=result.cash)
        cost = break_even_bps(candles, decided, costs=result.costs, cash=result.cash)
        accounts.append((account, cost))
    held = accounts[1][0].equity["position"].to_numpy()[1:]
    led = held * foreknown_moves([paired])[0][-len(held) :]
    return confirmation_of([paired], accounts, led, model=model, symbol=own.symbol, verdict=verdict, seed=seed)


def confirmation_of(
    pairs: Sequence[PairedBars],
    accounts: Sequence[tuple[BacktestResult, float]],
    led: np.ndarray,
    *,
    model: str,
    symbol: str,
    verdict: Verdict,
    assets: int = 0,
    missing_assets: int = 0,
    seed: int = 0,
) -> Confirmation:
    """What two accounts of the same orders, each with its break-even cost, say: at the own prices and at the others.

    `pairs` are the bars of both sources: of one asset, or of each of the `assets` of a panel; `missing_assets` is the number of
    those that the second source lacks. `led`, (bars - 1,): the returns that come from `foreknown_moves`.
    """
    (account, _), (elsewhere, _) = accounts
    returns = elsewhere.returns_until_ruin
    led_free = np.maximum(returns - led[: len(returns)], LOST)
    own, other = (_priced(each, cost, seed) for each, cost in accounts)
    cost_bps = account.costs.per_side_bps
    equal = float(np.concatenate([each.is_repeated for each in pairs]).mean())
    tested, bars = sum(each.tested for each in pairs), sum(len(each.own) for each in pairs)
    return Confirmation(
        symbol=symbol,
        interval=str(pairs[0].own.interval),
        model=model,
        own_source="the run" if assets else source_words(pairs[0].own),
        other_source="the second source" if assets else source_words(pairs[0].given),
        has_edge=verdict.has_edge,
        headline=verdict.headline,
        first=account.equity["time"][0],
        last=account.equity["time"][-1],
        bars=account.equity.height,
        bars_per_year=account.bars_per_year,
        missing_share=1.0 - bars / tested,
        left_out_share=sum(each.left_out for each in pairs) / tested,
        assets=assets,
        missing_assets=missing_assets,
        correlation=float(np.median([each.correlation for each in pairs])),
        opens_apart_share=_apart_share(pairs, 0, cost_bps),
        closes_apart_share=_apart_share(pairs, 1, cost_bps),
        cost_bps=cost_bps,
        equal_share=equal,
        led_free_return=annual_return(led_free, bars_per_year=account.bars_per_year),
        led_free_p=bootstrap_p_value(log_returns(led_free), seed=seed),
        own=own,
        other=other,
        notes=tuple(_notes(pairs, equal, missing_assets)),
    )


def _priced(account: BacktestResult, break_even: float, seed: int) -> Priced:
    returns, yearly = account.returns_until_ruin, account.bars_per_year
    return Priced(
        annual_return=annual_return(returns, bars_per_year=yearly),
        sharpe=sharpe(returns, bars_per_year=yearly),
        break_even_bps=break_even,
        growth_p=bootstrap_p_value(log_returns(np.maximum(returns, LOST)), seed=seed),
    )


def _apart_share(pairs: Sequence[PairedBars], place: int, cost_bps: float) -> float:
    """Share of the bars whose opens (place 0) or closes (1) differ by more than the costs of a side."""
    return float(np.mean(np.concatenate([each.apart[place] for each in pairs]) > cost_bps / 1e4))


def _notes(pairs: Sequence[PairedBars], equal: float, missing_assets: int) -> list[str]:
    notes = []
    if MOSTLY <= equal < SAME:
        notes.append(
            f"opens are equal to the last digit in {percent(equal)} of the bars: both sources may have one feed in common, which "
            "then confirms nothing there"
        )
    scaled = [each for each in pairs if abs(math.log(each.scale)) > MOVED]
    if scaled:
        notes.append(
            f"prices of {source_words(scaled[0].given)} are multiplied by {scaled[0].scale:.6g}, which brings them to the level "
            "of the others: only their returns count"
        )
    moved = max(pairs, key=lambda each: each.level_move)
    if moved.level_move > MOVED:
        notes.append(
            f"the ratio of the prices of {source_words(moved.given)} to the others moves by "
            f"{percent(math.expm1(moved.level_move))} over the record, as adjustments for dividends make it: each account has "
            "the returns of its prices as they are"
        )
    if missing_assets:
        are = "is" if missing_assets == 1 else "are"
        notes.append(
            f"{count(missing_assets, 'asset')} of the run that the second source lacks {are} left out of both accounts"
        )
    for each in pairs if len(pairs) == 1 else ():
        notes += [f"{source_words(each.given)}: {notice.rstrip('.')}" for notice in each.given.check().notices]
    return notes


def _cost(value: float) -> str:
    """A break-even cost in a table."""
    return "none" if math.isnan(value) else "any" if math.isinf(value) else number(value, 1)
