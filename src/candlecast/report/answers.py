"""The first section of a page: the two answers of a verdict, the table of its evidence, and its words, as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from candlecast.evaluation.measures import HEADINGS, MEANINGS
from candlecast.evaluation.verdict import Verdict
from candlecast.report.tables import table

SIGNS = {"yes": "✓", "no": "✗", "not enough data": "?"}


def answer_section(verdict: Verdict, *, period: str, changes: Iterable[str] = ()) -> str:
    """The answers, what was tested (`period`), notices and changes of the candles, the evidence, and the reasons in words."""
    notices = "".join(f'<p class="notice">{escape(sentence(each))}</p>' for each in (*verdict.notices, *changes))
    premise = f'<p class="notice">{escape(sentence(verdict.premise))}</p>\n' if verdict.premise else ""
    listed = (each for each in verdict.reasons if each != verdict.premise)
    reasons = "".join(f"<li>{escape(sentence(each))}</li>" for each in listed)
    return (
        f'<section id="answer" aria-label="Answer">\n<div class="answers">{answer_cards(verdict)}</div>\n'
        f'{premise}<p class="period">{escape(period)}</p>\n{notices}\n{evidence_table(verdict)}\n'
        f"{measure_notes(verdict)}\n"
        f"<details>\n<summary>The verdict in words: {escape(verdict.headline)}</summary>\n"
        f'<ul class="reasons">{reasons}</ul>\n</details>\n</section>'
    )


def sentence(words: str) -> str:
    """Words as a sentence.

    >>> sentence("no issue was found")
    'No issue was found.'
    """
    return f"{words[0].upper()}{words[1:]}{'' if words.endswith(('.', '?')) else '.'}"


def answer_cards(verdict: Verdict) -> str:
    """A card for each question: the answer, one number with its interval, one sentence."""
    cards = []
    for answer in verdict.answers:
        kind = answer.answer.split(maxsplit=1)[0]
        figure = answer.figure[0].upper() + answer.figure[1:]
        cards.append(
            f'<div class="answer {kind}"><h2>{escape(answer.question)}</h2>'
            f'<p class="word"><span aria-hidden="true">{SIGNS[answer.answer]}</span> {escape(answer.answer.capitalize())}</p>'
            f'<p class="number">{escape(figure)}</p><p>{escape(answer.sentence)}</p></div>'
        )
    return "".join(cards)


def evidence_table(verdict: Verdict) -> str:
    """The lines of evidence, with p-values as they are and adjusted for all trials."""
    rows = [measure.cells for measure in verdict.measures]
    return table("Evidence; p adj.: adjusted for all trials of the workspace", HEADINGS, rows)


def measure_notes(verdict: Verdict) -> str:
    """What the measures of the evidence are, folded."""
    named = {measure.name for measure in verdict.measures} | set(HEADINGS)
    notes = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in MEANINGS.items() if name in named
    )
    return f'<details>\n<summary>What these measures are</summary>\n<dl class="notes">{notes}</dl>\n</details>'
