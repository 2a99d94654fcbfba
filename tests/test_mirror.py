"""Whether images may be mirrored: said once, recorded, and heeded by everything that augments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import datastill
from conftest import blobs
from datastill.augment import Policy, policy_for
from datastill.base.rng import Key
from datastill.datasets import Reading, load_split
from datastill.evaluation.validation import contest
from datastill.store import save
from datastill.training.protocol import preset
from pictures import write_pictures
from test_own_data import Go, go, succeed

__all__ = ["go"]

pytestmark = pytest.mark.usefixtures("sketched")

QUICK = "--model MLP --num-eval 1 --epochs 1"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of every network that is trained whether its augmentation may mirror."""
    found: list[bool] = []

    def noting(augmentation: str, domain: datastill.Domain) -> Policy:
        found.append(domain.mirror)
        return policy_for(augmentation, domain)

    monkeypatch.setattr("datastill.evaluation.validation.policy_for", noting)
    return found


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("name", ["dsa", "modern"])
def test_sets_are_augmented_as_the_test_images_may_be(mirror: bool, name: str) -> None:
    """Whatever a set says of itself: its networks come out the same."""
    made, test = blobs(per_class=4), blobs("test")
    sets = {
        str(said): (lambda _, said=said: replace(made, domain=replace(made.domain, mirror=said)))
        for said in (True, False)
    }
    judge = replace(test, domain=replace(test.domain, mirror=mirror))
    protocol = preset(name, epochs=30)
    found = list(contest(sets, judge, ["MLP"], protocol, trials=1, key=Key(0)))
    weights = [trial.network.state_dict() for trial in found if trial.network]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    other = replace(test, domain=replace(test.domain, mirror=not mirror))
    (odd, _) = contest(sets, other, ["MLP"], protocol, trials=1, key=Key(0))
    assert odd.network
    assert not all(v.equal(weights[0][k]) for k, v in odd.network.state_dict().items())


def write_npz(path: Path, name: str) -> str:
    rng = np.random.default_rng(0)
    file = path / f"{name}.npz"
    np.savez(file, images=rng.integers(0, 256, (20, 8, 8), np.uint8), labels=np.arange(20) % 2)
    return str(file)


@pytest.mark.parametrize("said", [True, False, None])
def test_own_data_are_mirrored_unless_told_otherwise(tmp_path: Path, said: bool | None) -> None:
    write_pictures(tmp_path / "pets", {"a": 3, "b": 3})
    for where in (str(tmp_path / "pets"), write_npz(tmp_path, "scans")):
        for split in ("train", "test"):
            data = load_split(where, split, reading=Reading(mirror=said))
            assert data.domain.mirror is (said is not False)
            assert data.facts["mirror"] is said
    data = load_split("digits", "train", reading=Reading(mirror=said))
    assert data.domain.mirror is (said is True)


@pytest.mark.parametrize(
    ("name", "mirror"),
    [
        *[("KMNIST", False), ("mnist", False), ("emnist-letters", False), ("my_digits", True)],
        *[("digits_train", True), ("handwritten_digits", False), ("usps_digits", False)],
        *[("Fashion-MNIST", True), ("BreastMNIST", True), ("breast_mnist", True), ("pets", True)],
    ],
)
def test_digits_and_letters_are_known_by_whole_names(
    tmp_path: Path, name: str, mirror: bool
) -> None:
    assert load_split(write_npz(tmp_path, name), "train").domain.mirror is mirror


def test_arrays_say_it_from_python() -> None:
    images, labels = np.zeros((4, 8, 8, 1), np.uint8), [0, 1, 0, 1]
    images[::2] = 9
    train = datastill.from_arrays(images, labels, mirror=False)
    assert not train.domain.mirror
    assert not datastill.from_arrays(images, labels, like=train.domain).domain.mirror
    assert datastill.from_arrays(images, labels).domain.mirror
    pairs = list(zip(images, labels, strict=True))
    assert not datastill.from_dataset(pairs, mirror=False).domain.mirror


@pytest.mark.parametrize("method", ["DM", "DSA"])
def test_the_switch_is_heeded_and_recorded(
    go: Go, tmp_path: Path, asked: list[bool], method: str
) -> None:
    write_pictures(tmp_path / "signs", {"left": 8, "right": 8}, (12, 12))
    made = f"distill --dataset ./signs --method {method} --ipc 1 --model MLP --iterations 1"
    quick = f"{made} --batch-real 2" + (" --outer-loop 1" if method == "DSA" else "")
    assert "signs is mirrored by augmentation (--mirror no for" in succeed(go, quick)
    out = succeed(go, f"{quick} --mirror no --overwrite")
    assert "mirrored" not in out
    where = f"condensed/signs/{method}/IPC1"
    found = datastill.load(tmp_path / where)
    assert not found.domain.mirror
    assert found.facts["data"]["mirror"] is False
    assert found.facts["dsa_strategy"] == "color_crop_cutout_scale_rotate"
    for protocol in ("dsa", "modern"):
        out = succeed(go, f"validate {where} {QUICK} --protocol {protocol} --against random")
        assert "mirror" not in out
    assert asked == [False] * 4
    out = succeed(go, f"validate {where} {QUICK} --protocol dsa --mirror yes")
    assert "augmentation mirrors, as test images of signs have it" in out
    assert "was made without mirrored images (--mirror no)" in out
    assert asked[4:] == [True]
    code, _, err = go(f"{quick} --overwrite --mirror no --dsa-strategy color_Flip")
    assert (code, "leave flip out" in err) == (2, True)


def test_sets_of_both_kinds_are_compared_alike(go: Go, tmp_path: Path, asked: list[bool]) -> None:
    write_pictures(tmp_path / "signs", {"left": 8, "right": 8}, (12, 12))
    quick = "--dataset ./signs --ipc 1 --model MLP --iterations 1 --batch-real 2"
    succeed(go, f"distill {quick} --mirror no")
    succeed(go, f"distill {quick} --method DC --outer-loop 1 --inner-loop 1")
    line = f"compare condensed/signs/DC/IPC1 condensed/signs/DM/IPC1 {QUICK} --against random"
    out = succeed(go, f"{line} --out first")
    assert "DM was made without mirrored images" in " ".join(out.split())
    assert asked == [True] * 4
    out = succeed(go, f"{line} --mirror no --out second")
    assert "DC was made with mirrored images" in " ".join(out.split())
    assert asked[4:] == [False] * 4


def test_an_import_is_compared_as_its_dataset_may_be(
    go: Go, tmp_path: Path, asked: list[bool]
) -> None:
    """A set whose dataset was not known when it was made believes in mirrors; digits do not."""
    digits = load_split("digits", "train")
    some = digits.take(digits.labels.argsort()[::130])
    made = replace(some, domain=replace(some.domain, mirror=True), facts={})
    save(made, tmp_path / "a.safetensors")
    succeed(go, f"compare a.safetensors --dataset digits --ipc 1 {QUICK} --against random")
    assert asked
    assert not any(asked)


def test_a_study_heeds_it(go: Go, tmp_path: Path, asked: list[bool]) -> None:
    write_pictures(tmp_path / "signs", {"left": 12, "right": 12}, (12, 12))
    line = "study --dataset ./signs --model MLP --ipc 1 2 --num-eval 1 --epochs 1 --mirror no"
    judges = "--models-pool MLP --model-num 1 --assessments om-accuracy"
    succeed(go, f"{line} --seeds 2 --population random noise:0.5 DSA:1 --inner-loop 1 {judges}")
    assert asked == [False] * 12
    (folder, *_) = tmp_path.rglob("sets/DSA*/synthetic.safetensors")
    made = datastill.load(folder)
    assert made.facts["dsa_strategy"] == "color_crop_cutout_scale_rotate"


def test_a_mirror_that_is_none_is_refused(go: Go) -> None:
    code, _, err = go("distill --dataset digits --mirror maybe")
    assert code == 2
    assert "yes or no" in err
