r"""Hold the forms of CLOM against each other, in pairs with the same run without it.

    OMP_NUM_THREADS=1 python benchmarks/clom_forms.py
    OMP_NUM_THREADS=1 python benchmarks/clom_forms.py --dataset FashionMNIST --pool-epochs 5 \
                             --ipc 10 --iterations 120 --alphas 10 100 1000
    python benchmarks/clom_forms.py --written FILE ...

The cross-entropy and the contrastive form are the library's. The successor of the paper also
writes both as one ratio, the share of a distance that lies between images of one class, and lets
the distance be cross-entropy; its published code has that ratio for the cosine only. Two readings
of it are tried here, to see whether one deserves a place: the distance of a synthetic image from a
real one is its cross-entropy under the real one's label ("ratio, labels"), or under what the model
predicts of the real one ("ratio, predictions").
Writes ``docs/results/clom/forms-DATASET.json`` and prints its table; ``--written`` prints that of
files that are there. The networks on the sets of one seed start alike, those of another seed
otherwise: the unit of a difference is a seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import datastill as ds
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser
from datastill.training.accuracies import Accuracies, difference
from datastill.training.pool import Pool
from datastill.training.seeing import Teacher, teacher

OUT = Path(__file__).parents[1] / "docs" / "results" / "clom"
MODEL = "ConvNetD2W32"
Form = Callable[[Pool, ImageSet, float], Regulariser]


@dataclass(frozen=True, eq=False)
class Ratio:
    """Share of the cross-entropy between synthetic and real images that lies within classes."""

    teachers: list[Teacher]
    real: ImageSet
    alpha: float
    predicted: bool
    batch: int = 256

    def __call__(self, images: Tensor, labels: Tensor, *, key: ds.Key) -> Tensor:
        """Return the weighted share under one teacher and one real batch, drawn with ``key``."""
        model = self.teachers[key.at("teacher").integer(len(self.teachers))]
        rows = torch.randperm(len(self.real), generator=key.at("real").generator())[: self.batch]
        batch = self.real.take(rows)
        shares = F.one_hot(batch.hard_labels, len(self.real.domain.classes)).float()
        if self.predicted:
            with torch.no_grad():
                shares = model(batch.images).softmax(1)
        distance = -F.log_softmax(model(images), 1) @ shares.T
        same = labels[:, None] == batch.hard_labels[None, :]
        return self.alpha * (distance * same).sum() / distance.sum()


def ratio(*, predicted: bool) -> Form:
    """Return a form of CLOM that is not in the library."""

    def form(pool: Pool, real: ImageSet, alpha: float) -> Regulariser:
        return Ratio([teacher(member, real.domain) for member in pool], real, alpha, predicted)

    return form


FORMS: dict[str, Form] = {
    "cross-entropy": lambda pool, real, alpha: ds.cross_entropy_clom(pool, alpha, real.domain),
    "cosine": lambda pool, real, alpha: ds.contrastive_clom(pool, alpha, real),
    "ratio, labels": ratio(predicted=False),
    "ratio, predictions": ratio(predicted=True),
}


Row = dict[str, Any]
HEAD = """\
| images per class | form | alpha | test accuracy | minus none (95 %) |
|---|---|---|---|---|"""


def line(rows: list[Row], ipc: int, form: str, alpha: float) -> str:
    """Return a row of the table."""

    def found(form: str, alpha: float) -> dict[int, list[float]]:
        own = (row for row in rows if (row["ipc"], row["form"], row["alpha"]) == (ipc, form, alpha))
        return {row["seed"]: row["accuracies"] for row in own}

    own, none = found(form, alpha), found("none", 0.0)
    means, others = (
        Accuracies(tuple(statistics.mean(one[seed]) for seed in own)) for one in (own, none)
    )
    told = "" if form == "none" else difference(means, others)
    weight = "" if form == "none" else f"{alpha:g}"
    every = Accuracies(tuple(value for values in own.values() for value in values))
    return f"| {ipc} | {form} | {weight} | {every} | {told} |"


def tell(file: Path) -> None:
    """Print the table of a file that is there."""
    rows: list[Row] = json.loads(file.read_text())["sets"]
    print(f"{file.name}\n{HEAD}")
    for place in dict.fromkeys((row["ipc"], row["form"], row["alpha"]) for row in rows):
        print(line(rows, *place))


def main() -> None:
    """Distil with every form and weight from the same seeds, and validate on the test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--pool-epochs", type=int, default=30, help="of the three original models")
    parser.add_argument("--alphas", type=float, nargs="+", default=[1.0, 10.0, 100.0, 1000.0])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=[*FORMS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num-eval", type=int, default=3)
    parser.add_argument("--ipc", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=200, help="of validation")
    parser.add_argument("--out", help="name of the file, in place of forms-DATASET")
    parser.add_argument("--written", type=Path, nargs="+", help="only tell what files hold")
    options = parser.parse_args()
    if options.written:
        for file in options.written:
            tell(file)
        return
    real, test = ds.load_dataset(options.dataset)
    if test is None:
        parser.error(f"{options.dataset} has no test images")
    fit = ds.original_fit(epochs=options.pool_epochs)
    pool = ds.train_pool(MODEL, real, num=3, fit=fit, key=ds.Key(0).at("pool"))
    known = [member.facts["train_accuracy"] for member in pool]
    protocol = ds.preset("dsa", epochs=options.epochs, dataset=options.dataset)
    wanted = [("none", 0.0), *product(options.forms, options.alphas)]
    rows: list[Row] = []
    begun = time.perf_counter()
    print(f"{options.dataset}, DM, {options.iterations} updates, {options.num_eval} {MODEL} each")
    percents = ", ".join(f"{100 * accuracy:.1f} %" for accuracy in known)
    print(f"original models know {percents} of their training images")
    print(HEAD)
    for ipc, (name, alpha) in product(options.ipc, wanted):
        for seed in range(options.seeds):
            key = ds.Key(seed)
            build = ds.builder(MODEL, real.domain)
            task = ds.Task(real, build, key, policy=ds.dsa(ds.usual_strategy(real.domain)))
            method = ds.METHODS["DM"](ipc=ipc).method
            descent = ds.Descent(ipc=ipc, updates=options.iterations, batch=128)
            guided = {} if name == "none" else {"clom": FORMS[name](pool, real, alpha)}
            last = list(ds.distill(method, task, descent, regularisers=guided))[-1]
            data = replace(last.synthetic, images=last.synthetic.images.detach())
            found = ds.validate(
                data, test, MODEL, protocol, trials=options.num_eval, key=key.at("validate")
            )
            rows.append({"ipc": ipc, "form": name, "alpha": alpha, "seed": seed,
                         "accuracies": found.values})  # fmt: skip
        print(line(rows, ipc, name, alpha), flush=True)
    facts = {
        **{name: value for name, value in vars(options).items() if name != "written"},
        "train_accuracies": known,
        "seconds": round(time.perf_counter() - begun),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"{options.out or f'forms-{options.dataset}'}.json"
    file.write_text(
        json.dumps({**facts, "torch": torch.__version__, "sets": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
