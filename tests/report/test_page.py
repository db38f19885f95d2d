"""The page: one file that loads nothing, escapes everything, and is written whole or not at all."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from candlecast.errors import RunError
from candlecast.models import Naive
from candlecast.report import write_report
from candlecast.report.html import render
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


def plots(page: Page) -> dict:
    places = [attributes.get("id") for attributes in page.all("script")]
    return json.loads(page.text["script"][places.index("plots")])


def decoded(values) -> np.ndarray:
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.array(values)


@pytest.fixture(scope="module")
def page(result) -> Page:
    return Page(render(result))


def test_page_is_whole_and_loads_nothing(page):
    assert page.open == []
    assert page.text["script"].count(get_plotlyjs()) == 1
    assert page.all("link") == page.all("img") == page.all("iframe") == []
    for _, attributes in page.elements:
        assert not {"src", "href", "data", "action", "srcset"} & set(attributes)
    assert "url(" not in page.text["style"][0]
    assert "@import" not in page.text["style"][0]
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_hostile_symbol_stays_text(page, result):
    symbol = result.candles.symbol
    assert len(page.all("script")) == 3
    assert page.text["h1"][0].strip() == symbol
    assert symbol in page.text["title"][0]
    assert symbol in page.text["td"]
    assert page.all("b") == []


def test_hostile_model_name_stays_text(result):
    name = "</script><b>mine</b>"
    forecasts, positions = (
        {name if key == "linear" else key: value for key, value in held.items()}
        for held in (result.forecasts, result.positions_by_model)
    )
    page = Page(render(replace(result, model=name, forecasts=forecasts, positions_by_model=positions)))
    assert len(page.all("script")) == 3
    assert page.all("b") == []
    names = {trace.get("name") for trace in plots(page)["equity"]["data"]}
    assert "&lt;/script&gt;&lt;b&gt;mine&lt;/b&gt;" in names


def test_verdict_is_the_headline_with_two_badges_in_words(page, result):
    assert result.verdict.text.startswith(page.text["h2"][0])
    answers = [text.strip() for text in page.text["strong"]]
    assert answers == ["Yes" if is_yes else "No" for is_yes in (result.verdict.is_forecastable, result.verdict.pays)]
    for reason in result.verdict.reasons:
        assert any(reason[1:] in item.replace("\u00a0", " ") for item in page.text["li"])


def test_plots_on_the_page_hold_the_results_numbers(page, result):
    shown = plots(page)
    places = {attributes.get("id") for attributes in page.all("div")}
    assert set(shown) <= places
    model = next(trace for trace in shown["equity"]["data"] if trace["name"] == "linear")
    assert decoded(model["y"])[-1] == result.backtest.equity["equity"][-1]
    assert len(page.all("figcaption")) == len(shown)


def test_tables_are_labelled_and_emphasise_the_model(page, result):
    assert len(page.all("caption")) == len(page.all("table")) == 5
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    assert sum(row.get("class") == "chosen" for row in page.all("tr")) == 1
    for name in result.forecasts:
        assert name in page.text["th"]
    cash = next(row for row in result.backtest.summary().iter_rows(named=True) if row["statistic"] == "total cost")
    assert f"{cash['value']:,.2f}" in page.text["td"]


def test_recipe_check_and_fingerprint_are_there(page, result):
    check, recipe = page.text["pre"]
    assert json.loads(recipe) == json.loads(json.dumps(result.recipe))
    assert check == str(result.candles.check())
    assert result.candles.fingerprint in page.text["td"]


@pytest.mark.parametrize("target", [NextReturn(), NextReturn(24), Price(), Direction(), Volatility()])
def test_every_target_gets_a_page(study_of, target):
    page = Page(render(study_of(target=target)))
    assert {"forecast", "groups", "equity", "timeline", "skill"} <= set(plots(page))
    assert not re.search(r"\b(nan|None|inf)\b", " ".join(page.text["td"] + page.text["figcaption"] + page.text["p"]))


def test_a_study_without_any_trade_gets_a_page(study_of):
    page = Page(render(study_of(model=Naive())))
    assert "signals" not in plots(page)
    assert any("never traded" in text for text in page.text["p"])


def test_same_result_gives_the_same_bytes(result):
    assert render(result) == render(result)


def test_page_of_many_bars_stays_light(long):
    page = render(long)
    assert len(page.encode()) - len(get_plotlyjs().encode()) < 2_000_000


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
