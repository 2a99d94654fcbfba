"""Each coreset against its own definition, on sets small enough for every possibility."""

from itertools import combinations, product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conftest import blobs
from datastill.base.rng import Key
from datastill.data import ImageSet, draw_rows
from datastill.training.coresets import CORESETS
from datastill.training.coresets.clearest import Clearest
from datastill.training.coresets.rded import Rded, cropped, draw_boxes
from test_coresets import MODEL, asked


def points_of(data: ImageSet, label: int) -> Tensor:
    return data.images[data.labels == label].flatten(1)


def test_herding_is_greedy_mean_matching() -> None:
    data = blobs(per_class=[9, 12, 7, 8])
    rows = CORESETS["herding"](data, [5, 3, 7, 1], key=Key(0)).split([5, 3, 7, 1])
    for label, found in enumerate(rows):
        points, mean = data.images.flatten(1), points_of(data, label).mean(0)
        left = set((data.labels == label).nonzero().flatten().tolist())
        chosen: list[int] = []
        for row in found.tolist():
            errors = {x: float((mean - points[[*chosen, x]].mean(0)).norm()) for x in left}
            assert errors[row] == pytest.approx(min(errors.values()), rel=1e-5)
            chosen.append(row)
            left.remove(row)


def radius(points: Tensor, chosen: Tensor) -> float:
    return float(torch.cdist(points, chosen).min(1).values.max())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_k_center_is_within_twice_the_least_radius(count: int) -> None:
    data = blobs(per_class=8)
    rows = CORESETS["k-center"](data, [count] * 4, key=Key(0)).split(count)
    for label, found in enumerate(rows):
        points = points_of(data, label)
        least = min(radius(points, points[list(some)]) for some in combinations(range(8), count))
        assert least <= radius(points, data.images[found].flatten(1)) + 1e-5 <= 2 * least + 1e-4


def test_k_center_takes_the_farthest_each_time() -> None:
    data = blobs(per_class=10)
    found = CORESETS["k-center"](data, [4] * 4, key=Key(0)).split(4)[2]
    points, chosen = points_of(data, 2), data.images[found].flatten(1)
    torch.testing.assert_close(
        (chosen[0] - points.mean(0)).norm(), (points - points.mean(0)).norm(dim=1).min()
    )
    for k in range(1, 4):
        farthest = torch.cdist(points, chosen[:k]).min(1).values.max()
        torch.testing.assert_close(torch.cdist(chosen[k : k + 1], chosen[:k]).min(), farthest)


def test_k_means_finds_clusters_that_are_there() -> None:
    data = blobs(per_class=12)
    shifts = torch.arange(len(data)) % 3
    features = data.images.flatten(1) * 0.01
    features[:, 0] += 10.0 * shifts
    rows = CORESETS["k-means"](data, [3] * 4, key=Key(0), features=features).split(3)
    for found in rows:
        assert sorted(shifts[found].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("name", CORESETS.names)
def test_equal_images_are_no_trouble(name: str) -> None:
    data = blobs(per_class=4)
    same = ImageSet(torch.zeros_like(data.images), data.labels, data.domain)
    rows = asked(name)(same, [3] * 4, key=Key(0))
    if isinstance(rows, ImageSet):
        assert rows.stored_counts == (3,) * 4
        return
    assert len(set(rows.tolist())) == 12
    assert same.labels[rows].tolist() == sorted([0, 1, 2, 3] * 3)


@pytest.mark.parametrize("name", ["herding", "k-center", "k-means"])
def test_features_decide_where_they_are_given(name: str) -> None:
    data = blobs(per_class=12)
    pixels = CORESETS[name](data, [2] * 4, key=Key(0))
    assert torch.equal(
        pixels, CORESETS[name](data, [2] * 4, key=Key(0), features=data.images.flatten(1))
    )
    other = CORESETS[name](data, [2] * 4, key=Key(0), features=-(data.images.flatten(1) ** 3))
    assert not torch.equal(pixels, other)


# Those that ask an original model.


def losses(data: ImageSet) -> list[float]:
    said = [MODEL.network(image[None]) for image in data.images]
    return [float(-s.log_softmax(1)[0, y]) for s, y in zip(said, data.labels, strict=True)]


@pytest.mark.parametrize("images", [300, 6])
def test_clearest_are_the_images_of_least_cross_entropy_among_those_drawn(images: int) -> None:
    data, counts = blobs(per_class=[9, 12, 0, 8]), (5, 7, 0, 1)
    found = Clearest(images)(data, counts, key=Key(4), originals=(MODEL,)).split(counts)
    drawn = draw_rows(data, [max(images, n) if n else 0 for n in counts], key=Key(4))
    known = losses(data)
    for rows, among, count in zip(found, drawn, counts, strict=True):
        order = sorted(among.tolist(), key=known.__getitem__)
        assert rows.tolist() == order[:count]


def by_hand(image: Tensor, side: float, above: float, left: float) -> Tensor:
    """Enlarge a square part of an image, pixel by pixel."""
    found = torch.zeros_like(image)
    _, high, wide = image.shape
    for i, j in product(range(high), range(wide)):
        y = above * (1 - side) * high + side * (i + 0.5) - 0.5
        x = left * (1 - side) * wide + side * (j + 0.5) - 0.5
        y, x = min(max(y, 0.0), high - 1.0), min(max(x, 0.0), wide - 1.0)
        top, start = min(int(y), high - 2), min(int(x), wide - 2)
        for a, b in product((0, 1), (0, 1)):
            share = (1 - abs(y - top - a)) * (1 - abs(x - start - b))
            found[:, i, j] += share * image[:, top + a, start + b]
    return found


@pytest.mark.parametrize("sides", [(8, 8), (5, 7)])
def test_crops_are_boxes_enlarged_bilinearly(sides: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *sides, generator=Key(0).generator())
    boxes = torch.cat([draw_boxes(2, 2, key=Key(1)), torch.tensor([[1.0, 0.3, 0.7]] * 2)])
    boxes = boxes[[0, 1, 4, 2, 3, 5]]  # three of each image, the last of which is all of it
    found = cropped(images, boxes)
    for k, box in enumerate(boxes.tolist()):
        torch.testing.assert_close(found[k], by_hand(images[k // 3], *box))
    torch.testing.assert_close(found[[2, 5]], images)


def test_boxes_have_areas_from_the_least_to_all() -> None:
    boxes = draw_boxes(400, 5, key=Key(0))
    areas = boxes[:, 0] ** 2
    assert 0.08 <= float(areas.min()) < 0.085
    assert 0.99 < float(areas.max()) <= 1
    assert abs(float(areas.mean()) - 0.54) < 0.02


def test_rded_keeps_the_best_crop_of_each_image_and_of_these_the_best() -> None:
    data, counts = blobs(per_class=[9, 12, 0, 8]), (5, 7, 0, 1)
    found = Rded(images=6, crops=3)(data, counts, key=Key(4), originals=(MODEL,))
    assert found.labels.tolist() == [0] * 5 + [1] * 7 + [3]
    drawn = draw_rows(data, [6, 7, 0, 6], key=Key(4).at("images"))
    start = 0
    for k, (rows, count) in enumerate(zip(drawn, counts, strict=True)):
        if not count:
            continue
        boxes = draw_boxes(len(rows), 3, key=Key(4).at(k))
        best: list[tuple[float, Tensor]] = []
        for i, row in enumerate(rows.tolist()):
            crops = cropped(data.images[row][None], boxes[3 * i : 3 * i + 3])
            label = torch.tensor([k])
            said = [float(F.cross_entropy(MODEL.network(crop[None]), label)) for crop in crops]
            best.append(min(zip(said, crops, strict=True), key=lambda pair: pair[0]))
        best.sort(key=lambda pair: pair[0])
        wanted = torch.stack([crop for _, crop in best[:count]])
        shades, theirs = (data.domain.pixels(one) for one in (found.images, wanted))
        kept = shades[start : start + count] * 255
        torch.testing.assert_close(kept, (theirs.clamp(0, 1) * 255).round(), rtol=0, atol=1e-3)
        start += count
