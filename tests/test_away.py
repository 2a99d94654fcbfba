"""Pieces that are carried out in a folder of their own, by files that come with them."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from datastill import runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.datasets.base.sharing import shared_in
from datastill.runs.assessment import scored
from datastill.runs.executors import away
from datastill.runs.executors.away import Returned, filed, folder_of, forget, work_away
from datastill.runs.executors.own_modules import files_of
from datastill.runs.executors.packing import Packer
from datastill.runs.executors.tasks import Task
from datastill.runs.making import training
from datastill.store import laying
from datastill.training.coresets import CORESETS
from test_cli import files
from test_units import COMPUTE, DATA, TRAIN, count, home, same_models

__all__ = ["home"]

SPEC = replace(TRAIN, models=("MLP",), num=2)


@dataclass(frozen=True)
class Later:
    """What a machine sent back, which is filed when it is asked for."""

    returned: Returned
    folder: Path

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        return filed(self.returned, self.folder)

    def cancel(self) -> None: ...


def same(content: Any) -> Any:
    return content


@dataclass
class Parcels:
    """An executor that packs and sends nothing: a machine is a folder."""

    packer: Packer
    place: str
    get: Callable[[Any], Any] = same
    seen: bool = False

    def submit(self, function: Callable[..., Any], task: Task, /, *args: Any) -> Later:
        del function, args
        sent = self.packer.packed(task)
        return Later(work_away(task, sent, self.place, self.get), task.folder)


@pytest.fixture
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parcels]:
    images = tmp_path_factory.mktemp("images")
    found = Parcels(Packer(same, images), f"datastill-{uuid4().hex}")
    with shared_in(images):
        yield found
    forget(found.place)
    assert not folder_of(found.place).exists()


def test_what_a_piece_writes_comes_back_and_nothing_else(parcels: Parcels) -> None:
    found = runs.train(SPEC, "apart", executor=parcels)
    assert same_models(found.pool, runs.train(SPEC, "whole").pool)
    assert files(Path("apart")) == files(Path("whole"))
    assert not any((folder_of(parcels.place) / "run").iterdir())


def test_a_set_by_its_whole_path_is_told_by_it_and_what_lies_there_is_taken(
    parcels: Parcels, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = load_split("digits", "train")
    rows: Any = CORESETS["random"](real, [1] * 10, key=Key(1))
    save(real.take(rows), "random.safetensors")
    place = str(home / "random.safetensors")
    spec = runs.AssessSpec(
        set=place, data=DATA, compute=COMPUTE, assessments=("fresh-feature-distance",), draws=0
    )
    (unit,) = spec.units()
    board = away.Board(Path("board"))
    task = Task("", unit, Path("out").absolute(), board, Path.cwd(), 1.0)
    load_split("digits", "train", like=real.domain)  # read here, and sent
    returned = parcels.submit(away.work, task).returned
    assert not returned.outcome.reason
    assert {path.parts[1] for path, _ in returned.files} == {spec.digest}
    filed(returned, Path("out"))
    made = count(monkeypatch, scored.scores, "assess")
    parcels.submit(away.work, task).result()
    assert not made
    Path(place).write_text("damaged")
    told = parcels.submit(away.work, task).result().reason
    assert place in told
    assert parcels.place not in told


@pytest.mark.parametrize("where", ["on the machine", "here"])
def test_a_full_disk_is_told_and_the_piece_is_sent_once_more(
    where: str, parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, said = [OSError(errno.ENOSPC, "No space left on device", "some.file")], list[str]()
    put = laying.put_file

    def full(given: Any, *more: Any) -> Any:
        if left:
            raise left.pop()
        return put(given, *more) if more else given

    if where == "here":
        monkeypatch.setattr(laying, "put_file", full)
    else:
        parcels.get = full
    watching = runs.Talking(tell=said.append)
    found = runs.train(SPEC, "apart", executor=parcels, observer=watching)
    told = [line for line in said if line.endswith("once more")]
    assert ["No space left on device" in line for line in told] == [True]
    assert same_models(found.pool, runs.train(SPEC, "whole").pool)


def test_a_piece_that_was_cut_off_here_goes_on_there(
    parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, resume = runs.StopRequest(), runs.Keeping(resume=True)

    def moved(label: str, step: float, total: int, note: str) -> None:
        stop.request()

    watching = runs.Talking(moved=moved)
    with suppress(runs.Stopped):
        runs.carry_out(SPEC.units()[0], "apart", observer=watching, stop=stop, keeping=resume)
    begun = list[int]()
    inner = training.train_member

    def noted(*given: Any, **named: Any) -> Any:
        begun.append(named["state"].epoch if named["state"] else 0)
        return inner(*given, **named)

    monkeypatch.setattr(training, "train_member", noted)
    found = runs.train(SPEC, "apart", executor=parcels)
    assert begun == [1, 0]
    assert same_models(found.pool, runs.train(SPEC, "whole").pool)


def test_files_are_packed_once_and_anew_where_they_changed(parcels: Parcels) -> None:
    Path("own_packed.py").write_text("x = 1\n")
    unit = runs.TrainSpec(data=runs.DataSpec("digits"), models=("own_packed:x",)).units()[0]
    board = away.Board(Path("board"))
    task = Task(unit.address, unit, Path("out").absolute(), board, Path.cwd(), 1.0)
    put = count_puts(parcels)
    first = parcels.packer.packed(task)
    assert parcels.packer.packed(task) == first
    assert [bytes(content) for content in put] == [b"x = 1\n"]
    Path("own_packed.py").write_text("x = 22\n")
    (changed,) = parcels.packer.packed(task)
    assert changed.digest != first[0].digest
    Path("own_packed.py").unlink()
    assert parcels.packer.packed(task) == ()


def count_puts(parcels: Parcels) -> list[Any]:
    seen = list[Any]()

    def put(content: Any) -> Any:
        seen.append(content)
        return content

    parcels.packer.put = put
    return seen


def test_what_cannot_be_read_is_told(parcels: Parcels) -> None:
    Path("own_unread.py").write_text("x = 1\n")
    spec = replace(SPEC, models=("own_unread:x",))

    def refused(_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    parcels.packer.put = refused
    unit = spec.units()[0]
    task = Task("", unit, Path("out").absolute(), away.Board(Path("b")), Path.cwd(), 1.0)
    with pytest.raises(InputError, match=r"own_unread\.py cannot be sent to workers: Input/output"):
        parcels.packer.packed(task)


def test_modules_come_with_what_they_import_of_their_folder() -> None:
    Path("own_sent").mkdir()
    for name, text in {
        "own_sent/__init__.py": "",
        "own_sent/nets.py": "import torch\nimport own_beside\nfrom own_sent import table\n",
        "own_sent/table.py": "",
        "own_sent/numbers.json": "{}",
        "own_beside.py": "import json\n",
        "own_apart.py": "",
    }.items():
        Path(name).write_text(text)
    found = files_of(["own_sent.nets", "torch.nn", "no_such_module"])
    assert sorted(map(str, found)) == [
        "own_beside.py",
        *(f"own_sent/{name}" for name in ("__init__.py", "nets.py", "numbers.json", "table.py")),
    ]
    assert all(file == Path.cwd() / name for name, file in found.items())
    Path("own_beside.py").write_text("not python\n")
    assert Path("own_sent/nets.py") in files_of(["own_sent.nets"])
