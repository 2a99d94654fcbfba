"""Names of classes that a file keeps are compared with those of the dataset, wherever they lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import datastill
from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import Domain, ImageSet
from datastill.datasets.base import Found, Published
from datastill.datasets.base.columns import as_published
from datastill.datasets.cifar import CIFAR10
from datastill.exchange import Claim, export_set, import_set

BACKWARDS = tuple(reversed(CIFAR10.classes))
PIXELS = torch.rand(20, 3, 32, 32, generator=Key(0).generator())
LABELS = torch.arange(20) % 10
OURS = Claim("CIFAR10")


def whole(names: tuple[str, ...]) -> dict[str, Any]:
    """Return tables with the names of their classes in every usual way."""
    numbered = dict(enumerate(names))
    held = {"images": PIXELS, "labels": LABELS}
    return {
        "classes": {**held, "classes": list(names)},
        "class_names": {**held, "class_names": names},
        "class_to_idx": {**held, "class_to_idx": {name: k for k, name in numbered.items()}},
        "idx_to_class": {**held, "idx_to_class": numbered},
        "of texts": {**held, "idx_to_class": {str(k): name for k, name in numbered.items()}},
        "data": {"data": [[PIXELS, LABELS]], "classes": list(names)},
        "pair": {"data": [PIXELS, LABELS], "classes": list(names)},
    }


@pytest.mark.parametrize("kind", list(whole(BACKWARDS)))
def test_tables_say_which_class_a_number_is(kind: str, tmp_path: Path) -> None:
    torch.save(whole(BACKWARDS)[kind], tmp_path / "a.pt")
    back, _ = import_set(tmp_path / "a.pt", OURS)
    assert torch.equal(back.labels, 9 - LABELS)
    assert back.domain.classes == CIFAR10.classes


@pytest.mark.parametrize("spelled", [str.upper, str.title, " {}-".format])
def test_archives_say_it_in_any_spelling(spelled: Any, tmp_path: Path) -> None:
    names = np.array([spelled(name) for name in BACKWARDS])
    np.savez(tmp_path / "a.npz", images=PIXELS.numpy(), labels=LABELS.numpy(), classes=names)
    back, _ = import_set(tmp_path / "a.npz", OURS)
    assert torch.equal(back.labels, 9 - LABELS)
    unclaimed, _ = import_set(tmp_path / "a.npz")
    assert unclaimed.domain.classes == tuple(names.tolist())
    assert torch.equal(unclaimed.labels, LABELS)


def test_soft_labels_move_with_their_classes(tmp_path: Path) -> None:
    shares = torch.rand(20, 10, generator=Key(1).generator()).softmax(1)
    torch.save({"images": PIXELS, "labels": shares, "classes": list(BACKWARDS)}, tmp_path / "a.pt")
    back, _ = import_set(tmp_path / "a.pt", OURS)
    torch.testing.assert_close(back.labels, shares.flip(1))


@pytest.mark.parametrize(
    ("names", "labels", "told"),
    [
        ((*BACKWARDS[:-1], "airplne"), LABELS, "no class 'airplne'; did you mean 'airplane'"),
        (("cat", "dog"), LABELS, "names 2 classes, but its labels are of 10"),
        (("cat", "dog"), torch.eye(10)[LABELS] * 0.9 + 0.01, "names 2 classes, but its labels"),
        (("cat", "Cat"), LABELS % 2, "its classes cat and Cat are both 'cat'"),
    ],
)
def test_names_that_contradict_are_refused(
    names: tuple[str, ...], labels: Tensor, told: str, tmp_path: Path
) -> None:
    table = {"images": PIXELS, "labels": labels, "classes": list(names)}
    torch.save(table, tmp_path / "a.pt")
    with pytest.raises(InputError, match=told):
        import_set(tmp_path / "a.pt", OURS)


def test_what_is_no_list_of_names_says_nothing_of_classes(tmp_path: Path) -> None:
    files = [f"{i}.png" for i in range(20)]
    for more in ({"names": files}, {"classes": list(range(10))}, {"class_to_idx": {"cat": 3}}):
        torch.save({"images": PIXELS, "labels": LABELS, **more}, tmp_path / "a.pt")
        back, _ = import_set(tmp_path / "a.pt", OURS)
        assert torch.equal(back.labels, LABELS)


def mine(**facts: Any) -> ImageSet:
    """Return a set of CIFAR10's classes the other way round, normalised its own way."""
    domain = Domain("mine", (3, 32, 32), BACKWARDS, (0.4,) * 3, (0.3,) * 3)
    return ImageSet(domain.normalise(PIXELS), LABELS, domain, {"method": "DM", **facts})


@pytest.mark.parametrize("name", ["npz", "pt", "parquet", "folder", "hub"])
def test_an_export_of_ours_is_claimed_by_name(name: str, tmp_path: Path) -> None:
    """A person says whose they are: not that the numbers of classes and pixels mean others."""
    if name in ("parquet", "hub"):
        pytest.importorskip("datasets")
    made = mine(learning_rate=0.02)
    export_set(made, tmp_path / f"a.{name}", format=name)
    back, _ = import_set(tmp_path / f"a.{name}", OURS)
    named = sorted((BACKWARDS[k], k) for k in LABELS.tolist())
    assert sorted((back.domain.classes[k], 9 - k) for k in back.labels.tolist()) == named
    assert (back.domain.mean, back.facts["learning_rate"]) == (CIFAR10.mean, 0.02)
    assert back.facts["data"]["dataset"] == "CIFAR10"
    order = back.labels.argsort(stable=True)
    theirs = made.labels.argsort(descending=True, stable=True)
    seen, expected = back.domain.pixels(back.images)[order], PIXELS[theirs]
    torch.testing.assert_close(seen, expected, atol=0.003, rtol=0)


def test_hard_labels_of_before_they_were_soft_move_too(tmp_path: Path) -> None:
    from datastill.data.labels import hardened

    soft = torch.eye(10)[LABELS] * 0.9 + 0.01
    made = mine(relabelled={"hard_labels": LABELS.tolist(), "temperature": 2.0})
    made = ImageSet(made.images, soft, made.domain, made.facts)
    export_set(made, tmp_path / "a.pt", format="pt")
    back, _ = import_set(tmp_path / "a.pt", OURS)
    torch.testing.assert_close(back.labels, soft.flip(1))
    assert torch.equal(hardened(back).labels, 9 - LABELS)


def test_an_export_that_is_no_such_dataset_is_refused(tmp_path: Path) -> None:
    export_set(blobs(per_class=2), tmp_path / "a.npz", format="npz")
    with pytest.raises(InputError, match="has images of 3x8x8, but CIFAR10 3x32x32"):
        import_set(tmp_path / "a.npz", OURS)
    domain = Domain("mine", (3, 32, 32), ("ant", "bee"), (0.4,) * 3, (0.3,) * 3)
    export_set(ImageSet(PIXELS, LABELS % 2, domain, {}), tmp_path / "b.npz", format="npz")
    with pytest.raises(InputError, match="CIFAR10 has no class 'ant'"):
        import_set(tmp_path / "b.npz", OURS)
    back, _ = import_set(tmp_path / "b.npz")
    assert back.domain.classes == ("ant", "bee")


def test_two_classes_of_one_name_are_told_apart_by_their_order() -> None:
    # ImageNet has two: "crane" is a bird and a machine.
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    names = ("crane", "crane", "maillot")
    train = datastill.from_arrays(pixels, [0, 1, 2] * 2, classes=names)
    assert train.labels.tolist() == [0, 1, 2] * 2
    test = datastill.from_arrays(pixels, [0, 1, 2] * 2, classes=names, like=train.domain)
    assert test.labels.tolist() == [0, 1, 2] * 2
    other = {"classes": names[1:], "like": train.domain}
    assert datastill.from_arrays(pixels, [1] * 6, **other).labels.tolist() == [2] * 6
    with pytest.raises(InputError, match="the class 'crane', a name that comes twice"):
        datastill.from_arrays(pixels, [0, 1] * 3, **other)
    with pytest.raises(InputError, match="label 'crane' is the name of two classes"):
        datastill.from_arrays(pixels, ["crane", "maillot"] * 3, classes=names)


@pytest.mark.parametrize("agreed", [None, ("a crane", "crane", "maillot"), ("Crane", "crane", "m")])
def test_agreed_names_keep_two_classes_of_one_name_apart(agreed: tuple[str, ...] | None) -> None:
    names, labels = ("crane", "crane", "maillot"), torch.tensor([0, 1, 2])
    found = Found(torch.zeros(3, 1, 8, 8), labels, names, "a table")
    assert as_published(found, Published(((0.0,), (1.0,)), agreed)).labels.tolist() == [0, 1, 2]
