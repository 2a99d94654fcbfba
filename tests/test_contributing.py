"""What is said to those who add something is true: files, tables, targets, and the version."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "datastill"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def first_cells(head: str) -> list[list[str]]:
    """Return the cells of the table below a line that begins with this."""
    lines = PAGE.partition(f"\n{head}")[2].partition("\n\n")[0].splitlines()[2:]
    assert lines
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_kind_of_plug_in_has_a_row() -> None:
    kinds = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"^([A-Z]+) = Registry\[", path.read_text(), flags=re.M)
    } - {"SHAPES", "HUBS"}
    told = {*re.findall(r"([A-Z]+)\.register", PAGE)}
    assert told == kinds


@pytest.mark.parametrize("row", first_cells("| a new ... | is a file"), ids=lambda row: row[0])
def test_folders_lines_and_tests_are_there(row: list[str]) -> None:
    _, place, line, tests = row
    folder = SOURCE / place.strip("`").partition("NAME")[0]
    assert folder.is_dir()
    for registered in re.findall(r"@?(\w+\.register)", line):
        name = registered.partition(".")[0]
        assert any(f"{name}.register" in each.read_text() for each in folder.rglob("*.py"))
    assert all((ROOT / "tests" / name).exists() for name in re.findall(r"test_\w+\.py", tests))


@pytest.mark.parametrize("row", first_cells("| a new ... | stands in"), ids=lambda row: row[0])
def test_tables_that_lines_are_added_to_are_there(row: list[str]) -> None:
    _, place, tests = row
    files = re.findall(r"`((?:src/datastill/)?[a-z_/]+\.py)`", place)
    known = [SOURCE / name.removeprefix("src/datastill/") for name in files]
    text = "".join(
        path.read_text() if path.exists() else (ROOT / "tests" / path.name).read_text()
        for path in known
    )
    assert all(name in text for name in re.findall(r"`(_?[A-Z][A-Za-z_]+)`", place))
    assert all((ROOT / "tests" / name).exists() for name in re.findall(r"test_\w+\.py", tests))


def test_targets_and_markers_are_there() -> None:
    targets = {*re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.M)}
    assert {*re.findall(r"`make ([a-z-]+)", PAGE)} <= targets
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    markers = {
        each.partition(":")[0] for each in project["tool"]["pytest"]["ini_options"]["markers"]
    }
    assert {*re.findall(r"pytest -m (?:\"not )?(\w+)", PAGE)} == markers


def test_the_changelog_has_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(
        r"^## \[(.*?)\] - (\d{4}-\d\d-\d\d|unreleased)$",
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        flags=re.M,
    )
    assert headings
    assert headings[0][0] == project["version"]


def released(folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask for a release of the checkout in a folder, where there is nothing but git and a shell."""
    env = {**os.environ, "PATH": f"{folder / 'tools'}", "CXX": "g++"}
    bash = shutil.which("bash") or "bash"
    command = [bash, str(folder / "scripts" / "release")]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_release_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    tools, scripts = tmp_path / "tools", tmp_path / "scripts"
    for folder in (tools, scripts):
        folder.mkdir()
    for name in ("git", "dirname", "uname"):
        (tools / name).symlink_to(shutil.which(name) or pytest.skip(f"no {name}"))
    shutil.copy(ROOT / "scripts" / "release", scripts)
    (tmp_path / ".gitignore").write_text("*\n")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    lacking = released(tmp_path)
    assert lacking.returncode == 2
    assert re.match(r"release: no \S*g\+\+, which builds kernels for x86_64 ", lacking.stderr)
    (tmp_path / ".gitignore").unlink()
    unfinished = released(tmp_path)
    assert unfinished.returncode == 2
    assert unfinished.stderr.startswith("release: there is something that was not committed")
    assert not (tmp_path / "dist").exists()
