"""Checkpoints: what a run that was cut off goes on from, read whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.store.files import replace_file, through_json, writing

MAGIC = b"datastill checkpoint 1 "
ENDING = ".checkpoint"
DIGITS = 32
"""Of a digest."""

Told = Callable[[str, Any, Any], str]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was known of a run at one moment.

    Attributes:
        asked: all that its result follows from; whoever goes on must ask for the same.
        facts: how far it was, as JSON can hold it.
        tensors: by name.
    """

    asked: Mapping[str, Any]
    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True)
class CheckpointFile:
    """Where the last two checkpoints of a run are kept.

    A file is one line with the digest of what follows, one line of JSON, and the tensors in the
    ``safetensors`` format.

    Attributes:
        path: of the last; the one before lies beside it.
    """

    path: Path

    @property
    def before(self) -> Path:
        """Where the checkpoint before the last is."""
        return self.path.with_name(f"{self.path.name}.before")

    @property
    def exists(self) -> bool:
        """Whether there is one, sound or not."""
        return self.path.exists() or self.before.exists()

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the one before stays until it is there, and longer.

        Raises:
            InputError: when it cannot be written.
        """
        head = json.dumps({"asked": checkpoint.asked, "facts": checkpoint.facts}).encode()
        tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
        body = head + b"\n" + safetensors.torch.save(tensors)
        with writing(self.path.parent):
            replace_file(self.path, MAGIC + _digest(body) + b"\n" + body, before=self.before)

    def load(
        self, hint: str = "pass `overwrite=True` to start over"
    ) -> tuple[Checkpoint, str] | None:
        """Read the last checkpoint that is whole.

        Args:
            hint: what a person can do, or what follows, where there is none.

        Returns:
            It, and a line for the person where another one before it had to serve; None where
            there is none.

        Raises:
            InputError: when there is no other than damaged ones.
        """
        complaint = ""
        for path in (self.path, self.before):
            if not path.exists():
                continue
            try:
                found = _read(path)
            except InputError as error:
                complaint = complaint or str(error)
            else:
                return found, complaint and f"{complaint}; going on from the one before"
        if complaint:
            raise InputError(f"{complaint}; {hint}")
        return None

    def asked_in(self, path: Path) -> dict[str, Any] | None:
        """Return what the run of a checkpoint was asked for; None where that cannot be told.

        Its tensors are not read, so that they may be damaged.

        Args:
            path: the last one, or the one before.
        """
        try:
            with path.open("rb") as file:
                whole = file.readline(len(MAGIC) + DIGITS + 1).startswith(MAGIC)
                return dict(json.loads(file.readline())["asked"]) if whole else None
        except (OSError, KeyError, TypeError, ValueError, RecursionError):
            return None

    def save_alone(self, checkpoint: Checkpoint) -> None:
        """Do what ``save`` does, and keep none before it, which a killed run may have left."""
        self.save(checkpoint)
        with writing(self.path.parent):
            self.before.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete both."""
        with writing(self.path.parent):
            self.before.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)


def checkpoint_file(folder: Path, command: str) -> CheckpointFile:
    """Return where a command keeps its checkpoints in the folder of a run."""
    return CheckpointFile(folder / f"{command}{ENDING}")


def plainly(name: str, old: Any, new: Any) -> str:
    """Say how a run differs from what is asked of it, as it is written down."""
    return f"has {name} {_short(old)}, not {_short(new)}"


def require_same(
    held: Mapping[str, Any],
    asked: Mapping[str, Any],
    place: str,
    hint: str,
    *,
    told: Told = plainly,
) -> None:
    """Refuse to go on with a run that was asked for otherwise.

    Args:
        held: what it was asked for.
        asked: what is asked for now; names that are held and not asked for do not count.
        place: of the run.
        hint: what a person can do.
        told: the words for a difference: its name, with dots, what was and what is asked for.

    Raises:
        InputError: naming the first difference.
    """
    found = difference(held, through_json(asked))
    if found is not None:
        raise InputError(f"the run in {place} {told(*found)}; {hint}")


def difference(held: Any, asked: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first difference: its name, with dots, what was held and what is asked for."""
    for name, wanted in asked.items():
        found = held.get(name) if isinstance(held, dict) else None
        if found == wanted:
            continue
        if isinstance(found, dict) and isinstance(wanted, dict):
            inner = difference(found, wanted)
            if inner is None:
                continue
            return f"{name}.{inner[0]}", inner[1], inner[2]
        return name, found, wanted
    return None


def _read(path: Path) -> Checkpoint:
    with damaged(path):
        line, _, body = path.read_bytes().partition(b"\n")
    if line != MAGIC + _digest(body):
        raise InputError(f"{path} is damaged: its digest is not that of its content")
    head, _, rest = body.partition(b"\n")
    try:
        found = json.loads(head)
        asked, facts = dict(found["asked"]), dict(found["facts"])
        return Checkpoint(asked, facts, safetensors.torch.load(rest))
    except (KeyError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise InputError(f"{path} is no checkpoint: {error}") from None


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGITS // 2).hexdigest().encode()


def _short(value: Any, most: int = 60) -> str:
    text = json.dumps(value)
    return text if len(text) <= most else f"{text[:most]}..."
