"""Values that nobody expects, in files of others and in records: one line, or told and left out."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import blobs
from datastill import save
from datastill.exchange import import_set
from datastill.runs import Talking, report
from datastill.store.results import demo_in, results_in, rows_in
from test_cli import Run, run
from test_mutated_artefacts import inner
from test_mutations import attempt

__all__ = ["run"]
IMAGES, LABELS = torch.rand(8, 1, 8, 8), torch.arange(8) % 2


def with_rate(rate: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "a.npz", images=IMAGES.numpy(), labels=LABELS.numpy(), lr=rate)
        return folder / "a.npz"

    return write


def table(ending: str = "pt", **changes: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file, held = folder / f"a.{ending}", {"images": IMAGES, "labels": LABELS, **changes}
        if ending == "pkl":
            file.write_bytes(pickle.dumps(held))
        else:
            torch.save(held, file)
        return file

    return write


def pairs(label: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        torch.save([(image, label) for image in IMAGES], folder / "a.pt")
        return folder / "a.pt"

    return write


FOREIGN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "labels of 16 bits": (table(labels=LABELS.to(torch.uint16)), "labels are of type uint16"),
    "images of 8 bits": (table(images=IMAGES.to(torch.float8_e4m3fn)), "of type float8_e4m3fn"),
    "a word for a rate": (with_rate(np.array("x")), "'lr' is an array of <U1, not of numbers"),
    "a vast rate": (
        table("pkl", images=IMAGES.numpy(), labels=LABELS.numpy(), lr=10**400),
        "its learning rate is too large",
    ),
    "a vast label": (pairs(10**30), "its labels are no numbers of classes"),
    "a text for a label": (pairs("cat"), "holds a list of 8 things that are no"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_an_odd_value_in_a_file_of_others_is_told_in_a_line(
    run: Run, tmp_path: Path, name: str
) -> None:
    write, told = FOREIGN[name]
    said = run(f"import {write(tmp_path).name} --normalised-with none")
    assert said.code == 2
    assert told in said.err
    assert len(said.err.splitlines()) == 1


ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 1e400, float("nan"), 10**30, 10**400, "", "x", "a\n", b"x", [], {}),
        *([[]], [None], {"a": 1}, [10**30] * 8, ["a\n", "b"], np.float64(1), torch.tensor(3)),
        *(torch.zeros(0), torch.zeros(8), torch.zeros(8, 2).half(), torch.zeros(8, 0)),
        *(torch.zeros(8, 1, 8, 8, dtype=torch.uint16), torch.zeros(8, 1, 8, 8) / 0),
        *(torch.full((8,), 2**62), torch.full((8,), -1), torch.full((8, 1), 9.5)),
        *(IMAGES.to(torch.float8_e5m2), IMAGES > 0.5, IMAGES.to_sparse(), IMAGES + 1j),
        *(IMAGES.bfloat16()),
    ]
)
NAMES = st.sampled_from(["images", "labels", "lr", "classes", "data", "datastill", "x\n", "test"])


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(changes=st.dictionaries(NAMES, ODD, min_size=1, max_size=3), kind=st.integers(0, 3))
def test_odd_values_of_any_kind_are_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any], kind: int
) -> None:
    file = tmp_path_factory.mktemp("odd") / "a.pt"
    held: Any = {"images": IMAGES, "labels": LABELS, **changes}
    if kind == 1:
        held = [held["images"], held["labels"], *changes.values()][:3]
    elif kind == 2:
        held = [(image, next(iter(changes.values()))) for image in IMAGES]
    elif kind == 3:
        held = {"data": [[held["images"], held["labels"]], [IMAGES, LABELS]], **changes}
    torch.save(held, file)
    found = attempt(partial(import_set, file))
    assert found is None or len(found[0])


# Records of ours, that somebody changed.

ROW = {"accuracies": {"values": [0.5, 0.6]}, "seconds": 1.0, "right": [], "tested": []}
RESULT = {**ROW, "source": "synthetic", "model": "MLP", "together": 1, "obstacle": ""}
COMPARED = {
    "rows": [
        {
            **{**ROW, "name": name, "labels": "hard", "model": "MLP", "images": 2, "epochs": 1},
            **{"image_bytes": 8, "label_bytes": 2, "over_random": None, "recovered": None},
            **{"learning_rate": None, "model_bytes": 0},
        }
        for name in ("set", "random")
    ],
    "dd_ranking": [
        {
            **{"name": "set", "model": "MLP", "hlr": 0.1, "ior": 0.1, "lrs": 0.5, "ars": 0.5},
            **{"accuracies": {"hard": 0.5}, "rates": {"hard": 0.1}, "labels": "hard"},
            **{"label_bytes": 2, "model_bytes": 0},
        }
    ],
    "caveats": [],
}
READERS: dict[str, tuple[Callable[[Any], object], dict[str, Any]]] = {
    "comparison": (rows_in, COMPARED),
    "validation": (results_in, {"results": [RESULT]}),
    "demo": (demo_in, {"results": [{**RESULT, "ipc": 1}, {**RESULT, "ipc": None}]}),
}
PLAIN = st.sampled_from([None, True, -1, 1e400, 10**400, float("nan"), "x", [], {}, [[]], [None]])


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(name=st.sampled_from([*READERS]), odd=PLAIN, place=st.integers(0, 10**6))
def test_rows_of_records_are_of_the_kind_that_they_must_be(
    name: str, odd: object, place: int
) -> None:
    read, whole = READERS[name]
    assert read(whole)
    record = json.loads(json.dumps(whole))
    places = list(inner(record))
    holder, key = places[place % len(places)]
    holder[key] = odd
    found = repr(attempt(partial(read, record)))
    assert "seconds=None" not in found
    assert "inf" not in found


@pytest.mark.parametrize("field", ["seconds", "images", "image_bytes", "name", "epochs"])
def test_a_comparison_with_a_hole_is_told_and_left_out(
    run: Run, tmp_path: Path, field: str
) -> None:
    save(blobs(per_class=1), tmp_path / "set" / "synthetic.safetensors")
    (tmp_path / "compared").mkdir()
    record = json.loads(json.dumps(COMPARED))
    record["rows"][0][field] = None
    (tmp_path / "compared/comparison.json").write_text(json.dumps(record))
    said = run("report compared")
    assert said.code == 2
    assert "the comparison that was kept makes no sense" in said.err
    assert not (tmp_path / "report.html").exists()
    said = run("report set compared")
    assert said.code == 0
    assert "left out: compared: the comparison that was kept makes no sense" in said.out + said.err
    assert "compared" not in (tmp_path / "report.html").read_text().split("</title>")[0]


def test_a_log_of_brackets_is_passed_over(tmp_path: Path) -> None:
    save(blobs(per_class=1), tmp_path / "set" / "synthetic.safetensors")
    (tmp_path / "set" / "log.jsonl").write_text("[" * 200_000 + '\n{"event": "update"}\n')
    assert report([tmp_path / "set"], tmp_path / "a.html").file.is_file()


EVENT = {"event": "update", "step": 1, "match": 0.5, "loss": 0.5, "seconds": 1.0, "model": "MLP"}
SCORES = {
    "scores": [
        {
            **{"name": "coverage", "family": "coverage", "better": "higher", "value": 0.5},
            **{"random": [0.1, 0.2], "seconds": 1.0, "seconds_once": 0.5},
        }
    ]
}
MEMBER = {
    **{"architecture": "MLP", "number": 0, "epoch": 1, "train_accuracy": 0.5, "seconds": 1.0},
    **{"held_out_accuracy": 0.5, "dataset": "blobs"},
}
VALIDATED = [{"results": [RESULT], "protocol": {"name": "dsa", "fit": {"epochs": 3}}, "seed": 0}]
RECORDS: dict[str, Any] = {
    "set/assessment.json": SCORES,
    "set/log.jsonl": EVENT,
    "set/settings.json": {"seed": 0, "method": "DM", "run": {"kind": "distill"}},
    "set/validation.json": VALIDATED,
    "compared/comparison.json": COMPARED,
    "pool/manifest.json": [MEMBER],
    "pool/log.jsonl": {**EVENT, "event": "epoch", "number": 0},
}


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(name=st.sampled_from([*RECORDS]), odd=PLAIN, place=st.integers(0, 10**6))
def test_a_page_is_made_of_what_is_sound(
    tmp_path_factory: pytest.TempPathFactory, name: str, odd: object, place: int
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    set_of = replace(blobs(per_class=1), facts={"method": "DM", "validated": VALIDATED})
    save(set_of, folder / "set/synthetic.safetensors")
    save(set_of, folder / "sound/synthetic.safetensors")
    for other, record in RECORDS.items():
        held = json.loads(json.dumps(record))
        if other == name:
            places = list(inner(held))
            holder, key = places[place % len(places)]
            holder[key] = odd
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text(json.dumps(held))
    said = list[str]()
    found = report([folder], folder / "a.html", observer=Talking(tell=said.append))
    assert "sound" in found.file.read_text()
    told = [line for line in said if line.startswith("left out: ")]
    assert len(told) == 3 - len([one for one in found.page.exhibits if "sound" not in one.title])


@pytest.mark.parametrize("line", ["show mine", "show mine set --png a.png", "report mine"])
@pytest.mark.parametrize("odd", ["x", 3, [1], {"kind": 3}])
def test_a_set_whose_run_is_no_table_is_told_in_a_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, odd: object
) -> None:
    made = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --save-path ."
    assert run(made).code == 0
    with monkeypatch.context() as patch:  # others may write what we would not
        patch.setattr("datastill.store.sets.require_facts", lambda *_: None)
        (file,) = tmp_path.rglob("synthetic.safetensors")
        save(replace(blobs(per_class=1), facts={"run": odd}), file)
        file.parent.rename(tmp_path / "mine")
        save(blobs(per_class=1), tmp_path / "set" / "synthetic.safetensors")
    said = run(line)
    assert said.code == 2
    assert "the fact run" in said.err
    assert len(said.err.splitlines()) == 1
    assert not [*tmp_path.glob("*.png"), *tmp_path.glob("*.html")]
