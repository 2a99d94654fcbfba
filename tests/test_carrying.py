"""Runs of any kind, from Python."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from datastill import runs
from datastill.base.errors import InputError
from datastill.runs.conduct.above import VERBS
from datastill.runs.conduct.carrying import verb_of
from datastill.runs.specs import KINDS

TRAIN = """
kind = "train"
models = ["MLP"]
num = 1
epochs = 1

[data]
name = "digits"
"""


def test_every_kind_is_carried_out() -> None:
    assert set(VERBS) == set(KINDS)
    for kind, (module, name) in VERBS.items():
        assert find_spec(f"datastill.runs.{module}") is not None
        assert verb_of(kind).__name__ == name
        assert getattr(runs, name) is verb_of(kind)


def test_a_file_is_carried_out(tmp_path: Path) -> None:
    spec, _ = runs.read(TRAIN)
    said: list[str] = []
    found = runs.run(spec, tmp_path, observer=runs.Talking(tell=said.append))
    assert found.dataset == "digits"
    assert [row.architecture for row in found.rows] == ["MLP"]
    assert said
    with pytest.raises(InputError, match=r"overwrite=True|`add"):
        runs.run(spec, tmp_path)
    again = runs.run(spec, tmp_path, keeping=runs.Keeping(overwrite=True))
    assert again.rows[0].test_accuracy == found.rows[0].test_accuracy
    stop = runs.StopRequest()
    stop.request()
    with pytest.raises(runs.Stopped):
        runs.run(spec, tmp_path / "other", stop=stop)


def test_what_a_verb_has_no_use_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(spec: object, *, observer: object) -> tuple[object, object]:
        return spec, observer

    monkeypatch.setattr("datastill.runs.conduct.carrying.verb_of", lambda _kind: alone)  # pyright: ignore
    spec, _ = runs.read(TRAIN)
    assert runs.run(spec, stop=runs.StopRequest()) == (spec, runs.SILENT)
    with pytest.raises(InputError, match="'train' has no use for `folder`; leave it out"):
        runs.run(spec, "here")
    with pytest.raises(InputError, match="has no use for `keeping`"):
        runs.run(spec, keeping=runs.Keeping(resume=True))
