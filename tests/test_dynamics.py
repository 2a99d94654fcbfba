"""How images do while a network is trained on them: written down at no cost, and known again."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import blobs, same, watching, weights
from datastill import store
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ImageSet
from datastill.identity import keys_of
from datastill.networks import Network, build
from datastill.training import dynamics as module
from datastill.training.dynamics import Dynamics, Watcher, averaged
from datastill.training.fit import Fit, Fitting, epochs
from datastill.training.pool import train_member, train_pool

SMALL = "ConvNetD1W16"
FIT = Fit(epochs=5, batch=7, lr=0.3)
KEY = Key(3)


def watched(real: ImageSet, fit: Fit = FIT, route: Route = PLAIN) -> tuple[Dynamics, Network]:
    network = build(SMALL, real.domain, key=KEY)
    watcher = Watcher(real.hard_labels, fit.epochs)
    for _ in epochs(network, real, fit, key=KEY, route=route, watch=watcher):
        pass
    return watcher.dynamics(keys_of(real)), network


def by_hand(real: ImageSet) -> list[list[list[float]]]:
    """Return the logits of every image in every epoch, found by who sees each pass."""
    said: list[tuple[Tensor, Tensor]] = []

    def note(module: torch.nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        if isinstance(module, Network) and module.training:
            said.append((given[0].detach().clone(), found.detach().clone()))

    hook = torch.nn.modules.module.register_module_forward_hook(note)
    network = build(SMALL, real.domain, key=KEY)
    try:
        for _ in epochs(network, real, FIT, key=KEY, route=PLAIN):
            pass
    finally:
        hook.remove()
    rows = {tuple(image.flatten().tolist()): i for i, image in enumerate(real.images)}
    found: list[list[list[float]]] = [[] for _ in rows]
    for images, logits in said:
        for image, one in zip(images, logits.double().tolist(), strict=True):
            found[rows[tuple(image.flatten().tolist())]].append(one)
    return found


def test_every_statistic_is_what_its_formula_says() -> None:
    real = blobs(per_class=(9, 4, 0, 11))
    real = replace(real, labels=real.labels.roll(1))  # hard to learn, and soon forgotten
    found, _ = watched(real)
    seen = by_hand(real)
    assert any(found.forgotten > 0)
    assert any(found.correct == 0) or any(found.correct < FIT.epochs)
    for i, (course, label) in enumerate(zip(seen, real.labels.tolist(), strict=True)):
        assert len(course) == FIT.epochs
        margins, losses, right = 0.0, 0.0, []
        for epoch, logits in enumerate(course):
            shares = [math.exp(one) / sum(map(math.exp, logits)) for one in logits]
            wrong = [share - (k == label) for k, share in enumerate(shares)]
            error = math.sqrt(sum(one * one for one in wrong))
            assert float(found.errors[epoch, i]) == pytest.approx(error, abs=1e-3)
            others = [one for k, one in enumerate(logits) if k != label]
            margins += logits[label] - max(others)
            losses -= math.log(shares[label])
            right.append(logits.index(max(logits)) == label)
        assert float(found.margins[i]) == pytest.approx(margins, abs=1e-4)
        assert float(found.losses[i]) == pytest.approx(losses, abs=1e-4)
        assert int(found.correct[i]) == sum(right)
        lost = sum(a and not b for a, b in pairwise(right))
        assert int(found.forgotten[i]) == lost


@pytest.mark.parametrize("model", [SMALL, "ConvNetD1W16BN"])
def test_who_watches_changes_nothing_and_asks_for_no_pass(model: str) -> None:
    real = blobs()
    passes, ends = [], []
    for watch in (None, Watcher(real.labels, FIT.epochs)):
        network = build(model, real.domain, key=KEY)
        with watching() as seen:
            states = [e.state() for e in epochs(network, real, FIT, key=KEY, watch=watch)]
        passes.append([len(images) for _, _, images in seen])
        ends.append((weights(network), states[-1].momentum))
    assert passes[0] == passes[1]
    assert same(ends[0][0], ends[1][0])
    assert same(ends[0][1], ends[1][1])


def test_chunks_and_a_bounded_memory_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real = blobs()
    whole, _ = watched(real)
    monkeypatch.setattr(module, "HELD", 20)  # logits of five images
    other, _ = watched(real, route=Route(chunk=3, kernels=False))
    assert torch.equal(whole.correct, other.correct)
    assert torch.equal(whole.forgotten, other.forgotten)
    torch.testing.assert_close(whole.margins, other.margins, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(whole.errors.float(), other.errors.float(), rtol=0, atol=2e-3)


def test_errors_are_kept_of_the_first_epochs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = blobs()
    whole, _ = watched(real)
    monkeypatch.setattr(module, "EARLY", 2)
    found, _ = watched(real)
    assert found.errors.shape == (2, len(real))
    assert torch.equal(found.errors, whole.errors[:2])
    assert torch.equal(found.margins, whole.margins)


def same_dynamics(one: Dynamics | None, other: Dynamics | None) -> bool:
    assert one is not None
    assert other is not None
    return one.epochs == other.epochs and same(one.tensors, other.tensors)


def test_a_fit_that_goes_on_remembers_what_was_seen_before() -> None:
    real = blobs()
    course, member = list[Fitting](), None
    for epoch, make in train_member(SMALL, real, FIT, key=KEY, held_out=0.25):
        course.append(epoch.state())
        member = make()
    assert member is not None
    for cut in (0, 2, 3):
        *_, (_, last) = train_member(SMALL, real, FIT, key=KEY, held_out=0.25, state=course[cut])
        assert same_dynamics(last().dynamics, member.dynamics)
    unwatched = replace(course[2], watched={})  # an earlier datastill kept none
    *_, (_, last) = train_member(SMALL, real, FIT, key=KEY, held_out=0.25, state=unwatched)
    assert last().dynamics is None
    spoilt = replace(course[2], watched={**course[2].watched, "margins": torch.zeros(3)})
    with pytest.raises(InputError, match="training dynamics is of another fit"):
        next(train_member(SMALL, real, FIT, key=KEY, held_out=0.25, state=spoilt))


def test_members_know_the_images_that_they_were_trained_on_in_any_order() -> None:
    real = blobs(per_class=8)
    (member,) = train_pool(SMALL, real, num=1, fit=FIT, key=KEY)
    known = member.dynamics
    assert known is not None
    assert len(known.keys) == member.facts["train_images"] == len(real) - 4
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    rows = known.rows(keys_of(real))
    assert torch.equal(known.rows(keys_of(real.take(order))), rows[order])
    assert (rows < 0).sum() == 4
    assert sorted(rows[rows >= 0].tolist()) == list(range(len(known.keys)))
    assert (known.rows(keys_of(blobs("test"))) < 0).all()
    other = replace(real, labels=(real.labels + 1) % 4)  # the same pixels, of another class
    assert (known.rows(keys_of(other)) < 0).all()


def test_means_are_over_the_networks_that_saw_an_image() -> None:
    real = blobs(per_class=8)
    pool = train_pool(SMALL, real, num=3, fit=Fit(epochs=2, batch=8, lr=0.05), key=KEY)
    known = [member.dynamics for member in pool if member.dynamics is not None]
    keys = keys_of(real)
    found = averaged(known, keys, lambda one: one.margins)
    for i in range(len(real)):
        mine = [float(one.margins[row]) for one in known if (row := int(one.rows(keys)[i])) >= 0]
        assert float(found[i]) == pytest.approx(sum(mine) / len(mine), rel=1e-6)
    alone = averaged(known[:1], keys, lambda one: one.margins)
    assert alone.isnan().sum() == 4


def test_dynamics_lie_beside_their_model_and_are_read_again(tmp_path: Path) -> None:
    (member,) = train_pool(SMALL, blobs(), num=1, fit=FIT, key=KEY)
    assert store.load_dynamics(tmp_path, 7) is None
    store.save_dynamics(member, tmp_path, 7)
    store.save_dynamics(replace(member, dynamics=None), tmp_path, 8)
    assert same_dynamics(store.load_dynamics(tmp_path, 7), member.dynamics)
    assert list(store.members_in(tmp_path)) == []
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="; the model serves without it; delete the file"):
        store.load_dynamics(tmp_path, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys", torch.zeros(5)),
        ("margins", torch.zeros(4)),
        ("errors", torch.zeros(5, 46, dtype=torch.float16)),
        ("correct", torch.zeros(46)),
        ("forgotten", None),
    ],
)
def test_numbers_of_other_images_are_no_dynamics(name: str, value: Tensor | None) -> None:
    real = blobs()
    found, _ = watched(real)
    assert same_dynamics(Dynamics.of(found.tensors, FIT.epochs), found)
    forged = {k: v for k, v in {**found.tensors, name: value}.items() if v is not None}
    with pytest.raises((ValueError, KeyError)):
        Dynamics.of(forged, FIT.epochs)
    with pytest.raises(ValueError, match="errors of 5 epochs out of 6"):
        Dynamics.of(found.tensors, 6)


def test_keys_are_of_the_pixels_as_they_were_read() -> None:
    real = blobs()
    digests = np.arange(len(real), dtype=np.uint64)
    read = replace(real, digests=digests)
    assert not np.array_equal(keys_of(read), keys_of(real))
    smaller = replace(read, images=read.images * 0.5)
    assert np.array_equal(keys_of(read), keys_of(smaller))


def test_scores_are_those_of_the_papers() -> None:
    count = 6
    zeros, errors = torch.zeros(count), torch.rand(12, count).half()
    correct = torch.tensor([0, 3, 12, 1, 0, 5], dtype=torch.int32)
    forgotten = torch.tensor([0, 2, 0, 1, 0, 4], dtype=torch.int32)
    keys = np.arange(count, dtype=np.uint64)
    known = Dynamics(keys, 12, errors, torch.arange(count) * 3.0, zeros, correct, forgotten)
    assert known.forgetting.tolist() == [12, 2, 0, 1, 12, 4]
    assert known.area_under_margin.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25]
    by_hand = [sum(float(errors[e, i]) for e in range(1, 10)) / 9 for i in range(count)]
    torch.testing.assert_close(known.early_error, torch.tensor(by_hand))
    once = replace(known, epochs=1, errors=errors[:1])
    assert torch.equal(once.early_error, errors[0].float())
