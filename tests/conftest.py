"""Small synthetic data that every test can afford."""

import gc
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from caches import build_once, own_cache
from sharing import told_of_cores, workers

os.environ.update(told_of_cores())  # before PyTorch is loaded
os.environ["XDG_CACHE_HOME"] = own_cache()  # tests depend on nothing that a machine remembers
os.environ["HF_HUB_OFFLINE"] = "1"  # tests fetch nothing
os.environ["DATASTILL_ENGINE"] = "kernels"  # nor does a clock decide by what a network runs
os.environ["DATASTILL_PATIENCE"] = "1e9"  # nor what is awaited: it would be said by a clock
if "DATASTILL_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # nor are bits compared where they are never the same
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a hundred processes import the same
os.environ.pop("COLUMNS", None)  # lines are whole where nobody counts columns

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import digits
import unpainted
from datastill.base.rng import Key
from datastill.data import Domain, ImageSet
from datastill.identity import keys_of
from datastill.networks import Network
from datastill.training.coresets import Known
from datastill.training.dynamics import Dynamics
from datastill.training.pool import Member

build_once()
gc.disable()  # until all tests are collected: next to nothing of that is ever let go


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Say how many processes ``--numprocesses auto`` means."""
    return workers()


def pytest_collection_finish() -> None:
    """Count what was collected as there for good: it is not looked through again and again."""
    digits.read_once()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)  # nor what tests make as often as if a process were small
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files that have tests of seconds, so that no process waits for them at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


def take_apart(images: Tensor, factor: int, domain: Domain | None = None) -> Tensor:
    """Cut images into parts and enlarge each, image by image and part by part; grey fills up."""
    grey = torch.full((images.shape[1], 1, 1), 0.5)
    grey = grey if domain is None else domain.normalise(grey[None])[0]
    high, wide = (math.ceil(side / factor) for side in images.shape[2:])
    found: list[Tensor] = []
    for image in images:
        filled = grey.repeat(1, high * factor, wide * factor)
        filled[:, : image.shape[1], : image.shape[2]] = image
        for row in range(factor):
            for column in range(factor):
                top, left = row * high, column * wide
                part = filled[None, :, top : top + high, left : left + wide]
                size = image.shape[1:]
                found.append(F.interpolate(part, size, mode="bilinear", align_corners=False))
    return torch.cat(found)


def blobs(
    split: str = "train",
    shape: tuple[int, int, int] = (3, 8, 8),
    classes: int = 4,
    per_class: int | Sequence[int] = 12,
) -> ImageSet:
    """Make noisy copies of one random picture per class, in mixed order.

    Splits share the pictures and differ in the noise; channels differ in their normalisation.
    """
    counts = [per_class] * classes if isinstance(per_class, int) else list(per_class)
    channels = range(shape[0])
    domain = Domain(
        "blobs",
        shape,
        tuple(f"class-{k}" for k in range(classes)),
        tuple(0.5 - 0.05 * c for c in channels),
        tuple(0.2 + 0.05 * c for c in channels),
    )
    key = Key(7).at("blobs")
    pictures = torch.rand(classes, *shape, generator=key.at("pictures", *shape).generator())
    labels = torch.arange(classes).repeat_interleave(torch.tensor(counts))
    rng = key.at(split).generator()
    labels = labels[torch.randperm(len(labels), generator=rng)]
    noise = torch.randn(len(labels), *shape, generator=rng)
    pixels = (pictures[labels] + 0.2 * noise).clamp(0, 1)
    return ImageSet(domain.normalise(pixels), labels, domain)


def known_of(real: ImageSet, *originals: Member, seed: int = 0) -> Known:
    """Return what coresets may know: original models, the first with an invented training."""
    rng, count = Key(seed).at("dynamics").generator(), len(real)
    forgotten, correct = (torch.randint(5, (count,), generator=rng).int() for _ in range(2))
    errors = torch.rand(12, count, generator=rng).half()
    margins, losses = torch.randn(2, count, generator=rng)
    dynamics = Dynamics(keys_of(real), 12, errors, margins, losses, correct, forgotten)
    first, *others = originals
    return Known(originals=(replace(first, dynamics=dynamics), *others))


def other_normalisation(domain: Domain) -> Domain:
    """Return a domain that differs in its mean and std alone."""
    mean = tuple(m + 0.1 for m in domain.mean)
    std = tuple(s * 1.5 for s in domain.std)
    return Domain("other", domain.shape, domain.classes, mean, std, domain.mirror)


def linear(domain: Domain, seed: int = 0) -> Network:
    """Build a network without hidden layers: cheap, and convex to train."""
    with Key(seed).scope():
        head = nn.Linear(domain.shape[0] * domain.shape[1] * domain.shape[2], len(domain.classes))
    return Network(nn.Flatten(), head)


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Copy all that a network holds, running statistics too."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two networks hold the same numbers, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


Seen = list[tuple[nn.Module, bool, Tensor]]


@contextmanager
def watching() -> Iterator[Seen]:
    """Record what every ``Network`` is given: the network, whether it trains, and the images."""
    seen: Seen = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, Network):
            seen.append((module, module.training, inputs[0].detach().clone()))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


@pytest.fixture(autouse=True)
def heeding_interrupts() -> Iterator[None]:
    """Heed Ctrl-C as in a terminal: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have figures of matplotlib put together, and not painted, which takes a third of a study.

    For tests of what becomes of a run; those of what it writes look at what is painted.
    """
    for module in unpainted.PAINTERS:
        monkeypatch.setattr(f"datastill.report.{module}.png", unpainted.png)


@pytest.fixture
def spread() -> Callable[[int, int, float], bool]:
    """Return a check that ``found`` hits of ``n`` are what a chance of ``share`` gives."""

    def plausible(found: int, n: int, share: float) -> bool:
        return abs(found - n * share) < 4 * (n * share * (1 - share)) ** 0.5

    return plausible
