"""A few pictures of a set on its way: what its images were after some of the updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.data import Domain, ImageSet, as_kept, require_sound, unnormalised
from datastill.store.files import FORMAT, domain_of, load_tensors, save_tensors
from datastill.store.succession import EVOLUTION_FILE

KIND, LABELS = "account of a distillation", "labels"
HALVINGS = 8
"""How often the number of updates is halved: changes are large at first, and small at the end."""
MOST_BYTES = 1 << 20
"""That all pictures may take: ten of 34 images of CIFAR-10, or of 133 of MNIST."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Some images of a set, after some updates.

    Attributes:
        rows: which images, as they are stored.
        labels: ``(M,)`` or ``(M, K)``, of the last of them.
        domain: of the images; its normalisation is that of pixels as they are.
        pixels: by the updates, ``(M, C, H, W)`` bytes.
    """

    rows: tuple[int, ...]
    labels: Tensor
    domain: Domain
    pixels: Mapping[int, Tensor]

    def last(self) -> ImageSet:
        """Return the images as they were last."""
        shown = list(self.pixels.values())[-1].float() / 255
        return ImageSet(shown, self.labels, self.domain)


def steps_of(total: int) -> set[int]:
    """Return the updates after which a picture is kept: the first, and halves of halves of all.

    >>> sorted(steps_of(100))
    [1, 2, 3, 6, 12, 25, 50, 100]
    """
    return {1} | {max(1, round(total / 2**k)) for k in range(HALVINGS + 1)}


def rows_of(data: ImageSet) -> list[int]:
    """Return the stored images that are pictured: some of each class, as far as bytes allow."""
    channels, high, wide = data.domain.shape
    most = max(1, MOST_BYTES // ((HALVINGS + 2) * channels * high * wide))
    seen, turn = dict[int, int](), list[tuple[int, int]]()
    for row, label in enumerate(as_kept(data).hard_labels.tolist()):
        turn.append((seen.get(label, 0), row))
        seen[label] = seen.get(label, 0) + 1
    return sorted(row for _, row in sorted(turn)[:most])


def keep_frame(folder: Path, step: int, data: ImageSet) -> None:
    """Keep a picture of a set after an update; those of later ones are forgotten.

    Args:
        folder: of the run.
        step: updates that were made.
        data: the set.

    Raises:
        InputError: when it cannot be written.
    """
    path, kept, rows = folder / EVOLUTION_FILE, as_kept(data), rows_of(data)
    pixels = data.domain.pixels(kept.images[rows].detach().float().cpu()).clamp(0, 1)
    frames = {} if not path.exists() else dict(_frames(path, rows))
    held = {at: frame for at, frame in frames.items() if at < step}
    held[step] = (pixels * 255).round().to(torch.uint8)
    tensors = {LABELS: kept.labels[rows], **{str(at): frame for at, frame in held.items()}}
    domain = asdict(unnormalised(data.domain))
    save_tensors(tensors, {"format": FORMAT, "kind": KIND, "rows": rows, "domain": domain}, path)


def load_frames(folder: Path) -> Frames | None:
    """Read what was kept of a set on its way; None where nothing was.

    Raises:
        InputError: when it is damaged.
    """
    path = folder / EVOLUTION_FILE
    if not path.exists():
        return None
    tensors, header = load_tensors(path, KIND)
    try:
        labels, domain = tensors.pop(LABELS), domain_of(header["domain"])
        rows = tuple(int(row) for row in header["rows"])
        frames = {int(at): frame for at, frame in tensors.items()}
        found = Frames(rows, labels, domain, {at: frames[at] for at in sorted(frames)})
        for frame in frames.values():
            if frame.dtype != torch.uint8 or frame.shape != (len(rows), *domain.shape):
                raise ValueError("pictures that are no images")
        return replace(found, labels=require_sound(found.last(), str(path)).labels)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from None


def _frames(path: Path, rows: list[int]) -> Mapping[int, Tensor]:
    # Of the same run; what cannot be read, or is of another, begins anew.
    try:
        found = load_frames(path.parent)
    except InputError:
        return {}
    return found.pixels if found is not None and list(found.rows) == rows else {}
