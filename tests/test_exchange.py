"""Sets travel: what is exported comes back, and what others saved is understood."""

import io
import json
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from conftest import blobs, take_apart
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import Domain, ImageSet, Unfold, convert
from datastill.datasets import load_split
from datastill.evaluation.validation import validate
from datastill.exchange import FORMATS, Claim, Reading, import_set, recognised
from datastill.exchange.base.appearance import Kind, look_at
from datastill.exchange.base.whitening import EPSILON, fit_whitening
from datastill.exchange.hub import push
from datastill.store import load, set_header
from datastill.store.files import save_tensors
from datastill.training.fit import Fit
from datastill.training.protocol import Protocol
from test_cli import Run, files, run

__all__ = ["run"]

WRITERS = [name for name in FORMATS.names if FORMATS[name].write is not None]
EXACT = [name for name in WRITERS if name != "folder"]
NAMES = ("T-shirt/top", "Ankle boot", "Ärmel", "..", *(f"class {k}" for k in range(8)))


def varied(channels: int = 3, *, soft: bool = False) -> ImageSet:
    """Make a set that a careless format would damage: names, order, a missing class, the range."""
    data = blobs(shape=(channels, 8, 6), classes=12, per_class=[2, 0, 1, 3, *[1] * 8])
    domain = replace(data.domain, classes=NAMES, mirror=False)
    images = data.images * 1.7
    labels = (F.one_hot(data.labels, 12) * 3.0 + data.images[:, 0, 0, :1]).softmax(1)
    facts = {"method": "DM", "seed": 3, "validated": [{"x": [1.5]}]}
    return ImageSet(images, labels if soft else data.labels, domain, facts)


def exported(data: ImageSet, name: str, folder: Path) -> Path:
    named, write = FORMATS[name].name, FORMATS[name].write
    assert named is not None
    assert write is not None
    write(data, folder / named(data))
    return folder / named(data)


def without_origin(data: ImageSet) -> dict[str, object]:
    return {name: value for name, value in data.facts.items() if name != "imported"}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("name", EXACT)
def test_what_is_exported_comes_back_bit_for_bit(
    name: str, soft: bool, channels: int, tmp_path: Path
) -> None:
    data = varied(channels, soft=soft)
    path = exported(data, name, tmp_path)
    assert recognised(path) == name
    back, remarks = import_set(path)
    assert remarks == ()
    assert torch.equal(back.images, data.images)
    assert torch.equal(back.labels, data.labels)
    assert back.domain == data.domain
    assert without_origin(back) == data.facts
    assert back.facts["imported"]["format"] == name


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_come_back_to_eight_bits(channels: int, zipped: bool, tmp_path: Path) -> None:
    data = varied(channels)
    path = exported(data, "folder", tmp_path / "out")
    if zipped:
        path = zipped_folder(path, tmp_path / "x.zip")
    back, _ = import_set(path)
    seen = data.domain.pixels(data.images).clamp(0, 1)
    assert float((back.domain.pixels(back.images) - seen).abs().max()) <= 0.5 / 255 + 1e-6
    assert torch.equal(back.labels, data.labels)
    assert back.domain == data.domain
    assert without_origin(back)["method"] == "DM"


def zipped_folder(folder: Path, file: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.writestr(prefix + path.relative_to(folder).as_posix(), path.read_bytes())
    return file


def test_folders_sorted_by_name_are_in_the_order_of_the_labels(tmp_path: Path) -> None:
    """Loaders that know nothing of the header count the folders as they are sorted."""
    data = replace(varied(), labels=torch.arange(14) % 12)
    folder = exported(data, "folder", tmp_path)
    for label, place in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        shown = {int(picture.stem) for picture in place.iterdir()}
        assert shown == set((data.labels == label).nonzero().flatten().tolist())


@pytest.mark.parametrize(
    ("classes", "places"),
    [
        (("ant", "bee", "cat"), ["ant", "bee", "cat"]),
        (("bee", "ant"), ["0_bee", "1_ant"]),
        (("T-shirt/top", "x"), ["0_T-shirt_top", "1_x"]),
        (("Cat", "cat"), ["0_Cat", "1_cat"]),
        (("test", "train"), ["0_test", "1_train"]),
        ((".a", "b"), ["0__a", "1_b"]),
        (("", "b"), ["0_", "1_b"]),
        (("a", "b" * 200), ["0_a", f"1_{'b' * 200}"]),
    ],
)
def test_folders_are_called_as_their_classes_where_they_can_be(
    classes: tuple[str, ...], places: list[str], tmp_path: Path
) -> None:
    data = blobs(classes=len(classes), per_class=2)
    data = replace(data, domain=replace(data.domain, classes=classes))
    folder = exported(data, "folder", tmp_path)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == places
    again, _ = import_set(folder)
    assert again.domain.classes == classes
    assert torch.equal(again.labels, data.labels)


def test_what_pictures_lose_is_said(tmp_path: Path) -> None:
    write = FORMATS["folder"].write
    assert write is not None
    inside = blobs(per_class=1)
    assert write(inside, tmp_path / "a") == (
        "pictures have 8 bits a channel: pixels are rounded to steps of 1/255",
    )
    pixels = inside.domain.pixels(inside.images)
    pixels[0, 0] = 1.25
    outside = replace(inside, images=inside.domain.normalise(pixels))
    told = write(outside, tmp_path / "b")[0]
    assert f"{64 / pixels.numel():.1%} of them, up to 0.25 outside 0 to 1, are cut" in told


@pytest.mark.parametrize("format", [f for f in FORMATS.names if FORMATS[f].name is not None])
@pytest.mark.parametrize("dataset", ["../../outside", "/outside", "..", "a/b", "a\\b", "\n"])
def test_what_a_set_says_of_its_dataset_leads_to_no_other_folder(format: str, dataset: str) -> None:
    data = blobs()
    hostile = replace(data, domain=replace(data.domain, name=dataset))
    name = FORMATS[format].name
    assert name is not None
    said = name(hostile)
    assert said == Path(said).name
    assert not set(said) & set("/\\\n")
    assert not said.startswith(".")


def test_pictures_have_one_or_three_channels(tmp_path: Path) -> None:
    data = blobs(shape=(2, 8, 8))
    for name in ("folder", "parquet"):
        with pytest.raises(InputError, match="1 or 3 channels; this set has 2"):
            exported(data, name, tmp_path)
    assert not files(tmp_path)


# DatasetCondensation.


def condensed(data: ImageSet, folder: Path, experiments: int = 1, model: str = "ConvNet") -> Path:
    """Save as the reference code does: a list of pairs, and accuracies as NumPy numbers."""
    file = folder / f"res_DSA_blobs_{model}_2ipc.pt"
    data_save = []
    for exp in range(experiments):
        image_syn = (data.images + exp).clone().requires_grad_(True)
        data_save.append([image_syn.detach().cpu(), data.labels.detach().cpu()])
    accs_all_exps = {model: [np.float64(0.5), np.float64(0.625)]}
    torch.save({"data": data_save, "accs_all_exps": accs_all_exps}, file)
    return file


def stated(data: ImageSet) -> Claim:
    mean, std = (",".join(map(repr, values)) for values in (data.domain.mean, data.domain.std))
    return Claim(normalised_with=f"{mean}/{std}")


def renamed_numpy(file: Path) -> None:
    """Make of a file what NumPy 1 would have written."""
    content = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in text
                text = text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            new.writestr(name, text)
    file.write_bytes(content.getvalue())


@pytest.mark.parametrize("numpy", [1, 2])
def test_a_set_saved_by_the_reference_code_validates_like_the_native_one(
    numpy: int, tmp_path: Path
) -> None:
    data = blobs(per_class=2)
    file = condensed(data, tmp_path)
    if numpy == 1:
        renamed_numpy(file)
    back, remarks = import_set(file, stated(data))
    assert torch.equal(back.images, data.images)
    assert torch.equal(back.labels, data.labels)
    assert back.facts["method"] == "DSA"
    assert back.facts["protocol"] == "dsa"
    assert back.facts["reported_accuracies"] == {"ConvNet": [0.5, 0.625]}
    assert any("taken as normalised by mean 0.5000 0.4500 0.4000" in told for told in remarks)
    protocol = Protocol("quick", Fit(epochs=4, batch=16, lr=0.02), augmentation="dsa")
    named = replace(back, domain=replace(back.domain, classes=data.domain.classes))
    native, imported = (
        validate(made, blobs("test"), "ConvNetD1W16", protocol, trials=2, key=Key(0))
        for made in (data, named)
    )
    assert native == imported


def test_an_experiment_is_chosen_and_said(tmp_path: Path) -> None:
    data = blobs(per_class=2)
    file = condensed(data, tmp_path, experiments=3)
    back, remarks = import_set(file, stated(data))
    assert torch.equal(back.images, data.images + 2)
    assert "it holds 3 sets of the same classes, experiments or snapshots" in remarks[0]
    assert "the last was taken" in remarks[0]
    back, remarks = import_set(file, stated(data), reading=Reading(experiment=0))
    assert torch.equal(back.images, data.images)
    assert not any("experiments" in told for told in remarks)
    with pytest.raises(InputError, match="holds 3 experiments; there is no number 3"):
        import_set(file, stated(data), reading=Reading(experiment=3))


@pytest.mark.parametrize("soft", [False, True])
def test_the_reference_code_reads_our_file(soft: bool, tmp_path: Path) -> None:
    data = varied(soft=soft)
    file = exported(data, "pt", tmp_path)
    assert file.name == "res_DM_blobs_ConvNet_3ipc.pt"
    ((images, labels),) = torch.load(file, map_location="cpu")["data"]
    assert torch.equal(images, data.images)
    assert torch.equal(labels, data.hard_labels)
    assert labels.dtype == torch.int64


# Trajectory matching.


def smooth(n: int, seed: int = 0, shape: tuple[int, int, int] = (3, 16, 16)) -> Tensor:
    """Draw pictures as nature does: little of every finer detail, and some bolder than others."""
    rng, side = Key(seed).generator(), shape[1]
    across, down = torch.fft.rfftfreq(side)[None], torch.fft.fftfreq(side)[:, None]
    detail = 1 / ((across.square() + down.square()).sqrt() + 1 / side)
    noise = torch.randn(n, *shape, generator=rng)
    images = torch.fft.irfft2(torch.fft.rfft2(noise) * detail, s=shape[1:])
    images = images * (0.8 * torch.randn(n, 1, 1, 1, generator=rng)).exp()
    return images / images.std()


def whitened(images: Tensor, real: Tensor) -> Tensor:
    """Whiten by the formula, another way than the code undoes it."""
    flat, mean = images.flatten(1).double(), real.flatten(1).double().mean(0)
    centred = real.flatten(1).double() - mean
    covariance = centred.T @ centred / (len(real) - 1)
    left, values, right = torch.linalg.svd(covariance)
    matrix = left @ torch.diag((values + EPSILON).rsqrt()) @ right
    return ((flat - mean) @ matrix).float().reshape(images.shape)


def test_whitening_is_undone() -> None:
    real = smooth(1200)
    images = smooth(20, seed=1)
    found = fit_whitening(real).undo(whitened(images, real))
    torch.testing.assert_close(found, images, atol=1e-4, rtol=1e-4)


def matched(folder: Path, images: Tensor, labels: Tensor, name: str = "best") -> Path:
    folder.mkdir(exist_ok=True)
    torch.save(images, folder / f"images_{name}.pt")
    torch.save(labels, folder / f"labels_{name.removeprefix('zca_')}.pt")
    return folder / f"images_{name}.pt"


def test_trajectory_matching_is_two_files(tmp_path: Path) -> None:
    data = load_split("digits", "train")
    data = data.take(torch.arange(30))
    file = matched(tmp_path / "digits", data.images, data.labels)
    torch.save(torch.tensor(0.02), tmp_path / "digits" / "lr_best.pt")
    for path in (file, file.parent):
        assert recognised(path) == "trajectory"
        back, remarks = import_set(path)
        assert torch.equal(back.images, data.images)
        assert torch.equal(back.labels, data.labels)
        assert back.domain == data.domain
        assert "taken as digits by its name" in remarks[0]
        assert back.facts["learning_rate"] == pytest.approx(0.02)
    (file.parent / "labels_best.pt").unlink()
    with pytest.raises(
        InputError, match=r"without labels; expected them beside it in labels_best.pt"
    ):
        import_set(file)


def test_a_whitened_set_becomes_pictures_again(tmp_path: Path) -> None:
    """Trajectory matching measures it on pixels, DataDAM on normalised images."""
    real = load_split("digits", "train")
    few, pixels = real.take(torch.arange(200)), real.domain.pixels(real.images)
    file = matched(tmp_path / "MTT", whitened(pixels[:200], pixels), few.labels)
    for claim in (Claim("digits", normalised_with="zca"), Claim("digits")):
        back, remarks = import_set(file, claim)
        torch.testing.assert_close(back.images, few.images, atol=1e-3, rtol=1e-3)
        told = "the whitening was undone, as measured on the pixels of 1347 training images"
        assert told in remarks
    assert any("look like whitened" in told for told in remarks)
    kept, _ = import_set(file, Claim("digits", normalised_with="digits"))
    assert torch.equal(kept.images, torch.load(file))
    other = tmp_path / "res_DataDAM_digits_ConvNet_20ipc_.pt"
    torch.save({"data": [[whitened(few.images, real.images), few.labels]]}, other)
    back, remarks = import_set(other, Claim(normalised_with="zca"))
    torch.testing.assert_close(back.images, few.images, atol=1e-3, rtol=1e-3)
    assert any("measured on the normalised images of 1347" in told for told in remarks)


def test_whitening_cannot_be_undone_without_its_images(tmp_path: Path) -> None:
    few, real = 0.1 * smooth(50), 0.1 * smooth(900, 1)
    file = matched(tmp_path, whitened(few, real), torch.arange(50) % 4)
    with pytest.raises(InputError, match=r"whitened: .* say by which dataset with --dataset"):
        import_set(file)
    colour = F.interpolate(torch.load(file), (32, 32))
    file = matched(tmp_path, colour, torch.arange(50) % 4)
    with pytest.raises(InputError, match="training images of CIFAR10 are needed"):
        import_set(file, Claim("CIFAR10", tmp_path, "zca"))


# IDC.


def test_idc_images_hold_several() -> None:
    pixels = torch.rand(5, 3, 7, 9, generator=Key(0).generator())
    found = Unfold(2)(pixels, (0.0,) * 3, (1.0,) * 3)
    filled = torch.full((5, 3, 8, 10), 0.5)
    filled[:, :, :7, :9] = pixels
    for i in range(5):
        for j, (top, left) in enumerate(((0, 0), (0, 5), (4, 0), (4, 5))):
            part = filled[i : i + 1, :, top : top + 4, left : left + 5]
            expected = F.interpolate(part, (7, 9), mode="bilinear", align_corners=False)
            torch.testing.assert_close(found[4 * i + j : 4 * i + j + 1], expected)


@pytest.mark.parametrize("said", [None, 3])
def test_idc_is_pixels_and_its_factor_is_found(said: int | None, tmp_path: Path) -> None:
    data = blobs(per_class=2)
    pixels = data.domain.pixels(data.images) + 0.05
    folder = tmp_path / "conv3in_grad_mse_factor2_ipc2"
    folder.mkdir()
    torch.save([pixels, data.labels], folder / "data.pt")
    back, remarks = import_set(folder / "data.pt", stated(data), reading=Reading(factor=said))
    factor = said or 2
    assert len(back) == 8 * factor**2
    assert torch.equal(back.labels, data.labels.repeat_interleave(factor**2))
    assert any(f"holds {factor**2} smaller ones" in told for told in remarks)
    expected = take_apart(pixels, factor, back.domain)
    torch.testing.assert_close(back.images, expected)  # the claim wins
    plain, _ = import_set(folder / "data.pt", Claim(normalised_with="none"))
    seen = plain.domain.pixels(plain.images)
    torch.testing.assert_close(seen, take_apart(pixels, 2), atol=1e-5, rtol=1e-5)


# NumPy.


def test_kip_archives_have_channels_last_and_scores(tmp_path: Path) -> None:
    data = blobs(per_class=3)
    scores = F.one_hot(data.labels, 4).float() - 0.25
    np.savez(
        tmp_path / "a.npz", images=data.images.movedim(1, 3).double().numpy(), labels=scores.numpy()
    )
    back, remarks = import_set(tmp_path / "a.npz", stated(data))
    assert torch.equal(back.images, data.images)
    assert torch.equal(back.labels, data.labels)
    assert any("each label is one class, on a scale of its own" in told for told in remarks)
    scores[0, 1] += 0.5
    np.savez(tmp_path / "a.npz", images=data.images.double().numpy(), labels=scores.numpy())
    back, remarks = import_set(tmp_path / "a.npz", stated(data))
    assert torch.equal(back.labels, data.labels)
    assert any("labels are scores" in told and "left out" in told for told in remarks)
    np.savez(tmp_path / "b.npz", image=(data.images[:, 0] * 0).numpy() + 0.5, label=data.labels)
    assert import_set(tmp_path / "b.npz")[0].images.shape == (12, 1, 8, 8)


def test_shares_stay_soft_and_one_hot_labels_become_hard(tmp_path: Path) -> None:
    data = varied(soft=True)
    for labels, expected in (
        (data.labels, data.labels),
        (F.one_hot(data.hard_labels, 12).float(), data.hard_labels),
        (data.hard_labels[:, None].float(), data.hard_labels),
        (data.hard_labels.to(torch.int32), data.hard_labels),
    ):
        np.savez(tmp_path / "a.npz", images=data.images.numpy(), labels=labels.numpy())
        assert torch.equal(import_set(tmp_path / "a.npz", stated(data))[0].labels, expected)


# Pictures and tables of others.


def pictures(folder: Path, classes: dict[str, int], mode: str = "RGB") -> Path:
    for name, level in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(2):
            picture = Image.new("RGB", (6, 5), (level, level // 2, 10 * i)).convert(mode)
            picture.save(folder / name / f"{i}.png")
    return folder


def test_a_folder_of_classes_gives_a_set(tmp_path: Path) -> None:
    back, remarks = import_set(pictures(tmp_path / "a", {"dog": 200, "cat": 100}))
    assert back.domain.classes == ("cat", "dog")
    assert back.labels.tolist() == [0, 0, 1, 1]
    pixels = back.domain.pixels(back.images)
    assert (pixels[2, :, 0, 0] * 255).round().tolist() == [200, 100, 0]
    torch.testing.assert_close(back.images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert remarks == ("the images look like bytes: whole numbers, values from 0.00 to 200.00",)


def test_classes_are_matched_by_name_not_by_the_order_of_folders(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for name, level in {"truck": 9, "Airplane": 3, "deer": 6}.items():
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (level,) * 3).save(folder / name / "0.png")
    back, _ = import_set(folder, Claim("CIFAR10"))
    found = (back.domain.pixels(back.images)[:, 0, 0, 0] * 255).round().tolist()
    assert dict(zip(back.labels.tolist(), found, strict=True)) == {0: 3, 4: 6, 9: 9}
    (folder / "truck").rename(folder / "lorry")
    with pytest.raises(InputError, match="CIFAR10 has no class 'lorry'; choose from airplane"):
        import_set(folder, Claim("CIFAR10"))


def test_numbered_folders_are_numbers_of_classes(tmp_path: Path) -> None:
    for k in (10, 9, 0):
        (tmp_path / "a" / str(k)).mkdir(parents=True)
        Image.new("RGB", (32, 32), (k,) * 3).save(tmp_path / "a" / str(k) / "0.png")
    back, _ = import_set(tmp_path / "a", Claim("CIFAR100"))
    levels = (back.domain.pixels(back.images)[:, 0, 0, 0] * 255).round().int()
    assert levels.tolist() == back.labels.tolist()


def test_a_zip_may_hold_the_folder_itself(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", {"dog": 200, "cat": 100})
    for prefix in ("", "my-set/"):
        back, _ = import_set(zipped_folder(folder, tmp_path / "x.zip", prefix))
        assert back.domain.classes == ("cat", "dog")


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA"])
def test_pictures_of_other_kinds(tmp_path: Path, mode: str) -> None:
    back, _ = import_set(pictures(tmp_path / "a", {"dog": 200, "cat": 100}, mode))
    assert back.domain.shape == ((1 if mode in ("L", "1") else 3), 5, 6)


def test_hugging_face_reads_our_parquet(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = varied(1, soft=True)
    for name in ("parquet", "hub"):
        path = exported(data, name, tmp_path)
        file = path / "data" / "train-00000-of-00001.parquet" if name == "hub" else path
        table = datasets.Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "cache"))
        rows = table.with_format("torch")
        assert torch.equal(rows["pixel_values"][:], data.images)
        assert torch.equal(rows["label"][:], data.hard_labels)
        assert torch.equal(rows["soft_label"][:], data.labels)
        assert table.features["label"].names == list(NAMES)
        seen = torch.from_numpy(np.array(table[3]["image"])).float() / 255
        expected = data.domain.pixels(data.images[3, 0:1])[0].clamp(0, 1)
        torch.testing.assert_close(seen, expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_our_parquet_beside_our_pictures_is_read_with_every_bit(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    data = varied(1)
    path = exported(data, "parquet", tmp_path)
    exported(data, "folder", path.parent)  # 000.png is called as a class is
    back, _ = import_set(path)
    assert back.images.equal(data.images)


@pytest.mark.parametrize("name", ["parquet", "hub"])
def test_tables_have_one_class_of_a_name(name: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    data = varied(1)
    twice = replace(data.domain, classes=(NAMES[1], *NAMES[1:]))
    with pytest.raises(InputError, match=r"2 classes are called .* export to npz or pt keeps them"):
        exported(replace(data, domain=twice), name, tmp_path)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_tables_of_others_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    shown = [Image.new("RGB", (6, 5), (k, k, k)) for k in (10, 20, 30)]
    features = datasets.Features(
        {"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=["owl", "ant", "bee"])}
    )
    table = datasets.Dataset.from_dict({"img": shown, "fine_label": [2, 0, 1]}, features=features)
    from pyarrow import parquet

    parquet.write_table(table.data.table, tmp_path / "a.parquet")
    back, _ = import_set(tmp_path / "a.parquet")
    assert back.domain.classes == ("owl", "ant", "bee")
    assert back.labels.tolist() == [2, 0, 1]
    levels = back.domain.pixels(back.images)[:, 0, 0, 0] * 255
    torch.testing.assert_close(levels, torch.tensor([10.0, 20, 30]), atol=1e-3, rtol=0)


def test_the_card_is_made_of_the_set(tmp_path: Path) -> None:
    path = exported(varied(), "hub", tmp_path)
    assert files(path) == {
        "README.md",
        "preview.png",
        "synthetic.safetensors",
        "data/train-00000-of-00001.parquet",
    }
    text = (path / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    front = {line.split(": ")[0]: json.loads(line.split(": ", 1)[1]) for line in head.splitlines()}
    assert front["task_categories"] == ["image-classification"]
    assert front["configs"][0]["data_files"][0]["path"] in files(path)
    assert "| method | DM |" in body
    assert "T-shirt/top" in body


class Hub:
    """A hub in a folder."""

    root: Path

    def create_repo(self, repo: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
        (self.root / repo).mkdir(parents=True, exist_ok=exist_ok)
        return f"hub:{repo_type}s/{repo}"

    def upload_folder(self, *, folder_path: Path, repo_id: str, repo_type: str) -> None:
        for name in files(folder_path):
            target = self.root / repo_id / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((folder_path / name).read_bytes())


def test_a_folder_is_pushed_and_comes_back(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datastill import save

    monkeypatch.setattr(Hub, "root", tmp_path / "hub", raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    data = varied()
    save(data, tmp_path / "a.safetensors")
    said = run("export a.safetensors --to hub --repo me/small")
    assert said.code == 0, said.err
    assert "pushed to hub:datasets/me/small" in said.out
    back, _ = import_set(tmp_path / "hub" / "me" / "small")
    assert torch.equal(back.images, data.images)
    assert torch.equal(back.labels, data.labels)


def test_a_hub_that_cannot_be_reached_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def create_repo(self, *_: object, **__: object) -> str:
            raise ConnectionError("no route to the hub\nand more lines")

    monkeypatch.setattr("huggingface_hub.HfApi", Away)
    with pytest.raises(
        InputError, match=r"could not push to me/x: no route to the hub; the folder"
    ):
        push(tmp_path, "me/x")


# What images look like.


@cache
def looks() -> list[tuple[str, Tensor]]:
    """Return images and what they look like; to whiten them takes a second."""
    rng = Key(3).generator()
    digits = load_split("digits", "train").images[:100]
    normalised = smooth(60)
    low, high = normalised.min(), normalised.max()
    pixels = (normalised - low) / (high - low)
    noisy = torch.randn(40, 3, 16, 16, generator=rng)
    return [
        ("normalised", normalised),
        ("normalised", digits),
        ("normalised", normalised + 0.3 * torch.randn(normalised.shape, generator=rng)),
        ("normalised", noisy),
        ("normalised", noisy * 0.95 + 0.2 * smooth(40)),
        ("pixels", pixels),
        ("pixels", pixels * 1.04 - 0.01),
        ("pixels", (pixels > 0.5).float()),
        ("bytes", (pixels * 255).round()),
        ("bytes", (pixels * 255).to(torch.uint8)),
        ("unclear", whitened(smooth(60), smooth(900, 5))),
        ("unclear", whitened(0.25 * smooth(60), 0.25 * smooth(900, 5))),
        ("whitened", whitened(0.1 * smooth(60), 0.1 * smooth(900, 5))),
        ("whitened", whitened(pixels, pixels)),
    ]


@pytest.mark.parametrize("number", range(14))
def test_kinds_are_told_apart(number: int) -> None:
    assert len(looks()) == 14
    kind, images = looks()[number]
    assert look_at(images).kind == kind, look_at(images).why


def test_flat_images_have_a_kind() -> None:
    for level in (0.0, 0.5, -3.0):
        assert look_at(torch.full((2, 1, 4, 4), level)).kind in get_args(Kind)
    assert look_at(torch.full((2, 1, 1, 1), -3.0)).kind in get_args(Kind)


# Claims.


def test_a_claim_overrides_what_was_guessed(tmp_path: Path) -> None:
    data = blobs(per_class=3)
    np.savez(tmp_path / "a.npz", images=data.images.numpy(), labels=data.labels.numpy())
    with pytest.raises(InputError, match=r"look like normalised.*say by which dataset"):
        import_set(tmp_path / "a.npz")
    back, _ = import_set(tmp_path / "a.npz", Claim(normalised_with="0.5,0.5,0.5/0.25,0.25,0.25"))
    assert back.domain.mean == (0.5,) * 3
    assert torch.equal(back.images, data.images)
    pixels, _ = import_set(tmp_path / "a.npz", Claim(normalised_with="none"))
    torch.testing.assert_close(pixels.domain.pixels(pixels.images), data.images)


def test_a_claim_overrides_an_export_too(tmp_path: Path) -> None:
    data = varied()
    file = exported(data, "npz", tmp_path)
    back, _ = import_set(file, Claim(normalised_with="0,0,0/1,1,1"))
    assert torch.equal(back.images, data.images)
    assert back.domain.std == (1.0,) * 3


def test_a_dataset_gives_normalisation_and_classes(tmp_path: Path) -> None:
    images = torch.rand(20, 3, 32, 32, generator=Key(0).generator())
    np.savez(tmp_path / "my_cifar100_set.npz", images=images.numpy(), labels=np.arange(20))
    back, remarks = import_set(tmp_path / "my_cifar100_set.npz")
    assert back.domain.name == "CIFAR100"
    assert remarks[0] == "taken as CIFAR100 by its name; --dataset says otherwise"
    torch.testing.assert_close(back.domain.pixels(back.images), images)
    with pytest.raises(InputError, match="label 19 is outside the classes 0 to 9"):
        import_set(tmp_path / "my_cifar100_set.npz", Claim("CIFAR10"))
    with pytest.raises(InputError, match="images of 3x32x32, but digits 1x8x8"):
        import_set(tmp_path / "my_cifar100_set.npz", Claim("digits"))


def test_a_dataset_of_many_sizes_is_known_without_its_files(tmp_path: Path) -> None:
    images = torch.rand(10, 3, 64, 64, generator=Key(0).generator())
    np.savez(tmp_path / "a.npz", images=images.numpy(), labels=np.arange(10))
    back, _ = import_set(tmp_path / "a.npz", Claim("imagenette"))
    assert (back.domain.name, back.domain.shape) == ("ImageNette-64", (3, 64, 64))
    assert "tench" in back.domain.classes
    torch.testing.assert_close(back.domain.pixels(back.images), images)
    assert back.facts["data"]["dataset"] == "ImageNette"
    assert back.facts["data"]["size"] == (64, 64)


def test_a_set_may_imitate_ones_own_images(run: Run, tmp_path: Path) -> None:
    real = load_split("digits", "train").take(torch.arange(200))
    pixels = real.domain.pixels(real.images)
    kinds = np.array(["plum", "fig"])[(real.labels > 4).long().numpy()]
    np.savez(tmp_path / "own.npz", images=(255 * pixels).byte().numpy(), labels=kinds)
    np.savez(tmp_path / "made.npz", images=pixels[:20].numpy(), labels=np.arange(20) % 2)
    said = run("import made.npz --dataset ./own.npz --out made")
    assert said.code == 0, said.err
    back = load(tmp_path / "made")
    assert back.domain.classes == ("fig", "plum")
    torch.testing.assert_close(back.domain.pixels(back.images), pixels[:20])
    said = run("validate made --model MLP --epochs 1 --num-eval 1 --against random")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0.5/0.2", "not a mean and a std above 0 for 3 channels"),
        ("a,b,c/1,1,1", "is not MEAN"),
        ("0,0,0/1,0,1", "not a mean and a std above 0"),
        ("0,0,0/1,nan,1", "not a mean and a std above 0"),
        ("CIFAR11", "no dataset named 'CIFAR11'"),
    ],
)
def test_claims_that_make_no_sense(text: str, complaint: str, tmp_path: Path) -> None:
    data = blobs(per_class=1)
    np.savez(tmp_path / "a.npz", images=data.images.numpy(), labels=data.labels.numpy())
    with pytest.raises(InputError, match=complaint):
        import_set(tmp_path / "a.npz", Claim(normalised_with=text))


# The command line.


def test_a_set_goes_out_and_comes_back_by_the_command_line(run: Run, tmp_path: Path) -> None:
    from datastill import load, save

    digits = load_split("digits", "train").take(torch.arange(60))
    save(replace(digits, facts={"method": "DM"}), tmp_path / "a.safetensors")
    for name in WRITERS:
        said = run(f"export a.safetensors --to {name}")
        assert said.code == 0, said.err
        path = Path(said.out.splitlines()[0].split(" in ")[1])
        said = run(f"import {path} --out back/{name}")
        assert said.code == 0, said.err
        assert "60 images of digits" in said.out
        back = load(tmp_path / "back" / name)
        torch.testing.assert_close(back.images, digits.images, atol=0.01, rtol=0)
        assert files(tmp_path / "back" / name) == {
            "synthetic.safetensors",
            "preview.png",
            "settings.json",
        }
        again = run(f"import {path} --out back/{name}")
        assert again.code == 2
        assert "this very run is in" in again.err
        again = run(f"export a.safetensors --to {name}")
        assert again.code == 2
        assert "is there" in again.err
    said = run("validate back/pt --model MLP --epochs 1 --num-eval 1")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("export", "name a set by its path, or by --dataset"),
        ("export nowhere", "no image set at nowhere"),
        ("export a.safetensors --to gif", "--to takes folder, hub, npz, parquet, pt or one's own"),
        ("export a.safetensors --repo me/x", "have a meaning with --to hub only"),
        ("export a.safetensors --to npz --out /proc/nowhere/x.npz", "cannot write to /proc"),
        ("export a.safetensors --to folder --out /proc/nowhere/x", "cannot write to /proc"),
        ("export a.safetensors --to npz --out .", "is a folder; --to npz writes a file"),
        ("export a.safetensors --to folder --out .", "a folder is never replaced"),
        ("import", "datastill import needs PATH: File or folder"),
        ("import nowhere.npz", "nothing at nowhere.npz"),
        ("import a.safetensors", "is a set of datastill's own"),
        ("import a.safetensors --format npz", "needs no import: datastill validate a.safe"),
        ("import a.safetensors --format trajectory", "is a set of datastill's own"),
        ("import a.safetensors --format idc --factor 0", "--factor must be above zero"),
        ("import a.safetensors --format pt --experiment -1", "--experiment counts from 0"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    run: Run, tmp_path: Path, line: str, complaint: str
) -> None:
    from datastill import save

    save(blobs(per_class=1), tmp_path / "a.safetensors")
    said = run(line)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == {"a.safetensors"}


def test_the_command_for_an_own_set_is_one_that_a_shell_takes(tmp_path: Path) -> None:
    from datastill import save

    save(blobs(per_class=1), tmp_path / "my set.safetensors")
    with pytest.raises(InputError, match=r"datastill validate '.*/my set.safetensors'$"):
        import_set(tmp_path / "my set.safetensors")


@pytest.mark.parametrize("where", ["condensed", "condensed/dots", "condensed/dots/DM"])
def test_previews_of_own_sets_are_no_pictures_of_another(tmp_path: Path, where: str) -> None:
    from datastill import save
    from datastill.report.preview import write_preview

    place = tmp_path / "condensed" / "dots" / "DM" / "IPC1"
    save(blobs(per_class=1), place / "synthetic.safetensors")
    write_preview(blobs(per_class=1), place / "preview.png")
    with pytest.raises(InputError, match=r"holds sets of datastill's own, such as .*/DM/IPC1, wh"):
        import_set(tmp_path / where)


def test_an_empty_set_is_not_exported(run: Run, tmp_path: Path) -> None:
    data = blobs().take(torch.arange(0))  # `save` refuses it; somebody else wrote it
    tensors = {"images": data.images, "labels": data.labels}
    save_tensors(tensors, set_header(data), tmp_path / "a.safetensors")
    said = run("export a.safetensors --to npz")
    assert "the set holds no images" in said.err


def test_another_domain_is_kept_whole(tmp_path: Path) -> None:
    """A set of a dataset that is not registered travels with its own classes and normalisation."""
    domain = Domain("mine", (3, 8, 6), NAMES, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), mirror=False)
    data = varied()
    mine = ImageSet(convert(data.images, data.domain, domain), data.labels, domain)
    assert import_set(exported(mine, "npz", tmp_path))[0].domain == domain
