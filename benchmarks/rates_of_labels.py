"""From which learning rate ``modern`` learns labels of each kind, on random images of FashionMNIST.

    OMP_NUM_THREADS=1 python benchmarks/rates_of_labels.py POOL [SEEDS] [EPOCHS]

POOL is a folder of original models of FashionMNIST; its first model labels. Networks are judged by
training images that this model was not fitted to, as in ``labels.py``; no test image is read.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from datastill import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.distillation.relabelling import relabelled
from datastill.evaluation.validation import validate
from datastill.store import load_pool, pool_folder
from datastill.training.accuracies import Accuracies
from datastill.training.coresets import CORESETS, picked
from datastill.training.labeller import Labeller
from datastill.training.labelling import OnTheFly
from datastill.training.pool import HELD_OUT, Member, split_held_out
from datastill.training.protocol import Protocol, at_learning_rate, preset, with_soft_loss

RATES = (0.1, 0.03, 0.01, 0.003)

Row = tuple[ImageSet, Protocol, Labeller | None]
"""What a network is trained on, how, and who labels on the fly."""


def rows(few: ImageSet, usual: Protocol, judge: Member) -> dict[str, Row]:
    """Return what networks learn from, by what it is."""
    stored = relabelled(few, [judge], temperature=20.0)
    fly = {
        f"on the fly, {terms.words}": (few, usual, Labeller([judge], terms))
        for terms in (OnTheFly(), OnTheFly("kl", 4.0), OnTheFly("cross-entropy"), OnTheFly("mse"))
    }
    return {
        "classes": (few, usual, None),
        **fly,
        "stored, kl at temperature 20": (stored, with_soft_loss(usual, "kl", 20.0), None),
        "stored, cross-entropy": (relabelled(few, [judge]), usual, None),
    }


def main() -> None:
    """Print what each kind of labels reaches from each rate."""
    seeds, epochs = (int(value) for value in [*sys.argv[2:], *("2", "300")[len(sys.argv[2:]) :]])
    real = load_split("FashionMNIST", "train")
    judge = load_pool(pool_folder(Path(sys.argv[1]), "FashionMNIST", "ConvNet"), 1)[0]
    its = Key(judge.facts["key"]).at("held-out")
    fitted, held = split_held_out(real, HELD_OUT, key=its)
    modern, found = preset("modern", epochs=epochs), dict[tuple[str, float], list[float]]()
    for seed in range(seeds):
        chosen = picked(CORESETS["random"], fitted, [10] * 10, key=Key(seed))
        few = replace(chosen, facts={})
        for name, (data, usual, labels) in rows(few, modern, judge).items():
            for rate in RATES:
                reached = validate(
                    *(data, held, "ConvNet", at_learning_rate(usual, rate)),
                    trials=1,
                    key=Key(seed),
                    route=Route(kernels=True),
                    labels=labels,
                )
                found.setdefault((name, rate), []).append(reached.mean)
                print(f"seed {seed} {name:45} {rate:5g} {reached.mean:.4f}", flush=True)
    for (name, rate), values in found.items():
        print(f"{name:45} {rate:5g} {Accuracies(tuple(values))}")


if __name__ == "__main__":
    main()
