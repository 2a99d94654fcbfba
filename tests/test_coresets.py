"""What every registered coreset must do. A new one is tested without touching this file."""

import pytest
import torch

from conftest import blobs
from datastill.coresets import CORESETS, Coreset
from datastill.rng import Key

HAVE = (12, 3, 0, 9)


@pytest.fixture(params=CORESETS.names)
def coreset(request: pytest.FixtureRequest) -> Coreset:
    return CORESETS[request.param]


@pytest.mark.parametrize("counts", [(1, 1, 0, 1), (5, 2, 0, 0), HAVE])
def test_coresets_pick_as_many_as_asked_of_each_class(
    coreset: Coreset, counts: tuple[int, ...]
) -> None:
    real = blobs(per_class=HAVE)
    rows = coreset(real, counts, key=Key(0))
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    assert real.labels[rows].tolist() == labels
    assert len(set(rows.tolist())) == sum(counts)
    assert rows.dtype == torch.int64
    assert real.take(rows).counts == counts


def test_coresets_follow_their_key(coreset: Coreset) -> None:
    real = blobs(per_class=HAVE)
    rows = coreset(real, (3, 1, 0, 2), key=Key(0))
    torch.rand(3)
    assert torch.equal(coreset(real, (3, 1, 0, 2), key=Key(0)), rows)


def test_coresets_leave_the_images_alone(coreset: Coreset) -> None:
    real = blobs()
    before = real.images.clone()
    coreset(real, (2, 2, 2, 2), key=Key(0))
    assert torch.equal(real.images, before)


def test_random_picks_reach_every_image() -> None:
    real = blobs(per_class=6)
    picks = [CORESETS["random"](real, (2, 2, 2, 2), key=Key(seed)) for seed in range(40)]
    assert set(torch.cat(picks).tolist()) == set(range(24))
