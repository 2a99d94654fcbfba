"""A page as HTML: one file that needs nothing else, and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from datastill.base.version import own_version
from datastill.report.page.parts import Chart, Page
from datastill.store import put_file

ASSETS = Path(__file__).parent / "assets"
LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
"""What draws charts, in the order in which it is loaded."""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser is to do for the page: nothing is fetched, and no script runs but its own, each
known by its digest, whatever the texts of a run may hold."""


def html(page: Page) -> str:
    """Return a page as HTML; texts are texts, whatever they hold."""
    charts = {chart.name: _drawn(chart) for chart in page.charts}
    libraries = [_asset(f"vendor/{name}") for name in LIBRARIES] if charts else []
    scripts = [*libraries, _asset("page.js")]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            version=own_version(),
            style=Markup(_asset("page.css")),
            scripts=[Markup(script) for script in scripts],
            policy=POLICY.format(scripts=" ".join(map(_digest, scripts))),
            charts=charts,
        )
    )


def write(page: Page, path: Path) -> None:
    """Write a page, all of it or nothing.

    Raises:
        InputError: when it cannot be written.
    """
    put_file(path, html(page).encode())


def _drawn(chart: Chart) -> dict[str, Any]:
    choices = [{"about": one.about, "spec": one.spec} for one in chart.choices]
    return {"spec": chart.spec, "choices": choices}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").strip()


def _digest(script: str) -> str:
    found = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"
