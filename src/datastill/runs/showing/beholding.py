"""What a page shows of a set that its files do not hold: looked at with the real images at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.data import Domain, ImageSet, as_kept, tiled
from datastill.datasets import load_split
from datastill.report.page.held import ByClass, Held, Nearest, Taken
from datastill.report.page.nearest import nearest
from datastill.report.page.pictures import spread
from datastill.report.page.seen import by_class, taken
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.inputs.origin import Origin
from datastill.runs.inputs.originals import Shelf, told
from datastill.runs.specs import DataSpec
from datastill.runs.studies.judging import OWN
from datastill.runs.studies.standing import study_of_set
from datastill.store import load_member, networks_folder

MOST_NETWORKS = 10
"""Of a set, whose accuracy is found out class by class."""


@dataclass(eq=False)
class Beholder:
    """Looks at sets, and reads what they were made from once for all of them.

    Attributes:
        data: how real images are read, where a set does not say, or somebody else does.
        pool_path: folder with original models.
        observer: watches the reading.
        read: training images that were read, by where from and how they are normalised.
    """

    data: DataSpec
    pool_path: Path
    observer: Observer = SILENT
    read: list[tuple[Origin, Domain, ImageSet]] = field(
        default_factory=list[tuple[Origin, Domain, ImageSet]]
    )

    def looked_at(self, held: Held, file: Path, most: int) -> Held:
        """Return what is known of a set with what can be found out; why the rest cannot be.

        Args:
            held: what its files say.
            file: of the set.
            most: images that are shown.
        """
        missing, found = dict(held.missing), dict[str, Any]()
        looks = {
            "nearest": lambda: self._nearest(held.data, most),
            "taken": lambda: self._taken(held.data, file),
            "by_class": lambda: self._by_class(held.data, file),
        }
        for name, look in looks.items():
            try:
                found[name] = look()
            except InputError as error:
                missing[name] = str(error)
        return replace(held, missing=missing, **found)

    def _real(self, made: ImageSet) -> ImageSet:
        origin = Origin.of(made, self.data, self.observer)
        read = (one for one in self.read if one[:2] == (origin, made.domain))
        found = next(read, None)
        if found is None:
            where = (origin.dataset, "train", origin.data_path, origin.reading)
            found = origin, made.domain, load_split(*where, like=made.domain)
            self.read.append(found)
        real = found[2]
        origin.train_caveats({"the set": made}, real)
        return real

    def _nearest(self, made: ImageSet, most: int) -> Nearest:
        kept = tiled(made.images)
        parts = 1 if kept is None else kept.folding.parts
        shown = (row for rows in spread(as_kept(made).rows_by_class, most) for row in rows)
        rows = [row * parts + part for row in shown for part in range(parts)]
        real = self._real(made)
        return nearest(made, real.under(made.domain), rows)

    def _taken(self, made: ImageSet, file: Path) -> Taken:
        study = study_of_set(file)
        try:
            return self._taken_by(self.pool_path, made)
        except InputError:
            if study is None or not (study / OWN).is_dir():
                raise
        return self._taken_by(study / OWN, made)

    def _taken_by(self, pool_path: Path, made: ImageSet) -> Taken:
        known: Mapping[str, Any] = made.facts.get("data") or {}
        shelf = Shelf(pool_path, made, {"content": known.get("content")}, made.domain.name)
        names = _architectures(made)
        if names:
            pool = shelf.load(names, None)
        else:
            found = shelf.found(str(made.facts.get("model") or "ConvNet"))
            if isinstance(found, str):
                raise InputError(found)
            pool = shelf.load([found.architecture], None)
        return taken(made, pool, told(pool, ()))

    def _by_class(self, made: ImageSet, file: Path) -> ByClass | None:
        files = sorted(networks_folder(file).glob("*.safetensors"))[:MOST_NETWORKS]
        if not files:
            raise InputError(
                "an older version wrote none down, and no network was kept; a validation tells"
            )
        origin = Origin.of(made, self.data, self.observer)
        test = origin.images({"the set": made}, SILENT, train=False).test
        networks = [load_member(path) for path in files]
        return by_class(networks, [path.stem for path in files], test.under(made.domain))


def _architectures(made: ImageSet) -> Sequence[str]:
    # Of the models that guided it, or chose it.
    for name in ("clom", "select"):
        part = made.facts.get(name)
        originals = part.get("originals") if isinstance(part, Mapping) else None
        if isinstance(originals, list) and originals:
            return list(dict.fromkeys(str(one["architecture"]) for one in originals))
    return ()
