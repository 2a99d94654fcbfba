"""Which images are kept for tests, and the proof of each that it was not trained on."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from datastill.data import ImageSet, rows_by_class
from datastill.datasets import Reading, load_dataset
from datastill.identity import Aside, Digests, kept_aside
from datastill.identity.facts import KEPT, require_facts

ANY = settings(deadline=None, derandomize=True, database=None)
"""The same examples every time, however slow the machine."""
SHARES = st.sampled_from([0.05, 0.2, 0.3, 0.5])
SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=5)


def numbers(count: int, seed: int) -> Digests:
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)


def labels_of(sizes: list[int]) -> Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


def kept_of(found: Digests, labels: Tensor, share: float) -> Tensor:
    return kept_aside(found, rows_by_class(labels, int(labels.max()) + 1), share)


@ANY
@given(SIZES, SHARES, st.integers(0, 2**32))
def test_of_each_class_its_share_is_kept(sizes: list[int], share: float, seed: int) -> None:
    labels = labels_of(sizes)
    kept = kept_of(numbers(len(labels), seed), labels, share)
    for k, size in enumerate(sizes):
        wanted = min(max(round(share * size), 1), size // 2)
        found = int(kept[labels == k].sum())
        assert abs(found - wanted) <= wanted // 10
        assert found <= size // 2
        assert (found > 0) == (size > 1)


@ANY
@given(SIZES, SHARES, st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_names_and_order_change_nothing(
    sizes: list[int], share: float, seed: int, chance: object
) -> None:
    labels = labels_of(sizes)
    found = numbers(len(labels), seed)
    found[::7] = found[0]  # copies, in several classes
    kept = kept_of(found, labels, share)
    generator = np.random.default_rng(seed + 1)
    order, names = generator.permutation(len(found)), generator.permutation(len(sizes))
    renamed = torch.from_numpy(names)[labels]
    assert torch.equal(kept_of(found[order], renamed[order], share), kept[order])


@ANY
@given(SIZES, SHARES, st.integers(0, 2**32))
def test_what_deviates_is_written_down_and_proves_every_side(
    sizes: list[int], share: float, seed: int
) -> None:
    labels = labels_of(sizes)
    found = numbers(len(labels), seed)
    found[::5] = found[0]
    kept = kept_of(found, labels, share)
    rule = Aside.by(found, kept, share)
    facts = json.loads(json.dumps(rule.facts()))
    require_facts({"kept": facts}, KEPT)
    assert Aside.of(facts) == rule
    assert rule.unseen(found).tolist() == kept.tolist()
    assert rule.covers(rule)
    half = kept_of(found, labels, 0.5)
    if (of_half := Aside.by(found, half, 0.5)).covers(rule):
        assert not (kept & ~half).any()
    elif share < 0.5:
        assert (kept & ~half).any()
    assert of_half.share == share or not rule.covers(of_half)
    few = sum(max(round(share * size), 1) for size in sizes)
    assert len(rule.above) + len(rule.below) <= few + len(found) // 2


@ANY
@given(SIZES, st.lists(st.integers(0, 120), min_size=5, max_size=5), SHARES, st.integers(0, 2**32))
def test_of_what_was_trained_on_nothing_is_proved_when_images_are_added(
    sizes: list[int], more: list[int], share: float, seed: int
) -> None:
    old = labels_of(sizes)
    new = torch.cat([old, labels_of(more)])
    found = numbers(len(new), seed)
    then, now = kept_of(found[: len(old)], old, share), kept_of(found, new, share)
    rule = Aside.by(found[: len(old)], then, share)
    proved = rule.unseen(found) & now.numpy()
    trained = set(found[: len(old)][~then.numpy()].tolist())
    assert not trained & set(found[proved].tolist())


@settings(ANY, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 400))
def test_of_large_classes_no_image_changes_sides(seed: int, more: int) -> None:
    sizes = [20000, 15000]
    old = labels_of(sizes)
    new = torch.cat([old, torch.zeros(more, dtype=torch.int64)])
    found = numbers(len(new), seed)
    then, now = kept_of(found[: len(old)], old, 0.2), kept_of(found, new, 0.2)
    assert torch.equal(now[: len(old)], then)
    rule = Aside.by(found[: len(old)], then, 0.2)
    assert (rule.above, rule.below) == ((), ())
    assert rule.unseen(found[now.numpy()]).all()


@ANY
@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 30), SHARES)
def test_copies_in_several_classes_stay_together(
    seed: int, first: int, second: int, share: float
) -> None:
    found = numbers(first + second, seed)
    found[first:][: first // 2] = found[: min(first // 2, second)]
    labels = labels_of([first, second])
    kept = kept_of(found, labels, share)
    assert not set(found[kept.numpy()].tolist()) & set(found[~kept.numpy()].tolist())
    for k in range(2):
        mine = np.unique(found[(labels == k).numpy()])
        held = np.unique(found[(kept & (labels == k)).numpy()])
        assert len(held) <= len(mine) // 2
        if set(mine.tolist()) != set(found[(labels == 1 - k).numpy()].tolist()):
            assert len(held) or len(mine) < 4


def test_two_classes_that_share_what_one_would_keep_have_some_each() -> None:
    low = np.arange(1, 5, dtype=np.uint64)
    high = np.arange(1, 17, dtype=np.uint64) + np.uint64(2**63)
    found = np.concatenate([low, high[:4], low[:1], high[4:8] - np.uint64(5)])
    labels = labels_of([8, 5])
    kept = kept_of(found, labels, 0.2)
    assert {int(kept[labels == k].sum()) > 0 for k in (0, 1)} == {True}


def photographs(folder: Path, kind: str, count: int = 24) -> None:
    rng = np.random.default_rng(3)
    for k, name in enumerate(("ant", "bee")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            height, width = 64 + 8 * (i % 3), 96
            coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
            image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
            if kind == "grey" and i % 2:
                image = image.convert("L")
            image.save(folder / name / f"{k}{i:03d}.{'jpg' if kind == 'jpg' else 'png'}")


def files_of(folder: Path, data: ImageSet, size: tuple[int, int]) -> set[str]:
    """Return the names of the pictures that a set holds, which was read at a size."""
    known = data.facts["content"]
    everything, _ = load_dataset(str(folder), reading=Reading(size=size, test_share=0))
    names = [path.name for path in sorted(folder.glob("*/*.*"))]
    assert everything.digests is not None
    assert data.digests is not None
    assert known["images"] == len(data)
    by_digest = dict(zip(everything.digests.tolist(), names, strict=True))
    return {by_digest[digest] for digest in data.digests.tolist()}


@pytest.mark.parametrize("kind", ["png", "jpg", "grey"])
def test_another_size_is_no_other_split(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "photos"
    photographs(folder, kind)
    sizes = [(8, 8), (16, 12), (32, 32), (64, 64)]
    found = [load_dataset(str(folder), reading=Reading(size=size)) for size in sizes]
    kept = [
        files_of(folder, test, size) for (_, test), size in zip(found, sizes, strict=True) if test
    ]
    assert len(kept) == len(sizes)
    assert kept == kept[:1] * len(sizes)
    assert len(kept[0]) == 10
    facts = [train.facts for train, _ in found]
    assert {json.dumps(each["kept_for_tests"]) for each in facts} == {
        json.dumps(facts[0]["kept_for_tests"])
    }
    assert all(each["content"] == facts[0]["content"] for each in facts)


def test_arrays_are_known_as_they_were_before_they_are_resized(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (60, 20, 20), np.uint8)
    np.savez(tmp_path / "own.npz", images=values, labels=np.arange(60) % 3)
    facts = [
        load_dataset(str(tmp_path / "own.npz"), reading=Reading(size=size))[0].facts
        for size in (None, (10, 10), (12, 8))
    ]
    assert [each["kept_for_tests"] for each in facts] == [facts[0]["kept_for_tests"]] * 3
    assert [each["content"] for each in facts] == [facts[0]["content"]] * 3


def test_digests_are_kept_with_decoded_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("datastill.datasets.base.kept.LEAST", 0)
    photographs(tmp_path / "photos", "jpg")
    first, _ = load_dataset(str(tmp_path / "photos"), reading=Reading(size=(8, 8)))
    assert len(list((tmp_path / "cache").rglob("*.pictures"))) == 1
    opened: list[object] = []

    def note(file: object) -> None:
        opened.append(file)

    monkeypatch.setattr(Image, "open", note)
    again, _ = load_dataset(str(tmp_path / "photos"), reading=Reading(size=(8, 8)))
    assert not opened
    assert again.facts == first.facts
    assert torch.equal(again.images, first.images)


def test_a_picture_that_is_decoded_small_is_known_by_what_it_is(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", "jpg")
    small, _ = load_dataset(str(tmp_path / "photos"), reading=Reading(size=(8, 8)))
    for path in list((tmp_path / "photos").glob("*/*.jpg")):
        held = io.BytesIO(path.read_bytes())
        Image.open(held).save(path.with_suffix(".png"))
        path.unlink()
    lossless, _ = load_dataset(str(tmp_path / "photos"), reading=Reading(size=(8, 8)))
    assert lossless.facts["content"] == small.facts["content"]
