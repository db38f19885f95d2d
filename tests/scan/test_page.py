"""The page of a scan: every cell of the plan is there, links lead to reports, and names cannot break it."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest

from candlecast.errors import ConfigError
from candlecast.scan import scan
from small_scans import LINEAR, SMALL, plan_of, walk


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Two assets, one of an odd name, and one that cannot be studied."""
    runs = tmp_path_factory.mktemp("odd")
    short = replace(walk("SHORT", 5, bars=5), symbol="<b>SHORT</b>")
    given = plan_of(walk("A&<script>", 1), walk("B", 2), short, models=[LINEAR], intervals=["1d", "2d"])
    return scan(given, runs=runs, workers=1)


def test_the_page_shows_every_cell_and_links_to_reports(odd, tmp_path):
    page = odd.report(tmp_path / "page.html", cells=1)
    text = page.read_text()
    assert text.count("<script") == 1 and "script-src 'sha256-" in text  # nothing runs but the script of the theme
    assert "<b>SHORT" not in text
    assert "&lt;b&gt;SHORT&lt;/b&gt;" in text
    links = set(re.findall(r'href="(page_cells/[^"]+)"', text))
    assert len(links) == 1
    assert all((tmp_path / link).is_file() for link in links)
    assert "The first cell of the list links to its report" in text
    maps = re.findall(r'<table class="map">.*?</table>', text, re.DOTALL)
    assert len(maps) == 2, "one for each question"
    for found in maps:
        assert found.count('<th scope="row">') == 2
        assert len(re.findall(r"<td class=.s\d", found)) == odd.frame.height == 4
        (heads,) = re.findall(r"</tr><tr><td></td>(.*?)</tr></thead>", found, re.DOTALL)
        assert re.findall(r'<th scope="col">(\w+)</th>', heads) == ["1d", "2d"]
    assert text.count("<svg") == 4
    cells = re.findall(r"<td[^>]*>[^<]*</td>", text.partition("Cells with an edge first")[2])
    assert '<td class="text">nothing</td>' in cells and not any(
        "nothing" in cell and "text" not in cell for cell in cells
    )
    assert "Can it be forecast?" in text
    everything = odd.report(tmp_path / "all.html", cells=None)
    assert len(set(re.findall(r'href="(all_cells/[^"]+)"', everything.read_text()))) == 4
    assert "Each cell links to its report." in everything.read_text()


def test_columns_of_a_map_stand_under_their_model(tmp_path):
    """Each number is that of the cell whose model and interval its heads name."""
    found = scan(plan_of(walk("A", 1), models=[LINEAR, SMALL], intervals=["2d", "1d"]), runs=tmp_path, workers=1)
    page = found.report(cells=0).read_text()
    table = re.findall(r'<table class="map">.*?</table>', page, re.DOTALL)[0]
    models = [words.split()[1] for words in re.findall(r'scope="colgroup">([^<]+)<', table) for _ in range(2)]
    intervals = re.findall(r'<th scope="col">(\w+)</th>', table)
    assert intervals == ["1d", "2d"] * 2
    shown = re.findall(r'title="([^"]+)"', table)
    for model, interval, words in zip(models, intervals, shown, strict=True):
        row = found.find(model=model, interval=interval)
        assert words.startswith(f"{model} return A {interval} 12 bp: {100 * row['r2']:.2f}")


def test_the_page_is_the_same_each_time(odd, tmp_path):
    pages = [odd.report(tmp_path / name / "page.html", cells=0).read_bytes() for name in "ab"]
    assert pages[0] == pages[1]
    with pytest.raises(ConfigError, match="HTML page"):
        odd.report(tmp_path / "page.txt")


def test_a_scan_without_results_has_a_page(tmp_path):
    found = scan(plan_of(walk("SHORT", 5, bars=5), models=[LINEAR]), runs=tmp_path, workers=1)
    assert found.frame.is_empty()
    assert found.text == "No cell has a result: 1 failure."
    assert "SHORT 1d" in found.report().read_text()
    assert str(found).startswith("No cell has a result")
    assert found.failures.schema["sentence"] == pl.String
