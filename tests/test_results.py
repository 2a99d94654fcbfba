"""Tables that are committed are what the programs beside them make of the committed values."""

import importlib.util
import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import pytest

from datastill import load
from datastill.base.rng import Key
from datastill.evaluation.studies import conclude, study_of
from datastill.identity import fingerprint
from datastill.store.results import rows_in

pytestmark = pytest.mark.usefixtures("sketched")

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"


def program(name: str) -> ModuleType:
    """Import a benchmark, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(
        f"benchmark_{name}", ROOT / f"benchmarks/{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_clom_follow_from_the_values() -> None:
    clom, written = program("clom"), (RESULTS / "clom" / "tables.md").read_text()
    values = clom.read(RESULTS / "clom" / "values.json")
    for table in (clom.table(values), clom.longer(values), clom.said(values.items())):
        assert table in written
        assert table.count("\n") > 2


def test_the_page_of_clom_tells_what_the_tables_hold() -> None:
    page = (RESULTS / "clom" / "pairs.md").read_text()
    written = (RESULTS / "clom" / "tables.md").read_text()
    rows = re.findall(r"^\| (?:DM|DSA), \d+ \|.*\| (.* %.*) \| (.* %.*) \| (.*), 3 \|$", page, re.M)
    assert len(rows) == 7
    for cells in rows:
        assert " | ".join(cells) in written
    assert "+0.3 (-0.4 to +1.0)" in page  # ResNet18: by networks, not by three seeds alike


def test_clom_in_one_page_tells_what_its_plan_came_to() -> None:
    clom, folder = program("clom"), RESULTS / "clom" / "decisive"
    written = dict[str, str]()
    for dataset in ("FashionMNIST", "CIFAR10", "cpu", "gpu", "three-architectures"):
        written[dataset] = (folder / dataset / "tables.md").read_text()
        assert clom.table(clom.read(folder / dataset / "values.json")) in written[dataset]
    row = r"^\| (\S+[^|]*: )?(\w+), (\d+) \| ([^(|]*) (?:\([^)]*\) )?\| ([^(|]*) "
    for page in (folder.parent / "README.md", folder / "README.md"):
        rows = re.findall(row, page.read_text(), re.M)
        assert len(rows) == 12
        for where, method, updates, without, guided in rows:
            table = written["CIFAR10" if where.startswith("CIFAR") else "FashionMNIST"]
            ipc = 1 if "1 per class" in where else 10
            line = re.findall(rf"^\| {method}-{updates} \| {ipc} \|.*$", table, re.M)[0]
            assert without.strip() in line
            assert guided.strip() in line


def test_the_forms_of_clom_follow_from_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    forms = program("clom_forms")
    for file in sorted((RESULTS / "clom").glob("forms-*.json")):
        forms.tell(file)
    told = capsys.readouterr().out
    section = (RESULTS / "clom" / "forms.md").read_text()
    cells = re.findall(r"[+-]\d\.\d \([^)]*\)", section)
    assert len(cells) == 23
    for cell in cells:
        assert f"| {cell} |" in told


def test_the_table_of_comparisons_follows_from_the_values() -> None:
    comparison, page = program("comparison"), (RESULTS / "comparison" / "README.md").read_text()
    tables = [comparison.json.loads(file.read_text()) for file in comparison.OUT.glob("*/*.json")]
    lines = [comparison.line(table, row) for table in tables for row in table["rows"]]
    assert len(lines) == 16
    assert all(line in page for line in lines)


def test_a_comparison_that_was_written_before_is_read_by_its_values() -> None:
    for file in sorted((RESULTS / "comparison").glob("*/comparison.json")):
        table = json.loads(file.read_text())
        assert "pairs" not in str(table["rows"])  # as it was written then
        found, ranked = rows_in(table)
        assert ranked == []
        for row, old in zip(found, table["rows"], strict=True):
            if old["over_random"] is None:
                assert row.over_random is None
            else:
                assert row.over_random is not None
                assert row.over_random.interval == pytest.approx(old["over_random"]["interval"])
        # Whatever stands there: it follows from the values.
        table["rows"][0]["over_random"] = {"mean": 0.5, "interval": [0.5, 0.5]}
        assert rows_in(table)[0] == found


STUDIES = ("fashion-mnist-study", "alpha-study", "alpha-study/digits", "digits-study")


@pytest.mark.parametrize("name", STUDIES)
def test_what_a_study_found_follows_from_its_values(name: str) -> None:
    folder = RESULTS / name
    known, resampling, table = program("conclude").records(folder)
    found = conclude(known, replace(resampling, bootstraps=1, permutations=1))
    told = {row["name"]: row for row in [*table["verdicts"], table["ignorance"]]}
    assert {verdict.name for verdict in (*found.verdicts, found.ignorance)} == set(told)
    page = (folder / "study.md").read_text()
    for verdict in (*found.verdicts, found.ignorance):
        held = told[verdict.name]
        assert verdict.regret_in_ipc == pytest.approx(held["regret_in_ipc"])
        for scope, one in verdict.agreements.items():
            row = held["agreements"][scope]
            assert (one.sets, one.recipes) == (row["sets"], row["recipes"])
            for name in ("spearman", "kendall", "pearson", "regret", "by_family"):
                interval = getattr(one, name)
                told_so = None if interval is None else pytest.approx(asdict(interval))
                assert row[name] == told_so
            assert row["without"] == pytest.approx(one.without)
        inside = held["agreements"]["within ipc"]["spearman"]
        interval = f"{inside['value']:+.2f} ({inside['low']:+.2f}, {inside['high']:+.2f})"
        (line,) = re.findall(
            rf"^\| {re.escape(verdict.name)} \| {verdict.family} \|.*$", page, re.M
        )
        assert interval in line


def test_a_study_is_read_as_it_was_written_and_an_older_one_concluded_anew() -> None:
    _, _, table = program("conclude").records(RESULTS / "alpha-study" / "digits")
    table["models"] = 7.0
    found = study_of(table, Key(0))
    for trial in (trial for record in table["records"] for trial in record["trials"]):
        trial.update(right=[], tested=[])  # of which older studies say nothing
    assert json.loads(json.dumps(asdict(found))) == {name: table[name] for name in asdict(found)}
    older = {"facts": [], "records": table["records"], "verdicts": "of long ago", "models": 7.0}
    anew = study_of(older, Key(0))
    assert anew.records == found.records
    wanted = {each.name: each.headline.spearman for each in found.verdicts}
    assert {each.name for each in anew.verdicts} == {*wanted}
    for each in anew.verdicts:  # which other versions of libraries may round otherwise
        assert asdict(each.headline.spearman) == pytest.approx(asdict(wanted[each.name]))
    lost = asdict(found.chance.headline.regret)
    assert asdict(anew.chance.headline.regret) == pytest.approx(lost)
    assert {*anew.ceiling} == {*found.ceiling}
    for scope, held in found.ceiling.items():
        assert asdict(anew.ceiling[scope]) == pytest.approx(asdict(held))
    asked = {one.name: one.costs[10] is not None for one in anew.verdicts}
    assert all(asked.values())
    with pytest.raises((KeyError, TypeError, ValueError)):
        study_of({"records": [{"name": "x"}]}, Key(0))


def test_the_page_tells_how_often_intervals_hold() -> None:
    page = (ROOT / "docs" / "assessments.md").read_text()
    found = json.loads((ROOT / "benchmarks" / "results" / "coverage.json").read_text())
    told = program("coverage").table(found)
    assert told in page
    for size in found:
        held = [*size["jackknife of recipes"], size["difference of a pair"]]
        assert min(held) > 0.92
        assert size["differences of all pairs"] > 0.92
        assert 0.03 <= size["level, recipes permuted"] <= 0.07
        if size["seeds"] > 1:
            assert max(size["bootstrap of sets"]) < 0.92
            assert size["level, sets permuted"] > 0.1


def test_a_study_has_as_many_witnesses_as_recipes() -> None:
    _, _, table = program("conclude").records(RESULTS / "fashion-mnist-study")
    (row,) = (row for row in table["verdicts"] if row["name"] == "om-accuracy")
    found = row["agreements"]["within ipc"]
    assert (found["sets"], found["recipes"]) == (37, 13)
    # Intervals of 37 sets as if none were relatives were (+0.69, +0.92).
    assert found["spearman"]["low"] < 0.6
    assert found["spearman"]["high"] > 0.94
    assert table["ignorance"]["agreements"]["within ipc"]["spearman"]["value"] > 0.95


def test_the_page_of_assessments_tells_what_the_studies_found() -> None:
    page = (ROOT / "docs" / "assessments.md").read_text()
    read = program("conclude").records
    for name, title in (("digits-study", "## On digits"), ("fashion-mnist-study", "## On Fashion")):
        _, _, table = read(RESULTS / name)
        section = page.split(title)[1].split("\n## ")[0]
        verdicts = [*table["verdicts"], table["ignorance"], table["yardstick"]]
        told = {
            row["name"]: {
                f"{c['value']:+.2f} ({c['low']:+.2f}, {c['high']:+.2f})"
                for c in (one["spearman"] for one in row["agreements"].values())
            }
            for row in verdicts
            if row
        }
        rows = re.findall(
            r"^\| `?([a-z][^|`]*?)`?(?: \(early models\))? \| (\+.*) \|$", section, re.M
        )
        agreements = {row["name"]: row["agreements"] for row in verdicts if row}
        assert len(rows) >= 6
        for label, cells in rows:
            assert set(cells.split(" | ")[:3]) <= told[label], label
            lost = [100 * one["regret"]["value"] for one in agreements[label].values()]
            assert cells.split(" | ")[-1] in {f"{points:.1f}" for points in lost}


def test_the_regrets_of_choosing_an_alpha_follow_from_the_values() -> None:
    page = (ROOT / "docs" / "assessments.md").read_text()
    table = program("alphas").table()
    assert table.count("\n") == 11
    assert table in page
    assert "| `nearest-class-mean` | 0.02 | 1.18 | 0.20 |" in table


ANSWERS = ("FashionMNIST", "README.md"), ("CIFAR10", "CIFAR10/README.md")
"""Populations of the answer, and the page of each."""


@pytest.mark.parametrize(("dataset", "page"), ANSWERS)
def test_which_score_to_look_at_follows_from_the_values(
    dataset: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # programs that import one another
    answer, folder = program("answer_analysis"), RESULTS / "answer"
    records = answer.known(folder / dataset / "recipes")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([+-]\d\.\d\d) \|", (folder / page).read_text(), re.M)
    assert len(rows) == 14
    told = (folder / dataset / "analysis.txt").read_text()
    for name, value in rows:
        found = answer.agreement(records, name)
        assert abs(found - float(value)) < 0.0051
        assert any(line.split()[:2] == [name, f"{found:+.3f}"] for line in told.splitlines())


@pytest.mark.parametrize(("dataset", "page"), ANSWERS)
def test_what_the_published_protocol_tells_of_scores_is_what_was_printed(
    dataset: str, page: str
) -> None:
    folder = RESULTS / "answer"
    text, told = (folder / page).read_text(), (folder / dataset / "analysis.txt").read_text()
    printed = {
        name: [float(number) for number in re.findall(r"[+-]?\d+\.\d+", rest)]
        for name, rest in re.findall(
            r"^by the published protocol: (\S+|a pick by chance) +([+-]\d.*)$", told, re.M
        )
    }
    number, two = r"([+-]?\d+\.\d+)", r"([+-]?\d+\.\d+) to ([+-]?\d+\.\d+)"
    rows = re.findall(
        rf"^\| `(\S+)` \| {number} \({two}\) \| {two} \| {number} \({two}\) \|$", text, re.M
    )
    assert len(rows) >= 14
    for name, *numbers in rows:
        for value, held in zip(numbers, printed[name], strict=True):
            assert abs(float(value) - held) < (0.0051 if value[0] in "+-" else 0.051), name


@pytest.mark.parametrize(("dataset", "file"), ANSWERS)
def test_the_intervals_and_losses_on_that_page_are_those_that_were_printed(
    dataset: str, file: str
) -> None:
    folder = RESULTS / "answer"
    page = (folder / file).read_text()
    told = dict[str, list[float]]()
    for line in (folder / dataset / "analysis.txt").read_text().splitlines():
        if found := re.match(r"([a-z-]+(?:@20)?) +([+-]\d\.\d{3} \(.*?)  reliability", line):
            told[found[1]] = [float(number) for number in re.findall(r"[+-]?\d+\.\d+", found[2])]
    limits = r"([+-]\d\.\d\d) to ([+-]\d\.\d\d)"
    rows = re.findall(rf"^\| `([a-z-]+)` \| ([+-]\S+) \| {limits} \| {limits} \|", page, re.M)
    assert len(rows) == 14
    for name, *numbers in rows:
        for number, held in zip(numbers, told[name][:5], strict=True):
            assert abs(float(number) - held) < 0.0051, name
    lost = re.findall(r"`(\S+)`[^`|]*?(?:\| )?(\d\.\d) \((\d\.\d) to (\d\.\d)\)", page)
    lost += re.findall(
        r"^\| `([a-z-]+)` \|.*\| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \| \+", page, re.M
    )
    assert {name for name, *_ in lost} >= {"proxy-accuracy", "frechet-distance"}
    for name, *numbers in lost:
        for number, held in zip(numbers, told[name][5:8], strict=True):
            assert abs(float(number) - held) < 0.051, name


def test_what_did_best_among_seeds_and_alphas_is_not_left_out() -> None:
    folder = RESULTS / "answer"
    page = (folder / "README.md").read_text()
    told = (folder / "FashionMNIST" / "analysis.txt").read_text()
    pairs = re.findall(r"^H4 \((\S+), unguided\): (\d+) of 18", told, re.M)
    lost = re.findall(r"^H5 \(([a-z-]+)\): mean regret ([\d.]+)", told, re.M)
    (seeds,) = re.findall(r"^\| seeds of one recipe .*$", page, re.M)
    (alphas,) = re.findall(r"^\| alphas of CLOM .*$", page, re.M)
    name, count = max(pairs, key=lambda one: int(one[1]))
    assert f"`{name}` {count}" in seeds
    name, points = min(lost, key=lambda one: float(one[1]))
    assert f"`{name}` {float(points):.1f}" in alphas


def test_the_tables_of_methods_follow_from_the_comparisons() -> None:
    methods = program("methods")
    written = (RESULTS / "methods" / "tables.md").read_text()
    assert written == methods.tables()
    assert written.count("\n| ") > 20
    pages = [(ROOT / "README.md").read_text(), (ROOT / "docs" / "results.md").read_text()]
    section = pages[1].split("## Methods of today")[1].split("\n## ")[0]
    cells = re.findall(r"(?<=[|;]) (\d\d\.\d ± \d+\.\d %)( \(2\))?", section)
    assert len(cells) > 20
    for cell, few in cells:
        count = 2 if few else "[24]"
        assert re.search(rf"\| {re.escape(cell)} \(n={count}\) \|", written), cell
    for page in pages:
        rows = re.findall(
            r"^\| (?:random real images|images distilled).* in tiles, .*$", page, re.M
        )
        assert len(rows) == 3
        for row in rows:
            (value,) = re.findall(r"[0-9.]+ ± [0-9.]+ %", row)
            count = 4 if "4 networks" in row or "2 sets, two networks on each" in row else 2
            assert f"| {value} (n={count}) |" in written.split("## FashionMNIST-1\n")[0]
        assert "a draw for each" in rows[0]  # random tiles are drawn anew for each network


@pytest.mark.parametrize(
    ("kind", "by"), [("hour", ""), ("hourdsa", ", by dsa"), ("hourResNet18", ", ResNet18 by dsa")]
)
def test_a_row_of_an_hour_has_its_updates_and_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, by: str
) -> None:
    methods, name = program("methods"), "FashionMNIST-10-seed0-IDM-like"
    report = json.loads((RESULTS / "methods" / f"{name}-hard.json").read_text())
    report["rows"] = [report["rows"][0] | {"name": "DM"}, report["rows"][-1]]
    (tmp_path / f"{name}-{kind}.json").write_text(json.dumps(report))
    monkeypatch.setattr(methods, "OUT", tmp_path)
    # Its name is that of its updates: by these the picture knows where a point belongs.
    assert re.search(
        rf"^\| IDM-like, 5280 updates \| hard{by} \| \d+ \| 60\.0 \|", methods.tables(), re.M
    )


def test_tiles_at_50_are_told_as_they_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    found = program("tiles_at_50")
    page = (RESULTS / "methods" / "tiles-at-50.md").read_text()
    for table in (found.accuracies(), found.scores()):
        assert table in page
        assert table.count("\n| ") in (1, 2, len(found.SCORES))


def test_sets_of_methods_that_lie_there_are_those_that_were_judged() -> None:
    folder, same = RESULTS / "methods", set[tuple[str, ...]]()
    for file in sorted(folder.glob("*-seed*.json")):
        report = json.loads(file.read_text())
        for path, digest in zip(report["paths"], report["sets"].values(), strict=True):
            place = folder / "sets" / path
            if place.exists():
                cell, seed, row, *_ = Path(path).parts
                elsewhere = file.stem == "FashionMNIST-10-seed0-NCFM-hard"
                if (fingerprint(load(place)) == digest) != elsewhere:
                    same.add((cell, seed, row))
                else:
                    raise AssertionError(f"{file.name} judged another {path}")
    assert len(same) >= 21
    # What was judged of one row was made elsewhere, and the page beside the sets says so.
    assert "the three files of NCFM here are other sets" in (
        folder / "sets" / "README.md"
    ).read_text().replace("\n  ", " ")


def test_what_all_cells_of_clom_came_to_is_on_each_of_its_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    cells, clom = program("clom_cells"), RESULTS / "clom"
    found = [
        cell
        for name in ("FashionMNIST", "CIFAR10")
        for cell in cells.cells(cells.read(clom / "decisive" / name / "values.json"), name)
    ]
    one = cells.Together.of([cell.gain for cell in found], [cell.error for cell in found])
    mean = f"{one.mean:+.1f} ({one.low:+.1f} to {one.high:+.1f})"
    numbers = [*("none", "one", "two", "three", "four", "five", "six", "seven", "eight")]
    numbers += [*("nine", "ten", "eleven", "twelve")]
    counted = f"{numbers[sum(cell.gain > 0 for cell in found)]} of {numbers[len(found)]}"
    pages = clom / "README.md", clom / "decisive" / "README.md", ROOT / "docs" / "results.md"
    for page in pages:
        text = page.read_text().lower()
        assert mean in text, page
        assert f"{one.least:+.1f} to {one.most:+.1f}" in text, page
        assert counted in text, page  # with a difference above zero, which the plan counts


def test_om_accuracies_beside_the_table_of_clom_are_those_of_its_values() -> None:
    folder = RESULTS / "clom" / "decisive"
    (told,) = re.findall(
        r"DM's without has (\S+) on FashionMNIST and reaches [\d.]+ %, and (\S+) on CIFAR-10",
        (folder / "README.md").read_text().replace("\n", " "),
    )
    for name, number in zip(("FashionMNIST", "CIFAR10"), told, strict=True):
        assert f"| DM-500 | 10 | 0 | {number} |" in (folder / name / "tables.md").read_text()


def test_what_benchmarks_write_says_on_which_processor_and_by_which_instructions() -> None:
    writing = {
        file.name: file.read_text()
        for file in sorted((ROOT / "benchmarks").glob("*.py"))
        if '"machine":' in file.read_text()
    }
    assert len(writing) >= 7
    assert not [name for name, text in writing.items() if "facts()" not in text]
