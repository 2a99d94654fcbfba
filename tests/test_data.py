"""Labelled images: normalisation, classes, draws, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from conftest import blobs, other_normalisation
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import (
    ByClass,
    Domain,
    ImageSet,
    convert,
    draw_rows,
    require_sound,
    sample_per_class,
)

UNEVEN = (5, 1, 0, 9)


def test_normalise_is_per_channel_arithmetic_and_pixels_undoes_it() -> None:
    domain = blobs(per_class=1).domain
    pixels = torch.rand(2, 3, 8, 8)
    images = domain.normalise(pixels)
    for c, (mean, std) in enumerate(zip(domain.mean, domain.std, strict=True)):
        assert torch.allclose(images[:, c], (pixels[:, c] - mean) / std, atol=1e-6)
    assert torch.allclose(domain.pixels(images), pixels, atol=1e-6)
    assert torch.equal(domain.normalise(pixels[0]), images[0])


def test_under_converts_to_another_normalisation() -> None:
    data = replace(blobs(), facts={"seed": 3})
    domain = other_normalisation(data.domain)
    moved = data.under(domain)
    assert moved.domain == domain
    assert moved.facts == {"seed": 3}
    assert not torch.allclose(moved.images, data.images, atol=0.1)
    pixels = data.domain.pixels(data.images)
    assert torch.allclose(domain.pixels(moved.images), pixels, atol=1e-6)
    assert torch.allclose(moved.under(data.domain).images, data.images, atol=1e-5)
    assert torch.equal(data.under(replace(data.domain, name="twin")).images, data.images)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shape": (3, 8, 9)}, "blobs has images of 3x8x8, but other has 3x8x9"),
        ({"classes": ("cat", "dog")}, r"blobs has 4 classes \(class-0, class-1, class-2, ...\), "),
        ({"classes": ("class-1", "class-0", "class-2", "class-3")}, "but other has 4"),
    ],
)
def test_under_refuses_what_no_normalisation_helps(change: dict, complaint: str) -> None:
    data = blobs()
    with pytest.raises(InputError, match=complaint):
        data.under(replace(data.domain, name="other", **change))


def shaped(*shape: int, name: str = "other") -> Domain:
    return replace(blobs(shape=shape, per_class=1).domain, name=name)  # the classes do not matter


def test_convert_exchanges_the_normalisation() -> None:
    data = blobs(per_class=2)
    domain = other_normalisation(data.domain)
    found = convert(data.images, data.domain, domain)
    torch.testing.assert_close(found, data.under(domain).images)
    assert convert(data.images, data.domain, replace(data.domain, name="twin")) is data.images


def test_convert_repeats_grey_and_averages_colours() -> None:
    grey, colour = shaped(1, 4, 4), shaped(3, 4, 4)
    pixels = torch.rand(2, 1, 4, 4)
    found = colour.pixels(convert(grey.normalise(pixels), grey, colour))
    torch.testing.assert_close(found, pixels.expand(2, 3, 4, 4))
    pixels = torch.rand(2, 3, 4, 4)
    found = grey.pixels(convert(colour.normalise(pixels), colour, grey))
    torch.testing.assert_close(found, (pixels[:, :1] + pixels[:, 1:2] + pixels[:, 2:]) / 3)


@pytest.mark.parametrize("wanted", [(1, 4, 4), (1, 16, 12), (3, 5, 9)])
def test_convert_keeps_the_picture_at_another_size(wanted: tuple[int, int, int]) -> None:
    """A slope across the image stays one, away from the border."""
    small, other = shaped(1, 8, 8), shaped(*wanted)
    slope = (torch.arange(8) + 0.5).expand(1, 1, 8, 8) / 8
    found = other.pixels(convert(small.normalise(slope), small, other))
    width = wanted[2]
    expected = (torch.arange(width) + 0.5) / width
    inner = slice(width // 4, width - width // 4)
    assert found.shape == (1, *wanted)
    assert torch.allclose(found[..., inner], expected[inner], atol=0.02)


def test_convert_is_differentiable_and_refuses_what_it_cannot_match() -> None:
    small, other = shaped(1, 3, 3), shaped(3, 2, 4)
    images = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: convert(x, small, other), images)
    with pytest.raises(InputError, match="blobs has 3 channels, other 2; only grey"):
        convert(torch.zeros(1, 3, 8, 8), blobs().domain, shaped(2, 8, 8))


def test_rows_by_class_name_every_image_once_and_in_order() -> None:
    data = blobs(per_class=UNEVEN)
    assert data.counts == UNEVEN
    for k, rows in enumerate(data.rows_by_class):
        assert rows.tolist() == [i for i, label in enumerate(data.labels.tolist()) if label == k]


def test_soft_labels_count_as_their_likeliest_class() -> None:
    hard = blobs(per_class=UNEVEN)
    soft = replace(hard, labels=torch.nn.functional.one_hot(hard.labels, 4) * 0.7 + 0.1)
    assert soft.counts == UNEVEN
    assert torch.equal(soft.hard_labels, hard.labels)


def test_draws_have_the_wanted_number_of_each_class() -> None:
    data = blobs(per_class=(6, 5, 7, 9))
    for wanted in (3, (1, 0, 4, 5)):
        rows = draw_rows(data, wanted, key=Key(0))
        counts = (wanted,) * 4 if isinstance(wanted, int) else wanted
        assert tuple(len(chosen) for chosen in rows) == counts
        for k, chosen in enumerate(rows):
            assert len(set(chosen.tolist())) == len(chosen)
            assert (data.labels[chosen] == k).all()


def test_rare_classes_give_all_they_have() -> None:
    data = blobs(per_class=UNEVEN)
    rows = draw_rows(data, 4, key=Key(0))
    assert [len(chosen) for chosen in rows] == [4, 1, 0, 4]
    assert rows[1].tolist() == data.rows_by_class[1].tolist()


def test_draws_follow_their_key_and_reach_every_image() -> None:
    data = blobs(per_class=6)
    draws = [draw_rows(data, 2, key=Key(i))[0] for i in range(40)]
    assert torch.equal(draws[3], draw_rows(data, 2, key=Key(3))[0])
    assert set(torch.cat(draws).tolist()) == set(data.rows_by_class[0].tolist())


def test_as_many_wishes_as_classes() -> None:
    with pytest.raises(ValueError, match="zip"):
        draw_rows(blobs(), (1, 2, 3), key=Key(0))


def test_a_sample_is_sorted_by_class() -> None:
    data = blobs(per_class=UNEVEN)
    sample = sample_per_class(data, 3, key=Key(1))
    assert sample.counts == (3, 1, 0, 3)
    rows = torch.cat(draw_rows(data, 3, key=Key(1)))
    assert torch.equal(sample.images, data.images[rows])
    assert torch.equal(sample.labels, data.labels[rows])


@pytest.mark.parametrize("counts", [(2, 3, 1), (0, 4, 0, 2), (3,)])
def test_by_class_labels_parts_and_means_are_those_of_a_loop(counts: tuple[int, ...]) -> None:
    batch = ByClass(torch.randn(sum(counts), 1, 2, 2), counts)
    features = torch.randn(sum(counts), 5)
    start, labels, means = 0, [], []
    for k, count in enumerate(counts):
        assert torch.equal(batch.split()[k], batch.images[start : start + count])
        part = features[start : start + count]
        means.append(part.sum(0) / count if count else torch.zeros(5))
        labels += [k] * count
        start += count
    assert batch.labels.tolist() == labels
    assert batch.labels.dtype == torch.int64
    assert len(batch.split()) == len(counts)
    assert torch.allclose(batch.means(features), torch.stack(means), atol=1e-6)


def test_means_are_differentiable() -> None:
    batch = ByClass(torch.zeros(3, 1, 1, 1), (1, 2, 0))
    features = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(batch.means, features)


def test_take_follows_indices_and_booleans() -> None:
    data = replace(blobs(), facts={"seed": 3})
    rows = torch.tensor([7, 2, 2])
    taken = data.take(rows)
    assert torch.equal(taken.images, data.images[[7, 2, 2]])
    assert torch.equal(taken.labels, data.labels[[7, 2, 2]])
    assert (taken.domain, taken.facts) == (data.domain, data.facts)
    assert data.take(data.labels == 2).counts == (0, 0, 12, 0)


@pytest.mark.parametrize("shape", [(5, 3, 8, 9), (5, 1, 8, 8), (4, 3, 8, 8), (3, 8, 8)])
def test_images_that_do_not_fit_their_domain_or_labels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"5 labels do not make a set of \(3, 8, 8\) images"):
        ImageSet(torch.zeros(shape), torch.zeros(5, dtype=torch.int64), blobs().domain)


def domain(classes: int = 2) -> Domain:
    return Domain("d", (1, 1, 1), tuple(str(k) for k in range(classes)), (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        ([0.0, 1.0], torch.tensor([0, 2]), "label 2 is outside the classes 0 to 1"),
        ([0.0, 1.0], torch.tensor([-1, 1]), "label -1 is outside the classes 0 to 1"),
        ([0.0, 1.0], torch.full((2, 3), 1 / 3), "soft labels of 3 classes, not 2"),
        ([0.0, 1.0], torch.tensor([[0.5, torch.nan], [0.5, 0.5]]), "labels hold values"),
        ([0.0, 1.0], torch.full((2, 2), 1.0), "soft labels are shares .* image 0 sum to 2"),
        ([0.0, 1.0], torch.tensor([[0.5, 0.5], [0.5, 0.4]]), "soft .* of image 1 sum to 0.9"),
        ([0.0, 1.0], torch.tensor([[0.0, 1.0], [-0.5, 1.5]]), "soft .* of image 1 hold -0.5"),
        ([0.0, torch.nan], torch.tensor([0, 1]), "images hold values that are not finite"),
        ([torch.inf, 0.0], torch.tensor([0, 1]), "images hold values that are not finite"),
    ],
)
def test_unsound_sets_are_refused_by_name(
    images: list[float], labels: torch.Tensor, complaint: str
) -> None:
    data = ImageSet(torch.tensor(images)[:, None, None, None], labels, domain())
    with pytest.raises(InputError, match=f"^somewhere: {complaint}"):
        require_sound(data, "somewhere")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shares_that_were_rounded_are_shares(kind: torch.dtype) -> None:
    labels = torch.rand(50, 30, generator=Key(0).generator()).mul(9).softmax(1).to(kind)
    data = ImageSet(torch.zeros(50, 1, 1, 1), labels, domain(30))
    assert require_sound(data, "somewhere") is data


@pytest.mark.parametrize("labels", [torch.tensor([0.0, 0.5]), torch.zeros(2, 2, 2)])
def test_labels_that_are_no_classes_are_refused(labels: torch.Tensor) -> None:
    with pytest.raises(InputError):
        require_sound(ImageSet(torch.zeros(2, 1, 1, 1), labels, domain()), "somewhere")


@pytest.mark.parametrize("labels", [torch.tensor([0, 1]), torch.tensor([[0.3, 0.7], [1.0, 0.0]])])
def test_sound_sets_come_back(labels: torch.Tensor) -> None:
    data = ImageSet(torch.tensor([[[[5.0]]], [[[-5.0]]]]), labels, domain())
    assert require_sound(data, "somewhere") is data
    none = data.take(torch.zeros(2, dtype=torch.bool))
    assert require_sound(none, "somewhere") is none


def test_a_set_is_a_dataset_of_torch() -> None:
    data = blobs()
    batches = list(DataLoader(data, batch_size=5))
    assert [len(labels) for _, labels in batches] == [5] * 9 + [3]
    assert torch.equal(torch.cat([images for images, _ in batches]), data.images)
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels)
    assert len(list(data)) == len(data) == 48
