"""Hold coresets against random images, judged by held-out training images.

    python benchmarks/coresets.py POOL [IPC] [EPOCHS] [SEEDS] [CORESET ...]

No test image is read: a twentieth of FashionMNIST's training images is held out, three original
models are trained on the rest (and kept in the folder POOL), coresets pick from the rest, and
networks are trained on what they pick. All are ConvNets of width 32.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datastill import Key
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.evaluation.validation import validate
from datastill.store import load_pool, save_dynamics, save_member
from datastill.store.models import member_path
from datastill.training.accuracies import Accuracies
from datastill.training.coresets import CORESETS, Known, picked
from datastill.training.pool import Pool, original_fit, split_held_out, train_pool
from datastill.training.protocol import preset
from datastill.training.seeing import features_of

MODEL, NUM, EPOCHS = "ConvNetW32", 3, 12


def pool_of(rest: ImageSet, folder: Path) -> Pool:
    """Return original models that were trained on images, trained now where there are none."""
    if not folder.is_dir():
        trained = train_pool(MODEL, rest, num=NUM, fit=original_fit(EPOCHS), key=Key(11))
        for number, member in enumerate(trained):
            save_dynamics(member, folder, number)
            save_member(member, member_path(folder, number, EPOCHS))
    return load_pool(folder, NUM)


def main() -> None:
    """Print what each coreset reaches."""
    folder, *given = sys.argv[1:]
    numbers = [int(one) for one in given if one.isdigit()]
    ipc, epochs, seeds = numbers + [10, 300, 2][len(numbers) :]
    names = [one for one in given if not one.isdigit()] or CORESETS.names
    rest, held = split_held_out(load_split("FashionMNIST", "train"), 0.05, key=Key(5))
    pool = pool_of(rest, Path(folder))
    in_pixels, in_features = Known(originals=pool), Known(features_of(pool[0], rest), pool)
    print(f"{MODEL}, {ipc} images per class, {epochs} epochs, {len(held)} held-out images")
    for name in names:
        spaces = {"": in_pixels}
        if name in ("herding", "k-center", "k-means"):
            spaces = {", pixels": in_pixels, ", features": in_features}
        for space, known in spaces.items():
            found: list[float] = []
            for seed in range(seeds):
                key = Key(seed)
                made = picked(CORESETS[name], rest, [ipc] * 10, key=key.at("pick"), known=known)
                protocol = preset("dsa", epochs=epochs)
                found += validate(made, held, MODEL, protocol, trials=1, key=key).values
            told = " ".join(f"{100 * one:.2f}" for one in found)
            print(f"| {name}{space} | {Accuracies(tuple(found))} | {told} |", flush=True)


if __name__ == "__main__":
    main()
