"""The page of one run: answers, figures, settings, and links to its report and its trial."""

from __future__ import annotations

import json
from html import escape

from candlecast.errors import RunError
from candlecast.report.answers import SIGNS
from candlecast.report.tables import table
from candlecast.serving import Reply
from candlecast.text.redaction import visible
from candlecast.ui.layout import bullets, link, page, refusal, with_way_back
from candlecast.ui.listing import Query, address, field_of, safe
from candlecast.ui.measures import figures_of, headline_of, lines_of, sentences_of
from candlecast.ui.workspace import Workspace

REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
)
QUESTIONS = ("Can it be forecast?", "Does it pay after costs?")


def run_page(workspace: Workspace, query: Query) -> Reply:
    """A run by its manifest alone, which is quick; its report has everything else. Raises RunError."""
    run = workspace.run(field_of(query, "name"))
    if run.manifest is None:
        return refusal(run.error)
    lines = lines_of(run)
    sentences, figures = [*sentences_of(run), "", ""], [*map(_number, figures_of(run)), "", ""]
    cards = "".join(
        f'<div class="answer {answer.split()[0]}"><h2>{question}</h2><p class="word"><span aria-hidden="true">'
        f"{SIGNS[answer]}</span> {answer.capitalize()}</p>{figure}<p>{safe(sentence)}</p></div>"
        for question, answer, sentence, figure in zip(QUESTIONS, run.answers, sentences, figures, strict=False)
    )
    actions = (
        f'<p class="actions">{link("Open the report", "report", run=run.name)}{_trial_link(workspace, run.content)}</p>'
    )
    listed = table("Figures; in brackets: 95 % CI", (), list(lines.items()), style="words")
    recipe = escape(visible_lines(json.dumps(run.manifest["recipe"], indent=2, ensure_ascii=False)))
    environment = run.manifest.get("environment") or {}
    code = [f"candlecast {run.manifest.get('candlecast')}", f"Python {environment.get('python', 'not known')}"]
    content = (
        f'<section><div class="answers">{cards}</div>{actions}{listed}</section>'
        f"<section><h2>Code</h2>{bullets(code)}</section>"
        f"<section><h2>Settings</h2><details><summary>Recipe of the study (JSON)</summary><pre>{recipe}</pre></details></section>"
    )
    return page(run.name, content, of="", lead=headline_of(run))


def _number(words: str) -> str:
    """The number of an answer, on its card."""
    return f'<p class="number">{safe(words[0].upper() + words[1:])}</p>' if words else ""


def report_page(workspace: Workspace, query: Query) -> Reply:
    """The report of a run, made from its tables and kept in memory. Raises RunError."""
    name = field_of(query, "run")
    html = with_way_back(workspace.report(name), address("run", name=name), f"Run {name}")
    return Reply(html, policy=REPORT_POLICY)


def _trial_link(workspace: Workspace, content: str) -> str:
    """A link to the trial of a run in the ledger, where there is one."""
    try:
        found = [each.entry for each in workspace.trials() if content and each.trial.content == content]
    except RunError:  # the page of trials says why
        return ""
    return link(f"Trial {found[-1].number:,} of the ledger", "comparison", number=str(found[-1].batch)) if found else ""


def visible_lines(text: str) -> str:
    """Several lines, with control characters of each as escapes."""
    return "\n".join(map(visible, text.split("\n")))
