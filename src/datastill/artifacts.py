"""Run folders, synthetic sets and pools: the only code that writes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from datastill.data import Domain, ImageSet, require_sound
from datastill.errors import InputError
from datastill.networks import build
from datastill.pool import Member, Pool, freeze
from datastill.rng import Key

FORMAT = 1
SET_FILE = "synthetic.safetensors"
RUN_FILES = (SET_FILE, "preview.png", "log.jsonl", "settings.json", "validation.json")
MEMBER_NAME = re.compile(r"model_(\d+)_epoch_(\d+)\.safetensors")
SPACE = "normalised: pixel = image * std + mean, per channel; pixels in [0, 1], not clamped"


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run's settings, log and results."""

    path: Path

    def log(self, event: str, **values: Any) -> None:
        """Append one line to ``log.jsonl``."""
        with (self.path / "log.jsonl").open("a") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")


def open_run(path: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> RunFolder:
    """Make a folder for a new run and write its settings.

    Raises:
        InputError: when the folder holds another run and ``overwrite`` is not set, or cannot be
            written to.
    """
    require_free(path, RUN_FILES, overwrite=overwrite)
    require_writable(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        for name in RUN_FILES:
            (path / name).unlink(missing_ok=True)
        write_json(path / "settings.json", settings)
    return RunFolder(path)


def require_free(path: Path, names: tuple[str, ...], *, overwrite: bool) -> None:
    """Refuse a folder that holds any of the files ``names``, unless they may be overwritten."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, not a folder")
    held = [name for name in names if (path / name).exists()]
    if held and not overwrite:
        raise InputError(f"{path} holds another run ({held[0]}); pass --overwrite to replace it")


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
    _replace(path, (json.dumps(value, indent=2) + "\n").encode())


def fingerprint(data: ImageSet) -> str:
    """Name the exact images and labels of a set by 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in (data.images, data.labels):
        digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"datastill": version("datastill"), "torch": torch.__version__}


def save(data: ImageSet, path: Path | str) -> None:
    """Write a set of images with its domain and facts, all of it or nothing.

    The file is a ``safetensors`` container: ``images`` as they are in memory, ``labels``, and
    one JSON text that says everything else.
    """
    header = {
        "format": FORMAT,
        "kind": "image set",
        "space": SPACE,
        "domain": asdict(data.domain),
        "facts": dict(data.facts),
    }
    _save_tensors({"images": data.images, "labels": data.labels}, header, Path(path))


def load(path: Path | str) -> ImageSet:
    """Read what ``save`` wrote: a file, or the folder of a run.

    Returns:
        The set; ``facts`` tells where it comes from.

    Raises:
        InputError: when there is no such file, or it is damaged or of another kind.
    """
    path = Path(path)
    path = path / SET_FILE if path.is_dir() else path
    tensors, header = _load_tensors(path, "image set")
    if set(tensors) != {"images", "labels"}:
        raise InputError(f"{path} holds {sorted(tensors)}, not images and labels")
    try:
        domain = _domain(header["domain"])
        facts = dict(header["facts"])
        return require_sound(ImageSet(**tensors, domain=domain, facts=facts), str(path))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from None


def set_folder(root: Path, dataset: str, method: str, ipc: int) -> Path:
    """Return where a synthetic set lives."""
    return root / dataset / method / f"IPC{ipc}"


def validation_file(file: Path) -> Path:
    """Return where the validations of a set are kept."""
    stem = "" if file.name == SET_FILE else f"{file.stem}."
    return file.with_name(f"{stem}validation.json")


def add_validation(file: Path, found: Mapping[str, Any]) -> None:
    """Write a validation of a set, with every trial, beside it and into the set itself."""
    data = load(file)
    held = [*data.facts.get("validated", []), {**found, "versions": versions()}]
    save(replace(data, facts={**data.facts, "validated": held}), file)
    with writing(file.parent):
        write_json(validation_file(file), held)


def pool_folder(root: Path, dataset: str, architecture: str) -> Path:
    """Return where the original models of one architecture live."""
    return root / dataset / "original" / architecture.replace(":", ".")


def member_path(folder: Path, number: int, epoch: int) -> Path:
    """Return the file of one original model: numbers are never given twice."""
    return folder / f"model_{number:03d}_epoch_{epoch:03d}.safetensors"


def save_member(member: Member, path: Path) -> None:
    """Write an original model with all that is known about it, all of it or nothing."""
    header = {
        "format": FORMAT,
        "kind": "original model",
        "architecture": member.architecture,
        "domain": asdict(member.domain),
        "facts": dict(member.facts),
    }
    _save_tensors(dict(member.network.state_dict()), header, path)


def load_member(path: Path, *, factory: str | None = None) -> Member:
    """Read what ``save_member`` wrote.

    Args:
        path: the file.
        factory: the name of a person's own network that may be imported. A file that names
            another one is refused: reading a file must not run code of its choice.

    Raises:
        InputError: when the file is damaged, or its weights do not fit its architecture.
    """
    tensors, header = _load_tensors(path, "original model")
    name = header.get("architecture")
    if not isinstance(name, str) or (":" in name and name != factory):
        raise InputError(f"{path} asks for the code {name!r}, not for a network known by name")
    try:
        domain = _domain(header["domain"])
        network = build(header["architecture"], domain, key=Key(0))
        network.load_state_dict(tensors)
        return freeze(network, header["architecture"], domain, dict(header["facts"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a sound original model: {reason}") from None


def members_in(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """List the number, epoch and file of every original model in a folder, in order."""
    named = ((MEMBER_NAME.fullmatch(path.name), path) for path in folder.glob("model_*"))
    yield from sorted((int(name[1]), int(name[2]), path) for name, path in named if name)


def write_manifest(folder: Path) -> None:
    """List every original model of a folder in ``manifest.json``, from what the files say."""
    rows: list[dict[str, Any]] = []
    for _, _, path in members_in(folder):
        _, header = _load_tensors(path, "original model")
        domain = header["domain"]
        normalisation = {"mean": domain["mean"], "std": domain["std"]}
        facts = {"architecture": header["architecture"], "dataset": domain["name"]}
        rows.append({"file": path.name, **facts, "normalisation": normalisation, **header["facts"]})
    write_json(folder / "manifest.json", rows)


def load_pool(
    folder: Path, num: int | None = None, *, epoch: int | None = None, factory: str | None = None
) -> Pool:
    """Read the first ``num`` original models of a folder, or all.

    Args:
        folder: see ``pool_folder``.
        num: how many.
        epoch: which snapshot of each; by default the last.
        factory: see ``load_member``.

    Raises:
        InputError: when there are fewer.
    """
    found = {
        number: path
        for number, trained, path in members_in(folder)
        if epoch is None or trained == epoch
    }
    paths = [found[number] for number in sorted(found)][:num]
    if len(paths) < (num or 1):
        which = "" if epoch is None else f" at epoch {epoch}"
        raise InputError(
            f"{folder} holds {len(paths)} original models{which}, fewer than the {num or 1} "
            "asked for; make them with 'datastill train'"
        )
    return tuple(load_member(path, factory=factory) for path in paths)


def remove_pool(folder: Path) -> None:
    """Delete every original model of a folder, and nothing else."""
    for _, _, path in members_in(folder):
        path.unlink()
    (folder / "manifest.json").unlink(missing_ok=True)


def _domain(table: Mapping[str, Any]) -> Domain:
    lists = {name: tuple(table[name]) for name in ("shape", "classes", "mean", "std")}
    return Domain(name=table["name"], mirror=table["mirror"], **lists)


def _save_tensors(tensors: dict[str, Tensor], header: Mapping[str, Any], path: Path) -> None:
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(held, {"datastill": json.dumps(header)})
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)


def _load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"no {kind} at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("datastill", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path} is damaged or not a safetensors file: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise InputError(f"{path} was not written by datastill as an {kind}")
    if header.get("format") != FORMAT:
        raise InputError(f"{path} has format {header.get('format')}, not {FORMAT}")
    return tensors, header


def _replace(path: Path, content: bytes) -> None:
    # A reader sees the old file or the new one, never half of one.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
