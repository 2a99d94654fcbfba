"""Kernels are built once, kept where nobody else can write, and tried before they are trusted."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from copies import python
from datastill.compute import kernels
from datastill.compute.kernels import building, source, trusted
from datastill.compute.kernels.instructions import ASKED as SET_ASKED
from datastill.compute.kernels.instructions import available
from datastill.compute.kernels.operands import ASKED

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())


def missing_with(tmp_path: Path, **environment: str) -> str:
    """Return what ``missing`` says in a process with another environment."""
    code = "from datastill.compute import kernels; print(kernels.missing())"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), **environment}
    return subprocess.run(
        python("-c", code, loaded="torch"), env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


def anew() -> str:
    """Return what ``missing`` says in a process that has not asked before."""
    trusted._trusted.cache_clear()
    return kernels.missing()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have kernels built in a place of their own, where there are none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trusted._trusted.cache_clear()
    yield tmp_path / "datastill"
    trusted._trusted.cache_clear()


HURRIED = ("-O0", *source.FLAGS[2:], "-std=c++17")
"""What a compiler in a hurry is told."""


@pytest.fixture
def place(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have them built there by a compiler in a hurry."""
    monkeypatch.setattr(source, "FLAGS", HURRIED)
    return empty


@pytest.fixture(scope="module")
def built_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with kernels that were built in a hurry."""
    home = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        patch.setattr(source, "FLAGS", HURRIED)
        assert anew() == ""
    return home / "datastill"


@pytest.fixture
def filled(place: Path, built_before: Path) -> Path:
    """Have a copy of them in that place."""
    shutil.copytree(built_before, place)  # with whose they are, and who may write them
    return place


def test_without_a_compiler_the_reason_is_told(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "g++")
    assert anew() == "no g++ was found"


def test_a_compiler_that_fails_is_told(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert "could not be built: no such thing" in anew()
    assert not list(tmp_path.rglob("*.so"))


def test_a_cache_that_cannot_be_written_is_told(empty: Path) -> None:
    empty.write_text("a file where the folder should be")
    assert "could not be built" in anew()


def test_kernels_are_built_once(empty: Path, tmp_path: Path) -> None:
    assert anew() == ""
    (built,) = tmp_path.rglob("*.so")
    when = built.stat().st_mtime_ns
    assert missing_with(tmp_path) == ""
    assert [file.stat().st_mtime_ns for file in tmp_path.rglob("*.so") if file.is_file()] == [when]


@pytest.mark.parametrize("what", ["cut off", "empty", "text", "another library", "open to all"])
def test_what_is_no_library_is_built_again(filled: Path, what: str) -> None:
    assert anew() == ""
    (built,) = filled.glob("*.so")
    whole = built.read_bytes()
    broken = {
        "cut off": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no library",
        "another library": Path(sys.executable).resolve().read_bytes(),
        "open to all": whole,
    }
    built.unlink()  # not written over: it is loaded
    built.write_bytes(broken[what])
    built.chmod(0o777 if what == "open to all" else 0o700)
    assert anew() == ""
    (again,) = filled.iterdir()
    assert again.read_bytes() == whole
    assert again.stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("name", [name for names in ASKED.values() for name in names])
def test_a_pytorch_that_does_not_answer_goes_without_kernels(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """PyTorch promises nobody what they ask: its next version may not have it."""
    (home,) = (home for home in ASKED if name in ASKED[home])
    with monkeypatch.context() as patch:
        patch.delattr(home, name)
        said = anew()
    told = f"they ask PyTorch for {home.__name__}.{name}, which version {torch.__version__} does"
    assert said == f"{told} not have"


UNANSWERED = """
import torch
del torch._C._dispatch_keys
from datastill import Domain, Key, build
from datastill.compute.route import logits
domain = Domain("d", (1, 8, 8), ("a", "b"), (0.0,), (1.0,))
network = build("ConvNetD1W16", domain, key=Key(0))
print(logits(network, torch.zeros(3, 1, 8, 8)).shape[0])
"""


def test_without_kernels_of_such_a_pytorch_its_own_layers_run() -> None:
    line = python("-c", UNANSWERED, loaded="torch")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_a_folder_that_others_can_write_is_not_trusted(filled: Path) -> None:
    assert anew() == ""
    filled.chmod(0o777)
    assert "can be written by everybody, who could put anything in their place" in anew()
    assert kernels.instructions() == ""
    filled.chmod(0o700)
    assert anew() == ""


def test_a_folder_of_somebody_else_is_not_trusted(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert anew() == ""
    owner = filled.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 4711)
    if owner:  # the administrator's are trusted: whoever that is can do anything anyway
        assert f"belongs to another user ({owner})" in anew()
    monkeypatch.setattr(building.os, "geteuid", lambda: 4711)
    stat = os.stat_result((0o40700, 1, 1, 1, 4712, 4712, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda self, **_: stat)
    assert building.untrusted(filled) == "belongs to another user (4712)"


def test_a_group_of_ones_own_is_no_other(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import grp
    import pwd

    place.mkdir()
    place.chmod(0o770)
    user, group = pwd.getpwuid(os.geteuid()), place.stat().st_gid
    monkeypatch.setattr("pwd.getpwuid", lambda _: user)
    for name, members, trusted_so in (
        (user.pw_name, [], True),
        (user.pw_name, [user.pw_name], True),
        (user.pw_name, ["guest"], False),
        ("users", [], False),
    ):
        known = grp.struct_group((name, "x", group, members))
        monkeypatch.setattr("grp.getgrgid", lambda _, known=known: known)
        assert (building.untrusted(place) == "") is (trusted_so and group == user.pw_gid)


def test_a_folder_is_made_for_its_user_alone(place: Path) -> None:
    before = os.umask(0)
    try:
        assert anew() == ""
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o077 == 0
    (built,) = place.iterdir()
    assert built.stat().st_mode & 0o077 == 0


def test_what_cannot_be_loaded_is_told(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> ctypes.CDLL:
        raise OSError(f"{path}: failed to map segment from shared object")

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", refuse)
        assert "they were built, and cannot be loaded: " in anew()
        assert "failed to map segment" in kernels.missing()
        assert kernels.instructions() == ""
    assert anew() == ""


MISTAKES = {
    "convolution": ("o[3] = c + e;", "o[3] = c - e;"),
    "norm, relu and pooling": ("slope = both -", "slope = both +"),
    "instance norm": ("+ epsilon);", "+ 2 * epsilon + .1f);"),
    "first block": ("store(into + (taps + 1) * out + c, total.normal);", ""),
    "wide first block": ("found[t][k] -= patches.mean[t] * total[k];", ""),
    "no library of kernels": ("int norm_back(", "int norm_forth("),
}


@pytest.mark.parametrize("layer", MISTAKES)
def test_wrong_results_are_put_aside(
    layer: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = MISTAKES[layer]
    text = building.SOURCE.read_text()
    assert text.count(right) == 1
    other = tmp_path / "layers.cpp"
    other.write_text(text.replace(right, wrong))
    monkeypatch.setattr(building, "SOURCE", other)
    if layer == "wide first block":
        folding = [each.name for each in available() if each.folded]
        if not folding:
            pytest.skip("no set of instructions of this processor folds one")
        monkeypatch.setenv(SET_ASKED, folding[0])
    said = anew()
    # A norm's statistics serve pooled blocks as well.
    names = ("instance norm", "norm, relu and pooling") if layer == "instance norm" else (layer,)
    assert any(name in said for name in names), said
    assert kernels.instructions() == ""
    assert trusted.library() is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rows": 6, "tiles": 32}, "a block of tiles is cut into products of ROWS rows"),
        ({"lanes": 1}, "channels are cut into ROWS and LEFT"),
    ],
)
def test_blocks_that_do_not_divide_are_not_built(
    wrong: dict[str, int], told: str, place: Path
) -> None:
    """They would write beyond what is theirs."""
    with pytest.raises(building.Unavailable, match=told):
        building.built(replace(available()[-1], **wrong))
    assert not list(place.iterdir())


def test_processes_of_a_machine_wait_for_the_one_that_builds(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    compiler = tmp_path / "compiler"
    # Slower than the others are late, and it says how often it was asked to build.
    compiler.write_text(
        f"#!/bin/sh\nfor word; do last=$word; done\n"
        f'[ "$last" = --version ] || {{ echo built >> {said}; sleep 0.5; echo > "$last"; }}\n'
    )
    compiler.chmod(0o700)
    monkeypatch.setenv("CXX", str(compiler))
    best = trusted.found(trusted.asked())
    assert not isinstance(best, str)
    with ThreadPoolExecutor(3) as threads:
        found = {*threads.map(building.built, [best] * 3)}
    assert len(found) == 1
    assert said.read_text() == "built\n"
