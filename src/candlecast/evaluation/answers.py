"""`Answer`: yes, no or not enough data, to each of the two questions of a verdict, with one number and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from candlecast.evaluation.evidence import LEVEL, Evidence
from candlecast.evaluation.objection import Objection
from candlecast.text.formatting import number, p_value, percent
from candlecast.text.json_values import json_value

YES, NO, NOT_ENOUGH = "yes", "no", "not enough data"
FORECAST, PAY = "Can it be forecast?", "Does it pay after costs?"

# The largest edges that are plausible in a liquid market. A record that would miss even these with a probability above 20 %
# (power below 80 %) cannot answer "no", unless its interval lies below zero.
PLAUSIBLE_R2 = 0.01  # out of sample, against naive: 619 independent outcomes detect it
PLAUSIBLE_SHARPE = 2.0  # per year: 1.55 years of returns detect it


@dataclass(frozen=True)
class Answer:
    """An answer to one question.

    answer: "yes", "no", or "not enough data": the tests found nothing, the record is too short to detect the largest
        plausible edge (`PLAUSIBLE_R2`, `PLAUSIBLE_SHARPE`) with a power of 80 %, and the 95 % confidence interval does not
        lie below zero, so that nothing is ruled out; or the only objection to gains is a record too short. It never changes
        `is_forecastable`, `pays` or `has_edge`: all that are not "yes" are False there.
    measure: what `value`, `low` and `high` are: a fraction with its 95 % confidence interval; None where undefined.
    sentence: why.
    """

    question: str
    answer: Literal["yes", "no", "not enough data"]
    measure: str
    value: float | None
    low: float | None
    high: float | None
    sentence: str

    @property
    def figure(self) -> str:
        """The measure, its value and its interval, in a few words.

        >>> Answer("Does it pay after costs?", "no", "annual return", 0.021, -0.03, 0.07, "").figure
        'annual return 2.1 % (95 % CI -3.0 to 7.0 %)'
        """
        return figure_words(self.measure, self.value, self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "question": self.question,
            "answer": self.answer,
            "measure": self.measure,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "sentence": self.sentence,
        }


def figure_words(measure: str, value: float | None, low: float | None, high: float | None) -> str:
    """A measure, its value and its interval, in a few words: fractions in percent, correlations as they are.

    >>> figure_words("annual return", 0.021, None, None)
    'annual return 2.1 %'
    """
    if value is None:
        return f"{measure} undefined"
    if measure.endswith("IC"):
        words = f"{measure} {number(value, 3)}"
        return words if low is None or high is None else f"{words} (95 % CI {number(low, 3)} to {number(high, 3)})"
    digits = 2 if measure.startswith("R2") else 1
    words = f"{measure} {percent(value, digits)}"
    if low is None or high is None:
        return words
    return f"{words} (95 % CI {number(100 * low, digits)} to {percent(high, digits)})"


def stored_answers(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """The answers to both questions of a verdict as it is stored: yes, no, or not enough data.

    Runs that were written before there were three answers have two.

    >>> stored_answers({"is_forecastable": True, "pays": False})
    ('yes', 'no')
    """
    given = verdict.get("answers")
    words = [str(each.get("answer")) for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    if len(words) == 2 and all(word in (YES, NO, NOT_ENOUGH) for word in words):
        return words[0], words[1]
    one, two = (YES if verdict[name] else NO for name in ("is_forecastable", "pays"))
    return one, two


def forecast_answer(
    row: dict[str, Any], evidence: Evidence, against: tuple[Objection, ...], *, model: str, is_forecastable: bool
) -> Answer:
    """Can it be forecast? From the row of the accuracy table."""
    value, low, high = (json_value(row.get(name)) for name in ("r2", "r2_low", "r2_high"))
    of_forecast = [objection for objection in against if objection.is_of_forecast]
    answer = NO
    if is_forecastable:
        answer = YES
        sentence = f"The forecast adds information to naive, drift and the past mean {_adjusted(evidence.forecast_p_adjusted)}."
        if low is not None and low <= 0.0:
            sentence += " The test allows for the noise of the fit (Clark-West), the interval does not."
    elif of_forecast:
        sentence = _sentence(of_forecast[0])
    elif model in ("naive", "drift"):
        sentence = f"The {model} forecast is a reference of the tests and makes no claim."
    elif math.isnan(evidence.forecast_p):
        answer, sentence = NOT_ENOUGH, "Too few outcomes are known for a test."
    elif not evidence.detectable_r2 <= PLAUSIBLE_R2 and not _is_below_zero(high):
        answer = NOT_ENOUGH
        sentence = (
            f"This record detects an R2 of {percent(evidence.detectable_r2)} or more (power 80 %); "
            f"more than {percent(PLAUSIBLE_R2, 0)} is not plausible."
        )
    else:
        sentence = (
            f"The forecast is no better than naive, drift and the past mean {_adjusted(evidence.forecast_p_adjusted)}."
        )
    return Answer(FORECAST, answer, "R2 against naive", value, low, high, sentence)


def pay_answer(
    lines: dict[str, dict[str, Any]],
    evidence: Evidence,
    against: tuple[Objection, ...],
    *,
    orders: int,
    is_significant: bool,
    pays: bool,
    held: str = "buy-and-hold",
) -> Answer:
    """Does it pay after costs? From the lines of the summary of a backtest with this many `orders`; `held`: its benchmark."""
    line = lines["annual return"]
    value, low, high = (json_value(line[name]) for name in ("value", "low", "high"))
    counted = [objection for objection in against if is_significant or not objection.is_of_gains]
    answer = NO
    if pays:
        answer = YES
        sentence = f"It grows by timing, and its Sharpe ratio is above that of {held}, which {_held(lines)}."
    elif not orders:
        sentence = "The strategy never traded."
    elif counted:
        answer = NOT_ENOUGH if counted[0].is_of_length else NO
        sentence = _sentence(counted[0])
    elif not evidence.detectable_sharpe <= PLAUSIBLE_SHARPE and not _is_below_zero(high):
        answer = NOT_ENOUGH
        sentence = (
            f"This record detects a Sharpe ratio of {number(evidence.detectable_sharpe, 1)} or more (power 80 %); "
            f"more than {number(PLAUSIBLE_SHARPE, 1)} is not plausible."
        )
    else:
        sentence = _failed_test(lines, evidence, held)
    measure = "annual return" if evidence.years >= 1.0 else "total return"
    return Answer(PAY, answer, measure, value, low, high, sentence)


def _failed_test(lines: dict[str, dict[str, Any]], evidence: Evidence, held: str) -> str:
    """The first test of the account that fails, as a sentence."""
    if _is_below_zero(lines["annual return"]["high"]):
        return f"It loses money: the whole confidence interval is below zero; {held} {_held(lines)}."
    static = "holding at equal risk" if evidence.conditions.is_at_equal_risk else "its mean position"
    p_values = {
        "It does not grow significantly": evidence.return_p_adjusted,
        f"It earns no more than {static} does": evidence.timing_p_adjusted,
        f"Its Sharpe ratio is not significantly above that of {held}": evidence.sharpe_p_adjusted,
    }
    for words, p in p_values.items():
        if not p < LEVEL:
            return f"{words} {_adjusted(p)}; {held} {_held(lines)}."
    return (
        f"The best of this many trials does as well by luck (deflated Sharpe ratio {percent(evidence.deflated_sharpe)}, "
        f"{percent(1 - LEVEL, 0)} needed)."
    )


def _adjusted(p: float) -> str:
    """A p-value in brackets, as sentences have it."""
    return f"(p {p_value(p)}, adjusted for all trials)"


def _held(lines: dict[str, dict[str, Any]]) -> str:
    returned, sharpe = lines["annual return"]["benchmark"], lines["Sharpe ratio"]["benchmark"]
    return f"returned {percent(returned)}, Sharpe ratio {number(sharpe)}"


def _sentence(objection: Objection) -> str:
    """The headline of an objection after its "No edge found:"."""
    _, colon, rest = objection.headline.partition(": ")
    words = rest if colon else objection.headline
    return f"{words[0].upper()}{words[1:]}"


def _is_below_zero(high: float | None) -> bool:
    return high is not None and high < 0
