"""What is written can be read, all of it or nothing, and nothing unsafe."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from datastill import exchange, store
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import Domain, ImageSet
from datastill.datasets import load_split
from datastill.networks import build
from datastill.report.preview import preview, write_preview
from datastill.store.files import save_tensors
from datastill.store.sets import packed
from datastill.training.coresets import CORESETS
from datastill.training.pool import freeze


@pytest.fixture
def few() -> ImageSet:
    digits = load_split("digits", "train")
    rows = CORESETS["random"](digits, [2] * 10, key=Key(0))
    return replace(digits.take(rows), facts={"method": "none", "seed": 3})


def test_a_set_comes_back_bit_for_bit(tmp_path: Path, few: ImageSet) -> None:
    store.save(few, tmp_path / store.SET_FILE)
    for path in (tmp_path, tmp_path / store.SET_FILE):
        back = store.load(path)
        assert torch.equal(back.images, few.images)
        assert torch.equal(back.labels, few.labels)
        assert back.domain == few.domain
        assert back.facts == few.facts


def test_soft_labels_come_back(tmp_path: Path, few: ImageSet) -> None:
    soft = replace(few, labels=torch.rand(len(few), 10).softmax(1))
    store.save(soft, tmp_path / "a.safetensors")
    assert torch.equal(store.load(tmp_path / "a.safetensors").labels, soft.labels)


def test_labels_that_are_no_shares_are_neither_saved_nor_read(
    tmp_path: Path, few: ImageSet
) -> None:
    scores = replace(few, labels=2 * few.shares)
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=r"the set: soft labels are shares .* sum to 2"):
        store.save(scores, path)
    assert not path.exists()
    save_tensors(*packed(scores), path)  # as an earlier version, or somebody else, may have
    with pytest.raises(InputError, match=r"a.safetensors: soft labels are shares .* sum to 2"):
        store.load(path)


def test_the_header_says_how_to_see_the_images(tmp_path: Path, few: ImageSet) -> None:
    store.save(few, tmp_path / "a.safetensors")
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        header = json.loads(file.metadata()["datastill"])
    assert header["space"].startswith("normalised: pixel = image * std + mean")
    mean, std = header["domain"]["mean"][0], header["domain"]["std"][0]
    pixels = few.images * std + mean
    assert float(pixels.min()) + 1e-6 >= 0
    assert float(pixels.max()) <= 1 + 1e-6


def test_every_truncation_and_bit_of_damage_is_told(tmp_path: Path, few: ImageSet) -> None:
    file = tmp_path / "a.safetensors"
    store.save(few, file)
    content = file.read_bytes()
    for keep in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:keep])
        with pytest.raises(InputError):
            store.load(file)
    for damaged in (b"\x80\x04" + content, b"PK\x03\x04" + content, content[::-1]):
        file.write_bytes(damaged)
        with pytest.raises(InputError):
            store.load(file)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 99}, "has format 99, not 1"),
        ({"kind": "original model"}, "was not written by datastill as an image set"),
        ({"domain": {}}, "is damaged"),
        ({"domain": None}, "is damaged"),
        ({"facts": 3}, "is damaged"),
    ],
)
def test_headers_that_say_something_else_are_refused(
    tmp_path: Path, few: ImageSet, change: dict, complaint: str
) -> None:
    store.save(few, tmp_path / "a.safetensors")
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        header = json.loads(file.metadata()["datastill"]) | change
    tensors = {"images": few.images, "labels": few.labels}
    safetensors.torch.save_file(
        tensors, tmp_path / "a.safetensors", {"datastill": json.dumps(header)}
    )
    with pytest.raises(InputError, match=complaint):
        store.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("read", [store.load, exchange.import_set])
def test_what_the_system_does_not_open_is_not_said_to_be_damaged(
    read: Callable[[Path], Any], tmp_path: Path, few: ImageSet
) -> None:
    store.save(few, tmp_path / "a.safetensors")
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))  # as where too many files are open
    try:
        with pytest.raises(InputError, match=r"cannot read .*a\.safetensors: Too many open files"):
            read(tmp_path / "a.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_other_peoples_safetensors_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"weight": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="was not written by datastill"):
        store.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("labels", torch.full((20,), 10), "label 10 is outside the classes 0 to 9"),
        ("images", torch.full((20, 1, 8, 8), torch.nan), "not finite"),
    ],
)
def test_contents_that_make_no_sense_are_refused(
    tmp_path: Path, few: ImageSet, field: str, value: torch.Tensor, complaint: str
) -> None:
    broken = replace(few, **{field: value})
    with pytest.raises(InputError, match=complaint):
        store.save(broken, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())
    tensors = {"images": broken.images, "labels": broken.labels}
    save_tensors(tensors, store.set_header(broken), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=complaint):
        store.load(tmp_path / "a.safetensors")


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, few: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.safetensors"
    store.save(few, file)
    before = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        store.save(replace(few, facts={}), file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    store.open_run(tmp_path / "a", {"seed": 1})
    with pytest.raises(InputError, match=r"holds another run .*`overwrite=True`"):
        store.open_run(tmp_path / "a", {"seed": 2})
    assert json.loads((tmp_path / "a" / "settings.json").read_text()) == {"seed": 1}
    folder = store.open_run(tmp_path / "a", {"seed": 2}, overwrite=True)
    folder.log("update", step=1)
    assert json.loads((folder.path / "log.jsonl").read_text()) == {"event": "update", "step": 1}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write to|is a file"):
        store.open_run(tmp_path / "file" / "run", {})


def test_an_original_model_comes_back(tmp_path: Path) -> None:
    domain = load_split("digits", "train").domain
    member = freeze(build("ConvNetD2W16", domain, key=Key(1)), "ConvNetD2W16", domain, {"epoch": 3})
    store.save_member(member, tmp_path / "m.safetensors")
    back = store.load_member(tmp_path / "m.safetensors")
    images = torch.randn(2, 1, 8, 8, generator=Key(0).generator())
    assert torch.equal(back.network(images), member.network(images))
    assert back.facts == {"epoch": 3}
    assert not back.network.training
    assert not any(weight.requires_grad for weight in back.network.parameters())


def test_a_damaged_original_model_is_named(tmp_path: Path) -> None:
    domain = load_split("digits", "train").domain
    member = freeze(build("MLP", domain, key=Key(1)), "ConvNetD2W16", domain, {})
    file = tmp_path / "m.safetensors"
    store.save_member(member, file)
    with pytest.raises(InputError, match=r"m\.safetensors is not a sound original model"):
        store.load_member(file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"m\.safetensors is damaged"):
        store.load_member(file)


def test_pools_are_taken_in_order_and_by_epoch(tmp_path: Path) -> None:
    domain = load_split("digits", "train").domain
    for number in (0, 1):
        for epoch in (5, 20):
            network = build("MLP", domain, key=Key(number))
            member = freeze(network, "MLP", domain, {"number": number, "epoch": epoch})
            store.save_member(member, store.member_path(tmp_path, number, epoch))

    def facts(num: int | None, epoch: int | None) -> list[tuple[int, int]]:
        pool = store.load_pool(tmp_path, num, epoch=epoch)
        return [(member.facts["number"], member.facts["epoch"]) for member in pool]

    assert facts(None, None) == [(0, 20), (1, 20)]
    assert facts(1, 5) == [(0, 5)]
    with pytest.raises(InputError, match="holds 2 original models, fewer than the 3"):
        facts(3, None)
    with pytest.raises(InputError, match="at epoch 7"):
        facts(1, 7)


def test_preview_shows_every_class(tmp_path: Path, few: ImageSet) -> None:
    write_preview(few, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.height > 10 * 56
        assert len(picture.convert("L").getcolors() or []) > 8


@pytest.mark.parametrize("shape", [(3, 20, 30), (2, 8, 8), (1, 64, 64)])
def test_preview_takes_any_shape(shape: tuple[int, int, int]) -> None:
    domain = Domain("d", shape, ("a", "long name"), (0.5,) * shape[0], (0.2,) * shape[0])
    data = ImageSet(torch.randn(5, *shape), torch.tensor([0, 0, 0, 1, 0]), domain)
    assert preview(data).width > shape[2]
