"""The two answers of a verdict and the table of its evidence, as HTML."""

from __future__ import annotations

from html import escape

from candlecast.evaluation.measures import HEADINGS
from candlecast.evaluation.verdict import Verdict
from candlecast.report.tables import table
from candlecast.report.unbroken import unbroken

SIGNS = {"yes": "✓", "no": "✗", "not enough data": "?"}


def answer_cards(verdict: Verdict) -> str:
    """A card for each question: the answer, one number with its interval, one sentence."""
    cards = []
    for answer in verdict.answers:
        kind = answer.answer.split(maxsplit=1)[0]
        figure = answer.figure[0].upper() + answer.figure[1:]
        cards.append(
            f'<div class="answer {kind}"><h2>{escape(answer.question)}</h2>'
            f'<p class="word"><span aria-hidden="true">{SIGNS[answer.answer]}</span> {escape(answer.answer.capitalize())}</p>'
            f'<p class="number">{escape(unbroken(figure))}</p><p>{escape(unbroken(answer.sentence))}</p></div>'
        )
    return "".join(cards)


def evidence_table(verdict: Verdict) -> str:
    """The lines of evidence, with p-values as they are and adjusted for all trials."""
    rows = [measure.cells for measure in verdict.measures]
    return table("Evidence; p adj.: adjusted for all trials of the workspace", HEADINGS, rows)
