"""What the page about sharing shows is what works."""

import re
from pathlib import Path

import pytest

import datastill
from datastill.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "sharing.md").read_text()
COMMANDS = re.findall(r"^ +datastill (.*)$", PAGE.replace("\\\n", " "), flags=re.M)
LESS = {"--epochs": 2, "--iterations": 3, "--num-eval": 2}
"""Smaller budgets: how good anything is does not matter here."""


def words(line: str) -> list[str]:
    """Return a command as it is written, with smaller budgets."""
    given = line.split()
    for option in LESS.keys() & {*given}:
        given[given.index(option) + 1] = str(LESS[option])
    return given


@pytest.mark.slow
@pytest.mark.usefixtures("sketched")
def test_every_command_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in COMMANDS:
        main([*words(line), "--quiet"])
    assert capsys.readouterr().out == ""
    made = datastill.load("condensed/digits/DM/IPC5")
    for name in ("theirs", "from-numpy", "from-table", "imported/digits-DM-IPC5-hub"):
        again = datastill.load(name)
        assert again.images.equal(made.images)
        assert again.labels.equal(made.labels)
        assert again.domain == made.domain
    assert datastill.load("theirs").facts["validated"]
    assert datastill.load("condensed/digits/DM/IPC5-soft").labels.ndim == 2
    for name in ("digits-IPC5-modern", "digits-IPC1-dsa"):
        assert (tmp_path / "comparison" / name / "comparison.json").is_file()
    for picture in ("digits.png", "tiles.png", "ranked/comparison.png"):
        assert (tmp_path / picture).is_file()

    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "sharing.md", "exec"), {})
    told = capsys.readouterr().out.strip()
    assert f"prints `{told}`" in PAGE


def test_the_page_shows_every_command_about_sets_of_others() -> None:
    shown = {line.split()[0] for line in COMMANDS}
    assert shown >= {"show", "relabel", "compare", "export", "import"}
