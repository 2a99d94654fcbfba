"""The table of a comparison: what is trained on sets and on real images, or one network of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datastill.data import ImageSet
from datastill.evaluation.comparison import REAL, Entry, Terms, entry, evaluation_plan
from datastill.evaluation.plan import EvaluationPlan
from datastill.runs.conduct.given import Conduct
from datastill.runs.executors.pieces import place_of, require_address
from datastill.runs.inputs.computing import device_of
from datastill.runs.specs import CompareSpec
from datastill.runs.validation.apart import train_apart
from datastill.runs.validation.early import early_labels
from datastill.runs.validation.material import (
    Material,
    entries_of,
    material_of,
    protocol_of,
    provenance_of,
    terms_of,
)


@dataclass(frozen=True, eq=False)
class Stage:
    """Some rows of a table.

    Attributes:
        entries: what networks are trained on.
        test: what they are tested on.
        terms: how.
    """

    entries: Sequence[Entry]
    test: ImageSet
    terms: Terms

    @property
    def plan(self) -> EvaluationPlan:
        """All that is trained and tested."""
        return evaluation_plan(self.entries, self.test, self.terms)


def stages(
    spec: CompareSpec, material: Material, terms: Terms, entries: Sequence[Entry]
) -> list[Stage]:
    """Return what the table of a comparison is made of: sets, and all real images.

    Args:
        spec: what is compared.
        material: of it.
        terms: equal for all.
        entries: the sets, and real images picked.
    """
    found = [Stage(entries, material.test, terms)]
    if spec.real_epochs:
        protocol = protocol_of(spec, material, spec.protocol, spec.real_epochs)
        its = replace(terms, protocol=protocol, trials=spec.real_trials)
        real = entry(REAL, material.real, bits=8)
        found.append(Stage([real], material.test, its))
    return found


def compare_piece(spec: CompareSpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Train one network of a comparison on all of its sets, or on all real images.

    Args:
        spec: of the whole.
        address: of the network.
        folder: for the results of the whole.
        conduct: how it is carried out.
    """
    require_address(spec, address)
    device = device_of(spec.compute)
    material = material_of(spec, device, conduct.observer)
    terms = terms_of(spec, material)
    early = early_labels(spec, material, terms)
    asked = provenance_of(spec, material, terms, device, early and early.facts()).asked
    found = stages(spec, material, terms, entries_of(spec, material, terms))
    plans = [stage.plan for stage in found]
    train_apart(address, plans, asked, place_of(spec, folder, address), conduct)
