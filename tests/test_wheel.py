"""A wheel for this machine, installed where nothing can compile: the demo runs by its kernels."""

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from datastill import store
from datastill.compute.kernels.instructions import available
from datastill.compute.kernels.source import SETS

ROOT = Path(__file__).parents[1]
MACHINE = platform.machine()

pytestmark = [
    pytest.mark.wheel,
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or not available(), reason="no wheel with kernels is for this"
    ),
]


def run(*command: str | Path, **environment: str) -> str:
    """Return what a command prints, in an environment that knows nothing of datastill."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DATASTILL_")}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*map(str, command)],
        env={**env, **environment},
        cwd=environment.get("PWD", ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel_for(machine: str, folder: Path, **environment: str) -> Path:
    """Build a wheel as `scripts/release` does, and let auditwheel say where it may be installed."""
    raw = folder / "raw"
    python = [sys.executable, "-m"]
    build = [*python, "build", "--wheel", "--no-isolation", "--outdir", raw, ROOT]
    run(*build, DATASTILL_WHEEL=machine, **environment)
    (made,) = raw.iterdir()
    if not machine:
        return made
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(*python, "auditwheel", "repair", "-w", folder / "repaired", made, PATH=path)
    (repaired,) = (folder / "repaired").iterdir()
    return repaired


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_for(MACHINE, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an environment with this wheel, and PyTorch and the like as they are.

    They are borrowed from the environment of the tests, whose own datastill is not: a line of a
    `.pth` file names a folder, and is not followed by the `.pth` files in that folder.
    """
    home = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", home)
    pip = [sys.executable, "-m", "pip", "--python", home / "bin/python"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return home


def libraries(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return [Path(name).name for name in file.namelist() if name.endswith(".so")]


def test_a_wheel_has_every_set_of_its_processors_and_no_abi(wheel: Path) -> None:
    python, abi, platforms = wheel.stem.split("-")[-3:]
    assert (python, abi) == ("py3", "none")
    assert f"manylinux_2_17_{MACHINE}" in platforms.split(".")
    wanted = {each.name for each in SETS if MACHINE in each.machines}
    assert {name.split("-")[1] for name in libraries(wheel)} == wanted


def test_a_wheel_that_nobody_asks_for_kernels_is_for_all(tmp_path: Path) -> None:
    made = wheel_for("", tmp_path, PATH="", CXX="")  # and no compiler is asked for
    assert made.name.endswith("-py3-none-any.whl")
    assert not libraries(made)


def test_a_wheel_for_unknown_processors_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="DATASTILL_WHEEL is 'sparc'; expected aarch64 or x86"):
        wheel_for("sparc", tmp_path)


KEPT = """
import ctypes
def local(name, mode=0, whole=ctypes.CDLL):
    return whole(name, 0 if "global_deps" in str(name) else mode)
ctypes.CDLL, whole = local, ctypes.CDLL
import torch
ctypes.CDLL = whole
"""
"""Has PyTorch keep its OpenMP to itself, as its builds for aarch64 do."""

LOADED = """
import json, torch
def mapped():
    with open("/proc/self/maps") as file:
        return sorted({line.split()[-1] for line in file if "gomp" in line or "omp." in line})
before = mapped()
import datastill
from datastill.compute import kernels
print(json.dumps({"home": datastill.__file__, "missing": kernels.missing(),
    "set": kernels.instructions(), "build": kernels.build(), "same": before == mapped()}))
"""


@pytest.mark.parametrize("before", ["", KEPT], ids=["", "kept"])
@pytest.mark.parametrize("best", available(), ids=lambda best: best.name)
def test_kernels_are_those_of_the_wheel_and_share_the_threads_of_pytorch(
    best: object, before: str, clean: Path, wheel: Path, tmp_path: Path
) -> None:
    name = getattr(best, "name", "")
    bare = {"PATH": str(clean / "bin"), "XDG_CACHE_HOME": str(tmp_path), "CXX": ""}
    found = json.loads(
        run(clean / "bin/python", "-c", before + LOADED, **bare, DATASTILL_INSTRUCTIONS=name)
    )
    assert found["missing"] == ""
    assert Path(found["home"]).is_relative_to(clean)
    assert found["set"] == name
    assert f"{found['build']}.so" in libraries(wheel)
    assert found["same"], "a second OpenMP was loaded"
    assert not [*tmp_path.rglob("*.so")]


def test_the_demo_runs_by_them_without_a_compiler(clean: Path, tmp_path: Path) -> None:
    bare = {"PATH": str(clean / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "CXX": ""}
    asked = {"DATASTILL_ENGINE": "kernels", "PWD": str(tmp_path)}
    said = run(clean / "bin/datastill", "demo", "--num-eval", "1", **bare, **asked)
    assert "datastill report demo" in said.splitlines()[-3]
    made = store.load(tmp_path / "demo/with-clom/digits/DM/IPC1")
    assert made.facts["route"]["kernels"] is True
    assert made.facts["execution"]["instructions"] == available()[0].name
    assert not [*(tmp_path / "cache").rglob("*.so")]
    run(clean / "bin/datastill", "report", "demo", **bare, **asked)
    (page,) = tmp_path.rglob("*.html")
    assert "demo/with-clom/digits/DM/IPC1" in page.read_text(encoding="utf-8")


CROSS = "aarch64-linux-gnu-g++"
EMULATOR = "qemu-aarch64"


@pytest.mark.skipif(
    MACHINE == "aarch64" or not (shutil.which(CROSS) and shutil.which(EMULATOR)),
    reason=f"needs {CROSS} and {EMULATOR}",
)
def test_kernels_of_the_wheel_for_aarch64_are_right_in_an_emulator(tmp_path: Path) -> None:
    """No PyTorch is there: layers are held against plain loops in double precision."""
    wheel = wheel_for("aarch64", tmp_path)
    assert "manylinux_2_17_aarch64" in wheel.stem.split("-")[-1].split(".")
    (name,) = libraries(wheel)
    with zipfile.ZipFile(wheel) as file:
        (inside,) = (each for each in file.namelist() if each.endswith(name))
        library = file.extract(inside, tmp_path)
    program = tmp_path / "emulated"
    flags = ("-O1", "-fopenmp", "-Wl,--no-as-needed")  # OpenMP is the program's, as it is PyTorch's
    run(CROSS, *flags, ROOT / "tests/emulated.cpp", "-o", program, "-ldl")
    said = run(EMULATOR, "-L", "/usr/aarch64-linux-gnu", program, library)
    assert [line.split()[0] for line in said.splitlines()] == ["right"] * 6
