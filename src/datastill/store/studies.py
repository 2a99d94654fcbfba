"""The folder of a study: its sets, what is known of each, and what follows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.store.checkpoints import Told, difference, plainly
from datastill.store.files import read_json, require_writable, write_json, writing
from datastill.store.sets import load, save
from datastill.store.succession import SET_FILE

SETS_FOLDER, RECORD_FILE = "sets", "record.json"


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk: ``sets/NAME`` holds a set and its record, each written when it is ready."""

    path: Path

    def names(self) -> list[str]:
        """Name the sets that are there, in alphabetical order."""
        return sorted(file.parent.name for file in (self.path / SETS_FOLDER).glob(f"*/{SET_FILE}"))

    def load_set(self, name: str) -> ImageSet:
        """Read a set."""
        return load(self.path / SETS_FOLDER / name)

    def save_set(self, name: str, data: ImageSet) -> None:
        """Write a set, all of it or nothing."""
        save(data, self.path / SETS_FOLDER / name / SET_FILE)

    def load_record(self, name: str) -> dict[str, Any] | None:
        """Read what is known of a set; None where nothing is."""
        file = self.record_file(name)
        return read_json(file) if file.exists() else None

    def save_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Write what is known of a set, all of it or nothing."""
        with writing(self.path):
            write_json(self.record_file(name), record)

    def record_file(self, name: str) -> Path:
        """Return where it is kept what is known of a set."""
        return self.path / SETS_FOLDER / name / RECORD_FILE

    def record_files(self) -> Iterator[Path]:
        """Yield all that are there, in no order."""
        return (self.path / SETS_FOLDER).glob(f"*/{RECORD_FILE}")

    def keep(self, name: str, value: Mapping[str, Any], hint: str, *, told: Told = plainly) -> None:
        """Write what the study rests on, or make sure that it is what it was.

        Args:
            name: of the file.
            value: what is to be kept.
            hint: what a person can do about a difference.
            told: the words for it; see ``require_same``.

        Raises:
            InputError: naming the first difference, or when the folder cannot be written to.
        """
        file, wanted = self.path / name, json.loads(json.dumps(value))
        if not file.exists():
            require_writable(self.path)
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                write_json(file, wanted)
            return
        found = difference(read_json(file), wanted)
        if found is not None:
            raise InputError(f"the study in {self.path} {told(*found)}; {hint}")

    def forget(self, name: str) -> None:
        """Remove what ``keep`` wrote."""
        (self.path / name).unlink(missing_ok=True)

    def write(self, name: str, value: Any) -> None:
        """Write a result."""
        with writing(self.path):
            write_json(self.path / name, value)
