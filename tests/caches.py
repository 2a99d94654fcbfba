"""A cache of its own for every run of the tests, which processes that they start share."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def own_cache() -> str:
    """Return a new folder for ``XDG_CACHE_HOME``, which goes when the tests end.

    Kernels that were built on this machine are taken along: they are known by what they are built
    from.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(tempfile.mkdtemp(prefix="datastill-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "datastill").mkdir(mode=0o700)
    for built in (base / "datastill").glob("*.so"):
        shutil.copy2(built, folder / "datastill")
    os.environ.setdefault("MPLCONFIGDIR", str(base / "matplotlib"))  # its list of fonts
    return str(folder)
