"""What every registered coreset must do. A new one is tested without touching this file."""

import pytest
import torch

from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.training.coresets import CORESETS, Coreset

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


@pytest.mark.parametrize("counts", [(1, 4, 0, 1), (0, 0, 1, 0), (12, 3, 0, 10), (99, 99, 99, 99)])
@pytest.mark.parametrize("features", [False, True])
def test_coresets_refuse_to_pick_more_than_there_are(
    coreset: Coreset, counts: tuple[int, ...], features: bool
) -> None:
    real = blobs(per_class=HAVE)
    k = next(k for k in range(4) if counts[k] > HAVE[k])
    held = f"{HAVE[k]} real images, fewer than the {counts[k]} to be picked"
    with pytest.raises(InputError, match=f"class 'class-{k}' has {held}"):
        coreset(real, counts, key=Key(0), features=real.images.flatten(1) if features else None)


def test_coresets_want_a_number_for_each_class(coreset: Coreset) -> None:
    with pytest.raises(InputError, match="2 numbers of images for 4 classes"):
        coreset(blobs(), (1, 1), key=Key(0))


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
