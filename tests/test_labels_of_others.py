"""Labels as other projects write them: names, logarithms, counts, classes of several sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datastill import from_arrays
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets.cifar import CIFAR10
from datastill.exchange import Claim, export_set, import_set
from datastill.exchange.base import encode
from datastill.exchange.base.gathering import gathered
from test_layouts_of_others import images, labels, logits

IMAGES, LABELS, SHARES = images(), labels(), logits().softmax(1)
NAMES = [CIFAR10.classes[k] for k in LABELS]
BY_CLASS = [IMAGES[k == LABELS] for k in range(10)]


def read(path: Path, table: dict[str, Any]) -> tuple[ImageSet, tuple[str, ...]]:
    if path.suffix == ".npz":
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in table.items()}
        np.savez(path, **arrays)
    else:
        torch.save(table, path)
    return import_set(path, Claim("CIFAR10"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (SHARES.log(), "labels are logits"),
        (100 * SHARES, "labels are shares of 100"),
        (SHARES.bfloat16(), ""),
    ],
    ids=["logarithms", "percent", "half precision"],
)
def test_shares_stay_soft_however_they_are_written(
    given: Tensor, said: str, tmp_path: Path
) -> None:
    """They were taken for scores, of which the highest counted and the rest was left out."""
    back, told = read(tmp_path / "a.pt", {"images": IMAGES, "labels": given})
    torch.testing.assert_close(back.labels, SHARES, atol=4e-3, rtol=0)
    assert any(one.startswith(said) for one in told)


HOLE = torch.eye(10)[LABELS].index_fill(0, torch.tensor([3]), 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (HOLE, "the label of image 3 is the highest for several classes"),
        (torch.zeros(20, 10), "the label of image 0 is the highest for several classes"),
        (torch.stack([LABELS + 11, LABELS], 1), "rows of 2 numbers, but CIFAR10 has 10 classes"),
        (SHARES[:, :5] - 1, "rows of 5 numbers, but CIFAR10 has 10 classes"),
        (LABELS + 1, "from 1 to 10, those of CIFAR10 from 0 to 9: subtract 1"),
        (["x", *NAMES[1:]], "CIFAR10 has no class 'x'"),
    ],
    ids=["a row of zeros", "zeros", "two columns", "five classes", "from 1 on", "a strange name"],
)
def test_labels_that_say_no_class_are_told(given: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        read(tmp_path / "a.pt", {"images": IMAGES, "labels": given})


@pytest.mark.parametrize("kind", ["pt", "npz"])
@pytest.mark.parametrize("given", [NAMES, [str(int(k)) for k in LABELS]], ids=["names", "texts"])
def test_labels_may_be_names(given: list[str], kind: str, tmp_path: Path) -> None:
    back, _ = read(tmp_path / f"a.{kind}", {"images": IMAGES, "labels": given})
    assert back.labels.tolist() == LABELS.tolist()


def test_names_of_classes_beside_names_as_labels(tmp_path: Path) -> None:
    table = {"images": IMAGES, "labels": NAMES, "classes": CIFAR10.classes[::-1]}
    assert read(tmp_path / "a.pt", table)[0].labels.tolist() == LABELS.tolist()
    with pytest.raises(InputError, match="the label 'bird' is none of its classes"):
        read(tmp_path / "b.pt", {**table, "classes": ["airplane", "automobile"]})


@pytest.mark.parametrize(
    "pieces",
    [BY_CLASS, [BY_CLASS[0][:1], *BY_CLASS[1:]], BY_CLASS[:2]],
    ids=["alike", "of several sizes", "two"],
)
def test_lists_of_the_images_and_labels_of_each_class(pieces: list[Tensor], tmp_path: Path) -> None:
    given = [torch.full((len(piece),), k) for k, piece in enumerate(pieces)]
    back, _ = read(tmp_path / "a.pt", {"images": pieces, "labels": given})
    assert torch.equal(back.images, torch.cat(pieces))
    assert back.labels.tolist() == torch.cat(given).tolist()


def test_one_label_for_the_images_of_each_class(tmp_path: Path) -> None:
    back, _ = read(tmp_path / "a.pt", {"images": torch.stack(BY_CLASS), "labels": torch.arange(10)})
    assert torch.equal(back.images, torch.cat(BY_CLASS))
    assert back.labels.tolist() == sorted(LABELS.tolist())


def test_columns_without_a_dataset_are_classes(tmp_path: Path) -> None:
    hot = torch.eye(10)[LABELS % 3]
    torch.save({"images": IMAGES.clamp(0, 1), "labels": hot}, tmp_path / "a.pt")
    assert len(import_set(tmp_path / "a.pt")[0].domain.classes) == 10


@pytest.mark.parametrize(
    "given",
    [
        {k: (piece, torch.full((2,), k)) for k, piece in enumerate(BY_CLASS)},
        {f"c{k}": {"x": piece, "y": [k, k]} for k, piece in enumerate(BY_CLASS)},
        [{"images": piece, "labels": torch.full((2,), k)} for k, piece in enumerate(BY_CLASS)],
        [{"image": image, "label": k} for k, piece in enumerate(BY_CLASS) for image in piece],
    ],
    ids=["pairs by class", "tables by class", "a list of tables", "a list of items"],
)
def test_sets_of_the_classes_are_put_together(given: Any, tmp_path: Path) -> None:
    torch.save(given, tmp_path / "a.pt")
    back, _ = import_set(tmp_path / "a.pt", Claim("CIFAR10"))
    assert torch.equal(back.images, torch.cat(BY_CLASS))
    assert back.labels.tolist() == sorted(LABELS.tolist())


def test_tables_of_sets_in_a_list_keep_what_else_they_hold(tmp_path: Path) -> None:
    """Of a list of tables the learning rate and the names of classes were left out."""
    names = {str(k): (k + 1) % 10 for k in range(10)}
    one = {"images": IMAGES, "labels": LABELS, "syn_lr": torch.tensor(0.02), "class_to_idx": names}
    held = gathered([one, one], tmp_path / "a.pt", None)
    assert (held.rate, held.classes) == (pytest.approx(0.02), ("9", *"012345678"))
    around = {"class_to_idx": names, "mean": [0.5] * 3, "std": [0.2] * 3}
    steps = [{"x": piece, "y": [k, k], **around} for k, piece in enumerate(BY_CLASS)]
    plain = {f"c{k}": {"x": piece, "y": [k, k]} for k, piece in enumerate(BY_CLASS)}
    for given in (steps, {**plain, **around}, {"data": [[IMAGES, LABELS]], **around}):
        held = gathered(given, tmp_path / "a.pt", None)
        assert held.classes == ("9", *"012345678")
        assert held.normalisation == (around["mean"], pytest.approx(around["std"]))


def test_soft_labels_after_the_hard_ones(tmp_path: Path) -> None:
    torch.save([IMAGES, LABELS, SHARES], tmp_path / "a.pt")
    assert torch.equal(import_set(tmp_path / "a.pt", Claim("CIFAR10"))[0].labels, SHARES)
    torch.save([IMAGES, LABELS, torch.tensor([[0.1]])], tmp_path / "a.pt")
    assert import_set(tmp_path / "a.pt", Claim("CIFAR10"))[0].labels.ndim == 1


def test_images_with_labels_are_half_a_set_where_styles_lie_beside(tmp_path: Path) -> None:
    """What HaBa's images are made by was left out, and nothing said."""
    for name, value in (("images", IMAGES), ("labels", LABELS), ("weights", {"a": IMAGES})):
        torch.save(value, tmp_path / f"{name}_best.pt")
    assert len(import_set(tmp_path / "images_best.pt", Claim("CIFAR10"))[0]) == 20
    torch.save({"a": IMAGES}, tmp_path / "styles_best.pt")
    for path in (tmp_path, tmp_path / "images_best.pt"):
        with pytest.raises(InputError, match="half of a set, of which styles_best"):
            import_set(path, Claim("CIFAR10"))


@pytest.mark.parametrize("given", [["b", "a", "b"], [1.0, 0.0, 1.0]], ids=["names", "floats"])
def test_labels_of_a_table_may_be_names_or_floats(given: list[Any], tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    arrow: Any = pytest.importorskip("pyarrow")
    content = {"bytes": encode(torch.zeros(3, 8, 8)), "path": None}
    parquet.write_table(
        arrow.table({"image": [content] * 3, "label": given}), tmp_path / "a.parquet"
    )
    back, _ = import_set(tmp_path / "a.parquet")
    assert back.labels.tolist() == [1, 0, 1]
    assert back.domain.classes == (("a", "b") if given[0] == "b" else ("0", "1"))


@pytest.mark.parametrize(
    ("name", "value"), [("classes", ["9", *"012345678"]), ("mean", [0.5, 0.5, 0.9])]
)
def test_what_is_changed_beside_a_header_of_ours_is_told(
    name: str, value: list[Any], tmp_path: Path
) -> None:
    """It was passed over: the set came back under the names and the mean that it had before."""
    data = from_arrays((255 * (0.5 + 0.2 * IMAGES).clamp(0, 1)).byte(), LABELS)
    export_set(data, tmp_path / "a.npz", format="npz")
    held: dict[str, Any] = dict(np.load(tmp_path / "a.npz"))
    changed: dict[str, Any] = {**held, name: np.array(value)}
    np.savez(tmp_path / "b.npz", **changed)
    with pytest.raises(InputError, match="others than those that datastill wrote beside"):
        import_set(tmp_path / "b.npz")
    levels = (255 * data.domain.pixels(data.images)).round().byte().numpy()
    changed = {**held, "images": levels}
    np.savez(tmp_path / "c.npz", **changed)  # bytes are bytes
    torch.testing.assert_close(import_set(tmp_path / "c.npz")[0].images, data.images[:])
