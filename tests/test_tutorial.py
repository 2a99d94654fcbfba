"""The tutorial, as a newcomer types it, with smaller budgets: every line that it shows is said."""

import re
from pathlib import Path

import pytest

from datastill.cli import main
from pictures import write_pictures

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
BUDGETS = {
    "distill": "--iterations 5",
    "train": "--epochs 2",
    "validate": "--epochs 8",
    "compare": "--epochs 8 --real-epochs 1",
    "all": "--model MLP --iterations 2 --epochs 2 --num-eval 1",
}
PROGRESS = re.compile(r"^(?:measuring|building|distilling|training|looking at)\b.*\n", flags=re.M)


def steps() -> list[tuple[str, str | None]]:
    """Return every command, and what the page shows of what it says."""
    text = re.sub(r"\\\n +", "", PAGE.partition("## Make a set")[2])
    found = re.findall(r"^    datastill ([^\n]*)\n(?:\n```text\n(.*?)```)?", text, re.M | re.DOTALL)
    return [(line, said or None) for line, said in found]


def masked(text: str) -> str:
    """Return a text without numbers, without what follows from them, and in one line."""
    text = re.sub(r"\b(?:better|worse|same)\b", "?", text.replace("\\\n", ""))
    text = re.sub(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?", "#", text)
    return " ".join(text.split())


def test_the_page_has_outputs() -> None:
    assert sum(said is not None for _, said in steps()) >= 8


@pytest.mark.slow
def test_every_command_says_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_pictures(tmp_path / "pictures", {"cat": 15, "dog": 15}, (36, 40, 3))
    for line, shown in steps():
        code = 0
        try:
            main([*line.split(), *BUDGETS.get(line.split()[0], "").split()])
        except SystemExit as ending:
            code = ending.code
        out = capsys.readouterr()
        assert code == (2 if (shown or "").startswith("datastill: ") else 0), out.err
        if shown is not None:
            assert masked(PROGRESS.sub("", out.out + out.err)) == masked(shown), line
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "condensed/digits/DM/IPC1/preview.png").is_file()
