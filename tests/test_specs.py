"""Descriptions of runs: what is written is what is read, and what is damaged is told in a line."""

import math
import pickle
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datastill import Key
from datastill.base.errors import InputError
from datastill.runs.specs import (
    KINDS,
    About,
    AssessSpec,
    ClomSpec,
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    JudgesSpec,
    Old,
    OnTheFlySpec,
    PoolSpec,
    RankSpec,
    RelabelSpec,
    SelectSpec,
    SoftSpec,
    Spec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
    read,
)
from datastill.runs.specs.parts import SEEDS

TEXT = st.text(min_size=1, max_size=12)
NAME = TEXT
KEPT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
PATH = st.text(KEPT, min_size=1, max_size=12)
NAMES = st.lists(NAME, min_size=1, max_size=3, unique_by=str.casefold)
COUNT = st.integers(1, 10**6)
FEW = st.integers(1, 10**5)
QUOTA = COUNT | st.sampled_from(["cat=5,rest=10", "proportional:500", '"cat, dog"=5,rest=1'])
POSITIVE = st.floats(min_value=1e-300, max_value=1e30)
SHARE = st.floats(min_value=1e-9, max_value=1, exclude_max=True)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


DATA = st.builds(
    DataSpec,
    name=NAME,
    path=maybe(PATH),
    size=maybe(COUNT | st.tuples(COUNT, COUNT)),
    image_column=maybe(TEXT),
    label_column=maybe(TEXT),
    test_share=maybe(SHARE),
    skip_damaged=st.booleans(),
    mirror=maybe(st.booleans()),
)
COMPUTE = st.builds(
    ComputeSpec,
    seed=st.integers(*SEEDS),
    device=TEXT,
    engine=st.sampled_from(["auto", "kernels", "plain", "compiled"]),
    precision=st.sampled_from(["auto", "float32", "tf32", "bfloat16"]),
)
ASKED = {"architectures": NAMES, "num": maybe(COUNT), "epoch": maybe(COUNT), "path": PATH}
POOL = st.builds(PoolSpec, **ASKED)
JUDGING = st.builds(PoolSpec, **ASKED, early=st.lists(COUNT, max_size=3, unique=True))
CLOM = st.builds(
    ClomSpec,
    alphas=st.lists(POSITIVE | st.just(0.0), min_size=1, max_size=3),
    distance=st.just("cosine"),
    batch_size=COUNT,
    source=maybe(TEXT),
)
SOFT = st.builds(SoftSpec) | st.builds(SoftSpec, loss=st.just("kl"), temperature=maybe(POSITIVE))
FLY = st.builds(
    OnTheFlySpec,
    loss=st.sampled_from(["cross-entropy", "kl"]),
    temperature=maybe(POSITIVE),
    ground_truth=maybe(POSITIVE),
)
LEAF = (
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
SHARED = {"compute": COMPUTE, "models": NAMES, "epochs": COUNT}
SPECS: dict[str, st.SearchStrategy[Spec]] = {
    "distill": st.builds(
        DistillSpec,
        data=DATA,
        compute=COMPUTE,
        method=TEXT,
        model=TEXT,
        ipc=QUOTA,
        updates=maybe(COUNT),
        minutes=maybe(POSITIVE),
        lr=maybe(POSITIVE),
        batch=COUNT,
        init=st.just("herding"),
        coreset_features=maybe(TEXT),
        augmentation=maybe(TEXT),
        tiles=maybe(COUNT),
        labels=maybe(st.sampled_from(["hard", "learned"])),
        settings=st.dictionaries(NAME, LEAF, max_size=4),
        pool=POOL,
        clom=maybe(CLOM),
        select=maybe(st.builds(SelectSpec, by=TEXT, every=COUNT)),
    ),
    "train": st.builds(
        TrainSpec,
        data=DATA,
        num=FEW,
        lr=POSITIVE,
        weight_decay=POSITIVE,
        held_out=SHARE,
        batch=COUNT,
        **SHARED,
    ),
    "validate": st.builds(
        ValidateSpec,
        set=TEXT,
        data=DATA | st.just(DataSpec()),
        trials=FEW,
        protocol=maybe(TEXT),
        augmentation=maybe(TEXT),
        soft=SOFT,
        against=NAMES,
        coreset_features=maybe(TEXT),
        pool_path=PATH,
        together=maybe(COUNT),
        **SHARED,
    )
    | st.builds(ValidateSpec, set=TEXT, on_the_fly=FLY, pool=POOL, soft=SOFT),
    "compare": st.builds(
        CompareSpec,
        sets=NAMES,
        data=DATA,
        ipc=maybe(QUOTA),
        protocol=st.sampled_from(["dc", "dsa", "modern"]),
        trials=FEW,
        against=st.lists(NAME, max_size=2, unique_by=str.casefold),
        pool=maybe(POOL),
        real_epochs=st.integers(0, 100),
        soft=SOFT,
        rates=st.lists(POSITIVE, max_size=2, unique=True),
        **SHARED,
    )
    | st.builds(CompareSpec, sets=NAMES, on_the_fly=FLY, pool=POOL),
    "assess": st.builds(
        AssessSpec, set=TEXT, data=DATA, compute=COMPUTE, pool=JUDGING, draws=st.integers(0, 9)
    ),
    "select": st.builds(RankSpec, sets=NAMES, by=TEXT, data=DATA, compute=COMPUTE, pool=JUDGING),
    "study": st.builds(
        StudySpec,
        data=DATA,
        compute=COMPUTE,
        population=st.lists(NAME, max_size=3, unique_by=str.casefold),
        ipc=st.lists(COUNT, max_size=3, unique=True),
        inner_loop=maybe(COUNT),
        augmented=st.booleans(),
        judges=st.builds(
            JudgesSpec,
            architectures=NAMES,
            num=FEW,
            path=PATH,
            early=st.lists(COUNT, max_size=2, unique=True),
        ),
    ),
    "relabel": st.builds(RelabelSpec, set=TEXT, pool=POOL, temperature=POSITIVE),
}
ANY = st.one_of(*SPECS.values())
OFTEN = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def one_line(error: InputError) -> bool:
    return bool(str(error)) and "\n" not in str(error)


def leaves(table: Mapping[str, Any], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, value in table.items():
        found += leaves(value, (*at, name)) if isinstance(value, dict) else [(*at, name)]
    return found


def changed(table: Mapping[str, Any], at: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = at
    inner = changed(table.get(first, {}), tuple(rest), value) if rest else value
    return {**table, first: inner}


def test_every_kind_is_tried() -> None:
    assert set(SPECS) == set(KINDS)


@OFTEN
@given(ANY)
def test_any_description_survives(spec: Spec) -> None:
    text = spec.to_toml()
    assert type(spec).from_toml(text) == spec
    assert read(text) == (spec, About())
    assert type(spec).from_toml(text).digest == spec.digest
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert tomllib.loads(text) == {"kind": spec.kind, **spec.table()}


@OFTEN
@given(ANY, TEXT, TEXT, TEXT)
def test_what_a_description_says_of_itself_does_not_change_it(
    spec: Spec, source: str, expected: str, measured: str
) -> None:
    about = About(*(text.replace("\r", "") for text in (source, expected, measured)))
    found, said = read(spec.to_toml(about))
    assert (found, said) == (spec, about)
    assert found.digest == spec.digest


@OFTEN
@given(ANY, st.data())
def test_any_damage_is_told_in_one_line_or_none(spec: Spec, data: st.DataObject) -> None:
    text = spec.to_toml()
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 12))
    damaged = text[:at] + data.draw(st.text(max_size=6)) + text[at + cut :]
    try:
        found, _ = read(damaged, "r.toml")
    except InputError as error:
        told = error
    else:  # what still makes sense is a description like any other
        assert read(found.to_toml())[0] == found
        return
    assert one_line(told)
    assert str(told).startswith("r.toml")


@OFTEN
@given(ANY, st.data())
def test_any_value_of_another_kind_is_told_with_its_address(
    spec: Spec, data: st.DataObject
) -> None:
    table = spec.table()
    at = data.draw(st.sampled_from([path for path in leaves(table) if path[0] != "settings"]))
    text = tomli_w.dumps({"kind": spec.kind, **changed(table, at, {"odd": 1})})
    with pytest.raises(InputError) as told:
        read(text, "r.toml")
    assert one_line(told.value)
    assert f"`{'.'.join(at)}` must be" in str(told.value)


@OFTEN
@given(ANY, st.data())
def test_any_name_without_a_meaning_is_told_with_the_nearest(
    spec: Spec, data: st.DataObject
) -> None:
    table = spec.table()
    at = data.draw(st.sampled_from([path for path in leaves(table) if path[0] != "settings"]))
    wrong = (*at[:-1], f"{at[-1]}s_")
    text = tomli_w.dumps({"kind": spec.kind, **changed(table, wrong, 1)})
    with pytest.raises(InputError, match="has no meaning") as told:
        read(text, "r.toml")
    assert one_line(told.value)
    assert f"`{'.'.join(wrong)}`" in str(told.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind =", r"r.toml is not TOML"),
        ("", r'r.toml does not say what it describes; begin it with kind = "distill"'),
        ("kind = 3", r"does not say what it describes"),
        ('kind = "distil"', r"no kind of run 'distil'; did you mean 'distill'"),
        ('kind = "distill"', r"r.toml: `data` is missing"),
        ('kind = "distill"\n[data]', r"r.toml: `data` needs the name of a dataset"),
        ('kind = "distill"\nsource = 3', r"`source` must be text, found 3"),
        ('kind = "distill"\ndata = "digits"', r"`data` must be a DataSpec, found 'digits'"),
        ('kind = "distill"\nipcs = 3', r"`ipcs` has no meaning; did you mean 'ipc'"),
        ("{lr = nan}", r"`lr` must be a finite number, found nan"),
        ("{ipc = 'cat'}", r"`ipc` is a number, CLASS=N"),
        ("{ipc = 0}", r"`ipc` must be above zero, found 0"),
        ("{batch = true}", r"`batch` must be a whole number, found True"),
        ("{batch = 1.5}", r"`batch` must be a whole number, found 1.5"),
        ("{updates = '3'}", r"`updates` must be a whole number or None, found '3'"),
        ("{coreset_features = 'MLP'}", r"has a meaning with `init='herding'`"),
        ("{compute.engine = 'kernel'}", r"`compute.engine` must be auto, kernels, .*'kernels'"),
        ("{compute.seed = 99999999999999999999}", r"a seed is a whole number from"),
        ("{data.size = [1, 2, 3]}", r"`data.size` must be a whole number, a list of whole"),
        ("{data.test_share = 1}", r"a share kept for tests is from 0 to below 1, not 1"),
        ("{clom = {}}", r"`clom.alphas` is missing"),
        ("{clom.alphas = []}", r"`clom.alphas` needs at least one value"),
        ("{clom.alphas = [-1]}", r"`clom.alphas` must not be negative, found -1"),
        ("{settings.lr_net = inf}", r"`settings` must be a finite number, found inf"),
        ("{settings.outer_loop = [1]}", r"`settings` must be a table"),
    ],
)
def test_what_is_wrong_is_told(text: str, complaint: str) -> None:
    if text.startswith("{"):
        table = {"kind": "distill", "data": {"name": "digits"}}
        for name, value in tomllib.loads(f"a = {text}")["a"].items():
            inner = {**table.get(name, {}), **value} if isinstance(value, dict) else value  # type: ignore
            table[name] = inner
        text = tomli_w.dumps(table)
    with pytest.raises(InputError, match=complaint) as told:
        read(text, "r.toml")
    assert one_line(told.value)


def test_a_description_of_another_kind_is_refused() -> None:
    text = TrainSpec(data=DataSpec("digits")).to_toml()
    with pytest.raises(InputError, match=r"r.toml describes a run of kind 'train', not 'distill'"):
        DistillSpec.from_toml(text, "r.toml")


def test_options_in_a_file_are_told_from_descriptions() -> None:
    with pytest.raises(Old) as found:
        read('command = "distill"\n[options]\nipc = 3')
    assert found.value.command == "distill"
    assert found.value.table["options"] == {"ipc": 3}


def test_python_gives_values_of_its_own_kinds() -> None:
    data = DataSpec("digits", path=Path("a") / "b", size=np.int64(8), test_share=np.float32(0.25))  # type: ignore
    assert (data.path, data.size, data.test_share) == (str(Path("a/b")), (8, 8), 0.25)
    spec = TrainSpec(data=data, models=["MLP"], lr=1, save_epochs=[2, 1])  # type: ignore
    assert (spec.models, spec.save_epochs) == (("MLP",), (2, 1))
    assert type(spec.lr) is float
    for bad in ({"models": "MLP"}, {"lr": "1"}, {"num": True}, {"lr": math.inf}, {"data": None}):
        with pytest.raises(InputError):
            TrainSpec(**{"data": data, **bad})  # type: ignore
    with pytest.raises(InputError, match="holds letters that no file can hold"):
        DataSpec("\udc80")


def test_the_digest_names_what_the_result_follows_from() -> None:
    spec = DistillSpec(data=DataSpec("digits"), lr=1, settings={"lr_net": 1})
    same = [
        replace(spec, lr=1.0, settings={"lr_net": 1.0}),
        replace(spec, ipc="10"),
        replace(spec, data=replace(spec.data, path="elsewhere")),
        replace(spec, pool=replace(spec.pool, path="elsewhere")),
    ]
    others = [
        replace(spec, compute=ComputeSpec(seed=1)),
        replace(spec, model="MLP"),
        replace(spec, clom=ClomSpec(alphas=(1,))),
        replace(spec, clom=ClomSpec(alphas=(1, 2))),
        replace(spec, settings={}),
        replace(spec, data=replace(spec.data, mirror=False)),
    ]
    assert {one.digest for one in same} == {spec.digest}
    assert len({one.digest for one in (spec, *others)}) == 1 + len(others)
    validated, compared = ValidateSpec(set="a"), CompareSpec(sets=("a",))
    assert len({one.digest for one in (validated, compared)}) == 2


def test_settings_stay_as_they_were_given() -> None:
    """A frozen description with a digest: nothing in it can be changed, and it is a key."""
    given: dict[str, Any] = {"lr_net": 0.1, "outer_loop": 2}
    for kind in (DistillSpec, StudySpec):
        spec = kind(data=DataSpec("digits"), settings=given)
        twin = kind(data=DataSpec("digits"), settings=dict(reversed(given.items())))
        assert {spec: 1}[twin] == 1
        assert pickle.loads(pickle.dumps(spec)) == spec == replace(spec)
        assert (spec.settings, repr(spec.settings)) == (given, repr(given))
        with pytest.raises(TypeError):
            spec.settings["lr_net"] = 1  # type: ignore[index]


def test_seeds_are_those_that_keys_take() -> None:
    for seed in SEEDS:
        assert Key(seed).seed == ComputeSpec(seed=seed).seed
    for seed in (SEEDS[0] - 1, SEEDS[1] + 1):
        with pytest.raises(InputError):
            Key(seed)
        with pytest.raises(InputError):
            ComputeSpec(seed=seed)


def test_models_are_units_of_a_training() -> None:
    spec = TrainSpec(data=DataSpec("digits"), models=("MLP", "LeNet"), num=2)
    addresses = [unit.address for unit in spec.units()]
    assert addresses == ["MLP/0", "MLP/1", "LeNet/0", "LeNet/1"]
    (unit,) = DistillSpec(data=DataSpec("digits")).units()
    assert unit.spec.kind == "distill"


def test_descriptions_need_no_torch() -> None:
    code = (
        "import sys; from datastill.runs.conduct import observer, stop; "
        "from datastill.runs.specs import quota; "
        "assert 'torch' not in sys.modules, 'torch is loaded'"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_place_in_a_persons_home_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    assert DataSpec("digits", path="~/data").path == "/somebody/data"
    assert DataSpec("digits", path="~").path == "/somebody"
    assert DataSpec("digits", path="./~/data").path == "./~/data"
