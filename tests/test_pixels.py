"""Images kept as pixels pass for the floats that they stand for."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import datastill
from conftest import blobs, known_of, linear, other_normalisation, same, weights
from datastill.augment import dsa
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.data.pixels import Part, Pixels, normalise
from datastill.datasets import load_split
from datastill.distillation.clom import contrastive_clom
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task
from datastill.identity import set_apart
from datastill.identity.content import digests_of
from datastill.report.summary import summary
from datastill.store import fingerprint
from datastill.training.coresets import CORESETS, picked
from datastill.training.fit import Fit, accuracy, train
from datastill.training.pool import freeze, split_held_out

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def pair(n: int = 10) -> tuple[Pixels, Tensor]:
    """Make images of both kinds: bytes kept, and floats worked out here."""
    values = torch.randint(0, 256, (n, 3, 8, 6), generator=Key(1).generator(), dtype=torch.uint8)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return Pixels(values, MEAN, STD), (values.float() / 255 - mean) / std


TAKEN: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda x: x[torch.tensor([7, 1, 1])],
    "booleans": lambda x: x[torch.arange(10) % 3 == 0],
    "one": lambda x: x[4],
    "last": lambda x: x[-1],
    "slice": lambda x: x[2:9:3],
    "column": lambda x: x[:, :, 3],
    "two indices": lambda x: x[torch.tensor([1, 2]), torch.tensor([0, 2])],
    "none": lambda x: x[torch.zeros(0, dtype=torch.long)],
    "sum": lambda x: x.sum(),
    "product": lambda x: 2 * x + x,
    "flat": lambda x: x.flatten(1) @ torch.ones(144, 2),
    "bfloat16": lambda x: x.to(torch.bfloat16),
    "double": lambda x: x.double(),
    "clone": lambda x: x.clone(),
    "joined": lambda x: torch.cat([x, x[:2]]),
    "split": lambda x: torch.cat([2 * part for part in x.split(4)]),
    "split channels": lambda x: x.split(2, dim=1)[1] * 1,
    "detached": lambda x: x.detach() * 1,
    "split, then rows": lambda x: x.split(4)[1][torch.tensor([2, 0])],
    "isfinite": torch.isfinite,
}


@pytest.mark.parametrize("take", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_equals_what_floats_give(take: Callable[[Tensor], Tensor]) -> None:
    kept, floats = pair()
    found, wanted = take(kept), take(floats)
    found = found.normalised() if isinstance(found, Pixels) else found
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("take", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_of_a_part_equals_what_a_copy_gives(take: Callable[[Tensor], Tensor]) -> None:
    whole = torch.randn(30, 3, 8, 6, generator=Key(3).generator())
    rows = torch.randperm(30, generator=Key(4).generator())[:10]
    part = Part(whole, rows)
    assert part.held.data_ptr() == whole.data_ptr()
    assert (part.shape, part.dtype, len(part)) == ((10, 3, 8, 6), torch.float32, 10)
    found, wanted = take(part), take(whole[rows])
    found = found.normalised() if isinstance(found, Part) else found
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)
    for again in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert type(again) is Tensor
        assert torch.equal(again, whole[rows])


def test_parts_of_a_set_copy_none_and_are_as_copies_are(tmp_path: Path) -> None:
    real = load_split("digits", "train")
    fitted, held = split_held_out(real, 0.1, key=Key(1))
    for part in (fitted, held, *set_apart(real, 0.2), fitted.part(torch.tensor([5, 3, 900]))):
        assert isinstance(part.images, Part)
        assert part.images.held.data_ptr() == real.images.data_ptr()
        assert type(part.take(torch.tensor([0])).images) is Tensor
        alike = alike_of(part)
        assert type(alike.images) is Tensor
        assert fingerprint(part) == fingerprint(alike)
        other = part.under(other_normalisation(real.domain))
        assert torch.equal(other.images, alike.under(other.domain).images)
        for set_, name in ((part, "part"), (alike, "alike")):
            datastill.save(set_, tmp_path / name)
        assert (tmp_path / "part").read_bytes() == (tmp_path / "alike").read_bytes()
        assert summary(part) == summary(alike)
    none = replace(fitted, digests=None)
    assert (digests_of(none) == digests_of(alike_of(none))).all()
    there = fitted.to("meta").images
    assert (type(there), there.shape) == (Tensor, fitted.images.shape)
    learned = replace(real, images=real.images.clone().requires_grad_())
    assert learned.part(torch.tensor([0])).images.requires_grad  # gradients go through a copy


def alike_of(data: ImageSet) -> ImageSet:
    """Return a set with a copy of its images."""
    return replace(data, images=data.images * 1)


def test_a_part_is_kept_as_pixels_and_copies_none() -> None:
    kept, floats = pair()
    some = kept.part(torch.arange(10) % 2 == 1).part(torch.tensor([3, 0]))
    for again in (copy.deepcopy(some), pickle.loads(pickle.dumps(some))):
        assert torch.equal(again.held, kept.held[[7, 1]])
        assert torch.equal(again.normalised(), some.normalised())
    assert isinstance(some, Pixels)
    assert some.held.data_ptr() == kept.held.data_ptr()
    assert some.shape == (2, 3, 8, 6)
    assert torch.equal(some[torch.tensor([0, 1])], floats[[7, 1]])
    two = some.split(1)[1]
    assert isinstance(two, Pixels)
    assert torch.equal(two.normalised(), floats[[1]])
    assert isinstance(kept[2:5], Pixels)
    assert torch.equal(some.under((0, 0, 0), (1, 1, 1)).normalised(), kept.held[[7, 1]] / 255)


def test_it_says_what_it_is() -> None:
    kept, floats = pair()
    assert (kept.shape, kept.dtype, kept.device) == (floats.shape, floats.dtype, floats.device)
    assert (len(kept), kept.ndim, kept.is_floating_point()) == (10, 4, True)
    assert repr(kept) == "Pixels((10, 3, 8, 6), torch.uint8, cpu)"
    assert isinstance(kept.to("meta"), Pixels)
    assert kept.to("meta").held.device.type == "meta"


def test_gradients_flow_to_weights() -> None:
    kept, floats = pair()
    found = []
    for images in (kept, floats):
        with Key(0).scope():
            layer = nn.Conv2d(3, 4, 3)
        layer(images).square().sum().backward()
        found.append(layer.weight.grad)
    assert torch.equal(*found)


def test_floats_can_be_kept_too() -> None:
    values = torch.rand(4, 3, 8, 6, generator=Key(2).generator())
    kept = Pixels(values, MEAN, STD)
    assert torch.equal(kept[torch.tensor([2])], normalise(values[[2]], MEAN, STD))


def test_a_mapped_file_is_read_as_it_is_needed(tmp_path) -> None:
    array = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(50, 3, 8, 6))
    array[:] = np.arange(50)[:, None, None, None]
    array.flush()
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "c", shape=(50, 3, 8, 6))
    kept = Pixels(torch.from_numpy(mapped), (0.0,) * 3, (1.0,) * 3)
    np.memmap(tmp_path / "pixels", np.uint8, "r+", shape=(50, 3, 8, 6))[49] = 200
    assert float(kept[torch.tensor([49])].max() * 255) == pytest.approx(200)
    assert float(kept[torch.tensor([7])].max() * 255) == pytest.approx(7)


def both() -> tuple[ImageSet, ImageSet]:
    """Make one set twice: its images as pixels, and as floats."""
    data = blobs(per_class=(12, 9, 3, 7))
    values = (data.domain.pixels(data.images) * 255).round().clamp(0, 255).to(torch.uint8)
    kept = Pixels(values, data.domain.mean, data.domain.std)
    return replace(data, images=kept), replace(data, images=kept.normalised())


def test_a_set_of_pixels_is_fitted_and_judged_with_the_same_bits() -> None:
    found = []
    for data in both():
        fitted, held = split_held_out(data, 0.2, key=Key(3))
        assert isinstance(fitted.images, Pixels) == isinstance(data.images, Pixels)
        network = linear(data.domain)
        train(network, fitted, Fit(epochs=2, batch=8), policy=dsa("color_crop"), key=Key(4))
        found.append((weights(network), accuracy(network, held), accuracy(network, data)))
    assert same(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]


@pytest.mark.parametrize("method", ["DM", "DC"])
def test_a_set_of_pixels_is_distilled_with_the_same_bits(method: str) -> None:
    made = []
    for data in both():
        member = freeze(linear(data.domain), "linear", data.domain, {})
        clom = contrastive_clom([member], 1.0, data, batch=8)
        task = Task(data, lambda key, d=data: linear(d.domain, key.seed), Key(5), dsa("crop_flip"))
        published = METHODS[method](1)
        quick = replace(published.method, inner_loop=1) if method == "DC" else published.method
        descent = Descent(ipc=(2, 2, 1, 1), updates=3, batch=4, init="herding")
        *_, last = distill(quick, task, descent, regularisers={"clom": clom})
        made.append(last.synthetic.images)
    assert type(made[0]) is Tensor
    assert torch.equal(*made)


@pytest.mark.parametrize("name", CORESETS.names)
def test_coresets_pick_the_same(name: str) -> None:
    one, two = both()
    judge = freeze(linear(one.domain), "Linear", one.domain, {})
    found = [
        picked(CORESETS[name], data, (2, 1, 1, 3), key=Key(6), known=known_of(data, judge))
        for data in (one, two)
    ]
    assert torch.equal(found[0].images, found[1].images)


def test_a_fingerprint_is_that_of_the_pixels_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = both()
    whole, rows = fingerprint(kept), torch.arange(len(kept)).flip(0)
    turned = kept.part(rows)
    assert isinstance(kept.images, Pixels)
    assert isinstance(turned.images, Pixels)
    copied = Pixels(turned.images.chosen(), *kept.images.normalisation)
    assert fingerprint(replace(turned, images=copied)) == fingerprint(turned) != whole
    monkeypatch.setattr("datastill.identity.content.AT_ONCE", 3)
    assert fingerprint(kept) == whole
    other = kept.images.under((0.0,) * 3, (1.0,) * 3)
    assert fingerprint(replace(kept, images=other)) != whole
    kept.images.held[3, 0, 0, 0] ^= 1
    assert fingerprint(kept) != whole


def test_both_are_the_same_set_when_they_are_read_again(tmp_path: Path) -> None:
    """What is kept as pixels is written as pixels, a quarter as large."""
    found = []
    for name, data in zip(("kept", "floats"), both(), strict=True):
        datastill.save(data, tmp_path / name)
        found.append(datastill.load(tmp_path / name))
    kept, floats = found
    torch.testing.assert_close(torch.stack([*kept.images]), floats.images)
    assert torch.equal(kept.labels, floats.labels)
    assert (kept.domain, kept.facts) == (floats.domain, floats.facts)


def test_another_normalisation_copies_no_pixels() -> None:
    kept, floats = both()
    other = other_normalisation(kept.domain)
    moved = kept.under(replace(other, name="blobs"))
    assert isinstance(moved.images, Pixels)
    assert moved.images.held.data_ptr() == kept.images.held.data_ptr()
    torch.testing.assert_close(moved.images.normalised(), floats.under(other).images)


def test_compiled_networks_see_floats(monkeypatch) -> None:
    seen: list[type] = []

    def spy(through):
        return lambda network, images: seen.append(type(images)) or through(network, images)

    monkeypatch.setattr("datastill.compute.route.fused", spy)
    kept, _ = both()
    accuracy(linear(kept.domain), kept, route=Route(chunk=8, compiled=True))
    assert set(seen) == {Tensor}
