"""What the pages list is what there is: names, modules, commands, options."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from datastill.base.errors import InputError
from datastill.base.registry import Registry
from datastill.cli import COMMANDS, load, parse
from datastill.cli.grammar import options_of
from datastill.datasets import DATASETS
from datastill.distillation import descent, learned, parameters, parametrisations, residual
from datastill.distillation.methods import METHODS, tesla
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.exchange import FORMATS
from datastill.networks import NETWORKS
from datastill.runs.specs import KINDS, DistillSpec
from datastill.training.coresets import CORESETS
from datastill.training.labelling import LOSSES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "datastill"
PAGES = {
    path.name: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
}


@pytest.mark.parametrize(
    ("registry", "pages"),
    [
        (METHODS, ["README.md", "protocol.md", "assessments.md"]),
        (CORESETS, ["command-line.md"]),
        (NETWORKS, ["command-line.md"]),
        (DATASETS, ["your-data.md"]),
        (FORMATS, ["formats.md"]),
    ],
    ids=["methods", "coresets", "networks", "datasets", "formats"],
)
def test_every_name_stands_on_its_pages(registry: Registry[Any], pages: list[str]) -> None:
    for page in pages:
        words = set(re.findall(r"[\w-]+", PAGES[page]))
        said = {name for name in registry.names if name in words}
        assert set(registry.names) - said == set(), f"{page} does not tell of these"


def test_every_method_has_a_section_that_says_what_is_published() -> None:
    heads = " ".join(re.findall(r"^## .*", PAGES["protocol.md"], flags=re.M))
    assert {*METHODS.names} <= {*re.findall(r"\((\w+)\)", heads)}


def rows(page: str, head: str) -> list[list[str]]:
    """Return the cells of the table under a line that begins with this."""
    _, _, text = PAGES[page].partition(f"\n{head}")
    lines = text.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def first_of(page: str, head: str) -> list[str]:
    return [name for row in rows(page, head) for name in re.findall(r"`([\w-]+)[`(]", row[0])]


def test_tables_have_a_row_for_each() -> None:
    assert first_of("formats.md", "| format |") == [
        *dict.fromkeys(first_of("formats.md", "| format |"))
    ]
    assert {*first_of("formats.md", "| format |")} == {*FORMATS.names}
    assert first_of("protocol.md", "| `--soft-loss` |") == [*LOSSES]
    for name, row in zip(LOSSES, rows("protocol.md", "| `--soft-loss` |"), strict=True):
        temperature, truth = LOSSES[name]
        assert row[2:] == ["none" if temperature is None else f"{temperature:g}", f"{truth:g}"]
    starts = {*descent.STARTS, *CORESETS.names}
    tour = "command-line.md"
    assert {*descent.STARTS} <= {*first_of(tour, "| `--init` |")} <= starts
    assert f"the {len(ASSESSMENTS.names)} assessments" in PAGES[tour].replace("\n", " ")


def test_the_table_of_tesla_has_its_settings() -> None:
    told = {row[0]: row[1:] for row in rows("protocol.md", "| images per class (by ratio")}
    for i, (ipc, column) in enumerate(tesla.COLUMNS.items()):
        method = column.method
        assert told["`syn_steps`"][i].partition(" ")[0] == str(method.syn_steps), ipc
        at_first = [method.starts(step) for step in (method.growing, 0)]
        ranges = dict.fromkeys(f"{one.earliest}-{one.latest}" for one in at_first)
        assert told["epochs, of them at first"][i].partition(" (")[0] == ", ".join(ranges), ipc
        assert told["`growing`"][i] == str(method.growing)
        assert told["`threshold`"][i] == f"{method.threshold:g}"


def test_parametrisations_and_optimisers_are_all_told() -> None:
    made = {name for one in (parametrisations, learned, residual) for name in told(one, "decode")}
    head = "| parametrisation |"
    assert {name for row in rows("new-method.md", head) for name in named(row[0])} == made
    moved = {*told(parameters, "over")}
    assert moved <= {*re.findall(r"`(\w+)\(", PAGES["new-method.md"])}


def named(cell: str) -> list[str]:
    return re.findall(r"`(\w+)\(", cell)


def told(module: ModuleType, does: str) -> list[str]:
    """Return the values of a module that do something, by their names."""
    found = {name: one for name, one in vars(module).items() if is_dataclass(one)}
    return [
        n for n, one in found.items() if hasattr(one, does) and one.__module__ == module.__name__
    ]


def test_what_methods_follow_is_what_the_page_asks_to_cite() -> None:
    page = " ".join(PAGES["citing.md"].split())
    papers = [paper for name in METHODS.names for paper in METHODS[name](1).papers]
    assert len(papers) >= 6
    for paper in papers:
        assert f"*{paper.title}*, {paper.where}" in page


def test_verbs_and_kinds_are_all_told() -> None:
    _, _, text = PAGES["design.md"].partition("evidence whether to trust it:\n\n")
    said = re.findall(r"^ {4}(\w+)", text.partition("\n\n")[0], flags=re.M)
    said += re.findall(r"; (\w+):", text.partition("\n\n")[0])
    assert sorted(said) == sorted(COMMANDS)
    (comment,) = re.findall(r'kind = "distill" +# (.*): needed', PAGES["recipes.md"])
    assert re.findall(r"\w+", comment.replace(" or ", " ")) == [*KINDS]
    kept = {row[0].strip("`") for row in rows("reproducing.md", "| command | what is kept")}
    assert kept == {name for name in COMMANDS if "resume" in options_of(load(name))}
    (updates,) = [
        field for field in fields(DistillSpec) if field.name == "updates"
    ]  # whose defaults the docstring tells
    assert updates.default is None
    assert all(name in (DistillSpec.__doc__ or "") for name in METHODS.names)


ROOMS = (
    *("base", "data", "compute", "training", "distillation", "evaluation", "store"),
    *(f"runs/{path.name}" for path in sorted((SOURCE / "runs").iterdir()) if path.suffix != ".py"),
)


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "runs/__pycache__"])
def test_every_module_has_its_place_on_the_page_of_the_design(room: str) -> None:
    _, _, text = PAGES["design.md"].partition("\n    cli           one file per command")
    text = text.partition("\n\n")[0]
    parts = re.split(r"^(?: {4}| {6})(?=\w)", text, flags=re.M)
    (own,) = [part for part in parts if re.match(rf"{Path(room).name}\b", part)]
    names = {path.stem for path in (SOURCE / room).iterdir() if path.stem[:2] != "__"}
    if room not in ("runs/specs", "runs/executors"):  # one file for each kind there
        assert names <= {*re.findall(r"\w+", own)}
    begun = re.findall(r"^(?:\w+ {2,}| {18})(\w+)(?= {2,})", own, flags=re.M)
    assert {*begun} <= names


def lines() -> list[tuple[str, str]]:
    """Return all commands that the pages have on lines of their own."""
    found: list[tuple[str, str]] = []
    for page, text in PAGES.items():
        text = text.replace("\\\n", " ")
        pattern = rf"^ {{4}}(?:\w+=\S+ )?datastill ((?:{'|'.join(COMMANDS)})\b[^#\n]*)"
        found += [(page, line.strip()) for line in re.findall(pattern, text, flags=re.M)]
    return found


@pytest.mark.parametrize(("page", "line"), lines())
def test_every_command_is_understood(page: str, line: str) -> None:
    del page
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", line)]
    if words[0] == "run" and not words[1].startswith("FashionMNIST"):
        with pytest.raises(InputError, match=r"no file|no recipe|no run.toml"):
            parse(words)  # of a person's own, which is not here
    else:
        assert parse(words) is not None


def test_every_option_is_one() -> None:
    known = {
        "help",
        "index-url",
        *(name for command in COMMANDS for name in options_of(load(command))),
    }
    for page, text in PAGES.items():
        ours = (
            "datastill " if page == "speed.md" else "--|datastill "
        )  # which tells of benchmarks too
        codes = re.findall(rf"`((?:{ours})[^`]+)`", text)
        said = {name for code in codes for name in re.findall(r"(?<![\w-])--([a-z][a-z-]*)", code)}
        assert said <= known, page
