"""The course of a run: lines always, TensorBoard and Trackio when asked."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from copies import python
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.cli.console import Bar, Console
from datastill.store import Run, open_journal

RUN = Run("pets", "DM IPC10", {"method": "DM", "seed": 3})
DISTILL = "distill --dataset digits --model ConvNetD2W16 --ipc 1 --iterations 3 --batch-real 4"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, round(event.value, 6)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


class Trackio(ModuleType):
    """Stands in for the library: the calls that it was tried with, by hand, in version 0.43."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.calls: list[Any] = []

    def init(self, project: str, *, name: str, config: dict[str, Any], embed: bool) -> None:
        print("* Trackio project initialized")
        self.calls.append(("init", project, name, config, embed))

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.calls.append((metrics, step))

    def finish(self) -> None:
        print("* Run finished")
        self.calls.append("finish")


@pytest.fixture
def trackio(monkeypatch: pytest.MonkeyPatch) -> Trackio:
    module = Trackio()
    module.__spec__ = sys.__spec__  # what find_spec looks at
    monkeypatch.setitem(sys.modules, "trackio", module)
    return module


def test_every_event_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / "new" / "log.jsonl"
    for step in (1, 2):
        with open_journal(file, RUN) as opened:
            opened.log("update", of="ConvNet", step=step, match=0.5 * step)
            opened.log("note", text="ä")
    assert lines(file) == [
        {"event": "update", "step": 1, "match": 0.5},
        {"event": "note", "text": "ä"},
        {"event": "update", "step": 2, "match": 1.0},
        {"event": "note", "text": "ä"},
    ]
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "log.jsonl"]


def test_numbers_of_steps_go_to_every_sink(tmp_path: Path, trackio: Trackio) -> None:
    file = tmp_path / "log.jsonl"
    with open_journal(file, RUN, ("tensorboard", "trackio")) as opened:
        opened.log("update", step=1, match=0.5, clom=float("nan"))
        opened.log("note", match=7.0)
        opened.log("trial", of="MLP on random", step=2, accuracy=1, number=4, model="MLP")
    folder = tmp_path / "tensorboard" / "DM IPC10"
    assert scalars(folder) == {"match": [(1, 0.5)], "MLP on random accuracy": [(2, 1.0)]}
    assert trackio.calls == [
        ("init", "pets", "DM IPC10", dict(RUN.settings), False),
        ({"match": 0.5}, 1),
        ({"MLP on random accuracy": 1.0}, 2),
        "finish",
    ]
    assert len(lines(file)) == 3


def test_sinks_are_closed_when_a_run_fails(tmp_path: Path, trackio: Trackio) -> None:
    def fail() -> None:
        with open_journal(tmp_path / "log.jsonl", RUN, ("trackio",)) as opened:
            opened.log("update", step=1, match=0.5)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert trackio.calls[-1] == "finish"


def test_a_missing_library_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datastill.store.journal.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"--trackio needs a library: pip install 'trackio>=0\.4'"):
        open_journal(tmp_path / "x", RUN, ("trackio",)).__enter__()
    for command in (DISTILL, "train --dataset digits", "validate nowhere"):
        with pytest.raises(SystemExit):
            main([*command.split(), "--tensorboard"])
        assert "pip install 'tensorboard>=2.17.1'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        open_journal(tmp_path / "file" / "log.jsonl", RUN).__enter__()
    (tmp_path / "log.jsonl").mkdir()
    with (
        pytest.raises(InputError, match="cannot write to"),
        open_journal(tmp_path / "log.jsonl", RUN) as opened,
    ):
        opened.log("update")


def test_the_commands_write_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trackio: Trackio,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    both = ["--tensorboard", "--trackio"]
    train = "train --dataset digits --model MLP --epochs"
    main([*f"{train} 2 --num 2".split(), *both])
    pool = tmp_path / "pretrained_model" / "digits" / "original" / "MLP"
    epochs = lines(pool / "log.jsonl")
    assert [(e["event"], e["number"], e["step"]) for e in epochs] == [
        ("epoch", 0, 1),
        ("epoch", 0, 2),
        ("epoch", 1, 1),
        ("epoch", 1, 2),
    ]
    assert scalars(pool / "tensorboard" / "MLP 1")["loss"] == [
        (e["step"], round(e["loss"], 6)) for e in epochs[2:]
    ]
    main([*DISTILL.split(), *both])
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    (update, *_, done) = lines(folder / "log.jsonl")
    assert done["event"] == "done"
    assert (update["step"], update["match"]) in scalars(folder / "tensorboard" / "DM IPC1")["match"]
    main([*f"validate {folder} --model MLP --num-eval 2 --epochs 1".split(), *both])
    trials = [line for line in lines(folder / "log.jsonl") if line["event"] == "trial"]
    assert [trial["step"] for trial in trials] == [1, 2]
    assert [call[1] for call in trackio.calls if call[0] == "init"] == ["digits"] * 4
    out = capsys.readouterr().out
    assert f"its course: tensorboard --logdir {folder}" in out
    assert "trackio show --project digits" in out
    assert "Trackio project initialized" not in out

    main([*DISTILL.split(), "--overwrite", "--quiet"])
    assert not (folder / "tensorboard").exists()
    assert all(line["event"] != "trial" for line in lines(folder / "log.jsonl"))
    main(f"{train} 1 --num 1 --overwrite --quiet".split())
    assert len(lines(pool / "log.jsonl")) == 1
    assert not (pool / "tensorboard").exists()


@pytest.mark.slow
def test_no_library_is_imported_unless_it_is_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; from importlib import import_module; from datastill.cli import main; "
        "from datastill.runs.conduct.above import VERBS; "
        "[import_module('datastill.runs.' + home) for home, _ in VERBS.values()]; "
        "slow = [name for name in ('matplotlib', 'scipy.stats') if name in sys.modules]; "
        f"main({DISTILL.split()!r} + ['--quiet']); "
        "names = ('tensorboard', 'trackio', 'transformers', 'datasets', 'torchvision'); "
        "print(slow + [name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        python("-c", code, loaded="torch"), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("console", "drawn"), [(Console(), True), (Console(plain=True), False)])
def test_bars_are_drawn_unless_lines_are_asked_for(console: Console, drawn: bool) -> None:
    with console.progress("reading", 3) as bar:
        assert isinstance(bar, Bar) == drawn


def test_plain_progress_tells_what_is_done_how_it_goes_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 30.0, 35.0, 60.0])
    with Console(plain=True).progress("distilling", 100) as bar:
        bar.started = bar.said = 0.0
        monkeypatch.setattr(
            "datastill.runs.conduct.observer.time.perf_counter", lambda: next(clock)
        )
        bar.at(1, "match 3")
        bar.at(25, "match 2")
        bar.at(30)
        bar.at(50)
        monkeypatch.undo()
    assert capsys.readouterr().err.splitlines() == [
        "distilling: 25 of 100, match 2, 90 s left",
        "distilling: 50 of 100, match 2, 60 s left",
    ]


def test_what_was_done_before_does_not_count_as_speed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Console(plain=True).progress("distilling", 100, 40) as bar:
        bar.started = bar.said = 0.0
        monkeypatch.setattr("datastill.runs.conduct.observer.time.perf_counter", lambda: 30.0)
        bar.at(50, "match 2")
        monkeypatch.undo()
    assert capsys.readouterr().err == "distilling: 50 of 100, match 2, 2 min left\n"


@pytest.mark.usefixtures("terminal")
def test_a_bar_begins_where_the_work_does() -> None:
    with Console().progress("distilling", 100, 40) as bar:
        assert isinstance(bar, Bar)
        assert bar.progress.tasks[0].completed == 40


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.message("x")
    assert list(console.follow([1, 2], "reading", 2)) == [1, 2]
    assert capsys.readouterr() == ("", "")
