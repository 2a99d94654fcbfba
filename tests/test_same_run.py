"""What a result follows from is one value for every run, and one function finds what differs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datastill import runs
from datastill.base.errors import InputError
from datastill.runs import Keeping, StopRequest, Talking
from datastill.runs.conduct.keeping import is_same_run, require_same_run
from datastill.runs.folders.provenance import Execution, Original, Provenance
from datastill.runs.specs import (
    AssessSpec,
    ClomSpec,
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    PoolSpec,
    RelabelSpec,
    SelectSpec,
    TrainSpec,
    ValidateSpec,
)
from datastill.runs.validation.finished import finished_of
from datastill.store import load, load_member, through_json

pytestmark = pytest.mark.usefixtures("sketched")

DATA, COMPUTE = DataSpec("digits"), ComputeSpec(seed=2)
TRAIN = TrainSpec(data=DATA, compute=COMPUTE, models=("MLP",), num=2, epochs=1)
POOL = PoolSpec(architectures=("MLP",), path="pool")
DISTILL = DistillSpec(data=DATA, compute=COMPUTE, model="ConvNetD1W16", ipc=1, updates=3, batch=4)
GUIDED = replace(
    DISTILL,
    pool=POOL,
    clom=ClomSpec(alphas=(3,)),
    select=SelectSpec(by="om-cross-entropy", every=2),
    init="herding",
    coreset_features="MLP",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with original models, in which a test works."""
    monkeypatch.chdir(tmp_path)
    runs.train(TRAIN, "pool")
    return tmp_path


def read(file: str) -> Any:
    return json.loads(Path(file).read_text("utf-8"))


def test_every_result_says_what_it_follows_from(home: Path) -> None:
    del home
    runs.distill(GUIDED, "set")
    validate = ValidateSpec(
        set="set", compute=COMPUTE, models=("MLP",), trials=1, epochs=1, against=("herding",)
    )
    validate = replace(validate, coreset_features="MLP", pool_path="pool")
    runs.validate(validate, "set")
    compare = CompareSpec(
        sets=("set",), compute=COMPUTE, models=("MLP",), trials=1, epochs=1, real_epochs=0
    )
    compare = replace(compare, against=("random",), pool=POOL)
    runs.compare(compare, "compared")
    assess = AssessSpec(
        set="set", compute=COMPUTE, pool=POOL, assessments=("om-accuracy",), draws=0
    )
    runs.assess(assess, "set")
    relabel = RelabelSpec(set="set", pool=POOL)
    runs.relabel(relabel, "soft")
    found: list[tuple[Any, Any, set[str]]] = [
        (GUIDED, read("set/settings.json"), {"clom", "select", "features"}),
        (validate, read("set/validation.json")[0], {"features"}),
        (compare, read("compared/comparison.json"), {"pool"}),
        (assess, read("set/assessment.json"), {"pool"}),
        (relabel, read("soft/settings.json"), {"pool"}),
    ]
    pool = [
        load_member(Path(f"pool/digits/original/MLP/model_00{i}_epoch_001.safetensors"))
        for i in (0, 1)
    ]
    for spec, facts, roles in found:
        assert facts["run"] == through_json({"kind": spec.kind, **spec.table()})
        assert set(facts["versions"]) == {"datastill", "torch"}
        assert facts["device"] == "cpu"
        assert facts["execution"]["threads"] > 0
        if not isinstance(spec, RelabelSpec):
            assert [facts[name] for name in ("seed", "engine", "precision")] == [2, "auto", "auto"]
        models = Provenance.here(spec, "cpu", facts, {}).originals
        assert set(models) == roles
        for role, members in models.items():
            assert [one.key for one in members] == [
                member.facts["key"] for member in pool[: 1 if role == "features" else 2]
            ]
            assert all(one.weights and one.trained_on and one.epoch == 1 for one in members)
            assert all(isinstance(one, Original) for one in members)
    assert load("set").facts["execution"] == read("set/settings.json")["execution"]
    assert {"execution", "versions", "real_fingerprint"} <= set(pool[0].facts["asked"])


def stopping() -> dict[str, Any]:
    stop = StopRequest()

    def moved(label: str, at: float, total: int, note: str) -> None:
        del label, at, total, note
        stop.request()

    return {"observer": Talking(moved=moved), "stop": stop}


def computed_by(threads: int) -> Any:
    def here(*_given: object) -> Execution:
        return Execution("one", threads)

    return here


def test_a_run_that_goes_on_with_other_threads_is_told_and_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    train = replace(TRAIN, epochs=3, num=1)
    runs.distill(DISTILL, "finished")
    validate = ValidateSpec(set="finished", compute=COMPUTE, models=("MLP",), trials=2, epochs=2)
    asked: list[tuple[Any, Any]] = [
        *((runs.distill, DISTILL), (runs.train, train)),
        (runs.validate, validate),
    ]
    monkeypatch.setattr(Execution, "here", computed_by(1))
    for verb, spec in asked:
        with pytest.raises(runs.Stopped):
            verb(spec, f"{spec.kind}d", **stopping())
    monkeypatch.setattr(Execution, "here", computed_by(2))
    for verb, spec in asked:
        lines: list[str] = []
        watching = Talking(tell=lines.append)
        verb(spec, f"{spec.kind}d", keeping=Keeping(resume=True), observer=watching)
        assert sum("was computed with threads 1, now 2: the last bits" in one for one in lines) == 1
        lines.clear()
        verb(spec, f"{spec.kind}d", keeping=Keeping(resume=True), observer=watching)
        assert not any("was computed with" in one for one in lines)  # it is finished


def test_what_was_asked_for_before_and_not_now_differs(home: Path) -> None:
    del home
    runs.distill(DISTILL, "set")
    spec = ValidateSpec(set="set", compute=COMPUTE, models=("MLP",), trials=1, epochs=1)
    report = through_json(runs.validate(spec, "set").report)
    assert finished_of([report], report) is not None
    for name in ("labels_on_the_fly", "learning_rates"):
        assert report[name] is None
        other = {**report, name: {"synthetic": 0.5}}
        assert finished_of([other], report) is None
    older = {name: value for name, value in report.items() if value is not None}
    assert finished_of([older], report) is not None  # of a datastill that left out what is not


def test_models_of_a_list_are_named_where_they_differ() -> None:
    models = [{"architecture": "MLP", "number": i, "epoch": 1, "weights": "a"} for i in (0, 1)]
    changed = [models[0], {**models[1], "weights": "b"}]
    for then, now, said in (
        (models, changed, "MLP 1 after epoch 1 has other weights now"),
        (models[:1], models, "MLP 1 after epoch 1 was not among them"),
        ([], models, "MLP 0 after epoch 1 was not among them"),
        (models, models[:1], "MLP 1 after epoch 1 is not among them now"),
    ):
        with pytest.raises(InputError, match=f"followed other original models: {said}"):
            require_same_run({"pool": then}, {"pool": now}, Path("here"))
        assert not is_same_run({"pool": then}, {"pool": now})
    assert not is_same_run({"pool": models}, {"pool": []})
    assert is_same_run({"pool": models}, {"pool": models})
