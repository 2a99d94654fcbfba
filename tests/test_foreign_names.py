"""Which dataset a foreign file is of, by its name: other words in it may make it another."""

from pathlib import Path

import pytest
import torch

from datastill.base.errors import InputError
from datastill.exchange import import_set
from test_layouts_of_others import condensed, images, labels


def table(path: Path, shape: tuple[int, int, int]) -> Path:
    pixels = images(shape=shape).sub(images(shape=shape).amin()).clamp(0, 1)
    torch.save({"images": pixels, "labels": labels()}, path)
    return path


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CIFAR-10.1_v6.pt", (3, 32, 32)),
        ("cifar10_1_v6.pt", (3, 32, 32)),
        ("CIFAR-10-W.pt", (3, 32, 32)),
        ("CIFAR-10-Warehouse_ipc10.pt", (3, 32, 32)),
        ("stylized-cifar10.pt", (3, 32, 32)),
        ("cifar10_stl10.pt", (3, 32, 32)),
        ("usps_dm_mnist.pt", (1, 28, 28)),
        ("MNIST_vs_USPS.pt", (1, 28, 28)),
        ("Kuzushiji-MNIST_ipc10.pt", (1, 28, 28)),
        ("FashionMNIST_and_MNIST.pt", (1, 28, 28)),
        ("imagenette_from_imagenet.pt", (3, 64, 64)),
    ],
)
def test_words_that_make_another_dataset_are_said(
    name: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    back, remarks = import_set(table(tmp_path / name, shape))
    assert back.domain.name == "imported"
    assert any(f"{name!r} speaks of" in told and "not taken" in told for told in remarks)
    (tmp_path / "n").mkdir()
    normalised = condensed(tmp_path / "n" / name, (images(shape=shape), labels()))
    with pytest.raises(InputError, match=r"say by which dataset with --dataset.*not taken"):
        import_set(normalised)


@pytest.mark.parametrize(
    "name",
    [
        "cifar10.pt",
        "synthetic_cifar10_ipc1.pt",
        "distilled-from-cifar-10.pt",
        "my_cifar10_best_lr0.01.pt",
        "20260101_dm_cifar10_run7.pt",
        "kip_cifar10_convnet_ssize100_nol.pt",
        "data_cifar10_0.7.pt",
        "CIFAR10_50.pt",
        "cifar10_rn18_1K_mobile.lr0.25.bn0.01.pt",
        "res_DM_CIFAR10_MyNet_10ipc.pt",
        "cl_res_DSA_CIFAR10_ConvNet_10ipc_5steps_seed0.pt",
    ],
)
def test_words_of_runs_and_methods_leave_a_dataset_as_it_is(name: str, tmp_path: Path) -> None:
    back, remarks = import_set(condensed(tmp_path / name, (images(), labels())))
    assert back.domain.name == "CIFAR10"
    assert "taken as CIFAR10 by its name; --dataset says otherwise" in remarks
