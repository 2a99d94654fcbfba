"""The folder in which a command is typed, full of files that are called as libraries are."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LIBRARIES = [
    *("PIL", "datasets", "filelock", "matplotlib", "numpy", "rich", "safetensors", "scipy"),
    *("sklearn", "tensorboard", "torch", "torchvision", "transformers", "tyro", "pandas"),
    *("docstring_parser", "typeguard", "shtab", "sitecustomize", "usercustomize"),
]
"""What a command imports, or what that looks for."""
TRAP = "import os\nos.write(2, b'a trap was sprung\\n')\nos._exit(77)\n"
OWN = """
import math
from torch import nn

def tiny(domain):
    import own_parts
    return own_parts.tiny(domain)
"""
PARTS = """
import math
from torch import nn

def tiny(domain):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(domain.shape), len(domain.classes)))
"""
COMMAND = "from datastill.__main__ import main; main()"
"""What the command that is installed does; it begins without the current folder, as ``-P`` does."""


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Name what Python itself loads for ``-m``, before a line of the module runs."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.py").write_text("import sys\nprint(*sys.modules)\n")
    done = told(folder, ["-m", "probe"], "")
    return set(done.stdout.split())


@pytest.fixture
def traps(tmp_path: Path, loaded: set[str]) -> Path:
    """Return a folder with a module, or a package, of every other name."""
    folder = tmp_path / "here"
    folder.mkdir()
    names = [*LIBRARIES, *(name for name in sys.stdlib_module_names if not name.startswith("_"))]
    for number, name in enumerate(sorted({*names} - loaded)):
        if number % 2:
            (folder / f"{name}.py").write_text(TRAP)
        else:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(TRAP)
    assert (folder / "tyro.py").exists() or (folder / "tyro").exists()
    return folder


def told(
    folder: Path, way: list[str], line: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own in a folder."""
    given: Mapping[str, str] = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        **{"PYTHONPATH": str(SOURCE), "XDG_CACHE_HOME": str(folder.parent / "cache")},
        **{"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        **environment,
    }
    words = [sys.executable, *way, *line.split()]
    return subprocess.run(words, cwd=folder, env=given, capture_output=True, text=True, check=False)


AS_INSTALLED, AS_MODULE = ["-P", "-c", COMMAND], ["-m", "datastill"]
DISTILL = (
    "distill --dataset digits --model MLP --ipc 1 --iterations 1 --engine plain "
    "--save-path .. --quiet"
)


@pytest.mark.slow
@pytest.mark.parametrize("way", [AS_INSTALLED, AS_MODULE], ids=["datastill", "python -m datastill"])
@pytest.mark.parametrize("line", ["--version", "--help", "distill --help"])
def test_files_called_as_libraries_do_nothing(traps: Path, way: list[str], line: str) -> None:
    done = told(traps, way, line)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.parametrize("way", [AS_INSTALLED, AS_MODULE], ids=["datastill", "python -m datastill"])
def test_the_current_folder_is_not_on_the_path_when_a_command_ends(
    tmp_path: Path, way: list[str]
) -> None:
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "sitecustomize.py").write_text(
        "import atexit, sys\natexit.register(lambda: print(*map(repr, sys.path)))\n"
    )
    path = os.pathsep.join([str(SOURCE), str(tmp_path / "probe")])
    done = told(tmp_path, way, "--version", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    found = done.stdout.splitlines()[-1].split()
    assert repr(str(SOURCE)) in found
    assert not {"''", "'.'", repr(str(tmp_path))} & {*found}


@pytest.mark.parametrize("safe", ["", "1"])
def test_what_the_person_put_on_the_path_stays_there(tmp_path: Path, safe: str) -> None:
    """The current folder counts where it was named, in PYTHONPATH."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.py").write_text("")
    (here / "sitecustomize.py").write_text(
        "import atexit\natexit.register(lambda: print(__import__('mine').__file__))\n"
    )
    path = os.pathsep.join([str(here), str(SOURCE)])
    done = told(here, AS_MODULE, "--version", PYTHONPATH=path, PYTHONSAFEPATH=safe)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(here / "mine.py")


@pytest.mark.slow
@pytest.mark.parametrize("way", [AS_INSTALLED, AS_MODULE], ids=["datastill", "python -m datastill"])
def test_code_of_ones_own_lies_here_and_libraries_do_not(traps: Path, way: list[str]) -> None:
    (traps / "own_nets.py").write_text(OWN)
    (traps / "own_parts.py").write_text(PARTS)
    line = DISTILL.replace("MLP", "own_nets:tiny")
    done = told(traps, way, line)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "json.py").write_text(PARTS)
    done = told(here, AS_MODULE, DISTILL.replace("MLP", "json:tiny"))
    assert done.returncode == 2
    assert "json has no function 'tiny'" in done.stderr
    assert "for json.py in the current folder comes last: give that another name" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_path_is_as_it_was_after_code_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datastill.data import Domain
    from datastill.networks.base.own import imported

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_for_the_path.py").write_text(
        f"import sys\nassert sys.path[-1] == {str(tmp_path)!r}\nsys.path.append('kept')\n" + PARTS
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    imported("own_for_the_path:tiny")(Domain("x", (1, 2, 2), ("a", "b"), (0.0,), (1.0,)))
    assert sys.path == [*before, "kept"]
