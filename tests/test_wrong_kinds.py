"""What Python gives in the place of something else is told in one line: runs, and their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datastill import runs
from datastill.base.errors import InputError
from datastill.runs import recipes
from datastill.store import require_sinks

DATA = runs.DataSpec("digits")
SPEC: Any = runs.DistillSpec(data=DATA, model="MLP", ipc=1, updates=1)
TRAIN = runs.TrainSpec(data=DATA, models=("MLP",), num=1)
ANY: Any = None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (lambda: runs.read(ANY), "`text` must be the text of a file; of a path, `recipes.read`"),
        (lambda: runs.read(Path("x")), "`text` must be the text of a file"),  # type: ignore[arg-type]
        (lambda: runs.TrainSpec.from_toml(ANY), "`text` must be the text of a file"),
        (lambda: recipes.read(ANY), "`path` must be the path of a file, found None"),
        (lambda: recipes.find(ANY), "`name` must be the name of a recipe, or a path, found None"),
        (lambda: runs.carry_out(runs.Unit(ANY, TRAIN), "x"), "`address` must be that of a piece"),
        (lambda: runs.distill(SPEC, facts={"a": object()}), "`facts` must be what JSON can hold"),
        (lambda: runs.Keeping(sinks="trackio"), "`sinks` must be a list of names"),  # type: ignore[arg-type]
        (lambda: require_sinks(["wandb"]), "none called 'wandb'; take tensorboard and trackio"),
        (lambda: runs.ClomSpec(alphas=1), "must be a list of numbers or auto, or auto, found 1"),  # type: ignore[arg-type]
        (
            lambda: runs.DistillSpec(data=DATA, settings={"a": [1]}),  # type: ignore[dict-item]
            "`settings` must be a table of numbers, texts, True and False, by names, found a dict",
        ),
    ],
)
def test_one_line_says_what_it_should_have_been(given: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(InputError) as told:
        given()
    assert complaint in str(told.value)


def test_recipes_are_known_by_paths_of_any_kind() -> None:
    path = recipes.find("FashionMNIST-DM-10-clom")
    assert recipes.read(str(path)) == recipes.read(path)
    assert recipes.find(path) == path
