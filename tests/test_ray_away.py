"""Pieces on workers of Ray that see no files of the command: all comes with them, and goes back."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datastill import load, runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.runs.executors.away import folder_of
from datastill.runs.executors.on_ray import OnRay
from datastill.training.coresets import CORESETS
from test_cli import files
from test_units import (
    COMPUTE,
    LOST,
    STUDY,
    TRAIN,
    VALIDATE,
    ranks,
    resample_little,
    same_models,
    timeless,
)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray is free to warn of its own plans
]

BLIND = """
import sys

def look_away(event, given):
    told = given[0] if given else None
    if event in ("open", "os.listdir", "os.scandir", "os.mkdir", "shutil.copyfile"):
        if isinstance(told, str) and told.startswith({unseen!r}) and {guard!r} not in told:
            raise PermissionError(13, "what lies here is not seen by workers", told)

sys.addaudithook(look_away)
"""
"""What every process of Python imports that Ray begins: it sees no folder of a test."""

OWN = (
    '''
"""Architectures of one's own, of which some fail in a worker, once."""
import os, signal, sys
from pathlib import Path
from torch import nn
from beside_ray import wide

def in_ray():
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().get_task_id()

def made(domain):
    inner = nn.Linear(64, wide())
    return nn.Sequential(nn.Flatten(), inner, nn.Linear(wide(), len(domain.classes)))

def first_time(name):
    note = Path(os.environ["XDG_CACHE_HOME"], name)
    if not in_ray() or note.exists():
        return False
    note.parent.mkdir(parents=True, exist_ok=True)
    note.touch()
    return True

'''
    + LOST
    + """
def failing(domain):
    if in_ray():
        raise RuntimeError("a bug of one's own")
    return made(domain)
"""
)
BESIDE = "def wide():\n    return 12\n"


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    pytest.importorskip("ray")
    guard = tmp_path_factory.mktemp("guard")
    cache = tmp_path_factory.mktemp("guard-cache")
    unseen = str(tmp_path_factory.getbasetemp())
    (guard / "sitecustomize.py").write_text(BLIND.format(unseen=unseen, guard="guard"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(guard), known))))
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # of others, and not asked for
        with OnRay(jobs=2, seen=False) as found:
            yield found
        assert not folder_of(found.place).exists()


DATA = runs.DataSpec("./pets.npz")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        data = load_split("digits", split)  # pyright: ignore[reportArgumentType]
        values = data.images.numpy()
        grey = (255 * (values - values.min()) / (values.max() - values.min())).astype(np.uint8)
        arrays |= {f"{split}_images": grey[:, 0], f"{split}_labels": data.labels.numpy()}
    np.savez("pets.npz", **arrays)
    real = load_split("./pets.npz", "train")
    rows: Any = CORESETS["random"](real, [1] * 10, key=Key(1))
    save(real.take(rows), "random.safetensors")
    Path("own_ray.py").write_text(OWN)
    Path("beside_ray.py").write_text(BESIDE)
    resample_little(monkeypatch)
    return tmp_path


def of(name: str) -> runs.TrainSpec:
    return replace(TRAIN, data=DATA, models=("MLP", f"own_ray:{name}"), num=1)


def test_workers_see_no_folder_of_this_test(away: OnRay, home: Path) -> None:
    with pytest.raises(Exception, match="is not seen by workers"):
        away.submit(Path.read_text, home / "own_ray.py").result()


def test_code_of_ones_own_is_sent_with_what_it_imports(away: OnRay) -> None:
    found = runs.train(of("made"), "apart", executor=away)
    assert same_models(found.pool, runs.train(of("made"), "whole").pool)
    assert files(Path("apart")) == files(Path("whole"))


@pytest.mark.parametrize("name", ["flaky", "killed"])
def test_what_is_lost_is_done_again(name: str, away: OnRay) -> None:
    said: list[str] = []
    found = runs.train(of(name), "apart", executor=away, observer=runs.Talking(tell=said.append))
    assert Path(os.environ["XDG_CACHE_HOME"], f"{name}.was").exists()
    assert same_models(found.pool, runs.train(of(name), "whole").pool)
    assert sum("not today" in line for line in said) == (name == "flaky")


def test_what_fails_twice_is_named_and_the_others_are_kept(away: OnRay) -> None:
    with pytest.raises(InputError, match=r"1 piece could not .*a bug of one's own.*1 is kept"):
        runs.train(of("failing"), "apart", executor=away)
    keeping = runs.Keeping(resume=True)
    found = runs.train(of("failing"), "apart", keeping=keeping)
    assert same_models(found.pool, runs.train(of("failing"), "whole").pool)


def test_a_pool_and_one_that_grows(away: OnRay) -> None:
    spec = replace(TRAIN, data=DATA)
    for more in (False, True):
        whole = runs.train(spec, "whole", add=more)
        found = runs.train(spec, "apart", add=more, executor=away)
        assert same_models(found.pool, whole.pool)
        assert files(Path("apart")) == files(Path("whole"))


@pytest.mark.parametrize("absolute", [False, True])
def test_a_validation(absolute: bool, away: OnRay, home: Path) -> None:
    place = home / "random.safetensors" if absolute else Path("random.safetensors")
    spec = replace(VALIDATE, data=DATA, set=str(place))
    whole, found = runs.validate(spec, "a"), runs.validate(spec, "b", executor=away)
    assert timeless(found.report) == timeless(whole.report)
    assert files(Path("a")) == files(Path("b"))


def test_a_comparison_with_original_models(away: OnRay) -> None:
    runs.train(replace(TRAIN, data=DATA, models=("MLP",)), "pool")
    spec = runs.CompareSpec(
        sets=("random.safetensors",),
        data=DATA,
        compute=COMPUTE,
        epochs=2,
        models=("MLP",),
        trials=2,
        against=("random", "k-means"),
        pool=runs.PoolSpec(architectures=("MLP",), path="pool"),
        real_epochs=1,
        rates=(0.01, 0.1),
    )
    whole, found = runs.compare(spec, "a"), runs.compare(spec, "b", executor=away)
    assert timeless(found.report) == timeless(whole.report)
    assert files(Path("a")) == files(Path("b"))


@pytest.mark.parametrize("own", [True, False])
def test_a_study(own: bool, away: OnRay) -> None:
    spec = replace(STUDY, data=DATA, population=("random", "DM:1", "DM:2:1"))
    spec = replace(spec, sets=("random.safetensors",))
    if not own:
        runs.train(replace(TRAIN, data=DATA, models=("MLP",)), "pool")
        spec = replace(spec, judges=replace(STUDY.judges, path="pool"))
    whole, found = runs.study(spec, "a"), runs.study(spec, "b", executor=away)
    assert ranks(found) == ranks(whole)
    assert files(Path("a")) == files(Path("b"))


def test_scores_of_sets(away: OnRay) -> None:
    runs.train(replace(TRAIN, data=DATA, models=("MLP",)), "pretrained_model")
    data = load("random.safetensors")
    save(data, "0/synthetic.safetensors")
    save(replace(data, images=data.images * 0.5), "1/synthetic.safetensors")
    pool = runs.PoolSpec(architectures=("MLP",))
    names = ("om-accuracy", "fresh-feature-distance")
    spec = runs.AssessSpec(
        set="0", data=DATA, compute=COMPUTE, pool=pool, assessments=names, draws=1
    )
    whole = runs.assess(spec, others=["1"])
    found = runs.assess(spec, "0", others=["1"], executor=away)
    for one, other in zip((whole, *whole.others), (found, *found.others), strict=True):
        assert values(one) == values(other)
    assert Path("1/assessment.json").exists()


def values(found: runs.Scored) -> Any:
    rows = (found.scores, *found.random)
    return [{name: (one.score, one.draws) for name, one in row.items()} for row in rows]


def test_every_file_is_sent_once(away: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, put = list[int](), away.packer.put

    def noted(content: Any) -> Any:
        seen.append(len(content))
        return put(content)

    monkeypatch.setattr(away.packer, "put", noted)
    spec = replace(VALIDATE, data=DATA)
    runs.validate(spec, "a", executor=away)
    first = len(seen)
    assert first
    runs.validate(replace(spec, epochs=1), "b", executor=away)
    assert len(seen) == first
