"""What can be known of a GPU without one: nothing is left behind, and nobody waits.

The device ``meta`` stands in for it. Its tensors have shapes and no numbers: whoever asks for one
fails, as does an operation on tensors of two devices, and a copy to it can be watched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from conftest import blobs, other_normalisation
from datastill.augment import DSA_STEPS, Policy, by_image, dsa
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.data.pixels import Pixels
from datastill.distillation.clom import Regulariser, contrastive_clom, cross_entropy_clom
from datastill.distillation.loop import Descent, Snapshot, distill
from datastill.distillation.methods import METHODS, Task, gradient_matching
from datastill.networks import builder
from datastill.training import stacked
from datastill.training.dynamics import Watcher
from datastill.training.fit import Fit, epochs, train
from datastill.training.pool import freeze
from datastill.training.protocol import modern_fit

ELSEWHERE = torch.device("meta")
NAMES = ("DM", "DC", "DSA", "NCFM")


class Copies(TorchDispatchMode):
    """Notes for each copy from a CPU to another device whether the CPU goes on meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.free: list[bool] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        if name == "_to_copy" and args[0].device.type == "cpu":
            if torch.device(kwargs.get("device") or "cpu").type != "cpu":
                self.free.append(bool(kwargs.get("non_blocking")))
        elif name == "copy_" and args[1].device.type == "cpu" and args[0].device.type != "cpu":
            self.free.append(len(args) > 2 and bool(args[2]))
        return func(*args, **kwargs)


class Picks(TorchFunctionMode):
    """Notes what is picked by rows that are not where the tensor is: their copy is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[object] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            held, given = args[:2]
            for part in given if isinstance(given, tuple) else (given,):
                here = isinstance(part, Tensor) and part.device == held.device
                if not here and isinstance(part, Tensor | list):
                    self.late.append(part)
        return func(*args, **(kwargs or {}))


def sent(data: ImageSet, device: torch.device) -> ImageSet:
    """Return a set on a device, with the rows of its classes, which are found out on the CPU."""
    made = data.to(device)
    vars(made)["rows_by_class"] = data.rows_by_class
    return made


def as_pixels(data: ImageSet) -> ImageSet:
    """Return the set as a large one is kept."""
    domain = data.domain
    held = (255 * domain.pixels(data.images)).clamp(0, 255).byte()
    return replace(data, images=Pixels(held, domain.mean, domain.std))


def updates(
    name: str, model: str, device: torch.device, *, large: bool = False
) -> Iterator[Snapshot]:
    """Return some updates with every regulariser, and a network that ages between two of them."""
    real = sent(as_pixels(blobs()) if large else blobs(), device)
    teacher = builder("ConvNetD1W16", real.domain, device)(key=Key(0))
    pool = [freeze(teacher, "ConvNetD1W16", other_normalisation(real.domain), {})]
    clom: dict[str, Regulariser] = {
        "cross-entropy": cross_entropy_clom(pool, 1.0, real.domain),
        "contrastive": contrastive_clom(pool, 1.0, real, batch=8),
    }
    method: Any = METHODS[name](1).method
    if hasattr(method, "inner_loop"):
        method = replace(method, outer_loop=2, inner_loop=2)
    policy = dsa("_".join(DSA_STEPS) if METHODS[name](1).augmented else "none")
    route = Route(kernels=False)
    task = Task(real, builder(model, real.domain, device), Key(0), policy, route)
    if METHODS[name](1).needs:
        method = replace(method, learned=True)
        ends = [builder(model, real.domain, device)(key=Key(i)) for i in range(2)]
        way = [freeze(end, model, real.domain, {"epoch": i}) for i, end in enumerate(ends)]
        task = replace(task, trajectories=[way])
    descent = Descent(ipc=1, updates=3, batch=4, lr=0.1, init=METHODS[name](1).init)
    return distill(method, task, descent, regularisers=clom)


@pytest.mark.parametrize("model", ["ConvNetD2W16", "ConvNetD1W16BN"])
@pytest.mark.parametrize("name", NAMES)
def test_an_update_needs_no_number_from_elsewhere(name: str, model: str) -> None:
    for snapshot in updates(name, model, ELSEWHERE):
        assert snapshot.synthetic.images.device == ELSEWHERE
        assert all(loss.device == ELSEWHERE for loss in snapshot.losses.values())


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_an_update_waits_for_no_copy(name: str, large: bool) -> None:
    steps = updates(name, "ConvNetD2W16", ELSEWHERE, large=large)
    next(steps)  # the start is copied before there is anything to wait for
    with Copies() as copies, Picks() as picks:
        list(steps)
    assert copies.free
    assert all(copies.free)
    assert not picks.late


def test_waiting_would_be_noticed() -> None:
    far, near = torch.zeros(3, device=ELSEWHERE), torch.zeros(3)
    with Copies() as copies:
        near.to(ELSEWHERE)
        far.copy_(near)
        near.to(ELSEWHERE, non_blocking=True)
    assert copies.free == [False, False, True]
    with Picks() as picks:
        rows = torch.tensor([0, 1])
        assert far[rows.to(ELSEWHERE)].shape == far[rows].shape == far[[0, 1]].shape
    assert len(picks.late) == 2


READERS = ("item", "tolist", "cpu", "numpy", "nonzero", "__float__", "__int__", "__bool__")


@contextmanager
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no number of a tensor be read inside the block, but draws, which are the CPU's."""
    with monkeypatch.context() as patch:
        integer = Key.integer

        def drawn(self: Key, below: int) -> int:
            with patch.context() as inner:
                for name, original in originals.items():
                    inner.setattr(Tensor, name, original)
                return integer(self, below)

        originals: dict[str, Callable[..., Any]] = {}
        for name in READERS:
            originals[name] = getattr(Tensor, name)
            patch.setattr(Tensor, name, refuse)
        patch.setattr(Key, "integer", drawn)
        yield


def refuse(tensor: Tensor, *_: object) -> None:
    raise AssertionError(f"a number of {tuple(tensor.shape)} was read")


@pytest.mark.parametrize("name", NAMES)
def test_an_update_reads_no_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = updates(name, "ConvNetD2W16", torch.device("cpu"))
    next(steps)  # the classes are sorted once, at the start
    with unread(monkeypatch):
        found = list(steps)
    assert len(found) == 2
    with unread(monkeypatch), pytest.raises(AssertionError, match="was read"):
        float(found[-1].losses["match"])


FITS = {
    "published": Fit(epochs=3, batch=8, milestones=(1,), restart=True),
    "modern": replace(modern_fit(3), batch=8),
}


POLICIES = {
    "a step for all": dsa("_".join(DSA_STEPS)),
    "a step for each": by_image("crop_scale_rotate_noise"),
}


def training(together: bool, device: torch.device, fit: Fit, policy: Policy) -> None:
    """Train networks one after another, or at once, under augmentation."""
    data = blobs(per_class=3).to(device)
    build = builder("ConvNetD1W16BN", data.domain, device)
    networks, keys = [build(key=Key(i)) for i in range(3)], [Key(i) for i in range(3)]
    if together:
        stacked.train(networks, [data] * 3, fit, keys=keys, policy=policy)
    else:
        train(networks[0], data, fit, key=keys[0], policy=policy, route=Route(kernels=False))


@pytest.mark.parametrize(
    ("fit", "policy"), [*zip(FITS.values(), POLICIES.values(), strict=True)], ids=FITS
)
@pytest.mark.parametrize("together", [False, True])
def test_training_reads_no_number_and_waits_for_no_copy(
    together: bool, policy: Policy, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Copies() as copies:
        training(together, ELSEWHERE, fit, policy)
    copied, waited = len(copies.free), copies.free.count(False)
    assert copied > waited == 2  # the images and their labels, before there is anything to do
    with unread(monkeypatch):
        training(together, torch.device("cpu"), fit, policy)


def watched(device: torch.device) -> None:
    data = blobs(per_class=3).to(device)
    network = builder("ConvNetD1W16", data.domain, device)(key=Key(0))
    watcher = Watcher(data.labels, 3)
    fit, route = Fit(epochs=3, batch=5), Route(kernels=False)
    for _ in epochs(network, data, fit, key=Key(0), route=route, watch=watcher):
        watcher.state()


def test_who_watches_a_training_reads_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with Copies() as copies:
        watched(ELSEWHERE)
    assert copies.free.count(False) == 2  # the images and their labels
    with unread(monkeypatch):
        watched(torch.device("cpu"))


@pytest.mark.parametrize("name", ["DC", "DSA"])
def test_all_classes_share_a_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(*_: object, **__: object) -> None:
        raise AssertionError("a class was matched alone")

    monkeypatch.setattr(gradient_matching, "real_gradient", alone)
    list(updates(name, "ConvNetD2W16", ELSEWHERE))
    with pytest.raises(AssertionError, match="alone"):
        list(updates(name, "ConvNetD2W16", torch.device("cpu")))
