"""The local pages in a real browser: they fit, log nothing, fetch nothing from elsewhere, and axe finds no serious fault."""

from __future__ import annotations

import re

import pytest

from browsing import browser, needs_browser, serious_faults, watched

__all__ = ["browser"]  # fixtures
pytestmark = needs_browser
SERIES = "series?source=shelf&symbol=BTCUSDT&interval=1h"


@pytest.fixture
def paths(place):
    """The pages, by name."""
    one, two = (name for name in place.names if "linear" in name)
    return {
        "runs": "",
        "run": f"run?name={one}",
        "report": f"report?run={one}",
        "differences": f"differences?run={one}&run={two}",
        "comparisons": "comparisons",
        "comparison": "comparison?number=4",
        "trials": "trials",
        "candles": "candles",
        "series": SERIES,
        "scans": "scans",
        "scan": f"scan?name={place.scan}",
        "paper": "paper",
        "session": "session/first/",
    }


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_every_page_fits_in_light_and_dark_and_says_and_fetches_nothing_else(place, paths, browser, width):
    page, said, asked = watched(browser, width)
    for name, path in paths.items():
        assert page.goto(place.address + path).status == 200, name
        page.wait_for_selector("main h2, main table, main .absent")
        backgrounds = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, scheme)
            backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert backgrounds == ["rgb(255, 255, 255)", "rgb(15, 18, 21)"], name
    assert said == []
    assert all(address.startswith((place.address, "blob:", "data:")) for address in asked)
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_axe_finds_no_serious_fault(place, paths, browser, width, scheme):
    page, _, _ = watched(browser, width, scheme)
    for name, path in paths.items():
        if name == "report":
            continue  # tests/report has it
        page.goto(place.address + path)
        page.wait_for_selector("main h2, main table, main .absent")
        assert serious_faults(page) == [], name
    page.close()


def test_runs_are_sorted_filtered_and_two_of_them_compared(place, browser):
    page, said, _ = watched(browser)
    page.goto(place.address)
    page.get_by_role("link", name="R2").click()
    assert page.locator("th[aria-sort=ascending]").inner_text() == "R2"
    page.get_by_role("link", name="R2").click()
    assert page.locator("th[aria-sort=descending]").inner_text() == "R2"
    page.get_by_label("Model").select_option("linear")
    page.wait_for_url(re.compile("model=linear"), wait_until="commit")
    assert page.locator("tbody tr").count() == 2
    assert page.locator("th[aria-sort=descending]").inner_text() == "R2"
    compare = page.get_by_role("button", name="Compare the two chosen runs")
    assert compare.is_disabled()
    for box in page.locator("tbody input").all():
        box.check()
    compare.click()
    assert page.locator("h1").inner_text() == "Two runs side by side"
    page.get_by_role("link", name="Runs").click()
    page.get_by_label("Search").fill("naive")
    page.get_by_role("button", name="Apply").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="Reset").click()
    for box in page.locator("tbody input").all():
        box.check()
    assert page.locator("tbody input:checked").count() == 2
    assert said == []
    page.close()


def test_the_theme_is_kept_from_page_to_page(place, browser):
    page, said, _ = watched(browser)
    page.goto(place.address)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    dark = page.evaluate(colour)
    page.get_by_label("Pages").get_by_role("link", name="Trials").click()
    page.wait_for_selector("#threshold")
    assert page.evaluate(colour) == dark != light
    page.locator("#theme").click()
    assert page.evaluate(colour) == light
    assert said == []
    page.close()


def test_data_of_a_figure_are_downloaded(place, browser):
    page, said, _ = watched(browser)
    page.goto(place.address + "trials")
    with page.expect_download() as download:
        page.locator("#threshold a.csv").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "recorded_at,p_forecast,p_account,lucky_sharpe" and len(lines) > 2
    assert said == []
    page.close()


def test_the_pages_work_without_script(place, paths, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(place.address)
    for box in page.locator("tbody input").all()[:2]:
        box.check()
    page.get_by_role("button", name="Compare the two chosen runs").click()
    assert page.locator("h1").inner_text() == "Two runs side by side"
    page.goto(place.address + "candles")
    assert page.locator("svg.strip").count() == 2
    context.close()
