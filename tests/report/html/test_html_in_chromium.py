"""The HTML report as a reader meets it: in a real browser, in light and dark, on a phone, by keyboard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from pennyweight.core.files import write_json
from pennyweight.report.html.page import write_report

if TYPE_CHECKING:
    from tests.report.html.conftest import Folders

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `test`: playwright drives Chromium")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page, what it asked for, and what it complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))

    def all_drawn(self) -> None:
        """Wait until every figure is drawn."""
        self.page.wait_for_selector(".plot:not([data-drawn])", state="detached", timeout=60_000)

    def open_tables(self) -> None:
        """Open the table beneath every figure."""
        self.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def open_page(path: Path, **settings: Any) -> Opened:
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.goto(path.as_uri())
        return found

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def report(folders: Folders) -> Path:
    search = folders.search()
    folders.evaluate(search / "trial-04")
    return write_report([search])


def test_every_figure_is_drawn_without_an_error_or_a_request(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report)
    it.all_drawn()
    figures = it.page.locator(".plot")
    assert figures.count() == it.page.locator(".plot .main-svg >> nth=0").count() * figures.count() > 8
    assert it.complaints == []
    assert it.requests == [report.as_uri()]


def test_a_page_that_has_loaded_has_drawn_every_figure(report: Path, opened: Callable[..., Opened]) -> None:
    """Whoever takes a picture of it (`chromium --headless --screenshot`) waits for that alone."""
    it = opened(report)  # comes back with the load event
    assert it.page.locator(".plot:not([data-drawn])").count() == 0
    assert it.page.locator("iframe").count() == 0
    assert it.complaints == []


def test_the_figures_of_a_closed_chapter_are_drawn_when_it_is_opened(
    folders: Folders, opened: Callable[..., Opened]
) -> None:
    it = opened(write_report([folders.run(f"run-{place}") for place in range(4)]), **PHONE)
    it.page.wait_for_selector("[data-figure=beside-front][data-drawn]", timeout=60_000)
    assert it.page.locator(".closed .plot[data-drawn]").count() == 0
    it.page.locator(".closed > summary").nth(2).click()
    it.page.wait_for_selector(".closed[open] .plot:not([data-drawn])", state="detached", timeout=60_000)
    shown = it.page.locator(".closed[open] .plot .main-svg").first.bounding_box()
    assert 250 < shown["width"] <= 360
    assert it.page.locator(".closed:not([open]) .plot[data-drawn]").count() == 0
    assert it.page.evaluate("document.documentElement.scrollWidth") == 360
    assert it.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(report: Path, opened: Callable[..., Opened], scheme: str) -> None:
    it = opened(report, color_scheme=scheme, **PHONE)
    it.all_drawn()
    it.open_tables()
    assert it.page.evaluate("document.documentElement.scrollWidth") == 360
    wide = it.page.locator(".scroll").first
    assert wide.evaluate("each => each.scrollWidth > each.clientWidth")
    assert it.complaints == []


def test_a_table_shows_at_its_edge_that_there_is_more_and_the_keyboard_goes_there(
    report: Path, opened: Callable[..., Opened]
) -> None:
    it = opened(report, color_scheme="light", viewport={"width": 1280, "height": 900})
    wide = it.page.get_by_role("region", name="Every training")
    assert wide.evaluate("each => each.scrollWidth > each.clientWidth")

    def shaded() -> tuple[bool, bool]:
        """Whether the left edge and the right one differ from the page, below the last row's letters."""
        with Image.open(BytesIO(wide.screenshot())) as shot:
            row = [shot.convert("L").getpixel((x, shot.height - 5)) for x in (1, shot.width // 2, shot.width - 2)]
        return row[0] != row[1], row[2] != row[1]

    assert shaded() == (False, True)
    it.page.emulate_media(color_scheme="dark")
    assert shaded() == (False, True)
    wide.evaluate("each => { each.addEventListener('scrollend', () => { each.dataset.moved = each.scrollLeft; }); }")
    wide.focus()
    it.page.keyboard.press("ArrowRight")
    playwright.expect(wide).to_have_attribute("data-moved", "40")
    assert shaded() == (True, True)
    wide.evaluate("each => { each.scrollLeft = each.scrollWidth; }")
    assert shaded() == (True, False)


def test_figures_follow_the_reader_into_the_dark(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report, color_scheme="light")
    it.all_drawn()
    background = "getComputedStyle(document.body).backgroundColor"
    tick = it.page.locator("#p0-front .xtick text").first
    assert it.page.evaluate(background) == "rgb(255, 255, 255)"
    light = tick.evaluate("each => each.style.fill")
    it.page.emulate_media(color_scheme="dark")
    assert it.page.evaluate(background) == "rgb(23, 23, 22)"
    playwright.expect(tick).not_to_have_css("fill", light)
    playwright.expect(tick).to_have_css("fill", "rgb(170, 167, 158)")
    it.page.emulate_media(color_scheme="light")
    playwright.expect(tick).to_have_css("fill", "rgb(92, 91, 86)")
    assert it.complaints == []


def test_another_axis_is_drawn_when_it_is_chosen_by_keyboard(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report)
    it.all_drawn()
    title = it.page.locator("#p0-front .xtitle")
    assert title.text_content() == "multiply-accumulates of one image"
    it.page.locator("#p0-front input").first.focus()
    it.page.keyboard.press("ArrowRight")
    playwright.expect(title).to_have_text("flash, KiB (estimated)")


def test_the_keyboard_comes_first_to_the_skip_link_then_to_the_sections(
    report: Path, opened: Callable[..., Opened]
) -> None:
    it = opened(report)
    focused = "document.activeElement.textContent"
    it.page.keyboard.press("Tab")
    assert it.page.evaluate(focused) == "Skip to the results"
    assert it.page.locator(".skip").bounding_box()["x"] >= 0
    assert it.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    it.page.keyboard.press("Tab")
    assert it.page.evaluate(focused) == "Summary"
    it.page.locator(".skip").focus()
    it.page.keyboard.press("Enter")
    assert it.page.evaluate("document.activeElement.id") == "main"


def test_a_table_is_sorted_by_its_buttons(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report)
    table = it.page.locator("#p0-front table")
    button = table.get_by_role("button", name="parameters")
    cells = table.locator("tbody td:nth-child(6)")
    button.press("Enter")
    falling = [int(text.replace(",", "")) for text in cells.all_text_contents()]
    assert falling == sorted(falling, reverse=True)
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert [int(text.replace(",", "")) for text in cells.all_text_contents()] == falling[::-1]
    table.get_by_role("button", name="network").click()
    assert table.locator("th[aria-sort]").count() == 1
    assert table.locator("tbody td:nth-child(2)").first.text_content() == "pooled-resnet:width=4"


def test_hostile_names_do_no_harm(folders: Folders, opened: Callable[..., Opened]) -> None:
    run = folders.run(class_names=folders.hostile, settings={"source": folders.hostile[1]})
    folders.evaluate(run)
    it = opened(write_report([run]), **PHONE)
    it.all_drawn()
    it.open_tables()
    assert it.complaints == []
    assert it.page.locator(".plot a, .plot b, main script, main [onerror], main [onload]").count() == 0
    assert it.page.evaluate("document.documentElement.scrollWidth") == 360
    assert "<script>alert(1)" in it.page.locator("#p0-confusion .ytick").first.text_content()


def test_the_figures_of_a_search_are_drawn_on_a_phone_whatever_its_choices_are_called(
    folders: Folders, opened: Callable[..., Opened]
) -> None:
    search = folders.search(trials=24)
    path = search / "search.json"
    facts = json.loads(path.read_bytes())
    for place, entry in enumerate(facts["trials"]):
        entry["choice"] |= {"recipe.dark": folders.hostile[place % len(folders.hostile)], "mlp.dropout": place % 2 / 5}
        entry["choice"][folders.hostile[place % 2]] = place % 3
        entry["validation_accuracy"] = 0.5 + 0.2 * (place % 2) + place / 1000
    write_json(path, facts)
    it = opened(write_report([search]), color_scheme="dark", **PHONE)
    it.all_drawn()
    it.open_tables()
    for figure in ("front", "hypervolume", "choices", "importance", "courses"):
        assert it.page.locator(f"#p0-{figure} .main-svg").count() > 0, figure
    it.page.locator("#p0-choices").scroll_into_view_if_needed()
    assert it.page.locator("#p0-choices .scatterlayer .js-line").count() >= 24
    assert it.page.evaluate("document.documentElement.scrollWidth") == 360
    assert it.page.locator(".plot a, .plot b, main script, main [onerror], main [onload]").count() == 0
    assert it.complaints == []


def test_a_script_that_got_into_the_page_would_not_run(report: Path, opened: Callable[..., Opened]) -> None:
    page = report.read_text(encoding="utf-8")
    report.write_text(page.replace("</main>", "<script>alert('in')</script></main>"), encoding="utf-8")
    it = opened(report)
    it.all_drawn()
    assert len(it.complaints) == 1
    assert "Content Security Policy" in it.complaints[0]


def test_every_figure_has_words_and_a_table_in_its_stead(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report)
    for figure in it.page.locator("figure").all():
        assert len(figure.locator("h3").text_content()) > 10
        assert figure.locator("[role=img]").get_attribute("aria-label")
        assert figure.locator("details table tbody tr").count() > 0
    assert it.page.locator("h1").count() == 1


def test_the_page_is_readable_without_scripts(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report, java_script_enabled=False)
    assert it.page.locator("noscript").text_content() == "Figures need JavaScript; their data stand in the tables."
    assert it.page.get_by_text("What was possible").first.is_visible()


def test_figures_are_printed_as_wide_as_the_paper(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report, viewport={"width": 1280, "height": 800})
    it.all_drawn()
    widths = "[...document.querySelectorAll('.plot .main-svg:first-child')].map((each) => each.clientWidth)"
    assert min(it.page.evaluate(widths)) < 400
    it.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    it.page.wait_for_function(f"{widths}.every((width) => width === 704)")
    it.page.evaluate("dispatchEvent(new Event('afterprint'))")
    it.page.wait_for_function(f"Math.min(...{widths}) < 400")


def test_a_table_of_long_names_shows_a_figure_on_a_phone(folders: Folders, opened: Callable[..., Opened]) -> None:
    run = folders.run(class_names=folders.hostile)
    folders.evaluate(run)
    it = opened(write_report([run]), **PHONE)
    found = it.page.evaluate("""[...document.querySelectorAll("section > .scroll tbody")].map((body) =>
        [...body.rows[0].cells].find((cell) => cell.className === "number").getBoundingClientRect().right)""")
    assert len(found) >= 2
    assert max(found) <= 360


def test_print_is_light_whatever_the_screen_is(report: Path, opened: Callable[..., Opened]) -> None:
    it = opened(report, color_scheme="dark")
    it.all_drawn()
    it.page.emulate_media(media="print", color_scheme="dark")
    assert it.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert it.page.locator("nav").is_hidden()
    it.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    playwright.expect(it.page.locator("#p0-front .xtick text").first).to_have_css("fill", "rgb(92, 91, 86)")
    assert it.complaints == []
