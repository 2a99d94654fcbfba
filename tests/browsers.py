"""A real browser for tests, where there is one on the machine."""

import os
import shutil
from collections.abc import Iterator

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW = "no Chromium is installed: apt-get install chromium, or set DATASTILL_CHROMIUM to its path"


def chromium() -> str | None:
    """Return the path of a Chromium: the one that is named, or one on the path."""
    named = os.environ.get("DATASTILL_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Start a headless Chromium; where there is none, tests are skipped."""
    library = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = chromium()
    if path is None:
        if os.environ.get("DATASTILL_REQUIRE_BROWSER"):
            pytest.fail(HOW)
        pytest.skip(HOW)
    with library.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()
