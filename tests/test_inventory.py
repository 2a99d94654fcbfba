"""What lies here, told from files alone; what may go without losing a result."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from datastill import runs
from datastill.base.errors import InputError
from datastill.cli.about import load as command_class
from datastill.runs.housekeeping.catalogue import KINDS, catalogue
from datastill.runs.housekeeping.cleaning import clean, leftovers
from datastill.runs.housekeeping.inventory import Item, found
from datastill.runs.housekeeping.state import BUSY, DAMAGED, FINISHED, UNFINISHED
from datastill.store import (
    SET_FILE,
    Checkpoint,
    CheckpointFile,
    header_of,
    read_json,
    write_json,
)
from datastill.training.coresets import CORESETS
from test_cli import Run, run

__all__ = ["run"]
QUICK = "--dataset digits --model MLP"
SET = Path("condensed/digits/DM/IPC1")
POOL = Path("pretrained_model/digits/original/MLP")
COMPARED = Path("comparison/digits-IPC1-dsa")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one of everything, once."""
    root = tmp_path_factory.mktemp("made")
    data, few = runs.DataSpec("digits"), {"models": ("MLP",), "trials": 2, "epochs": 2}
    before = Path.cwd()
    os.chdir(root)
    try:
        runs.train(runs.TrainSpec(data=data, models=("MLP",), num=2, epochs=1), POOL.parents[2])
        runs.distill(runs.DistillSpec(data=data, model="MLP", ipc=1, updates=2, batch=4), SET)
        runs.validate(runs.ValidateSpec(set=str(SET), **few), SET)
        compared = runs.CompareSpec(sets=(str(SET),), real_epochs=0, **few)
        runs.compare(compared, COMPARED)
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    # What this machine keeps of other versions is no leftover of a test.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "here"


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def by_path() -> dict[Path, Item]:
    return {one.path: one for one in found()}


@contextmanager
def held(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold the lock of a folder, as a process does that is at work there."""
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("here")
def test_what_lies_here_is_told_from_its_files() -> None:
    items = by_path()
    assert {*items} == {SET, POOL, COMPARED}
    assert {one.state for one in items.values()} == {FINISHED}
    assert items[SET].about == "digits, DM, 10 images, 2 updates"
    (row,) = read_json(SET / "validation.json")[0]["results"]
    mean = sum(row["accuracies"]["values"]) / 2
    assert items[SET].result.startswith(f"{100 * mean:.1f}")
    assert items[SET].bytes == sum(len(one) for one in contents(SET).values())
    assert items[POOL].about == "digits, MLP, 2 models"
    assert "held-out" in items[POOL].result
    assert "DM" in items[COMPARED].result


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("own", ["", "own.module:pick"])
def test_the_result_of_a_comparison_is_that_of_a_set_however_many_images_it_holds(own: str) -> None:
    file = COMPARED / "comparison.json"
    table = read_json(file)
    for row in table["rows"]:
        if row["name"] == "DM":
            row["images"] *= 4  # a tiled set
        elif row["name"] == "k-means" and own:
            row["name"] = own
    table["run"]["against"] = ["random", own or "k-means"]
    write_json(file, table)
    assert "(DM, MLP)" in by_path()[COMPARED].result


def test_nothing_is_touched_and_no_images_are_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(here)
    monkeypatch.setattr("datastill.store.sets.load_tensors", None)
    assert len(found()) == 3
    assert contents(here) == before


@pytest.mark.usefixtures("here")
def test_what_is_damaged_not_finished_or_under_way_is_told_as_that() -> None:
    (SET / "synthetic.safetensors").write_bytes(b"nothing")
    (COMPARED / "comparison.json").write_text("{")
    begun = Path("condensed/digits/DM/IPC2")
    begun.mkdir()
    (begun / "settings.json").write_text('{"run": {"kind": "distill"}}')
    (begun / "distill.checkpoint").touch()
    items = by_path()
    assert items[SET].state == items[COMPARED].state == DAMAGED
    assert "is damaged" in items[SET].advice
    assert (items[begun].kind, items[begun].state) == ("run", UNFINISHED)
    assert "--resume" in items[begun].advice
    Path("comparison/begun").mkdir()
    Path("comparison/begun/compare.checkpoint").touch()
    assert by_path()[Path("comparison/begun")].state == UNFINISHED
    with held(begun):
        assert by_path()[begun].state == BUSY
    assert by_path()[begun].state == UNFINISHED


@pytest.mark.usefixtures("here")
def test_folders_of_others_are_left_alone() -> None:
    theirs = Path("condensed/theirs")
    theirs.mkdir()
    (theirs / "log.jsonl").write_text("{}")
    (theirs / ".lock").touch()
    Path("condensed/away").symlink_to(POOL.absolute())
    assert len(found()) == 3
    assert not leftovers()
    with pytest.raises(InputError, match="there is no nowhere"):
        found(["nowhere"])


def test_a_huge_tree_is_given_up_with_a_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datastill.runs.housekeeping.inventory.MOST", 2)
    with pytest.raises(InputError, match="more than 2 folders; name those to look into"):
        found([here])


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_can_be_named_has_a_line(kind: str) -> None:
    lines = catalogue(kind)
    assert lines
    assert all(lines.values()), [name for name, line in lines.items() if not line]


def test_own_parts_and_packages_are_named_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        class dist:
            name = "their-coresets"

        def load(self) -> None:
            raise AssertionError

    monkeypatch.setitem(CORESETS._provided, "theirs", ("Theirs", Point()))  # pyright: ignore
    assert catalogue("coresets")["Theirs"] == "from the package their-coresets"


def test_the_list_fits_80_columns(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(made)
    said = run("list")
    assert (said.code, said.err) == (0, "")
    assert max(map(cell_len, said.out.splitlines())) <= 80
    assert str(SET) in said.out
    assert "methods" in said.out
    assert "DM" in run("list methods").out
    assert run("list nowhere").err.startswith("datastill: there is no nowhere")


def stale(folder: Path, name: str) -> Path:
    """Leave a file as of long ago, which must not count."""
    path = folder / name
    path.write_text("x")
    os.utime(path, ns=(1, 1))
    return path


def asked_of(folder: Path, kind: str) -> dict[str, Any]:
    """Return what was asked for of the run of a kind that is finished in a folder."""
    names = {"distill": "settings.json", "compare": "comparison.json"}
    found = read_json(folder / names.get(kind, "validation.json"))
    found = found[-1] if isinstance(found, list) else found
    return {name: value for name, value in found.items() if name not in ("run", "data")}


def kept(folder: Path, kind: str, ending: str = "", **other: Any) -> Path:
    """Leave what a run goes on from, as one that was killed: a finished one, or ``other``."""
    file = CheckpointFile(folder / f"{kind}.checkpoint{ending}")
    file.save(Checkpoint({**asked_of(folder, kind), **other}, {}))
    return file.path


def gone() -> Path:
    """Return half of a file that a process left which is gone."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return SET / f".validation.json.{pid}.partial"


def test_what_killed_runs_left_may_go_and_nothing_else_does(here: Path) -> None:
    before = contents(here)
    half = gone()
    half.touch()
    left = {
        kept(SET, "distill"),
        kept(SET, "validate", ".before"),
        kept(COMPARED, "compare"),
        stale(SET, ".validate.lock"),
        half,
    }
    assert {one.state for one in by_path().values()} == {FINISHED}  # the same reader tells
    assert {one.path for one in leftovers()} == left
    assert contents(here).keys() > before.keys()  # nothing was deleted
    cleaned = clean(leftovers())
    assert {one.path for one in cleaned.deleted or ()} == left
    assert not cleaned.left
    assert contents(here) == before
    assert not leftovers()


@pytest.mark.usefixtures("here")
def test_what_can_be_gone_on_with_stays() -> None:
    for kind in ("validate", "distill"):
        os.utime(kept(SET, kind, seed=7), ns=(1, 1))  # of a run that adds to what is there
        os.utime(kept(SET, kind, ".before", seed=7), ns=(1, 1))
    os.utime(kept(COMPARED, "compare", seed=7), ns=(1, 1))
    stale(POOL, "train.checkpoint")
    (SET / f".half.{os.getpid()}.partial").touch()
    assert not leftovers()
    items = by_path()
    assert items[SET].state == items[COMPARED].state == UNFINISHED
    kept(SET, "distill")
    assert not leftovers()  # the one before it is of another run
    kept(SET, "distill", ".before")
    assert len(leftovers()) == 2
    (SET / ".next").mkdir()  # a run that is to replace what is there
    assert not leftovers()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("damage", ["", "x", "datastill checkpoint 1 x\n{}\n"])
def test_a_checkpoint_that_does_not_say_what_it_is_of_stays(damage: str) -> None:
    path = SET / "validate.checkpoint"
    path.write_text(damage)
    os.utime(path, ns=(1, 1))
    assert not leftovers()
    assert by_path()[SET].state == UNFINISHED
    Path("condensed/digits/DM/IPC1/validation.json").unlink()  # which the set knows
    facts = header_of(SET / SET_FILE, "image set")[0]["facts"]
    CheckpointFile(path).save_alone(Checkpoint(facts["validated"][0], {}))
    assert len(leftovers()) == 1


def test_a_validation_that_was_cut_off_stays_wherever_its_folder_is_copied(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    stop = runs.StopRequest()
    spec = runs.ValidateSpec(set=str(SET), models=("MLP",), trials=2, epochs=3)
    moved = runs.Talking(moved=lambda *_: stop.request())
    with pytest.raises(runs.Stopped):
        runs.validate(spec, SET, observer=moved, stop=stop)
    copy = shutil.copytree(SET, "copy", copy_function=shutil.copyfile)
    for path in (*Path(copy).iterdir(), *SET.iterdir()):
        os.utime(path, ns=(1, 1) if "validate" in path.name else (10**18, 10**18))
    for place in ("copy", str(SET)):
        assert "its validate was cut off" in " ".join(run(f"list {place}").out.split())
        assert "there is nothing that may go" in run(f"clean {place} --yes").out
    whole = runs.validate(replace(spec, set="copy"), "copy", keeping=runs.Keeping(resume=True))
    assert len(whole.results[0].accuracies.values) == 2
    assert not leftovers(["copy"])


def test_what_runs_left_that_were_killed_as_they_ended_may_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, often = runs.DataSpec("digits"), runs.Keeping(checkpoint_minutes=0)
    with monkeypatch.context() as killed:
        killed.setattr(CheckpointFile, "remove", lambda self: None)
        runs.distill(
            runs.DistillSpec(data=data, model="MLP", ipc=1, updates=3, batch=4),
            "set",
            keeping=often,
        )
        few: Any = {"models": ("MLP",), "trials": 2, "epochs": 2}
        runs.validate(runs.ValidateSpec(set="set", **few), "set", keeping=often)
        compared = runs.CompareSpec(sets=("set",), real_epochs=0, against=("random",), **few)
        runs.compare(compared, "compared", keeping=often)
    left = {one.path.name for one in leftovers(["set", "compared"])}
    assert {"distill.checkpoint", "validate.checkpoint", "compare.checkpoint"} <= left
    assert {one.state for one in found(["set", "compared"])} == {FINISHED}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("lock", [".lock", ".validate.lock"])
def test_nothing_goes_where_a_run_is_at_work(lock: str) -> None:
    path = kept(SET, "distill")
    seen = leftovers()
    with held(SET, lock):
        assert not leftovers()
        assert not clean(seen).deleted
        assert path.exists()
    kept(SET, "distill", seed=7)  # and what was seen is looked at again
    assert not [one for one in clean(seen).deleted or () if one.path == path]
    assert path.exists()


def test_links_are_never_followed(here: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(SET, outside / "IPC9")
    held_there = kept(outside / "IPC9", "distill")
    Path("condensed/digits/DM/IPC9").symlink_to(outside / "IPC9")
    (SET / "distill.checkpoint").symlink_to(held_there)
    os.utime(SET / "distill.checkpoint", ns=(1, 1), follow_symlinks=False)
    (SET / ".pieces").symlink_to(outside)
    assert not leftovers()
    shutil.rmtree("studies", ignore_errors=True)
    Path("studies").symlink_to(outside)
    assert not leftovers()
    assert held_there.exists()
    assert [one.path for one in leftovers(["studies"])]  # but that one was named


@pytest.mark.usefixtures("here")
def test_files_of_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    kept(SET, "distill")
    monkeypatch.setattr("datastill.store.clearing.os.geteuid", lambda: os.getuid() + 1)
    assert not leftovers()


@pytest.mark.usefixtures("here")
def test_pieces_of_finished_runs_may_go_and_rows_of_a_sweep_stay() -> None:
    spec = runs.read((COMPARED / "run.toml").read_text())[0]
    place = COMPARED / ".pieces" / spec.digest
    place.mkdir(parents=True)
    asked = {"asked": asked_of(COMPARED, "compare"), "trials": []}
    write_json(place / "trials.json", asked)
    other = COMPARED / ".pieces" / "0123456789abcdef"
    other.mkdir()
    write_json(other / "trials.json", asked)
    assert [one.path for one in leftovers()] == [place]
    stale(place, "done.json")
    assert not leftovers()
    (place / "done.json").unlink()
    (place / "MLP").mkdir()
    asked["asked"]["seed"] = 7  # of other images, another version, or whatever
    write_json(place / "MLP/trials.json", asked)
    os.utime(place / "MLP/trials.json", ns=(1, 1))
    assert not leftovers()


def test_kernels_of_other_versions_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datastill.compute.kernels import build, instructions

    if not (name := instructions()):
        pytest.skip("no kernels here")
    current = f"{build()}-0123456789abcdef.so"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "datastill"
    folder.mkdir()
    old = folder / f"layers-{name}-0123456789abcdef-0123456789abcdef.so"
    other = folder / "layers-unheard_of-0123456789abcdef-0123456789abcdef.so"
    for path in (folder / current, old, other):
        path.touch()
    assert [one.path for one in leftovers()] == [old]
    clean(leftovers())
    assert {path.name for path in folder.iterdir()} == {current, other.name}


def test_clean_deletes_only_when_told_to(run: Run, here: Path) -> None:
    os.chdir(here)
    path = kept(SET, "distill")
    said = run("clean condensed")
    assert "distill.checkpoint" in said.out
    assert "--yes" in said.out
    assert path.exists()
    assert "deleted" in run("clean condensed --yes").out
    assert not path.exists()
    assert "there is nothing that may go" in run("clean condensed").out


def test_nothing_here_is_no_mistake(run: Run) -> None:
    assert run("clean --yes").code == 0
    assert run("list").code == 0
    assert command_class("list").__doc__
