"""Transforms against arithmetic on one pixel at a time, and what the policies draw."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from conftest import blobs
from datastill.augment import (
    DSA_STEPS,
    Policy,
    Transform,
    affine,
    apply_each,
    brightness,
    by_image,
    contrast,
    cutout,
    draw_color,
    draw_crop,
    draw_cutmix,
    draw_cutout,
    draw_flip,
    draw_rotation,
    draw_scale,
    dsa,
    flip,
    identity,
    kind_by_kind,
    mixed,
    one_of,
    policy_for,
    rotation,
    saturation,
    shrink,
    siamese,
    translate,
    usual_strategy,
)
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ByClass

MANY = 1500


@pytest.fixture(params=[(1, 6, 6), (3, 6, 6), (3, 8, 5), (1, 5, 8)], ids=str)
def images(request: pytest.FixtureRequest) -> Tensor:
    """Three images, square or oblong, grey or coloured."""
    rng = Key(1).generator()
    return torch.randn(3, *request.param, generator=rng, dtype=torch.float64)


@pytest.fixture(params=["shared", "each"])
def numbers(request: pytest.FixtureRequest) -> Callable[[float, float, float], Tensor]:
    """Return parameters for three images: the first of three for all, or one each."""
    n = 1 if request.param == "shared" else 3
    return lambda *values: torch.tensor(values)[:n]


Pixel = Callable[[Tensor, int, int, int, int], float]


def by_pixel(images: Tensor, pixel: Pixel) -> Tensor:
    """Compute every pixel on its own: ``pixel(image, i, c, y, x)``."""
    count, channels, height, width = images.shape
    made = [
        [
            [[pixel(images[i], i, c, y, x) for x in range(width)] for y in range(height)]
            for c in range(channels)
        ]
        for i in range(count)
    ]
    return torch.tensor(made, dtype=images.dtype)


def of(parameter: Tensor, i: int) -> float:
    """Return the parameter of image ``i``, which it may share with all others."""
    return parameter[i if len(parameter) > 1 else 0].item()


def test_brightness_adds(images: Tensor, numbers: Callable[..., Tensor]) -> None:
    shift = numbers(0.3, -0.5, 0.0)
    expected = by_pixel(images, lambda image, i, c, y, x: image[c, y, x] + of(shift, i))
    torch.testing.assert_close(brightness(images, shift), expected)


def test_saturation_scales_the_distance_from_grey(
    images: Tensor, numbers: Callable[..., Tensor]
) -> None:
    factor = numbers(0.3, 1.7, 0.0)

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        grey = sum(image[:, y, x].tolist()) / len(image)
        return grey + of(factor, i) * (image[c, y, x] - grey)

    torch.testing.assert_close(saturation(images, factor), by_pixel(images, pixel))
    if images.shape[1] == 1:
        assert torch.equal(saturation(images, factor), images)


def test_contrast_scales_the_distance_from_the_mean(
    images: Tensor, numbers: Callable[..., Tensor]
) -> None:
    factor = numbers(0.5, 1.5, 1.0)

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        mean = sum(image.flatten().tolist()) / image.numel()
        return mean + of(factor, i) * (image[c, y, x] - mean)

    torch.testing.assert_close(contrast(images, factor), by_pixel(images, pixel))


def test_flip_mirrors_left_to_right(images: Tensor, numbers: Callable[..., Tensor]) -> None:
    chosen = numbers(1, 0, 1).bool()

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        return image[c, y, image.shape[-1] - 1 - x if of(chosen, i) else x]

    assert torch.equal(flip(images, chosen), by_pixel(images, pixel))


def test_translate_fills_with_zeros(images: Tensor, numbers: Callable[..., Tensor]) -> None:
    down, right = numbers(1, -2, 0), numbers(-1, 0, 7)

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        row, column = y + int(of(down, i)), x + int(of(right, i))
        inside = 0 <= row < image.shape[1] and 0 <= column < image.shape[2]
        return image[c, row, column] if inside else 0

    assert torch.equal(translate(images, down, right), by_pixel(images, pixel))


@pytest.mark.parametrize("size", [(4, 2), (3, 3), (1, 5)])
def test_cutout_clips_its_rectangle_at_the_border(
    images: Tensor, numbers: Callable[..., Tensor], size: tuple[int, int]
) -> None:
    row, column = numbers(0, 3, 5), numbers(5, 1, 0)

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        top, left = int(of(row, i)) - size[0] // 2, int(of(column, i)) - size[1] // 2
        cut = y in range(top, top + size[0]) and x in range(left, left + size[1])
        return 0 if cut else image[c, y, x]

    found = cutout(images, row, column, size=size)
    assert torch.equal(found, by_pixel(images, pixel))
    assert (found == 0).any()


def test_affine_interpolates_between_four_pixels_and_zeros_outside(images: Tensor) -> None:
    matrix = torch.tensor([[[0.9, -0.4, 0.1], [0.3, 1.2, -0.2]]], dtype=images.dtype)
    matrix = torch.cat([matrix, 1.3 * matrix, 0.5 * matrix])

    def pixel(image: Tensor, i: int, c: int, y: int, x: int) -> float:
        _, height, width = image.shape
        place = matrix.new_tensor([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1, 1])
        across, down = (matrix[i] @ place).tolist()
        column, row = ((across + 1) * width - 1) / 2, ((down + 1) * height - 1) / 2
        total = 0.0
        for r in (math.floor(row), math.floor(row) + 1):
            for k in (math.floor(column), math.floor(column) + 1):
                if 0 <= r < height and 0 <= k < width:
                    total += image[c, r, k] * (1 - abs(row - r)) * (1 - abs(column - k))
        return total

    torch.testing.assert_close(affine(images, matrix), by_pixel(images, pixel))
    shared = affine(images, matrix[:1])
    torch.testing.assert_close(shared[:1], affine(images, matrix)[:1])
    torch.testing.assert_close(shared[2:], affine(images[2:], matrix[:1]))


def test_affine_by_the_identity_changes_nothing(images: Tensor) -> None:
    matrix = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    torch.testing.assert_close(affine(images, matrix), images)


def test_rotation_by_quarter_turns_is_that_of_torch() -> None:
    square = torch.randn(3, 2, 5, 5)
    found = affine(square, rotation(torch.tensor([90.0, 180.0, -90.0])))
    for image, turned, turns in zip(square, found, (1, 2, 3), strict=True):
        torch.testing.assert_close(turned, image.rot90(turns, (1, 2)), atol=1e-5, rtol=0)


def test_rotation_of_oblong_images_does_not_shear(images: Tensor) -> None:
    _, _, height, width = images.shape
    degrees = torch.tensor([30.0, -77.0], dtype=torch.float64)
    half = torch.tensor([width, height], dtype=torch.float64) / 2
    found = rotation(degrees, aspect=height / width)
    for angle, matrix in zip(degrees.tolist(), found, strict=True):
        in_pixels = half[:, None] * matrix[:, :2] / half
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        expected = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        torch.testing.assert_close(in_pixels, expected)
        assert matrix[:, 2].tolist() == [0, 0]


def test_a_scale_beyond_one_shrinks_the_picture() -> None:
    """The matrix maps output to input: twice the coordinates show the image at half size."""
    matrix = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])
    shrunk = affine(torch.ones(1, 1, 8, 8), matrix)[0, 0]
    inside = torch.zeros(8, 8)
    inside[2:6, 2:6] = 1
    assert torch.equal(shrunk, inside)


# What the policies draw, seen by its effect on images that give the parameters away.


def drawn(policy: Policy, image: Tensor, n: int = MANY, seed: int = 0) -> Tensor:
    """Return ``n`` copies of an image, each after a draw of its own."""
    return policy(n, key=Key(seed))(image.expand(n, *image.shape))


def covers(found: Tensor, low: float, high: float) -> bool:
    """Tell whether many values are spread evenly from ``low`` to ``high``."""
    slack = (high - low) / 100
    ends = torch.stack([found.min() - low, high - found.max()])
    counts = torch.histc(found, 10, low, high)
    even = (counts - len(found) / 10).abs() < 5 * (len(found) * 0.09) ** 0.5
    return bool((ends > -1e-4).all() and (ends < slack).all() and even.all())


def test_color_ranges() -> None:
    grey = torch.tensor([1.0, -1.0, 1.0, -1.0])
    tint = torch.tensor([0.6, 0.0, -0.6])
    image = (grey + tint[:, None]).reshape(3, 2, 2)
    found = drawn(draw_color, image)
    shift = found.mean((1, 2, 3))
    pixels = found.mean(1)
    factor = (pixels[:, 0, 0] - pixels[:, 0, 1]) / 2
    strength = (found[:, 0] - found[:, 2]).mean((1, 2)) / 1.2 / factor
    assert covers(shift, -0.5, 0.5)
    assert covers(factor, 0.5, 1.5)
    assert covers(strength, 0, 2)
    correlations = torch.corrcoef(torch.stack([shift, factor, strength])).fill_diagonal_(0)
    assert correlations.abs().max() < 0.13


def test_flips_are_half(spread: Callable[[int, int, float], bool]) -> None:
    found = drawn(draw_flip, torch.tensor([[[1.0, 2.0]]]))[:, 0, 0]
    mirrored = found[:, 0] == 2
    assert torch.equal(found[:, 1] == 1, mirrored)
    assert spread(int(mirrored.sum()), MANY, 0.5)


def ramp(height: int, width: int) -> Tensor:
    """Return an image of two channels: each pixel holds its own place, from -1 to 1."""
    y = (torch.arange(height) * 2 + 1) / height - 1
    x = (torch.arange(width) * 2 + 1) / width - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


def test_scale_ranges() -> None:
    found = drawn(draw_scale, ramp(8, 12))
    across, down = found[:, 0, 4, 6] * 12, found[:, 1, 4, 6] * 8
    assert covers(across, 1 / 1.2, 1.2)
    assert covers(down, 1 / 1.2, 1.2)
    assert abs(float(torch.corrcoef(torch.stack([across, down]))[0, 1])) < 0.13


@pytest.mark.parametrize("shape", [(8, 8), (8, 12)])
def test_rotation_range(shape: tuple[int, int]) -> None:
    height, width = shape
    found = drawn(draw_rotation, ramp(height, width))[:, :, height // 2, width // 2]
    x, y = found[:, 0] * width, found[:, 1] * height
    torch.testing.assert_close(x**2 + y**2, torch.full((MANY,), 2.0))
    assert covers(torch.rad2deg(torch.atan2(y, x)) - 45, -15, 15)


def test_crop_ranges(spread: Callable[[int, int, float], bool]) -> None:
    """An eighth is rounded half up: 28 pixels move by up to 4, and 20 by up to 3."""
    rows = torch.arange(28.0)[:, None].expand(28, 20)
    columns = torch.arange(20.0).expand(28, 20)
    found = drawn(draw_crop, torch.stack([rows, columns]))
    for moved, most in ((found[:, 0, 14, 10] - 14, 4), (found[:, 1, 14, 10] - 10, 3)):
        assert set(moved.tolist()) == set(range(-most, most + 1))
        for shift in range(-most, most + 1):
            assert spread(int((moved == shift).sum()), MANY, 1 / (2 * most + 1))


@pytest.mark.parametrize("sides", [(8, 5), (6, 9), (28, 28)])
def test_cutout_is_half_the_sides_around_any_pixel(sides: tuple[int, int]) -> None:
    found = drawn(draw_cutout, torch.ones(1, *sides))[:, 0] == 0
    for axis, side in enumerate(sides):
        size = int(side / 2 + 0.5)
        covered = {tuple(row) for row in found.any(2 - axis).tolist()}
        allowed = {
            tuple(first <= place < first + size for place in range(side))
            for first in range(-(size // 2), side - size % 2 - size // 2 + 1)
        }
        assert covered == allowed
    areas = found.any(1).sum(1) * found.any(2).sum(1)
    assert torch.equal(found.sum((1, 2)), areas)


# Policies.

STRATEGY = "_".join(DSA_STEPS)


@pytest.mark.parametrize("name", DSA_STEPS)
def test_steps_follow_their_key_and_are_differentiable(name: str) -> None:
    policy = dsa(name)
    images = torch.randn(4, 3, 4, 6, generator=Key(0).generator(), dtype=torch.float64)
    one, other = policy(4, key=Key(5)), policy(4, key=Key(9))
    assert torch.equal(one(images), policy(4, key=Key(5))(images))
    assert not torch.equal(one(images), other(images))
    assert one(images).shape == images.shape
    assert one(images.float()).dtype == torch.float32
    assert torch.autograd.gradcheck(one, images[:2].repeat(2, 1, 1, 1).requires_grad_())


@pytest.mark.parametrize("name", DSA_STEPS)
def test_one_draw_serves_any_number_of_images(name: str) -> None:
    images = torch.randn(6, 3, 8, 8, generator=Key(0).generator())
    shared = dsa(name)(1, key=Key(3))
    together = shared(images)
    apart = torch.cat([shared(part) for part in images.split([1, 2, 3])])
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("name", DSA_STEPS)
def test_images_with_draws_of_their_own_differ(name: str) -> None:
    image = torch.randn(1, 3, 16, 16, generator=Key(0).generator())
    found = dsa(name)(12, key=Key(3))(image.expand(12, 3, 16, 16))
    assert len({tuple(one.flatten().tolist()) for one in found}) >= (2 if name == "flip" else 8)


def test_a_draw_is_one_step_of_the_strategy(spread: Callable[[int, int, float], bool]) -> None:
    image = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    policy = dsa("cutout_flip_color")
    kinds = {"cutout": 0, "flip": 0, "color": 0}
    for seed in range(300):
        (found,) = policy(1, key=Key(0).at(seed))(image)
        if (found == 0).any():
            assert torch.equal(found[found != 0], image[0][found != 0])
            kinds["cutout"] += 1
        elif torch.equal(found, image[0]) or torch.equal(found, image[0].flip(-1)):
            kinds["flip"] += 1
        else:
            assert found.flatten().diff().std() < 1e-4  # affine in the pixels: nothing moved
            kinds["color"] += 1
    assert all(spread(count, 300, 1 / 3) for count in kinds.values())


def test_a_combination_hands_on_what_it_is_given() -> None:
    asked: list[tuple[str, int]] = []

    def named(name: str) -> Policy:
        def policy(n: int, *, key: Key) -> Transform:
            asked.append((name, n))
            return lambda images: images

        return policy

    for seed in range(20):
        one_of(named("a"), named("b"))(5, key=Key(seed))
    assert {n for _, n in asked} == {5}
    assert {name for name, _ in asked} == {"a", "b"}
    assert len(asked) == 20


@pytest.mark.parametrize("strategy", ["none", "None", ""])
def test_no_strategy_changes_nothing(strategy: str) -> None:
    images = torch.randn(2, 1, 4, 4)
    assert dsa(strategy)(2, key=Key(0))(images) is images


def test_strategies_are_read_without_regard_to_case() -> None:
    images = torch.randn(2, 3, 8, 8)
    for seed in range(5):
        one, other = (dsa(name)(2, key=Key(seed)) for name in ("Color_CROP", "color_crop"))
        assert torch.equal(one(images), other(images))


@pytest.mark.parametrize(
    ("strategy", "complaint"),
    [
        ("color_crp", "no augmentation named 'crp' in 'color_crp'; did you mean 'crop'?"),
        ("blizzard", "choose from color, crop, cutout, flip, scale, rotate"),
        ("color__flip", "no augmentation named ''"),
        ("color_none", "no augmentation named 'none'"),
    ],
)
def test_unknown_steps_are_refused_with_the_nearest(strategy: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        dsa(strategy)
    assert complaint in str(error.value)


def test_the_usual_strategy_flips_only_where_a_mirror_keeps_the_class() -> None:
    domain = blobs(per_class=1).domain
    assert usual_strategy(domain) == "color_crop_cutout_flip_scale_rotate"
    assert usual_strategy(replace(domain, mirror=False)) == "color_crop_cutout_scale_rotate"
    dsa(usual_strategy(domain))


# Siamese: real and synthetic images of a class share a draw.


def alike(parts: Iterable[Tensor]) -> bool:
    first, *rest = parts
    return all(torch.equal(first, part) for part in rest)


@pytest.mark.parametrize("strategy", [*(name for name in DSA_STEPS if name != "flip"), STRATEGY])
def test_a_class_shares_one_draw_and_classes_differ(strategy: str) -> None:
    image = torch.randn(1, 3, 16, 16, generator=Key(0).generator())
    real = ByClass(image.expand(11, 3, 16, 16), (4, 1, 0, 3, 3))
    synthetic = ByClass(image.expand(7, 3, 16, 16), (2, 1, 1, 3, 0))
    found = siamese(dsa(strategy), real, synthetic, key=Key(2))
    assert [images.counts for images in found] == [real.counts, synthetic.counts]
    parts = [images.split() for images in found]
    classes = [torch.cat(pair) for pair in zip(*parts, strict=True)]
    assert all(alike(images) for images in classes)
    assert len({tuple(images[0].flatten().tolist()) for images in classes}) == len(classes)


def test_siamese_follows_its_key_and_passes_gradients() -> None:
    pixels = torch.randn(4, 1, 8, 8, requires_grad=True)
    real = ByClass(torch.randn(6, 1, 8, 8), (3, 3))

    def moved(key: Key) -> Tensor:
        return siamese(dsa("scale_color"), real, ByClass(pixels, (1, 3)), key=key)[1].images

    assert torch.equal(moved(Key(0)), moved(Key(0)))
    assert not torch.equal(moved(Key(0)), moved(Key(1)))
    (slope,) = torch.autograd.grad(moved(Key(0)).square().sum(), pixels)
    assert (slope.abs().sum((1, 2, 3)) > 0).all()


def test_siamese_without_augmentation_hands_back_the_same_images() -> None:
    real, synthetic = (ByClass(torch.randn(2, 1, 4, 4), (1, 1)) for _ in range(2))
    assert siamese(identity, real, synthetic, key=Key(0)) == (real, synthetic)


# CutMix.


def test_cutmix_puts_one_rectangle_of_another_image_into_each() -> None:
    n, height, width = 6, 10, 14
    images = torch.arange(n).float()[:, None, None, None].expand(n, 2, height, width)
    shares = torch.eye(n)
    areas = []
    for seed in range(60):
        key = Key(seed)
        pasted, labels = mixed(images, shares, [draw_cutmix(n, key=key)])
        for i in range(n):
            strange = pasted[i, 0] != i
            area = float(strange.float().mean())
            torch.testing.assert_close(labels[i].sum(), torch.tensor(1.0))
            if area:
                rows, columns = strange.any(1).nonzero(), strange.any(0).nonzero()
                assert int(strange.sum()) == len(rows) * len(columns)  # one rectangle
                (source,) = pasted[i, 0][strange].unique().int().tolist()
                assert float(labels[i, source]) == pytest.approx(area, abs=1e-6)
                assert float(labels[i, i]) == pytest.approx(1 - area, abs=1e-6)
            areas.append(area)
        again, _ = mixed(images, shares, [draw_cutmix(n, key=key)])
        assert torch.equal(pasted, again)
    assert 0.1 < sum(areas) / len(areas) < 0.5
    assert max(areas) > 0.6


def test_cutmix_of_one_image_is_that_image() -> None:
    image, share = torch.rand(1, 1, 4, 4), torch.tensor([[0.2, 0.8]])
    pasted, labels = mixed(image, share, [draw_cutmix(1, key=Key(0))])
    assert torch.equal(pasted, image)
    torch.testing.assert_close(labels, share)


def test_cutmix_of_many_batches_is_that_of_each() -> None:
    images, shares = torch.rand(9, 3, 7, 10), torch.rand(9, 4)
    mixes = [draw_cutmix(n, key=Key(n)) for n in (4, 2, 3)]
    parts = zip(images.split([4, 2, 3]), shares.split([4, 2, 3]), mixes, strict=True)
    each = [mixed(some, labels, [mix]) for some, labels, mix in parts]
    pasted, labels = mixed(images, shares, mixes)
    assert torch.equal(pasted, torch.cat([found for found, _ in each]))
    assert torch.equal(labels, torch.cat([found for _, found in each]))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14)], ids=str)
def test_draws_of_a_kind_in_one_go_change_no_bit(shape: tuple[int, int, int]) -> None:
    """Shares of many sizes, none among them, draws for each image and for all of a share."""
    policy, counts = dsa("_".join(DSA_STEPS)), [5, 0, 1, 7, 3, 2, 0, 9, 4, 1, 6, 8]
    draws = [policy(n if i % 2 else 1, key=Key(2).at(i)) for i, n in enumerate(counts)]
    draws[3], draws[8] = (lambda images: -images), (lambda images: images + 1)
    images = torch.randn(sum(counts), *shape, generator=Key(3).generator()).requires_grad_()
    found, wanted = (apply(draws, images, counts) for apply in (kind_by_kind, apply_each))
    assert torch.equal(found, wanted)
    weights = torch.randn(found.shape, generator=Key(4).generator())
    slopes = [torch.autograd.grad((made * weights).sum(), images)[0] for made in (found, wanted)]
    assert torch.equal(*slopes)


def test_draws_of_a_kind_take_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [draw_rotation(1, key=Key(i)) for i in range(4)]
    draws += [draw_scale(1, key=Key(i)) for i in range(4)]
    calls: list[int] = []
    sample = torch.nn.functional.grid_sample

    def noting(images: Tensor, *rest: object, **also: object) -> Tensor:
        calls.append(len(images))
        return sample(images, *rest, **also)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", noting)
    kind_by_kind(draws, torch.zeros(16, 1, 4, 4), [2] * 8)
    assert calls == [16]


# A step for each image.


def test_shrinking_takes_nearest_pixels_into_the_middle(images: Tensor) -> None:
    side, (h, w) = max(images.shape[-2:]), images.shape[-2:]
    for height in range(3, 12):
        for width in range(3, 12):
            most = max(height, width, side)
            canvas = torch.zeros(*images.shape[:2], most, most, dtype=images.dtype)
            top, left = (most - height) // 2, (most - width) // 2
            resized = F.interpolate(images, (height, width))
            canvas[:, :, top : top + height, left : left + width] = resized
            top, left = (most - h) // 2, (most - w) // 2
            seen = canvas[:, :, top : top + h, left : left + w]
            found = shrink(images, torch.tensor([height]), torch.tensor([width]))
            assert torch.equal(found, seen)


def alone(step: str, images: Tensor, seed: int = 0) -> Tensor:
    return by_image(step)(len(images), key=Key(seed))(images)


def test_a_crop_moves_the_mean_of_the_batch_into_an_image() -> None:
    images = torch.randn(MANY, 2, 9, 9, generator=Key(1).generator())
    mean = images.mean((0, 2, 3))
    frame = mean[None, :, None, None].expand(MANY, 2, 17, 17).clone()
    frame[:, :, 4:13, 4:13] = images
    places = set()
    for one, image in zip(alone("crop", images), frame, strict=True):
        windows = image.unfold(1, 9, 1).unfold(2, 9, 1)  # at each place in the frame
        alike = torch.isclose(windows, one[:, None, None], atol=1e-6).all(-1).all(-1).all(0)
        ((y, x),) = alike.nonzero().tolist()
        places.add((y, x))
    assert places == {(y, x) for y in range(8) for x in range(8)}


def test_a_scaled_image_is_stretched_by_up_to_a_fifth() -> None:
    images = torch.ones(MANY, 1, 20, 30)
    rows, columns = (alone("scale", images).amax((1, axis)).sum(1) for axis in (3, 2))
    assert (rows.min(), rows.max()) == (16, 20)
    assert (columns.min(), columns.max()) == (24, 30)
    assert abs(torch.corrcoef(torch.stack([rows, columns]))[0, 1]) < 0.1
    assert (rows == 20).float().mean() == pytest.approx(0.5, abs=0.06)


def test_a_rotated_image_is_that_of_splines_nearly() -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    picture = torch.exp(-4 * ((x - 0.2) ** 2 + 3 * y**2))
    images = picture.expand(300, 1, 28, 28).clone()
    mean, angles = float(images.mean()), []
    turned = {
        angle: ndimage.rotate(picture.numpy(), angle, cval=mean, reshape=False)
        for angle in range(-45, 46)
    }
    for one in alone("rotate", images):
        errors = {k: abs(one[0].numpy() - it)[5:23, 5:23].max() for k, it in turned.items()}
        best = min(errors, key=lambda angle: errors[angle])
        assert errors[best] < 0.02
        angles.append(best)
    assert min(angles) < -40
    assert 40 < max(angles) <= 45
    assert abs(sum(angles) / len(angles)) < 5


def test_noise_is_small() -> None:
    images = torch.randn(MANY, 1, 4, 4, generator=Key(1).generator(), dtype=torch.float64)
    change = alone("noise", images) - images
    assert change.std() == pytest.approx(0.001, rel=0.05)
    assert abs(change.mean()) < 1e-4


def test_every_image_gets_a_step_of_its_own() -> None:
    images = torch.randn(MANY, 1, 12, 12, generator=Key(1).generator())
    found = by_image("Crop_Noise")(MANY, key=Key(3))(images)
    change = (found - images).abs().amax((1, 2, 3))
    assert (change < 0.01).float().mean() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(found, by_image("crop_noise")(MANY, key=Key(3))(images))
    assert not torch.equal(found, by_image("crop_noise")(MANY, key=Key(4))(images))


def test_images_have_a_gradient_through_every_step() -> None:
    images = torch.randn(40, 3, 12, 12, requires_grad=True)
    by_image("crop_scale_rotate_noise")(40, key=Key(3))(images).sum().backward()
    assert bool(images.grad.abs().amax((1, 2, 3)).gt(0).all())


def test_a_protocol_names_its_policy() -> None:
    domain = blobs().domain
    assert policy_for("none", domain) is identity
    images = torch.randn(5, *domain.shape, generator=Key(1).generator())
    for name, policy in (("dsa", dsa(usual_strategy(domain))), ("crop", by_image("crop"))):
        one, other = (it(5, key=Key(2))(images) for it in (policy_for(name, domain), policy))
        assert torch.equal(one, other)
    with pytest.raises(
        InputError, match="no augmentation named 'turn' in 'turn_crop'; choose from crop,"
    ):
        policy_for("turn_crop", domain)
