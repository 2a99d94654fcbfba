"""The comparison of rules for alpha, which is carried out for hours: that it can be."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

import datastill as ds

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import weights
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("method", ["DM", "DC"])
def test_every_rule_makes_a_set_that_is_judged(method: str) -> None:
    sweep = weights.Sweep("digits", "ConvNetD1W16", 1, method, 2, 1, 1)
    bench = weights.Bench.of(sweep, None)
    found = dict(bench.seed(0, {"10": {}}))
    rules = [*(f"{alpha:g}" for alpha in weights.ALPHAS), "bearable"]
    rules += [f"balanced {share:g}" for share in weights.SHARES]
    assert list(found) == [rule for rule in rules if rule != "10"]  # which was there
    assert all(len(one["accuracies"]) == 1 for one in found.values())


@pytest.mark.parametrize("method", ["DM", "DC"])
def test_a_balanced_run_goes_on_where_it_stopped(method: str) -> None:
    bench = weights.Bench.of(weights.Sweep("digits", "ConvNetD1W16", 1, method, 3, 1, 1), None)
    clom = ds.cross_entropy_clom(bench.pool, 1.0, bench.real.domain)
    balanced = weights.Balanced(bench.method, clom, 0.3)
    task = ds.Task(bench.real, ds.builder("ConvNetD1W16", bench.real.domain), ds.Key(0))
    descent = bench.settings.descent(1, updates=3)
    states = [now.state() for now in ds.distill(balanced, task, descent) if now.state is not None]
    (last,) = list(ds.distill(balanced, task, descent, state=states[1]))[-1:]
    whole = list(ds.distill(balanced, task, descent))[-1]
    assert torch.equal(last.synthetic.images, whole.synthetic.images)


def test_what_rules_lose_follows_from_the_values_and_is_what_the_page_tells() -> None:
    folder = weights.OUT / "auto"
    written = (folder / "tables.md").read_text()
    assert weights.tables(json.loads((folder / "values.json").read_text())) == written
    page = (folder / "README.md").read_text()
    columns = r"\| (\S+ \(.*?\)) " * 5
    told = re.search(rf"^\| \*\*bearable\*\* \S+ \S+ {columns}\|$", page, re.M)
    assert told is not None
    lost = re.findall(r"^\| bearable \|.*\| (\S+ \(.*?\)) \|.*\|$", written, re.M)
    assert {one.split(" (")[0] for one in lost} == {one.split(" (")[0] for one in told.groups()}


def test_sweeps_without_epochs_find_the_models_that_are_committed() -> None:
    asked = [sweep for sweep in weights.SWEEPS.values() if sweep.epochs is None]
    assert asked
    for sweep in asked:
        assert len(weights.committed(sweep.dataset, sweep.model)) == 3
