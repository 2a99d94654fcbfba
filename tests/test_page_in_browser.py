"""A page as people use it, in a browser: it opens, draws, moves, and fetches nothing."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from browsers import browser
from datastill import runs, save
from datastill.datasets import load_split
from datastill.runs import AssessSpec, DataSpec, DistillSpec, PoolSpec, TrainSpec, ValidateSpec
from test_report import DOCS, HOSTILE, hostile

__all__ = ["browser"]

WIDE, NARROW = {"width": 1200, "height": 900}, {"width": 360, "height": 700}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a set with all that can be known of it, a comparison, a study, original models."""
    root = tmp_path_factory.mktemp("page")
    data = DataSpec("digits")
    train = TrainSpec(data=data, models=("MLP",), num=2, epochs=2, batch=64, lr=0.05)
    runs.train(train, root / "models")
    pool = PoolSpec(architectures=("MLP",), path=str(root / "models"))
    spec = DistillSpec(data=data, method="DM", model="MLP", ipc=2, updates=12, batch=8)
    runs.distill(spec, root / "all" / "set")
    judged = ValidateSpec(
        set=str(root / "all" / "set"), models=("MLP",), trials=3, epochs=3, against=("random",)
    )
    runs.validate(judged, root / "all" / "set", save_models=True)
    runs.assess(AssessSpec(set=str(root / "all" / "set"), pool=pool), root / "all" / "set")
    shutil.copytree(DOCS / "comparison" / "FashionMNIST-IPC10-dsa", root / "all" / "compared")
    shutil.copytree(DOCS / "digits-study", root / "all" / "studied")
    real = load_split("digits", "train")
    study = json.loads((root / "all" / "studied" / "study.json").read_text())
    for i, record in enumerate(study["records"]):
        some = real.take(torch.arange(i, i + 10))
        save(some, root / "all" / "studied" / "sets" / record["name"] / "synthetic.safetensors")
    found = runs.report(root / "all", root / "report.html", pool_path=root / "models")
    return found.file


class Tab:
    """A page that is open, and what its browser had to say of it."""

    def __init__(self, browser: Any, file: Path, size: dict[str, int] = WIDE, **more: Any) -> None:
        self.context = browser.new_context(viewport=size, **more)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda asked: self.requests.append(asked.url))
        self.page.on("dialog", lambda dialog: (self.errors.append("a dialog"), dialog.dismiss()))
        self.page.goto(file.resolve().as_uri())
        count = self.page.locator("[data-chart]").count()
        self.page.wait_for_function(
            f"document.querySelectorAll('[data-drawn]').length === {count}", timeout=60_000
        )

    def heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def fetched(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("data:", "file:", "blob:"))]


@pytest.fixture
def tab(browser: Any, page_file: Path) -> Iterator[Tab]:
    opened = Tab(browser, page_file)
    yield opened
    opened.context.close()


@pytest.mark.slow
def test_it_opens_from_disk_and_asks_for_nothing(tab: Tab, page_file: Path) -> None:
    assert tab.page.title() == "1 comparison, 1 synthetic set and 1 study"
    assert tab.page.locator(".drawing svg").count() >= 5
    assert not tab.errors
    assert not tab.fetched()
    assert [url for url in tab.requests if url.startswith("file:")] == [page_file.as_uri()]


def test_the_slider_goes_through_the_updates(tab: Tab) -> None:
    shown = tab.page.locator(".frame:visible")
    last = shown.get_attribute("src")
    slider = tab.page.get_by_role("slider", name="After")
    slider.focus()
    tab.page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "after 1 updates"
    assert tab.page.locator(".evolution output").inner_text() == "1"
    assert shown.count() == 1
    assert shown.get_attribute("src") != last


def test_an_image_is_enlarged_beside_its_nearest_real_one(tab: Tab) -> None:
    first = tab.page.locator(".tile").first
    first.focus()
    tab.page.keyboard.press("Enter")
    dialog = tab.page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == first.get_attribute("data-name")
    assert dialog.locator("img").count() == 2
    assert dialog.locator(".big img").bounding_box()["width"] > 150
    assert "nearest real image: 0" in dialog.inner_text()
    tab.page.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() == "0, number 1"
    tab.page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_images_are_one_stop_of_the_tab_key_and_arrows_go_through_them(tab: Tab) -> None:
    focused = "document.activeElement.dataset.name || ''"
    tiles = tab.page.locator(".tile")
    tiles.first.focus()
    seen: list[str] = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "End", "ArrowRight", "Home"):
        tab.page.keyboard.press(key)
        seen.append(tab.page.evaluate(focused))
    assert [name[0] for name in seen] == ["0", "1", "1", "0", "9", "9", "0"]
    assert seen[0] == "0, number 1"
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate(focused) == ""  # beyond all twenty
    tab.page.keyboard.press("Shift+Tab")
    assert tab.page.evaluate(focused).startswith("1,")


def test_charts_and_pictures_have_names_that_say_something(tab: Tab) -> None:
    names = tab.page.evaluate(
        "[...document.querySelectorAll('.drawing svg')].map((svg) => "
        "svg.closest('[role=graphics-document]').getAttribute('aria-label'))"
    )
    titles = tab.page.evaluate(
        "[...document.querySelectorAll('.chart')].filter((one) => one.querySelector('svg'))"
        ".map((one) => one.querySelector('figcaption').textContent)"
    )
    assert names == titles
    alts = tab.page.evaluate("[...document.images].map((one) => one.alt)")
    assert min(map(len, alts)) > 8
    heads = "[...document.querySelectorAll('table')].map((t) => t.caption.textContent.trim()"
    assert all(tab.page.evaluate(f"{heads} && t.tHead.rows[0].cells[0].scope === 'col')"))


def test_a_point_of_a_study_shows_its_set(tab: Tab) -> None:
    chart = tab.page.locator("[data-chart^=agreement]")
    chart.scroll_into_view_if_needed()
    point = chart.locator(".mark-symbol.role-mark path").nth(3)
    told = tab.page.locator("[data-inspected]")
    assert told.locator("img").count() == 0
    point.hover(force=True)
    told.locator("img").wait_for(timeout=60_000)
    before = told.inner_text()
    assert "accuracy" in before
    chart.locator(".mark-symbol.role-mark path").first.focus()
    for _ in range(7):
        tab.page.keyboard.press("ArrowRight")
    assert told.inner_text() != before
    tab.page.get_by_label("Against accuracy").select_option(index=4)
    name = tab.page.locator("option").nth(4).inner_text()
    tab.page.locator(".drawing", has_text=f"{name} (").wait_for(timeout=60_000)
    assert (
        tab.page.locator("[id^=agreement][id$=about]").inner_text().startswith(f"{name}: Spearman")
    )
    assert not tab.errors


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme_and_can_be_told_otherwise(
    browser: Any, page_file: Path, theme: str
) -> None:
    tab = Tab(browser, page_file, color_scheme=theme)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(background)
    assert (dark == "rgb(255, 255, 255)") == (theme == "light")
    button = tab.page.get_by_role("button", name="theme: as the system")
    button.click()
    assert tab.page.evaluate(background) == "rgb(255, 255, 255)"
    tab.page.get_by_role("button", name="theme: light").click()
    assert tab.page.evaluate(background) != "rgb(255, 255, 255)"
    tab.context.close()


def test_on_paper_it_is_light_and_has_the_numbers(browser: Any, page_file: Path) -> None:
    tab = Tab(browser, page_file, color_scheme="dark")
    tab.page.emulate_media(media="print", color_scheme="dark")
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    closed = tab.page.locator("details:not([open])")
    before = closed.count()
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert before
    assert closed.count() == 0
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert closed.count() == before
    assert not tab.page.get_by_role("button", name="copy").first.is_visible()
    tab.context.close()


def test_a_narrow_window_has_no_sideways_scroll(browser: Any, page_file: Path) -> None:
    tab = Tab(browser, page_file, NARROW)
    width = tab.page.evaluate("document.documentElement.scrollWidth")
    assert width <= NARROW["width"]
    tab.context.close()


CONTRAST = """() => {
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent|color\\(/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  const texts = "p, dt, dd, th, td, a, button, caption, summary, h1, h2, h3, h4, pre, label, text";
  for (const element of document.querySelectorAll(`${texts}, small`)) {
    if (!element.checkVisibility() || !element.textContent.trim()) continue;
    const style = getComputedStyle(element);
    const ink = element.tagName === "text" ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const said = `${element.tagName} ${element.textContent.slice(0, 30)} ${ink}`;
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(said);
  }
  return poor;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, img")]
.filter((one) => {
  if (!one.checkVisibility()) return false;
  const label = one.labels && one.labels.length ? one.labels[0].textContent : "";
  return !(one.getAttribute("aria-label") || one.alt || label || one.textContent.trim());
}).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read_and_everything_has_a_name(
    browser: Any, page_file: Path, theme: str
) -> None:
    tab = Tab(browser, page_file, color_scheme=theme)
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.page.evaluate(NAMELESS) == []
    levels = tab.page.evaluate(
        "[...document.querySelectorAll('h1, main h2, main h3, main h4')].map((h) => +h.tagName[1])"
    )
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    tab.context.close()


def test_hostile_texts_run_nothing(browser: Any, tmp_path: Path) -> None:
    hostile(tmp_path / "set")
    found = runs.report(tmp_path / "set", tmp_path / "page.html")
    tab = Tab(browser, found.file)
    said = tab.page.locator("body").inner_text()
    for name in HOSTILE:
        assert " ".join(name.split()) in " ".join(said.split())
    tab.page.locator(".tile").first.click()
    assert not tab.errors
    assert not tab.fetched()
    tab.context.close()


def test_a_run_that_goes_on_is_loaded_again_until_somebody_says_no(
    browser: Any, tmp_path: Path
) -> None:
    from datastill.report.page import render
    from datastill.report.page.parts import Exhibit, Lines, Page, Section

    exhibit = Exhibit("set", "run", [Section("Now", [Lines(["update 1"])])])
    page = Page("live", [exhibit], reload=0.5, under_way="distilling: 1 of 2")
    render.write(page, tmp_path / "page.html")
    tab = Tab(browser, tmp_path / "page.html")
    assert tab.page.get_by_role("status").inner_text().startswith("distilling: 1 of 2")
    later = replace(exhibit, sections=[Section("Now", [Lines(["update 2"])])])
    render.write(replace(page, exhibits=[later], reload=1000), tmp_path / "page.html")
    tab.page.get_by_text("update 2").wait_for(timeout=60_000)
    tab.page.get_by_role("button", name="do not reload").click()
    assert tab.page.get_by_role("button", name="reload it yourself").is_disabled()
    assert not tab.errors
    tab.context.close()


def test_axes_of_a_single_value_have_plain_numbers(browser: Any, tmp_path: Path) -> None:
    run = DistillSpec(data=DataSpec("digits"), method="DM", model="MLP", ipc=1, updates=1, batch=4)
    runs.distill(run, tmp_path / "set")
    tab = Tab(browser, runs.report(tmp_path / "set", tmp_path / "page.html").file)
    texts = tab.page.locator(".drawing svg text").all_text_contents()
    assert texts
    assert not [text for text in texts if text.endswith("000000")]
    tab.context.close()
