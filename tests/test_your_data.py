"""docs/your-data.md, as it is written, with smaller budgets."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features
from datasets import Image as Picture
from PIL import Image
from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

import datastill
from datastill.base.rng import Key
from datastill.cli import main
from pictures import picture, write_pictures

PAGE = (Path(__file__).parents[1] / "docs" / "your-data.md").read_text()
COUNTS = {"bird": 14, "cat": 16, "dog": 13, "fish": 20, "fox": 13, "hen": 13, "owl": 3}
BUDGETS = {
    "assess": "--draws 1",
    "all": "--iterations 1 --epochs 1 --num-eval 1 --model ConvNetW16",
    "train": "--num 1 --epochs 1 --model ConvNetW16",
    "distill": "--iterations 1 --batch-real 4 --model ConvNetW16",
    "validate": "--num-eval 1 --epochs 1 --model ConvNetW16",
}


def commands() -> list[list[str]]:
    text = PAGE.replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^    datastill (\w.*)$", text, flags=re.M)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make everything that the page speaks of."""
    root = tmp_path_factory.mktemp("home")
    write_pictures(root / "pictures", COUNTS, (40, 52, 3), ending="jpg")
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 256, (30, 16, 16), np.uint8), np.arange(30) % 3
    np.savez(root / "scans.npz", images=arrays[0], labels=arrays[1])
    np.savez(root / "other.npz", scans=arrays[0], grade=arrays[1])
    held = {
        "image": [Image.fromarray(picture((32, 32, 3), seed=i)) for i in range(100)],
        "label": [i % 10 for i in range(100)],
    }
    names = ClassLabel(names=[str(k) for k in range(10)])
    table = Dataset.from_dict(held, features=Features({"image": Picture(), "label": names}))
    DatasetDict({"train": table}).save_to_disk(root / "my-dataset")
    (root / "copy-of-cifar10" / "data").mkdir(parents=True)
    for split in ("train", "test"):
        table.to_parquet(root / "copy-of-cifar10" / "data" / f"{split}-00000-of-00001.parquet")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    with Key(0).scope():
        Dinov2Model(Dinov2Config(**sizes, image_size=28, patch_size=14)).save_pretrained(
            root / "dinov2"
        )
    crop = {"height": 28, "width": 28}
    BitImageProcessor(size={"shortest_edge": 28}, crop_size=crop).save_pretrained(root / "dinov2")
    return root


def test_a_class_that_is_too_small_for_the_first_command_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    with pytest.raises(SystemExit):
        main(commands()[0])
    told = "class 'owl' has 3 real images, of which 1 is kept for tests: 2 are fewer than the 10"
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (home / "condensed").exists()


def test_every_command_works_as_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for i in range(13):  # the page begins with classes of a dozen and more
        Image.fromarray(picture((40, 52, 3), seed=7500 + i)).save(f"pictures/owl/{50 + i}.jpg")
    lines = commands()
    assert len(lines) >= 11
    assert {words[0] for words in lines} == set(BUDGETS)
    for words in lines:
        pool = ["--models-pool", "ConvNetW16"] if words[-2:] == ["--models-pool", "ConvNet"] else []
        main([*words, *BUDGETS[words[0]].split(), *pool, "--quiet"])
    sets = home / "condensed"
    assert datastill.load(sets / "pictures-32/DM/IPC10").counts == (10,) * 7
    assert datastill.load(sets / "pictures-32/DM/IPCowl-2-rest-10").counts == (10,) * 6 + (2,)
    assert len(datastill.load(sets / "pictures-32/DM/IPCproportional-50")) == 50
    (guided,) = (sets / "pictures-32/DM").glob("IPC10@*")  # beside that of the first command
    assert datastill.load(guided).facts["clom"]["alphas"] == [100.0]
    assert datastill.load(sets / "pictures-32/DM/IPC3").facts["validated"]
    assert (sets / "pictures-32/DM/IPC3/assessment.json").is_file()
    assert (sets / "pictures-32/DM/IPC10/preview.png").is_file()
    given_away = list((sets / "pictures-32/DM/IPC10/export").glob("*/*.png"))
    assert {path.parent.name for path in given_away} == set(COUNTS)
    assert len(given_away) == 70
    assert {path.name for path in sets.iterdir()} == {
        "pictures-32",
        "scans",
        "other",
        "my-dataset",
        "CIFAR10",
    }


def test_what_was_given_away_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "condensed" / "digits" / "DM" / "IPC1" / "export.npz"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(SystemExit) as ending:
        main(["all", "--dataset", "digits", "--ipc", "1", "--export", "npz"])
    assert ending.value.code == 2
    assert "export.npz is there, which is never replaced" in capsys.readouterr().err
    assert [path.name for path in kept.parent.iterdir()] == ["export.npz"]
    assert kept.read_text() == "mine"


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "your-data.md", "exec"), {})
    assert capsys.readouterr().out == "(3, 20, 24) (15, 15, 15) 15 (3, 16, 16)\n"
