"""The controls of the decisive table: pairs of the sets of a study, made outside of it."""

import argparse
import json
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from datastill import load
from datastill.cli import main
from datastill.store import SET_FILE
from datastill.store.models import load_member, members_in, pool_folder
from datastill.training.accuracies import Accuracies, crossed_difference

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import clom_controls as controls
    import clom_students as students
finally:
    sys.path.remove(str(BENCHMARKS))

TINY = "--dataset digits --model ConvNetD1W16 --seed 3 --quiet --engine plain"
STUDY = (
    f"study {TINY} --ipc 1 --seeds 2 --population DM:3 DM:3:10 --batch-real 8 --inner-loop 1 "
    "--num-eval 2 --epochs 1 --models-pool ConvNetD1W16 --model-num 1 --pool-path pool"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("controls")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        main(f"train {TINY} --num 1 --epochs 1 --save-path pool".split())
        main([*STUDY.split(), "--assessments", "om-accuracy"])
    return place


def given(study: Path, **more: object) -> argparse.Namespace:
    asked: dict[str, object] = {
        **{"dataset": "digits", "data_path": None, "engine": "plain", "model_num": 1},
        **{"pool_path": study / "pool", "updates": 3, "alpha": 10.0, "ipc": 1, "seeds": 2},
        **{"kinds": [], "out": study / "made", **more},
    }
    return argparse.Namespace(**asked)


def test_twins_are_made_again_bit_for_bit_while_they_are_measured(study: Path) -> None:
    found = study / "studies" / "digits"
    bench, lengths = controls.bench_of(found, given(study)), controls.Lengths()
    kept = load(found / "sets" / "DM-3-clom10-ipc1-seed1" / SET_FILE)
    assert bench.twin(1).images.equal(kept.images)
    assert bench.twin(1, lengths).images.equal(kept.images)
    assert len(lengths.matching) == len(lengths.clom) == 3
    assert min(lengths.matching) > 0
    without = load(found / "sets" / "DM-3-ipc1-seed1" / SET_FILE)
    assert bench.faster(1, 0.0).images.equal(without.images)
    assert not bench.faster(1, 0.5).images.equal(without.images)


def test_clom_alone_moves_by_its_own_gradient(study: Path) -> None:
    bench = controls.bench_of(study / "studies" / "digits", given(study))
    alone, both = bench.twin(0, alone=True), bench.twin(0)
    assert alone.images.shape == both.images.shape
    assert not alone.images.equal(both.images)
    start = bench.faster(0, -1.0)  # steps of no length
    lengths = controls.Lengths()
    bench.twin(0, lengths)
    assert not alone.images.equal(start.images)


def test_a_step_of_clom_alone_is_that_of_the_formula(study: Path) -> None:
    bench = controls.bench_of(study / "studies" / "digits", given(study, updates=1))
    start = bench.faster(0, -1.0)  # a step of no length
    ((_, _, file),) = members_in(pool_folder(study / "pool", "digits", "ConvNetD1W16"))
    teacher = load_member(file)
    images = start.images.clone().requires_grad_()
    loss = 10.0 * F.cross_entropy(teacher.network(images), start.labels)
    (slope,) = torch.autograd.grad(loss, images)
    torch.testing.assert_close(bench.twin(0, alone=True).images, start.images - slope)


def test_controls_are_judged_beside_their_twins(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study)
    found, asked = study / "studies" / "digits", given(study)
    controls.make(found, asked)
    made = sorted(path.parent for path in asked.out.glob(f"*/{SET_FILE}"))
    assert len(made) == 4
    before = [path.stat().st_mtime_ns for path in made]
    controls.make(found, asked)
    assert [path.stat().st_mtime_ns for path in made] == before
    words = [*STUDY.split(), "--assessments", "om-accuracy", "--sets", *map(str, made)]
    main(words)
    rows = controls.tell(controls.compared(found, asked), asked).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        *("| DM-3", "| DM-3-clom10", "| alone", "| faster")
    ]
    assert all(row.split(" | ")[1] == "2" for row in rows[2:])
    assert "(" in rows[4].split(" | ")[3]


def test_what_is_told_of_the_controls_follows_from_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Path(__file__).parents[1] / "docs" / "results" / "clom" / "decisive"
    lines = (kept / "controls.md").read_text().splitlines()
    kinds = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    known = {"DM-500", "DM-500-clom100", *controls.CONTROLS}
    more = [kind for kind in kinds if kind not in known]
    words = [*(["--kinds", *more] if more else []), "--out", str(tmp_path)]
    line = ["clom_controls.py", "tell", str(kept / "study"), *words]
    monkeypatch.setattr(sys, "argv", line)
    controls.main()
    for name in ("controls.md", "controls.json"):
        assert (tmp_path / name).read_text() == (kept / name).read_text()


def test_what_is_told_of_other_students_follows_from_their_comparisons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row(name: str, *values: float) -> dict[str, object]:
        return {"name": name, "model": "VGG11", "accuracies": {"values": values}}

    without = [row(f"DM-500-ipc10-seed{k}/x", 0.80 + k / 100, 0.81 + k / 100) for k in range(3)]
    guided = [row(f"DM-500-clom100-ipc10-seed{k}/x", 0.83, 0.84) for k in (2, 0, 1)]
    file = tmp_path / "comparison.json"
    file.write_text(json.dumps({"rows": [*guided, row("random", 0.7, 0.72), *without]}))
    for words in ([str(file)], []):  # from what is kept then
        monkeypatch.setattr(sys, "argv", ["x", *words, "--out", str(tmp_path)])
        students.main()
        (told,) = (tmp_path / "students.md").read_text().splitlines()[2:]
        assert told.startswith("| VGG11 | 71.0 ± 1.4 % (n=2) | 81.5 ± 1.0 % (n=6) | 83.5 ± 0.5 %")
        assert told.endswith("| +2.0 (-0.5 to +4.5) | +3.0, +2.0, +1.0 |")


def test_the_page_tells_what_other_students_and_another_pool_came_to() -> None:
    kept = Path(__file__).parents[1] / "docs" / "results" / "clom" / "decisive"
    page = " ".join((kept / "README.md").read_text().split())
    written = (kept / "students.md").read_text()
    assert students.table(json.loads((kept / "students.json").read_text())) == written
    for row in written.splitlines()[2:]:
        _, _, random, without, guided, gain, each, _ = (cell.strip() for cell in row.split("|"))
        assert f"{without.split(' %')[0]} to {guided.split(' (')[0]}" in page
        assert f"{gain[:-1]}; by seed {each})" in page
        assert random.split(" %")[0] in page

    def accuracies(study: str) -> list[Accuracies]:
        sets = sorted((kept / study / "sets").glob("DM-500-clom100-ipc10-seed[012]/record.json"))
        trials = [json.loads(file.read_text())["trials"] for file in sets]
        return [Accuracies(tuple(one["accuracy"] for one in some)) for some in trials]

    three, alike = accuracies("study/three-architectures"), accuracies("study-gpu/FashionMNIST")
    assert len(three) == len(alike) == 3
    less, interval = str(crossed_difference(three, alike)).removesuffix(")").split(" (")
    assert f"{less.removeprefix('-')} less than under three ConvNets ({interval}; by seed" in page
