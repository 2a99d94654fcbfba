"""The baseline of early labels: random real images, labelled by early-stopped original models.

After how many epochs they are stopped is chosen on training images that are held out: the fewer
images a set has, the earlier. Its hard row are the same images with their classes: random ones.

Reference:
    Qin, Deng and Alvarez-Melis, A Label is Worth a Thousand Images in Dataset Distillation,
    NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import require_held
from datastill.evaluation.comparison import Entry, Terms
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Trial
from datastill.identity import described
from datastill.runs.inputs.originals import Shelf
from datastill.runs.specs import CompareSpec
from datastill.runs.validation.material import Material, randomly
from datastill.runs.validation.ranking import HELD_OUT, kept_apart
from datastill.training.labelling import EARLY
from datastill.training.pool import Pool

MOST_EPOCHS = 6
"""Epochs among which one is chosen, where more are kept: each costs a network."""


@dataclass(frozen=True, eq=False)
class EarlyLabels:
    """Random images, as original models label them after several epochs.

    Attributes:
        pools: by their epochs.
        temperature: of the labels.
    """

    pools: Mapping[int, Pool]
    temperature: float

    def facts(self) -> dict[str, Any]:
        """Return what is written down of the models that are tried."""
        originals = described(one for pool in self.pools.values() for one in pool)
        return {"epochs": list(self.pools), "originals": originals}

    def plans(self, material: Material, terms: Terms) -> list[EvaluationPlan]:
        """Return a network for every epoch, to be tested on held-out training images."""
        model, route = next(iter(terms.ways.items()))
        fitted, held = kept_apart(material, terms)
        key = terms.key.at("early")
        return [
            EvaluationPlan({_tried(epoch): one.draw}, held, terms.protocol, {model: route}, 1, key)
            for epoch in self.pools
            for one in [self._entry(epoch, replace(material, real=fitted), terms)]
        ]

    def chosen(self, trials: Sequence[Trial]) -> tuple[int, dict[str, Any]]:
        """Return the epoch whose labels did best, the earlier of equals; and what is written."""
        reached = {one.source: one.accuracy for one in trials}
        accuracies = {epoch: reached[_tried(epoch)] for epoch in self.pools}
        best = max(accuracies, key=lambda epoch: (accuracies[epoch], -epoch))
        return best, {
            "epoch": best,
            "held_out_accuracies": {str(epoch): value for epoch, value in accuracies.items()},
        }

    def entry(self, epoch: int, material: Material, terms: Terms) -> Entry:
        """Return the random images with the labels of an epoch."""
        return replace(self._entry(epoch, material, terms), name=EARLY)

    def _entry(self, epoch: int, material: Material, terms: Terms) -> Entry:
        labelling = replace(material, pool=self.pools[epoch])
        return randomly(material.real, labelling, terms.key, temperature=self.temperature)


def early_labels(spec: CompareSpec, material: Material, terms: Terms) -> EarlyLabels | None:
    """Return what is asked for, None where it is not.

    Args:
        spec: of the comparison.
        material: what is compared.
        terms: what is equal for all.

    Raises:
        InputError: when the models were not kept after several epochs, or too few images remain
            beside those that are held out.
    """
    if EARLY not in spec.against or spec.pool is None:
        return None
    try:
        require_held(kept_apart(material, terms)[0], material.counts)
    except InputError as error:
        share = f"{HELD_OUT:.0%} of the training images"
        raise InputError(f"{error}; {share} are kept to choose the epoch of {EARLY} by") from None
    shelf = Shelf(spec.pool.path, material.real)
    pools = shelf.by_epoch(spec.pool.architectures, spec.pool.num)
    some = {epoch: pools[epoch] for epoch in spread(list(pools), MOST_EPOCHS)}
    return EarlyLabels(some, material.temperature(spec.soft.temperature))


def spread(epochs: Sequence[int], most: int) -> list[int]:
    """Return at most so many of epochs, the first and the last among them, the early ones denser.

    >>> spread(list(range(1, 151)), 6), spread([1, 2, 12], 6)
    ([1, 3, 7, 20, 55, 150], [1, 2, 12])
    """
    if len(epochs) <= most:
        return list(epochs)
    ratio = (epochs[-1] / epochs[0]) ** (1 / (most - 1))
    aims = [epochs[0] * ratio**i for i in range(most)]
    return sorted({min(epochs, key=lambda epoch, aim=aim: abs(epoch - aim)) for aim in aims})


def told(facts: Mapping[str, Any], held: int) -> str:
    """Say which epoch was chosen, and why."""
    tried = ", ".join(
        f"{epoch}: {100 * value:.1f} %" for epoch, value in facts["held_out_accuracies"].items()
    )
    return (
        f"{EARLY} are those after epoch {facts['epoch']} of the original models, chosen on "
        f"{counted(held, 'held-out training image')} ({tried})"
    )


def _tried(epoch: int) -> str:
    return f"{EARLY}, after epoch {epoch}"
