"""Objections to a claim, whatever the tests give: the gravest one is the headline of the verdict."""

from __future__ import annotations

import math
from typing import Any

from candlecast.backtesting import BacktestResult
from candlecast.candles.stale import MAJORITY
from candlecast.errors import listed
from candlecast.evaluation.block_words import computed_words
from candlecast.evaluation.carry import HIGHEST_CARRY, carry_words, of_carry
from candlecast.evaluation.evidence import LEVEL, Evidence
from candlecast.evaluation.feature_objections import of_features
from candlecast.evaluation.figure_objections import of_figures, of_yearly_sharpe
from candlecast.evaluation.fold_objections import of_folds
from candlecast.evaluation.growth import Growth
from candlecast.evaluation.objection import Objection
from candlecast.evaluation.stresses import PARTICIPATION
from candlecast.evaluation.tradability import Tradability
from candlecast.stats import annual_return
from candlecast.targets import Target
from candlecast.text.formatting import count, number, p_value, percent

MIN_LEFT = 0.25  # of the break-even cost, with fills in the middle of the bar; honest forecasts keep a third on average
AT_FILL = 0.2  # of the break-even cost, gained at the fill; honest forecasts gain nothing there
SURE, LIKELY = 0.005, 0.05  # p-value of no gain at the fill: alone, and where the middle of the bar agrees
MIN_GROWTH = 0.5  # of the growth, without fills that nobody can count on; honest forecasts hardly have such fills
MOST_STEPS = 0.5  # of the gain, between adjoining bars
MOST_CHOSEN = 0.25  # of the gain, by opens that come towards the orders; a forecast alone gains nothing there
LEAST_FOLLOWED = 0.5  # of the gain, by positions that follow the forecast alone
MOST_CLOSED = 0.8  # of the gain, while the market is closed
RARE_SHARPE = 5.0  # a year, after costs
SMALL_ORDER = 0.001  # of a bar's volume: a share that is not worth a word
CENTRED = (
    "it may reveal the future; shift back by one bar what is early, and take means of earlier bars, not centred ones"
)


def objections(
    row: dict[str, Any],
    result: BacktestResult,
    target: Target,
    evidence: Evidence,
    *,
    is_known: bool,
    is_significant: bool,
) -> tuple[Objection, ...]:
    """All objections to a result, the gravest first.

    `is_known`: the forecast passes its test; `is_significant`: the account passes its own.
    """
    found = [
        _replaced(evidence),
        _leaking(evidence),
        _unadjusted(evidence),
        *of_figures(row, result, target),
        _ruined(result),
        *of_folds(evidence),
        _early_volume(evidence),
        _of_chosen_days(evidence),
        _untradable(evidence),
    ]
    if is_significant or is_known:
        found += of_features(evidence)
    if is_significant:
        found += [
            _stationary(evidence),
            _beside_the_forecast(evidence),
            _within_the_spread(result, evidence),
            _stale_fills(evidence),
            _repeated_opens(evidence),
            _stepped(evidence),
            _chosen_fills(evidence),
            _locked(result, evidence),
            _capped(result, evidence),
            _ended(result, evidence),
            _too_large(evidence),
            _paid(evidence),
            of_carry(evidence),
            of_yearly_sharpe(result, target),
            _doubtful(evidence),
        ]
    return tuple(objection for objection in found if objection is not None)


def _replaced(evidence: Evidence) -> Objection | None:
    """A copy with other parts says nothing about the study: it may hold what was known only afterwards."""
    names = evidence.conditions.replaced
    if not names:
        return None
    return Objection(
        f"No verdict on skill: {listed(names)} from elsewhere.",
        f"this copy has {listed(names)} that its study did not make, which cannot be checked; backtest(candles, "
        "positions) trades positions from elsewhere, and Study.run forecasts other candles",
        is_of_forecast=True,
    )


def _leaking(evidence: Evidence) -> Objection | None:
    """A value that moves when only later candles change was not known at its time."""
    if not evidence.conditions.leaks:
        return None
    return Objection(
        "No verdict: the audit of the study failed.",
        evidence.conditions.leaks[0].removesuffix("."),
        is_of_forecast=True,
    )


def _unadjusted(evidence: Evidence) -> Objection | None:
    """A split that was not adjusted looks like a loss or a gain, and is none."""
    jumps = evidence.conditions.jumps
    if not jumps:
        return None
    return Objection(
        "No verdict: the prices jump as after a split that was not adjusted.",
        f"{jumps[0]}; take adjusted prices, or declare the jumps to be real: candles.with_real_jumps(), or --real-jumps in "
        "the shell",
        is_of_forecast=True,
    )


def _ruined(result: BacktestResult) -> Objection | None:
    if result.ruined_at is None:
        return None
    date = f"{result.ruined_at:%Y-%m-%d}"
    return Objection(
        f"No edge: the account was ruined on {date}.",
        f"the account lost all its money on {date}; no bar after that is judged",
    )


def _of_chosen_days(evidence: Evidence) -> Objection | None:
    """Days that are in a file for what happened in them know how they end."""
    found = evidence.conditions.tradability
    if found is None or not found.has_missing_days:
        return None
    return Objection(
        "No edge found: many days are missing from the candles. Were they chosen?",
        f"{percent(found.missing_days_share, 0)} of the days on which this market trades have no bar, in short holes: days that "
        "are kept for what happened in them, such as large moves or volumes, know how they end; take all days",
        is_of_forecast=True,
    )


def _untradable(evidence: Evidence) -> Objection | None:
    """Prices at which no order could have been filled at that time."""
    found = evidence.conditions.tradability
    if found is None or found.is_tradable or found.has_missing_days:
        return None
    if found.has_hindsight_closes:
        return Objection(
            "No verdict: the closes know prices of the next bar. Were they smoothed?",
            "gaps between a close and the next open go on in the direction of the bar before and come back in the bar after, as "
            "where closes were averaged with later ones and opens were not; take closes as they were traded",
            is_of_forecast=True,
        )
    if found.has_chosen_opens:
        reason = (
            f"{percent(found.going_on_share, 0)} of the bars that open away from the close before go on in the same direction, "
            "as bricks do (renko) and opens that were computed from the close of their own bar: in a market about half do, and "
            "such an open is known only once the direction of its bar is"
        )
    elif found.has_stale_opens and found.stale_open_share < MAJORITY:
        share, size = percent(found.stale_bar_share, 0), percent(found.gap_variance, 1)
        reason = (
            f"{share} of the bars open so near to the close before, although the market was closed in between, that these opens "
            f"must be copied, converted or computed from it (the variance of all gaps is {size} of that of the bars)"
        )
    elif found.has_stale_opens:
        share = percent(found.stale_open_share, 0)
        reason = f"{share} of the opens after a closed market repeat the close before, a price from before the order was decided"
    elif found.has_averaged_opens:
        reason = "most opens are the middle of the bar before, as in Heikin-Ashi candles: nothing was traded at them"
    elif found.has_filled_weekends:
        share = percent(found.filled_share, 0)
        reason = (
            f"{share} of the bars are weekends of a closed market that were filled with the last close, so that orders decided "
            "at that close were filled at it; leave these bars out"
        )
    elif found.has_spikes:
        share = percent(found.spike_share, 1)
        reason = f"{share} of the bars close far from the bars before and after them, as bad prints do"
    elif found.has_lines:
        share = percent(found.interpolated_share, 1)
        reason = (
            f"{share} of the bars look interpolated: their moves go on into the next bar, which they were made from"
        )
    elif found.has_smoothed_prices:
        reason = (
            f"the ranges are too wide for the moves of the closes, {found.range_ratio:.1f} times in variance, although these "
            f"moves go on (autocorrelation {found.autocorrelation:.2f}): the prices are averages over several bars"
        )
    else:
        reason = _not_of_their_time(found)
    headline = "No edge found: orders were filled at prices that nobody could have traded at."
    return Objection(headline, reason, is_of_gains=True)


def _not_of_their_time(found: Tradability) -> str:
    """What is wrong where whole bars are those of another venue or time."""
    if found.has_offsets:
        return (
            f"{percent(found.undone_share, 0)} of the large moves are undone by the next one of about the same size, some bars "
            "later, although true moves go on as often: for some bars at a time the prices are those of another venue, contract "
            "or currency, and nobody could have traded from one to the other"
        )
    if found.has_late_bars:
        return (
            f"{percent(found.late_share, 1)} of the bars repeat highs and lows of some bars before, more than chance does: "
            "they are old prices, as a recorder stores whose source lags for some bars"
        )
    if found.has_repeats:
        return (
            f"{percent(found.repeated_share, 1)} of the bars repeat a stretch of earlier bars, as where a vendor filled a gap "
            "with bars of another time: what follows is known from the first time"
        )
    return computed_words(found) or (
        f"{percent(found.copied_share, 1)} of the bars are copies of the bar before, so their open is an old price"
    )


def _stationary(evidence: Evidence) -> Objection | None:
    """Prices of what can be bought hardly return to a level; ratios, oscillators and hedged spreads do."""
    found = evidence.conditions.tradability
    if found is None or not found.is_stationary:
        return None
    return Objection(
        "No edge found: the price returns to a level, as that of no asset does.",
        f"half of a deviation from it is gone after about {count(max(round(found.half_life), 1), 'bar')} (Dickey-Fuller "
        f"statistic {number(found.level_statistic, 1)}): ratios, oscillators, detrended series and spreads that were hedged with "
        "hindsight look like this, and nobody can hold them; study the prices that they are computed from",
    )


def _beside_the_forecast(evidence: Evidence) -> Objection | None:
    """What a rule, or the return that a target implies, earns beside the forecast is not tested by it and may be hindsight."""
    share = evidence.conditions.followed_share
    if not share < LEAST_FOLLOWED:
        return None
    return Objection(
        "No edge found: the gain does not follow from the forecast.",
        f"positions that follow the forecast alone keep {percent(max(share, 0.0), 0)} of the gain beyond a static position, and "
        "that is all that the test of the forecast speaks for; what else the rule or the target goes by can be tested as a "
        "forecast: give it to the model as a feature, with a target of candlecast that implies a return",
    )


def _within_the_spread(result: BacktestResult, evidence: Evidence) -> Objection | None:
    conditions = evidence.conditions
    least = conditions.least_cost_bps(result.costs.per_side_bps)
    if not conditions.break_even_bps <= least:
        return None
    return Objection(
        "No edge found: it was earned inside the spread, and nobody could have traded there.",
        f"the strategy breaks even at {conditions.break_even_bps:.1f} bp a side, but a trade costs at least {least:.1f} bp: the "
        "largest of the costs, half the estimated spread and a tick",
    )


def _stale_fills(evidence: Evidence) -> Objection | None:
    """A true forecast earns over the whole bar; a gain from a price that is off the market is made at the fill."""
    conditions, gains = evidence.conditions, evidence.conditions.fill_gains
    cost = conditions.break_even_bps
    if not math.isfinite(cost):
        return None
    is_sure = gains.at_fill_p < SURE and gains.at_fill_bps >= AT_FILL * cost
    is_unlikely = gains.at_fill_p >= LIKELY and not math.isnan(gains.at_fill_bps)
    is_lost = conditions.middle_bps <= MIN_LEFT * cost and not is_unlikely
    if not is_sure and not is_lost:
        return None
    words = []
    if is_lost:
        words.append(
            f"with fills in the middle of each bar's range instead of its open, the break-even cost falls from {cost:.1f} to "
            f"{conditions.middle_bps:.1f} bp a side"
        )
    if is_sure:
        words.append(
            f"of the {cost:.1f} bp a side that it earns before costs, about {gains.at_fill_bps:.1f} bp are made at the fill "
            f"(p-value of none {p_value(gains.at_fill_p)}): the opens at which it trades are off the market, "
            "as stale, averaged or bounced prices are"
        )
    return Objection("No edge found: the gain comes from opens that lag behind the market.", "; ".join(words))


def _repeated_opens(evidence: Evidence) -> Objection | None:
    """Opens that repeat the close before on some days only, where the gain is made."""
    gains = evidence.conditions.fill_gains
    if math.isnan(gains.put_off_return):
        return None
    headline = "No edge found: the gain comes from opens that repeat the close before."
    return _insignificant(headline, _put_off_words(evidence), gains.put_off_p)


def _stepped(evidence: Evidence) -> Objection | None:
    """Between bars that adjoin no time passes: a gain there is a difference of quotes, not of time."""
    found = evidence.conditions.between_bars
    if found.step_share < MOST_STEPS or found.step_p >= SURE:
        return None
    return Objection(
        "No edge found: the gain is made between the close of a bar and the open of the next.",
        f"{percent(found.step_share, 0)} of the gain is made between adjoining bars, where no time passes (p-value of none "
        f"{p_value(found.step_p)}): such steps come from tables of two venues, contracts or currencies, and from bids whose "
        "spread widens; nobody could have traded from one price to the other",
    )


def _chosen_fills(evidence: Evidence) -> Objection | None:
    """Between bars that adjoin a forecast moves the price its own way; an open that comes towards every order knows more."""
    found = evidence.conditions.between_bars
    if found.fill_share < MOST_CHOSEN or found.fill_p >= SURE:
        return None
    return Objection(
        "No edge found: the gain is made by opens that come towards the orders.",
        f"{percent(found.fill_share, 0)} of the gain is made between the close at which an order is decided and the open at "
        f"which it is filled, in adjoining bars (p-value of none {p_value(found.fill_p)}): such opens depend on how their bar "
        "goes, as in bricks, and nobody could have known them",
    )


def _locked(result: BacktestResult, evidence: Evidence) -> Objection | None:
    """A bar without a range at a limit has no other side for the orders that go its way."""
    found = evidence.conditions.stresses
    return _without_fills(
        "No edge found: the gain needs fills at a price limit.",
        f"{percent(found.locked_share, 0)} of the fills are in bars with hardly any range far from the close before, as at a "
        "daily price limit",
        Growth(found.locked_return, found.locked_p),
        result,
    )


def _capped(result: BacktestResult, evidence: Evidence) -> Objection | None:
    """Where moves are cut to a largest size, the price at the close of such a bar is not that of the market."""
    found = evidence.conditions.stresses
    return _without_fills(
        "No edge found: the gain needs fills after moves that were cut.",
        f"{percent(found.capped_share, 0)} of the fills follow moves that pile up at one largest size, as after a filter of "
        "outliers or at a daily price limit, or are at such a limit",
        Growth(found.capped_return, found.capped_p),
        result,
    )


def _ended(result: BacktestResult, evidence: Evidence) -> Objection | None:
    """The price that holders got after the last bar of an asset, or before a long gap, is not known: zero, or a takeover's."""
    found = evidence.conditions.stresses
    if math.isnan(found.ended_return):
        return None
    gaps = found.before_gaps
    headline = "No edge found: the gain needs the last closes of assets that ended."
    if gaps:
        ends = "before long gaps" if gaps == found.ended else "of assets that ended or had long gaps"
        headline = f"No edge found: the gain needs the last closes {ends}."
    when = "when the series ended"
    if gaps:
        into = "into a gap so long that the symbol may be another asset's after it"
        when = into if gaps == found.ended else f"{when}, or, {gaps:,} of them, {into}"
    proof = "a last bar at what was paid, or the bars that are missing," if gaps else "a last bar at what was paid"
    were, they = ("was", "it") if found.ended == 1 else ("were", "they")
    side = "short" if found.is_ended_short else "long"
    lost = "been bought back at twice that price, as after a takeover" if found.is_ended_short else "been lost"
    words = (
        f"{count(found.ended, f'{side} position')} {were} held {when}, at a last close of which candles do not say whether "
        f"anybody paid it ({proof} would say it); if {they} had {lost}, the strategy would return "
        f"{percent(found.ended_return)} a year"
    )
    return _insignificant(headline, words, found.ended_p) or _lost(headline, words, found.ended_return, result)


def _without_fills(headline: str, words: str, rest: Growth, result: BacktestResult) -> Objection | None:
    """The objection that without some fills the gain is not significant, or most of the growth is lost."""
    if math.isnan(rest.annual):
        return None
    words += f"; without these the strategy returns {percent(rest.annual)} a year"
    return _insignificant(headline, words, rest.p_value) or _lost(headline, words, rest.annual, result)


def _insignificant(headline: str, words: str, p: float) -> Objection | None:
    """The objection that under other terms the gain is not significant."""
    return None if p < LEVEL else Objection(headline, f"{words}, which is not significant (p-value {p_value(p)})")


def _lost(headline: str, words: str, annual: float, result: BacktestResult) -> Objection | None:
    """The objection that under other terms most of the growth is lost."""
    own = annual_return(result.returns_until_ruin, bars_per_year=result.bars_per_year)
    if math.log1p(annual) >= MIN_GROWTH * math.log1p(own):
        return None
    return Objection(headline, f"{words}, instead of {percent(own)}")


def _put_off_words(evidence: Evidence) -> str:
    gains = evidence.conditions.fill_gains
    return (
        f"{percent(gains.repeated_share, 0)} of the fills are at opens that repeat the close before a closed market; "
        f"with those put off to the next open the strategy returns {percent(gains.put_off_return)} a year"
    )


def _early_volume(evidence: Evidence) -> Objection | None:
    found = evidence.conditions.tradability
    if found is not None and found.early_activity:
        names = listed((*(("volume",) if found.has_early_volume else ()), *found.early_activity))
        return Objection(
            f"No verdict: {names} may be of a later bar. Are columns shifted?",
            f"{names} agrees with the range, the return or the prices of a later bar better than with those of its "
            f"own, or nearly as well; {CENTRED}",
            is_of_forecast=True,
        )
    if found is None or not found.has_early_volume:
        return None
    return Objection(
        "No verdict: the volume looks like that of a later bar. Is the column shifted?",
        f"volume follows the range of a later bar better than that of its own, or nearly as well; {CENTRED}",
        is_of_forecast=True,
    )


def _too_large(evidence: Evidence) -> Objection | None:
    found = evidence.conditions.stresses
    if not found.is_too_large:
        return None
    return Objection(
        "No edge found: the orders are too large for the market.",
        f"{_volume_words(evidence)}; trade less cash, or correct the volume if it is counted in another unit",
    )


def _volume_words(evidence: Evidence) -> str:
    found = evidence.conditions.stresses
    share = found.participation
    size = f"{percent(share, 1)} of" if share < 1.0 else f"{share:,.4g} times"
    unit = "" if found.is_in_units else ", if it is counted in units of the asset or in money"
    return (
        f"the median order is {size} the volume of its bar{unit}; it would be "
        f"{percent(PARTICIPATION, 0)} with a cash of {_amount(found.largest_cash)}"
    )


def _amount(cash: float) -> str:
    return f"{cash:,.0f}" if cash >= 1_000 else f"{cash:.4g}"


def _paid(evidence: Evidence) -> Objection | None:
    """What the costs pay is an assumption about a venue."""
    found = evidence.conditions.stresses
    if math.isnan(found.unpaid_return):
        return None
    return _insignificant("No edge found: the gain is what the costs pay.", _paid_words(evidence), found.unpaid_p)


def _paid_words(evidence: Evidence) -> str:
    return (
        "without the payments that the costs assume (rebates, negative extra costs, funding, interest) the strategy returns "
        f"{percent(evidence.conditions.stresses.unpaid_return)} a year"
    )


def cautions(evidence: Evidence, *, sharpe: float) -> tuple[str, ...]:
    """What a significant result with this Sharpe ratio a year depends on, where there is no objection: clauses."""
    gains, found = evidence.conditions.fill_gains, evidence.conditions.stresses
    words = []
    if not math.isnan(gains.put_off_return):
        words.append(_put_off_words(evidence))
    if found.participation > SMALL_ORDER:
        words.append(_volume_words(evidence))
    if not math.isnan(found.unpaid_return):
        words.append(_paid_words(evidence))
    if evidence.conditions.outside:
        words.append(
            f"the forecast uses data from outside ({', '.join(evidence.conditions.outside)}): candles cannot verify that it was "
            "known at the times given, and bars stamped one bar early, such as with their open, reveal the next bar"
        )
    if evidence.conditions.between_bars.closed_share >= MOST_CLOSED:
        words.append(
            f"{percent(evidence.conditions.between_bars.closed_share, 0)} of the gain is made while the market is closed: prices "
            "that are converted at the rate of another time, dividends that a short has to pay, and rolls look like this too"
        )
    if evidence.conditions.tradability and not evidence.conditions.tradability.has_volume:
        words.append(
            "the candles have no volume: an index, a rate or any published number cannot be held, only a product that follows "
            "it, at its own prices"
        )
    if sharpe > RARE_SHARPE:
        words.append(
            f"a Sharpe ratio of {number(sharpe, 1)} a year after costs is rare: verify first where the prices come from, and "
            "whether they are trades, bids or averages"
        )
    if found.carry_percent <= HIGHEST_CARRY:
        words.append(carry_words(evidence))
    return tuple(words)


def _doubtful(evidence: Evidence) -> Objection | None:
    if not evidence.doubt:
        return None
    headline = "No edge found: the record may lack rare large losses."
    return Objection(headline, evidence.doubt, is_of_length=True)
