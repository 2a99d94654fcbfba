"""Scoring, ranking and relabelling from Python: what the commands do, as values and as files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import datastill
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.data.labels import hardened
from datastill.runs.assessment.assessing import assess, rank
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.observer import Talking
from datastill.runs.making.relabelling import beside, relabel
from datastill.runs.showing.summaries import told
from datastill.runs.specs import AssessSpec, PoolSpec, RankSpec, RelabelSpec
from datastill.runs.studies.studying import study

NAMES = ("om-accuracy", "om-entropy@1", "coverage")
OPTIONS = "--models-pool MLP --early-epochs 1"
POOL = PoolSpec(architectures=("MLP",), early=(1,))
WHOLE = PoolSpec(architectures=("MLP",))
SET = "condensed/digits/DM/IPC1"
FILE = f"{SET}/synthetic.safetensors"
"""As the command names it in what it writes down."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with an early snapshot, and two sets."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        distil = "distill --dataset digits --model MLP --ipc 1 --iterations 2 --batch-real 4"
        for line in (
            "train --dataset digits --model MLP --num 2 --epochs 2 --save-epochs 1",
            distil,
            f"{distil} --seed 1 --save-path other",
        ):
            main([*line.split(), "--quiet"])
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where nothing else writes."""
    (tmp_path / "condensed").symlink_to(made / "condensed")
    for name in ("pretrained_model", "other"):
        (tmp_path / name).symlink_to(made / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def timeless(value: Any) -> Any:
    """Return what is in a table but for what differs each time."""
    if isinstance(value, dict):
        return {name: timeless(v) for name, v in value.items() if not name.startswith("seconds")}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def read(file: Path) -> Any:
    return timeless(json.loads(file.read_text()))


def test_a_set_is_scored_as_the_command_does_it(home: Path) -> None:
    main(f"assess {SET} {OPTIONS} --assessments {' '.join(NAMES)} --out typed --quiet".split())
    told = list[str]()
    scored = assess(
        AssessSpec(set=FILE, pool=POOL, assessments=NAMES), "called", observer=Talking(told.append)
    )
    assert tree(home / "called") == tree(home / "typed")
    assert scored.file == Path("called") / "assessment.json"
    assert read(scored.file) == read(home / "typed" / "assessment.json")
    rows = {row["name"]: row for row in read(scored.file)["scores"]}
    assert tuple(scored.scores) == tuple(rows) == NAMES
    for name, one in scored.scores.items():
        assert one.score.value == rows[name]["value"]
        assert [each[name].score.value for each in scored.random] == rows[name]["random"]
    assert any("10 images, judged by 2 MLP, and as they were after epochs 1" in t for t in told)


def test_without_a_folder_nothing_is_written(home: Path, capsys: pytest.CaptureFixture) -> None:
    before = tree(home)
    spec = AssessSpec(set=SET, pool=POOL, assessments=("coverage",), draws=0)
    scored = assess(spec)
    assert (scored.file, scored.random, scored.caveats) == (None, (), ())
    ranked = rank(RankSpec(sets=(SET,), by="coverage", pool=POOL))
    assert ranked.scores[SET] == scored.scores["coverage"].score
    relabelled = relabel(RelabelSpec(set=SET, pool=WHOLE))
    assert relabelled.folder is None
    assert tree(home) == before
    assert "".join(capsys.readouterr()) == ""


def test_scores_are_made_again_where_that_is_asked_for(home: Path) -> None:
    names = ("fresh-feature-distance", "om-accuracy")
    spec = AssessSpec(set=SET, pool=POOL, assessments=names, draws=1)
    once, again = assess(spec), assess(replace(spec, retests=2), "again")
    for name in names:
        draws = again.scores[name].draws
        assert (len(draws), draws[0]) == (3, once.scores[name].score.value)
        assert again.scores[name].score.value == pytest.approx(sum(draws) / 3)
        assert len(again.random[0][name].draws) == 3
        assert (len({*draws}) > 1) == (name == "fresh-feature-distance")
    assert again.file is not None
    rows = {row["name"]: row for row in read(again.file)["scores"]}
    assert rows["om-accuracy"]["draws"] == list(again.scores["om-accuracy"].draws)
    ((_, _, table), *_) = told(again)
    assert [row[2] for row in table if row[0].strip() == "om-accuracy"] == [
        f"{again.scores['om-accuracy'].score.value:.4g} ± 0"
    ]
    with pytest.raises(InputError, match="`retests` must not be negative"):
        replace(spec, retests=-1)


def test_scores_lie_beside_the_set_where_that_is_asked_for(home: Path) -> None:
    lone = Path("lone.safetensors")
    datastill.save(datastill.load(SET), lone)
    spec = AssessSpec(set=str(lone), pool=POOL, assessments=("coverage",), draws=1)
    assert assess(spec, ".").file == Path("lone.assessment.json")
    with pytest.raises(InputError, match="holds another set; take another `folder`"):
        assess(replace(spec, set="other/digits/DM/IPC1"), copy_of(SET))


def copy_of(path: str) -> Path:
    datastill.save(datastill.load(path), Path("copy") / "synthetic.safetensors")
    return Path("copy")


def test_real_images_that_do_not_suffice_are_told_by_arguments(home: Path) -> None:
    real = datastill.load_dataset("digits")[0]
    rows = torch.cat([torch.arange(len(real)), real.rows_by_class[3][:1]])
    datastill.save(real.take(rows), "large.safetensors")
    with pytest.raises(InputError, match="fewer than the 138 to be picked; `draws=0` goes without"):
        assess(AssessSpec(set="large.safetensors", pool=POOL, assessments=("coverage",)))


def test_sets_are_ranked_as_the_command_does_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = (SET, "other/digits/DM/IPC1")
    main(f"select {' '.join(sets)} --by om-cross-entropy {OPTIONS}".split())
    said = capsys.readouterr().out
    ranked = rank(RankSpec(sets=sets, by="om-cross-entropy", pool=POOL))
    values = [score.value for score in ranked.scores.values()]
    assert values == sorted(values)
    best, second = ranked.scores
    assert {best, second} == set(sets)
    assert said.index(best) < said.index(second)
    for value in values:
        assert f"{value:.6g}" in said
    assert f"judged by {ranked.judges}" in said
    assert ranked.sizes == dict.fromkeys(sets, 10)


def test_a_set_is_relabelled_as_the_command_does_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(f"relabel {SET} --models-pool MLP --temperature 2 --out typed".split())
    said = capsys.readouterr().out
    spec = RelabelSpec(set=FILE, pool=PoolSpec(architectures=("MLP",)), temperature=2.0)
    made = relabel(spec, "called")
    assert tree(home / "called") == tree(home / "typed")
    assert read(home / "called" / "settings.json") == read(home / "typed" / "settings.json")
    typed = datastill.load("typed")
    for found in (made.set, datastill.load("called")):
        assert torch.equal(found.labels, typed.labels)
        assert found.facts["relabelled"] == typed.facts["relabelled"]
    assert torch.equal(hardened(made.set).labels, made.before.labels)
    assert f"the hard label for {made.agreement:.1%} of the images" in said
    assert f"with {made.certainty:.1%} on average" in said
    assert made.caveats == ()


def test_what_is_there_is_replaced_only_if_that_is_said(home: Path) -> None:
    spec = RelabelSpec(set=SET, pool=WHOLE)
    relabel(spec, "soft")
    softer = replace(spec, temperature=9.0)
    with pytest.raises(InputError, match="soft"):
        relabel(softer, "soft")
    made = relabel(softer, "soft", keeping=Keeping(overwrite=True))
    assert torch.equal(datastill.load("soft").labels, made.set.labels)


@pytest.mark.parametrize("verb", [assess, rank, relabel, study])
def test_what_is_no_description_is_told(verb: Callable[[Any], object]) -> None:
    with pytest.raises(InputError, match=r"`spec` must be an? [A-Z][a-z]+Spec, found 'digits'"):
        verb("digits")


def test_soft_labels_lie_beside_the_set() -> None:
    assert beside("a/IPC1") == Path("a/IPC1-soft")
    assert beside("a/IPC1/synthetic.safetensors") == Path("a/IPC1-soft")
    assert beside("a/one.safetensors") == Path("a/one-soft")
