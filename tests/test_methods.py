"""What every registered method must do. A new method is tested without touching this file."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import blobs
from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ByClass, ImageSet, sample_per_class
from datastill.distillation.descent import STARTS
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import (
    METHODS,
    Matching,
    Method,
    Published,
    Targeting,
    Targets,
    Task,
)
from datastill.distillation.methods.distribution_matching import DistributionMatching
from datastill.networks import Network, builder
from datastill.training.coresets import CORESETS
from datastill.training.fit import Fit
from datastill.training.pool import Trajectory, train_pool, trajectories
from datastill.training.protocol import PRESETS

IPCS = (1, 2, 7, 10, 13, 50, 51, 200)
MODELS = ("ConvNetD2W16", "ConvNetD1W16BN")


@pytest.fixture(params=METHODS.names)
def published(request: pytest.FixtureRequest) -> Published:
    return METHODS[request.param](10)


@pytest.fixture
def anything(published: Published) -> Method:
    """Return any method, with experts of few epochs for those that follow them."""
    method: Any = published.method
    return replace(method, **{k: v for k, v in BRIEF.items() if hasattr(method, k)})


@pytest.fixture
def method(published: Published) -> Any:
    """Return a method that matches class by class."""
    if not isinstance(published.method, Matching):
        pytest.skip("it does not match class by class")
    return published.method


BRIEF = {"expert_epochs": 1, "max_start": 0, "syn_steps": 3}


@cache
def experts(model: str) -> tuple[Trajectory, ...]:
    return trajectories(train_pool(model, blobs(), num=1, fit=Fit(epochs=1, batch=16), key=Key(9)))


def make_task(seed: int = 0, *, real: ImageSet | None = None, model: str = MODELS[0]) -> Task:
    real = real or blobs()
    build = builder(model, real.domain)
    known = experts(model)
    originals = tuple(trajectory[-1] for trajectory in known)
    policy = dsa("color_crop")
    return Task(real, build, Key(seed), policy, trajectories=known, originals=originals)


@pytest.fixture
def descent(published: Published) -> Callable[..., Descent]:
    """Return how little is distilled of any method, from real images."""

    def make(ipc: int | tuple[int, ...] = 1, **changes: Any) -> Descent:
        few = {"updates": 3, "batch": 6, "lr": 0.1, "init": "real"}
        return published.descent(ipc, **{**few, **changes})

    return make


def to_match(counts: tuple[int, ...] = (2, 2, 2, 2), seed: int = 1) -> ByClass:
    images = sample_per_class(blobs(), counts, key=Key(seed))
    return ByClass(images.images.clone().requires_grad_(), images.counts)


def first_network(method: Any, task: Task) -> Network:
    return method.network(task, 0, None, task.real)


# Settings.


@pytest.mark.parametrize("name", METHODS.names)
@pytest.mark.parametrize("ipc", IPCS)
def test_published_settings_make_sense_for_any_ipc(name: str, ipc: int) -> None:
    found = METHODS[name](ipc)
    assert found == METHODS[name](ipc)
    assert isinstance(found.updates, int)
    assert found.updates > 0
    assert found.lr > 0
    assert found.init in STARTS or found.init in CORESETS
    assert isinstance(found.augmented, bool)
    assert found.protocol in PRESETS


@pytest.mark.parametrize("name", METHODS.names)
def test_a_method_is_a_frozen_value(name: str) -> None:
    one, other = METHODS[name](10).method, METHODS[name](10).method
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    for field in ("a_new_one", *getattr(one, "__dataclass_fields__", {})):
        with pytest.raises((AttributeError, TypeError)):
            setattr(one, field, 1)


def test_methods_keep_no_state(anything: Method, descent: Callable[..., Descent]) -> None:
    before = copy.deepcopy(vars(anything))
    for _ in distill(anything, make_task(), descent()):
        pass
    assert vars(anything) == before


def test_a_miss_names_the_nearest_method() -> None:
    for name in METHODS.names:
        assert METHODS[name.lower()] is METHODS[name]
        with pytest.raises(InputError, match=f"no method named '{name}x'; did you mean '{name}'"):
            METHODS[f"{name}x"]


# The network and the loss.


def test_the_first_network_depends_on_the_key_alone(method: Any) -> None:
    tasks = (make_task(0), make_task(0), make_task(1))
    one, again, other = (
        torch.cat([weight.flatten() for weight in first_network(method, task).parameters()])
        for task in tasks
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("model", MODELS)
def test_the_loss_reaches_every_synthetic_image(method: Any, model: str) -> None:
    task = make_task(model=model)
    synthetic = to_match((1, 3, 2, 2))
    real = sample_per_class(task.real, 8, key=Key(2))
    loss = method.match(first_network(method, task), real, synthetic, route=Route(chunk=5))
    (slope,) = torch.autograd.grad(loss, synthetic.images)
    assert loss.shape == ()
    assert torch.isfinite(slope).all()
    assert (slope.abs().sum((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("counts", [(2, 2, 2, 2), (1, 3, 5, 2), (2, 0, 3, 0)])
def test_a_set_matches_itself_and_no_other(method: Any, counts: tuple[int, ...]) -> None:
    """Uneven classes are normal, absent ones too."""
    network = first_network(method, make_task())
    images = to_match(counts)
    itself = ByClass(images.images.detach().clone(), counts)
    other = ByClass(itself.images.flip(0), counts)
    near, far = (
        method.match(network, real, images, route=PLAIN).item() for real in (itself, other)
    )
    assert abs(near) < 1e-3 * far


def test_an_absent_class_has_no_part(method: Any) -> None:
    network = first_network(method, make_task())
    images, real = to_match((2, 2, 0, 0)), to_match((3, 3, 0, 0), seed=5)
    part = method.match(network, real, images, route=PLAIN)
    assert torch.isfinite(part)
    both = ByClass(torch.cat([images.images, real.images[:2]]), (2, 2, 2, 0))
    more = ByClass(torch.cat([real.images, images.images[:2]]), (3, 3, 2, 0))
    assert method.match(network, more, both, route=PLAIN) > part


def test_the_order_within_a_class_does_not_matter(method: Any) -> None:
    network = first_network(method, make_task())
    images, real = to_match((3, 2, 4, 1)), to_match((5, 5, 5, 5), seed=5)
    turned = ByClass(torch.cat([part.flip(0) for part in images.split()]), images.counts)
    losses = [method.match(network, real, one, route=PLAIN).item() for one in (images, turned)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_route_changes_time_and_not_the_loss(method: Any) -> None:
    for model in MODELS:
        network = first_network(method, make_task(model=model))
        images, real = to_match((3, 2, 4, 1)), to_match((5, 6, 7, 5), seed=5)
        plain, chunked = (
            method.match(copy.deepcopy(network), real, images, route=route).item()
            for route in (PLAIN, Route(chunk=3))
        )
        assert chunked == pytest.approx(plain, rel=1e-3), model


# A distillation.


def distilled(method: Method, task: Task, descent: Descent) -> Tensor:
    *_, last = distill(method, task, descent)
    return last.synthetic.images


@pytest.mark.parametrize("model", MODELS)
def test_same_key_same_images_bit_for_bit(
    anything: Method, descent: Callable[..., Descent], model: str
) -> None:
    if model.endswith("BN") and not isinstance(anything, Matching):
        pytest.skip("it refuses batch statistics")
    found = []
    for _ in range(2):
        torch.rand(3)  # somebody else's draw
        found.append(distilled(anything, make_task(model=model), descent()))
    assert torch.equal(*found)


def test_draws_between_updates_change_nothing(method: Any, descent: Callable[..., Descent]) -> None:
    quiet = distilled(method, make_task(), descent())
    for snapshot in distill(method, make_task(), descent()):
        torch.rand(5)
        first_network(method, make_task(9))
        last = snapshot
    assert torch.equal(last.synthetic.images, quiet)


def test_another_key_gives_other_images(anything: Method, descent: Callable[..., Descent]) -> None:
    one, other = (distilled(anything, make_task(seed), descent()) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_uneven_and_absent_classes_can_be_distilled(
    anything: Method, descent: Callable[..., Descent]
) -> None:
    real, counts = blobs(per_class=(12, 4, 0, 8)), (3, 1, 0, 2)
    images = distilled(anything, make_task(real=real), descent(counts))
    start = distill(anything, make_task(real=real), descent(counts, updates=1, lr=0.0))
    assert images.shape == (6 * descent().parametrisation.parts, 3, 8, 8)
    assert torch.isfinite(images).all()
    moved = (images - next(start).synthetic.images).abs().sum((1, 2, 3))
    assert (moved > 0).all()


def test_a_class_without_real_images_spoils_no_other(method: Any) -> None:
    real = blobs(per_class=(6, 6, 0, 6))
    start = torch.randn(4, 3, 8, 8, generator=Key(3).generator())
    network = first_network(method, make_task(real=real))
    batch = sample_per_class(real, 6, key=Key(0))
    slopes = []
    for rows, counts in (([0, 1, 2, 3], (1, 1, 1, 1)), ([0, 1, 3], (1, 1, 0, 1))):
        pixels = start[rows].requires_grad_()
        loss = method.match(network, batch, ByClass(pixels, counts), route=PLAIN)
        slopes.append(torch.autograd.grad(loss, pixels)[0])
    assert torch.isfinite(slopes[0]).all()
    torch.testing.assert_close(slopes[0][[0, 1, 3]], slopes[1])


def test_distillation_lowers_the_loss(method: Any) -> None:
    """Under one network that never changes, without augmentation, with all real images."""
    task = replace(make_task(), policy=dsa("none"))
    network = first_network(method, task).eval()
    real = sample_per_class(task.real, 12, key=Key(0))
    pixels = torch.randn(8, 3, 8, 8, generator=Key(3).generator()).requires_grad_()
    losses = []
    for _ in range(12):
        loss = method.match(network, real, ByClass(pixels, (2, 2, 2, 2)), route=PLAIN)
        (slope,) = torch.autograd.grad(loss, pixels)
        pixels = (pixels - 3 * slope / slope.norm()).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


# Distribution matching, by its formula.


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (3, 1, 0, 2)])
def test_distribution_matching_is_the_formula_of_the_paper(counts: tuple[int, ...]) -> None:
    found = METHODS["DM"](10)
    network = first_network(found.method, make_task())
    synthetic = to_match(counts)
    real = to_match(tuple(2 * count + 3 if count else 0 for count in counts), seed=5)
    total = torch.zeros(())
    for r, s in zip(real.split(), synthetic.split(), strict=True):
        if len(s):
            of_real = sum(network.body(image[None]).flatten() for image in r) / len(r)
            of_synthetic = sum(network.body(image[None]).flatten() for image in s) / len(s)
            total = total + ((of_real.detach() - of_synthetic) ** 2).sum()
    loss = found.method.match(network, real, synthetic, route=Route(chunk=4))
    torch.testing.assert_close(loss, total)
    slopes = [torch.autograd.grad(value, synthetic.images)[0] for value in (loss, total)]
    torch.testing.assert_close(*slopes)


def test_distribution_matching_takes_a_new_network_for_every_update() -> None:
    task, method = make_task(), METHODS["DM"](10).method
    networks = [method.network(task, step, None, task.real) for step in range(3)]
    heads = [network.head.weight.flatten() for network in networks]
    assert not any(torch.equal(one, other) for one, other in pairwise(heads))


def test_networks_of_a_pool_are_originals_at_any_epoch_of_their_way() -> None:
    pool = train_pool(MODELS[0], blobs(), num=2, fit=Fit(epochs=1, batch=16), key=Key(9))
    task = replace(make_task(), trajectories=trajectories(pool))
    method: Any = DistributionMatching("pool")
    drawn = [method.network(task, step, None, task.real) for step in range(40)]
    on_their_way = {id(m.network): m for trajectory in task.trajectories for m in trajectory}
    assert {id(network) for network in drawn} == set(on_their_way)
    assert {m.facts["epoch"] for m in on_their_way.values()} == {0, 1}
    again = [method.network(task, step, None, task.real) for step in range(40)]
    assert all(one is other for one, other in zip(drawn, again, strict=True))
    # Such a network is one like any: the target and the distance are those under it.
    found = distilled(method, task, Descent(ipc=1, updates=2, batch=6))
    assert torch.isfinite(found).all()
    assert not torch.equal(
        found, distilled(METHODS["DM"](1).method, task, Descent(ipc=1, updates=2, batch=6))
    )
    with pytest.raises(InputError, match="needs `trajectories` of original models"):
        distill(method, replace(task, trajectories=()), Descent(ipc=1, updates=2, batch=6))


def test_networks_are_random_or_of_a_pool() -> None:
    assert DistributionMatching("random") == DistributionMatching()
    assert (DistributionMatching().needs, DistributionMatching("pool").needs) == (
        frozenset(),
        {"trajectories"},
    )
    for wrong in ("pools", 3, True):
        with pytest.raises(InputError, match="`networks` must be random or pool"):
            DistributionMatching(wrong)


def test_distribution_matching_has_its_published_settings() -> None:
    found = METHODS["DM"](10)
    assert (found.updates, found.lr, found.init) == (20_000, 1.0, "real")
    assert (found.augmented, found.protocol) == (True, "dsa")


# Twins.


def course(method: Any, task: Task, alpha: float, counts: tuple[int, ...]) -> list[ByClass]:
    """Distil under guidance towards grey, with a weight; return the images after each update."""

    def grey(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return alpha * images.square().mean()

    descent = Descent(ipc=counts, updates=3, batch=6)
    found = distill(method, task, descent, regularisers={"grey": grey})
    return [now.synthetic.images for now in found]


@pytest.mark.parametrize(
    ("model", "counts"), [*zip(MODELS, [(2, 2, 2, 2), (1, 0, 3, 2)], strict=True)]
)
def test_runs_of_one_task_may_hold_what_they_have_in_common(
    method: Any, model: str, counts: tuple[int, ...]
) -> None:
    task = make_task(model=model)
    alone = [course(method, task, alpha, counts) for alpha in (0.0, 50.0)]
    holding = replace(task, targets=Targets())
    for wanted, alpha in zip(alone, (0.0, 50.0), strict=True):
        found = course(method, holding, alpha, counts)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert not torch.equal(alone[0][-1], alone[1][-1])
    shares = isinstance(method, Targeting) and not getattr(method, "ages", False)
    assert bool(holding.targets.held) == shares
    # Another batch, or another number of images, is another run.
    other = Descent(ipc=counts, updates=2, batch=4)
    one, two = (
        [now.synthetic.images for now in distill(method, t, other)] for t in (task, holding)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_target_and_the_distance_from_it_are_the_loss(method: Any) -> None:
    if not isinstance(method, Targeting):
        pytest.skip("its targets follow from the synthetic images")
    network = first_network(method, make_task())
    real, synthetic = to_match((5, 0, 3, 4), seed=2), to_match((2, 0, 1, 2))
    target = method.target(network, real, route=PLAIN)
    flat = target if isinstance(target, tuple) else (target,)
    assert not any(one.requires_grad for one in flat)
    found = method.distance(network, target, synthetic, route=PLAIN)
    assert found == method.match(network, real, synthetic, route=PLAIN)


def test_real_images_pass_networks_once_for_all_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    over, passes = Route.over, []

    def counted(self: Route, *given: object) -> Tensor:
        passes.append(1)
        return over(self, *given)

    monkeypatch.setattr(Route, "over", counted)
    method, task = METHODS["DM"](2).method, replace(make_task(), targets=Targets())
    for expected in (3, 3, 3):
        course(method, task, 1.0, (2, 2, 2, 2))
        assert len(passes) == expected


def test_what_does_not_fit_is_not_held() -> None:
    method = METHODS["DM"](2).method
    roomy, tight = (replace(make_task(), targets=Targets(room)) for room in (2**28, 2500))
    one, other = (course(method, task, 1.0, (2, 2, 2, 2)) for task in (roomy, tight))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    held = sum(target.nbytes for target in tight.targets.held.values())
    assert 0 < held < sum(target.nbytes for target in roomy.targets.held.values())
    assert held + tight.targets.room == 2500
