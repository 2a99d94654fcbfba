"""What labels are worth: random images with hard labels, relabelled, and labelled on the fly.

    python benchmarks/labels.py POOL [EPOCHS] [IPC] [SEEDS] [MODEL]

POOL is a folder of original models of FashionMNIST (``pretrained_model`` say): its first model
gives labels, and so does the same model after one epoch, which is trained anew from the same key.
No test image is read: networks are judged by training images that this model was not fitted to.
"""

from __future__ import annotations

import os
import sys
import time
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
from datastill.training.fit import Fit
from datastill.training.labeller import Labeller
from datastill.training.labelling import OnTheFly
from datastill.training.pool import HELD_OUT, Member, split_held_out, train_member
from datastill.training.protocol import Protocol, preset, with_soft_loss

os.environ.setdefault("DATASTILL_ENGINE", "kernels")
BY_KERNELS = Route(kernels=True)

Row = tuple[ImageSet, Protocol, Labeller | None]
"""What networks are trained on, how, and who labels on the fly."""


def after_one_epoch(member: Member, real: ImageSet) -> Member:
    """Train an original model anew, for its first epoch."""
    settings = {name: value for name, value in member.facts["fit"].items() if name != "milestones"}
    fit = Fit(**settings, milestones=tuple(member.facts["fit"]["milestones"]))
    key = Key(member.facts["key"])
    first = next(train_member(member.architecture, real, fit, key=key, route=BY_KERNELS))
    return first[1]()


def rows(few: ImageSet, usual: Protocol, late: Member, early: Member) -> dict[str, Row]:
    """Return what is compared, by what it is."""
    soft = with_soft_loss(usual, "kl", 20.0)
    found: dict[str, Row] = {"hard": (few, usual, None)}
    for name, one in (("full", late), ("epoch 1", early)):
        found[f"relabelled, cross-entropy, {name}"] = (relabelled(few, [one]), usual, None)
        found[f"relabelled, kl at 20, {name}"] = (
            *(relabelled(few, [one], temperature=20.0), soft, None),
        )
        found[f"on the fly, kl at 20, {name}"] = (few, usual, Labeller([one]))
    found["on the fly, mse and 0.1 of the truth, full"] = (
        *(few, usual, Labeller([late], OnTheFly("mse"))),
    )
    return found


def main() -> None:
    """Print what each kind of labels reaches."""
    given = dict(enumerate(sys.argv[2:]))
    epochs, ipc, seeds = (int(given.get(i, usual)) for i, usual in enumerate((300, 10, 2)))
    model, real = given.get(3, "ConvNet"), load_split("FashionMNIST", "train")
    late = load_pool(pool_folder(Path(sys.argv[1]), "FashionMNIST", "ConvNet"), 1)[0]
    its = Key(late.facts["key"]).at("held-out")
    fitted, held = split_held_out(real, HELD_OUT, key=its)
    early = after_one_epoch(late, real)
    for one in (late, early):
        facts = one.facts
        print(f"epoch {facts['epoch']}: {facts['held_out_accuracy']:.4f} of those held out")
    usual = preset("dsa", epochs=epochs)
    print(f"{model}, {ipc} random images per class, {epochs} epochs, {len(held)} held-out images")
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        chosen = picked(CORESETS["random"], fitted, [ipc] * 10, key=Key(seed))
        few = replace(chosen, facts={})
        for name, (data, protocol, labels) in rows(few, usual, late, early).items():
            started = time.perf_counter()
            reached = validate(
                *(data, held, model, protocol),
                trials=1,
                key=Key(seed),
                route=BY_KERNELS,
                labels=labels,
            )
            spent = time.perf_counter() - started
            found.setdefault(name, []).append((reached.mean, spent))
            print(f"  seed {seed} {name:45} {reached.mean:.4f} {spent:5.0f} s", flush=True)
    for name, values in found.items():
        told = Accuracies(tuple(value for value, _ in values))
        print(f"{name:45} {told}  {sum(s for _, s in values) / len(values):5.0f} s")


if __name__ == "__main__":
    main()
