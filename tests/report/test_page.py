"""The page: one file that loads nothing, escapes everything, and is written whole or not at all."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from candlecast.dataset.folds import CombinatorialPurged
from candlecast.errors import RunError
from candlecast.models import Naive
from candlecast.report import write_report
from candlecast.report.chart_library import ADDRESS, chart_library
from candlecast.report.html import render
from candlecast.report.trade_list import _with_forecasts
from candlecast.targets import Direction, NextReturn, Price, Volatility

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: elements in order, the text inside them, and that all of them are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.text[self.open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def script(page: Page, name: str) -> str:
    places = [attributes.get("id") for attributes in page.all("script")]
    return page.text["script"][places.index(name)]


def drawn(page: Page) -> set[str | None]:
    """Names of the figures that there is something to see in."""
    return {attributes.get("id") for attributes in page.all("figure")}


def charts(page: Page) -> list[dict]:
    return [json.loads(each["data-chart"]) for each in page.all("div") if "data-chart" in each]


@pytest.fixture(scope="module")
def page(result) -> Page:
    return Page(render(result))


def test_page_is_whole_and_loads_nothing(page):
    assert page.open == []
    assert gzip.decompress(base64.b64decode(script(page, "library"))) == chart_library()
    assert page.all("link") == page.all("img") == page.all("iframe") == []
    for tag, attributes in page.elements:
        assert not {"src", "data", "action", "srcset"} & set(attributes)
        address = attributes.get("href", "#")
        assert address.startswith(("#", "data:text/csv")) or (tag == "a" and address == ADDRESS)
    assert "url(" not in page.text["style"][0]
    assert "@import" not in page.text["style"][0]
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_hostile_symbol_stays_text(page, result):
    symbol = result.candles.symbol
    assert len(page.all("script")) == 5
    assert page.text["h1"][0].strip() == symbol
    assert symbol in page.text["title"][0]
    assert symbol in page.text["td"]
    assert page.all("b") == []


def test_hostile_model_name_stays_text(result):
    name = "</script><b>mine</b>"
    forecasts, positions = (
        {name if key == "linear" else key: value for key, value in held.items()}
        for held in (result.forecasts, result.positions)
    )
    page = Page(render(replace(result, model=name, forecasts=forecasts, positions=positions)))
    assert len(page.all("script")) == 5
    assert page.all("b") == []
    assert name in {each.get("label") for chart in charts(page) for pane in chart["panes"] for each in pane["series"]}


def test_the_page_begins_with_the_two_answers(page, result):
    answers = result.verdict.answers
    assert page.text["h2"][:2] == [answer.question for answer in answers]
    shown = [each["class"].split()[1] for each in page.all("div") if (each.get("class") or "").startswith("answer ")]
    assert shown == [answer.answer.split()[0] for answer in answers]
    words = [text.replace("\u00a0", " ") for text in page.text["p"]]
    for answer in answers:
        assert answer.sentence in words
        assert any(answer.figure[1:] in text for text in words)
    assert words.index(answers[1].sentence) < next(row for row, text in enumerate(words) if "Out of sample" in text)
    premise = result.verdict.premise
    assert sum(premise[1:] in text for text in words) == 1  # seen without unfolding the words of the verdict
    for reason in result.verdict.reasons:
        assert reason == premise or any(reason[1:] in item.replace("\u00a0", " ") for item in page.text["li"])


def test_the_evidence_is_a_table(page, result):
    cells = [text.replace("\u00a0", " ") for text in page.text["td"]]
    for measure in result.verdict.measures:
        assert measure.name in page.text["th"]
        assert measure.value in cells


def test_columns_on_the_page_hold_the_results_numbers(page, result, column_values):
    header = json.loads(script(page, "header"))
    columns = column_values(header["columns"], script(page, "columns"))
    offset, equity = columns["equity_model"]
    own = result.backtest.equity
    assert equity == pytest.approx(own["equity"].to_numpy(), rel=1e-6)
    assert result.candles.frame["close_time"][offset] == own["time"][0]
    assert columns["close"][1] == pytest.approx(result.candles.close, rel=1e-6)
    for chart in charts(page):
        for pane in chart["panes"]:
            assert all(each["kind"] == "candles" or each["column"] in columns for each in pane["series"])
    assert len(page.all("figcaption")) == len(drawn(page))


def test_the_data_of_every_figure_can_be_downloaded(page):
    links = {each["download"]: each["href"] for each in page.all("a") if "download" in each}
    buttons = {each["data-csv"] for each in page.all("button") if "data-csv" in each}
    assert {name.removesuffix(".csv") for name in links} | buttons == drawn(page) | {
        "accuracy",
        "trades",
        "monthly",
        "drawdowns",
        "summary",
    }
    for address in links.values():
        lines = unquote(address.split(",", 1)[1]).splitlines()
        assert len(lines) > 1 and len({len(row) for row in csv.reader(lines)}) == 1


def test_tables_are_labelled_and_emphasise_the_model(page, result):
    assert len(page.all("caption")) == len(page.all("table")) >= 8
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    for name in result.forecasts:
        assert name in page.text["th"]
    cash = next(row for row in result.backtest.summary().iter_rows(named=True) if row["statistic"] == "total cost")
    assert f"{cash['value']:,.2f}" in page.text["td"]


def test_recipe_audit_and_fingerprint_are_there(page, result):
    (recipe,) = page.text["pre"]
    assert json.loads(recipe) == json.loads(json.dumps(result.recipe))
    assert result.candles.fingerprint in page.text["td"]
    assert result.audit is None or all(check.name in page.text["th"] for check in result.audit.checks)


@pytest.mark.parametrize("target", [NextReturn(), NextReturn(24), Price(), Direction(), Volatility()])
def test_every_target_gets_a_page(study_of, target):
    page = Page(render(study_of(target=target)))
    assert {"signals", "forecast", "groups", "equity", "timeline", "skill"} <= drawn(page)
    assert not re.search(r"\b(nan|None|inf)\b", " ".join(page.text["td"] + page.text["figcaption"] + page.text["p"]))


def test_a_study_without_any_trade_gets_a_page(study_of):
    page = Page(render(study_of(model=Naive())))
    assert "costs" not in drawn(page)
    assert any("never traded" in text for text in page.text["p"])


def test_same_result_gives_the_same_bytes(result):
    assert render(result) == render(result)


def test_page_of_many_bars_stays_light(long):
    data = len(script(Page(render(long)), "columns"))
    assert len(render(long).encode()) - data < 1_000_000
    assert data < 50 * len(long.candles)


def test_report_is_written_where_asked(result, tmp_path):
    path = tmp_path / "new" / "report.html"
    assert write_report(result, str(path)) == path
    assert path.read_text("utf-8") == render(result)
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_older_report_whole(result, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("older")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        RunError, match=r"report\.html \(No space left on device\); expected a file .* MB left\. Choose"
    ):
        write_report(result, path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_is_refused(result, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "report.html", Path("/proc/report.html")):
        with pytest.raises(RunError, match="cannot be written to"):
            write_report(result, path)


def test_bars_that_several_folds_forecast_are_shown_with_their_mean(study_of, tmp_path):
    result = study_of(folds=CombinatorialPurged(groups=5, test_groups=2, embargo=0), baselines=())
    assert result.forecast.frame.group_by("time", "seed").len()["len"].max() == 4
    fills = _with_forecasts(result)
    means = result.forecast.averaged().frame.select("time", "expected_return")
    expected = fills.select("time").join_asof(means, on="time")["expected_return"]
    np.testing.assert_allclose(fills["mean"].to_numpy(), expected.to_numpy(), rtol=1e-12)
    assert "</html>" in result.report(tmp_path / "report.html").read_text()
