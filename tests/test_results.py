"""Tables that are committed are what the programs beside them make of the committed values."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

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
    page = (RESULTS / "clom" / "README.md").read_text()
    written = (RESULTS / "clom" / "tables.md").read_text()
    rows = re.findall(r"^\| (?:DM|DSA), \d+ \|.*\| (.* %.*) \| (.* %.*) \| (.*), 3 \|$", page, re.M)
    assert len(rows) == 7
    for cells in rows:
        assert " | ".join(cells) in written
    assert "+0.3 (-0.4 to +1.0)" in page  # ResNet18: by networks, not by three seeds alike


def test_the_forms_of_clom_follow_from_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    forms = program("clom_forms")
    for file in sorted((RESULTS / "clom").glob("forms-*.json")):
        forms.tell(file)
    told = capsys.readouterr().out
    page = (RESULTS / "clom" / "README.md").read_text()
    section = page.split("## The contrastive form")[1]
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
