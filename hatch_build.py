"""Kernels inside of a wheel, where they are asked for by ``DATASTILL_WHEEL=x86_64`` or ``aarch64``.

Without the variable a wheel holds none, is for any platform, and needs no compiler.
"""

import atexit
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASKED = "DATASTILL_WHEEL"
"""The environment variable that names the processors of a wheel: x86_64 or aarch64."""

KERNELS = Path(__file__).parent / "src/datastill/compute/kernels"
INSIDE = "datastill/compute/kernels/prebuilt"


class Kernels(BuildHookInterface):
    """Builds kernels for every set of instructions that a kind of processor may have."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put them into a wheel, and make it one for Linux on such processors."""
        machine = os.environ.get(ASKED, "").strip()
        if not machine or version == "editable":
            return
        source = _source()
        sets = [each for each in source.SETS if each.machines[0] == machine]
        if not sets:
            known = sorted({each.machines[0] for each in source.SETS})
            sys.exit(f"{ASKED} is {machine!r}; expected {' or '.join(known)}")
        scratch = tempfile.TemporaryDirectory()  # read when this hook has ended
        atexit.register(scratch.cleanup)
        for each in sets:
            file = _built(source, each, _compiler(machine), Path(scratch.name))
            build_data["force_include"][str(file)] = f"{INSIDE}/{file.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{machine}"


def _source() -> ModuleType:
    # What kernels are built from, by itself: the rest of datastill would ask for PyTorch.
    spec = importlib.util.spec_from_file_location("datastill_source", KERNELS / "source.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _compiler(machine: str) -> str:
    native = platform.machine() == machine
    name = (os.environ.get("CXX") or "g++") if native else f"{machine}-linux-gnu-g++"
    found = shutil.which(name)
    if found is None:
        sys.exit(f"kernels for {machine} are built by {name}, which is not here")
    return found


def _built(source: ModuleType, best: Any, compiler: str, folder: Path) -> Path:
    """Build a library that asks for the C library alone.

    Of OpenMP it has the names, and no library: those are PyTorch's own in the process, so that both
    share one set of threads, and a system without libgomp serves.
    """
    compiled, linked = folder / f"{best.name}.o", folder / f"{best.name}.so"
    for command in (
        [compiler, *best.options, "-c", str(source.SOURCE), "-o", str(compiled)],
        [compiler, "-shared", "-Wl,--as-needed", str(compiled), "-o", str(linked)],
    ):
        subprocess.run(command, check=True)
    linked.chmod(0o644)
    return linked.rename(folder / source.named(source.shipped_name(best), linked))
