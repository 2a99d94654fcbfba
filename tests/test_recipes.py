"""Recipes: options in a file."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from datastill import load
from datastill.base.errors import LIBRARIES, InputError
from datastill.cli import main, parse
from datastill.cli.distill import Distill
from datastill.cli.recipe import HEAD, OURS

RECIPES = sorted(OURS.glob("*.toml"))
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text()


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
        ('command = "train"', r"is for 'datastill train', not 'datastill distill'"),
        ('command = "distill"\n[options]\nipcs = 3', r"no option 'ipcs'; did you mean 'ipc'"),
        ("command =", "is not TOML"),
        (None, "no recipe .*r.toml', neither a file nor a name; choose from CIFAR10-DC-10-clom"),
        ("", r'does not say what for; begin it with command = "distill"'),
        ("[options]\nipc = 3", "does not say what for"),
        ('command = "distill"\nipc = 3', r"'ipc' belongs below \[options\]"),
        ('command = "distill"\nlr-img = 3', r"'lr-img' belongs below \[options\]"),
        ('command = "distill"\nauthor = "me"', "'author' has no meaning"),
        ('command = "distill"\noptions = 3', r"\[options\] is a table of options, not 3"),
        ('command = "distill"\n[options]\nipc = {cat = 3}', "ipc is a number, a text, or a list"),
        ('command = "distill"\n[options]\nipc = 2026-01-01', "ipc is a number, a text, or a list"),
        ('command = "distill"\n[options]\nhelp = true', "no option 'help'"),
        ('command = "distill"\n[options]\nrecipe = "a"', "no option 'recipe'"),
    ],
)
def test_bad_recipes_are_told(tmp_path: Path, text: str | None, complaint: str) -> None:
    file = tmp_path / "r.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=complaint):
        parse(["distill", "--recipe", str(file)])


def test_a_recipe_needs_a_name() -> None:
    with pytest.raises(InputError, match="needs a file, or the name of a recipe"):
        parse(["distill", "--recipe"])


def test_recipes_are_found_by_name_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(RECIPES) > 20
    for path in RECIPES:
        command = tomllib.loads(path.read_text())["command"]
        by_path = given(parse([command, "--recipe", str(path)]))
        by_name = given(parse([command, "--recipe", path.stem]))
        assert {**by_path, "recipe": None} == {**by_name, "recipe": None}
    with pytest.raises(InputError, match="did you mean 'FashionMNIST-DM-10-clom'"):
        parse(["distill", "--recipe", "FashionMNIST-DM-10"])
    (tmp_path / "FashionMNIST-DM-10-clom").write_text('command = "distill"\n[options]\nipc = 7\n')
    own = given(parse(["distill", "--recipe", "FashionMNIST-DM-10-clom", "--dataset", "digits"]))
    assert own["ipc"] == 7  # a file of one's own comes first


def test_recipes_are_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert OURS.is_relative_to(ROOT / package)


def test_the_page_about_recipes_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "my-recipe.toml").write_text(text)
    first, second = re.findall(r"^ +datastill (.*)$", PAGE, flags=re.M)
    assert given(parse(first.split()))["alphas"] == (100.0,)
    main(second.split())
    made = load("condensed/digits/DM/IPC1")
    assert (made.facts["step"], made.facts["recipe"]) == (10, "my-recipe.toml")


def test_what_is_missing_is_installed_from_any_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {name: extras[name][0] for name in extras if name != "dev"} == LIBRARIES
