"""Pages of the names of the Python packages, whose docstrings mkdocstrings reads."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType

import datastill
from datastill import runs

FOLDER = "reference/python"


def pages() -> Mapping[str, str]:
    """Return the text of the pages of Python names, by their places."""
    groups = {
        "datastill": ("datastill", datastill),
        "runs": ("datastill.runs", runs),
    }
    made = {f"{FOLDER}/{file}.md": page(title, module) for file, (title, module) in groups.items()}
    index = "# Python\n\n[From Python](../../python.md) shows how they go together.\n\n"
    index += "- [datastill](datastill.md): sets, networks, methods, one piece at a time.\n"
    index += "- [datastill.runs](runs.md): all that the commands do, from descriptions.\n"
    return {f"{FOLDER}/index.md": index, **made}


def page(title: str, module: ModuleType) -> str:
    """Return the page of a package: everything that it offers, in the order of the alphabet."""
    text = [f"# {title}", ""]
    homes: Mapping[str, str] = module._HOME
    for name in sorted(module.__all__, key=str.casefold):
        own = methods(getattr(module, name))
        shown = f"[{', '.join(own)}]" if own else "false"
        place = f"{module.__name__}.{homes[name]}.{name}"
        text += [f"::: {place}", "    options:", f"      members: {shown}", ""]
    return "\n".join(text)


def methods(item: object) -> list[str]:
    """Return what a class does by itself, in public: its values stand in its docstring."""
    own = vars(item) if inspect.isclass(item) else {}
    doing = (property, classmethod, staticmethod)
    return [
        name
        for name, one in own.items()
        if name[:1] != "_" and (inspect.isfunction(one) or isinstance(one, doing))
    ]
