"""Populations that differ, and studies that never do a piece of work twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from conftest import blobs, known_of, linear
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.distillation.loop import Descent, Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.base import Method, Need, Published
from datastill.evaluation.studies import (
    Bench,
    Record,
    Resampling,
    blank,
    distinct,
    examine,
    record_of,
    study,
    table_of,
)
from datastill.evaluation.validation import validate
from datastill.networks import build
from datastill.runs.inputs.needed import Needed, nothing
from datastill.runs.specs import DataSpec, StudySpec
from datastill.runs.specs.population import (
    Candidate,
    Kind,
    asks_models,
    candidates,
    needs_to_make,
    parse,
)
from datastill.runs.specs.population import wanted as wanted_by
from datastill.runs.studies import workshop
from datastill.runs.studies.workshop import Workshop
from datastill.training.coresets import CORESETS, picked, without_chance
from datastill.training.pool import freeze
from datastill.training.protocol import preset

KINDS = ("random", "herding", "noise:0.5", "DM:2", "DM:4", "DM:4:10", "DC:2", "DSA:2:10")
NAMES = ("om-accuracy", "coverage", "diversity")


@pytest.fixture(scope="module")
def shop() -> Workshop:
    real = blobs()
    pool = (freeze(linear(real.domain), "Linear", real.domain, {}),)
    return Workshop(real, pool, "ConvNetD1W16", Key(0), batch=8, settings={"inner_loop": 1})


@pytest.fixture(scope="module")
def made(shop: Workshop) -> dict[str, ImageSet]:
    wanted = candidates([parse(text) for text in KINDS], [1, 2], 2)
    shop.check(wanted)
    return {candidate.name: data for candidate, data in shop.make(wanted)}


@pytest.fixture(scope="module")
def bench(shop: Workshop) -> Bench:
    return Bench(shop.real, blobs("test"), shop.pool, "MLP", preset("dc", epochs=2), Key(2))


# Populations.


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("Random", Kind("random"), "random"),
        ("k_means", Kind("k-means"), "k-means"),
        ("noise", Kind("noise", share=1.0), "noise-1"),
        ("noise:0.25", Kind("noise", share=0.25), "noise-0.25"),
        ("dsa:20", Kind("DSA", updates=20), "DSA-20"),
        ("DC:20:0", Kind("DC", updates=20), "DC-20"),
        ("DM:150:2.5", Kind("DM", updates=150, alpha=2.5), "DM-150-clom2.5"),
        ("NCFM:3", Kind("NCFM", updates=3, alpha=1.0), "NCFM-3-clom1"),  # it is part of NCFM
        ("NCFM:3:0", Kind("NCFM", updates=3), "NCFM-3"),
        ("NCFM:3:2", Kind("NCFM", updates=3, alpha=2.0), "NCFM-3-clom2"),
        ("DM:1e3", Kind("DM", updates=1000), "DM-1000"),
    ],
)
def test_kinds_are_read_as_people_write_them(text: str, kind: Kind, told: str) -> None:
    assert parse(text) == kind
    assert str(kind) == told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hering", "no kind of sets named 'hering'; did you mean 'herding'"),
        ("DM", "DM must be followed by its updates"),
        ("DM:0", "DM must be followed by its updates"),
        ("DM:1.5", "DM must be followed by its updates"),
        ("DM:10:-1", "DM must be followed by its updates"),
        ("DM:10:inf", "DM must be followed by its updates"),
        ("DM:10:nan", "DM must be followed by its updates"),
        ("DM:10:1e31", "DM must be followed by its updates"),
        ("DM:inf", "DM must be followed by its updates"),
        ("DM:1e400", "DM must be followed by its updates"),
        ("DM:1e300", "DM must be followed by its updates"),
        (f"DM:{'9' * 5000}", "DM must be followed by its updates"),
        ("DM:1:2:3", "DM must be followed by its updates"),
        ("DM:ten", "what follows 'DM' is no number"),
        ("herding:3", "nothing can follow a coreset"),
        ("noise:0", "one share, above 0 and up to 1"),
        ("noise:1.5", "one share, above 0 and up to 1"),
        ("noise:nan", "one share, above 0 and up to 1"),
    ],
)
def test_kinds_that_make_no_sense_are_told(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse(text)


def test_clom_of_a_method_may_differ_with_the_images_per_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = METHODS["DM"]

    def published(ipc: int) -> Published:
        return replace(usual(ipc), clom=float(ipc - 1))

    monkeypatch.setitem(METHODS._items, "dm", ("DM", published))
    spec = StudySpec(data=DataSpec("digits"), population=("DM:1", "DM:1:2"), ipc=(1, 3), seeds=1)
    assert [one.name for one in wanted_by(spec)] == [
        *("DM-1-ipc1-seed0", "DM-1-clom2-ipc1-seed0"),
        "DM-1-clom2-ipc3-seed0",  # twice the same
    ]


def test_twins_come_out_as_they_do_alone(shop: Workshop) -> None:
    wanted = candidates([parse(text) for text in ("DM:2", "DM:4", "DM:4:10", "DM:3:100")], [1], 2)
    together = {candidate.name: data for candidate, data in shop.make(wanted)}
    assert len(together) == 8
    for candidate in wanted:
        ((_, alone),) = shop.make([candidate])
        assert torch.equal(together[candidate.name].images, alone.images)


def test_every_set_is_another(made: dict[str, ImageSet]) -> None:
    # Herding once for each ipc, all else by two seeds.
    assert len(made) == 2 * (1 + 2 * (len(KINDS) - 1))
    remaining, copies = distinct(made)
    assert list(remaining) == list(made)
    assert copies == {}
    for name, data in made.items():
        ipc = int(name.split("-ipc")[1].split("-")[0])
        assert data.counts == (ipc,) * 4
        assert blank(name, data).ipc == ipc
    methods = Counter(blank(name, data).method for name, data in made.items())
    assert set(methods) == {"random", "herding", "noise", "DM", "DM+CLOM", "DC", "DSA+CLOM"}
    assert made["DM-4-clom10-ipc1-seed1"].facts["descent"]["updates"] == 4


@pytest.mark.parametrize("name", ["DM-2-ipc2-seed1", "DC-2-ipc1-seed0", "noise-0.5-ipc1-seed1"])
def test_a_set_does_not_depend_on_what_else_is_made(
    name: str, shop: Workshop, made: dict[str, ImageSet]
) -> None:
    wanted = [c for c in candidates(map(parse, KINDS), [1, 2], 2) if c.name == name]
    ((_, alone),) = shop.make(wanted)
    assert torch.equal(alone.images, made[name].images)


def test_more_updates_are_made_in_one_run(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = list[int]()

    def counting(method: Method, task: Task, descent: Descent, **rest: Any) -> Iterator[Snapshot]:
        runs.append(descent.updates)
        return distill(method, task, descent, **rest)

    monkeypatch.setattr(workshop, "distill", counting)
    wanted = [Candidate(Kind("DM", updates), 1, 0) for updates in (2, 5, 3)]
    found = {candidate.kind.updates: data for candidate, data in shop.make(wanted)}
    assert runs == [5]
    assert list(found) == [2, 3, 5]
    assert not torch.equal(found[2].images, found[5].images)


def test_noise_is_mixed_in_by_its_share(shop: Workshop) -> None:
    ((_, whole), (_, some)) = shop.make(
        [Candidate(Kind("noise", share=s), 2, 0) for s in (1, 0.01)]
    )
    assert abs(float(whole.images.mean())) < 0.2
    assert float(whole.images.std()) == pytest.approx(1, abs=0.1)
    nearest = torch.cdist(some.images.flatten(1), shop.real.images.flatten(1)).amin(1)
    assert float(nearest.max()) < 1


def test_chance_is_where_it_is_said_to_be(shop: Workshop) -> None:
    for name in CORESETS.names:
        # Where a coreset draws more than there are, all are drawn.
        pick: Any = CORESETS[name]
        pick = replace(pick, images=4) if getattr(pick, "images", None) else pick
        known = known_of(shop.real, *shop.pool)
        one, other = (
            picked(pick, shop.real, [3] * 4, key=Key(seed), known=known) for seed in (1, 2)
        )
        assert torch.equal(one.images, other.images) == without_chance(pick), name


def test_what_cannot_be_made_is_told_first(shop: Workshop) -> None:
    with pytest.raises(InputError, match="fewer than the 13"):
        shop.check([Candidate(Kind("random"), 13, 0)])
    with pytest.raises(InputError, match="CLOM needs a pool"):
        list(replace(shop, pool=()).make([Candidate(Kind("DM", 2, alpha=1.0), 1, 0)]))


def test_every_method_can_be_studied(shop: Workshop) -> None:
    domain = shop.real.domain
    way = [
        freeze(build("MLP", domain, key=Key(epoch)), "MLP", domain, {"epoch": epoch})
        for epoch in range(5)
    ]

    def found(needs: frozenset[Need]) -> Needed:
        ways = (way,) if needs - {"originals"} else ()
        return Needed(ways, way[-1:] if "originals" in needs else ())

    quick = {"inner_loop": 1, "syn_steps": 2}
    given = replace(shop, model="MLP", needed=found, settings=quick)
    for method in METHODS.names:
        wanted = [Candidate(parse(f"{method}:1"), 1, 0)]
        needs = needs_to_make(METHODS[method](1))
        if needs:
            with pytest.raises(
                InputError, match=rf"^{wanted[0].kind}: .*`judges.path` names the folder"
            ):
                replace(given, pool=(), needed=nothing).check(wanted)
        assert asks_models(wanted[0].kind, {}) == bool(needs)
        given.check(wanted)
        ((_, data),) = given.make(wanted)
        assert bool(torch.isfinite(data.images).all()), method
        assert ("trajectories" in data.facts) == bool(needs - {"originals"})


def test_settings_are_given_to_methods_that_have_them(shop: Workshop) -> None:
    wanted = candidates([parse("DM:1"), parse("DC:1")], [1], 1)
    set_so = replace(shop, settings={"inner_loop": 2, "lr_net": 1})
    found = {one.kind.method: data for one, data in set_so.make(wanted)}
    assert "lr_net" not in found["DM"].facts["method_settings"]
    assert found["DC"].facts["method_settings"]["lr_net"] == 1.0
    assert found["DC"].facts["method_settings"]["inner_loop"] == 2
    replace(shop, settings={"lr_net": 1}).check(wanted[:1])  # of a study that grows
    with pytest.raises(InputError, match="no method has a setting `lr_nut`; did you mean 'lr_net'"):
        replace(shop, settings={"lr_nut": 1}).check(wanted)


# Examination.


def stepwise(
    sets: dict[str, ImageSet], bench: Bench, known: dict[str, Record], trials: int
) -> Iterator[Record]:
    return examine(sets, bench, known, trials=trials, names=NAMES)


@pytest.fixture(scope="module")
def few(made: dict[str, ImageSet]) -> dict[str, ImageSet]:
    return {name: made[name] for name in list(made)[:4]}


@pytest.fixture(scope="module")
def complete(few: dict[str, ImageSet], bench: Bench) -> dict[str, Record]:
    records = {name: blank(name, data) for name, data in few.items()}
    for record in stepwise(few, bench, dict(records), 2):
        records[record.name] = record
    return records


def values(records: dict[str, Record]) -> dict[str, tuple[list[float], dict[str, float]]]:
    return {
        name: (
            [trial.accuracy for trial in record.trials],
            {key: found.score.value for key, found in record.scores.items()},
        )
        for name, record in records.items()
    }


def test_trials_are_those_of_validate(
    few: dict[str, ImageSet], bench: Bench, complete: dict[str, Record]
) -> None:
    key = bench.key.at("validate")
    for name, data in few.items():
        expected = validate(data, bench.test, "MLP", bench.protocol, trials=2, key=key)
        assert values(complete)[name][0] == list(expected.values)
        assert set(complete[name].scores) == set(NAMES)


def test_a_study_that_was_stopped_anywhere_ends_the_same(
    few: dict[str, ImageSet], bench: Bench, complete: dict[str, Record]
) -> None:
    pieces = len(list(stepwise(few, bench, {n: blank(n, d) for n, d in few.items()}, 2)))
    assert pieces == len(few) * 3  # scores once, and two networks
    for stop in (1, 5, pieces - 1):
        records = {name: blank(name, data) for name, data in few.items()}
        for i, record in enumerate(stepwise(few, bench, dict(records), 2), 1):
            records[record.name] = record_of(table_of(record))
            if i == stop:
                break
        rest = list(stepwise(few, bench, dict(records), 2))
        assert len(rest) == pieces - stop
        for record in rest:
            records[record.name] = record
        assert values(records) == values(complete)


def test_nothing_is_computed_twice(
    few: dict[str, ImageSet], bench: Bench, complete: dict[str, Record]
) -> None:
    assert list(stepwise(few, bench, complete, 2)) == []
    assert list(stepwise(few, bench, complete, 1)) == []
    further = list(stepwise(few, bench, complete, 3))
    assert [len(record.trials) for record in further] == [3] * len(few)
    added = list(examine(few, bench, complete, trials=2, names=[*NAMES, "recall"]))
    assert [record.name for record in added] == list(few)
    for record in added:
        assert record.trials == complete[record.name].trials
        assert set(record.scores) - set(complete[record.name].scores) == {"recall"}
        for name in NAMES:
            assert record.scores[name] == complete[record.name].scores[name]


def test_every_set_has_a_network_before_any_has_two(few: dict[str, ImageSet], bench: Bench) -> None:
    blanks = {name: blank(name, data) for name, data in few.items()}
    order = [len(record.trials) for record in stepwise(few, bench, blanks, 2)]
    assert order == [0] * 4 + [1] * 4 + [2] * 4


def test_a_record_survives_its_table(complete: dict[str, Record]) -> None:
    for record in complete.values():
        assert record_of(table_of(record)) == record
    with pytest.raises((KeyError, TypeError, ValueError)):
        record_of({"name": "x"})


def test_copies_do_not_count(few: dict[str, ImageSet]) -> None:
    first = next(iter(few))
    kept, copies = distinct({**few, "again": replace(few[first], facts={"method": "other"})})
    assert list(kept) == list(few)
    assert copies == {"again": first}


def test_study_from_python(few: dict[str, ImageSet], bench: Bench) -> None:
    first = next(iter(few))
    sets = {**few, "again": few[first]}
    resampling = Resampling(Key(0), bootstraps=50, permutations=50)
    found = study(sets, bench, trials=2, names=NAMES, resampling=resampling)
    assert [record.name for record in found.records] == list(few)
    assert {verdict.name for verdict in found.verdicts} == set(NAMES)
    assert found.yardstick is not None
    single = study(few, bench, trials=1, names=NAMES[:1], resampling=resampling)
    assert single.yardstick is None
