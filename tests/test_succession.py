"""What is finished stays until there is another: with --overwrite, cut off or failed, disk full."""

import errno
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import datastill
from datastill import store
from datastill.cli import main
from datastill.store import succession

pytestmark = pytest.mark.usefixtures("sketched")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[[str], Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command here, as a person would."""
    monkeypatch.chdir(tmp_path)

    def typed(line: str) -> Said:
        try:
            main(shlex.split(line))
            code = 0
        except SystemExit as ending:
            code = int(ending.code or 0)
        return Said(code, *capsys.readouterr())

    return typed


MODEL = "--dataset digits --model MLP --engine plain"
DISTILL = f"distill {MODEL} --ipc 1 --batch-real 4 --iterations 4"
TRIAL = "datastill.runs.validation.trials.TrialRunner.run"
MEMBER = "datastill.runs.making.training.train_member"
SCORING = "datastill.runs.assessment.assessing.scores.assess"
TRAIN = f"train {MODEL} --num 2 --epochs 2"
SET = Path("condensed/digits/DM/IPC1")
POOL = Path("pretrained_model/digits/original/MLP")


def held(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, hidden files but checkpoints of others too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def finished(folder: Path) -> dict[str, bytes]:
    """Return what a person sees in a folder, but for what is under way."""
    return {name: content for name, content in held(folder).items() if not name.startswith(".")}


class Full:
    """A disk that is full from the n-th write of a file on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes, self.room, self.fsync = 0, 10**9, os.fsync
        monkeypatch.setattr(os, "fsync", self.write)

    def write(self, file: int) -> None:
        if self.writes >= self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes += 1
        self.fsync(file)

    def after(self, writes: int) -> None:
        self.writes, self.room = 0, writes


COMMANDS = {
    "distill": (f"{DISTILL} --seed 1 --overwrite", SET),
    "train": (f"{TRAIN} --seed 1 --overwrite", POOL),
    "import": ("import there.npz --dataset digits --out imported --overwrite", Path("imported")),
    "relabel": (f"relabel {SET} --models-pool MLP --out soft --overwrite", Path("soft")),
    "export": (f"export {SET} --to npz --out there.npz --overwrite", Path("there.npz")),
    "compare": (
        f"compare {SET} --model MLP --num-eval 1 --epochs 1 --real-epochs 0 --against random "
        "--out compared --overwrite",
        Path("compared"),
    ),
    "validate": (f"validate {SET} --model MLP --num-eval 1 --epochs 1 --overwrite", SET),
    "assess": (f"assess {SET} --models-pool MLP", SET),
    "all": (
        f"all {MODEL} --ipc 1 --iterations 2 --num-eval 1 --epochs 1 --against random --seed 1 "
        "--num 1 --original-epochs 1 --alphas 1 --overwrite",
        SET,
    ),
}


@pytest.fixture
def home(run: Run) -> Run:
    """Have a set and original models, and what follows from them."""
    for line in (DISTILL, TRAIN, *(line for line, _ in COMMANDS.values() if "all" not in line[:3])):
        if "--seed 1" not in line and "import" not in line[:6]:
            said = run(line.replace(" --overwrite", ""))
            assert said.code == 0, said.err
    assert run(COMMANDS["import"][0].replace(" --overwrite", "")).code == 0
    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_is_full_at_any_write_gets_one_line_and_leaves_what_was_there(
    home: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    line, place = COMMANDS[name]
    whole = [sound(tmp_path, place)]
    disk = Full(monkeypatch)
    copy = tmp_path / "copy"
    for writes in range(100):
        restore(tmp_path, copy, first=writes == 0)
        disk.after(writes)
        said = home(line)
        disk.after(10**9)
        if said.code == 0:
            break
        if name == "all" and "synthetic images after" in said.out:
            whole = [sound(tmp_path, place)]  # the other one is finished, and its validation is not
            assert whole[0][1] == 1
        assert said.code == 2, said.err
        assert "No space left on device" in said.err
        assert len(said.err.splitlines()) == 1
        assert sound(tmp_path, place) in whole, f"after {writes} writes"
    else:
        raise AssertionError
    assert writes
    assert sound(tmp_path, place) is not None


def sound(tmp_path: Path, place: Path) -> Any:
    """Return what a finished thing is, read as one reads it."""
    path = tmp_path / place
    if place == POOL:
        return [member.facts["key"] for member in store.load_pool(path)]
    if (path / store.SET_FILE).exists():
        made = datastill.load(path)
        return made.images.flatten().tolist(), made.facts.get("seed")
    if path.is_file():
        return len(path.read_bytes())
    return len(store.read_json(path / "comparison.json"))


def restore(tmp_path: Path, copy: Path, *, first: bool) -> None:
    """Put everything back as it was at first."""
    if first:
        shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"))
        return
    for path in tmp_path.iterdir():
        if path != copy:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(copy, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Have SIGTERM come after an update, or an epoch, of a number; None for never."""
    from datastill.runs.making import course, training

    at = SimpleNamespace(update=None, epoch=None)
    look, finite = course.look, training._finite

    def watched(selector: object, choice: object, now: object, *rest: object) -> object:
        if getattr(now, "step", None) == at.update:
            os.kill(os.getpid(), signal.SIGTERM)
        return look(selector, choice, now, *rest)

    def checked(loss: float, epoch: int, *rest: object) -> float:
        if epoch == at.epoch:
            os.kill(os.getpid(), signal.SIGTERM)
        return finite(loss, epoch, *rest)

    monkeypatch.setattr(course, "look", watched)
    monkeypatch.setattr(training, "_finite", checked)
    return at


def test_a_set_stays_until_the_other_is_finished(
    run: Run, tmp_path: Path, stop: SimpleNamespace
) -> None:
    folder = tmp_path / SET
    assert run(DISTILL).code == 0
    assert run(f"validate {SET} --model MLP --num-eval 1 --epochs 1").code == 0
    before = finished(folder)
    assert run(f"{DISTILL} --seed 1 --save-path whole").code == 0
    stop.update = 2
    assert run(f"{DISTILL} --seed 1 --overwrite").code == 143
    stop.update = None
    assert finished(folder) == before
    assert "2" in run(f"show {SET}").out
    refused = run(f"{DISTILL} --seed 1")
    assert "not finished; pass --resume to go on with it, or --overwrite" in refused.err
    assert "not 2: this one is in" in run(f"{DISTILL} --seed 2 --resume").out
    assert "is finished" in run(f"{DISTILL} --resume").out
    said = run(f"{DISTILL} --seed 1 --resume")
    assert said.code == 0, said.err
    assert "going on after update 2" in said.out
    whole = tmp_path / "whole/digits/DM/IPC1"
    assert {*held(folder)} == {*held(whole)}  # what was known of the other set is gone, too
    one, other = datastill.load(folder), datastill.load(whole)
    assert one.images.equal(other.images)
    assert {**one.facts, "seconds": 0} == {**other.facts, "seconds": 0}


def test_a_failed_run_leaves_the_set_that_was_there(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / SET
    assert run(DISTILL).code == 0
    before = finished(folder)
    said = run(f"{DISTILL} --iterations 40 --lr-img 1e30 --overwrite")
    assert said.code == 2
    assert "is not a finite number" in said.err
    assert finished(folder) == before
    good = datastill.load(folder / succession.NEXT / "last-good.safetensors")
    assert f"{succession.NEXT}/last-good.safetensors is after update" in said.err
    assert good.facts["step"] > 0
    assert run(f"{DISTILL} --seed 1 --overwrite").code == 0
    assert not [name for name in held(folder) if name.startswith(".")]


def test_original_models_stay_until_the_others_are_finished(
    run: Run, tmp_path: Path, stop: SimpleNamespace
) -> None:
    folder = tmp_path / POOL
    assert run(TRAIN.replace("--num 2", "--num 3")).code == 0
    before = finished(folder)
    assert run(f"{TRAIN} --seed 1 --save-path whole").code == 0
    stop.epoch = 1
    assert run(f"{TRAIN} --seed 1 --overwrite").code == 143
    stop.epoch = None
    assert finished(folder) == before
    assert "is not finished; pass --resume" in run(f"{TRAIN} --add").err
    assert run(f"{TRAIN} --seed 1 --resume").code == 0
    whole = tmp_path / "whole/digits/original/MLP"
    assert {*held(folder)} == {*held(whole)}
    one, other = store.load_pool(folder), store.load_pool(whole)
    assert [m.facts["key"] for m in one] == [m.facts["key"] for m in other]
    assert "is finished" not in run(f"{TRAIN} --seed 1 --resume").err


class Killed(BaseException):
    """As if the process had ended."""


def calls(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], last: list[int]) -> None:
    """Let methods of paths do their work until they were called so often."""
    for name in names:
        real = getattr(Path, name)

        def counted(self: Path, *rest: object, real: object = real, **more: object) -> object:
            if succession.DONE in str(self) or succession.NEXT in str(self):
                if last[0] == 0:
                    raise Killed
                last[0] -= 1
            return real(self, *rest, **more)

        monkeypatch.setattr(Path, name, counted)


def test_wherever_the_change_of_places_is_cut_off_it_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"synthetic.safetensors": "old", "validation.json": "old", "log.jsonl": "old"}
    new = {"synthetic.safetensors": "new", "preview.png": "new", "log.jsonl": "new"}
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
        for name, text in old.items():
            (folder / name).write_text(text)
        place = succession.begin(folder, beside=True)
        for name, text in new.items():
            (place / name).write_text(text)
        with monkeypatch.context() as patch:
            calls(patch, ("rename", "replace", "touch"), [number])
            try:
                succession.settle(place)
                ended = True
            except Killed:
                ended = False
        assert (folder / "synthetic.safetensors").read_text() in ("old", "new")
        with store.locked(folder):
            pass
        found = {path.name: path.read_text() for path in folder.iterdir()}
        assert found == {**new, "notes.txt": "mine"}
        if ended:
            break
    assert ended
    assert number > 3


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            "--labels learned",
            "does (CLOM's cross-entropy, by --alphas, looks at labels), or --labels hard",
        ),
        ("--init random-tiles", "take --tiles 2, or another --init"),
        ("--init noise --tiles 9", "images of 8x8 do not hold 9 a side, but 8 at most"),
        ("--tiles 9", "images of 8x8 do not hold 9 a side, but 8 at most"),
    ],
)
def test_a_run_that_fails_before_it_has_made_anything_leaves_nothing(
    run: Run, more: str, complaint: str
) -> None:
    said = run(f"{DISTILL} {more}")
    assert said.code == 2
    assert complaint in " ".join(said.err.split())
    assert not SET.exists()
    assert run(DISTILL).code == 0
    before = held(SET)
    assert run(f"{DISTILL} {more} --overwrite").code == 2
    assert held(SET) == before
    assert [path.name for path in SET.parent.iterdir()] == [SET.name]
    assert "is finished" in run(f"{DISTILL} --resume").out


def test_what_a_person_put_into_the_folder_of_a_run_that_failed_stays(run: Run) -> None:
    SET.mkdir(parents=True)
    (SET / "notes.txt").write_text("why")
    assert run(f"{DISTILL} --labels learned").code == 2
    assert held(SET) == {"notes.txt": b"why"}


STUDY = (
    "study --dataset digits --ipc 1 --seeds 1 --population random herding noise:0.5 --model MLP "
    "--num-eval 1 --epochs 1 --models-pool MLP --model-num 1 --pool-epochs 1 "
    "--assessments coverage"
)
JUDGED = "--models-pool MLP --assessments om-accuracy --draws 1"


def everything(folder: Path) -> dict[str, bytes | None]:
    """Return all files and folders."""
    found = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in found}


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        (f"{DISTILL} --labels learned --save-path new/deep", None),
        (f"{TRAIN} --lr-net 1e29 --save-path new/deep", None),
        (f"{TRAIN} --lr-net 1e29 --add", None),
        (f"{TRAIN} --lr-net 1e29 --overwrite", None),
        (f"{TRAIN} --model MLP LeNet --save-path new/deep", MEMBER),
        (f"{STUDY} --save-path new/deep", "datastill.runs.studies.judging.train"),
        (f"{STUDY} --save-path new/deep", MEMBER),
        ("compare {} --model MLP --out new/deep", TRIAL),
        ("compare {} --model MLP", TRIAL),
        ("relabel {} --models-pool MLP --out new/deep", "datastill.runs.making.relabelling.save"),
        ("relabel {} --models-pool MLP", "datastill.runs.making.relabelling.write_preview"),
        ("validate {} --model MLP --out new/deep --against nonsense", None),
        ("validate {} --model MLP --out new/deep", TRIAL),
        ("assess {} --models-pool LeNet --out new/deep", None),
        (f"assess {{}} {JUDGED} --out new/deep", SCORING),
    ],
)
def test_no_verb_leaves_anything_of_a_run_that_failed_before_its_first_step(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, broken: str | None
) -> None:
    assert run(TRAIN.replace("--num 2", "--num 1")).code == 0
    assert run(DISTILL).code == 0
    before = everything(tmp_path)
    if broken is not None:
        monkeypatch.setattr(broken, refuse)
    said = run(line.format(SET))
    assert said.code == 2, said
    assert everything(tmp_path) == before


def refuse(*_given: Any, **_named: Any) -> Any:
    raise datastill.InputError("it cannot be done")


@pytest.mark.parametrize("verb", ["compare", "relabel", "study"])
def test_a_failed_run_leaves_what_another_left_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    lines = {
        "compare": "compare {} --model MLP --epochs 1 --num-eval 1 --real-epochs 0 --out mine "
        "--overwrite",
        "relabel": "relabel {} --models-pool MLP --out mine --overwrite",
        "study": STUDY,
    }
    others = {
        "compare": ("--epochs 2", TRIAL),
        "relabel": ("--temperature 2", "datastill.runs.making.relabelling.save"),
        "study": ("--num-eval 2", "datastill.runs.studies.studying._examined"),
    }
    assert run(TRAIN.replace("--num 2", "--num 1")).code == 0
    assert run(DISTILL).code == 0
    line, (more, broken) = lines[verb].format(SET), others[verb]
    assert run(line).code == 0
    before = everything(tmp_path)
    monkeypatch.setattr(broken, refuse)
    assert run(f"{line} {more}").code == 2
    assert everything(tmp_path) == before
