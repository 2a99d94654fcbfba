"""The command line as a person meets it."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import datastill
from datastill.cli import COMMANDS, main
from datastill.cli.console import Console
from datastill.datasets import load_split
from datastill.runs.compound.demonstration import Demonstration
from datastill.runs.inputs.computing import rounding_of
from datastill.runs.specs import ComputeSpec
from datastill.store import load_pool, pool_folder
from test_datasets import write_idx

Run = Callable[[str], "Said"]
QUICK = "--dataset digits --model ConvNetD2W16"


class Said:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def go(line: str) -> Said:
        code = 0
        try:
            main(line.split())
        except SystemExit as ending:
            code = int(ending.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return go


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_whole_path(run: Run, tmp_path: Path) -> None:
    said = run(f"train {QUICK} --num 2 --epochs 3 --batch-train 64 --lr-net 0.05")
    assert said.code == 0, said.err
    assert len(load_pool(pool_folder(tmp_path / "pretrained_model", "digits", "ConvNetD2W16"))) == 2

    distil = f"distill {QUICK} --method dm --ipc 2 --iterations 4 --batch-real 16"
    said = run(f"{distil} --alphas 3 --models-pool ConvNetD2W16 --model-num 2")
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC2"
    assert files(folder) == {
        "synthetic.safetensors",
        "preview.png",
        "settings.json",
        "log.jsonl",
        "distill.state",
        "evolution.safetensors",
        "run.toml",
    }
    made = datastill.load(folder)
    assert made.counts == (2,) * 10
    assert made.facts["method"] == "DM"
    assert made.facts["step"] == 4
    assert made.facts["clom"]["alphas"] == [3.0]
    assert made.facts["dsa_strategy"] == "color_crop_cutout_scale_rotate"
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "done"
    assert {"step", "match", "clom"} <= set(events[0])

    said = run(
        "validate --dataset digits --method DM --ipc 2 --model ConvNetD2W16 MLP "
        "--num-eval 2 --epochs 3 --against random --save-model"
    )
    assert said.code == 0, said.err
    assert "minus random" in said.out
    (report,) = json.loads((folder / "validation.json").read_text())
    found = {(row["source"], row["model"]): row["accuracies"] for row in report["results"]}
    assert set(found) == {
        (source, model) for source in ("synthetic", "random") for model in ("ConvNetD2W16", "MLP")
    }
    assert all(len(row["values"]) == 2 for row in found.values())
    assert len(files(folder / "models")) == 4
    assert "the networks are in condensed/digits/DM/IPC2/models" in said.out
    assert datastill.load(folder).facts["validated"] == [report]

    said = run(f"validate {folder} --model MLP --num-eval 1 --epochs 1 --dsa")
    assert said.code == 0, said.err
    assert len(json.loads((folder / "validation.json").read_text())) == 2
    assert torch.equal(datastill.load(folder).images, made.images)


def test_fashion_mnist_from_idx_files(run: Run, tmp_path: Path) -> None:
    write_idx(tmp_path / "data" / "FashionMNIST" / "raw", zipped=True, images=40)
    said = run(
        "distill --dataset FashionMNIST --model MLP --ipc 1 --iterations 2 --batch-real 4 "
        "--dsa_strategy color_crop_cutout_flip_scale_rotate --init noise"
    )
    assert said.code == 0, said.err
    made = datastill.load(tmp_path / "condensed" / "FashionMNIST" / "DM" / "IPC1")
    assert made.images.shape == (10, 1, 28, 28)
    said = run("validate --dataset fashionmnist --ipc 1 --model MLP --num-eval 1 --epochs 2")
    assert said.code == 0, said.err


def test_mnist_is_validated_by_gradient_matching_as_published(run: Run, tmp_path: Path) -> None:
    write_idx(tmp_path / "data" / "MNIST", images=40)
    made = "distill --dataset MNIST --method DC --model MLP --ipc 1 --iterations 1 --batch-real 4"
    assert run(made).code == 0
    line = "validate --dataset MNIST --method DC --ipc 1 --model MLP --num-eval 1"
    said = run(f"{line} --epochs 2")
    assert said.code == 0, said.err
    assert "3 epochs with augmentation crop_scale_rotate" in said.out
    said = run(f"{line} --epochs 2 --augmentation crop_noise")
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "MNIST" / "DC" / "IPC1"
    reports = json.loads((folder / "validation.json").read_text())
    augmentations = [report["protocol"]["augmentation"] for report in reports]
    assert augmentations == ["crop_scale_rotate", "crop_noise"]
    said = run(f"{line} --augmentation corp_noise")
    assert said.code == 2
    assert "no augmentation named 'corp' in 'corp_noise'; did you mean 'crop'?" in said.err


def test_same_seed_same_file_and_another_seed_another(run: Run, tmp_path: Path) -> None:
    def images(name: str, seed: int) -> torch.Tensor:
        said = run(
            f"distill {QUICK} --ipc 1 --iterations 3 --batch-real 8 "
            f"--seed {seed} --save-path {name} --quiet"
        )
        assert (said.code, said.out) == (0, "")
        torch.rand(3)  # somebody else's draw
        return datastill.load(tmp_path / name / "digits" / "DM" / "IPC1").images

    assert torch.equal(images("a", 1), images("b", 1))
    assert not torch.equal(images("a2", 1), images("c", 2))


def test_models_are_added_and_never_renumbered(run: Run, tmp_path: Path) -> None:
    line = "train --dataset digits --model MLP --num 1 --epochs 1 --seed 5"
    assert run(line).code == 0
    folder = pool_folder(tmp_path / "pretrained_model", "digits", "MLP")
    first = files(folder)
    refused = run(line)
    assert refused.code == 2
    assert "'datastill train --add' adds others" in refused.err
    assert run(f"{line} --add --save-epochs 1").code == 0
    assert first < files(folder)
    rows = json.loads((folder / "manifest.json").read_text())
    assert [(row["number"], row["seed"], row["epoch"]) for row in rows] == [(0, 5, 1), (1, 5, 1)]
    for row in rows:
        assert row["architecture"] == "MLP"
        assert 0 < row["held_out_accuracy"] <= 1
        assert 0 < row["train_accuracy"] <= 1
        assert row["held_out_images"] + row["train_images"] == 1347
        assert row["normalisation"]["mean"]
    together = run(f"{line} --num 2 --save-path elsewhere")
    assert together.code == 0
    other = load_pool(pool_folder(tmp_path / "elsewhere", "digits", "MLP"))
    for one, two in zip(load_pool(folder), other, strict=True):
        for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
            assert torch.equal(a, b)
    assert run(f"{line} --overwrite").code == 0
    assert files(folder) == first


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("distil --dataset digits", "no command 'distil'; did you mean 'distill'?"),
        ("--dataset digits", "no option '--dataset'"),
        ("train", "datastill train needs --dataset"),
        ("train --dataset digits --numb 3", "no option --numb; did you mean 'num'?"),
        ("train --dataset digits --num three", "--num takes a whole number"),
        ("train --dataset digts", "no dataset named 'digts'; did you mean 'digits'?"),
        ("train --dataset digits --model ConvNut", "did you mean 'ConvNet'?"),
        ("train --dataset digits --model ConvNetD9", "ConvNet may be followed by D1"),
        ("train --dataset digits --model ConvNetD4", "needs images of at least 16 pixels"),
        ("train --dataset digits --num 0", "--num must be above zero, found 0"),
        ("train --dataset digits --epochs -5", "--epochs must be above zero, found -5"),
        ("train --dataset digits --epochs 5 --save-epochs 6", "--save-epochs 6 is not one of"),
        ("train --dataset digits --held-out 1.5", "--held-out must be below 1"),
        ("train --dataset digits --device tpu9", "cannot use --device tpu9"),
        ("train --dataset MNIST --data-path nowhere", "no file train-images-idx3-ubyte"),
        ("distill --dataset digits --method DN", "no method named 'DN'; did you mean 'DM'?"),
        ("distill --dataset digits --ipc 500", "class '0' has 133 real images, fewer than"),
        ("distill --dataset digits --ipc 0", "--ipc must be above zero"),
        ("distill --dataset digits --iterations -1", "--iterations must be above zero"),
        ("distill --dataset digits --lr-img nan", "--lr-img must be a finite number, found nan"),
        ("distill --dataset digits --batch-real 0", "--batch-real must be above zero"),
        ("distill --dataset digits --alphas -1", "--alphas must not be negative, found -1.0"),
        ("distill --dataset digits --alphas nan", "--alphas must be a finite number, found nan"),
        ("distill --dataset digits --alphas 1e999", "--alphas must be a finite number, found inf"),
        ("distill --dataset digits --alphas 1", "holds 0 original models, fewer than the 1"),
        ("distill --dataset digits --alphas 1 2 3 --models-pool ConvNet MLP", "3 alphas for 2"),
        (
            "distill --dataset digits --alphas 1 --models-pool MLP mlp",
            "--models-pool names 'mlp' twice",
        ),
        ("distill --dataset digits --dsa-strategy color_flop", "did you mean 'flip'?"),
        ("distill --dataset digits --init nois", "no start named 'nois'; did you mean 'noise'?"),
        (
            "distill --dataset digits --coreset-features MLP",
            "--coreset-features has a meaning with --init herding",
        ),
        (
            "distill --dataset digits --init herding --coreset-features MLP",
            "holds 0 original models",
        ),
        ("distill --dataset digits --save-path /proc/nowhere", "cannot write to /proc/nowhere"),
        ("validate", "name a set by its path, or by --dataset"),
        ("validate nowhere", "no image set at nowhere"),
        ("validate --dataset digits", "no image set at condensed/digits/DM/IPC10"),
        ("validate x.safetensors --dsa --no-dsa", "exclude each other"),
        ("validate x.safetensors --num-eval 0", "--num-eval must be above zero"),
        ("validate x.safetensors --together 0", "--together must be above zero"),
        ("distill --dataset digits --precision tf32", "--precision tf32 is for a GPU; a CPU has"),
        (
            "distill --dataset digits --precision bfloat16 --engine kernels",
            "--engine kernels computes in float32, not bfloat16",
        ),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    run: Run, tmp_path: Path, line: str, complaint: str
) -> None:
    said = run(line)
    assert said.code == 2
    assert complaint in said.err
    assert said.err.startswith("datastill: ")
    assert len(said.err.splitlines()) == 1
    assert not files(tmp_path)


def test_compiling_needs_a_compiler(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = run("distill --dataset digits --engine compiled")
    assert said.code == 2
    assert "--engine compiled needs a C++ compiler" in said.err
    assert not files(tmp_path)


def test_a_gpu_computes_in_tf32_unless_told_otherwise() -> None:
    assert rounding_of(ComputeSpec(), "cpu") == "float32"
    assert rounding_of(ComputeSpec(), "cuda:1") == "tf32"
    assert rounding_of(ComputeSpec(precision="float32"), "cuda") == "float32"
    assert rounding_of(ComputeSpec(precision="tf32"), "cuda") == "tf32"


def test_networks_are_validated_at_once_on_demand(run: Run, tmp_path: Path) -> None:
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    line = f"validate {folder} --model ConvNetD1W16 --num-eval 3 --epochs 4 --dsa"
    for options in ("", "--together 2"):
        said = run(f"{line} {options}")
        assert said.code == 0, said.err
        assert "one network after another" not in said.out
    one, other = (
        report["results"][0] for report in json.loads((folder / "validation.json").read_text())
    )
    assert (one["together"], other["together"]) == (1, 2)
    assert one["accuracies"]["values"] == pytest.approx(other["accuracies"]["values"], abs=0.005)


def test_networks_that_cannot_be_validated_at_once_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dropping.py").write_text(
        "from torch import nn\n"
        "def network(domain):\n"
        "    head = nn.Linear(64, len(domain.classes))\n"
        "    return nn.Sequential(nn.Flatten(), nn.Dropout(), head)\n"
    )
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    line = f"validate {folder} --model dropping:network --num-eval 2 --epochs 1"
    refused = run(f"{line} --together 2")
    assert refused.code == 2
    assert "dropping:network: 2 networks cannot be trained at once: torch.func fails" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not (folder / "validation.json").exists()


def test_a_second_run_needs_permission(run: Run, tmp_path: Path) -> None:
    line = f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4"
    assert run(line).code == 0
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    refused = run(line)
    assert refused.code == 2
    assert "this very run is in" in refused.err
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert run(line + " --seed 1 --overwrite").code == 0
    assert (folder / "synthetic.safetensors").read_bytes() != before["synthetic.safetensors"]


def test_a_network_that_does_not_fit_is_told_before_any_trains(run: Run, tmp_path: Path) -> None:
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    before = files(tmp_path)
    said = run(f"validate {folder} --model MLP VGG11 --num-eval 1 --epochs 1 --save-model")
    assert said.code == 2
    assert "VGG11 needs images of at least 32x32 pixels; digits has 8x8" in said.err
    assert files(tmp_path) == before


def test_a_set_cannot_be_validated_on_other_classes(run: Run, tmp_path: Path) -> None:
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    write_idx(tmp_path / "data" / "MNIST")
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    said = run(f"validate {folder} --dataset MNIST")
    assert said.code == 2
    assert "images of 1x28x28, but digits has 1x8x8" in said.err


def test_a_damaged_set_is_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"not a set")
    said = run(f"validate {file}")
    assert said.code == 2
    assert "is damaged or not a safetensors file" in said.err


@pytest.mark.parametrize(
    "line",
    [
        "import {}.pt",
        "run {}.toml",
        "distill --dataset ./{}",
        "distill --dataset digits --recipe {}",
        "distill --dataset digits --model MLP --ipc 1 --save-path {}",
        "all --dataset ./{}",
        "show {}",
    ],
)
def test_names_that_no_file_can_have_get_one_line(run: Run, tmp_path: Path, line: str) -> None:
    said = run(line.format(300 * "n"))
    assert said.code == 2
    assert "too long" in said.err
    assert "Traceback" not in said.err
    assert files(tmp_path) == set()


def command(words: list[str]) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "datastill", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


SLOW = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "safetensors")
HELP = """
import sys
from datastill.cli import COMMANDS, main
from datastill.cli.console import Console
for words in [["--help"], *([name, "--help"] for name in COMMANDS)]:
    print("====", *words)
    try:
        main(words)
    except SystemExit as ending:
        print("ended with", ending.code)
print("==== modules")
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """Ask one process for the help of everything, and then for its modules."""
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    parts = [part.split("\n", 1) for part in done.stdout.split("==== ")[1:]]
    return {title.removesuffix(" --help"): said for title, said in parts}


def test_help_loads_nothing_that_takes_long(helps: dict[str, str]) -> None:
    """All that it waits for is Python, tyro and rich."""
    assert list(helps) == ["--help", *COMMANDS, "modules"]
    assert all(f"\n  {name} " in helps["--help"] for name in COMMANDS)
    for name in COMMANDS:
        assert "--quiet" in helps[name]
        assert helps[name].rstrip().endswith("ended with 0")
    assert "tyro" in helps["modules"].split()
    assert not set(SLOW) & set(helps["modules"].split())


def test_every_option_has_help(helps: dict[str, str]) -> None:
    for name in COMMANDS:
        text = helps[name]
        options = re.findall(r"│ +(--[a-z-]+)", text)
        assert options
        for option in options:
            after = text.split(option, 1)[1][:400]
            words = re.sub(r"[│\s]+|\{.*?\}|\[.*?\]|[A-Z]{3,}", " ", after).strip()
            assert not words.startswith(("--", "(default", "(required")), f"{name} {option}"


def test_python_m_and_version() -> None:
    done = command(["--version"])
    assert done.stdout.strip() == "datastill 0.1.0"
    assert command(["nonsense"]).returncode == 2


def test_python_that_leaves_docstrings_out_takes_the_same_options() -> None:
    """``PYTHONOPTIMIZE=2``: what is said of options is gone, and no more."""
    code = "from datastill.cli import parse; print(parse(['validate', 'a', '--seed', '3']).path)"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("a\n", "")


def test_the_test_split_is_not_read_to_distil(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def spy(name: str, split: str, *others: object):
        asked.append(split)
        return load_split(name, split, *others)

    monkeypatch.setattr("datastill.runs.inputs.reading.load_split", spy)
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    assert asked == ["train"]


def test_the_demo_shows_that_it_works(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[tuple[str, int]] = []

    def spy(console: Console, label: str, total: int, begun: int = 0):
        bars.append((label, total))
        assert not console.quiet
        return bar(console, label, total, begun)

    bar, originals = Console.progress, Demonstration.originals.fget
    assert originals is not None
    monkeypatch.setattr(Console, "progress", spy)
    few = property(lambda demo: replace(originals(demo), epochs=1))
    monkeypatch.setattr(Demonstration, "originals", few)
    monkeypatch.setattr("datastill.runs.compound.demonstration.EPOCHS", 2)
    monkeypatch.setattr("datastill.runs.compound.demonstration.UPDATES", 2)
    said = run("demo --num-eval 2")
    assert said.code == 0, said.err
    for row in ("random", "distilled", "distilled with CLOM", "all 1347 real images"):
        assert said.out.count(row) >= 2
    assert (tmp_path / "demo" / "with-clom" / "digits" / "DM" / "IPC1" / "preview.png").is_file()
    results = json.loads((tmp_path / "demo" / "demo.json").read_text())["results"]
    assert len(results) == 7
    assert Counter(label for label, _ in bars) == {
        **{f"ConvNetD2W32 {i}": 1 for i in range(3)},
        "distilling digits": 4,
        "training": 3,
    }
    told = run("report demo --out page.html")
    assert (told.code, told.err) == (0, "")
    page = Path("page.html").read_text(encoding="utf-8")
    order = ["What networks reach", "The sets: an image of each class"]
    order += ["distilled with CLOM, 10 images for each class", "What it was made of"]
    places = [page.index(wanted) for wanted in [*order, "Original models, each at"]]
    assert places == sorted(places)
    table = " ".join(said.out.partition("minus random (95 %)")[2].split("\n")[2].split())
    shown = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert table in shown  # the row of the set, as it was said
    assert "<h1>What the demo made</h1>" in page
    shutil.copytree("demo/with-clom/digits/DM/IPC1", "other")
    assert run("report other demo --out page.html").code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<h1>1 demo, 5 synthetic sets and 1 pool</h1>" in page
    Path("demo/demo.json").write_text('{"results": [{"ipc": 1}], "sets": []}')
    told = run("report demo --out page.html")
    assert (told.code, told.err) == (0, "")  # what is not damaged is shown
    assert re.search("^left out: .*; make it anew: datastill demo$", told.out, re.M)


def test_a_demo_replaces_its_own_models_alone(run: Run) -> None:
    assert run("train --dataset digits --model ConvNetD2W32 --num 1 --epochs 1").code == 0
    own = Path("pretrained_model/digits/original/ConvNetD2W32")
    before = {file: file.read_bytes() for file in own.rglob("*") if file.is_file()}
    said = run("demo --save-path .")
    assert said.code == 2
    assert "holds original models that no demo made" in said.err
    assert {file: file.read_bytes() for file in own.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("word", ["--save-path=~/made", "--save-path ~/made"])
def test_a_home_that_the_shell_left_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, word: str
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 {word} --quiet").code == 0
    assert list((home / "made").rglob("synthetic.safetensors"))
    assert not list(here.iterdir())
