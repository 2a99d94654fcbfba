"""Pieces of runs carried out side by side by processes: the same bits, whatever happens to them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib import reload
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from copies import python
from datastill import load, runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.evaluation.studies import examination
from datastill.runs.assessment import scored
from datastill.runs.executors import beginning, copied, processes
from datastill.runs.studies import pieces as study_pieces
from datastill.runs.studies import workshop
from datastill.runs.validation import validating
from datastill.training.coresets import CORESETS
from test_cli import files
from test_units import (
    COMPUTE,
    LOST,
    STUDY,
    TRAIN,
    VALIDATE,
    count,
    ranks,
    resample_little,
    same_models,
    timeless,
)

pytestmark = pytest.mark.usefixtures("sketched")

OWN = (
    '''
"""Architectures of which one piece fails, in a worker alone."""
import os, resource, signal
from multiprocessing import parent_process
from pathlib import Path
from torch import nn

def made(domain):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, len(domain.classes)))

def first_time(name):
    if parent_process() is None or Path(name).exists():
        return False
    Path(name).touch()
    return True

def failing(domain):
    if parent_process() is not None:
        raise RuntimeError("a bug of one's own")
    return made(domain)

'''
    + LOST
    + """
def full(domain):
    first = first_time("full.was")
    if parent_process() is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 if first else -1, -1))
    return made(domain)
"""
)


WHAT = (("exams", "/0"), ("exams", "/1"), ("scores", ""))
"""What is found out of a set: by two networks, and by assessments."""


@pytest.fixture(scope="module")
def workers() -> Iterator[runs.Processes]:
    with runs.Processes(3) as found:
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own_workers.py").write_text(OWN)
    real = load_split("digits", "train")
    save(real.take(CORESETS["random"](real, [1] * 10, key=Key(1))), "random.safetensors")
    return tmp_path


def of(name: str, **more: Any) -> runs.TrainSpec:
    return replace(TRAIN, models=("MLP", f"own_workers:{name}"), num=1, **more)


def test_a_pool_by_three_processes_is_that_of_one(workers: runs.Processes) -> None:
    whole = runs.train(TRAIN, "whole")
    found = runs.train(TRAIN, "apart", executor=workers)
    assert same_models(found.pool, whole.pool)
    assert files(Path("apart")) == files(Path("whole"))
    runs.train(TRAIN, "whole", add=True)
    more = runs.train(TRAIN, "apart", add=True, executor=workers)
    assert [row.number for row in more.rows] == [2, 3, 2, 3]
    assert files(Path("apart")) == files(Path("whole"))
    assert same_models(runs.train(TRAIN, executor=workers).pool, whole.pool)


def test_a_validation_by_three_processes_is_that_of_one(
    workers: runs.Processes, home: Path
) -> None:
    whole = runs.validate(VALIDATE, "whole")
    said: list[str] = []
    found = runs.validate(
        VALIDATE,
        "apart",
        executor=workers,
        observer=runs.Talking(moved=lambda *a: said.append(a[3])),
    )
    assert timeless(found.report) == timeless(whole.report)
    assert files(home / "apart") == files(home / "whole")
    assert timeless(runs.run(VALIDATE, executor=workers).report) == timeless(whole.report)
    assert any("by " in line for line in said)  # what runs where


def test_a_network_that_was_trained_by_itself_is_not_trained_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    units = VALIDATE.units()
    runs.carry_out(units[0], "apart")
    trained = count(monkeypatch, validating, "train_apart")
    with ThreadPoolExecutor(1) as threads:
        found = runs.validate(VALIDATE, "apart", executor=threads)
    assert [given[0] for given in trained] == [unit.address for unit in units[1:]]
    assert timeless(found.report) == timeless(runs.validate(VALIDATE, "whole").report)


def test_a_comparison_by_three_processes_is_that_of_one(
    workers: runs.Processes, home: Path
) -> None:
    spec = runs.CompareSpec(
        sets=("random.safetensors",),
        compute=COMPUTE,
        epochs=2,
        models=("MLP",),
        trials=2,
        against=("random", "k-means"),
        real_epochs=1,
        rates=(0.01, 0.1),
    )
    addresses = [unit.address for unit in spec.units()]
    assert addresses == ["real/MLP/0", "MLP/0", "MLP/1"]
    whole = runs.compare(spec, "whole")
    found = runs.compare(spec, "apart", executor=workers)
    assert timeless(found.report) == timeless(whole.report)
    assert files(home / "apart") == files(home / "whole")
    runs.carry_out(spec.units()[0], "again")  # one by itself, and the others here
    assert timeless(runs.compare(spec, "again").report) == timeless(whole.report)


def test_a_study_by_three_processes_is_that_of_one(
    workers: runs.Processes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resample_little(monkeypatch)
    spec = replace(STUDY, population=(*STUDY.population, "DM:1:5"), sets=("random.safetensors",))
    whole = runs.study(spec, "whole")
    trained = count(monkeypatch, workshop, "distill")
    tried, scored = (count(monkeypatch, examination, name) for name in ("validated", "assess"))
    found = runs.study(spec, "apart", executor=workers)
    assert not trained + tried + scored  # all of it is done by others
    assert ranks(found) == ranks(whole)
    assert [record.accuracy for record in found.study.records] == [
        record.accuracy for record in whole.study.records
    ]
    assert files(home / "apart") == files(home / "whole")


def test_a_guided_set_that_lies_there_waits_until_those_that_judge_are_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resample_little(monkeypatch)
    runs.train(replace(TRAIN, models=("MLP",)), "pool")
    judges = replace(STUDY.judges, path="pool", early=())
    spec = replace(STUDY, population=("random", "DM:2:1"), judges=judges)
    whole = runs.study(spec, "whole")
    runs.carry_out(runs.Unit("sets/DM-clom1-ipc1-seed0", spec), "apart")
    made = count(monkeypatch, workshop, "distill")
    with ThreadPoolExecutor(1) as threads:
        found = runs.study(spec, "apart", executor=threads)
    assert len(made) == 1  # the other one
    assert ranks(found) == ranks(whole)
    assert files(home / "apart") == files(home / "whole")


def test_what_was_made_and_said_of_sets_by_hand_is_not_done_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resample_little(monkeypatch)
    spec = replace(STUDY, population=("random", "DM:1:1"), trials=2)
    whole = runs.study(spec, "whole")
    shutil.copytree("whole", "apart")
    for record in Path("apart/sets").glob("*/record.json"):
        record.unlink()
    guided = next(Path("apart/sets").glob("DM*seed0"))
    shutil.rmtree(guided)
    runs.carry_out(runs.Unit("sets/DM-clom1-ipc1-seed0", spec), "apart")
    names = [place.name for place in Path("apart/sets").iterdir()]
    units = [f"{kind}/{name}{end}" for name in names for kind, end in WHAT]
    for address in units[1:]:  # all but the first network of a set
        runs.carry_out(runs.Unit(address, spec), "apart")
    done = count(monkeypatch, study_pieces, "study_piece")
    with ThreadPoolExecutor(1) as threads:
        found = runs.study(spec, "apart", executor=threads)
    new = [f"{kind}/{guided.name}{end}" for kind, end in WHAT]
    assert sorted(address for _, address, *_ in done) == sorted([units[0], *new])
    assert ranks(found) == ranks(whole)
    assert files(home / "apart") == files(home / "whole")


@pytest.fixture
def sets(home: Path) -> list[str]:
    """Sets of a folder each, and one of a file."""
    runs.train(replace(TRAIN, models=("MLP",)), "pretrained_model")
    real = load_split("digits", "train")
    for i in range(2):
        save(
            real.take(CORESETS["random"](real, [1] * 10, key=Key(i))), f"{i}/synthetic.safetensors"
        )
    return ["0", "1", "random.safetensors"]


def of_sets(folder: Path) -> dict[str, Any]:
    """Return all that is said of sets in a folder, by the names of files."""
    found = sorted([*folder.rglob("*assessment*.json"), *folder.rglob("*assess*.toml")])
    texts = {str(file.relative_to(folder)): file.read_text() for file in found}
    return {
        k: timeless(json.loads(text)) if k.endswith("json") else text for k, text in texts.items()
    }


def test_scores_of_sets_by_three_processes_are_those_of_one(
    workers: runs.Processes, sets: list[str], home: Path
) -> None:
    pool = runs.PoolSpec(architectures=("MLP",))
    names = ("om-accuracy", "fresh-feature-distance")
    spec = runs.AssessSpec(set=sets[0], compute=COMPUTE, pool=pool, assessments=names, retests=1)
    told = [timeless(values(runs.assess(replace(spec, set=one)))) for one in sets]
    whole = runs.assess(spec, "0", others=sets[1:])
    assert [values(one) for one in (whole, *whole.others)] == told
    before = of_sets(home)
    assert len(before) == 6
    for file in before:
        Path(file).unlink()
    found = runs.assess(spec, "0", others=sets[1:], executor=workers)
    assert of_sets(home) == before
    assert [values(one) for one in (found, *found.others)] == told
    assert [one.file for one in (found, *found.others)] == [
        one.file for one in (whole, *whole.others)
    ]
    assert not list(home.rglob(".pieces"))
    assert values(runs.assess(spec, executor=workers)) == told[0]  # and nothing is written
    assert of_sets(home) == before


def values(found: runs.Scored) -> Any:
    """Return what was found of a set, by itself and beside random images."""
    rows = (found.scores, *found.random)
    return [{name: (one.score, one.draws) for name, one in row.items()} for row in rows]


def test_scores_that_lie_there_are_taken_if_they_follow_from_the_same(
    sets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = runs.PoolSpec(architectures=("MLP",))
    spec = runs.AssessSpec(set="0", compute=COMPUTE, pool=pool, assessments=("om-accuracy",))
    (unit,) = spec.units()
    runs.carry_out(unit, "0")
    made = count(monkeypatch, scored.scores, "assess")
    with ThreadPoolExecutor(1) as threads:
        found = runs.assess(spec, "0", others=["1"], executor=threads)
    assert len(made) == 4  # the other one, and its random images
    runs.carry_out(unit, "0")
    made.clear()
    assert values(runs.assess(spec, "0")) == values(found)
    assert not made
    runs.carry_out(unit, "0")
    save(load("1"), "0/synthetic.safetensors")  # another set in the same place
    made.clear()
    with ThreadPoolExecutor(1) as threads:
        other = runs.assess(spec, "0", executor=threads)
    assert len(made) == 4
    assert values(other)[0] == values(found.others[0])[0]


def test_sets_that_cannot_be_scored_are_named_and_the_others_kept(
    workers: runs.Processes, sets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = runs.PoolSpec(architectures=("MLP",))
    spec = runs.AssessSpec(set="0", compute=COMPUTE, pool=pool, assessments=("coverage",), draws=1)
    data, real = load("1"), load_split("digits", "train")
    twice = torch.arange(len(real)).repeat(2)  # no random images are as many
    save(real.take(twice), "1/synthetic.safetensors")
    with pytest.raises(
        InputError, match=r"1 piece could not.*: 1 \(.*2 are kept, and the same, ask"
    ):
        runs.assess(spec, "0", others=sets[1:], executor=workers)
    save(data, "1/synthetic.safetensors")
    made = count(monkeypatch, scored.scores, "assess")
    with ThreadPoolExecutor(1) as threads:
        runs.assess(spec, "0", others=sets[1:], executor=threads)
    assert len(made) == 2  # of the one that was mended


def test_what_of_several_sets_makes_no_sense_is_told(sets: list[str]) -> None:
    spec = runs.AssessSpec(set="0")
    with pytest.raises(InputError, match="is named twice"):
        runs.assess(spec, "0", others=["1", "./0/synthetic.safetensors"])
    with pytest.raises(InputError, match="`folder` takes a copy of one set"):
        runs.assess(spec, "out", others=["1"])
    for wrong in ("1", [3], None):
        with pytest.raises(InputError, match="`others` must be"):
            runs.assess(spec, others=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="'assess' has no piece 'a'"):
        runs.carry_out(runs.Unit("a", spec), "here")
    assert not Path("out").exists()
    assert not Path("here").exists()


def test_an_executor_of_others_serves() -> None:
    with ThreadPoolExecutor(1) as threads:
        found = runs.train(TRAIN, "apart", executor=threads)
    assert same_models(found.pool, runs.train(TRAIN, "whole").pool)
    assert files(Path("apart")) == files(Path("whole"))


@pytest.mark.parametrize("name", ["flaky", "killed", "full"])
def test_what_goes_wrong_once_is_done_again(name: str, workers: runs.Processes) -> None:
    said: list[str] = []
    spec, watching = of(name), runs.Talking(tell=said.append)
    one = runs.Processes(1) if name == "full" else nullcontext(workers)  # whose limit it remains
    with one as executor:
        found = runs.train(spec, "apart", executor=executor, observer=watching)
    told = [line for line in said if line.endswith("once more")]
    reason = {"flaky": "not today", "killed": "was killed", "full": "File too large"}[name]
    assert [reason in line for line in told] == [True]
    assert same_models(found.pool, runs.train(spec, "whole").pool)


def test_what_goes_wrong_twice_is_named_and_the_others_are_kept(workers: runs.Processes) -> None:
    spec = of("failing")
    with pytest.raises(InputError) as told:
        runs.train(spec, "apart", executor=workers)
    said = "1 piece could not be carried out: own_workers:failing/0 (own_workers:failing fails for"
    assert str(told.value).startswith(said)
    assert "RuntimeError: a bug of one's own" in str(told.value)
    assert "1 is kept, and `resume=True` goes on" in str(told.value)
    found = runs.train(spec, "apart", keeping=runs.Keeping(resume=True))  # here it does not fail
    assert same_models(found.pool, runs.train(spec, "whole").pool)
    log = Path("apart/digits/original/MLP/log.jsonl").read_text()
    assert log == Path("whole/digits/original/MLP/log.jsonl").read_text()


def test_a_run_that_is_stopped_goes_on(workers: runs.Processes) -> None:
    stop = runs.StopRequest()
    stop.request()
    with pytest.raises(runs.Stopped):
        runs.train(TRAIN, "apart", executor=workers, stop=stop)
    found = runs.train(TRAIN, "apart", executor=workers, keeping=runs.Keeping(resume=True))
    assert same_models(found.pool, runs.train(TRAIN, "whole").pool)


def test_workers_that_cannot_import_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('no such library')\n")
    monkeypatch.setattr(sys, "path", [str(broken), *sys.path])
    monkeypatch.setattr(processes, "context", partial(get_context, "spawn"))  # which import it anew
    with runs.Processes(1) as alone, pytest.raises(InputError, match="workers cannot begin: Impo"):
        runs.train(TRAIN, "apart", executor=alone)
    assert capfd.readouterr().err == ""
    assert same_models(
        runs.train(TRAIN, "apart", keeping=runs.Keeping(resume=True)).pool,
        runs.train(TRAIN, "whole").pool,
    )


def private(_: int) -> tuple[int, int, int]:
    """Return by whom this process was begun, and kB that it shares with no other, and has."""
    text = Path("/proc/self/smaps_rollup").read_text()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return os.getppid(), sizes["Private_Dirty"], sizes["Anonymous"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are begun anew")
def test_workers_share_the_memory_of_what_all_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAID_LATER", "than the first worker of this process began")
    with runs.Processes(2) as workers:
        seen = [one.result() for one in [workers.submit(private, i) for i in range(2)]]
        assert workers.submit(os.getenv, "SAID_LATER").result()
        threads = workers.submit(torch.get_num_threads).result()
        assert threads == workers.threads
    assert len({parent for parent, _, _ in seen} | {os.getpid()}) == 2
    assert all(own < whole / 2 for _, own, whole in seen)


ORIGINAL_KILLED = """
import os, signal
from datastill import runs

if __name__ == "__main__":
    spec = runs.read(open("some.toml").read())[0]
    with runs.Processes(1) as workers:
        worker, original = (workers.submit(one).result() for one in (os.getpid, os.getppid))
        os.kill(original, signal.SIGKILL)
        said = []
        runs.train(spec, "apart", executor=workers, observer=runs.Talking(tell=said.append))
        print(worker, original, workers.submit(os.getppid).result(), *said, sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are begun anew")
def test_where_the_process_is_killed_that_workers_are_copies_of_there_are_others() -> None:
    spec = replace(TRAIN, models=("MLP",), num=1)
    Path("some.toml").write_text(spec.to_toml())
    Path("killing.py").write_text(ORIGINAL_KILLED)
    done = subprocess.run(
        python("killing.py", loaded="torch"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    worker, original, other, *said = done.stdout.splitlines()
    assert original != other
    assert [line for line in said if line.endswith("once more")] == [
        "MLP/0: WorkerLost: the process that worked on it was killed; once more"
    ]
    assert not is_there(int(worker))  # nor does it go on with a piece that another has
    found = runs.train(spec, "apart", keeping=runs.Keeping(resume=True))
    assert same_models(found.pool, runs.train(spec, "whole").pool)


def test_what_cannot_be_imported_is_left_to_workers_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning, "NEEDED", "datastill.no_such_module")
    reload(copied)  # and nothing is raised, in a process that nobody hears
    assert "no_such_module" in beginning.ready(torch.get_num_threads())[1]


def test_each_process_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processes.threads, "cores", lambda: 8)
    monkeypatch.setattr(processes.threads, "quota", lambda: None)
    assert [processes.share_of(jobs) for jobs in (1, 2, 3, 8, 9)] == [8, 4, 2, 1, 1]
    monkeypatch.setattr(processes.threads, "quota", lambda: 5.5)
    assert processes.share_of(2) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert processes.share_of(2) == 1


def test_what_is_no_executor_is_told() -> None:
    for wrong in (3, "ray", runs.Processes):
        with pytest.raises(InputError, match="`executor`"):
            runs.train(TRAIN, executor=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="`jobs`"):
        runs.Processes(0)
    with ThreadPoolExecutor(1) as threads, pytest.raises(InputError, match="keep no networks"):
        runs.validate(VALIDATE, "here", save_models=True, executor=threads)


def is_there(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def below(number: int) -> list[int]:
    """Return the processes that one began, and that these began."""
    tasks = Path(f"/proc/{number}/task").iterdir()
    found = [int(word) for one in tasks for word in (one / "children").read_text().split()]
    return found + [one for child in found for one in below(child)]


@pytest.mark.slow
def test_a_command_that_is_killed_leaves_no_workers_and_goes_on() -> None:
    spec = replace(TRAIN, models=("MLP",), num=2, epochs=3000, save_epochs=())
    Path("long.toml").write_text(spec.to_toml())
    line = "run long.toml --jobs 2 --save-path apart --checkpoint-minutes 0 --quiet"
    with subprocess.Popen([sys.executable, "-m", "datastill", *line.split()]) as first:
        while len(list(Path("apart").rglob(".pieces/**/*.checkpoint"))) < 2:
            assert first.poll() is None
            time.sleep(0.05)
        found = below(first.pid)
        first.kill()
    assert len(found) >= 2
    while any(map(is_there, found)):
        time.sleep(0.05)
    stop, seen = runs.StopRequest(), list[float]()

    def moved(label: str, step: float, total: int, note: str) -> None:
        seen.append(step)
        stop.request()

    watching = runs.Talking(moved=moved)
    unit = spec.units()[0]
    with pytest.raises(runs.Stopped):  # where it was cut off, it goes on
        runs.carry_out(
            unit, "apart", keeping=runs.Keeping(resume=True), observer=watching, stop=stop
        )
    assert seen[0] > 0
