"""The page in a real browser: every figure draws, nothing is logged, nothing is wider than a phone."""

from __future__ import annotations

import shutil

import pytest

from candlecast.models import Naive

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def visit(browser):
    """Opens a page offline and gives it, with what it logged and what it asked the network for."""

    def open_page(path, width: int, scheme: str = "light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function(
            "document.querySelectorAll('.plot').length === document.querySelectorAll('.plot .plot-container').length"
        )
        return page, said, asked

    return open_page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_figure_draws_and_fits(result, tmp_path, visit, width, scheme):
    path = result.report(tmp_path / "report.html")
    page, said, asked = visit(path, width, scheme)
    assert said == []
    assert asked == [path.as_uri()]
    drawn = page.evaluate(
        "[...document.querySelectorAll('.plot')].map(plot => plot.querySelectorAll('.main-svg').length)"
    )
    assert len(drawn) == 6
    assert min(drawn) >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_buttons_change_the_view(result, tmp_path, visit):
    page, said, _ = visit(result.report(tmp_path / "report.html"), 1280)
    page.get_by_role("button", name="Logarithmic scale").click()
    assert page.evaluate("document.getElementById('equity').layout.yaxis.type") == "log"
    assert page.get_by_role("button", name="Linear scale").get_attribute("aria-pressed") == "false"
    first = "+new Date(document.getElementById('signals').layout.xaxis.range[0])"
    before = page.evaluate(first)
    page.locator("[data-figure=signals]").last.click()
    assert page.evaluate(first) < before
    assert said == []


def test_a_page_without_trades_draws(study_of, tmp_path, visit):
    page, said, _ = visit(study_of(model=Naive()).report(tmp_path / "report.html"), 390)
    assert said == []
    assert page.locator("#signals").inner_text().startswith("The rule never traded")
