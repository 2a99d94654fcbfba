"""The commands that people know, as they are written, on a small dataset and tiny budgets."""

import json
from itertools import count
from pathlib import Path

import pytest

import datastill
from datastill.cli import main
from test_cifar import write as write_cifar
from test_datasets import write_idx

STRATEGY = "color_crop_cutout_flip_scale_rotate"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_idx(folder / "data" / "FashionMNIST", images=100)
    write_cifar(folder / "data" / "CIFAR10", "CIFAR10", binary=True, each=20)
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def run(line: str) -> None:
    main([*line.split(), "--quiet"])


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "num"), [("FashionMNIST", 10), ("CIFAR10", 1)])
def test_train(home: Path, dataset: str, num: int) -> None:
    run(f"train --dataset {dataset} --model ConvNet --num {num} --epochs 1 --batch-train 32")
    others = ["AlexNet", "VGG11", "ResNet18"] if dataset == "CIFAR10" else []
    if others:
        run(f"train --dataset {dataset} --model {' '.join(others)} --num 1 --epochs 1")
    folder = home / "pretrained_model" / dataset / "original"
    assert len(json.loads((folder / "ConvNet" / "manifest.json").read_text())) == num
    for model in others:
        assert (folder / model / "model_000_epoch_001.safetensors").is_file()


LINES = (
    "--method DC --model ConvNet --ipc 10 "
    "--alphas 2000 --models-pool ConvNet --model-num 10 --inner-loop 1",
    "--method DSA --model ConvNet --ipc 10 --init real "
    f"--dsa-strategy {STRATEGY} --alphas 1000 --models_pool ConvNet --model_num 10 "
    "--inner-loop 1",
    "--method DM --ipc 10 --alphas 2000 --models-pool ConvNet --model-num 10",
    "--method DC --model ConvNet --ipc 10 --inner-loop 1 "
    "--alphas 1000 2000 1000 2000 --models-pool ConvNet AlexNet VGG11 ResNet18 --model-num 1",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        *(("FashionMNIST", line) for line in LINES[:-1]),
        ("CIFAR10", LINES[-1]),
    ],
)
def test_distill(home: Path, dataset: str, line: str) -> None:
    words = line.split()
    method, ipc = words[1], words[words.index("--ipc") + 1]
    updates = 2 if method == "DSA" else 1  # the second by a network that has learnt the images
    run(f"distill --dataset {dataset} {line} --iterations {updates} --batch-real 4")
    made = datastill.load(home / "condensed" / dataset / method / f"IPC{ipc}")
    assert made.counts == (int(ipc),) * 10
    assert made.facts["method"] == method


@pytest.mark.parametrize("dataset", ["FashionMNIST", "CIFAR10"])
def test_validate(home: Path, dataset: str) -> None:
    run(
        f"validate --dataset {dataset} --method DC --ipc 10 --model ConvNet --dsa --save-model "
        "--epochs 1 --num-eval 1"
    )
    folder = home / "condensed" / dataset / "DC" / "IPC10"
    assert (folder / "models" / "ConvNet_000.safetensors").is_file()
    (report,) = json.loads((folder / "validation.json").read_text())
    assert report["protocol"]["name"] == "dsa"


def test_contrastive_clom_with_models_of_another_dataset(home: Path) -> None:
    run("train --dataset digits --model ConvNetD2W16 --num 1 --epochs 1")
    run(
        "distill --dataset FashionMNIST --method DM --ipc 1 --iterations 2 --batch-real 4 "
        "--alphas 5 --clom-distance cosine --clom-batch-size 32 --source-dataset digits "
        "--models-pool ConvNetD2W16"
    )
    made = datastill.load(home / "condensed" / "FashionMNIST" / "DM" / "IPC1")
    assert made.facts["clom"]["source_dataset"] == "digits"


def test_a_network_of_ones_own(home: Path) -> None:
    (home / "my_networks.py").write_text(
        "from torch import nn\n"
        "def small(domain):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))\n"
    )
    own = "my_networks:small"
    run(f"train --dataset FashionMNIST --model {own} --num 1 --epochs 1")
    run(
        f"distill --dataset FashionMNIST --method DM --model {own} --ipc 2 --iterations 2 "
        f"--batch-real 4 --alphas 5 --models-pool {own}"
    )
    run(f"validate --dataset FashionMNIST --ipc 2 --model {own} --epochs 1 --num-eval 1")
    made = datastill.load(home / "condensed" / "FashionMNIST" / "DM" / "IPC2")
    assert made.facts["model"] == own
    (report,) = made.facts["validated"]
    assert [row["model"] for row in report["results"]] == [own]


def test_a_run_that_shall_end_in_time(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.runs.costs.budget.OVERHEAD", 1.0)
    now = count()
    monkeypatch.setattr("datastill.runs.costs.budget._now", lambda: next(now) * 0.05)
    line = "distill --dataset digits --model ConvNetD1W16 --method DC --ipc 1 --save-path timed"
    main([*line.split(), "--max-minutes", "0.3"])
    said = capsys.readouterr().out
    made = datastill.load(home / "timed" / "digits" / "DC" / "IPC1")
    updates = made.facts["step"]
    assert "nothing is known yet of what DC reaches on digits" in said
    assert made.facts["descent"]["updates"] == updates > 1
    (validation,) = made.facts["validated"]
    assert len(validation["results"][0]["accuracies"]["values"]) == 1
    assert f"{updates} updates and 1 network " in said


def test_a_budget_that_is_too_small_writes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "distill --dataset digits --model ConvNetD1W16 --ipc 1 --save-path never"
    with pytest.raises(SystemExit):
        main([*line.split(), "--max-minutes", "0.001"])
    assert "0.001 minutes are too few here" in capsys.readouterr().err
    assert not (home / "never").exists()


@pytest.mark.parametrize("method", ["DM", "DC"])
def test_estimate(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"estimate --dataset digits --model ConvNetD1W16 --method {method} --ipc 2"
    main([*line.split(), "--models-pool", "MLP", "--iterations", "1000"])
    said = capsys.readouterr().out
    for term in ("the method", "CLOM", "training", "testing", "libraries", "an update"):
        assert term in said
    assert ("the method, first of" in said) == (method == "DC")
    assert said.splitlines()[-1].startswith("1000 updates: ")
