"""Images of others on scales of their own: told, or taken as what they are, and never as others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets.cifar import CIFAR10
from datastill.exchange import Claim, import_set
from test_layouts_of_others import condensed, images, labels

PIXELS = (0.5 + 0.2 * images()).clamp(0, 1)
STATED = Claim("CIFAR10")
HALVES = ([0.5] * 3, [0.5] * 3)
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def saved(path: Path, values: Tensor, **others: Any) -> Path:
    torch.save({"images": values, "labels": labels(), **others}, path)
    return path


def pixels_in(file: Path, claim: Claim = STATED) -> Tensor:
    back, _ = import_set(file, claim)
    return back.domain.pixels(back.images)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (255 * PIXELS + 0.3, "divided by 255 before they are saved"),
        ((255 * PIXELS).byte().view(torch.int8), "bytes that were saved by another type"),
        (255 * PIXELS - 128, "of normalised ones it is near 1"),
        ((2 * PIXELS - 1) / (2 * PIXELS - 1).abs().max(), "0.5,0.5,0.5/0.5,0.5,0.5; say which"),
    ],
    ids=["to 255", "int8", "centred", "-1 to 1"],
)
def test_scales_that_no_dataset_has_are_refused(values: Tensor, told: str, tmp_path: Path) -> None:
    """They were taken as normalised like the dataset: pixels came out from -25 to 53, or grey."""
    with pytest.raises(InputError, match=told):
        import_set(saved(tmp_path / "a.pt", values), STATED)


def test_names_and_words_do_not_make_numbers_to_255_others(tmp_path: Path) -> None:
    wide = 255 * PIXELS + 0.3
    with pytest.raises(InputError, match="divided by 255"):
        import_set(condensed(tmp_path / "res_DM_CIFAR10_ConvNet_2ipc.pt", (wide, labels())))
    with pytest.raises(InputError, match="no pixels from 0 to 1"):
        import_set(saved(tmp_path / "a.pt", wide), Claim("CIFAR10", normalised_with="none"))


def test_bytes_are_not_normalised_whatever_a_person_says(tmp_path: Path) -> None:
    """Pixels came out up to 64."""
    file = saved(tmp_path / "a.pt", (255 * PIXELS).byte())
    for said in ("CIFAR10", "0.5,0.5,0.5/0.25,0.25,0.25", "zca"):
        with pytest.raises(InputError, match=r"the images are bytes.*leave out --normalised-with"):
            import_set(file, Claim("CIFAR10", normalised_with=said))
    assert pixels_in(file, Claim("CIFAR10", normalised_with="none")).max() <= 1


def test_a_normalisation_that_gives_no_pixels_is_told(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pt", 255 * PIXELS + 0.3)
    _, told = import_set(file, Claim("CIFAR10", normalised_with="CIFAR10"))
    assert any("many of them far outside of 0 to 1" in one for one in told)
    _, told = import_set(saved(tmp_path / "b.pt", CIFAR10.normalise(PIXELS)), STATED)
    assert not any("far outside" in one for one in told)


def test_numbers_without_axes_are_told(tmp_path: Path) -> None:
    torch.save([torch.tensor(3.0), labels(), labels()], tmp_path / "a.pt")
    with pytest.raises(InputError, match="20 numbers, expected one learning rate"):
        import_set(tmp_path / "a.pt")
    torch.save([images().unflatten(0, (10, 2)), torch.tensor(1)], tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"images of shape \(10, 2, 3, 32, 32\), not"):
        import_set(tmp_path / "a.pt")


def test_rounded_whole_numbers_are_bytes(tmp_path: Path) -> None:
    levels = (255 * PIXELS).round()
    file = saved(tmp_path / "a.pt", (levels / 255 - 1) * 255 + 255)  # 1e-5 off whole numbers
    torch.testing.assert_close(pixels_in(file), levels / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "scale", "given"),
    [("pt", 1, IMAGENET), ("npz", 255, IMAGENET), ("pt", 1, HALVES)],
    ids=["pt", "npz, to 255", "-1 to 1"],
)
def test_a_mean_and_std_in_the_file_are_believed(
    kind: str, scale: int, given: tuple[list[float], list[float]], tmp_path: Path
) -> None:
    mean, std = (torch.tensor(values) for values in given)
    values = (PIXELS - mean[:, None, None]) / std[:, None, None]
    table = {"mean": scale * mean, "std": scale * std}
    file = tmp_path / f"a.{kind}"
    if kind == "pt":
        saved(file, values, **table)
    else:
        arrays: dict[str, Any] = {"images": values, "labels": labels(), **table}
        np.savez(file, **{name: array.numpy() for name, array in arrays.items()})
    for claim in (STATED, Claim()):
        torch.testing.assert_close(pixels_in(file, claim), PIXELS, atol=1e-5, rtol=0)
    back, _ = import_set(file, Claim("CIFAR10", normalised_with="CIFAR10"))
    assert back.domain.mean == CIFAR10.mean


@pytest.mark.parametrize(
    "others",
    [{"mean": 0.61, "std": 0.01}, {"mean": [0.6] * 3, "std": [0.01] * 3}, {"mean": "a", "std": []}],
)
def test_a_mean_of_something_else_is_not(others: dict[str, Any], tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pt", CIFAR10.normalise(PIXELS), **others)
    torch.testing.assert_close(pixels_in(file), PIXELS, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "classes",
    [
        {"classes": [name.encode() for name in reversed(CIFAR10.classes)]},
        {"class_to_idx": {name: str(9 - k) for k, name in enumerate(CIFAR10.classes)}},
    ],
    ids=["bytes", "numbers as texts"],
)
def test_classes_by_bytes_or_by_texts_of_numbers(classes: dict[str, Any], tmp_path: Path) -> None:
    back, _ = import_set(saved(tmp_path / "a.pt", CIFAR10.normalise(PIXELS), **classes), STATED)
    assert back.labels.tolist() == (9 - labels()).tolist()
