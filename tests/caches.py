"""A cache of its own for every process that runs tests, which processes that it starts share."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from copies import FIRST, SHARED


def own_cache() -> str:
    """Return a new folder for ``XDG_CACHE_HOME``, which goes when the tests end.

    Kernels that were built on this machine are taken along: they are known by what they are built
    from. The first process of a run also makes the folder that its workers share.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("MPLCONFIGDIR", str(base / "matplotlib"))  # its list of fonts
    folder = Path(tempfile.mkdtemp(prefix="datastill-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "datastill").mkdir(mode=0o700)
    if SHARED not in os.environ:
        _take(base / "datastill", folder / "datastill")
        os.environ.update({SHARED: str(folder), FIRST: str(os.getpid())})
    return str(folder)


def build_once() -> None:
    """Have the first worker of a run that is here build the kernels, and all others take them."""
    shared, own = Path(os.environ[SHARED]), Path(os.environ["XDG_CACHE_HOME"])
    if shared == own:
        return
    with FileLock(shared / "kernels.lock"):
        _take(shared / "datastill", own / "datastill")
        _build()
        _take(own / "datastill", shared / "datastill")


def _take(there: Path, here: Path) -> None:
    for built in there.glob("*.so"):
        if not (here / built.name).exists():
            shutil.copy2(built, here)


def _build() -> None:
    from datastill.compute import kernels
    from datastill.compute.kernels.instructions import available, choosing

    for each in available():
        with choosing(each.name):
            kernels.missing()
