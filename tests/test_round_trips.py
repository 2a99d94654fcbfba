"""Tiles, learned labels and a learned rate to every format that is written, and back."""

from pathlib import Path

import pytest
import torch

from conftest import blobs
from datastill import load, save
from datastill.base.rng import Key
from datastill.data import ImageSet, Unfold, stored_bytes, tiled, unfolded
from datastill.data.labels import LEARNED, hardened
from datastill.exchange import FORMATS, export_set, import_set

WRITTEN = [name for name in FORMATS.names if FORMATS[name].write is not None]


def learned() -> ImageSet:
    """Return a set of tiles whose labels and rate were learned with them."""
    real = blobs(per_class=2)
    images = unfolded(real.images, Unfold(2), real.domain.mean, real.domain.std)
    hard = real.labels.repeat_interleave(4)
    noise = torch.rand(len(hard), 4, generator=Key(4).generator())
    soft = (4 * torch.eye(4)[hard] + noise).softmax(1)
    facts = {"method": "MTT", "learning_rate": 0.07, LEARNED: {"hard_labels": hard.tolist()}}
    return ImageSet(images, soft, real.domain, facts)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_format_holds_comes_back_and_what_it_does_not_is_said(
    name: str, tmp_path: Path
) -> None:
    if name in ("parquet", "hub"):
        pytest.importorskip("datasets")
    made = learned()
    said = export_set(made, tmp_path / f"a.{name}", format=name)
    assert "keeps 8 images of 4 smaller ones each" in said[0]
    assert any("soft labels are left out" in told for told in said) == (name == "folder")
    back, remarks = import_set(tmp_path / f"a.{name}", format=name)
    assert len(back) == 32
    assert tiled(back.images) is None
    assert not any("smaller ones" in told for told in remarks)
    assert stored_bytes(back.images) == 4 * stored_bytes(made.images)
    assert back.facts["learning_rate"] == 0.07
    order = back.hard_labels.argsort(stable=True), made.hard_labels.argsort(stable=True)
    if name == "folder":
        pixels = made.domain.pixels(made.images).clamp(0, 1)[order[1]]
        seen = back.domain.pixels(back.images)[order[0]]
        torch.testing.assert_close(seen, pixels, atol=0.003, rtol=0)
        assert torch.equal(back.labels, made.hard_labels)
    else:
        assert torch.equal(back.images, made.images.clone())
        assert torch.equal(back.labels, made.labels)
        assert torch.equal(hardened(back).labels, hardened(made).labels)


def test_our_own_file_keeps_all_of_it(tmp_path: Path) -> None:
    made = learned()
    save(made, tmp_path / "a.safetensors")
    back = load(tmp_path / "a.safetensors")
    assert tiled(back.images) is not None
    assert stored_bytes(back.images) == stored_bytes(made.images)
    assert torch.equal(back.labels, made.labels)  # of every tile
    assert back.facts["learning_rate"] == 0.07
    assert torch.equal(hardened(back).labels, hardened(made).labels)
