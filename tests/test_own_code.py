"""Methods, coresets, datasets, assessments, formats and networks of a person's own."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from datastill import load, save
from datastill.base.errors import InputError
from datastill.base.registry import Registry
from datastill.base.rng import Key
from datastill.cli import main
from datastill.datasets import DATASETS, load_dataset
from datastill.distillation.methods import METHODS
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.exchange import FORMATS
from datastill.networks import build
from datastill.networks.base import NETWORKS, Family
from datastill.runs.folders.describing import write_description
from datastill.runs.specs import DataSpec, StudySpec
from datastill.runs.specs.population import parse
from datastill.runs.studies.standing import of_study
from datastill.training.coresets import CORESETS

CODE = """
import numpy as np
import torch
from torch import nn

from datastill.data import ImageSet
from datastill.datasets.base import Found as Data
from datastill.distillation.methods import METHODS
from datastill.evaluation.assessments.base import Score
from datastill.exchange.base import Format, Found

def method(ipc):
    return METHODS["DM"](ipc)

def last(real, counts, *, key, features=None):
    return torch.cat([torch.nonzero(real.labels == k).flatten()[-n:] for k, n in enumerate(counts)])

def data(split, path, reading):
    draws = torch.Generator().manual_seed(len(split))
    labels = torch.arange(40) % 2
    images = torch.rand(40, 1, 8, 8, generator=draws) / 2 + labels[:, None, None, None] / 2
    return Data(images, labels, ("dark", "light"), "lamps", ((0.5,), (0.25,)), mirror=False)

def brightness(evidence):
    return Score(float(evidence.synthetic.images.mean()), "higher")

def net(domain):
    return nn.Sequential(nn.Flatten(), nn.Linear(domain.shape[1] * domain.shape[2], 2))

def written(data, path):
    np.save(path, data.images.numpy())
    return ("labels are lost",)

only = Format("an array", lambda path: path.suffix == ".npy", lambda path, reading: Found(),
              lambda data: "images.npy", written)
broken = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield tmp_path
    sys.modules.pop("mine", None)


def command(*words: str) -> None:
    assert main([*words]) in (0, None)


def test_everything_of_ones_own_works_from_the_command_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "mine:data"]
    net = ["--models-pool", "mine:net"]
    command("train", *data, "--model", "mine:net", "--num", "1", "--epochs", "1")
    command(
        *("distill", *data, "--method", "mine:method", "--model", "mine:net", "--ipc", "1"),
        *("--iterations", "2", "--init", "mine:last", "--batch-real", "8"),
    )
    made = here / "condensed" / "mine.data" / "mine.method" / "IPC1"
    assert "--dataset mine:data" in capsys.readouterr().out.splitlines()[-1]
    assert load(made / "synthetic.safetensors").facts["method"] == "mine:method"
    command(
        *("validate", str(made), *data, "--model", "mine:net", "--num-eval", "1"),
        *("--epochs", "2", "--against", "mine:last"),
    )
    capsys.readouterr()
    command(
        *("assess", str(made), *data, *net, "--model-num", "1"),
        *("--assessments", "mine:brightness", "om-accuracy"),
    )
    assert "mine:brightness" in capsys.readouterr().out
    command("export", str(made), "--to", "mine:only")
    assert "labels are lost" in capsys.readouterr().out
    assert (here / "images.npy").exists()
    assert not [place for place in sys.path if place == str(here)]


def test_a_file_cannot_have_code_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = load_dataset("mine:data")[0]
    sys.modules.pop("mine", None)
    (here / "mine.py").write_text("raise SystemExit('it ran')")
    facts = {"method": "mine:method", "ipc": 20, "data": {"dataset": "mine:data"}}
    save(replace(real, facts={**real.facts, **facts}), "set.safetensors")
    with pytest.raises(SystemExit, match="2"):
        main(["validate", "set.safetensors", "--num-eval", "1"])
    said = " ".join(capsys.readouterr().err.split())
    assert "which is code that would be run" in said
    assert "--dataset mine:data" in said
    assert main(["show", "set.safetensors"]) in (0, None)
    assert "mine" not in sys.modules


def test_a_study_that_is_looked_at_runs_no_code_that_it_names(here: Path) -> None:
    kinds = ("mine:last", "mine:method:2", "mine:method:2:10", "random")
    spec = StudySpec(data=DataSpec("digits"), population=kinds, ipc=(1,), seeds=1)
    (here / "study").mkdir()
    write_description(spec, here / "study" / "run.toml")
    (here / "mine.py").write_text("raise SystemExit('it ran')")
    assert of_study(here / "study").missing == ["random-ipc1-seed0"]
    assert "mine" not in sys.modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mine:methud",
            "'mine:methud': mine has no function 'methud'; did you mean 'method'",
        ),
        ("nowhere:method", "'nowhere' does not import: ModuleNotFoundError"),
        ("mine:broken", "mine has no function 'broken'"),
    ],
)
def test_code_that_is_not_there_gets_one_line(here: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        METHODS[name]


def test_installed_packages_offer_parts_by_entry_points(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = here / "site"
    info = package / "lamps-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "lamps.py").write_text(CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[datastill.methods]\nGlow = lamps:method\nDM = lamps:broken\nDim = lamps:nothing\n"
        "[datastill.networks]\nGlowNet = lamps:net\n"
    )
    monkeypatch.syspath_prepend(package)
    table = Registry("method", "datastill.methods")
    table.register("DM")(len)
    assert table["dm"] is len  # ours come first
    assert table.names == ["Dim", "DM", "Glow"]
    assert "lamps" not in sys.modules
    assert table["glow"](1) == METHODS["DM"](1)
    with pytest.raises(InputError, match="the thing DM must be a function, found 3"):
        Registry[object]("thing", "datastill.methods")["DM"]
    assert table.spelling("GLOW") == "Glow"
    with pytest.raises(InputError, match="'Dim' of the package lamps does not import"):
        table["Dim"]
    there = Registry[Family]("model", "datastill.networks")
    monkeypatch.setattr("datastill.networks.base.NETWORKS", there)
    domain = load_dataset("digits")[0].domain
    with pytest.raises(InputError, match=r"GlowNet gives|gives \(2, 2\)"):
        build("GlowNet", domain, key=Key(0))  # it knows two classes only
    sys.modules.pop("lamps", None)


def test_a_population_may_name_ones_own_method() -> None:
    kind = parse("mine:method:150:10")
    assert (kind.method, kind.updates, kind.alpha) == ("mine:method", 150, 10.0)
    assert ":" not in str(kind)


def test_the_page_names_every_kind_of_part() -> None:
    page = (Path(__file__).parents[1] / "docs" / "own-parts.md").read_text()
    tables = (METHODS, CORESETS, DATASETS, ASSESSMENTS, FORMATS, NETWORKS)
    groups = {table.group for table in tables}
    assert None not in groups
    assert groups == set(re.findall(r"`(datastill\.\w+)` \|", page))
