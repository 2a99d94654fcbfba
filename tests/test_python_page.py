"""What the page about Python shows is what works."""

import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from PIL import Image

import datastill as ds
from datastill.cli import main
from pictures import picture

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
COMMANDS = re.findall(r"^ +datastill (.*)$", PAGE.replace("\\\n", " "), flags=re.M)
FILE = "# my_networks.py\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_networks", raising=False)  # of another test
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(10):
            made = Image.fromarray(picture((40, 52, 3), seed=len(name) * 100 + i))
            made.save(tmp_path / "pictures" / name / f"{i}.png")
    (own,) = (block for block in blocks() if block.startswith(FILE))
    (tmp_path / "my_networks.py").write_text(own)
    yield tmp_path
    sys.modules.pop("my_networks", None)


def blocks() -> list[str]:
    _, *others = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    return others  # the first, which stands for itself, is held by test_readme


@pytest.mark.slow
@pytest.mark.usefixtures("sketched")
def test_the_python_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "".join(block for block in blocks() if not block.startswith(FILE))
    names: dict[str, object] = {}
    exec(compile(code, "python.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [f"{step} ['calm', 'clom', 'match']" for step in (4, 5, 6)]
    rows = ["mine.safetensors 2 (", "random 2 (", "k-means 2 (", "all real images 16 ("]
    runs = [
        "['ConvNetD1W16 0', 'ConvNetD1W16 1'] 2",
        "6 updates, which are mostly ",
    ]
    last = ["synthetic ConvNetD1W16 (", "['dataset', "]
    for line, begun in zip(said[3:], [*runs, *rows, *last], strict=True):
        assert line.startswith(begun)
    assert {path.name for path in (home / "comparison" / "mine").iterdir()} == {
        *("comparison.json", "comparison.png", "run.toml"),
    }
    assert (home / "mine.validation.json").exists()
    assert len(list((home / "models").iterdir())) == 1
    assert ds.load("condensed/mine").images.equal(ds.load("condensed/again").images)
    made = ds.load("mine.safetensors")
    assert made.domain.shape == (3, 32, 32)
    whole = [
        *ds.distill(*(names[n] for n in ("method", "task", "descent")), regularisers=names["terms"])
    ]  # pyright: ignore
    assert torch.equal(whole[-1].synthetic.images, made.images)
    assert set(names["ranks"]) == {"om-accuracy", "coverage"}  # pyright: ignore
    assert (home / "studies" / "digits" / "study.md").exists()
    assert (home / "assessed" / "assessment.json").exists()
    assert len(names["scored"].random) == 5  # pyright: ignore
    assert torch.equal(ds.load("soft").labels, names["soft"].set.labels)  # pyright: ignore


def test_every_command_works_as_written(home: Path) -> None:
    budgets = {"train": [], "distill": ["--iterations", "3"]}
    short = {"validate": ["--epochs", "2", "--num-eval", "1"]}
    for line in COMMANDS:
        words = line.split()
        main([*words, *budgets.get(words[0], []), *short.get(words[0], []), "--quiet"])
    assert [line.split()[0] for line in COMMANDS] == ["train", "distill", "validate"]
    assert ds.load("condensed/digits/DM/IPC1").facts["validated"]
