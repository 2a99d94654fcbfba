"""Choose the modern protocol: train on random images, judge by held-out training images.

    python benchmarks/modern.py [EPOCHS] [IPC] [NETWORKS] [MODEL]

No test image is read. The candidates have the same length; docs/protocol.md says which was taken.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from datastill import Key
from datastill.datasets import load_split
from datastill.evaluation.validation import validate
from datastill.training.accuracies import Accuracies
from datastill.training.coresets import CORESETS, picked
from datastill.training.pool import split_held_out
from datastill.training.protocol import Protocol, modern_fit, published_fit


def candidates(epochs: int) -> dict[str, Protocol]:
    """Return protocols by what they do."""
    fits = {"published (dsa)": published_fit(epochs)}
    for lr in (0.01, 0.03, 0.1):
        fit = replace(modern_fit(epochs), lr=lr)
        fits[f"cosine {lr}"] = replace(fit, cutmix=False)
        fits[f"cosine {lr}, CutMix"] = fit
    return {name: Protocol(name, fit, "dsa") for name, fit in fits.items()}


def main() -> None:
    """Print what each candidate reaches."""
    given = dict(enumerate(sys.argv[1:]))
    epochs, ipc, networks = (int(given.get(i, usual)) for i, usual in enumerate((300, 10, 3)))
    model = given.get(3, "ConvNetW32")
    rest, held = split_held_out(load_split("FashionMNIST", "train"), 0.05, key=Key(5))
    print(f"{model}, {ipc} random images per class, {epochs} epochs, {len(held)} held-out images")
    for name, protocol in candidates(epochs).items():
        found: list[float] = []
        for i in range(networks):
            made = picked(CORESETS["random"], rest, [ipc] * 10, key=Key(i))
            found += validate(made, held, model, protocol, trials=1, key=Key(i)).values
        print(f"{name:28} {Accuracies(tuple(found))}", flush=True)


if __name__ == "__main__":
    main()
