"""A page of a notebook, with the outputs that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter


def page(path: Path) -> tuple[str, Mapping[str, bytes]]:
    """Return the text of a notebook as a page, and the pictures on it by their names."""
    notebook = nbformat.read(path, as_version=4)
    exporter = MarkdownExporter()
    text, resources = exporter.from_notebook_node(
        notebook, {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    )
    first, _, rest = text.partition("\n")
    note = f"*This page is a notebook: [{path.name}]({path.name}) runs as it is.*"
    return f"{first}\n\n{note}\n{rest}", resources["outputs"]
