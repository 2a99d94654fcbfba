"""The versions that are allowed are those that are tested: the oldest of them, and the newest."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
OURS = "datastill"


def required() -> dict[str, Version]:
    """Return the oldest version of every package that ``pyproject.toml`` allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found = dict[str, Version]()
    for line in (line for lines in lists for line in lines if not line.startswith(OURS)):
        wanted = Requirement(line)
        (bound,) = wanted.specifier
        assert (bound.operator, wanted.marker, wanted.name in found) == (">=", None, False), line
        found[wanted.name] = Version(bound.version)
    return found


def listed(file: str) -> list[Requirement]:
    """Return what a file of constraints says."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(told) for line in lines if (told := line.partition("#")[0].strip())]


def pinned(file: str) -> dict[str, Version]:
    """Return the packages that it holds at one version."""
    specified = [(each.name, *each.specifier) for each in listed(file)]
    return {name: Version(one.version) for name, one in specified if one.operator == "=="}


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested() -> None:
    assert pinned("constraints-oldest.txt") == required()


def test_nothing_that_is_required_is_held_down_beside_the_oldest() -> None:
    """Only what they need in turn, and who installs them gets the newest of."""
    held = {each.name for each in listed("constraints-oldest.txt")} - {*required()}
    assert not held & {*pinned("constraints-oldest.txt")}


def test_the_newest_versions_that_are_tested_are_allowed() -> None:
    newest, oldest = pinned("constraints.txt"), required()
    assert {*newest} == {*oldest} - {"trackio"}  # which tests stand for by one of their own
    assert all(newest[name] >= oldest[name] for name in newest)


@pytest.mark.parametrize(("name", "oldest"), required().items())
def test_what_is_installed_is_allowed(name: str, oldest: Version) -> None:
    try:
        assert Version(version(name)) >= oldest
    except PackageNotFoundError:
        pytest.skip("not installed")
