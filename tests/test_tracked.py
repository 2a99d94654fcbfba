"""Sets that do not fit at once: CLOM, features, assessments see them some images at a time."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conftest import blobs
from datastill import load
from datastill.base.rng import Key
from datastill.cli import main
from datastill.compute.route import Route
from datastill.data import ByClass
from datastill.distillation.clom import contrastive_clom, cross_entropy_clom, tracking
from datastill.distillation.methods import METHODS
from datastill.evaluation.evidence import Evidence
from datastill.evaluation.scores import assess
from datastill.networks import Network, build
from datastill.training.pool import Member, freeze

MODELS = ["MLP", "ConvNetD1W16", "ConvNetD1W16BN"]


def member(model: str, key: int = 0) -> Member:
    domain = blobs().domain
    return freeze(build(model, domain, key=Key(key)), model, domain, {"epoch": 1})


def asked(clom: Callable[..., Tensor], images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient in the images."""
    images = images.clone().requires_grad_()
    loss = clom(images, labels, key=Key(3))
    (slope,) = torch.autograd.grad(loss, images)
    return loss.detach(), slope


@contextmanager
def watching() -> Iterator[list[int]]:
    """Count the images that networks are shown at once."""
    seen: list[int] = []
    embed = Network.embed

    def noting(self: Network, images: Tensor) -> Tensor:
        seen.append(len(images))
        return embed(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "embed", noting)
        yield seen


FORMS = {
    "cross-entropy": lambda pool, real, route: cross_entropy_clom(
        pool, 2.0, real.domain, route=route
    ),
    "contrastive": lambda pool, real, route: contrastive_clom(
        pool, 2.0, real, batch=20, route=route
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kernels", [False, True])
def test_clom_in_turns_is_clom_at_once(form: str, model: str, kernels: bool) -> None:
    real = blobs(per_class=12)
    pool, route = [member(model), member(model, 1)], Route(kernels=kernels)
    clom = FORMS[form](pool, real, route)
    with watching() as seen:
        loss, slope = asked(clom, real.images, real.labels)
    assert max(seen) == len(real)
    for images in (7, 16, 47):
        with watching() as seen:
            found, its = asked(tracking(clom, images), real.images, real.labels)
        assert max(seen) == images
        torch.testing.assert_close(found, loss, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(its, slope, rtol=1e-4, atol=1e-6)
    same = asked(tracking(clom, len(real)), real.images, real.labels)
    assert torch.equal(same[0], loss)
    assert torch.equal(same[1], slope)


def test_the_way_of_all_images_is_never_kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes kept for the gradient do not grow with the number of images."""
    real = blobs(per_class=64)
    monkeypatch.setattr("datastill.compute.route.TOGETHER", 32 * 64)
    clom = cross_entropy_clom(
        [member("ConvNetD1W16")], 1.0, real.domain, route=Route(kernels=False)
    )
    kept: list[int] = []
    for count in (64, 256):
        images, total = real.images[:count].clone().requires_grad_(), [0]

        def pack(tensor: Tensor, total: list[int] = total) -> Tensor:
            total[0] += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            clom(images, real.labels[:count], key=Key(0))
        kept.append(total[0])
    assert kept[1] < 4 * real.images.nbytes  # pixels and logits, no layers in between


def test_what_a_person_wrote_stays_as_it_is() -> None:
    def own(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return images.sum()

    assert tracking(own, 3) is own


@pytest.mark.parametrize("model", MODELS[:2])
def test_matching_of_a_class_that_does_not_fit_at_once(model: str) -> None:
    real = blobs(per_class=12)
    method, network = METHODS["DM"](1).method, build(model, real.domain, key=Key(0))
    images = real.images[real.labels.argsort(stable=True)].clone().requires_grad_()
    target = torch.zeros(4, network.embed(images[:1]).shape[1])
    found: list[tuple[Tensor, Tensor]] = []
    for route in (Route(kernels=False), Route(kernels=False, tracked=5)):
        with watching() as seen:
            shares = ByClass(images, real.counts)
            loss = method.distance(network, target, shares, route=route)  # type: ignore[attr-defined]
            found.append((loss.detach(), torch.autograd.grad(loss, images)[0]))
    assert max(seen) <= 5
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


def test_assessments_see_some_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real = blobs(per_class=12)
    evidence = Evidence(real, real, [member("MLP")], Key(0), Route(kernels=False, chunk=10))
    whole = {name: one.score.value for name, one in assess(evidence).items()}
    monkeypatch.setattr("datastill.compute.route.TOGETHER", 10 * 64)
    again = replace(evidence)
    with watching() as seen:
        parts = {name: one.score.value for name, one in assess(again).items()}
    assert max(seen) <= 10
    assert parts == pytest.approx(whole, rel=1e-4)


def test_a_shortage_that_clom_meets_is_overcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(shlex.split("train --dataset digits --model MLP --num 1 --epochs 1 --engine plain"))
    seen: list[int] = []
    forward = nn.Linear.forward

    def greedy(self: nn.Linear, images: Tensor) -> Tensor:
        if images.requires_grad and not any(w.requires_grad for w in self.parameters()):
            seen.append(len(images))
            if len(images) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return forward(self, images)

    line = shlex.split(
        "distill --dataset digits --model MLP --ipc 10 --iterations 3 --batch-real 4 "
        "--engine plain --alphas 1 --models-pool MLP"
    )
    main([*line, "--save-path", "whole"])
    with monkeypatch.context() as patch:
        patch.setattr(nn.Linear, "forward", greedy)
        main(line)
    assert "with smaller chunks" in capsys.readouterr().out
    assert max(seen) == 100
    assert seen[-1] <= 20
    one, other = load("condensed/digits/DM/IPC10"), load("whole/digits/DM/IPC10")
    assert one.facts["route"]["tracked"] <= 20
    torch.testing.assert_close(one.images, other.images, rtol=1e-3, atol=1e-4)
