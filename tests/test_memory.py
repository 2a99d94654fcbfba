"""What a run holds in memory at once does not grow with what is asked of it."""

import json
import os
import subprocess
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from conftest import blobs
from copies import python
from datastill.augment import dsa
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ByClass, Domain, ImageSet, sample_per_class
from datastill.data.pixels import Part
from datastill.datasets import load_split
from datastill.distillation import loop as distillation
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task
from datastill.networks import builder
from datastill.training.fit import Fit
from datastill.training.pool import train_member

FASHION = Path("/usr/share/datasets/fashion-mnist")


def update(method: str, real: ImageSet, ipc: int, batch: int = 5, model: str = "MLP") -> ImageSet:
    """Return a set after two updates."""
    published = METHODS[method](ipc)
    task = Task(real, builder(model, real.domain), Key(0), dsa("color_crop_flip"), PLAIN)
    descent = Descent(ipc=ipc, updates=2, batch=batch, lr=0.1)
    *_, last = distill(published.method, task, descent)
    return last.synthetic


@pytest.mark.parametrize("method", ["DM", "DC"])
@pytest.mark.parametrize("together", [1, 20 * 64, 1000 * 64])
def test_a_loss_is_that_of_all_classes_however_few_are_seen_at_once(
    method: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = blobs(classes=7, per_class=(3, 9, 5, 12, 4, 8, 6))
    whole = update(method, real, 2)
    monkeypatch.setattr("datastill.compute.route.TOGETHER", together)
    torch.testing.assert_close(update(method, real, 2).images, whole.images, rtol=1e-4, atol=1e-5)


def test_batch_norm_sees_all_classes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = blobs()
    whole = update("DM", real, 2, model="ConvNetD1W16BN")
    monkeypatch.setattr("datastill.compute.route.TOGETHER", 1)
    assert torch.equal(update("DM", real, 2, model="ConvNetD1W16BN").images, whole.images)


@pytest.mark.parametrize("classes", [100, 1000])
def test_many_classes_of_large_images_are_seen_some_at_a_time(
    classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Key(0).generator()
    labels = torch.arange(classes).repeat_interleave(6)
    images = torch.randn(len(labels), 1, 64, 64, generator=generator)
    names = tuple(str(k) for k in range(classes))
    real = ImageSet(images, labels, Domain("many", (1, 64, 64), names, (0.0,), (1.0,)))
    drawn = sample_per_class(real, 2, key=Key(1))
    assert drawn.counts == (2,) * classes
    assert torch.equal(drawn.labels, torch.arange(classes).repeat_interleave(2))

    method, seen = METHODS["DM"](1).method, list[tuple[int, int]]()
    match = type(method).match

    def noting(self: object, network: object, real: ByClass, synthetic: ByClass, **also: object):
        seen.append((len(real.images) + len(synthetic.images), sum(map(bool, synthetic.counts))))
        return match(method, network, real, synthetic, **also)  # type: ignore[arg-type]

    monkeypatch.setattr(type(method), "match", noting)
    monkeypatch.setattr("datastill.compute.route.TOGETHER", 128 * 64 * 64)
    task = Task(real, builder("ConvNetD2W16", real.domain), Key(0), route=Route())
    start = distillation.initial(real, Descent(ipc=1), key=Key(0).at("init")).images
    (snapshot,) = distill(method, task, Descent(ipc=1, updates=1, batch=2))
    assert max(images for images, _ in seen) <= 128
    assert sum(classes for _, classes in seen) == classes
    moved = (snapshot.synthetic.images - start).flatten(1).norm(dim=1)
    assert bool((moved > 0).all())


class Made(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that anything makes, not of a part's own."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if type(one) is torch.Tensor and not func.is_view:
                self.most = max(self.most, one.numel())
        return found


def test_a_network_is_trained_on_real_images_of_which_none_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, chosen = load_split("digits", "train"), Part.chosen
    sizes = list[int]()

    def noted(self: Part) -> torch.Tensor:
        found = chosen(self)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(Part, "chosen", noted)
    fit, route = Fit(epochs=1, batch=64), Route(chunk=64, kernels=False)
    with Made() as made:
        ((_, member),) = train_member("MLP", real, fit, key=Key(0), route=route)
        assert member().facts["train_images"] > 1000
    assert sizes  # batches, and chunks when it is tested
    assert max(made.most, *sizes) < real.images.numel() / 4


def test_of_what_chunks_come_to_one_is_there_at_a_time() -> None:
    alive, most = weakref.WeakSet[Said](), list[int]()

    def through(_: object, images: torch.Tensor) -> torch.Tensor:
        most.append(len(alive))
        alive.add(said := np.full((len(images), 3), len(most), np.float32).view(Said))
        return torch.from_numpy(said)

    images = torch.zeros(21, 1, 2, 2)
    found = Route(chunk=4, kernels=False).over(through, torch.nn.Identity(), images)
    assert torch.equal(found[:, 0], torch.arange(1.0, 7).repeat_interleave(4)[:21])
    assert max(most) <= 1
    assert len(most) == 6


class Said(np.ndarray[Any, Any]):
    """An array that it is known of whether anybody holds it."""

    __hash__ = object.__hash__  # type: ignore[assignment]


RUN = """
import json, re, sys
from pathlib import Path
import datastill as ds
from datastill.datasets import load_split
real = load_split("FashionMNIST", "train")
def peak():  # of this process: getrusage tells that of the one it was forked from
    said = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", said)[1]) / 2**20
loaded = peak()
found = {"loaded": loaded}
for name, batch in (("DM", 1024), ("DSA", 64)):
    published = ds.METHODS[name](50)
    policy = ds.dsa(ds.usual_strategy(real.domain) if published.augmented else "none")
    task = ds.Task(real, ds.builder("ConvNet", real.domain), ds.Key(0), policy)
    descent = ds.Descent(ipc=50, updates=1, batch=batch, lr=1.0, init=published.init)
    for _ in ds.distill(published.method, task, descent): pass
    found[name] = peak()
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not FASHION.is_dir() and "DATASTILL_REQUIRE_DATA" not in os.environ,
    reason="needs the package dataset-fashion-mnist",
)
def test_fashion_mnist_at_50_images_per_class_fits_in_two_and_a_half_gibibytes() -> None:
    """By DM with batches of 1,024, and by DSA with 64."""
    done = subprocess.run(
        python("-c", RUN, loaded="torch"), capture_output=True, text=True, check=True
    )
    used = json.loads(done.stdout)
    assert used["loaded"] < 1.5
    assert used["DM"] < 2.5
    assert used["DSA"] < 2.5
