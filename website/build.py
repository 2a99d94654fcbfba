"""What MkDocs asks while it builds the site: pages that are made, links that leave ``docs/``.

Everything that can be read off the program is: commands and their options, what the registries
hold, the names of the Python packages, notebooks. None of it is kept in the repository.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path, PurePosixPath

import commands
import names
import notebooks
import parts
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COPIES = PurePosixPath("repository")
"""Folder of the site with what pages link to outside of ``docs/``."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")
MATH = re.compile(r":math:<code>(.*?)</code>", flags=re.DOTALL)
"""A formula in LaTeX, as it is after Markdown has been read."""
PLACES = {"src/datastill/recipes": "reference/parts/recipes.md"}
"""Folders for which a page stands."""


def made() -> dict[str, str]:
    """Return the text of every page that is made, by their places."""
    return {**commands.pages(), **parts.pages(), **names.pages()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that are made where the navigation names their folders."""
    pages = made()

    def filled(entry: object) -> object:
        if isinstance(entry, dict):
            return {title: filled(one) for title, one in entry.items()}
        if isinstance(entry, list):
            return [filled(one) for one in entry]
        if isinstance(entry, str) and entry.endswith("/"):
            return [uri for uri in pages if uri.startswith(entry)]
        return entry

    config.nav = filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and copies of what is linked to outside of ``docs/``."""
    style = (Path(__file__).parent / "site.css").read_text(encoding="utf-8")
    for uri, text in {**made(), "site.css": style}.items():
        files.append(File.generated(config, uri, content=text))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        page, pictures = notebooks.page(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for path in sorted(_outside(files)):
        source = str(ROOT / path)
        files.append(File.generated(config, f"{COPIES}/{path}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where on the site is what they lead to in the repository."""
    own = PurePosixPath(page.file.src_uri)

    def turned(found: re.Match[str]) -> str:
        there = placed(_target(_source(own), found[1]))
        return str(PurePosixPath(*[".."] * len(own.parent.parts), there))

    return LINK.sub(turned, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set the formulas of docstrings in MathML, which browsers draw by themselves."""
    return MATH.sub(lambda found: convert(" ".join(unescape(found[1]).split())), html)


def placed(path: PurePosixPath) -> PurePosixPath:
    """Return where on the site a file of the repository is."""
    if str(path) in PLACES:
        return PurePosixPath(PLACES[str(path)])
    if path.is_relative_to("docs"):
        inside = path.relative_to("docs")
        return inside / "README.md" if (ROOT / path / "README.md").is_file() else inside
    return COPIES / path


def _source(own: PurePosixPath) -> PurePosixPath:
    # Where in the repository a page of the site is, or would be.
    return own.relative_to(COPIES) if own.is_relative_to(COPIES) else "docs" / own


def _target(source: PurePosixPath, link: str) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(source.parent / link))


def _outside(files: Files) -> set[PurePosixPath]:
    # What has to be copied: what pages link to outside of `docs/`, and what such pages link to.
    found = set[PurePosixPath]()
    waiting = [
        (_source(PurePosixPath(f.src_uri)), f.content_string) for f in files.documentation_pages()
    ]
    while waiting:
        source, text = waiting.pop()
        for path in {_target(source, link) for link in LINK.findall(text)} - found:
            if placed(path).is_relative_to(COPIES):
                found.add(path)
                if path.suffix == ".md":
                    waiting.append((path, (ROOT / path).read_text(encoding="utf-8")))
    return found
