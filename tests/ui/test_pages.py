"""The local pages: every link leads somewhere, what they show is what is there, and nothing of anybody is executed or written."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urljoin

import numpy as np
import pytest

import candlecast as cc
from candlecast.errors import ConfigError, RunError
from candlecast.evaluation.trial_count import count, counts_over_time
from candlecast.ledger import Begun, Inbox, Ledger
from candlecast.live.journal import Journal
from candlecast.live.record import read_session
from candlecast.stats import adjusted_p_value, level_of_next
from candlecast.ui import serve_ui
from candlecast.ui.candles import MOST_CHECKED
from candlecast.ui.coverage import coverage, equal_edges, monthly
from candlecast.ui.listing import ROWS, Column, Listing
from candlecast.ui.pages import Pages
from candlecast.ui.trials import lucky_sharpe
from candlecast.ui.workspace import Run, Workspace

VOID = {"meta", "link", "input", "br", "hr", "img"}
PAGES = ("", "comparisons", "scans", "trials", "candles", "paper")


class Page(HTMLParser):
    """Links, and the cells of each row, of a page whose elements are all closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.rows, self.open, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.rows and ("td" in self.open or "th" in self.open) and "title" not in self.open:
            self.rows[-1][-1] += data.replace("\u00a0", " ")


def files_in(folder) -> dict[str, tuple[int, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def sentence_of(page: str) -> str:
    return unescape(re.search(r'class="error">(.*?)</p>', page)[1])


def test_every_link_leads_to_a_page_and_nothing_is_written(place):
    before = files_in(place.folder)
    waiting, seen = ["."], set()
    while waiting:
        path = waiting.pop()
        address = urljoin(place.address, path)
        if address in seen:
            continue
        seen.add(address)
        status, page = place.get(address.removeprefix(place.address))
        assert status == 200, address
        if any(each in address for each in ("report?", "cell?", "style.css", "session/")):
            continue  # files that stand for themselves
        waiting += [
            urljoin(address, link).removeprefix(place.address) or "."
            for link in Page(page).links
            if not link.startswith("data:")
        ]
    kinds = {address.removeprefix(place.address).partition("?")[0].partition("/")[0] for address in seen}
    assert {
        "",
        "run",
        "report",
        "comparisons",
        "comparison",
        "scans",
        "scan",
        "cell",
        "trials",
        "candles",
        "series",
        "paper",
        "session",
    } <= kinds
    assert files_in(place.folder) == before


def test_runs_are_listed_sorted_and_filtered(place):
    _, page = place.get()
    assert sorted(row[1] for row in Page(page).rows[1:]) == sorted(place.names)
    by_r2 = Page(place.get("?sort=r2&order=desc")[1]).rows[1:]
    values = [float(row[8].removesuffix(" %")) for row in by_r2]
    assert values == sorted(values, reverse=True)
    assert len({row[6] for row in Page(place.get("?model=linear")[1]).rows[1:]}) == 1
    assert len(Page(place.get("?q=NAIVE+1h")[1]).rows[1:]) == 1
    assert "No row fits" in place.get("?q=zzz")[1]
    verdict = json.loads((place.runs / by_r2[0][1] / "manifest.json").read_text())["verdict"]
    assert by_r2[0][2:4] == [answer["answer"] for answer in verdict["answers"]]


def test_a_run_shows_its_verdict_and_its_report(place):
    name = next(name for name in place.names if "linear" in name)
    status, page = place.get(f"run?name={name}")
    manifest = json.loads((place.runs / name / "manifest.json").read_text())
    assert status == 200 and manifest["verdict"]["headline"] in unescape(page)
    for answer in manifest["verdict"]["answers"]:
        assert answer["sentence"] in unescape(page).replace("\u00a0", " ")
    status, report = place.get(f"report?run={name}")
    assert status == 200 and report.count("data-chart=") == 3
    assert f'<p class="back"><a href="run?name={name}">Run {name}</a></p>' in report
    assert f"candlecast replay {place.runs / name}" in report


def test_two_runs_stand_side_by_side_with_what_differs(place):
    one, two = (name for name in place.names if "linear" in name)
    _, page = place.get(f"differences?run={one}&run={two}")
    found = cc.diff(place.runs / one, place.runs / two)
    for sentence in (*found.settings, *found.results):
        assert sentence in unescape(page).replace("\u00a0", " ")
    rows = {row[0]: row[1:] for row in Page(page).rows}
    assert rows["Market"] == ["AR(1) 1h", "AR(1) 1h"]
    assert rows["Sharpe ratio"][0] != rows["Sharpe ratio"][1]
    assert '<figure id="equity">' in page
    for query in ("", f"?run={one}", f"?run={one}&run={two}&run={one}"):
        status, page = place.get(f"differences{query}")
        assert status == 400 and "expected two" in sentence_of(page)


def test_trials_are_those_of_the_ledger_and_the_threshold_follows_their_number(place):
    ledger = Ledger(place.runs)
    entries = ledger.entries()
    _, page = place.get("trials")
    assert len(Page(page).rows[1:]) == len(entries) == ledger.count()
    counted = counts_over_time(entries)
    assert [each.trials for each in counted] == sorted({sum(e.batch <= b.batch for e in entries) for b in entries})
    last = count(ledger.trials()[-1], entries)
    assert (counted[-1].trials, counted[-1].forecasts, counted[-1].trades) == (
        last.trials,
        last.forecasts,
        last.trades,
    )
    assert all(each.recorded_at for each in counted)
    levels = [level_of_next(each.trades) for each in counted]
    assert levels == sorted(levels, reverse=True) and levels[-1] < levels[0] < 0.05
    assert f"below {level_of_next(last.trades):.2g} for its account" in unescape(page)
    assert lucky_sharpe(last.trades, 1.0) >= lucky_sharpe(1.0, 1.0) == 0.0
    assert adjusted_p_value(level_of_next(7.0), before=7.0, after=8.0) == pytest.approx(0.05)


def test_few_points_are_drawn_of_many_batches():
    counted = counts_over_time([], most=3)
    assert counted == []


def test_a_comparison_is_a_batch_of_trials(place):
    _, page = place.get("comparisons")
    rows = Page(page).rows[1:]
    assert [row[2] for row in rows] == ["2"]
    _, page = place.get(f"comparison?number={rows[0][0]}")
    assert len(Page(page).rows[1:]) == 2
    status, page = place.get("comparison?number=999")
    assert status == 404 and "There is no comparison '999'" in sentence_of(page)


def test_coverage_is_that_of_the_check(place):
    store = cc.Store(place.folder / "data")
    candles = store.read("shelf", "BTCUSDT", "1h")
    edges = equal_edges(candles.frame["open_time"][0], candles.frame["open_time"][-1], 7)
    found = coverage(candles, edges)
    assert found.bars.sum() == len(candles) < MOST_CHECKED
    assert found.missing.sum() == pytest.approx(candles.check().missing) == 130
    months = monthly(candles)
    assert months["bars"].sum() == len(candles) and months["missing"].sum() == 130
    row = next(row for row in Page(place.get("candles")[1]).rows if row[0] == "BTCUSDT")
    assert row[3:7] == [f"{len(candles):,}", "2015-01-01", "2015-03-25", "130"]
    _, page = place.get("series?source=shelf&symbol=BTCUSDT&interval=1h")
    assert "1 changed by the vendor" in page
    assert [row[0] for row in Page(page).rows if row and row[0] == "gap"] == ["gap"] * 2
    status, page = place.get("series?source=shelf&symbol=BTCUSD&interval=1h")
    assert status == 404 and "Did you mean shelf BTCUSDT 1h" in sentence_of(page)


def test_sessions_of_hours_are_counted_by_the_markets_clock():
    candles = cc.sample("sp500")[-300:]
    found = coverage(candles, equal_edges(candles.frame["open_time"][0], candles.frame["open_time"][-1], 10))
    assert found.missing.sum() == candles.check().missing


def test_a_session_has_its_page_and_events(place):
    rows = Page(place.get("paper")[1]).rows
    assert rows[1][0] == "first"
    status, page = place.get("session/first/")
    assert status == 200 and "EventSource" in page and '<a href="../../paper">All paper sessions</a>' in page
    status, page = place.get("session/second/")
    assert status == 404 and "There is no session 'second'" in sentence_of(page)
    assert 'href="../../style.css"' in page


def test_a_session_whose_journal_is_malformed_is_named_and_the_others_are_shown(place, tmp_path):
    paper = tmp_path / "paper"
    shutil.copytree(place.folder / "paper" / "first", paper / "first")
    (paper / "torn").mkdir()
    (paper / "torn" / "journal.sqlite").write_bytes(b"no database" * 500)
    (paper / "odd").mkdir()
    journal = Journal(paper / "odd")
    journal.append([("session", {"run": "<b>", "cash": "<b>"})])
    journal.close()
    with serve_ui(runs=place.runs, store=tmp_path / "none", paper=paper) as address:
        there = type(place)(tmp_path, address)
        status, page = there.get("paper")
        assert status == 200 and [row[0] for row in Page(page).rows[1:]] == ["first"]
        assert "odd cannot be read: its journal is malformed" in page and "torn cannot be read" in page
        for name in ("odd", "torn"):
            status, page = there.get(f"session/{name}/")
            assert status == 404 and f"The session {name} cannot be read" in sentence_of(page)


def test_a_report_that_cannot_be_made_is_said_in_a_sentence(place, monkeypatch, tmp_path):
    def fails(*_, **__):
        raise ZeroDivisionError("odd values")

    monkeypatch.setattr("candlecast.ui.workspace.render", fails)
    workspace = Workspace(runs=place.runs, store=str(tmp_path / "none"), paper=tmp_path)
    with pytest.raises(RunError, match=r"^the report of .* cannot be made \(ZeroDivisionError: odd values\)"):
        workspace.report(place.names[0])


@pytest.mark.parametrize("path", PAGES)
def test_markup_of_others_stays_text(place, path):
    _, page = place.get(path)
    tags = Page(page).tags
    assert tags.count("script") == 1 and "b" not in tags


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../runs", "/etc", "ledger.sqlite", "no such", "a" * 500, "\x00", "%00"]
)
def test_a_name_is_that_of_a_run_or_of_nothing(place, name):
    for path in (f"run?name={quote(name)}", f"report?run={quote(name)}", f"differences?run={quote(name)}&run=x"):
        status, page = place.get(path)
        assert status == 404 and "There is no run" in sentence_of(page)
    for path in ("../runs", "/etc/passwd", "runs/x/report.html", "style.css/x", "../style.css"):
        assert place.get(path)[0] == 404


def test_a_run_of_a_third_party_is_read_and_nothing_in_it_is_shown_as_a_page(place, tmp_path):
    runs = tmp_path / "runs"
    name = next(name for name in place.names if "linear" in name)
    shutil.copytree(place.runs / name, runs / "given")
    (runs / "given" / "report.html").write_text("<script>alert(1)</script>")
    manifest = json.loads((runs / "given" / "manifest.json").read_text())
    odd = {
        "headline": {"a": "<script>"},
        "answers": [{"answer": "<b>"}, {"answer": "yes", "sentence": 5}],
        "reasons": 3,
    }
    manifest["verdict"] |= odd
    manifest["trial_count"]["content"] = "<b>"
    manifest["summary"] = [
        {"statistic": "Sharpe ratio", "value": "<script>alert(1)</script>"},
        {"statistic": "x", "value": None},
    ]
    manifest["accuracy"] = [{"model": manifest["model"], "r2": 1e400, "hit_rate": True}]
    (runs / "given" / "manifest.json").write_text(json.dumps(manifest))
    (runs / "broken").mkdir()
    (runs / "broken" / "manifest.json").write_text("{<script>")
    (runs / "linked").mkdir()
    os.symlink("/etc/passwd", runs / "linked" / "manifest.json")
    shutil.copytree(place.runs / name, runs / "leaky")
    (runs / "leaky" / "candles.parquet").unlink()
    os.symlink("/etc/passwd", runs / "leaky" / "candles.parquet")
    with serve_ui(runs=runs, store=tmp_path / "none", paper=tmp_path / "none") as address:
        there = type(place)(tmp_path, address)
        _, page = there.get()
        assert {row[1] for row in Page(page).rows[1:]} == {"given", "leaky"}
        assert Page(page).tags.count("script") == 1 and "broken cannot be read" in page
        for path in ("run?name=given", "run?name=broken", "differences?run=given&run=leaky"):
            _, page = there.get(path)
            assert Page(page).tags.count("script") == 1, path
        status, page = there.get("report?run=leaky")
        assert status == 404 and "is a link" in sentence_of(page) and "root:" not in page
        status, page = there.get("report?run=given")
        assert "alert(1)" not in page
        for path in PAGES:
            assert there.get(path)[0] == 200
        assert not (runs / "ledger.sqlite").exists()


def test_a_run_without_a_trial_count_is_judged_and_not_recorded(place, tmp_path):
    runs = tmp_path / "runs"
    name = next(name for name in place.names if "linear" in name)
    shutil.copytree(place.runs / name, runs / name)
    manifest = json.loads((runs / name / "manifest.json").read_text())
    manifest["trial_count"]["content"] = "0" * 64
    (runs / name / "manifest.json").write_text(json.dumps(manifest))
    with serve_ui(runs=runs, store=tmp_path / "none", paper=tmp_path / "none") as address:
        assert type(place)(tmp_path, address).get(f"report?run={name}")[0] == 200
    assert not (runs / "ledger.sqlite").exists()


def test_a_report_is_made_once_and_again_when_its_run_changes(place, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    one, two = (name for name in place.names if "linear" in name)
    shutil.copytree(place.runs / one, runs / "x")
    made = []
    monkeypatch.setattr("candlecast.ui.workspace.render", lambda result, folder: made.append(result) or str(len(made)))
    workspace = Workspace(runs=runs, store=str(tmp_path / "none"), paper=tmp_path)
    assert workspace.report("x") == workspace.report("x") == "1"
    shutil.rmtree(runs / "x")
    shutil.copytree(place.runs / two, runs / "x")
    os.utime(runs / "x" / "manifest.json")
    assert workspace.report("x") == "2"


def test_what_waits_for_the_ledger_is_counted_at_once(tmp_path):
    day = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    workspace = Workspace(runs=tmp_path / "runs", store=str(tmp_path / "none"), paper=tmp_path)
    for number in range(3):
        assert len(workspace.counts()) == number
        Inbox(tmp_path / "runs").begin([Begun("d1", {"number": number}, "A", "1d", "return_1", day)])
    assert [each.trials for each in workspace.counts()] == [1, 2, 3]


def test_an_empty_workspace_says_how_to_fill_it(place, tmp_path):
    (tmp_path / "runs").mkdir()
    with serve_ui(runs=tmp_path / "runs", store=tmp_path / "none", paper=tmp_path / "none") as address:
        there = type(place)(tmp_path, address)
        words = (
            "candlecast run",
            "candlecast compare",
            "candlecast scan",
            "the first run",
            "candlecast fetch",
            "candlecast paper",
        )
        for path, said in zip(PAGES, words, strict=True):
            status, page = there.get(path)
            assert status == 200 and said in page
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"^runs is .*file, which is a file; expected a folder\."),
        serve_ui(runs=tmp_path / "file"),
    ):
        pass
    with (
        pytest.raises(ConfigError, match="there is none of"),
        serve_ui(runs=tmp_path / "a", store=tmp_path / "b", paper=tmp_path / "c"),
    ):
        pass


def test_a_damaged_ledger_is_said_on_its_page_and_runs_are_shown(place, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(place.runs, runs)
    (runs / "ledger.sqlite").write_bytes(b"no database" * 500)
    with serve_ui(runs=runs, store=tmp_path / "none", paper=tmp_path / "none") as address:
        there = type(place)(tmp_path, address)
        for path in ("trials", "comparisons", "comparison?number=1"):
            status, page = there.get(path)
            assert status == 404 and "damaged" in sentence_of(page)
        assert there.get("")[0] == there.get(f"run?name={place.names[0]}")[0] == 200


def test_a_listing_is_paged_and_keeps_its_filters():
    rows = list(range(250))
    columns = [
        Column("n", "N", lambda row: float(row) if row else None, str),
        Column("odd", "Odd", lambda row: row % 2, lambda row: "yes" if row % 2 else "no", is_choice=True),
    ]
    table = Page(Listing("x", "Rows", columns, rows, {"page": ["3"]}).table())
    assert len(table.rows) - 1 == 250 - 2 * ROWS
    assert "x?page=2" in table.links
    table = Page(Listing("x", "Rows", columns, rows, {"odd": ["yes"], "sort": ["n"], "order": ["desc"]}).table())
    assert [row[0] for row in table.rows[1:4]] == ["249", "247", "245"] and len(table.rows) - 1 == ROWS
    assert "x?odd=yes&sort=n&order=asc" in table.links and "x?odd=yes&sort=n&order=desc&page=2" in table.links
    table = Page(Listing("x", "Rows", columns, rows, {"sort": ["n"], "page": ["99"]}).table())
    assert table.rows[-1][0] == "0"  # what is undefined comes last
    for odd in ({"page": ["-1"]}, {"page": ["x"]}, {"sort": ["none"]}, {"page": ["9" * 99]}):
        assert len(Page(Listing("x", "Rows", columns, rows, odd).table()).rows) > 1


def test_answers_of_older_runs_are_yes_or_no(tmp_path):
    manifest = {"verdict": {"is_forecastable": True, "pays": False}}
    run = Run(tmp_path, manifest)
    assert run.answers == ("yes", "no") and run.statistic("Sharpe ratio") is None and run.content == ""
    assert run.written_at is None and np.isnan(run.score("r2") or np.nan)


def test_scans_lead_to_their_pages_and_these_to_the_reports_of_their_cells(place):
    status, listing = place.get("scans")
    assert status == 200 and f"scan?name={place.scan}" in listing
    status, page = place.get(f"scan?name={place.scan}")
    cell = re.search(r'href="(cell\?[^"]+)"', page)
    assert status == 200 and cell and '<p class="back"><a href="scans">All scans</a></p>' in page
    status, report = place.get(cell.group(1).replace("&amp;", "&"))
    assert status == 200 and "Can it be forecast?" in report
    assert f'<p class="back"><a href="scan?name={place.scan}">Scan {place.scan}</a></p>' in report
    assert place.get("scan?name=scan-none")[0] == 404
    assert place.get(f"cell?scan={place.scan}&cell=none")[0] == 404


def test_a_run_shows_the_numbers_of_its_answers(place):
    _, page = place.get(f"run?name={place.names[0]}")
    assert page.count('<p class="number">') == 2 and "R2 against naive" in page


def test_a_session_finds_its_run_beside_its_folder(tmp_path, monkeypatch, place):
    record = read_session(place.folder / "paper" / "first")
    monkeypatch.chdir(tmp_path)
    moved = replace(record, opening={**record.opening, "run": f"runs/{Path(record.opening['run']).name}"})
    assert moved.result().candles.symbol == record.opening["symbol"]


@pytest.fixture(scope="module")
def with_panel(place, tmp_path_factory):
    """A workspace of a run of one asset and of a panel of less than a year."""
    runs = tmp_path_factory.mktemp("with_panel") / "runs"
    name = next(name for name in place.names if "linear" in name)
    shutil.copytree(place.runs / name, runs / name)
    study = cc.PanelStudy(
        model=cc.LinearRegression(window=3),
        features=cc.Features(cc.log_return()),
        rule=cc.TopBottom(2),
        folds=cc.WalkForward(folds=2),
        baselines=(),
        seeds=1,
    )
    _, folder = cc.run_panel_study(study, cc.synthetic_panel(6, 200, seed=3, ic=0.2).assets, runs=runs)
    return Pages(Workspace(runs=runs, store=str(runs / "none"), paper=runs / "none")), name, folder.name


def test_the_run_of_a_panel_has_its_own_figures_and_report(with_panel):
    pages, _, panel = with_panel
    lines = dict(row for row in Page(pages("run", {"name": [panel]}).content).rows if len(row) == 2)
    assert re.fullmatch(r"-?0\.\d{3} \[-?0\.\d{3}, -?0\.\d{3}\]", lines["Rank IC"])
    assert "Total return" in lines and not {"Annual return", "R2 against naive", "Hit rate"} & lines.keys()
    listed = Page(pages("", {}).content).rows[1:]
    assert [cell.endswith(" % in all") for row in listed if row[1] == panel for cell in row].count(True) == 1
    assert "Panel of 6 assets" in pages("report", {"run": [panel]}).content


def test_a_panel_stands_beside_a_run_of_one_asset(with_panel):
    pages, single, panel = with_panel
    page = pages("differences", {"run": [single, panel]}).content
    lines = {row[0]: row[1:] for row in Page(page).rows}
    assert lines["Rank IC"][0] == lines["R2 against naive"][1] == "-"
    assert 'id="equity"' in page and "is the run of a panel" not in page


def test_one_run_is_not_compared(place):
    _, page = place.get("differences?run=x")
    assert sentence_of(page).startswith("1 run chosen; expected two")
