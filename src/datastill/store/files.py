"""Files that are there whole or not at all, and errors of writing in one line."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.tensor_files import opened
from datastill.base.version import own_version
from datastill.base.wording import LONGEST_NAME, counted, readable
from datastill.data import Domain
from datastill.data.pixels import ready

FORMAT = 1
PARTIAL = ".partial"
"""How the name of a file ends that is being written."""


def require_writable(folder: Path) -> None:
    """Refuse a folder that could not be made or written to, and leave nothing behind.

    Raises:
        InputError: naming the folder and the reason.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with writing(folder), tempfile.TemporaryFile(dir=existing):
        pass


class writing:
    """Turn the operating system's refusal to write into one line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise InputError(f"cannot write to {self.path}: {reason}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, all of it or nothing."""
    replace_file(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read what ``write_json`` wrote.

    Raises:
        InputError: when it cannot be read, or is damaged.
    """
    with damaged(path):
        return json.loads(path.read_text(encoding="utf-8"))


def read_table(path: Path) -> dict[str, Any]:
    """Read a table that ``write_json`` wrote.

    Raises:
        InputError: when it cannot be read, or is damaged: it is no table, say.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: it holds no table")
    return found


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"datastill": own_version(), "torch": torch.__version__}


def save_tensors(tensors: dict[str, Tensor], header: Mapping[str, Any], path: Path) -> None:
    """Write tensors and a header into a ``safetensors`` file, all of it or nothing."""
    held = {name: ready(tensor).detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(held, {"datastill": json.dumps(header)})
    put_file(path, content)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote, if its header says that it is of a kind.

    Raises:
        InputError: when there is no such file, or it is damaged or of another kind.
    """
    if not path.is_file():
        raise InputError(f"no {kind} at {path}")
    with damaged(path, "not a safetensors file"), opened(path) as file:
        header = _header(path, kind, file)
        # In memory of their own: a file that is mapped is not replaced on every system.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    return tensors, header


def header_of(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Read what ``save_tensors`` wrote beside tensors, and the shapes of these, not themselves.

    Raises:
        InputError: see ``load_tensors``.
    """
    if not path.is_file():
        raise InputError(f"no {kind} at {path}")
    with damaged(path, "not a safetensors file"), opened(path) as file:
        header = _header(path, kind, file)
        shapes = {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118
    return header, shapes


def _header(path: Path, kind: str, file: Any) -> dict[str, Any]:
    header = json.loads((file.metadata() or {}).get("datastill", "null"))
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise InputError(f"{path} was not written by datastill as an {kind}")
    if header.get("format") != FORMAT:
        raise InputError(f"{path} has format {header.get('format')}, not {FORMAT}")
    return header


def domain_of(table: Mapping[str, Any]) -> Domain:
    """Return the domain that a header describes.

    Raises:
        KeyError, TypeError, ValueError: when it describes none.
    """
    lists = {name: tuple(table[name]) for name in ("shape", "classes", "mean", "std")}
    found = Domain(name=table["name"], mirror=table["mirror"], **lists)
    names: list[Any] = [found.name, *found.classes]
    if not all(isinstance(name, str) and readable(name) for name in names):
        raise ValueError("names that are not printable text")
    if len(found.name) > LONGEST_NAME:
        raise ValueError(f"a dataset with a name of {counted(len(found.name), 'letter')}")
    return found


def through_json(value: Any) -> Any:
    """Return a value as it is after a way through JSON."""
    return json.loads(json.dumps(value))


def replace_file(path: Path, content: bytes, *, before: Path | None = None) -> None:
    """Write a file under another name, then rename it.

    Args:
        path: of the file.
        content: all of it.
        before: where to keep what was there.

    Raises:
        InputError: when it cannot be written: the disk is full, say. What was there stays.
    """
    with writing(path.parent):
        _replace(path, content, before)


def put_file(path: Path, content: bytes) -> None:
    """Do what ``replace_file`` does, and make the folder."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content, None)


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """Hand out a folder that becomes ``path`` at the end of the block, whole or not at all.

    Raises:
        InputError: when it cannot be written.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        partial = private / "made"
        try:
            partial.mkdir()  # whoever may look into new folders may look into this one
            yield partial
            try:
                partial.rename(path)
            except OSError as error:
                if not path.exists():
                    raise
                raise InputError(
                    f"{path} was made by another process meanwhile; take another"
                ) from error
        finally:
            shutil.rmtree(private, ignore_errors=True)


def _replace(path: Path, content: bytes, before: Path | None) -> None:
    # A reader sees the old file or the new one, never half of one.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is a device or a pipe, which cannot be replaced; name a file")
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            path.replace(before)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
