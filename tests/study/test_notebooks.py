"""What a notebook shows of each value: the numbers as HTML, everything from outside escaped."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from candlecast.backtesting import break_even
from candlecast.evaluation.survivorship import survivorship
from candlecast.ledger import Ledger
from candlecast.live import paper, read_session, reconcile
from candlecast.live.verdict import live_verdict
from candlecast.models import LinearRegression
from candlecast.replay.difference import diff
from candlecast.sources.feed import Tape
from candlecast.sources.synthetic import ar1
from candlecast.study import Study
from candlecast.study.comparison import compare
from candlecast.study.loading import load_run
from candlecast.text.unbroken import unbroken

HOSTILE = "<script>alert(1)</script>"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def result():
    candles = replace(ar1(900, seed=1, phi=0.3).candles, symbol=HOSTILE)
    return Study(model=LinearRegression(), baselines=()).run(candles, ledger=Ledger.in_memory())


def test_every_value_is_html_without_scripts(result, tmp_path):
    run = result.save(tmp_path / "run")
    for value in (
        result,
        result.verdict,
        result.backtest,
        result.candles,
        result.candles.check(),
        result.audit,
        result.forecast,
        result.positions[result.model],
        result.next(),
        break_even(result.candles, result.positions[result.model]),
        diff(run, run),
        survivorship([result.candles]),
    ):
        page = value._repr_html_()
        tags = Tags(page)
        assert tags.open == [] and tags.found
        assert "script" not in tags.found
    assert "&lt;script&gt;" in result._repr_html_() and "&lt;script&gt;" in result.candles._repr_html_()


def test_a_result_begins_with_the_answers(result):
    page = result._repr_html_()
    first, second = (page.index(answer.question) for answer in result.verdict.answers)
    assert first < second < page.index("Evidence") < page.index("</table>")
    assert f"{unbroken(result.verdict.answers[0].figure)}." in page


def test_a_backtest_shows_its_summary(result):
    page = result.backtest._repr_html_()
    assert page.count("<tr>") == len(result.backtest.summary()) + 1


def test_a_paper_session_its_verdict_and_its_reconciliation_are_html(result, tmp_path):
    run = result.save(tmp_path / "run")
    session = paper(load_run(run), feed=Tape(result.candles[-30:]), session=tmp_path / "session")
    assert sum(1 for _ in session)
    session.close()
    record = read_session(tmp_path / "session")
    traded = load_run(run)
    for value in (record, live_verdict(record, traded), reconcile(tmp_path / "session", run=traded)):
        tags = Tags(value._repr_html_())
        assert tags.open == [] and tags.found and "script" not in tags.found
        assert len(repr(value)) < 500
    assert record._repr_html_().count("<tr>") == 6


def test_a_long_table_shows_its_ends_without_empty_columns(result):
    page = result.forecast._repr_html_()
    assert page.count("<tr>") == 11
    assert "<th>position</th>" not in page and "<th>mean</th>" in page


def test_candles_show_both_ends(result):
    page = result.candles._repr_html_()
    assert page.count("<tr>") == 11
    assert result.candles[:3]._repr_html_().count("<tr>") == 4


def test_a_comparison_shows_both_tables():
    compared = compare(
        {"linear": LinearRegression()}, ar1(600, seed=1).candles, seeds=range(1), ledger=Ledger.in_memory()
    )
    page = compared._repr_html_()
    assert page.count("<pre><code>") == 2 and page.startswith("<p>")


def test_a_summary_shows_all_of_its_rows(result):
    summary = result.summary()
    page = summary._repr_html_()
    assert page.count("<tr>") == 1 + summary.height and "Sharpe ratio" in page and "..." not in page
    assert "statistic" in summary.select("statistic")._repr_html_()
