"""Validation protocols: everything that must be equal for two sets to be compared."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.errors import InputError, suggestion
from datastill.train import Fit


@dataclass(frozen=True)
class Protocol:
    """How fresh networks are trained on a set before they are tested once, at the end.

    Attributes:
        name: of the preset.
        fit: optimiser, epochs and schedule.
        augmented: whether training images pass the augmentation of DSA, each by its own draw.
    """

    name: str
    fit: Fit
    augmented: bool


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


PRESETS = {
    "dc": Protocol("dc", published_fit(300), augmented=False),
    "dsa": Protocol("dsa", published_fit(1000), augmented=True),
}


def preset(name: str, *, epochs: int | None = None) -> Protocol:
    """Return a protocol by name, with another nominal number of epochs where one is given.

    Raises:
        InputError: for an unknown name.
    """
    if name not in PRESETS:
        raise InputError(f"no protocol named {name!r}; {suggestion(name, PRESETS)}")
    found = PRESETS[name]
    return found if epochs is None else Protocol(name, published_fit(epochs), found.augmented)
