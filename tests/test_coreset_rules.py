"""Each coreset against its own definition, on sets small enough for every possibility."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from conftest import blobs
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.training.coresets import CORESETS


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
    rows = CORESETS[name](same, [3] * 4, key=Key(0))
    assert len(set(rows.tolist())) == 12
    assert same.labels[rows].tolist() == sorted([0, 1, 2, 3] * 3)


@pytest.mark.parametrize("name", [name for name in CORESETS.names if name != "random"])
def test_features_decide_where_they_are_given(name: str) -> None:
    data = blobs(per_class=12)
    pixels = CORESETS[name](data, [2] * 4, key=Key(0))
    assert torch.equal(
        pixels, CORESETS[name](data, [2] * 4, key=Key(0), features=data.images.flatten(1))
    )
    other = CORESETS[name](data, [2] * 4, key=Key(0), features=-(data.images.flatten(1) ** 3))
    assert not torch.equal(pixels, other)
