"""What datastill wrote itself, damaged or forged: one line, or what was written, and no more."""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import blobs
from datastill import store
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.cli import parse
from datastill.compute.route import Route
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task
from datastill.evaluation.assessments import Score
from datastill.evaluation.scores import Assessed
from datastill.evaluation.selection import Choice
from datastill.evaluation.studies import blank, table_of
from datastill.evaluation.validation import Trial
from datastill.identity import require_made_from, require_unseen
from datastill.networks import build, builder
from datastill.report.summary import summary
from datastill.runs.inputs.series import Series
from datastill.runs.making.course import checkpoint_of, progress_of
from datastill.runs.making.preparing import Work
from datastill.runs.studies.examining import known
from datastill.runs.validation.trials import checkpoint_of as trials_checkpoint
from datastill.runs.validation.trials import trials_of
from datastill.store import Checkpoint, StudyFolder
from datastill.store.checkpoints import MAGIC, _digest
from datastill.training.fit import Fitting
from datastill.training.pool import freeze, original_fit
from test_mutations import attempt, mutate, tree

EACH = 25
"""Mutations of every file."""

ODD = (None, True, -1, 0, 1e400, float("nan"), 10**30, "", "x", "../../x", [], {}, [[]], {"a": 1})
RECIPE = """command = "distill"
source = "a paper"
expected = "60 %"

[options]
dataset = "digits"
method = "DM"
ipc = 10
alphas = [10, 20]
lr_img = 0.5
overwrite = true
"""


def work() -> Work:
    real, published = blobs(), METHODS["DM"](1)
    task = Task(real, builder("MLP", real.domain), Key(0))
    descent = Descent(ipc=1, updates=4, batch=3)
    rest: Any = ({}, None, None, None, {"seed": 1})
    return Work("DM", "1", (1, 1, 1, 1), published, task, descent, *rest)


def distilled() -> Checkpoint:
    made = work()
    now = next(iter(distill(made.published.method, made.task, made.descent)))
    choice = Choice(now, {1: Score(0.5, "lower")})
    return checkpoint_of(made, now, choice, 1.0, 10)


def series(past: Checkpoint | None = None) -> Series:
    fit = original_fit(3)
    return Series("MLP", Path("x"), 0, fit, 0.1, frozenset({3}), Route(), {"seed": 1}, past)


def fitted() -> Checkpoint:
    weights = build("MLP", blobs().domain, key=Key(0)).state_dict()
    return series().checkpoint(
        0, 5, 1.0, Fitting(1, weights, {0: torch.zeros(3)}, {"margins": torch.ones(3)})
    )


def tried() -> Checkpoint:
    trial = Trial("synthetic", "MLP", 0, None, 0.5, 1.0)
    return trials_checkpoint({"seed": 1}, [trial], {"MLP": Route()}, 5)


CHECKPOINTS: dict[str, tuple[Callable[[], Checkpoint], Callable[[Checkpoint], object]]] = {
    "distill": (distilled, lambda held: progress_of(held, work())),
    "train": (fitted, lambda held: series(held).state(0)),
    "validate": (tried, trials_of),
}


def changed(value: Any, rng: random.Random) -> Any:
    """Replace, or remove, one of the values within a value of JSON."""
    value = copy.deepcopy(value)
    places = list(inner(value))
    holder, name = rng.choice(places)
    if rng.random() < 0.25:
        del holder[name]
    else:
        holder[name] = rng.choice(ODD)
    return value


def inner(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, held in list(pairs):
        yield value, name
        if isinstance(held, dict | list):
            yield from inner(held)


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def unchanged(folder: Path, read: Callable[[], object], nowhere_else: Path) -> object:
    """Read, and see that nothing was written."""
    before = tree(folder)
    found = attempt(read, longest=900)
    assert tree(folder) == before
    assert not list(nowhere_else.iterdir())
    return found


@pytest.mark.parametrize("number", range(EACH))
@pytest.mark.parametrize("command", CHECKPOINTS)
def test_checkpoints(tmp_path: Path, nowhere_else: Path, command: str, number: int) -> None:
    rng, (make, read) = random.Random(f"{command} {number}"), CHECKPOINTS[command]
    folder = tmp_path / "run"
    folder.mkdir()
    file = store.checkpoint_file(folder, command)
    whole = make()
    file.save(whole)
    content = file.path.read_bytes()
    held, complaint = file.load()
    assert read(held) is not None
    assert not complaint

    file.path.write_bytes(mutate(content, rng)[0])  # damaged
    found: Any = unchanged(folder, file.load, nowhere_else)
    assert found is None or file.path.read_bytes() == content

    body = mutate(content.partition(b"\n")[2], rng)[0]  # forged
    file.path.write_bytes(MAGIC + _digest(body) + b"\n" + body)
    unchanged(folder, lambda: read(file.load()[0]), nowhere_else)

    facts = changed(json.loads(json.dumps(dict(whole.facts))), rng)
    file.save(replace(whole, facts=facts))
    unchanged(folder, lambda: read(file.load()[0]), nowhere_else)


@pytest.mark.parametrize("number", range(EACH))
def test_original_models(tmp_path: Path, nowhere_else: Path, number: int) -> None:
    rng, domain = random.Random(f"member {number}"), blobs().domain
    folder = store.pool_folder(tmp_path, "blobs", "MLP")
    member = freeze(build("MLP", domain, key=Key(0)), "MLP", domain, {"epoch": 1, "key": 5})
    path = store.member_path(folder, 0, 1)
    store.save_member(member, path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little") + 8
    path.write_bytes(mutate(content[:length], rng)[0] + content[length:])
    found: Any = unchanged(tmp_path, lambda: store.load_pool(folder), nowhere_else)
    if found is not None:
        (read,) = found
        shapes = [weight.shape for weight in read.network.state_dict().values()]
        assert shapes == [weight.shape for weight in member.network.state_dict().values()]


@pytest.mark.parametrize("number", range(EACH))
def test_studies(tmp_path: Path, nowhere_else: Path, number: int) -> None:
    rng, data = random.Random(f"study {number}"), blobs(per_class=1)
    folder = StudyFolder(tmp_path / "study")
    folder.save_set("one", data)
    scores = {"om-accuracy": Assessed(Score(0.5, "higher"), 1.0, 0.5)}
    record = blank("one", data).with_scores(scores)
    table = json.loads(json.dumps(table_of(record)))
    folder.save_record("one", table)
    settings = {"seed": 1, "protocol": {"epochs": 3}, "pool": [1, 2]}
    folder.keep("settings.json", settings, "hint")
    assert known(folder, "one", data) == record

    file = folder.record_file("one")
    file.write_text(json.dumps(changed(table, rng)))
    unchanged(folder.path, lambda: known(folder, "one", data), nowhere_else)
    file.write_bytes(mutate(json.dumps(table).encode(), rng)[0])
    unchanged(folder.path, lambda: known(folder, "one", data), nowhere_else)

    held = folder.path / "settings.json"
    altered = changed(settings, rng)
    held.write_text(json.dumps(altered))
    found = unchanged(
        folder.path, lambda: folder.keep("settings.json", settings, "hint") or True, nowhere_else
    )
    assert (found is True) == (json.dumps(altered) == json.dumps(settings))
    held.write_bytes(mutate(json.dumps(settings).encode(), rng)[0])
    unchanged(folder.path, lambda: folder.keep("settings.json", settings, "hint"), nowhere_else)


FACTS: dict[str, Any] = {
    "method": "DM",
    "descent": {"ipc": 1, "updates": 2, "init": "real"},
    "data": {
        "dataset": "blobs",
        "data_path": None,
        "size": [8, 8],
        "kept_for_tests": {
            "share": 0.2,
            "images": 2,
            "digest": "0" * 16,
            "all": "1" * 16,
            "kept_though_above": ["4" * 16],
            "trained_though_below": ["1" * 16],
        },
        "content": {"images": 4, "digest": "2" * 16},
    },
    "real_images": 4,
    "real_fingerprint": "3" * 16,
    "clom": {"alphas": [1.0], "models_pool": ["MLP"], "originals": [{"architecture": "MLP"}]},
    "caveats": ["one"],
    "seed": 0,
    "step": 2,
    "validated": [
        {
            "protocol": {"name": "dsa", "fit": {"epochs": 3}},
            "results": [
                {"source": "synthetic", "model": "MLP", "accuracies": {"values": [0.5, 0.6]}}
            ],
        }
    ],
}


def facts_changed(rng: random.Random) -> list[dict[str, Any]]:
    """Return facts of which one is odd, and facts of which one is null."""
    nothing = copy.deepcopy(FACTS)
    holder, name = rng.choice([place for place in inner(nothing) if isinstance(place[0], dict)])
    holder[name] = None
    return [changed(FACTS, rng), nothing]


@pytest.mark.parametrize("number", range(2 * EACH))
def test_facts_of_a_set(tmp_path: Path, nowhere_else: Path, number: int) -> None:
    rng, real = random.Random(f"facts {number}"), blobs()
    test = blobs("test", per_class=2)
    known = np.array([1, 2**62] * len(test), np.uint64)[: len(test)]
    now = {"kept_for_tests": {"share": 0.2, "images": 2, "digest": "5" * 16, "all": "6" * 16}}
    kept = replace(test, facts=now, digests=known)
    file = tmp_path / "synthetic.safetensors"
    for facts in facts_changed(rng):
        try:
            with pytest.MonkeyPatch.context() as patch:  # others may write what we would not
                patch.setattr("datastill.store.sets.require_facts", lambda *_: None)
                store.save(replace(blobs(per_class=1), facts=facts), file)
        except InputError:
            continue
        read: Any = unchanged(tmp_path, lambda: store.load(file), nowhere_else)
        if read is None:
            continue
        assert attempt(partial(summary, read), longest=900)
        attempt(partial(require_made_from, read, real), longest=900)
        attempt(partial(require_unseen, read, test, real), longest=900)
        attempt(partial(require_unseen, read, kept, real), longest=900)
        assert attempt(lambda: store.add_validation(file, {"results": []}) or True, longest=900)
        assert store.load(file).facts["validated"][-1]["results"] == []


@pytest.mark.parametrize("number", range(EACH))
def test_recipes(tmp_path: Path, nowhere_else: Path, number: int) -> None:
    rng, folder = random.Random(f"recipe {number}"), tmp_path / "recipes"
    folder.mkdir()
    file = folder / "own.toml"
    file.write_bytes(mutate(RECIPE.encode(), rng)[0])
    found: Any = unchanged(folder, lambda: parse(["distill", "--recipe", str(file)]), nowhere_else)
    assert found is None or asdict(found)
