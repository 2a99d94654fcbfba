"""Soft labels for a set, from original models: a set of its own that keeps the hard ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.notebooks import of_run
from datastill.base.paths import same_place
from datastill.base.usual import as_usual
from datastill.data import ImageSet
from datastill.data.labels import hardened
from datastill.distillation.relabelling import relabelled
from datastill.identity import unknown
from datastill.report.preview import write_preview
from datastill.runs.conduct.given import require_kinds
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.folders.describing import write_description
from datastill.runs.folders.finding import set_file
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.origin import Caveats
from datastill.runs.inputs.originals import Shelf
from datastill.runs.specs import RelabelSpec
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import SET_FILE, fingerprint, load, locked, open_run, provisional, save, settle
from datastill.training.pool import Pool


@dataclass(frozen=True, eq=False)
class Relabelled:
    """A set with soft labels.

    Attributes:
        set: that has them.
        before: the set as it was.
        pool: who was asked.
        caveats: what has to be known of the labels.
        folder: where the set is; None where nothing is written.
    """

    set: ImageSet
    before: ImageSet
    pool: Pool
    caveats: Caveats
    folder: Path | None

    _repr_html_ = of_run

    @property
    def agreement(self) -> float:
        """The share of images of which the likeliest class is the hard label."""
        return (self.set.labels.argmax(1) == hardened(self.before).labels).float().mean().item()

    @property
    def certainty(self) -> float:
        """What the likeliest class gets on average."""
        return self.set.labels.max(1).values.mean().item()


@as_usual
def relabel(
    spec: RelabelSpec, folder: Path | str | None = None, *, keeping: Keeping = USUAL
) -> Relabelled:
    """Give the images of a set soft labels: how original models share them out among classes.

    Args:
        spec: what the labels follow from.
        folder: for the new set; ``beside`` is the usual one. Without it nothing is written.
        keeping: whether it may be overwritten.

    Raises:
        InputError: when models are missing, or are of other images; the folder is taken, or
            the set's own.
    """
    require_kinds(RelabelSpec, spec, folder, keeping=keeping)
    file = set_file(Path(spec.set))
    if folder is not None and same_place(Path(folder) / SET_FILE, file):
        raise InputError(f"{folder} holds the set itself, which stays; take another `folder`")
    data = load(file)
    origin = data.facts.get("data") or {}
    pool = Shelf(spec.pool.path, data, origin).asked(spec.pool)
    made = relabelled(data, pool, temperature=spec.temperature)
    caveats = tuple(_caveats(data, pool))
    if folder is None:
        return Relabelled(made, data, pool, caveats, None)
    resolved = {
        "relabelled": str(file),
        "temperature": spec.temperature,
        "pool": made.facts["relabelled"]["originals"],
    }
    content = {"set_fingerprint": fingerprint(data)}
    settings = Provenance.here(spec, data.images.device.type, resolved, content).facts()
    out = Path(folder)
    with locked(out), provisional(out, lambda: False):
        place = open_run(out, settings, overwrite=keeping.overwrite, resumable=False).path
        write_description(spec, place / RUN_FILE)
        write_preview(made, place / "preview.png")
        save(made, place / SET_FILE)
        settle(place)
    return Relabelled(made, data, pool, caveats, out)


def beside(path: Path | str) -> Path:
    """Return the usual folder for soft labels of a set: that of the set with '-soft' added."""
    file = set_file(Path(path))
    folder = file.parent if file.name == SET_FILE else file.with_suffix("")
    return folder.with_name(f"{folder.absolute().name}-soft")


def _caveats(data: ImageSet, pool: Pool) -> Iterator[str]:
    if silent := unknown(pool):
        yield silent
    if not (data.facts.get("data") or {}).get("content"):
        yield (
            "what the set was made from is not known, so that it cannot be checked whether the "
            "models were trained on the same"
        )
