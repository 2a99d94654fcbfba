"""One distillation by several processes of torchrun: the same set, however many there are."""

import os
import signal
import socket
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from copies import python
from datastill import load, runs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.distillation.learned import labelled
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.distribution_matching import DistributionMatching
from datastill.distillation.parameters import Sgd
from datastill.distillation.parametrisations import Pixels
from datastill.distillation.sharing import Share
from datastill.networks import builder
from datastill.runs.making import ranks as joining
from test_cli import Run, files, run

__all__ = ["run"]

TRAIN = runs.TrainSpec(
    data=runs.DataSpec("digits"), models=("MLP",), num=2, epochs=1, compute=runs.ComputeSpec()
)
CLOM = {
    "pool": runs.PoolSpec(architectures=("MLP",), num=2),
    "clom": runs.ClomSpec(alphas=(3.0,)),
}
SPECS = {
    "DM": {"method": "DM", "updates": 6, **CLOM},
    "DC": {"method": "DC", "updates": 3, "settings": {"outer_loop": 2, "inner_loop": 2}, **CLOM},
    "uneven": {"method": "DSA", "updates": 2, "ipc": "0=2,3=3,7=1,rest=1"},
}


def spec_of(name: str) -> runs.DistillSpec:
    given = {"data": runs.DataSpec("digits"), "model": "ConvNetD1W16", "ipc": 1, "batch": 8}
    return runs.DistillSpec(**{**given, **SPECS[name]})  # pyright: ignore[reportArgumentType]


FORKING = """
import gc, os, signal, sys, time
from importlib import import_module
from pathlib import Path
from torch import distributed

for all_that_a_run_imports in (
    *("datastill.runs.foresight.checking", "datastill.runs.making.distilling"),
    *("datastill.runs.showing.summaries", "datastill.runs.specs.recipes"),
    *("sklearn.datasets", "sklearn.model_selection", "torch._dynamo"),
):
    import_module(all_that_a_run_imports)
from datastill import cli

gc.freeze()

def begun(world, rank, port, act, errors=None):
    child = os.fork()
    if child:
        return child
    os.environ.pop("TORCHELASTIC_USE_AGENT_STORE", None)
    os.environ.update(
        TORCHELASTIC_RUN_ID="none", MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world),
    )
    if errors:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    code = 1
    try:
        act()
        distributed.destroy_process_group()
        code = 0
    except SystemExit as ending:
        code = ending.code
    finally:
        sys.stderr.flush()
        os._exit(code)

"""
"""Processes as torchrun starts them, from one that has loaded the libraries: that takes longest."""

SEVERAL = """
def all_of_them(root):
    for name in sys.argv[3:]:
        cli.main(["run", f"{name}.toml", "--save-path", f"{root}/{name}", "--quiet"])

if os.environ["RANK"] == "0":
    for world, port in ((1, sys.argv[1]), (3, sys.argv[2])):
        children = [
            begun(world, rank, port, lambda: all_of_them(f"by{world}")) for rank in range(world)
        ]
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
all_of_them("by2")
"""
"""Descriptions carried out by one process, by three, and by those that torchrun starts."""

LOSING = """
line = ["run", "long.toml", "--save-path", "cut", "--quiet"]
kept = [*line, "--checkpoint-minutes", "0"]
first, second = (
    begun(2, rank, sys.argv[1], lambda: cli.main(kept), f"said{rank}") for rank in range(2)
)
while not list(Path("cut").rglob("distill.checkpoint")):
    assert os.waitpid(first, os.WNOHANG) == (0, 0)
    time.sleep(0.005)
os.kill(second, signal.SIGKILL)
os.waitpid(second, 0)
print(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))

def again():
    cli.main([*line, "--resume"])
    cli.main([*line, "--save-path", "whole"])

assert os.waitpid(begun(1, 0, sys.argv[2], again), 0)[1] == 0
"""
"""A run of two processes, of which one is killed, and what goes on by one."""


def done_by(*words: str) -> str:
    """Return what Python says, with all that several processes need."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(python(*words), capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_ports() -> list[str]:
    """Return two ports that nobody listens on."""
    found = [socket.socket() for _ in range(2)]
    for free in found:
        free.bind(("127.0.0.1", 0))
    ports = [str(free.getsockname()[1]) for free in found]
    for free in found:
        free.close()
    return ports


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    runs.train(TRAIN, "pretrained_model")
    for name in SPECS:
        Path(f"{name}.toml").write_text(spec_of(name).to_toml())
    torch.set_num_threads(threads)
    return tmp_path


def made(root: str, name: str) -> ImageSet:
    (file,) = Path(root, name).rglob("synthetic.safetensors")
    return load(file)


@pytest.mark.slow
def test_the_set_is_the_same_by_one_two_and_three_processes(home: Path) -> None:
    Path("several.py").write_text(FORKING + SEVERAL)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    copied = ("--no-python", *python("several.py"))
    done_by(*torchrun, *copied, *free_ports(), *SPECS)  # as people start them
    for name in SPECS:
        one = made("by1", name)
        for world in (2, 3):
            assert torch.equal(one.images, made(f"by{world}", name).images), (name, world)
            assert files(home / f"by{world}") == files(home / "by1")
        alone = runs.distill(spec_of(name)).set
        assert torch.allclose(one.images, alone.images, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(
    torch.__version__.startswith("2.6."),
    reason="PyTorch 2.6 may not hear that a process is lost; torchrun then ends the others itself",
)
def test_a_run_whose_process_is_killed_goes_on_under_another_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = replace(spec_of("DM"), updates=50, model="MLP", clom=None, pool=runs.PoolSpec())
    Path("long.toml").write_text(spec.to_toml())
    Path("losing.py").write_text(FORKING + LOSING)
    assert done_by("losing.py", *free_ports()) == "2\n"
    said = Path("said0").read_text()
    assert "datastill: a process of this distillation is lost" in " ".join(said.split())
    assert "Traceback" not in said
    assert torch.equal(made(".", "cut").images, made(".", "whole").images)


class Alone:
    """Hears of nobody."""

    def gathered(self, mine: torch.Tensor) -> list[torch.Tensor]:
        return [mine]

    def go_on(self) -> None: ...


def task(model: str, rank: int = 0, world: int = 1) -> Task:
    real = load_split("digits", "train")
    return Task(real, builder(model, real.domain), Key(0), share=Share(rank, world, 10, Alone()))


@pytest.mark.parametrize(
    ("method", "model", "learned", "told"),
    [
        ("NCFM", "ConvNetD1W16", False, "CharacteristicFunction sees the whole set: start it once"),
        ("DM", "ConvNetD1W16", True, "`labels` is learned of all classes at once"),
        ("DM", "ConvNetD1W16BN", False, "cannot be shared out where the network normalises by its"),
    ],
)
def test_what_looks_at_all_classes_is_refused(
    method: str, model: str, learned: bool, told: str
) -> None:
    published = METHODS[method](1)
    shape, moved = labelled(Pixels(), {"images": Sgd(1.0)}, learned=learned)
    descent = published.descent(1, updates=1, batch=4, parametrisation=shape, optimisers=moved)
    with pytest.raises(InputError, match=told):
        next(distill(published.method, task(model), descent))


def test_a_regulariser_that_looks_at_all_classes_is_refused() -> None:
    descent = METHODS["DM"](1).descent(1, updates=1, batch=4)

    def mean(images: torch.Tensor, labels: torch.Tensor, *, key: Key) -> torch.Tensor:
        return images.mean()

    with pytest.raises(InputError, match="the regulariser 'mean' looks at all classes at once"):
        next(distill(DistributionMatching(), task("MLP"), descent, regularisers={"mean": mean}))


def test_a_process_moves_the_images_of_its_own_classes_alone() -> None:
    descent = METHODS["DM"](1).descent((1, 2, 0, 1, 1, 1, 1, 1, 1, 1), updates=2, batch=4)
    parts = [
        next(distill(DistributionMatching(), task("ConvNetD1W16", rank, 3), descent)).synthetic
        for rank in range(3)
    ]
    whole = next(distill(DistributionMatching(), task("ConvNetD1W16"), descent)).synthetic
    start = next(distill(DistributionMatching(), task("ConvNetD1W16", 3, 4), descent)).synthetic
    for row, label in enumerate(whole.labels.tolist()):
        assert torch.equal(parts[label % 3].images[row], whole.images[row])
        if label % 4 != 3:
            assert torch.equal(parts[(label + 1) % 3].images[row], start.images[row])


def test_a_process_does_not_leave_while_the_last_message_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One in four runs was aborted at its very end, by a thread that came too late."""
    done = list[str]()
    monkeypatch.setattr(
        joining.time, "sleep", lambda seconds: done.append(f"waits {seconds > 0.1}")
    )
    monkeypatch.setattr(joining.distributed, "destroy_process_group", lambda: done.append("leaves"))
    joining._leave()
    assert done == ["waits True", "leaves"]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with one GPU, of which nothing is there but what is asked of it."""
    asked: list[int] = []

    def chosen(number: int) -> None:
        asked.append(number)
        if number:
            raise RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel errors might be")

    def met(backend: str, **_: object) -> None:
        raise RuntimeError(f"nobody is there to meet by {backend}")

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", chosen)
    monkeypatch.setattr(joining.distributed, "init_process_group", met)
    return asked


LINE = "distill --dataset digits --model MLP --ipc 1 --iterations 1"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_more_processes_than_gpus_are_told_by_each(
    run: Run, gpus: list[int], rank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", rank)
    said = run(LINE)
    assert said.code == 2
    told = "torchrun started 2 processes where there is a GPU for 1: start that many on a machine"
    assert told in " ".join(said.err.split())
    assert "or pass --device cpu" in " ".join(said.err.split())
    assert not gpus


def test_what_a_gpu_says_is_one_line(
    run: Run, gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setenv("LOCAL_RANK", "1")
    said = run(LINE)
    assert said.code == 2
    assert "do not meet: CUDA error: invalid device ordinal" in " ".join(said.err.split())
    assert gpus == [1]


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("auto", "cpu:gloo,cuda:nccl")])
def test_no_gpu_is_touched_where_none_is_to_compute(
    run: Run, gpus: list[int], device: str, backend: str
) -> None:
    said = run(f"{LINE} --device {device}")
    assert said.code == 2
    assert f"do not meet: nobody is there to meet by {backend}" in " ".join(said.err.split())
    assert gpus == ([] if device == "cpu" else [0])


def test_the_first_process_alone_prints_what_was_found(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = joining.Ranks(1, 2)
    monkeypatch.setattr(follower, "follow", lambda: None)
    monkeypatch.setattr(joining, "joined", lambda *_: nullcontext(follower))
    said = run(f"{LINE} --json")
    assert (said.code, said.out) == (0, "")


def test_a_process_that_follows_leaves_signals_to_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follower, ignored = joining.Ranks(1, 2), list[int]()
    monkeypatch.setattr(joining.signal, "signal", lambda number, _: ignored.append(number))
    monkeypatch.setattr(joining.distributed, "broadcast_object_list", lambda *_, **__: None)
    follower.follow()
    assert {*ignored} == {signal.SIGINT, signal.SIGTERM}
