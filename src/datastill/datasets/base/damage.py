"""Pictures that cannot be decoded: all are named at once, or left out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import are, counted, printable
from datastill.datasets.base.decode import damaged_in
from datastill.datasets.base.kept import Entry, keep, key_of, recall
from datastill.datasets.base.reading import Encoded, Found, Pictures, Reading, silent

NAMED = 5
"""Damaged pictures that one line names; more are listed in a file."""


@dataclass(frozen=True)
class Chosen:
    """Some of several pictures.

    Attributes:
        pictures: all of them.
        rows: those that are meant, ascending.
    """

    pictures: Pictures
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield some of them."""
        return self.pictures.at([self.rows[row] for row in rows])


def without_damaged(found: Found, reading: Reading) -> Found:
    """Return what was found without the pictures that are damaged, if that was asked for.

    Facts say which they were.

    Raises:
        InputError: when all are.
    """
    if isinstance(found.images, Tensor) or not reading.skip_damaged:
        return found
    bad = _known(found.images, reading, found.source)
    if not bad:
        return found
    if len(bad) == len(found.images):
        raise InputError(
            f"{found.source}: all {counted(len(bad), 'picture')} {are(len(bad))} damaged: {bad[0]}"
        )
    good = [row for row in range(len(found.images)) if row not in bad]
    names = [encoded.name for encoded in found.images.at(sorted(bad))]
    inside = [printable(name.removeprefix(f"{found.source}{os.sep}")) for name in names]
    return replace(
        found,
        images=Chosen(found.images, good),
        labels=found.labels[torch.tensor(good)],
        facts={**found.facts, "damaged": inside},
    )


def _known(pictures: Pictures, reading: Reading, source: str) -> dict[int, str]:
    key = key_of(pictures, range(len(pictures)), "damaged", reading.size)
    held = recall(key) if key else None
    if held is not None:
        return {int(row): str(said) for row, said in held.facts.items()}
    found = damaged_in(pictures, reading, source=source)
    if key:
        facts = {str(row): said for row, said in found.items()}
        nothing = torch.empty(0, 1, 1, 1, dtype=torch.uint8)
        keep(key, Entry(facts, nothing), replace(reading, tell=silent))
    return found


def complaint(pictures: Pictures, reading: Reading, *, source: str) -> InputError:
    """Return what to say of pictures of which one was found to be damaged: all that are."""
    told = list(damaged_in(pictures, reading, source=source).values())
    if len(told) == 1:
        return InputError(f"{told[0]}; `skip_damaged=True` goes on without it")
    most = told if len(told) <= NAMED else told[:3]
    more = f" and {len(told) - len(most)} more, listed in {_listed(told)}" if told[NAMED:] else ""
    return InputError(
        f"{len(told)} of {counted(len(pictures), 'picture')} are damaged: {'; '.join(most)}{more}; "
        "`skip_damaged=True` goes on without them"
    )


def _listed(told: Sequence[str]) -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="damaged-", suffix=".txt", encoding="utf-8", delete=False
        ) as file:
            file.writelines(f"{line}\n" for line in told)
    except OSError as error:  # then the number has to do
        return f"no file: {error.strerror or error}"
    return file.name
