"""Original models and the folders of pools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, reason
from datastill.base.rng import Key
from datastill.base.wording import as_folder, counted
from datastill.identity import OF_A_MODEL, require_facts
from datastill.networks import build
from datastill.store.files import (
    FORMAT,
    domain_of,
    load_tensors,
    save_tensors,
    write_json,
    writing,
)
from datastill.store.succession import MANIFEST
from datastill.training.dynamics import Dynamics
from datastill.training.pool import Member, Pool, freeze

MEMBER_NAME = re.compile(r"model_(\d+)_epoch_(\d+)\.safetensors")


def pool_folder(root: Path, dataset: str, architecture: str) -> Path:
    """Return where the original models of one architecture live."""
    return root / as_folder(dataset) / "original" / architecture.replace(":", ".")


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
    save_tensors(dict(member.network.state_dict()), header, path)


def load_member(path: Path, *, factory: str | None = None) -> Member:
    """Read what ``save_member`` wrote.

    Args:
        path: the file.
        factory: the name of a person's own network that may be imported. A file that names
            another one is refused: reading a file must not run code of its choice.

    Raises:
        InputError: when the file is damaged, or its weights do not fit its architecture.
    """
    tensors, header = load_tensors(path, "original model")
    name = header.get("architecture")
    if not isinstance(name, str) or (":" in name and name != factory):
        raise InputError(f"{path} asks for the code {name!r}, not for a network known by name")
    try:
        domain = domain_of(header["domain"])
        network = build(header["architecture"], domain, key=Key(0))
        network.load_state_dict(tensors)
        facts = require_facts(header["facts"], OF_A_MODEL)
        return freeze(network, header["architecture"], domain, facts)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a sound original model: {reason(error)}") from None


def dynamics_path(folder: Path, number: int) -> Path:
    """Return the file of the training dynamics of one original model."""
    return folder / f"model_{number:03d}_dynamics.safetensors"


def save_dynamics(member: Member, folder: Path, number: int) -> None:
    """Write how the images did that an original model was trained on, if that is known.

    Args:
        member: the model, as it is at its end.
        folder: of the pool.
        number: of the model in it.
    """
    if member.dynamics is None:
        return
    known = {name: member.facts.get(name) for name in ("key", "seed", "trained_on")}
    header = {
        "format": FORMAT,
        "kind": "account of a training",
        "architecture": member.architecture,
        "epochs": member.dynamics.epochs,
        "facts": known,
    }
    save_tensors(member.dynamics.tensors, header, dynamics_path(folder, number))


def load_dynamics(folder: Path, number: int) -> Dynamics | None:
    """Read what ``save_dynamics`` wrote; None where there is nothing.

    Raises:
        InputError: when the file is damaged.
    """
    path = dynamics_path(folder, number)
    if not path.exists():
        return None
    without = "the model serves without it; delete the file"
    try:
        tensors, header = load_tensors(path, "account of a training")
    except InputError as error:
        raise InputError(f"{error}; {without}") from None
    try:
        return Dynamics.of(tensors, int(header["epochs"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        said = f"{path} is no sound account of a training: {reason(error)}"
        raise InputError(f"{said}; {without}") from None


def members_in(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """List the number, epoch and file of every original model in a folder, in order."""
    named = ((MEMBER_NAME.fullmatch(path.name), path) for path in folder.glob("model_*"))
    yield from sorted((int(name[1]), int(name[2]), path) for name, path in named if name)


def write_manifest(folder: Path) -> None:
    """List every original model of a folder in ``manifest.json``, from what the files say."""
    rows: list[dict[str, Any]] = []
    for _, _, path in members_in(folder):
        _, header = load_tensors(path, "original model")
        domain = header["domain"]
        normalisation = {"mean": domain["mean"], "std": domain["std"]}
        facts = {"architecture": header["architecture"], "dataset": domain["name"]}
        rows.append({"file": path.name, **facts, "normalisation": normalisation, **header["facts"]})
    with writing(folder):
        write_json(folder / MANIFEST, rows)


def load_snapshots(folder: Path, num: int | None = None, *, factory: str | None = None) -> Pool:
    """Read the first ``num`` original models of a folder, or all, after every epoch that was kept.

    Args:
        folder: see ``pool_folder``.
        num: how many models.
        factory: see ``load_member``.

    Raises:
        InputError: when there are fewer.
    """
    found = list(members_in(folder))
    numbers = sorted({number for number, _, _ in found})
    if len(numbers) < (num or 1):
        raise _too_few(folder, len(numbers), num, how=" and --save-epochs")
    chosen = set(numbers[:num])
    return tuple(
        load_member(path, factory=factory) for number, _, path in found if number in chosen
    )


def load_pool(
    folder: Path,
    num: int | None = None,
    *,
    epoch: int | None = None,
    factory: str | None = None,
    named: bool = True,
) -> Pool:
    """Read the first ``num`` original models of a folder, or all, as they were at their end.

    Args:
        folder: see ``pool_folder``.
        num: how many.
        epoch: which snapshot of each; by default the last, which some lack that were cut off.
        factory: see ``load_member``.
        named: whether who asks can say how many, and which snapshot: hints name that.

    Raises:
        InputError: when there are fewer.
    """
    found = {
        number: (trained, path)
        for number, trained, path in members_in(folder)
        if epoch is None or trained == epoch
    }
    members, cut_off = list[Member](), list[str]()
    for number, (trained, path) in sorted(found.items()):
        if len(members) == num:
            break
        member = load_member(path, factory=factory)
        whole = (member.facts.get("fit") or {}).get("epochs")
        if epoch is None and whole is not None and trained < whole:
            cut_off.append(f"model {number} is after epoch {trained} of {whole}")
        else:
            members.append(replace(member, dynamics=load_dynamics(folder, number)))
    if cut_off and len(members) < (num or len(found)):
        raise _cut_off(folder, cut_off[0], len(members) if named else None)
    if len(members) < (num or 1):
        raise _too_few(folder, len(members), num, "" if epoch is None else f" at epoch {epoch}")
    return tuple(members)


def _cut_off(folder: Path, which: str, done: int | None) -> InputError:
    # What helps; of those that are done some can be taken by who can name their number.
    some = f"take the {done} that are done (`num`), " if done else ""
    more = "" if done is None else f", {some}or name the `epoch` of all"
    return InputError(
        f"{folder}: {which}, its training was cut off; finish it ('datastill train' with "
        f"`resume=True`){more}"
    )


def _too_few(
    folder: Path, held: int, num: int | None, which: str = "", how: str = ""
) -> InputError:
    return InputError(
        f"{folder} holds {counted(held, 'original model')}{which}, fewer than the {num or 1} asked "
        f"for; make them with 'datastill train'{how}"
    )
