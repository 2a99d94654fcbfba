"""Images and labels in the tables and lists in which people save them; what is said of others."""

import argparse
import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.exchange import Reading, import_set
from datastill.exchange.base.pictures import encode
from test_layouts_of_others import labels

PIXELS = torch.rand(20, 3, 16, 20, generator=Key(0).generator()).round(decimals=2)

LABELS = labels()
SCORES = 4 * torch.randn(20, 10, generator=Key(1).generator())
SORTED = LABELS.argsort(stable=True)
PIECES = [PIXELS[k == LABELS] for k in range(10)]


def read(file: Path) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    back, remarks = import_set(file)
    assert back.domain.name == "imported"
    return back.domain.pixels(back.images), back.labels, remarks


TABLES: dict[str, Any] = {
    "x_train": {"x_train": PIXELS, "y_train": LABELS},
    "X_train": {"X_train": PIXELS, "Y_train": LABELS},
    "Xy": {"X": PIXELS, "y": LABELS},
    "data, targets": {"data": PIXELS, "targets": LABELS},
    "train_images": {"train_images": PIXELS, "train_labels": LABELS},
    "trainImages": {"trainImages": PIXELS, "trainLabels": LABELS},
    "syn_eval": {"image_syn_eval": PIXELS, "label_syn_eval": LABELS},
    "data list": {"data": [PIXELS, LABELS]},
    "data table": {"data": {"images": PIXELS, "labels": LABELS}, "accs": [0.5]},
    "state": {"state": {"images": PIXELS, "labels": LABELS}},
    "deep": {"epoch": 3, "state": {"data": {"x": PIXELS, "y": LABELS}}},
    "lists": {"images": list(PIXELS), "labels": LABELS.tolist()},
    "items": [(image, int(k)) for image, k in zip(PIXELS, LABELS, strict=True)],
    "items of tensors": [[image, k] for image, k in zip(PIXELS, LABELS, strict=True)],
    "items one-hot": list(zip(PIXELS, torch.eye(10)[LABELS], strict=True)),
    "sets by another name": {"syn_dataset": [[PIXELS, LABELS]], "accs": [0.5]},
    "items inside": {"data": list(zip(PIXELS, LABELS.tolist(), strict=True))},
}


@pytest.mark.parametrize("kind", ["pt", "pkl"])
@pytest.mark.parametrize("name", TABLES)
def test_tables_and_lists_of_usual_makes(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"own.{kind}"
    if kind == "pt":
        torch.save(TABLES[name], file)
    else:
        file.write_bytes(pickle.dumps(TABLES[name]))
    pixels, found, _ = read(file)
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()


def test_items_of_arrays_in_a_pickle(tmp_path: Path) -> None:
    items = [(image.numpy(), int(k)) for image, k in zip(PIXELS, LABELS, strict=True)]
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(items))
    pixels, found, _ = read(tmp_path / "own.pkl")
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    "table",
    [
        {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:3], "y_test": LABELS[:3]},
        {"train": (PIXELS, LABELS), "test": (PIXELS[:3], LABELS[:3])},
        {"train": {"x": PIXELS, "y": LABELS}, "val": {"x": PIXELS[:3], "y": LABELS[:3]}},
    ],
)
def test_of_splits_in_a_table_the_training_images_are_read(table: Any, tmp_path: Path) -> None:
    torch.save(table, tmp_path / "own.pt")
    pixels, found, remarks = read(tmp_path / "own.pt")
    assert (len(pixels), found.tolist()) == (20, LABELS.tolist())
    assert any("was read; " in told and "left out" in told for told in remarks)


@pytest.mark.parametrize("real", ["images_train labels_train", "train_x train_y", "trainX trainY"])
@pytest.mark.parametrize(
    "made", ["syn_images syn_labels", "x_syn y_syn", "img_syn_eval lab_syn_eval"]
)
@pytest.mark.parametrize("kind", ["pt", "npz"])
def test_real_training_images_beside_a_set_are_not_it(
    real: str, made: str, kind: str, tmp_path: Path
) -> None:
    names, values = [*real.split(), *made.split()], [1 - PIXELS[:10], LABELS[:10], PIXELS, LABELS]
    held: dict[str, Any] = dict(zip(names, values, strict=True))
    if kind == "pt":
        torch.save(held, tmp_path / "own.pt")
    else:
        np.savez(tmp_path / "own.npz", **{name: value.numpy() for name, value in held.items()})
    pixels, found, _ = read(tmp_path / f"own.{kind}")
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()


def test_test_images_of_an_archive_are_said_to_be_left_out(tmp_path: Path) -> None:
    arrays = {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:3], "y_test": LABELS[:3]}
    held: dict[str, Any] = {name: value.numpy() for name, value in arrays.items()}
    np.savez(tmp_path / "own.npz", **held)
    pixels, _, remarks = read(tmp_path / "own.npz")
    assert len(pixels) == 20
    assert "x_train was read; x_test, y_test left out" in remarks


@pytest.mark.parametrize("names", [range(10), [f"class_{k}" for k in range(10)]])
def test_a_dictionary_of_classes_by_number(names: Any, tmp_path: Path) -> None:
    pieces = dict(zip(names, PIECES, strict=True))
    torch.save({key: pieces[key] for key in reversed(list(pieces))}, tmp_path / "own.pt")
    pixels, found, remarks = read(tmp_path / "own.pt")
    assert torch.allclose(pixels, PIXELS[SORTED], atol=1e-5)
    assert found.tolist() == sorted(LABELS.tolist())
    assert "each key of it was taken for a class" in remarks


def test_a_dictionary_of_classes_by_name(tmp_path: Path) -> None:
    torch.save({"dog": PIECES[0], "cat": PIECES[1], "owl": PIECES[2]}, tmp_path / "own.pt")
    back, _ = import_set(tmp_path / "own.pt")
    assert back.domain.classes == ("cat", "dog", "owl")
    assert torch.allclose(back.domain.pixels(back.images)[:2], PIECES[1], atol=1e-5)
    torch.save({"syn": PIECES[0], "real": PIECES[1]}, tmp_path / "b.pt")
    with pytest.raises(InputError, match="a dictionary of syn, real; expected"):
        import_set(tmp_path / "b.pt")


@pytest.mark.parametrize("flat", [True, False])
def test_images_by_class_in_two_axes(flat: bool, tmp_path: Path) -> None:
    apart = LABELS[SORTED].reshape(10, 2)
    table = {"images": torch.stack(PIECES), "labels": apart.flatten() if flat else apart}
    torch.save(table, tmp_path / "own.pt")
    pixels, found, remarks = read(tmp_path / "own.pt")
    assert torch.allclose(pixels, PIXELS[SORTED], atol=1e-5)
    assert found.tolist() == sorted(LABELS.tolist())
    assert any("put in a row" in told for told in remarks)


def test_steps_of_the_first_project_are_put_together(tmp_path: Path) -> None:
    steps = [(PIXELS[10 * k : 10 * k + 10], LABELS[:10], torch.tensor(0.02)) for k in range(2)]
    epochs = [(a, b, torch.tensor(0.02 + i / 100)) for i, (a, b, _) in enumerate(3 * steps)]
    torch.save(epochs, tmp_path / "results.pth")
    pixels, found, remarks = read(tmp_path / "results.pth")
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()
    assert any("6 steps, of 2 different sets" in told for told in remarks)
    back, _ = import_set(tmp_path / "results.pth", reading=Reading(experiment=3))
    assert len(back) == 10
    assert back.facts["learning_rate"] == pytest.approx(0.05)


@pytest.mark.parametrize("rate", ["lr", "syn_lr", "synlr"])
@pytest.mark.parametrize(
    "inside",
    [
        {"data": [[PIXELS, SCORES]]},
        {"syn_data": (PIXELS, SCORES)},
        {"a": {"x": PIXELS, "y": SCORES}},
    ],
    ids=["list", "pair", "table"],
)
def test_a_learning_rate_around_a_set_is_of_it(
    inside: dict[str, Any], rate: str, tmp_path: Path
) -> None:
    torch.save({**inside, rate: torch.tensor(0.02), "step": 7}, tmp_path / "own.pt")
    for reading in (None, Reading(experiment=0)):
        back, _ = import_set(tmp_path / "own.pt", reading=reading)
        assert back.facts["learning_rate"] == pytest.approx(0.02)
        assert torch.allclose(back.labels, SCORES.softmax(1))  # beside a rate they are logits


@pytest.mark.parametrize("other", ["cosine", [0.1, 0.2], {"net": 0.1}])
def test_what_is_no_learning_rate_around_a_set_says_nothing(other: Any, tmp_path: Path) -> None:
    torch.save({"data": [[PIXELS, LABELS]], "lr": other}, tmp_path / "own.pt")
    assert "learning_rate" not in import_set(tmp_path / "own.pt")[0].facts


@pytest.mark.parametrize("kind", ["pt", "pkl"])
def test_settings_of_a_program_beside_its_set_are_passed_over(kind: str, tmp_path: Path) -> None:
    accuracies = defaultdict[str, list[float]](list, ConvNet=[0.5])
    settings = argparse.Namespace(method="DM", ipc=2, again=argparse.Namespace(lr=0.1))
    table = {"data": [[PIXELS, LABELS]], "accs_all_exps": accuracies, "args": settings}
    if kind == "pt":
        torch.save(table, tmp_path / "own.pt")
    else:
        (tmp_path / "own.pkl").write_bytes(pickle.dumps(table))
    pixels, found, _ = read(tmp_path / f"own.{kind}")
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()
    back, _ = import_set(tmp_path / f"own.{kind}")
    assert back.facts["reported_accuracies"] == {"ConvNet": [0.5]}


def test_several_sets_in_a_table_are_named(tmp_path: Path) -> None:
    table = {"a": {"x": PIXELS, "y": LABELS}, "b": {"x": PIXELS[:10], "y": LABELS[:10]}}
    torch.save(table, tmp_path / "own.pt")
    with pytest.raises(InputError, match=r"2 sets: a, b; --experiment takes one, counted from 0"):
        import_set(tmp_path / "own.pt")
    assert len(import_set(tmp_path / "own.pt", reading=Reading(experiment=1))[0]) == 10


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else {"images": PIXELS, "labels": LABELS}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (PIECES, "a list of 10 tensors without labels"),
        (nested(50), "a dictionary of a; expected"),
        ({"features.0.weight": PIXELS, "features.0.bias": LABELS}, "weights of networks and no"),
        ([[[PIXELS[0], LABELS]]], "weights of networks and no images"),
        ([(PIXELS[0], 1), (PIXELS[0, :, :8], 2)], "its images differ in shape"),
    ],
)
def test_what_is_no_set_is_told(value: Any, told: str, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "own.pt")
    with pytest.raises(InputError, match=told):
        import_set(tmp_path / "own.pt")


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("imgs.pt", "label_syn.pt"),
        ("X_distilled.pt", "y_distilled.pt"),
        ("x_train.npy", "y_train.npy"),
        ("synthetic_images.pt", "synthetic_labels.pt"),
    ],
)
def test_labels_beside_images_by_many_names(image: str, label: str, tmp_path: Path) -> None:
    save: Callable[[Tensor, str], None] = lambda value, name: (  # noqa: E731
        np.save(tmp_path / name, value.numpy())
        if name.endswith("npy")
        else torch.save(value, tmp_path / name)
    )
    save(PIXELS, image)
    save(LABELS, label)
    pixels, found, _ = read(tmp_path / image)
    assert torch.allclose(pixels, PIXELS, atol=1e-5)
    assert found.tolist() == LABELS.tolist()


def test_labels_that_are_truths_are_two_classes(tmp_path: Path) -> None:
    torch.save({"images": PIXELS, "labels": LABELS > 4}, tmp_path / "own.pt")
    _, found, _ = read(tmp_path / "own.pt")
    assert found.tolist() == (LABELS > 4).long().tolist()


def test_half_of_a_factorised_set_is_told(tmp_path: Path) -> None:
    torch.save(PIXELS, tmp_path / "images_best.pt")
    torch.save({"0.weight": torch.zeros(3)}, tmp_path / "styles_1000.pt")
    with pytest.raises(InputError, match=r"half of a set, of which styles_1000\.pt beside it"):
        import_set(tmp_path / "images_best.pt")


SOFT = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).repeat(5, 1)


@pytest.mark.parametrize("name", ["soft_labels", "logits", "teacher_logits", "probs"])
@pytest.mark.parametrize("kind", ["pt", "npz", "parquet"])
def test_soft_labels_beside_hard_ones_are_read(name: str, kind: str, tmp_path: Path) -> None:
    file, rows = tmp_path / f"set.{kind}", SOFT.log() + 3 if "logits" in name else SOFT
    images = torch.rand(10, 3, 16, 16)
    table = {"images": images, "labels": torch.zeros(10, dtype=torch.int64), name: rows}
    if kind == "pt":
        torch.save(table, file)
    elif kind == "npz":
        np.savez(file, **{key: value.numpy() for key, value in table.items()})
    else:
        pytest.importorskip("datasets")
        arrow, parquet = (pytest.importorskip(each) for each in ("pyarrow", "pyarrow.parquet"))
        pictures = [{"bytes": encode(image), "path": None} for image in images]
        parquet.write_table(
            arrow.table({"image": pictures, "label": [0] * 10, name: rows.tolist()}), file
        )
    assert torch.allclose(import_set(file)[0].labels, SOFT, atol=1e-6)


@pytest.mark.parametrize("images", ["syn_images", "images_syn", "distilled_images"])
def test_synthetic_images_beside_plain_ones_are_the_set(images: str, tmp_path: Path) -> None:
    labels = images.replace("images", "labels")
    made, real = PIXELS[:10], torch.rand(40, 3, 16, 20)
    kinds = torch.arange(10), torch.arange(40) % 10
    torch.save(
        {"images": real, "labels": kinds[1], images: made, labels: kinds[0]}, tmp_path / "a.pt"
    )
    found, labels = read(tmp_path / "a.pt")[:2]
    assert torch.allclose(found, made)
    assert torch.equal(labels, kinds[0])
