"""Pictures, decoded; those of the last runs are kept, so that they are decoded once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from datastill.datasets.base.damage import complaint
from datastill.datasets.base.decode import Damaged, decode, kind_of
from datastill.datasets.base.kept import Entry, keep, key_of, recall
from datastill.datasets.base.reading import Pictures, Reading
from datastill.identity import Digests


def decoded(
    pictures: Pictures,
    rows: Sequence[int],
    reading: Reading,
    colour: bool | None,
    *,
    source: str,
    known: bool = False,
) -> tuple[Tensor, Digests | None]:
    """Return pictures as ``(n, C, H, W)`` bytes of one size, decoded once.

    Args:
        pictures: see ``Pictures``; at least one.
        rows: which of them, ascending.
        reading: the size, if one is asked for.
        colour: whether they are to be read in colour; None if they are to tell.
        source: their name, for messages.
        known: whether the digests of the pictures, as large as they are, are to come with them.

    Raises:
        InputError: see ``decode`` and ``kind_of``.
    """
    whole = len(rows) == len(pictures)
    # Whether there is colour depends on all of them, where nobody knows it.
    looked_at = rows if whole or colour is not None else range(len(pictures))
    key = key_of(pictures, looked_at, "decoded", list(rows), reading.size, colour)
    held = recall(key) if key else None
    if held is not None and (held.digests is not None or not known):
        return held.images, held.digests
    try:
        kind = kind_of(pictures, reading, colour, source=source, whole=whole)
        images, digests = decode(
            *(pictures, rows, kind), source=source, progress=reading.progress, known=known
        )
    except Damaged:
        raise complaint(pictures, reading, source=source) from None
    found = digests if known else None
    if key:
        keep(key, Entry({}, images, found), reading)
    return images, found
