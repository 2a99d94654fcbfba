"""Pages of what is not finished: comparisons, studies, validations that go on or were cut off."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load, runs, save
from datastill.datasets import load_split
from datastill.runs import (
    CompareSpec,
    DataSpec,
    DistillSpec,
    JudgesSpec,
    Keeping,
    StopRequest,
    StudySpec,
    Talking,
    ValidateSpec,
)
from datastill.runs.conduct.stop import Stopped
from test_cli import Run, run
from test_report import Read, page_at

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

LIVE = Keeping(report_minutes=1e-9)
STUDY = StudySpec(
    **{"data": DataSpec("digits"), "population": ("random", "noise:0.5"), "ipc": (1,)},
    **{"seeds": 2, "batch": 4, "model": "MLP", "trials": 2, "epochs": 1},
    judges=JudgesSpec(architectures=("MLP",), num=1, pool_epochs=2, early=(1,)),
    assessments=("om-accuracy", "coverage"),
)
COMPARE = CompareSpec(
    sets=("set",), models=("MLP",), trials=2, epochs=1, against=("random",), real_epochs=1
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(load_split("digits", "train").take(torch.arange(20)), "set/synthetic.safetensors")
    return tmp_path / "set"


class Following(Talking):
    """Reads the page of a run whenever something moves."""

    def __init__(self, file: Path) -> None:
        self.file, self.pages = file, list[tuple[str, Read]]()
        super().__init__(moved=self.look)

    def look(self, label: str, *_: Any) -> None:
        if self.file.exists():
            self.pages.append((label, page_at(self.file)))


def is_live(page: Read) -> bool:
    return any(float(a["data-seconds"] or 0) for _, a in page.tags if a.get("id") == "live")


def stopping(label: str, steps: float) -> tuple[Talking, StopRequest]:
    stop = StopRequest()

    def look(at: str, step: float, *_: object) -> None:
        if (at, step) == (label, steps):
            stop.request()

    return Talking(moved=look), stop


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RecursionError()])
def test_a_page_that_cannot_be_written_ends_no_run(
    made: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("datastill.runs.showing.reporting.render.write", fails)
    said = list[str]()
    spec = DistillSpec(data=DataSpec("digits"), model="MLP", ipc=1, updates=3, batch=4)
    runs.distill(spec, "live", keeping=LIVE, observer=Talking(tell=said.append))
    assert load("live").facts["step"] == 3
    (told,) = [line for line in said if "no page was written" in line]
    assert ("Permission denied" in told) == isinstance(error, PermissionError)


def test_a_comparison_is_followed(made: Path) -> None:
    watching = Following(Path("compared/report.html"))
    runs.compare(COMPARE, "compared", keeping=LIVE, observer=watching)
    last = watching.pages[-1][1]
    assert is_live(last)
    for wanted in ("So far", "(n=", "of 5", "datastill run compared/run.toml"):
        assert wanted in last.said, wanted
    after = page_at(Path("compared/report.html"))
    assert "minus random (95 %)" in after.said
    assert not is_live(after)


def test_a_comparison_that_was_cut_off_is_shown(made: Path) -> None:
    watching, stop = stopping("training", 3)
    with pytest.raises(Stopped):
        runs.compare(COMPARE, "compared", observer=watching, stop=stop)
    runs.report("compared", "page.html")
    page = page_at(Path("page.html"))
    assert "So far" in page.said
    assert "(n=2)" in page.said
    assert "not finished" in page.said


def test_a_validation_that_was_cut_off_shows_what_networks_reached(made: Path) -> None:
    watching, stop = stopping("training", 2)
    spec = ValidateSpec(set="set", models=("MLP",), trials=4, epochs=1)
    with pytest.raises(Stopped):
        runs.validate(spec, made, observer=watching, stop=stop)
    runs.report("set", "page.html")
    assert "Test accuracy so far" in page_at(Path("page.html")).said


def test_a_study_is_followed_through_all_of_its_parts(tmp_path: Path) -> None:
    folder = tmp_path / "studied"
    watching = Following(folder / "report.html")
    runs.study(STUDY, folder, keeping=LIVE, observer=watching)
    labels = [label for label, _ in watching.pages]
    assert set(labels) >= {"making sets", "training"}
    assert all(is_live(page) for _, page in watching.pages)
    middle = [page.said for label, page in watching.pages if label == "training"][-1]
    for wanted in ("How far it is", "4 made, 0 left", "trained and tested", "random-ipc1-seed0"):
        assert wanted in middle
    after = page_at(folder / "report.html")
    assert not is_live(after)
    assert "Which assessment to trust" in after.said
    assert "It goes on" not in after.said


def test_a_study_that_was_cut_off_says_what_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "studied"
    watching, stop = stopping("training", 3)
    with pytest.raises(Stopped):
        runs.study(STUDY, folder, observer=watching, stop=stop)
    runs.report(folder, tmp_path / "page.html")
    said = page_at(tmp_path / "page.html").said
    for wanted in ("4 made, 0 left", "4, 0 left", "3 trained and tested, 5 left"):
        assert wanted in said
    assert "not finished" in said
    watching, stop = stopping("making sets", 1)
    more = replace(STUDY, seeds=3)
    with pytest.raises(Stopped):
        runs.study(more, folder, observer=watching, stop=stop)
    runs.report(folder, tmp_path / "page.html")
    assert "5 made, 1 left" in page_at(tmp_path / "page.html").said


def test_a_set_of_a_study_shows_what_the_study_knows_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "studied"
    runs.study(STUDY, folder)
    assert "It goes on" not in studied_page(folder, tmp_path)
    own = next(path for path in sorted((folder / "sets").iterdir()) if "noise" in path.name)
    record = json.loads((own / "record.json").read_text())
    said = studied_page(own, tmp_path)
    reached = torch.tensor([trial["accuracy"] for trial in record["trials"]])
    told = f"{100 * reached.mean():.1f} ± {100 * reached.std():.1f} % (n=2)"
    for wanted in (told, "in its study, MLP, protocol dsa, 2 epochs", "this set (n=2)"):
        assert wanted in said, wanted
    assert "random images" in said
    assert "om-accuracy" in said
    assert f"{record['scores']['coverage']['score']['value']:.4g}" in said
    assert "1 MLP take" in said  # the study's own model
    assert "made with the other sets of its study: datastill run" in said
    assert "No network was trained on it yet" not in said
    assert "No assessment was made of it yet" not in said


def studied_page(path: Path, folder: Path) -> str:
    runs.report(path, folder / "page.html")
    return page_at(folder / "page.html").said


def test_what_only_looks_like_a_set_of_a_study_is_shown_as_a_set(made: Path) -> None:
    (made / "record.json").write_text('{"a record": "of something else"}')
    assert "No network was trained on it yet" in studied_page(made, made.parent)


def test_commands_that_take_long_have_a_page(made: Path, run: Run) -> None:
    said = run(
        "compare set --model MLP --num-eval 1 --epochs 1 --against random --real-epochs 0 "
        "--report-minutes 1"
    )
    assert said.code == 0, said.err
    (page,) = Path("comparison").glob("*/report.html")
    assert "minus random" in page_at(page).said
    assert "--report-minutes" in run("study --help").out
