"""Kernels that came inside of a wheel are used without a compiler, and only if they are ours."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datastill.compute import kernels
from datastill.compute.kernels import shipped, source, trusted
from datastill.compute.kernels.building import built
from datastill.compute.kernels.instructions import available, choosing
from datastill.compute.kernels.source import Instructions
from test_building import HURRIED

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())


@dataclass(frozen=True)
class Installed:
    """An installation that kernels may have come with, on a machine that never built any."""

    wheel: Path
    cache: Path
    libraries: dict[str, bytes]

    def bring(self, best: Instructions, content: bytes | None = None) -> Path:
        """Let kernels have come along, or whatever else in their place."""
        self.wheel.mkdir(exist_ok=True)
        file = self.wheel / "made"
        file.write_bytes(self.libraries[best.name] if content is None else content)
        return file.rename(self.wheel / source.named(source.shipped_name(best), file))

    def built_here(self) -> list[Path]:
        return [*self.cache.rglob("*.so")]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    libraries = {each.name: built(each).read_bytes() for each in available()}
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "prebuilt")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trusted._trusted.cache_clear()
    yield Installed(tmp_path / "prebuilt", tmp_path / "cache", libraries)
    trusted._trusted.cache_clear()


@pytest.fixture
def without_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_what_came_along_needs_no_compiler(installed: Installed, without_compiler: None) -> None:
    came = {each.name: installed.bring(each) for each in available()}
    for each in available():
        with choosing(each.name):
            assert kernels.missing() == ""
            assert kernels.instructions() == each.name
            assert kernels.build() == came[each.name].stem
    assert not installed.built_here()


def test_what_came_along_is_used_beside_a_compiler(installed: Installed) -> None:
    came = installed.bring(available()[0])
    assert kernels.missing() == ""
    assert kernels.build() == came.stem
    assert not installed.built_here()


def test_what_came_for_another_processor_is_not_used(
    installed: Installed, without_compiler: None
) -> None:
    best, others = available()[0], [each for each in source.SETS if each != available()[0]]
    for each in others:
        installed.bring(each, installed.libraries[best.name])
    assert kernels.missing() == "no g++ was found"


def spoil(installed: Installed, what: str, best: Instructions) -> None:
    """Let what came along be another than it says, or than it should be."""
    whole = installed.libraries[best.name]
    if what in ("cut off", "changed"):
        file = installed.bring(best)
        file.write_bytes(whole[: len(whole) // 2] if what == "cut off" else whole + b"0")
    elif what == "of another version":
        file = installed.bring(best)
        name = f"layers-{best.name}-{'0' * 16}"
        file.rename(file.with_name(source.named(name, file)))
    else:
        installed.bring(best, b"no library")


SPOILT = {
    "cut off": "the kernels that came with datastill are damaged, or of another version",
    "changed": "the kernels that came with datastill are damaged, or of another version",
    "of another version": "the kernels that came with datastill are damaged, or of another version",
    "no library": "the kernels that came with datastill cannot be loaded (",
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_not_ours_is_told_and_not_used(
    what: str, installed: Installed, without_compiler: None
) -> None:
    spoil(installed, what, available()[0])
    said = kernels.missing()
    assert said.startswith(SPOILT[what])
    assert said.endswith(": install it again; and in their place no g++ was found")
    assert kernels.instructions() == ""


@pytest.mark.parametrize("what", SPOILT)
def test_a_compiler_serves_in_its_place_and_that_is_told(
    what: str,
    installed: Installed,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "FLAGS", HURRIED)
    best = available()[-1]
    spoil(installed, what, best)
    with caplog.at_level(logging.WARNING, "datastill"), choosing(best.name):
        assert kernels.missing() == ""
    assert len(installed.built_here()) == 1
    (record,) = caplog.records
    assert record.message.startswith(SPOILT[what])
    assert record.message.endswith(": others were built in their place; install it again")


def test_what_computes_wrongly_is_put_aside(
    installed: Installed, without_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = installed.bring(available()[0])
    monkeypatch.setattr(trusted, "failing", lambda _: "convolution")
    assert kernels.missing() == (
        f"{came} gives wrong results (convolution): install it again; and in their place no g++ "
        "was found"
    )


def test_what_came_along_is_for_the_source_that_lies_beside_it(
    installed: Installed,
    without_compiler: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Whoever changes the source has changed what would be built from it, and so its name."""
    installed.bring(available()[0])
    other = tmp_path / "layers.cpp"
    shutil.copy(source.SOURCE, other)
    with other.open("a") as file:
        file.write("// changed\n")
    monkeypatch.setattr(source, "SOURCE", other)
    assert "are damaged, or of another version" in kernels.missing()


def test_a_checkout_comes_without_kernels() -> None:
    assert not shipped.FOLDER.exists()
