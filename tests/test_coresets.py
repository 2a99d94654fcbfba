"""What every registered coreset must do. A new one is tested without touching this file."""

from typing import Any

import pytest
import torch

from conftest import blobs, known_of
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet, stored_labels
from datastill.networks import build
from datastill.training.coresets import CORESETS, Known, needs_of, picked
from datastill.training.pool import freeze

HAVE = (12, 3, 0, 9)
DOMAIN = blobs().domain
MODEL = freeze(build("ConvNetD1W16", DOMAIN, key=Key(3)), "ConvNetD1W16", DOMAIN, {})


def asked(name: str) -> Any:
    """Return a coreset that is given all that it asks for."""

    def pick(real: ImageSet, counts: Any, **given: Any) -> Any:
        known = known_of(real, MODEL)
        more = {need: getattr(known, need) for need in needs_of(CORESETS[name])}
        return CORESETS[name](real, counts, **more, **given)

    return pick


@pytest.fixture(params=CORESETS.names)
def coreset(request: pytest.FixtureRequest) -> Any:
    return asked(request.param)


@pytest.mark.parametrize("counts", [(1, 1, 0, 1), (5, 2, 0, 0), HAVE])
@pytest.mark.parametrize("name", CORESETS.names)
def test_coresets_pick_as_many_as_asked_of_each_class(name: str, counts: tuple[int, ...]) -> None:
    real = blobs(per_class=HAVE)
    found = picked(CORESETS[name], real, counts, key=Key(0), known=known_of(real, MODEL))
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    assert stored_labels(found.images, found.labels).tolist() == labels
    assert found.stored_counts == counts
    assert found.domain == real.domain
    rows = asked(name)(real, counts, key=Key(0))
    if not isinstance(rows, ImageSet):
        assert len(set(rows.tolist())) == sum(counts)
        assert rows.dtype == torch.int64
        assert torch.equal(real.images[rows], found.images)


@pytest.mark.parametrize("counts", [(1, 4, 0, 1), (0, 0, 1, 0), (12, 3, 0, 10), (99, 99, 99, 99)])
@pytest.mark.parametrize("features", [False, True])
def test_coresets_refuse_to_pick_more_than_there_are(
    coreset: Any, counts: tuple[int, ...], features: bool
) -> None:
    real = blobs(per_class=HAVE)
    k = next(k for k in range(4) if counts[k] > HAVE[k])
    held = f"{HAVE[k]} real images, fewer than the {counts[k]} to be picked"
    with pytest.raises(InputError, match=f"class 'class-{k}' has {held}"):
        coreset(real, counts, key=Key(0), features=real.images.flatten(1) if features else None)


def test_coresets_want_a_number_for_each_class(coreset: Any) -> None:
    with pytest.raises(InputError, match="2 numbers of images for 4 classes"):
        coreset(blobs(), (1, 1), key=Key(0))


@pytest.mark.parametrize("name", CORESETS.names)
def test_coresets_follow_their_key(name: str) -> None:
    real = blobs(per_class=HAVE)
    known = known_of(real, MODEL)
    first = picked(CORESETS[name], real, (3, 1, 0, 2), key=Key(0), known=known)
    torch.rand(3)
    again = picked(CORESETS[name], real, (3, 1, 0, 2), key=Key(0), known=known)
    assert torch.equal(first.images, again.images)


def test_coresets_leave_the_images_alone(coreset: Any) -> None:
    real = blobs()
    before = real.images.clone()
    coreset(real, (2, 2, 2, 2), key=Key(0))
    assert torch.equal(real.images, before)


def test_random_picks_reach_every_image() -> None:
    real = blobs(per_class=6)
    picks = [CORESETS["random"](real, (2, 2, 2, 2), key=Key(seed)) for seed in range(40)]
    assert set(torch.cat(picks).tolist()) == set(range(24))


# What a coreset asks for, and gives.


def test_a_coreset_that_asks_an_original_model_is_given_one_or_says_so() -> None:
    real = blobs()
    for name in ("clearest", "rded"):
        assert needs_of(CORESETS[name]) == {"originals"}
        with pytest.raises(InputError, match="asks for `originals`, and there are none"):
            picked(CORESETS[name], real, (1,) * 4, key=Key(0))
    other = blobs(shape=(3, 9, 9))
    with pytest.raises(InputError, match="this ConvNetD1W16 cannot teach blobs"):
        picked(CORESETS["clearest"], other, (1,) * 4, key=Key(0), known=Known(originals=(MODEL,)))


def test_what_a_coreset_of_ones_own_returns_is_looked_at() -> None:
    def wrong(real: ImageSet, counts: Any, *, key: Key, features: Any = None) -> Any:
        return [0, 1]

    with pytest.raises(InputError, match=r"a coreset returns rows of real images, .* or a set"):
        picked(wrong, blobs(), (1,) * 4, key=Key(0))
