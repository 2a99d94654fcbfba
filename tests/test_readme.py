"""What the README shows is what works."""

import re
from pathlib import Path

import pytest

from datastill.cli import COMMANDS, parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 16
    exec(compile(code, "README.md", "exec"), {})
    assert re.search(
        r"20 \{'match': .*'clom': .*\n\d+\.\d ± \d+\.\d % \(n=2\)", capsys.readouterr().out
    )
    assert (tmp_path / "digits.safetensors").is_file()


def test_the_commands_are_understood() -> None:
    text = README.replace("\\\n", " ")
    lines = re.findall(r"^    datastill (\w.*)$", text, flags=re.MULTILINE)
    assert {line.split()[0] for line in lines} <= set(COMMANDS)
    assert len(lines) >= 3
    for line in lines:
        assert parse(line.split()) is not None


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
