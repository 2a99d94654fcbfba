"""What other projects save: names, lists, logits, pickles and folders, each as it was meant."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from conftest import blobs, take_apart
from datastill import load
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import Domain
from datastill.data.pixels import Pixels
from datastill.datasets import load_split
from datastill.datasets.cifar import CIFAR10
from datastill.evaluation.validation import validate
from datastill.exchange import Claim, Reading, import_set, recognised
from datastill.training.fit import Fit
from datastill.training.protocol import Protocol
from test_cli import Run, run
from test_exchange import smooth, whitened, zipped_folder

__all__ = ["run"]

FASHION = Domain("FashionMNIST", (1, 28, 28), tuple(map(str, range(10))), (0.2861,), (0.353,))


def images(n: int = 20, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0) -> Tensor:
    return smooth(n, seed, shape)


def labels(n: int = 20, classes: int = 10) -> Tensor:
    return torch.arange(n) % classes


def condensed(path: Path, *sets: tuple[Tensor, Tensor]) -> Path:
    torch.save({"data": [list(pair) for pair in sets], "accs_all_exps": {"ConvNet": []}}, path)
    return path


def logits(n: int = 20, classes: int = 10) -> Tensor:
    scores = 2 * torch.randn(n, classes, generator=Key(1).generator())
    scores[torch.arange(n), labels(n, classes)] = scores.max(1).values + 1
    return scores


# Names.


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("res_DC_BreastMNIST_ConvNet_10ipc.pt", (1, 28, 28)),
        ("res_DM_KMNIST_ConvNet_2ipc.pt", (1, 28, 28)),
        ("res_DM_PathMNIST_ConvNet_2ipc.pt", (3, 28, 28)),
        ("res_DM_Kuzushiji-MNIST_ConvNet_2ipc.pt", (1, 28, 28)),
        ("res_DM_MNIST-M_ConvNet_2ipc.pt", (1, 28, 28)),
        ("res_DM_mnist-rot_ConvNet_2ipc.pt", (1, 28, 28)),
        ("res_DM_CINIC10_ConvNet_2ipc.pt", (3, 32, 32)),
    ],
)
def test_a_part_of_a_word_names_no_dataset(
    name: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    file = condensed(tmp_path / name, (images(shape=shape), labels()))
    with pytest.raises(InputError, match="say by which dataset with --dataset"):
        import_set(file)
    back, remarks = import_set(
        file, Claim(normalised_with="0.3/0.2" if shape[0] == 1 else "CIFAR10")
    )
    assert back.domain.name == "imported"
    assert not any("by its name" in told for told in remarks)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("res_DM_fashion-mnist_ConvNet_2ipc.pt", "FashionMNIST"),
        ("fashion_mnist.ipc2.pt", "FashionMNIST"),
        ("runs/FashionMNIST/IPC2/images.pt", "FashionMNIST"),
        ("mnist-ipc2.pt", "MNIST"),
    ],
)
def test_whole_words_name_a_dataset(
    place: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path(place)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.name == "images.pt":
        torch.save(images(shape=(1, 28, 28)), file)
        torch.save(labels(), file.with_name("labels.pt"))
    else:
        condensed(file, (images(shape=(1, 28, 28)), labels()))
    back, remarks = import_set(file)
    assert back.domain.name == name
    assert f"taken as {name} by its name; --dataset says otherwise" in remarks


@pytest.mark.parametrize(
    ("name", "shape", "classes", "fault"),
    [
        ("usps_digits.npz", (1, 16, 16), 10, "digits, but its images are 1x16x16"),
        ("mnist_colour.npz", (3, 28, 28), 10, "MNIST, but its images are 3x28x28"),
        ("my_mnist.npz", (1, 28, 28), 11, "MNIST, but a label is 10"),
        ("mnist_to_fashionmnist.npz", (1, 28, 28), 10, "MNIST and FashionMNIST"),
    ],
)
def test_a_name_that_the_set_contradicts_is_dropped_and_said(
    name: str, shape: tuple[int, int, int], classes: int, fault: str, tmp_path: Path
) -> None:
    pixels = torch.rand(22, *shape, generator=Key(0).generator())
    np.savez(tmp_path / name, images=pixels.numpy(), labels=labels(22, classes).numpy())
    back, remarks = import_set(tmp_path / name)
    assert back.domain.name == "imported"
    assert any(fault in told and "not taken" in told for told in remarks)
    np.savez(tmp_path / name, images=images(22, shape).numpy(), labels=labels(22, classes).numpy())
    with pytest.raises(InputError, match=r"say by which dataset.*not taken"):
        import_set(tmp_path / name)


@pytest.mark.parametrize(
    ("place", "factor"),
    [
        ("conv_factor2_ipc10/data.pt", 2),
        ("conv_factor-3/data.pt", 3),
        ("factor2/runs/data.pt", 1),
        ("xfactor2/data.pt", 1),
        ("benefactor2000/data.pt", 1),
        ("run_factor99/data.pt", 1),
    ],
)
def test_a_factor_is_a_word_of_the_file_or_its_folder(
    place: str, factor: int, tmp_path: Path
) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    torch.save([torch.rand(6, 3, 12, 12, generator=Key(0).generator()), labels(6)], file)
    back, remarks = import_set(file)
    assert len(back) == 6 * factor**2
    assert any("taken as they are" in told for told in remarks) == ("99" in place)


# Lists of sets.


def test_steps_of_different_classes_are_one_set(tmp_path: Path) -> None:
    whole, classes = images(40), torch.arange(40) // 4
    parts = [(whole[k : k + 8], classes[k : k + 8]) for k in range(0, 40, 8)]
    file = condensed(tmp_path / "cl_res_DSA_CIFAR10_ConvNet_4ipc_5steps_seed0.pt", *parts)
    back, remarks = import_set(file)
    assert torch.equal(back.images, whole)
    assert torch.equal(back.labels, classes)
    assert any("5 sets of different classes, the steps of one: put together" in r for r in remarks)
    one, _ = import_set(file, reading=Reading(experiment=1))
    assert torch.equal(one.images, whole[8:16])


@pytest.mark.parametrize("wrapped", [True, False])
def test_of_snapshots_the_last_is_taken(wrapped: bool, tmp_path: Path) -> None:
    entries = [[images() + 0.3 * k, labels()] for k in range(4)]
    torch.save({"data": entries} if wrapped else entries, tmp_path / "res_DM_CIFAR10_a.pt")
    back, remarks = import_set(tmp_path / "res_DM_CIFAR10_a.pt")
    assert torch.equal(back.images, entries[-1][0])
    assert any("4 sets of the same classes" in r and "the last was taken" in r for r in remarks)


def test_parts_of_a_set_are_put_together(tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    for k in range(3):
        torch.save(images(8, seed=k), folder / f"images_best_{k}.pt")
        torch.save(labels(8), folder / f"labels_best_{k}.pt")
    back, remarks = import_set(folder)
    assert torch.equal(back.images, torch.cat([images(8, seed=k) for k in range(3)]))
    assert any("3 parts of a set: put together" in told for told in remarks)
    one, remarks = import_set(folder / "images_best_1.pt")
    assert len(one) == 8
    assert any("it is one of 3 parts; name their folder" in told for told in remarks)


def test_of_files_numbered_by_updates_the_last_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    for k in (0, 500, 1000):
        torch.save(images(seed=k), folder / f"images_{k}.pt")
        torch.save(labels(), folder / f"labels_{k}.pt")
    back, remarks = import_set(folder)
    assert torch.equal(back.images, images(seed=1000))
    assert any("the last was taken, images_1000.pt" in told for told in remarks)
    torch.save(images(seed=7), folder / "images_best.pt")
    torch.save(labels(), folder / "labels_best.pt")
    assert torch.equal(import_set(folder)[0].images, images(seed=7))


def test_numbered_files_of_different_classes_are_parts(tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    for k in range(5):
        torch.save(images(4, seed=k), folder / f"images_{k}.pt")
        torch.save(2 * k + labels(4, 2), folder / f"labels_{k}.pt")
    back, _ = import_set(folder)
    assert torch.equal(back.images, torch.cat([images(4, seed=k) for k in range(5)]))
    assert sorted(set(back.labels.tolist())) == list(range(10))
    _, remarks = import_set(folder / "images_3.pt")
    assert any("it is one of 5 parts" in told for told in remarks)


def test_averages_of_ftd_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "ema_logged_files" / "CIFAR10" / "run-1"
    folder.mkdir(parents=True)
    torch.save(images(), folder / "ema_images_best.pt")
    torch.save(labels(), folder / "ema_labels_best.pt")
    torch.save(images(seed=1), folder / "ema_images_500.pt")
    torch.save(labels(), folder / "ema_labels_500.pt")
    for path in (folder, folder / "ema_images_best.pt"):
        back, _ = import_set(path)
        assert torch.equal(back.images, images())
        assert back.domain.name == "CIFAR10"


def test_only_data_pt_is_of_idc(tmp_path: Path) -> None:
    assert recognised(saved_as(tmp_path / "data.pt")) == "idc"
    assert recognised(saved_as(tmp_path / "data_best.pt")) == "idc"
    for name in ("dataset_cifar10.pt", "database.pt", "data-cifar10.pt"):
        file = saved_as(tmp_path / name)
        assert recognised(file) == "pt"
        assert "method" not in import_set(file)[0].facts


def saved_as(path: Path) -> Path:
    torch.save([torch.rand(20, 3, 32, 32, generator=Key(0).generator()), labels()], path)
    return path


def test_several_sets_in_a_folder_are_named(tmp_path: Path) -> None:
    for k in (1, 10):
        torch.save(images(), tmp_path / f"CIFAR10_IPC{k}_images.pt")
        torch.save(labels(), tmp_path / f"CIFAR10_IPC{k}_labels.pt")
    with pytest.raises(InputError, match="holds several sets; name the file of one: CIFAR10_IPC10"):
        import_set(tmp_path)
    back, _ = import_set(tmp_path / "CIFAR10_IPC1_images.pt")
    assert torch.equal(back.images, images())
    assert back.domain.name == "CIFAR10"


# What numbers are.


@pytest.mark.parametrize("method", ["DC", "DSA", "DM"])
def test_normalised_files_keep_every_value(method: str, tmp_path: Path) -> None:
    """Noise with heavy tails looks whitened, pixels like pixels; the name knows better."""
    rng = Key(0).generator()
    odd = torch.randn(10, 1, 28, 28, generator=rng)
    heavy = odd * torch.rand(10, 1, 28, 28, generator=rng).pow(3) * 20
    for values in (heavy, 0.2 * images(10, (1, 28, 28)), odd.abs().clamp(0, 1)):
        file = condensed(tmp_path / f"res_{method}_FashionMNIST_MLP_1ipc.pt", (values, labels(10)))
        back, _ = import_set(file)
        assert torch.equal(back.images, values)


def test_statistics_that_cannot_tell_change_nothing(tmp_path: Path) -> None:
    heavy = torch.randn(10, 1, 8, 8, generator=Key(0).generator()).pow(3)
    for name in ("images_best.pt", "digits.npz"):
        if name.endswith("npz"):
            np.savez(tmp_path / name, images=heavy.numpy(), labels=labels(10).numpy())
        else:
            torch.save(heavy, tmp_path / name)
            torch.save(labels(10), tmp_path / "labels_best.pt")
        with pytest.raises(InputError, match="say which by --normalised-with"):
            import_set(tmp_path / name, Claim("digits"))
        back, _ = import_set(tmp_path / name, Claim("digits", normalised_with="digits"))
        assert torch.equal(back.images, heavy)


def test_narrow_images_are_not_taken_as_normalised(tmp_path: Path) -> None:
    """Pictures whitened on pixels have neighbours that agree, as normalised ones do."""
    pixels = smooth(600, 0, (3, 12, 12)).mul(0.2).add(0.5).clamp(0, 1)
    narrow = whitened(pixels[:20], pixels)
    torch.save({"images": narrow, "labels": labels()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="look like whitened"):
        import_set(tmp_path / "a.pt")


def test_images_zca_are_pixels_by_their_name(tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    pixels = (0.5 + 0.4 * images()).clamp(-0.6, 1.6)
    torch.save(pixels, folder / "images_zca_best.pt")
    torch.save(labels(), folder / "labels_best.pt")
    back, _ = import_set(folder / "images_zca_best.pt")
    torch.testing.assert_close(CIFAR10.pixels(back.images), pixels, atol=1e-5, rtol=1e-5)
    torch.save(0.2 * images(), folder / "images_best.pt")
    for path in (folder, folder / "images_best.pt"):
        for claim in (Claim(), Claim(normalised_with="zca")):
            back, remarks = import_set(path, claim)
            torch.testing.assert_close(CIFAR10.pixels(back.images), pixels, atol=1e-5, rtol=1e-5)
            assert any("images_zca_best.pt beside it" in told for told in remarks)


def test_a_name_with_zca_says_that_images_are_whitened(tmp_path: Path) -> None:
    real = load_split("digits", "train")
    pixels = real.domain.pixels(real.images)
    few = whitened(pixels[:200], pixels)
    np.savez(tmp_path / "digits_zca.npz", images=few.numpy(), labels=real.labels[:200].numpy())
    with pytest.raises(InputError, match="say --normalised-with zca-pixels"):
        import_set(tmp_path / "digits_zca.npz")
    back, _ = import_set(tmp_path / "digits_zca.npz", Claim(normalised_with="zca-pixels"))
    torch.testing.assert_close(back.images, real.images[:200], atol=1e-3, rtol=1e-3)


def test_a_list_of_normalised_images_is_not_of_pixels(tmp_path: Path) -> None:
    for name in ("data.pt", "data1.pt", "syn.pt"):
        torch.save([images(), labels()], tmp_path / name)
        with pytest.raises(InputError, match="say by which dataset"):
            import_set(tmp_path / name)
        back, remarks = import_set(tmp_path / name, Claim("CIFAR10"))
        assert torch.equal(back.images, images())
        assert any("taken as normalised" in told for told in remarks)


# Labels.


@pytest.mark.parametrize("rate", [True, False])
def test_logits_of_datm_stay_soft(rate: bool, tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    torch.save(images(), folder / "images_best.pt")
    torch.save(logits(), folder / "labels_best.pt")
    if rate:
        torch.save(torch.tensor(0.0123), folder / "lr_best.pt")
    back, remarks = import_set(folder)
    torch.testing.assert_close(back.labels, logits().softmax(1))
    assert "labels are logits: their softmax was taken, as soft labels" in remarks
    assert back.facts.get("learning_rate") == (pytest.approx(0.0123) if rate else None)


@pytest.mark.parametrize(
    "lr", [0.02, np.float64(0.02), torch.tensor([0.02]), {"lr": torch.tensor(0.02)}]
)
def test_a_learning_rate_of_any_kind_is_kept(lr: object, tmp_path: Path) -> None:
    folder = tmp_path / "DATM" / "CIFAR10"
    folder.mkdir(parents=True)
    torch.save(images(), folder / "images.pt")
    torch.save(labels(), folder / "labels.pt")
    torch.save(lr, folder / "lr.pt")
    for path in (folder, folder / "images.pt"):
        assert recognised(path) == "trajectory"
        assert import_set(path)[0].facts["learning_rate"] == pytest.approx(0.02)
    torch.save({"images": images(), "labels": logits(), "syn_lr": lr}, tmp_path / "cifar10.pt")
    back, _ = import_set(tmp_path / "cifar10.pt")
    assert back.facts["learning_rate"] == pytest.approx(0.02)
    assert back.labels.ndim == 2


@pytest.mark.parametrize("lr", [{"lr_img": 0.1}, {"lr": 0.1, "momentum": 0.5}, {}])
def test_a_table_of_other_things_is_no_learning_rate(lr: object, tmp_path: Path) -> None:
    torch.save({"images": images(), "labels": labels(), "lr": lr}, tmp_path / "cifar10.pt")
    with pytest.raises(InputError, match="the learning rate is a dictionary, expected one number"):
        import_set(tmp_path / "cifar10.pt")


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_labels_may_come_before_images(wrapped: bool, soft: bool, tmp_path: Path) -> None:
    said = F.softmax(logits(), 1) if soft else labels()
    pair = [said, images()]
    torch.save({"data": [pair]} if wrapped else pair, tmp_path / "res_DM_CIFAR10_x.pt")
    back, _ = import_set(tmp_path / "res_DM_CIFAR10_x.pt")
    assert torch.equal(back.images, images())
    assert torch.allclose(back.labels, said)


def test_a_text_pickle_that_wants_code_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"cbuiltins\neval\n(V1\ntR.")
    with pytest.raises(InputError, match=r"asks for builtins\.eval"):
        import_set(tmp_path / "a.pkl")


def test_sets_that_grow_are_not_said_to_be_of_the_same_classes(tmp_path: Path) -> None:
    grown = [(images()[:n], torch.arange(n) // 4) for n in (8, 20)]
    back, remarks = import_set(condensed(tmp_path / "cl_res_DM_CIFAR10_ConvNet_4ipc.pt", *grown))
    assert len(back.images) == 20
    assert any("2 sets of overlapping classes" in told for told in remarks)


def test_a_learning_rate_below_zero_is_left_out_and_said(tmp_path: Path) -> None:
    table = {"images": images(), "labels": labels(), "lr": -0.5}
    torch.save(table, tmp_path / "cifar10.pt")
    back, remarks = import_set(tmp_path / "cifar10.pt")
    assert "learning_rate" not in back.facts
    assert any("-0.5, is not above zero: left out" in told for told in remarks)


def test_one_class_on_another_scale_is_one_class(tmp_path: Path) -> None:
    folder = tmp_path / "CIFAR10"
    folder.mkdir()
    torch.save(images(), folder / "images_best.pt")
    torch.save(F.one_hot(labels()) - 0.1, folder / "labels_best.pt")
    assert torch.equal(import_set(folder)[0].labels, labels())


# Dictionaries and pickles.


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images", "labels"),
        ("image", "label"),
        ("x", "y"),
        ("data", "targets"),
        ("image_syn", "label_syn"),
        ("syn_images", "syn_labels"),
        ("distilled_images", "distilled_labels"),
        ("X_syn", "Y_syn"),
    ],
)
@pytest.mark.parametrize("kind", ["pt", "pkl", "safetensors", "npz"])
def test_dictionaries_by_many_names(image: str, label: str, kind: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file, table = tmp_path / f"cifar10.{kind}", {image: images(), label: labels()}
    match kind:
        case "pt":
            torch.save({**table, "epoch": 3}, file)
        case "pkl":
            file.write_bytes(pickle.dumps(OrderedDict(table)))
        case "npz":
            np.savez(file, **{name: tensor.numpy() for name, tensor in table.items()})  # pyright: ignore[reportArgumentType]
        case _:
            save_file(table, file)
    back, _ = import_set(file)
    assert torch.equal(back.images, images())
    assert torch.equal(back.labels, labels())


def test_a_dictionary_of_classes(tmp_path: Path) -> None:
    torch.save({k: images(3, seed=k) for k in (2, 0, 1)}, tmp_path / "cifar10.pt")
    back, _ = import_set(tmp_path / "cifar10.pt")
    assert torch.equal(back.images, torch.cat([images(3, seed=k) for k in range(3)]))
    assert back.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("kind", ["tensors", "parameters", "arrays", "lists"])
def test_pickles_of_idm_are_read(kind: str, protocol: int, tmp_path: Path) -> None:
    pair = {
        "tensors": (images(), labels()),
        "parameters": (torch.nn.Parameter(images(), requires_grad=False), labels()),
        "arrays": (images().numpy(), labels().numpy()),
        "lists": (list(images()), labels().tolist()),
    }[kind]
    file = tmp_path / "acc_0.4866.pkl"
    file.write_bytes(pickle.dumps(pair, protocol=protocol))
    back, _ = import_set(file, Claim("CIFAR10"))
    assert torch.equal(back.images, images())
    assert torch.equal(back.labels, labels())


def test_arrays_are_read_in_any_order_and_from_old_numpy(tmp_path: Path) -> None:
    array = images().numpy()
    for odd in (np.asfortranarray(array), array.astype(">f4"), array.astype(np.float64)):
        content = pickle.dumps((odd, labels().numpy()), protocol=2)
        old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        (tmp_path / "a.pkl").write_bytes(old)
        assert torch.equal(import_set(tmp_path / "a.pkl", Claim("CIFAR10"))[0].images, images())
        torch.save({"images": odd, "labels": labels().numpy()}, tmp_path / "b.pt")
        assert torch.equal(import_set(tmp_path / "b.pt", Claim("CIFAR10"))[0].images, images())


class Outside:
    """Pickles as a tensor that reaches beyond its numbers."""

    def __reduce__(self) -> tuple[object, ...]:
        storage = torch.zeros(4).storage()  # pyright: ignore[reportDeprecated]
        return torch._utils._rebuild_tensor_v2, (  # pyright: ignore
            *(storage, 0, (20, 3, 32, 32), (3072, 1024, 32, 1), False, OrderedDict()),
        )


@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_tensors_outside_of_their_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps((Outside(), labels())))
    with pytest.raises(InputError, match="the images are no tensor"):
        import_set(tmp_path / "a.pkl")


class Call:
    """Pickles as a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


class Hidden(Call):
    """Pickles as numbers of a tensor that hold another pickle, which calls a function."""

    def __reduce__(self) -> tuple[object, ...]:
        content = io.BytesIO()
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, Call(self.mark)):
            pickle.dump(part, content, protocol=2)
        return torch.storage._load_from_bytes, (content.getvalue(),)  # pyright: ignore[reportPrivateUsage]


def test_a_payload_inside_of_a_tensor_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps((Hidden(mark), labels())))
    with pytest.raises(InputError):
        import_set(tmp_path / "a.pkl")
    assert not mark.exists()


def test_a_pickle_that_wants_code_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps((images(), labels(), Path("x"))))
    with pytest.raises(InputError, match=r"a pickle, which can run code.*torch\.save\(\{'images'"):
        import_set(tmp_path / "a.pkl")


@pytest.mark.parametrize("name", ["res_IDM_CIFAR10_ConvNet_2ipc.pt", "acc_0.5.pkl"])
def test_mosaics_of_normalised_images_are_taken_apart(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if name.endswith("pkl"):
        file.write_bytes(pickle.dumps((images(), labels())))
    else:
        condensed(file, (images(), labels()))
    back, remarks = import_set(file, Claim("CIFAR10"), reading=Reading(factor=2))
    torch.testing.assert_close(back.images, take_apart(images(), 2))
    assert torch.equal(back.labels, labels().repeat_interleave(4))
    assert any("holds 4 smaller ones" in told for told in remarks)
    third, _ = import_set(file, Claim("CIFAR10"), reading=Reading(factor=3))
    apart = take_apart(CIFAR10.pixels(images()), 3)  # filled up with grey
    torch.testing.assert_close(CIFAR10.pixels(third.images), apart, atol=1e-5, rtol=1e-4)


# Folders.


def write(path: Path, level: int, size: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (level, level, level)).save(path)


def levels(path: Path, claim: Claim | None = None) -> dict[int, int]:
    back, _ = import_set(path, claim)
    shown = (back.domain.pixels(back.images)[:, 0, 0, 0] * 255).round().int().tolist()
    return dict(zip(back.labels.tolist(), shown, strict=True))


@pytest.mark.parametrize(
    "pattern",
    ["new{0:03d}/class{0:03d}_id000.png", "{0:05d}/a.png", "class_{0}/a.png", "{0}/a.png"],
)
def test_numbered_folders_mean_their_numbers(pattern: str, tmp_path: Path) -> None:
    root = tmp_path / "syn_data"
    for k in (0, 2, 11, 9):
        write(root / "set" / pattern.format(k), 10 * k)
    expected = {0: 0, 2: 20, 9: 90, 11: 110}
    assert levels(root / "set", Claim("CIFAR100")) == expected
    assert list(levels(root / "set").values()) == list(expected.values())  # 9 before 11
    with pytest.raises(InputError, match="by numbers from 0 to 11, those of CIFAR10 from 0 to 9"):
        import_set(root / "set", Claim("CIFAR10"))


def test_numbers_of_wordnet_are_names_of_classes(tmp_path: Path) -> None:
    for number, level in (("n03888257", 90), ("n01440764", 10)):  # parachute, tench
        write(tmp_path / "set" / number / "0.png", level)
    back, _ = import_set(tmp_path / "set", Claim("ImageNette"))
    names = [back.domain.classes[k] for k in back.labels.tolist()]
    assert names == ["tench", "parachute"]


def test_pictures_side_by_side_say_their_classes(tmp_path: Path) -> None:
    for k in (0, 10, 2):
        write(tmp_path / "a" / f"class{k:03d}_id000.png", k)
    assert levels(tmp_path / "a", Claim("CIFAR100")) == {0: 0, 2: 2, 10: 10}


@pytest.mark.parametrize("zipped", [False, True])
def test_hidden_folders_are_passed_over(zipped: bool, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for place in ("ant/0.png", "bee/0.png", ".ipynb_checkpoints/0.png", "__MACOSX/ant/._0.png"):
        write(root / place, 50)
    (root / "ant" / "._0.png").write_bytes(b"of a Mac")
    (root / "bee" / "Thumbs.db").write_bytes(b"of Windows")
    path = root
    if zipped:
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(root.rglob("*")):
                if file.is_file():
                    archive.write(file, Path("set") / file.relative_to(root))
    back, _ = import_set(path)
    assert back.domain.classes == ("ant", "bee")
    assert len(back) == 2


def test_of_splits_the_training_images_are_taken_and_the_others_named(tmp_path: Path) -> None:
    for split, level in (("Training", 10), ("Testing", 200)):
        for name in ("ant", "bee"):
            write(tmp_path / "set" / split / name / "0.png", level)
    back, remarks = import_set(tmp_path / "set")
    assert back.domain.classes == ("ant", "bee")
    assert set(levels(tmp_path / "set").values()) == {10}
    assert "Training was read; Testing left out" in remarks


def test_parts_of_a_table_are_joined_in_order(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    data = tmp_path / "repo" / "data"
    data.mkdir(parents=True)
    for k in range(3):
        rows = [{"bytes": picture(10 * k + i), "path": ""} for i in range(4)]
        table = pyarrow.table({"image": rows, "class_id": [0, 1, 0, 1]})
        parquet.write_table(table, data / f"train-{k:05d}-of-00003.parquet")
    back, remarks = import_set(tmp_path / "repo")
    shown = (back.domain.pixels(back.images)[:, 0, 0, 0] * 255).round().int().tolist()
    assert shown == [10 * k + i for k in range(3) for i in range(4)]
    assert "3 parts were put together" in remarks
    one, remarks = import_set(data / "train-00001-of-00003.parquet")
    assert len(one) == 4
    assert any("it is one of 3 parts" in told for told in remarks)
    (data / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match="expected all of 3 parts"):
        import_set(tmp_path / "repo")


def picture(level: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (6, 5), level).save(content, format="PNG")
    return content.getvalue()


# Many pictures.


def many(folder: Path) -> Path:
    for k in range(6):
        for i in range(3):
            place = folder / "set" / f"{k:05d}" / f"class{k:05d}_id{i:05d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (10 * k, 20 * i, 5)).save(place)
    return folder / "set"


def test_many_pictures_are_kept_as_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set of ImageNet with ten images a class has more pixels than floats would fit for."""
    plain, _ = import_set(many(tmp_path))
    monkeypatch.setattr("datastill.exchange.base.spaces.FLOATS_MOST", 2**10)
    monkeypatch.setattr("datastill.exchange.base.spaces.ENOUGH", 2**10)
    said = run("import set --out made")
    assert said.code == 0, said.err
    assert (tmp_path / "made" / "synthetic.safetensors").stat().st_size < 18 * 3 * 256 + 5000
    made = load(tmp_path / "made")
    assert isinstance(made.images, Pixels)
    torch.testing.assert_close(made.images.normalised(), plain.images, atol=1e-4, rtol=1e-4)
    assert torch.equal(made.labels, plain.labels)
    assert "kept as bytes" in run("show made").out
    shown = load(tmp_path / "made", pixels=True)
    torch.testing.assert_close(shown.images + 0, plain.domain.pixels(plain.images))
    for name in ("npz", "pt", "parquet", "folder"):
        said = run(f"export made --to {name} --out out.{name}")
        assert said.code == 0, said.err
        back, _ = import_set(tmp_path / f"out.{name}")
        torch.testing.assert_close(back.images + 0, made.images + 0, atol=1e-3, rtol=1e-3)
    test = plain.take(torch.arange(18))
    protocol = Protocol("quick", Fit(epochs=1, batch=8), augmentation="dsa")
    assert validate(made, test, "MLP", protocol, trials=1, key=Key(0)).values


def test_pixels_that_are_none_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from datastill.store import set_header

    header = {"datastill": json.dumps(set_header(blobs(per_class=1)))}
    for values in (torch.zeros(4, 3, 8, 8), torch.zeros(4, 3, 9, 8, dtype=torch.uint8)):
        save_file({"pixels": values, "labels": labels(4)}, tmp_path / "a.safetensors", header)
        with pytest.raises(InputError, match="its pixels are no bytes of"):
            load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", ["folder", "zip", "parquet"])
def test_too_many_pictures_are_refused_before_they_are_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datastill.exchange.base import pictures

    path, decoded = many(tmp_path), list[str]()
    if kind == "zip":
        path = zipped_folder(path, tmp_path / "set.zip")
    if kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        path = tmp_path / "a.parquet"
        rows = [{"bytes": picture(i), "path": ""} for i in range(30)]
        parquet.write_table(pyarrow.table({"image": rows, "label": [0] * 30}), path)
    plain = pictures.decode

    def counted(content: bytes, source: str) -> Tensor:
        decoded.append(source)
        return plain(content, source)

    monkeypatch.setattr(pictures, "decode", counted)
    monkeypatch.setattr(pictures, "MOST_BYTES", 500)
    with pytest.raises(InputError, match=r"pictures of .*at most 500 are read: import a part"):
        import_set(path)
    assert len(decoded) == 1


def test_a_picture_of_another_kind_says_how_to_go_on(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write(tmp_path / "set" / name / "0.png", 9)
    Image.new("CMYK", (32, 32)).save(tmp_path / "set" / "cat" / "1.jpg")
    with pytest.raises(InputError, match=r"kind CMYK.*convert\('RGB'\)"):
        import_set(tmp_path / "set")
    with Image.open(tmp_path / "set" / "cat" / "1.jpg") as found:
        found.convert("RGB").save(tmp_path / "set" / "cat" / "1.jpg")
    assert len(import_set(tmp_path / "set")[0].images) == 3
