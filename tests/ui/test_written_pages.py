"""Every kind of page that is written to a file, in a real browser: it fits, prints, has the button of the theme, logs and
fetches nothing, is used by keyboard, and axe finds no serious fault. tests/report has more about the report of a run."""

from __future__ import annotations

import re

import pytest

import candlecast as cc
from browsing import browser, needs_browser, serious_faults, watched
from candlecast.audit import shortcuts
from candlecast.ledger import Ledger
from candlecast.live.page import save_page
from candlecast.report import write_shortcuts
from candlecast.scan import load_scan
from candlecast.sources import synthetic, synthetic_panel
from candlecast.study.loading import load_run

__all__ = ["browser"]  # fixtures
pytestmark = needs_browser
KINDS = ("report", "panel", "scan", "session", "shortcuts")
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(15, 18, 21)"
PAPER = 718  # pixels of A4 between margins
COLOUR = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def pages(place, tmp_path_factory):
    """The paths of the pages, by kind."""
    folder = tmp_path_factory.mktemp("pages")
    linear = place.runs / next(name for name in place.names if "linear" in name)
    panel = cc.PanelStudy(
        model=cc.LinearRegression(window=5),
        features=cc.Features(cc.log_return(), cc.cross_rank(cc.log_return(5))),
        rule=cc.TopBottom(3),
        folds=cc.WalkForward(folds=2),
        baselines=(),
        seeds=1,
    ).run(synthetic_panel(8, 400, seed=3, ic=0.2).assets, ledger=Ledger.in_memory())
    study = cc.Study(model=cc.LinearRegression(), folds=cc.WalkForward(folds=2), baselines=())
    return {
        "report": load_run(linear).report(folder / "report.html"),
        "panel": panel.report(folder / "panel.html"),
        "scan": load_scan(place.runs / "scans" / place.scan).report(folder / "scan.html"),
        "session": save_page(place.folder / "paper" / "first", folder / "session.html"),
        "shortcuts": write_shortcuts(
            shortcuts(study, synthetic.ar1(500, seed=1, phi=0.3).candles), folder / "shortcuts.html"
        ),
    }


def shown(page, path) -> None:
    page.goto(path.as_uri())
    page.wait_for_selector("#theme:visible")


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_at_three_widths_in_light_dark_and_print(pages, browser, kind):
    page, said, asked = watched(browser)
    shown(page, pages[kind])
    for width in (390, 820, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme, ground in (("light", LIGHT), ("dark", DARK)):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, scheme)
            assert page.evaluate(COLOUR) == ground, (width, scheme)
    page.set_viewport_size({"width": PAPER, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert page.evaluate(COLOUR) == LIGHT
    assert not page.locator("#theme").is_visible()  # on paper
    assert said == []
    assert [address for address in asked if not address.startswith("blob:")] == [pages[kind].as_uri()]
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_theme_is_chosen_and_kept_and_print_stays_light(pages, browser, kind):
    page, said, _ = watched(browser)
    shown(page, pages[kind])
    button = page.locator("#theme")
    assert (button.inner_text(), page.evaluate(COLOUR)) == ("Dark", LIGHT)
    button.click()
    assert (button.inner_text(), page.evaluate(COLOUR)) == ("Light", DARK)
    page.reload()
    page.wait_for_selector("#theme:visible")
    assert page.evaluate(COLOUR) == DARK
    page.emulate_media(media="print")
    assert page.evaluate(COLOUR) == LIGHT
    assert said == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (820, "light"), (1440, "light")])
def test_axe_finds_no_serious_fault(pages, browser, width, scheme):
    page, _, _ = watched(browser, width, scheme)
    for kind in KINDS[1:]:
        shown(page, pages[kind])
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert serious_faults(page) == [], kind
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_goes_through_a_page_in_its_order(pages, browser, kind):
    """Tab reaches the theme first and then what follows, each place below or beside the one before, with a visible outline."""
    page, _, _ = watched(browser)
    shown(page, pages[kind])
    place = """() => {
        const each = document.activeElement, style = getComputedStyle(each), all = [...document.querySelectorAll("*")];
        return [each.id || each.tagName, all.indexOf(each), style.outlineStyle, parseFloat(style.outlineWidth)];
    }"""
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(place))
    if "BODY" in [name for name, *_ in reached]:  # past the last one
        reached = reached[: [name for name, *_ in reached].index("BODY")]
    assert reached[0][0] == "theme" and len(reached) > 1
    order = [index for _, index, *_ in reached]
    assert order == sorted(order)
    assert all(style != "none" and width >= 1 for _, _, style, width in reached)
    page.close()


def test_numbers_of_a_session_are_those_of_the_market(pages, browser):
    page, _, _ = watched(browser)
    shown(page, pages["session"])
    cells = page.locator("#bars tbody tr").first.locator("td").all_inner_texts()
    assert re.fullmatch(r"[\d,]+\.\d{2,}", cells[0]) and len(re.sub(r"\D", "", cells[0])) <= 7
    assert re.fullmatch(r"[+-]?\d+\.\d{3}\s%", cells[1])  # a forecast of returns
    assert page.locator("#bars thead th").all_inner_texts()[1:3] == ["Price", "Forecast"]
    assert page.locator("#notices").inner_text() == "No notices so far."
    labels = page.locator("#equity text").all_text_contents()
    assert any(re.fullmatch(r"[\d,.]+", label) for label in labels)  # amounts
    assert any(re.search(r"\d\d-\d\d", label) for label in labels)  # dates
    page.close()


def test_numbers_beside_the_bars_of_shortcuts_leave_their_names_free(pages, browser):
    page, _, _ = watched(browser, 390)
    shown(page, pages["shortcuts"])
    overlaps = page.evaluate("""() => {
        const of = (kind) => [...document.querySelectorAll(`svg text.${kind}`)].map(each => each.getBoundingClientRect());
        const names = [...document.querySelectorAll("svg text.end:not(.value)")].map(each => each.getBoundingClientRect());
        return of("value").filter(value => names.some(name => name.top < value.bottom && value.top < name.bottom
            && name.left < value.right && value.left < name.right)).length;
    }""")
    assert overlaps == 0
    page.close()
