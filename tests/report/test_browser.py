"""The page in a real browser: every chart draws, moves and answers, nothing is logged or fetched, and axe finds no fault."""

from __future__ import annotations

import pytest

from browsing import browser, needs_browser, serious_faults, watched
from candlecast.models import Naive
from candlecast.targets import Direction

__all__ = ["browser"]  # fixtures
pytestmark = needs_browser
SIZES = [(390, "dark"), (820, "light"), (1440, "light"), (1440, "dark")]
VIEW = "[candlecast.views.market.from, candlecast.views.market.to]"


@pytest.fixture(scope="module")
def path(result, tmp_path_factory):
    return result.report(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def visit(browser):
    """Opens a page offline and gives it, with what it logged and what it asked the network for."""

    def open_page(path, width: int = 1440, scheme: str = "light"):
        page, said, asked = watched(browser, width, scheme)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page, said, asked

    return open_page


def until(page, is_reached):
    """The view once it is as expected: the browser hands events of the mouse over by and by."""
    for _ in range(100):
        view = page.evaluate(VIEW)
        if is_reached(view):
            return view
        page.wait_for_timeout(50)
    raise AssertionError(f"the view stays at {view}")


def eventually(page, claim: str) -> None:
    """Wait until a claim about the page is true; its policy forbids what `wait_for_function` does."""
    for _ in range(100):
        if page.evaluate(claim):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not true: {claim}")


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_every_chart_draws_and_fits(path, visit, width, scheme):
    page, said, asked = visit(path, width, scheme)
    assert said == []
    assert [address for address in asked if not address.startswith("blob:")] == [path.as_uri()]
    drawn = page.evaluate(
        "[...document.querySelectorAll('.chart')].map(chart => chart.querySelectorAll('canvas').length)"
    )
    assert len(drawn) == 3 and min(drawn) >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    narrowest = """Math.min(...[...document.querySelectorAll("th, td")].filter(each => each.innerText.trim().length > 3)
        .map(each => each.getBoundingClientRect().width))"""
    assert page.evaluate(narrowest) > 30  # no text of one letter a line
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_axe_finds_no_serious_fault(path, visit, width, scheme):
    page, _, _ = visit(path, width, scheme)
    page.locator("#trades tbody button").first.click()
    page.locator("details").first.evaluate("each => { each.open = true; }")
    assert serious_faults(page) == []
    page.close()


def test_wheel_drag_keys_and_buttons_move_the_view(path, visit):
    page, said, _ = visit(path)
    first = page.evaluate(VIEW)
    chart = page.locator("#signals .chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 150)
    page.mouse.wheel(0, -200)
    zoomed = until(page, lambda view: view[1] - view[0] < first[1] - first[0] - 1)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 150, steps=4)
    page.mouse.up()
    moved = until(page, lambda view: view[0] != zoomed[0])
    assert moved[0] < zoomed[0] and moved[1] - moved[0] == pytest.approx(zoomed[1] - zoomed[0])
    chart.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(VIEW)[0] < moved[0]
    page.keyboard.press("+")
    assert page.evaluate(f"{VIEW}[1] - {VIEW}[0]") < moved[1] - moved[0]
    page.get_by_role("group", name="Length of time shown").first.get_by_role("button", name="All").click()
    assert page.evaluate(VIEW) == [0, 900]
    assert said == []
    page.close()


def test_slots_keep_lows_highs_and_orders(path, visit, result):
    """At every level of zoom the lowest low, the highest high and both sides of the orders are drawn."""
    page, _, _ = visit(path, 390)
    page.evaluate("candlecast.views.market.set(0, 900), candlecast.charts[0].draw(candlecast.views.market)")
    shown = page.evaluate("""() => {
        const chart = candlecast.charts[0], candles = chart.series.find(each => each.kind === "candles").api.data();
        return [chart.level, candles.length, Math.min(...candles.map(c => c.low)), Math.max(...candles.map(c => c.high)),
                chart.marks.markers().length];
    }""")
    candles = result.candles
    assert shown[0] >= 2 and shown[1] == -(-900 // 2 ** shown[0])
    assert shown[2:4] == pytest.approx([candles.low.min(), candles.high.max()], rel=1e-6)
    fills = result.backtest.fills
    places = candles.open_time.searchsorted(fills["time"].dt.replace_time_zone(None).to_numpy()) // 2 ** shown[0]
    assert shown[4] == len(set(zip(places, fills["side"], strict=True)))
    lines = page.evaluate("""() => {
        const view = candlecast.views.account, chart = candlecast.charts.find(each => each.spec.group === "account");
        view.set(0, 900);
        chart.draw(view);
        const line = chart.series.find(each => each.column === "equity_model");
        const values = line.api.data().map(point => point.value).filter(value => value !== undefined);
        return [chart.level, Math.min(...values), Math.max(...values), values[0], values.at(-1)];
    }""")
    equity = result.backtest.equity["equity"]
    assert lines[0] >= 2
    assert lines[1:] == pytest.approx([equity.min(), equity.max(), equity[0], equity[-1]], rel=1e-6)
    page.get_by_role("group", name="Length of time shown").last.get_by_role("button", name="All").click()
    begin = page.evaluate("candlecast.charts.find(each => each.spec.group === 'account').begin")
    assert begin > 0 and page.evaluate("candlecast.views.account.from") == begin  # all of an account begins with it
    page.close()


def test_a_trade_is_shown_with_its_orders_and_all_seeds(path, visit, result):
    page, said, _ = visit(path)
    trade = result.backtest.trades.sort("opened").row(3, named=True)
    page.locator("#trades tbody button").nth(3).click()
    words = page.locator("#trade").inner_text()
    assert f"{trade['cost']:,.2f}" in words and trade["side"] in words and "Seed 0" in words
    assert page.locator("#trade table tbody tr").count() >= 1
    low, high = page.evaluate(VIEW)
    row = page.evaluate("candlecast.trades.columns.opened[3]")
    assert low < row < high
    page.locator("#trades tbody button").nth(2).press("Enter")
    assert page.locator("#trade h3").inner_text() == "Trade 3"
    assert page.evaluate("document.activeElement.closest('tr').dataset.trade") == "2"  # the focus stays in the list
    place = page.evaluate("""() => {
        const {from, to} = candlecast.views.market, {element, api} = candlecast.charts[0];
        const part = (candlecast.trades.columns.opened[4] + 0.5 - from) / (to - from);
        return part * (element.clientWidth - api.priceScale("right").width());
    }""")
    page.locator("#signals .chart").click(position={"x": place, "y": 100})
    assert page.locator("#trade h3").inner_text() == "Trade 5"
    assert said == []
    page.close()


def test_trades_are_sorted_by_any_column(path, visit, result):
    page, _, _ = visit(path)
    page.locator("#trades").get_by_role("button", name="P&L").click()
    page.locator("#trades").get_by_role("button", name="P&L").click()
    assert page.locator("#trades th[data-name=pnl]").get_attribute("aria-sort") == "descending"
    best = result.backtest.trades["pnl"].max()
    assert page.locator("#trades tbody tr").first.locator("td").nth(5).inner_text() == f"{best:,.2f}"
    page.close()


def test_prices_have_the_decimals_that_exchanges_quote(path, visit, result):
    page, _, _ = visit(path)
    for column in (4, 5):
        cells = page.locator(f"#trades tbody td:nth-child({column + 1})").all_inner_texts()
        decimals = {len(cell.split(".")[1]) for cell in cells if cell != "-"}
        assert len(decimals) == 1 and min(decimals) >= 2
    entry = result.backtest.trades.sort("opened")["entry"][0]
    assert float(page.locator("#trades tbody td:nth-child(5)").first.inner_text().replace(",", "")) == pytest.approx(
        entry, rel=1e-4
    )
    page.close()


def test_data_are_downloaded(path, visit, result):
    page, said, _ = visit(path)
    lines = {}
    for name in ("trades", "signals", "equity", "distribution"):
        with page.expect_download() as download:
            page.locator(f"[data-csv={name}], #{name} a.csv").first.click()
        assert download.value.suggested_filename == f"{name}.csv"
        lines[name] = download.value.path().read_text().splitlines()
    assert len(lines["trades"]) == result.backtest.trades.height + 1
    assert len(lines["signals"]) == len(result.candles) + 1
    assert lines["signals"][0] == 'open_time,open,high,low,close,"volume","position"'
    last = lines["signals"][-1].split(",")
    assert float(last[4]) == pytest.approx(result.candles.close[-1], rel=1e-6)
    assert len(lines["equity"]) == result.backtest.equity.height + 1
    assert said == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_changes_page_and_charts(path, visit, scheme):
    page, said, _ = visit(path, scheme=scheme)
    colour = "getComputedStyle(document.body).backgroundColor"
    text = "candlecast.charts[0].api.options().layout.textColor"
    before = page.evaluate(f"[{colour}, {text}]")
    page.locator("#theme").click()
    after = page.evaluate(f"[{colour}, {text}]")
    assert before[0] != after[0] and before[1] != after[1]
    page.locator("#theme").click()
    assert page.evaluate(f"[{colour}, {text}]") == before
    page.get_by_role("button", name="Logarithmic scale").click()
    assert (
        page.evaluate(
            "candlecast.charts.find(c => c.spec.group === 'account').api.priceScale('right', 0).options().mode"
        )
        == 1
    )
    assert said == []
    page.close()


def test_the_page_prints_in_light_colours(path, visit):
    page, said, _ = visit(path, scheme="dark")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator("#trades thead").inner_text().split("\t")[0].startswith("Opened")
    assert page.locator("#trades tbody button").first.is_visible() and page.locator("#trades tbody tr").count() > 1
    assert not page.locator("#theme").is_visible() and not page.locator("a.csv").first.is_visible()
    page.emulate_media(media="screen")
    assert page.evaluate("document.documentElement.dataset.theme ?? 'auto'") == "auto"
    assert said == []
    page.close()


def test_a_page_without_trades_draws(study_of, tmp_path, visit):
    page, said, _ = visit(study_of(model=Naive()).report(tmp_path / "report.html"), 390)
    assert said == []
    assert "The rule never traded" in page.locator("#signals").inner_text()
    page.close()


def test_names_of_panes_stand_in_their_panes(path, visit):
    page, _, _ = visit(path)
    found = page.evaluate("""() => {
        const chart = candlecast.charts.find(each => each.spec.group === "account");
        const tops = chart.readouts.slice(1).map(list => parseFloat(list.style.top));
        let above = 0;
        const real = chart.api.panes().map(pane => { const top = above; above += pane.getHeight() + 1; return top; }).slice(1);
        return [tops, real];
    }""")
    assert len(found[0]) >= 3
    assert all(abs(top - real) < 8 for top, real in zip(*found, strict=True))
    page.close()


def test_a_click_on_a_name_hides_its_line_and_shows_it_again(path, visit):
    page, said, _ = visit(path)
    account = "candlecast.charts.find(each => each.spec.group === 'account')"
    shown = f"{account}.series.find(each => each.column === 'equity_hold').api.options().visible"
    button = page.locator("#equity .legend").first.get_by_role("button", name="buy-and-hold")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not page.evaluate(shown) and button.get_attribute("aria-pressed") == "false"
    button.click()
    assert page.evaluate(shown)
    assert said == []
    page.close()


def test_the_chart_stays_in_its_place_when_a_pointer_comes(path, visit):
    page, _, _ = visit(path, 820)
    chart = page.locator("#equity .chart")
    chart.scroll_into_view_if_needed()
    before = chart.bounding_box()
    page.mouse.move(before["x"] + 300, before["y"] + 60)
    eventually(page, "document.querySelector('#equity .legend b').textContent !== ''")
    assert chart.bounding_box()["y"] == before["y"]
    page.close()


def test_pyramids_are_built_before_they_are_looked_at(path, visit):
    page, _, _ = visit(path)
    eventually(page, "Object.values(candlecast.data.pyramids).every(each => each.levels.length > 9)")
    page.close()


def test_reasons_are_words_on_the_page_and_names_in_the_data(path, visit, result):
    page, _, _ = visit(path)
    cells = page.locator("#trades tbody td:last-child").all_inner_texts()
    assert "rule" in cells and "target" not in cells
    with page.expect_download() as download:
        page.locator("[data-csv=trades]").click()
    reasons = [line.rsplit(",", 1)[1] for line in download.value.path().read_text().splitlines()[1:]]
    assert set(reasons) <= set(result.backtest.trades["exit_reason"].drop_nulls()) | {"still open"}
    page.close()


def test_the_dates_that_a_chart_shows_are_named_and_follow_the_view(path, visit, result):
    page, _, _ = visit(path, 390)
    page.locator(".chart").first.scroll_into_view_if_needed()
    times = result.candles.frame["open_time"].dt.strftime("%Y-%m-%d").to_list()
    shown = "document.querySelector('.chart .span').textContent"
    first, last = page.evaluate(shown).split(" to ")
    assert (times.index(first), last) == (round(page.evaluate(VIEW)[0]), times[-1])
    page.evaluate("candlecast.views.market.set(0, candlecast.views.market.bars)")
    eventually(page, f"{shown} === '{times[0]} to {times[-1]}'")
    page.close()


def test_outcomes_of_a_direction_are_dots(study_of, tmp_path, visit):
    report = study_of(target=Direction(), baselines=()).report(tmp_path / "direction.html")
    page, said, _ = visit(report, 390)
    assert said == []
    assert page.evaluate("document.querySelectorAll('.key.dot.grey').length") == 1
    options = page.evaluate(
        "candlecast.views.market.charts.flatMap(({series}) => series).filter(({dots}) => dots).map(({api}) => api.options())"
    )
    assert [(each["lineVisible"], each["pointMarkersVisible"]) for each in options] == [(False, True)]
    page.close()


def test_headings_of_tables_stand_in_one_line_on_a_phone_and_numbers_to_the_right(path, visit):
    page, _, _ = visit(path, 390)
    heights = page.evaluate(
        "[...document.querySelectorAll('.scroll table:not(.map) thead')].map(each => each.getBoundingClientRect().height)"
    )
    assert heights and max(heights) < 40
    sides = page.evaluate(
        "[...document.querySelectorAll('.words td.number')].map(each => getComputedStyle(each).textAlign)"
    )
    assert set(sides) <= {"right"}
    page.close()
