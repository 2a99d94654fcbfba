"""The site that `make site` has built: nothing leads nowhere, nothing is fetched from elsewhere."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import datastill
from browsers import browser
from datastill import runs
from datastill.base.registry import Registry
from datastill.cli import COMMANDS, load
from datastill.cli.grammar import options_of
from datastill.datasets import DATASETS
from datastill.distillation.methods import METHODS
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.exchange import FORMATS
from datastill.networks import NETWORKS
from datastill.runs.specs import recipes
from datastill.training.coresets import CORESETS

pytestmark = pytest.mark.site
__all__ = ["browser"]

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Elements for which a browser fetches something unasked."""


class Read(HTMLParser):
    """What a page links to, loads and can be linked at; its text and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places = {""}
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADS and LOADS[tag] in given and given.get("rel") not in ("prev", "next"):
            self.loads.append(given[LOADS[tag]])

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@cache
def read(path: Path) -> Read:
    page = Read()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def pages() -> list[Path]:
    found = sorted(SITE.rglob("*.html"))
    assert len(found) > 40, "make site builds it"
    return found


def text_of(place: str) -> str:
    return "".join(read(SITE / place).text)


def test_every_link_leads_somewhere() -> None:
    lost: list[str] = []
    for path in pages():
        page = read(path)
        for target in [*page.links, *page.loads]:
            if urlsplit(target).scheme:
                continue
            there, place = urldefrag(target)
            file = (path.parent / unquote(there)).resolve() if there else path
            file = file / "index.html" if file.is_dir() else file
            if path.name == "404.html":
                file = SITE / unquote(there).lstrip("/")
            if not file.exists() or (file.suffix == ".html" and place not in read(file).places):
                lost.append(f"{path.relative_to(SITE)}: {target}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    remote = r"^(?:https?:)?//"
    for path in pages():
        assert [one for one in read(path).loads if re.match(remote, one)] == [], path
        styles = re.findall(r"<style[^>]*>(.*?)</style>", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", "".join(styles)), path
    for path in SITE.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", path.read_text()), path


def test_formulas_are_drawn() -> None:
    found = [path for path in pages() if ":math:" in "".join(read(path).text)]
    assert found == []
    assert "<math" in (SITE / "reference/parts/assessments.html").read_text(encoding="utf-8")


def test_what_is_written_is_read_as_meant() -> None:
    left = re.compile(r"(?:^|\n)\s*datastill \w+ --|\*\*|`|\]\(|:::")
    for path in pages():
        text = path.read_text(encoding="utf-8").partition("<article")[2].partition("</article")[0]
        plain = re.sub(r"<(pre|code|script)\b.*?</\1>|<[^>]+>", "", text, flags=re.DOTALL)
        assert left.search(plain) is None, path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_with_its_options(name: str) -> None:
    text = text_of(f"reference/commands/{name}.html")
    assert text_of("reference/commands/index.html").count(f"\n{name}\n") >= 1
    for option in options_of(load(name)).values():
        assert re.search(rf"(?<![\w-]){re.escape(option.typed)}(?![\w-])", text), option.typed
    assert "`" not in text.replace("``", "")


@pytest.mark.parametrize(
    ("page", "registry"),
    [
        ("methods", METHODS),
        ("coresets", CORESETS),
        ("assessments", ASSESSMENTS),
        ("networks", NETWORKS),
        ("datasets", DATASETS),
        ("formats", FORMATS),
    ],
)
def test_every_part_is_told_by_its_name(page: str, registry: Registry[Any]) -> None:
    places = read(SITE / f"reference/parts/{page}.html").places
    assert {name.lower() for name in registry.names} <= places


def test_every_recipe_and_every_name_of_python_is_there() -> None:
    text = text_of("reference/parts/recipes.html")
    assert all(name in text for name in recipes.names())
    for page, module in (("datastill", datastill), ("runs", runs)):
        homes = module._HOME
        places = read(SITE / f"reference/python/{page}.html").places
        assert {f"{module.__name__}.{homes[name]}.{name}" for name in module.__all__} <= places


@pytest.fixture
def served() -> Iterator[str]:
    """Serve the site to this machine."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_browser_asks_nobody_else_and_finds_what_is_searched(browser: Any, served: str) -> None:
    page, asked, wrong = browser.new_page(), list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for place in (
        "index.html",
        "tutorial.html",
        "notebooks/first-set.html",
        "reference/python/runs.html",
    ):
        page.goto(served + place)
    page.keyboard.press("f")
    page.keyboard.type("trajectory-distance")
    page.wait_for_selector(".md-search-result__item")
    page.close()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
    assert wrong == []


@pytest.mark.parametrize("place", ["index.html", "reference/commands/distill.html"])
def test_a_page_opens_from_disk_without_asking_for_anything_else(browser: Any, place: str) -> None:
    page, asked = browser.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto((SITE / place).as_uri())
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    wide: list[str] = []
    for path in pages():
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(str(path.relative_to(SITE)))
    page.close()
    assert wide == []
