"""Pages of how to do things are typed as they stand, with smaller budgets."""

import re
from pathlib import Path

import pytest

from datastill.cli import main

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.slow
BUDGETS = {
    "distill": "--iterations 2 --quiet",
    "compare": "--epochs 2 --num-eval 1 --real-epochs 1 --quiet",
    "train": "--num 1 --epochs 1 --quiet",
    "sweep": "--quiet",
    "assess": "--quiet",
    "select": "--quiet",
}


def commands(page: str) -> list[list[str]]:
    text = (DOCS / page).read_text().replace("\\\n", " ")
    lines = re.findall(r"^    datastill (\w.*)$", text, flags=re.M)
    return [[*line.split(), *BUDGETS[line.split()[0]].split()] for line in lines]


def code(page: str, language: str = "python") -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    return found


def test_methods_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shorter = code("fair-comparison.md", "toml").replace("updates = 100", "updates = 1")
    (tmp_path / "fair.toml").write_text(shorter)
    for words in commands("fair-comparison.md"):
        main(words)
    exec(compile(code("fair-comparison.md"), "fair-comparison.md", "exec"), {})
    assert re.search(r"DM less DSA: .*\d", capsys.readouterr().out)


def test_sets_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands("choosing.md"):
        main(words)
    assert (tmp_path / "long/digits/DM/IPC1/assessment.json").is_file()


def test_architectures_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    shorter = re.sub(r"epochs=\d+", "epochs=1", code("architecture-search.md"))
    exec(compile(shorter, "architecture-search.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said] == ["distilled: 50 images", "random: 50 images"]


def test_a_memory_keeps_from_forgetting(capsys: pytest.CaptureFixture[str]) -> None:
    shorter = code("continual-learning.md").replace("range(3)", "range(2)")
    exec(compile(shorter, "continual-learning.md", "exec"), {})
    said = dict(re.findall(r"memory: (\w+), old classes: ([\d.]+)", capsys.readouterr().out))
    assert float(said["distilled"]) > float(said["nothing"]) + 10
