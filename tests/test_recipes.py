"""Recipes: options in a file."""

import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from datastill.cli import parse
from datastill.cli.distill import Distill
from datastill.cli.recipe import HEAD
from datastill.errors import InputError

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_understood_and_says_where_it_comes_from(path: Path) -> None:
    table = tomllib.loads(path.read_text())
    assert set(table) <= {*HEAD, "options"}
    assert table["source"].strip()
    assert table["expected"].strip()
    command = parse([table["command"], "--recipe", str(path)])
    options = given(command)
    for name, value in table["options"].items():
        found = tuple(value) if isinstance(value, list) else value
        assert options[name] == (Path(found) if name.endswith("_path") else found)


def given(command: Any) -> dict[str, Any]:
    """List all options of a command, those of its groups too."""
    found: dict[str, Any] = {}
    for field in fields(command):
        value = getattr(command, field.name)
        found |= given(value) if is_dataclass(value) else {field.name: value}
    return found


def test_the_command_line_wins() -> None:
    path = next(path for path in RECIPES if path.stem == "FashionMNIST-DM-10-clom")
    command = parse(["distill", "--ipc", "3", f"--recipe={path}", "--alphas=7"])
    assert isinstance(command, Distill)
    assert (command.ipc, command.alphas, command.dataset) == (3, (7.0,), "FashionMNIST")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('command = "train"', r"is for 'datastill train', not 'distill'"),
        ('command = "distill"\n[options]\nipcs = 3', r"no option 'ipcs'; did you mean 'ipc'"),
        ("command =", "is not TOML"),
        (None, "cannot read recipe .*No such file"),
    ],
)
def test_bad_recipes_are_told(tmp_path: Path, text: str | None, complaint: str) -> None:
    file = tmp_path / "r.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=complaint):
        parse(["distill", "--recipe", str(file)])


def test_a_recipe_needs_a_name() -> None:
    with pytest.raises(InputError, match="needs the name of a file"):
        parse(["distill", "--recipe"])
