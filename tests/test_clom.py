"""Original models and what they say of synthetic images."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conftest import blobs, other_normalisation, same, watching, weights
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN
from datastill.data import Domain
from datastill.data.losses import contrastive_loss
from datastill.distillation.clom import (
    ContrastiveClom,
    CrossEntropyClom,
    Group,
    contrastive_clom,
    cross_entropy_clom,
    pair_alphas,
)
from datastill.networks import build
from datastill.training.fit import Fit, accuracy
from datastill.training.pool import (
    Member,
    by_architecture,
    freeze,
    original_fit,
    split_held_out,
    train_member,
    train_pool,
)
from datastill.training.seeing import encoder, teacher

SMALL = "ConvNetD1W16"
SHORT = Fit(epochs=2, batch=16, lr=0.02)


def member(name: str = SMALL, seed: int = 0, domain: Domain | None = None) -> Member:
    domain = domain or blobs(per_class=1).domain
    return freeze(build(name, domain, key=Key(seed)), name, domain, {})


# The pool.


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_a_split_is_disjoint_complete_and_by_class(share: float) -> None:
    real = blobs(per_class=(12, 1, 0, 40))
    fitted, held = split_held_out(real, share, key=Key(0))
    rows = [{tuple(image.flatten().tolist()) for image in part.images} for part in (fitted, held)]
    assert not rows[0] & rows[1]
    assert rows[0] | rows[1] == {tuple(image.flatten().tolist()) for image in real.images}
    assert held.counts == (max(1, round(12 * share)), 0, 0, max(1, round(40 * share)))
    assert tuple(a + b for a, b in zip(fitted.counts, held.counts, strict=True)) == real.counts


def test_a_split_follows_its_key() -> None:
    real = blobs()
    helds = [split_held_out(real, 0.25, key=Key(seed))[1].images for seed in (0, 0, 1)]
    assert torch.equal(helds[0], helds[1])
    assert not torch.equal(helds[0], helds[2])


def test_no_class_is_held_out_as_a_whole() -> None:
    fitted, held = split_held_out(blobs(per_class=2), 1.0, key=Key(0))
    assert fitted.counts == held.counts == (1, 1, 1, 1)


def test_original_models_are_fitted_to_all_images_but_those_held_out() -> None:
    real = blobs(per_class=(12, 8, 3, 20))
    with watching() as seen:
        *_, (_, last) = train_member(SMALL, real, SHORT, key=Key(0), held_out=0.25, route=PLAIN)
        found = last()

    def pictures(training: bool) -> set[tuple[float, ...]]:
        images = torch.cat([images for _, mode, images in seen if mode == training])
        return {tuple(image.flatten().tolist()) for image in images}

    everything = {tuple(image.flatten().tolist()) for image in real.images}
    assert pictures(True) | pictures(False) == everything
    assert len(everything - pictures(True)) == found.facts["held_out_images"] == 3 + 2 + 1 + 5
    assert len(pictures(True)) == found.facts["train_images"]


def test_facts_of_a_member_are_true() -> None:
    real = blobs()
    key = Key(0)
    *_, (epoch, last) = train_member(SMALL, real, SHORT, key=key, held_out=0.25)
    found = last()
    assert found.facts["epoch"] == epoch.number == 2
    assert found.facts["train_loss"] == pytest.approx(epoch.loss.item(), abs=1e-5)
    right = found.facts["held_out_accuracy"] * found.facts["held_out_images"]
    right += found.facts["train_accuracy"] * found.facts["train_images"]
    assert right == pytest.approx(accuracy(found.network, real) * len(real), abs=1e-4)
    assert (found.architecture, found.domain) == (SMALL, real.domain)


def test_members_are_frozen_as_they_were_at_their_epoch() -> None:
    real = blobs()
    stopped = list(train_member("ConvNetD1W16BN", real, SHORT, key=Key(0)))
    late = stopped[-1][1]()
    early = None
    for _, make in train_member("ConvNetD1W16BN", real, SHORT, key=Key(0)):
        if early is None:
            early = make()
            before = weights(early.network)
    assert same(weights(early.network), before)
    assert not same(before, weights(late.network))
    for found in (early, late):
        assert not any(part.training for part in found.network.modules())
        assert not any(weight.requires_grad for weight in found.network.parameters())


def test_a_member_of_an_epoch_that_is_over_is_refused() -> None:
    """It would have the weights of one epoch, and the number and loss of another."""
    first, second, (last, member) = train_member(SMALL, blobs(), Fit(epochs=3), key=Key(0))
    for epoch, late in (first, second):
        with pytest.raises(InputError, match=f"epoch {epoch.number} is over"):
            late()
    assert member().facts["epoch"] == last.number == 3


def test_a_pool_is_of_different_models_and_follows_its_key() -> None:
    real = blobs()
    pools = [train_pool(SMALL, real, num=2, fit=SHORT, key=Key(seed)) for seed in (0, 0, 1)]
    held = [[weights(found.network) for found in pool] for pool in pools]
    assert all(same(one, other) for one, other in zip(held[0], held[1], strict=True))
    everyone = held[0] + held[2]
    assert not any(same(one, other) for i, one in enumerate(everyone) for other in everyone[:i])


@pytest.mark.parametrize("length", [1, 2, 3, 10, 150])
def test_the_published_fit_of_original_models(length: int) -> None:
    fit = original_fit(length)
    expected = Fit(length, batch=256, lr=0.01, momentum=0.9, weight_decay=5e-3)
    assert replace(fit, milestones=()) == expected
    assert len(fit.milestones) == min(2, length - 1)
    for milestone, third in zip(reversed(fit.milestones), (2, 1), strict=False):
        assert abs(milestone - length * third / 3) < 1


def test_pools_are_grouped_in_order_of_appearance() -> None:
    pool = [member(name, seed) for seed, name in enumerate(["MLP", SMALL, "MLP"])]
    groups = by_architecture(pool)
    assert list(groups.items()) == [("MLP", (pool[0], pool[2])), (SMALL, (pool[1],))]


# Teachers.


def test_a_teacher_sees_images_as_it_was_trained() -> None:
    data, found = blobs(), member()
    expected = found.network(data.images)
    assert torch.equal(teacher(found, data.domain, route=PLAIN)(data.images), expected)
    torch.testing.assert_close(teacher(found, data.domain)(data.images), expected)
    elsewhere = data.under(other_normalisation(data.domain))
    torch.testing.assert_close(teacher(found, elsewhere.domain)(elsewhere.images), expected)
    assert not torch.allclose(found.network(elsewhere.images), expected, atol=0.01)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shape": (3, 8, 9)}, "blobs has images of 3x8x8, but other has 3x8x9"),
        ({"classes": ("cat", "dog")}, "blobs has 4 classes"),
    ],
)
def test_a_teacher_of_something_else_is_refused(change: dict, complaint: str) -> None:
    domain = replace(blobs(per_class=1).domain, name="other", **change)
    for refuse in (teacher, lambda found, domain: cross_entropy_clom([found], 1, domain)):
        with pytest.raises(InputError, match=f"this {SMALL} cannot teach other: {complaint}"):
            refuse(member(), domain)


def test_an_encoder_may_come_from_another_dataset() -> None:
    data = blobs(shape=(1, 6, 6), classes=3)
    found = member()
    seen = encoder(found, data.domain)(data.images)
    assert seen.shape == found.network.embed(torch.zeros(36, 3, 8, 8)).shape
    own = blobs()
    expected = found.network.embed(own.images)
    torch.testing.assert_close(encoder(found, own.domain)(own.images), expected)
    with pytest.raises(InputError, match="has 2 channels"):
        encoder(found, blobs(shape=(2, 8, 8)).domain)


# CLOM.


def images_and_labels(per_class: int = 3) -> tuple[Tensor, Tensor]:
    data = blobs("synthetic", per_class=per_class)
    return data.images.clone().requires_grad_(), data.labels


def test_clom_is_alpha_times_the_mean_cross_entropy_of_the_drawn_teacher() -> None:
    images, labels = images_and_labels()
    pool = [member(seed=seed) for seed in range(3)]
    plain = []
    for found in pool:
        log_share = found.network(images).log_softmax(1)
        plain.append(-sum(log_share[i, y] for i, y in enumerate(labels)).item() / len(labels))
    clom = cross_entropy_clom(pool, 250.0, blobs().domain)
    drawn = set()
    for seed in range(30):
        loss = clom(images, labels, key=Key(seed)).item()
        assert loss == clom(images, labels, key=Key(seed)).item()
        misses = [abs(250 * value - loss) for value in plain]
        assert min(misses) < 1e-4 * loss
        drawn.add(misses.index(min(misses)))
    assert drawn == {0, 1, 2}


def test_clom_converts_the_normalisation() -> None:
    data = blobs()
    elsewhere = data.under(other_normalisation(data.domain))
    expected = F.cross_entropy(member().network(data.images), data.labels)
    clom = cross_entropy_clom([member()], 1, elsewhere.domain)
    torch.testing.assert_close(clom(elsewhere.images, data.labels, key=Key(0)), expected)


@pytest.mark.parametrize("kind", ["cross-entropy", "contrastive"])
def test_only_the_images_receive_a_gradient(kind: str) -> None:
    images, labels = images_and_labels()
    real = blobs()
    pool = [member("ConvNetD1W16BN"), member("MLP")]
    before = [weights(found.network) for found in pool]
    make = {
        "cross-entropy": lambda: cross_entropy_clom(pool, 3.0, real.domain),
        "contrastive": lambda: contrastive_clom(pool, 3.0, real, batch=8),
    }[kind]
    for seed in range(4):
        make()(images, labels, key=Key(seed)).backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
    for found, held in zip(pool, before, strict=True):
        assert all(weight.grad is None for weight in found.network.parameters())
        assert same(weights(found.network), held)


def test_the_gradient_of_clom_is_alpha_times_that_of_the_plain_loss() -> None:
    images, labels = images_and_labels()
    clom = cross_entropy_clom([member()], 50, blobs().domain)(images, labels, key=Key(0))
    plain = F.cross_entropy(member().network(images), labels)
    (found,), (expected,) = (torch.autograd.grad(loss, images) for loss in (clom, plain))
    torch.testing.assert_close(found, 50 * expected)


def test_alphas_pair_with_architectures_in_order() -> None:
    images, labels = images_and_labels()
    pool = [member("MLP"), member(SMALL)]
    plain = [F.cross_entropy(found.network(images), labels).item() for found in pool]

    def losses(alphas: float | list[float]) -> set[float]:
        clom = cross_entropy_clom(pool, alphas, blobs().domain)
        return {round(clom(images, labels, key=Key(seed)).item(), 3) for seed in range(20)}

    for alphas, expected in ((10, (10, 10)), ([10.0], (10, 10)), ([10, 2000], (10, 2000))):
        products = sorted(a * loss for a, loss in zip(expected, plain, strict=True))
        assert sorted(losses(alphas)) == pytest.approx(products, rel=1e-3)


@pytest.mark.parametrize("alphas", [[], [1, 2, 3]])
def test_other_numbers_of_alphas_are_refused(alphas: list[float]) -> None:
    pool = [member("MLP"), member(SMALL), member(SMALL, 1)]
    with pytest.raises(
        InputError, match=rf"{len(alphas)} alphas for 2 architectures \(MLP, {SMALL}\); give one"
    ):
        cross_entropy_clom(pool, alphas, blobs().domain)
    assert pair_alphas([4], ["a", "b"]) == {"a": 4, "b": 4}


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(InputError, match="a pool of at least one original model"):
        cross_entropy_clom([], 1, blobs().domain)


@pytest.mark.parametrize("names", [("a", "bcd"), ("ab", "cd")])
@pytest.mark.parametrize("kind", ["cross-entropy", "contrastive"])
def test_draws_are_uniform_over_architectures_and_then_over_members(
    kind: str, names: tuple[str, str], spread: Callable[[int, int, float], bool]
) -> None:
    asked: Counter[str] = Counter()

    def named(name: str) -> Callable[[Tensor], Tensor]:
        def say(images: Tensor) -> Tensor:
            asked[name] += 1
            return images[:, 0, :2, :2].flatten(1)

        return say

    groups = [Group([named(name) for name in group], 1.0) for group in names]
    real = blobs(per_class=2)
    calls = {
        "cross-entropy": (CrossEntropyClom(groups), 1),
        "contrastive": (ContrastiveClom(groups, real, 4), 2),
    }
    clom, each = calls[kind]
    for i in range(600):
        clom(real.images[:4], real.labels[:4], key=Key(0).at(i))
    assert sum(asked.values()) == 600 * each
    for group in names:
        assert spread(sum(asked[name] for name in group) // each, 600, 1 / 2)
        for name in group:
            assert spread(asked[name] // each, 600, 1 / 2 / len(group))


def test_contrastive_clom_is_alpha_times_the_ratio_against_all_real_images() -> None:
    images, labels = images_and_labels()
    real, found = blobs(), member()
    expected = contrastive_loss(
        found.network.embed(images), labels, found.network.embed(real.images), real.labels
    )
    clom = contrastive_clom([found], 20, real, batch=1000)
    torch.testing.assert_close(clom(images, labels, key=Key(0)), 20 * expected)


def test_contrastive_clom_draws_real_images_by_its_key() -> None:
    images, labels = images_and_labels()
    clom = contrastive_clom([member()], 1, blobs(), batch=6)
    losses = [clom(images, labels, key=Key(seed)).item() for seed in (0, 0, 1, 2)]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


# Weights by accuracy.


def accurate(seed: int, name: str = SMALL, **facts: float | None) -> Member:
    return replace(member(name, seed), facts=facts)


def test_each_original_model_weighs_times_its_accuracy() -> None:
    domain, images = blobs().domain, blobs(per_class=2)
    pool = [
        accurate(0, held_out_accuracy=0.5, train_accuracy=0.9),
        accurate(1, held_out_accuracy=None, train_accuracy=0.25),
        accurate(2, "MLP", held_out_accuracy=0.0, train_accuracy=1.0),
    ]
    alphas, shares = {SMALL: 3.0, "MLP": 7.0}, {0: 0.5, 1: 0.25, 2: 0.0}
    clom = cross_entropy_clom(pool, [3.0, 7.0], domain, weighting="accuracy", route=PLAIN)
    plain = cross_entropy_clom(pool, [3.0, 7.0], domain, route=PLAIN)
    wanted: list[dict[str, float]] = []
    for i, one in enumerate(pool):
        loss = float(F.cross_entropy(one.network(images.images), images.labels))
        alpha = alphas[one.architecture]
        wanted.append({"weighted": alpha * shares[i] * loss, "plain": alpha * loss})
    seen: set[int] = set()
    for seed in range(20):
        found = float(clom(images.images, images.labels, key=Key(seed)))
        full = float(plain(images.images, images.labels, key=Key(seed)))
        # The same draw, whatever the weights.
        (i,) = (i for i, one in enumerate(wanted) if one["plain"] == pytest.approx(full))
        assert found == pytest.approx(wanted[i]["weighted"], rel=1e-5, abs=1e-9)
        seen.add(i)
    assert seen == {0, 1, 2}
    assert clom.tracking(3).groups[0].shares == (0.5, 0.25)


def test_an_accuracy_that_is_not_known_is_no_weight() -> None:
    with pytest.raises(InputError, match="does not say how accurate it is"):
        cross_entropy_clom([member()], 1.0, blobs().domain, weighting="accuracy")
    with pytest.raises(InputError, match="`weighting` must be equal or accuracy, found 'acuracy'"):
        cross_entropy_clom([member()], 1.0, blobs().domain, weighting="acuracy")
