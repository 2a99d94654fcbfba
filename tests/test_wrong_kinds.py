"""What Python gives in the place of something else is told in one line: runs, and their files."""

import os
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pytest
import torch

from conftest import blobs, linear
from datastill import (
    Evidence,
    Reading,
    assess,
    builder,
    cross_entropy_clom,
    from_arrays,
    load,
    load_dataset,
    preset,
    runs,
    train_pool,
    validate,
)
from datastill.base.errors import InputError, positive
from datastill.base.rng import Key
from datastill.datasets.base.tree import tree_of_folder
from datastill.distillation.relabelling import soft_labels
from datastill.evaluation.scores import epoch_of
from datastill.runs.compound.sweeping import values_over
from datastill.runs.executors.on_ray import require_answer
from datastill.runs.specs import Spec, recipes
from datastill.runs.specs.population import wanted
from datastill.store import require_sinks, save
from datastill.training.fit import Fit
from datastill.training.pool import freeze
from test_cli import Run, run

__all__ = ["run"]

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
        (
            lambda: runs.distill(SPEC, facts={"caveats": ["a\x1b[2J"]}),
            '`facts` cannot be saved: the fact caveats.0 is "a\\u001b[2J", not a printable text',
        ),
        (lambda: runs.Keeping(sinks="trackio"), "`sinks` must be a list of names"),  # type: ignore[arg-type]
        (lambda: require_sinks(["wandb"]), "none called 'wandb'; take tensorboard and trackio"),
        (lambda: runs.ClomSpec(alphas=1), "must be a list of numbers or auto, or auto, found 1"),  # type: ignore[arg-type]
        (
            lambda: runs.DistillSpec(data=DATA, settings={"a": [1]}),  # type: ignore[dict-item]
            "`settings` must be a table of numbers, texts, True and False, by names, found a dict",
        ),
        (lambda: runs.Talking(tell=ANY), "`tell` must be a function, such as print, found None"),
        (lambda: runs.Lines("log"), "`tell` must be a function, such as print, found 'log'"),  # type: ignore[arg-type]
        (lambda: runs.Reporter("x", observer=ANY), "`observer` must be what watches a run"),
        (lambda: runs.Reporter("x", clock=ANY), "`clock` must be a function"),
        (lambda: runs.report(ANY), "`paths` must be the path of what a run made, or several"),
        (lambda: runs.report([3]), "`paths` must be the path of what a run made, or several"),  # type: ignore[list-item]
        (lambda: runs.report("x", observer=ANY), "`observer` must be what watches a run"),
        (lambda: runs.report("x", pool_path=3), "`pool_path` must be the path of a folder"),  # type: ignore[arg-type]
        (lambda: runs.estimate(SPEC, trials=2.5), "`trials` must be a whole number"),  # type: ignore[arg-type]
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


LONG = 5000
"""Digits of a number that Python itself refuses to read, or to write."""
VAST = 10**LONG
MANY = runs.StudySpec(data=DATA, population=("random", "DM:1"), seeds=100_000)


@pytest.mark.parametrize("digits", [400, LONG])
@pytest.mark.parametrize(
    "line",
    [
        "distill --dataset digits --iterations {}",
        "distill --dataset digits --seed {}",
        "distill --dataset digits --ipc {}",
        "distill --dataset digits --ipc 1=2,rest={}",
        "distill --dataset digits --ipc proportional:{}",
        "distill --dataset digits --method DC --iterations 1 --setting lr_net={}",
        "study --dataset digits --population DM:{} --ipc 1",
        "study --dataset digits --population noise:{} --ipc 1",
        "study --dataset digits --population random --ipc 1 --seeds {}",
        "study --dataset digits --population random --ipc {}",
        "study --dataset digits --population random --ipc 1 --assessments om-accuracy@{}",
        "train --dataset digits --model MLP --save-epochs {}",
        "run long.toml",
        "recipes check long.toml",
    ],
)
def test_numbers_of_many_digits_are_told_in_one_line(
    run: Run, tmp_path: Path, line: str, digits: int
) -> None:
    typed = "9" * digits
    text = f'kind = "distill"\nupdates = {typed}\n[data]\nname = "digits"\n'
    (tmp_path / "long.toml").write_text(text)
    said = run(line.format(typed))
    assert said.code == 2
    (told,) = (one for one in said.err.splitlines() if one.startswith("datastill: "))
    assert len(told) < 300
    assert [path.name for path in tmp_path.iterdir()] == ["long.toml"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (lambda: runs.DistillSpec(data=DATA, updates=VAST), "a number of 5001 digits"),
        (lambda: runs.ComputeSpec(seed=VAST), "a number of 5001 digits"),
        (lambda: runs.ComputeSpec(seed=-VAST), "a number of 5001 digits"),
        (lambda: Key(VAST), "a number of 5001 digits"),
        (lambda: positive(lr=10**400), "`lr` must be at most 1e+30, found a number of 401 digits"),
        (lambda: positive(lr=-VAST), "`lr` must be above zero, found a number of 5001 digits"),
        (lambda: values_over([f"seed=0..{'9' * LONG}"]), "is no range: a number has 18 digits"),
        (lambda: require_answer(f"localhost:{'9' * LONG}"), "no Ray answers at localhost:"),
        (lambda: wanted(MANY), "a study of 400000 sets is a mistake; 100000 are the most"),
        (lambda: epoch_of(f"om-accuracy@{'9' * LONG}"), "is no number of epochs"),
    ],
)
def test_vast_numbers_are_told_by_their_length(given: Callable[[], Any], complaint: str) -> None:
    test_one_line_says_what_it_should_have_been(given, complaint)


class Broken:
    """Whatever it is asked, it fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __fspath__(self) -> str:
        raise RuntimeError("no path")

    __repr__ = __iter__ = __len__ = __bool__ = __index__ = __float__ = __fspath__


class Text(str):
    """A text that shows itself on two lines."""

    def __repr__(self) -> str:
        return "a\nb"


class Colour(Enum):
    """No text, though it holds one."""

    RED = "dc"


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
STRANGE: dict[str, Any] = {
    **{"broken": Broken(), "several": [Broken()], "itself": ITSELF, "text": Text("a\nb")},
    **{"half a letter": "\ud800", "halves": ["\ud800"], "signals": Decimal("sNaN")},
    **{"vast": VAST, "vast by name": {"a": VAST}, "range": range(2), "array": np.array([None])},
    **{"no number": torch.zeros(2, device="meta"), "truth": np.bool_(True), "time": date.today()},
    **{"long": "x" * 10**5, "zero": "a\0b", "names": {3: 4}, "kind": Colour.RED},
}
PARTS = (runs.DataSpec, runs.ComputeSpec, runs.PoolSpec, runs.SoftSpec, runs.OnTheFlySpec)
PLAIN: dict[type[Any], dict[str, Any]] = {
    **{part: {} for part in PARTS},
    **{runs.DistillSpec: {"data": DATA}, runs.TrainSpec: {"data": DATA}},
    **{kind: {"set": "x"} for kind in (runs.ValidateSpec, runs.AssessSpec, runs.RelabelSpec)},
    **{kind: {"sets": ("x",)} for kind in (runs.CompareSpec, runs.RankSpec)},
    **{runs.StudySpec: {"data": DATA}, runs.JudgesSpec: {}, runs.Keeping: {}},
    **{runs.ClomSpec: {"alphas": (1,)}, runs.SelectSpec: {"by": "x"}},
}


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("error")
def test_descriptions_take_no_value_that_a_file_cannot_hold(kind: type[Any]) -> None:
    """What is not refused in one line is plain, and the same when it is read from a file."""
    for name, value in product([field.name for field in fields(kind)], STRANGE.values()):
        told, made = "", None
        try:
            made = kind(**{**PLAIN[kind], name: value})
        except InputError as error:
            told = str(error)
        assert told.isprintable()
        assert len(told) < 250, name
        held = getattr(made, name, None)
        assert type(held) in (str, bool, tuple, dict, NoneType), name
        if isinstance(made, Spec):
            assert type(made).from_toml(made.to_toml()) == made


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((runs.TrainSpec, "num"), (runs.ValidateSpec, "trials"), (runs.CompareSpec, "trials")),
        *((runs.CompareSpec, "real_trials"), (runs.AssessSpec, "draws"), (runs.JudgesSpec, "num")),
        *((runs.AssessSpec, "retests"), (runs.StudySpec, "seeds"), (runs.StudySpec, "trials")),
        (runs.StudySpec, "draws"),
    ],
)
def test_more_networks_than_anybody_can_mean_are_refused(kind: type[Any], name: str) -> None:
    with pytest.raises(InputError, match=f"`{name}` must be at most 100000, found 1000000000000"):
        kind(**{**PLAIN[kind], name: 10**12})


def test_a_message_is_one_line_whatever_names_hold() -> None:
    told = InputError("no \x1b[31mset\nat\u2028x", typed="no\rset " + "x" * 5000)
    assert str(told) == r"no \x1b[31mset\nat\u2028x"
    assert told.typed == rf"no\rset {'x' * 40}... (5000 letters)"


def test_a_link_to_itself_among_pictures_is_told(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(InputError, match=r"^cannot read .*/round: Too many levels of"):
        tree_of_folder(tmp_path)


def test_what_is_no_file_is_never_replaced_by_one(tmp_path: Path) -> None:
    """As by ``--out /dev/stdout``, where a person may do anything."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "link.safetensors").symlink_to("pipe.safetensors")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match="is a device or a pipe, which cannot be replaced"):
            save(blobs(per_class=1), tmp_path / f"{name}.safetensors")
        assert (tmp_path / f"{name}.safetensors").is_fifo()


class BytePath:
    """A path that is no text."""

    def __fspath__(self) -> bytes:
        return b"x"


REAL = blobs(per_class=2)
POOL = [freeze(linear(REAL.domain), "MLP", REAL.domain, {})]
NAMES: Any = {"b", "a"}
BYTES: Any = BytePath()
LONG_NUMBER: Any = VAST
ROUND: Any = ITSELF
PAIRS: Any = np.zeros((2, 8, 8), np.uint8), [0, 1]


def labelled(**given: Any) -> Any:
    return soft_labels(REAL.images, REAL.domain, POOL, **given).tolist()


def weighted(*alphas: Any) -> Any:
    return [
        group.alpha * torch.ones(1)
        for group in cross_entropy_clom(POOL, alphas, REAL.domain).groups
    ]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (lambda: replace(REAL.domain, classes=NAMES), "`classes` must be a tuple, found a set"),
        (lambda: from_arrays(PAIRS[0], labels=PAIRS[1], name="x", classes=NAMES), "found a set"),
        (
            lambda: runs.TrainSpec(data=DATA, models=NAMES),
            "`models` must be a list of texts, found a set, which has no order",
        ),
        (lambda: load(STRANGE["broken"]), "`path` must be the path of a file, found a Broken"),
        (lambda: load(BYTES), "`path` must be the path of a file, found a BytePath"),
        (lambda: load_dataset(BYTES), "must be"),
        (lambda: Key(STRANGE["broken"]), "a step of an address is text or a whole number, found a"),
        (
            lambda: Reading(size=LONG_NUMBER),
            "`size` must be a number, or height and width, found a number of 5001 digits",
        ),
        (lambda: builder("MLP", REAL.domain, LONG_NUMBER), "found a number of 5001 digits: "),
        (lambda: replace(REAL.domain, shape=ROUND), "images of shape"),
        (lambda: labelled(batch=2**63), "`batch` must be at most 2**63 - 1, found 9223372036854"),
        (lambda: Fit(epochs=VAST), "`epochs` must be at most 2**63 - 1, found a number of 5001"),
        (
            lambda: validate(REAL, REAL, "MLP", preset("dc"), trials=10**9, key=Key(0)),
            "at most 100000",
        ),
        (lambda: train_pool("MLP", REAL, num=10**9, key=Key(0)), "`num` must be at most 100000"),
        (
            lambda: assess(Evidence(REAL, REAL, POOL, Key(0)), draws=10**9),
            "`draws` must be at most 100000",
        ),
    ],
)
def test_no_value_ends_in_waiting_or_a_traceback(given: Callable[[], Any], complaint: str) -> None:
    test_one_line_says_what_it_should_have_been(given, complaint)


@pytest.mark.parametrize("number", [Fraction(1, 2), Decimal("0.5"), np.float16(0.5), 10**30])
def test_numbers_of_any_kind_are_what_they_are(number: Any) -> None:
    assert labelled(temperature=number) == labelled(temperature=float(number))
    assert weighted(number) == [float(number)]
    assert labelled(batch=np.int64(3)) == labelled(batch=3)


def test_pixels_of_many_digits_are_pixels() -> None:
    longer = from_arrays(PAIRS[0].astype(np.longdouble), labels=PAIRS[1], name="x")
    assert longer.images.dtype == torch.float32
