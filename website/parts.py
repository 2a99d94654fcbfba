"""A page for each registry, of what it holds; one of the recipes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from datastill.base.registry import Registry
from datastill.datasets import DATASETS
from datastill.distillation.methods import METHODS
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.exchange import FORMATS
from datastill.networks import NETWORKS
from datastill.runs.specs import recipes
from datastill.training.coresets import CORESETS

FOLDER = "reference/parts"
NEEDS = {
    "originals": "as they are",
    "trajectories": "on their way",
    "ends": "as they began and ended",
}
"""What a method asks of original models, as a cell of a table."""
Described = Callable[[str, Any], Iterator[str]]


def pages() -> Mapping[str, str]:
    """Return the text of a page for each registry, by their places."""
    made = {
        "methods": page("Methods", "`--method`, `ds.METHODS`", METHODS, method),
        "coresets": page("Coresets", "`--init`, `--against`", CORESETS, value),
        "assessments": page(
            "Assessments", "`--assessments`, `--select`, `--by`", ASSESSMENTS, value
        ),
        "networks": page("Networks", "`--model`, `ds.builder`", NETWORKS, family),
        "datasets": page("Datasets", "`--dataset`, `ds.load_dataset`", DATASETS, value),
        "formats": page("Formats", "`export --to`, `import --format`", FORMATS, format_of),
        "recipes": recipes_page(),
    }
    index = [f"- [{name.capitalize()}]({name}.md)" for name in made]
    text = "# Parts by name\n\nWhat the program holds, under the names that are typed.\n"
    text += "[Parts of your own](../../own-parts.md) go by `package.module:name`.\n\n"
    text += "\n".join(index) + "\n"
    return {f"{FOLDER}/index.md": text, **{f"{FOLDER}/{k}.md": v for k, v in made.items()}}


def page(title: str, where: str, registry: Registry[Any], described: Described) -> str:
    """Return the page of a registry: a section for each name in it."""
    text = [f"# {title}", "", f"Named in {where}. Case and punctuation do not matter.", ""]
    for name in registry.names:
        item = registry[name]
        text += [f"## {name}", "", *described(name, item), "", f"From `{home(item)}`.", ""]
    return "\n".join(text)


def value(_: str, item: Any) -> Iterator[str]:
    """Say what an item says of itself, and by which values it differs from others of its kind."""
    yield plain(item)
    if is_dataclass(item) and not isinstance(item, type):
        own = [f"`{one.name}` {shown(getattr(item, one.name))}" for one in fields(item) if one.repr]
        if own:
            yield ""
            yield "Here: " + ", ".join(own) + "."


def method(_: str, item: Any) -> Iterator[str]:
    """Say what is published with a method, at one and at ten images per class."""
    module = sys.modules[item.__module__]
    yield plain(module)
    yield ""
    yield "| images per class | 1 | 10 | 50 |"
    yield "|---|---|---|---|"
    found = [item(ipc) for ipc in (1, 10, 50)]
    for label, told in {
        "updates": lambda one: f"{one.updates:,}",
        "learning rate": lambda one: ", ".join(f"{k} {v.lr:g}" for k, v in one.optimisers.items()),
        "starts from": lambda one: one.init,
        "learned": lambda one: f"`{one.parametrisation}`",
        "settings": lambda one: f"`{one.method}`",
        "augmented": lambda one: "yes" if one.augmented else "no",
        "protocol": lambda one: f"`{one.protocol}`",
        "original models": lambda one: ", ".join(NEEDS[need] for need in sorted(one.needs)),
    }.items():
        yield f"| {label} | " + " | ".join(told(one).replace("|", "\\|") for one in found) + " |"
    if found[0].papers:
        yield ""
        for paper in found[0].papers:
            yield f"- {paper.authors.replace(' and ', '; ')}: *{paper.title}*, {paper.where}."


def family(name: str, item: Any) -> Iterator[str]:
    """Say what a network is, and which suffixes its name may have."""
    yield plain(getattr(item.factory, "func", item.factory))  # of a partial
    if item.suffixes:
        yield ""
        yield f"`{name}` may be followed by " + ", ".join(f"`{one}`" for one in item.suffixes) + "."


def format_of(name: str, item: Any) -> Iterator[str]:
    """Say what a format is, and which ways it goes."""
    written = "" if item.write is None else f"; written by `datastill export SET --to {name}`"
    yield f"{item.about}. Read by `datastill import`{written}."
    yield "[All about formats](../../formats.md)."


def recipes_page() -> str:
    """Return the page with every recipe that comes with datastill, as it is."""
    text = ["# Recipes that come with datastill", "", "`datastill run NAME` carries one out:"]
    text[-1] += " [what a recipe is](../../recipes.md)."
    for name in recipes.names():
        text += [
            "",
            f"## {name}",
            "",
            "```toml",
            recipes.text_of(recipes.find(name)).strip(),
            "```",
        ]
    return "\n".join([*text, ""])


def home(item: Any) -> str:
    """Return the module that an item comes from."""
    return item.__module__ if hasattr(item, "__module__") else type(item).__module__


def plain(item: Any) -> str:
    """Return what an item says of itself, without its arguments, for a page."""
    text = (inspect.getdoc(item) or "").split("\n\n")
    kept = [
        one for one in text if not re.match(r"(Args|Attributes|Returns|Raises|Yields):|>>>", one)
    ]
    return "\n\n".join(kept).replace("``", "`")


def shown(one: Any) -> str:
    """Return a value as code, in a few letters."""
    name = getattr(one, "__qualname__", None)
    return f"`{name or repr(one)}`"
