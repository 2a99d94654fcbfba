"""What runs of today's methods leave in their folders, as their programs write it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from datastill import load
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import Unfold, stored_bytes, tiled
from datastill.exchange import Claim, import_set
from datastill.exchange.base.pictures import encode
from test_cli import Run, run

__all__ = ["run"]

PIXELS = torch.rand(20, 3, 32, 32, generator=Key(0).generator())
LABELS = torch.arange(10).repeat_interleave(2)
NCFM = "results/condense/cifar10/ipc2/adamw_lr_img_0.0010_numr_reqs1024_factor2_20250301-1200"


def of_ncfm(*steps: int) -> Path:
    """Write snapshots as NCFM does: pixels and labels in a list, below the folder of a run."""
    place = Path(NCFM) / "distilled_data"
    place.mkdir(parents=True)
    for step in steps:
        torch.save([(PIXELS + step / 1e6).clamp(0, 1), LABELS], place / f"data_{step}.pt")
    torch.save([PIXELS, LABELS], place / "data_init.pt")
    return place


@pytest.mark.parametrize("named", ["file", "folder", "run"])
def test_snapshots_of_ncfm(named: str, run: Run, tmp_path: Path) -> None:
    place = of_ncfm(1000, 20000, 3000)
    path = {"file": place / "data_20000.pt", "folder": place, "run": place.parent}[named]
    said = run(f"import {path} --out made")
    assert said.code == 0, said.err
    made = load(tmp_path / "made")
    kept = tiled(made.images)
    assert kept is not None
    assert kept.folding == Unfold(2)
    last = (PIXELS + 0.02).clamp(0, 1)
    torch.testing.assert_close(made.domain.pixels(kept.stored), last, atol=1e-5, rtol=0)
    assert stored_bytes(made.images) == 4 * PIXELS.numel()
    assert made.facts["method"] == "NCFM"
    assert torch.equal(made.labels, LABELS.repeat_interleave(4))
    assert ("of 3 snapshots the last was taken, data_20000.pt" in said.out) == (named != "file")
    if named != "run":  # whose folder lies one higher, so that less was typed
        assert made.domain.name == "CIFAR10"


def pictures(root: Path, pattern: str, images: Tensor, labels: Tensor) -> None:
    """Write JPEGs, each numbered in its class."""
    counts = [0] * 10
    for image, k in zip(images, labels.tolist(), strict=True):
        file = root / pattern.format(k, counts[k])
        file.parent.mkdir(parents=True, exist_ok=True)
        levels = (image * 255).byte().movedim(0, -1).numpy()
        Image.fromarray(levels).save(file, quality=95)
        counts[k] += 1


@pytest.mark.parametrize("factor", [1, 2])
def test_folders_of_rded(factor: int, run: Run, tmp_path: Path) -> None:
    place = Path(f"exp/cifar10_conv3_f{factor}_mipc300_ipc2_cr5/syn_data")
    pictures(place, "{0:05d}/class{0:05d}_id{1:05d}.jpg", PIXELS, LABELS)
    said = run(f"import {place} --out made")
    assert said.code == 0, said.err
    made = load(tmp_path / "made")
    assert made.domain.name == "CIFAR10"
    assert len(made) == 20 * factor**2
    assert (tiled(made.images) is None) == (factor == 1)
    assert torch.equal(made.labels, LABELS.repeat_interleave(factor**2))


def test_folders_of_sre2l(run: Run, tmp_path: Path) -> None:
    pictures(Path("syn"), "new{0:03d}/class{0:03d}_id{1:03d}.jpg", PIXELS, LABELS)
    said = run("import syn --dataset CIFAR10 --out made")
    assert said.code == 0, said.err
    assert torch.equal(load(tmp_path / "made").labels, LABELS)


def test_numbers_of_folders_that_are_no_numbers_of_classes_are_told(tmp_path: Path) -> None:
    (tmp_path / "syn").mkdir()
    pictures(tmp_path / "syn", "{0:05d}/{1}.jpg", PIXELS, LABELS)
    (tmp_path / "syn" / "00000").rename(tmp_path / "syn" / "00010")
    with pytest.raises(InputError, match="numbers from 1 to 10, those of CIFAR10 from 0 to 9"):
        import_set(tmp_path / "syn", Claim("CIFAR10"))
    with pytest.raises(InputError, match=r"of ImageNette-32 from 0 to 9.*or n01440764, n02102040"):
        import_set(tmp_path / "syn", Claim("ImageNette"))


def test_pictures_of_another_size_are_resized_first(tmp_path: Path) -> None:
    large = torch.nn.functional.interpolate(PIXELS, size=(64, 64))  # D4M's are of 224 pixels
    pictures(tmp_path, "{0}/{0}-image{1:02d}.png", large, LABELS)
    told = "images of 3x64x64, but CIFAR10 3x32x32: resize them, and save them again"
    with pytest.raises(InputError, match=told):
        import_set(tmp_path, Claim("CIFAR10"))
    with pytest.raises(InputError, match=r"images of 3x64x64, but MNIST 1x28x28$"):
        import_set(tmp_path, Claim("MNIST"))


def test_where_programs_number_classes_otherwise_it_is_told(tmp_path: Path) -> None:
    pictures(tmp_path, "new{0:03d}/class{0:03d}_id{1:03d}.jpg", PIXELS, LABELS)
    made, remarks = import_set(tmp_path, Claim("ImageWoof"))
    assert torch.equal(made.labels, LABELS)
    told = "0 is n02096294, Australian terrier; programs that sort them begin with n02086240"
    assert any(told in remark for remark in remarks)
    for dataset in ("ImageNette", "CIFAR10"):  # in which there is one order
        assert not any("sort" in remark for remark in import_set(tmp_path, Claim(dataset))[1])


@pytest.mark.parametrize("path", ["FKD", "FKD/epoch_0", "FKD/epoch_0/batch_0.tar"])
def test_labels_of_every_batch_say_what_they_are(path: str, run: Run, tmp_path: Path) -> None:
    folder = Path("FKD/epoch_0")
    folder.mkdir(parents=True)
    boxes, flips, order = torch.rand(4, 4), torch.rand(4) > 0.5, torch.randperm(4)
    batch = [boxes, flips, order, 0.7, [1, 2, 3, 4], torch.randn(4, 10).half()]
    torch.save(batch, folder / "batch_0.tar")
    said = run(f"import {path} --out made")
    assert said.code == 2
    assert "holds labels of every batch, as SRe2L keeps them (FKD), and no images" in said.err
    assert "--labels on-the-fly --models-pool MODEL" in said.err
    assert not (tmp_path / "made").exists()


def test_labels_and_rate_of_datm(run: Run, tmp_path: Path) -> None:
    folder = Path("logged_files/CIFAR10/2/ConvNet/Normal")
    folder.mkdir(parents=True)
    logits = torch.randn(20, 10, generator=Key(2).generator()) * 3
    torch.save(torch.randn(20, 3, 32, 32, generator=Key(3).generator()), folder / "images_best.pt")
    torch.save(logits, folder / "labels_best.pt")
    torch.save(torch.tensor(0.0123), folder / "lr_best.pt")
    said = run(f"import {folder} --dataset CIFAR10 --out made")
    assert said.code == 0, said.err
    made = load(tmp_path / "made")
    torch.testing.assert_close(made.labels, logits.softmax(1))
    assert made.facts["learning_rate"] == pytest.approx(0.0123)


@pytest.mark.parametrize(
    ("path", "method", "protocol"),
    [
        ("result/images_DC_CIFAR10_1_best.pt", "DC", "dc"),  # as DD-Ranking has them
        ("baselines/DM/CIFAR10/IPC2/images.pt", "DM", "dsa"),
        ("baselines/DATM/CIFAR10/IPC2/images.pt", "DATM", "dsa"),
        ("DC-DSA-DM/images_best.pt", "trajectory matching", "dsa"),
    ],
)
def test_images_beside_labels_are_of_the_method_that_is_named(
    path: str, method: str, protocol: str, run: Run
) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True)
    torch.save(PIXELS, file)
    torch.save(LABELS, file.with_name(file.name.replace("images", "labels")))
    facts = import_set(file, Claim("CIFAR10"))[0].facts
    assert (facts["method"], facts["protocol"]) == (method, protocol)


def test_a_learning_rate_by_one_word_is_kept(tmp_path: Path) -> None:
    files = {"images": PIXELS, "labels": LABELS, "synlr": torch.tensor(0.02)}
    for name, value in files.items():
        torch.save(value, tmp_path / f"{name}_5000.pt")
    made, _ = import_set(tmp_path / "images_5000.pt")
    assert made.facts["learning_rate"] == pytest.approx(0.02)


def test_a_folder_without_any_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no data\.pt, nor snapshots such as data_20000"):
        import_set(tmp_path, Claim("CIFAR10"), format="idc")


@pytest.mark.parametrize("by_class", [True, False])
def test_pictures_of_earlier_steps_are_no_more_images(by_class: bool, tmp_path: Path) -> None:
    images = torch.rand(4, 3, 16, 16, generator=Key(0).generator())
    for k, image in enumerate(images):
        place = tmp_path / f"new{k % 2:03d}" if by_class else tmp_path
        place.mkdir(exist_ok=True)
        for step in ("", "_iter0100", "_iter0200"):
            (place / f"class{k % 2:03d}_id{k:03d}{step}.png").write_bytes(encode(image))
    back, told = import_set(tmp_path)
    assert len(back) == 4
    assert "8 pictures of earlier steps left out" in told


@pytest.mark.parametrize(
    "names", ["X_syn y_syn", "images_syn labels_syn", "x_distilled y_distilled"]
)
def test_arrays_of_a_synthetic_set_in_a_folder(names: str, tmp_path: Path) -> None:
    image, label = names.split()
    np.save(tmp_path / f"{image}.npy", np.random.default_rng(0).random((10, 3, 16, 16), np.float32))
    np.save(tmp_path / f"{label}.npy", np.arange(10))
    assert import_set(tmp_path)[0].labels.tolist() == list(range(10))
