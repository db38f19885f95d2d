"""The answers on the terminal: two questions, a table, 80 columns, and the paragraph with -v only."""

from __future__ import annotations

import logging

import pytest

from candlecast.cli.answer import COLUMNS, show_verdict
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.report.answers import answer_section
from candlecast.sources import synthetic
from candlecast.study import Study


@pytest.fixture(scope="module")
def verdict():
    return Study(model=LinearRegression(), baselines=()).run(synthetic.ar1(900, seed=1, phi=0.3).candles).verdict


@pytest.fixture
def is_verbose():
    logger = logging.getLogger("candlecast")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


def test_the_answers_come_first(verdict, capsys):
    show_verdict(verdict)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    questions = [line for line in lines if "?" in line]
    assert questions == [f"{answer.question} {answer.answer.capitalize()}." for answer in verdict.answers]
    assert (
        lines.index(questions[0])
        < lines.index(questions[1])
        < next(row for row, line in enumerate(lines) if line.startswith("Measure"))
    )
    assert sum("95 % CI" in line for line in lines) >= 3
    assert verdict.headline not in "\n".join(lines)


def test_an_edge_states_its_premise_once(capsys):
    """The terminal, the paragraph, JSON and the page say once what an edge presupposes of its prices."""
    study = Study(model=LinearRegression(), baselines=())
    verdict = study.run(synthetic.ar1(3_000, seed=11, phi=0.3).candles, ledger=Ledger.in_memory()).verdict
    assert verdict.has_edge and verdict.reasons[0] == verdict.premise
    words = "holds if these were prices at which one could have traded at these times: not smoothed, not computed from other"
    show_verdict(verdict)
    out = " ".join(capsys.readouterr().out.split())
    assert [text.count(words) for text in (out, verdict.text, answer_section(verdict, period=""))] == [1, 1, 1]
    assert words in verdict.to_dict()["premise"]


def test_without_an_edge_there_is_no_premise(capsys):
    verdict = Study(model=LinearRegression(), baselines=()).run(synthetic.random_walk(900, seed=1).candles).verdict
    show_verdict(verdict)
    assert not verdict.has_edge and verdict.premise == ""
    assert "at which one could have traded" not in capsys.readouterr().out + verdict.text


@pytest.mark.usefixtures("is_verbose")
def test_verbose_adds_the_paragraph(verdict, capsys):
    show_verdict(verdict)
    out = capsys.readouterr().out
    assert " ".join(verdict.text.split()) in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= COLUMNS
