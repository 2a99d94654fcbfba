"""Validation protocols: everything that must be equal for two sets to be compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from datastill.augment import DSA, NONE, by_image
from datastill.base.errors import InputError, of_kind, positive, suggestion, whole
from datastill.training.fit import Fit


@dataclass(frozen=True)
class Protocol:
    """How fresh networks are trained on a set before they are tested once, at the end.

    Attributes:
        name: of the preset.
        fit: optimiser, epochs and schedule.
        augmentation: that training images pass, each by its own draw: ``"none"``, ``"dsa"`` for
            DSA's, or a strategy of ``augment.by_image`` such as ``"crop_scale_rotate"``.
        soft_lr: learning rate that soft labels are learned from, in place of that of ``fit``;
            None where that serves.
    """

    name: str
    fit: Fit
    augmentation: str
    soft_lr: float | None = None

    def __post_init__(self) -> None:
        positive(soft_lr=self.soft_lr)
        of_kind(str, "a name", name=self.name)
        of_kind(Fit, "a Fit, such as original_fit()", fit=self.fit)
        of_kind(str, "'none', 'dsa' or a strategy", augmentation=self.augmentation)
        if self.augmentation not in (NONE, DSA):
            by_image(self.augmentation)

    @property
    def augmented(self) -> bool:
        """Whether training images are augmented."""
        return self.augmentation != NONE

    def fit_for(self, *, soft: bool) -> Fit:
        """Return how networks are trained on soft labels, or on classes."""
        lr = self.soft_lr
        return replace(self.fit, lr=lr) if soft and lr is not None else self.fit

    def facts(self, *, soft: bool) -> dict[str, Any]:
        """Return what is written down, of the learning of soft labels where there are any."""
        found = asdict(self)
        if not soft or self.soft_lr is None:
            del found["soft_lr"]
        return found

    @property
    def words(self) -> str:
        """What is done to training images, to be read after how long the training is."""
        return _words(self.augmentation)


def _words(augmentation: str) -> str:
    told = {NONE: "without augmentation", DSA: "with DSA augmentation"}
    return told.get(augmentation, f"with augmentation {augmentation}")


def published_fit(epochs: int) -> Fit:
    """Return the field's evaluation training, for a nominal number of epochs.

    SGD with momentum 0.9, weight decay 0.0005, batches of 256, learning rate 0.01. The reference
    code counts from zero to ``epochs`` inclusive and lowers the learning rate to a tenth, with
    a new optimiser, after the pass numbered ``epochs // 2 + 1``: one epoch more than it says,
    the last ``epochs - epochs // 2 - 1`` of them slow.

    >>> published_fit(300).epochs, published_fit(300).milestones
    (301, (152,))
    """
    return Fit(epochs=epochs + 1, milestones=(epochs // 2 + 2,), restart=True)


def with_soft_loss(
    protocol: Protocol, loss: Literal["cross-entropy", "kl"], temperature: float = 1.0
) -> Protocol:
    """Return a protocol with another loss of soft labels; hard labels do not feel it."""
    found = temperature if loss == "kl" else None
    return replace(protocol, fit=replace(protocol.fit, temperature=found))


def modern_fit(epochs: int) -> Fit:
    """Return a stronger evaluation training of the same length.

    SGD with Nesterov momentum 0.9, weight decay 0.0005 and batches of 256; the learning rate rises
    to 0.1 (with soft labels 0.01) in the first twentieth and falls to zero along half a cosine;
    CutMix in every batch. Chosen on held-out training images, see docs/protocol.md.

    >>> modern_fit(1000).warmup
    50
    """
    return Fit(epochs=epochs, lr=0.1, nesterov=True, cosine=True, warmup=epochs // 20, cutmix=True)


@dataclass(frozen=True)
class Preset:
    """A protocol of any length.

    Attributes:
        fit: from a nominal number of epochs.
        epochs: nominal number by default.
        augmentation: see ``Protocol``; so is the last.
    """

    fit: Callable[[int], Fit]
    epochs: int
    augmentation: str = NONE
    soft_lr: float | None = None

    @property
    def words(self) -> str:
        """See ``Protocol``, with what else is done that the field does not."""
        mixed = " and CutMix" if self.fit(self.epochs).cutmix else ""
        return _words(self.augmentation) + mixed


PRESETS = {
    "dc": Preset(published_fit, 300),
    "dsa": Preset(published_fit, 1000, DSA),
    "modern": Preset(modern_fit, 1000, DSA, soft_lr=0.01),
}
OF_DATASETS = {("dc", "MNIST"): Preset(published_fit, 1000, "crop_scale_rotate")}
"""Presets that were published otherwise for one dataset."""


def preset(name: str, *, epochs: int | None = None, dataset: str = "") -> Protocol:
    """Return a protocol by name.

    Args:
        name: of the preset.
        epochs: nominal number of them, where another is wanted.
        dataset: whose images, as ``data.domain.name`` has it; for some a preset was published
            otherwise.

    >>> preset("dc").augmentation, preset("dc", dataset="MNIST").augmentation
    ('none', 'crop_scale_rotate')

    Raises:
        InputError: for an unknown name.
    """
    of_kind(str, "the name of a protocol", name=name)
    of_kind(str, "the name of a dataset", dataset=dataset)
    whole(epochs=1 if epochs is None else epochs)
    if name not in PRESETS:
        raise InputError(f"no protocol named {name!r}; {suggestion(name, PRESETS)}")
    found = OF_DATASETS.get((name, dataset), PRESETS[name])
    fit = found.fit(found.epochs if epochs is None else epochs)
    return Protocol(name, fit, found.augmentation, found.soft_lr)


def with_augmentation(protocol: Protocol, augmentation: str) -> Protocol:
    """Return the same training with another augmentation.

    Raises:
        InputError: for one that does not exist.
    """
    return replace(protocol, augmentation=augmentation)


def without_augmentation(protocol: Protocol) -> Protocol:
    """Return the same training on images as they are: neither augmented nor mixed."""
    return replace(protocol, fit=replace(protocol.fit, cutmix=False), augmentation=NONE)


def at_learning_rate(protocol: Protocol, lr: float) -> Protocol:
    """Return the same training from another learning rate, whatever the labels."""
    return replace(protocol, fit=replace(protocol.fit, lr=lr), soft_lr=None)


@dataclass(frozen=True)
class Asks:
    """What a set asks of those who train on it.

    Attributes:
        protocol: the preset that was published for its method.
        learning_rate: the one that was learned together with the images; networks that are trained
            on them start from it, whatever the protocol. None where that of the protocol serves.
    """

    protocol: str = "dc"
    learning_rate: float | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Asks:
        """Return what the facts of a set say.

        Raises:
            InputError: when they make no sense.

        >>> Asks.of({"protocol": "dsa", "learning_rate": 0.02})
        Asks(protocol='dsa', learning_rate=0.02)
        """
        name, rate = facts.get("protocol", "dc"), facts.get("learning_rate")
        if not isinstance(name, str):
            raise InputError(f"the set asks for a protocol {name!r:.40}, which is no name of one")
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if rate is not None and not (number and rate > 0 and math.isfinite(rate)):
            raise InputError(
                f"the set asks for a learning rate of {rate!r:.40}; expected a number above 0"
            )
        return cls(name, None if rate is None else float(rate))
