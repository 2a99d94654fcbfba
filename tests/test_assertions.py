"""A test that cannot fail proves nothing: every one asserts something, itself or by a helper."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ASSERTING = ("raises", "warns", "fail", "assert_close", "assert_equal", "assert_allclose")
"""What of other libraries does it."""


@cache
def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file, and those that it takes from other files of tests."""
    tree = ast.parse(path.read_text())
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (other := TESTS / f"{node.module}.py").is_file():
            known = functions(other)
            names = {alias.asname or alias.name: alias.name for alias in node.names}
            found |= {name: known[there] for name, there in names.items() if there in known}
    return found


def called(node: ast.AST) -> Iterator[str]:
    """Yield the names of what is called, without what they belong to; lambdas count too."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Name):
                yield call.func.id
            if isinstance(call.func, ast.Attribute):
                yield call.func.attr


def asserts(node: ast.FunctionDef, known: dict[str, ast.FunctionDef], seen: set[str]) -> bool:
    """Tell whether a function asserts something, or calls one that does."""
    if any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
        return True
    names = {*called(node)} - seen
    if names & {*ASSERTING}:
        return True
    return any(asserts(known[name], known, seen | names) for name in names & known.keys())


def silent(path: Path) -> list[str]:
    """Return the tests of a file that assert nothing."""
    known = functions(path)
    own = ast.parse(path.read_text()).body
    tests = [node for node in own if isinstance(node, ast.FunctionDef)]
    for part in own:
        if isinstance(part, ast.ClassDef):
            tests += [node for node in part.body if isinstance(node, ast.FunctionDef)]
    return [t.name for t in tests if t.name.startswith("test") and not asserts(t, known, set())]


@pytest.mark.parametrize("path", sorted(TESTS.glob("test_*.py")), ids=lambda path: path.stem)
def test_every_test_asserts_something(path: Path) -> None:
    assert silent(path) == []


def test_a_test_without_an_assertion_is_found(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        "import pytest, torch\n"
        "def helper(x):\n    assert x\n"
        "def other(x):\n    helper(x)\n"
        "def silent(x):\n    silent(x)\n"
        "def test_a():\n    assert 1\n"
        "def test_b():\n    with pytest.raises(ValueError):\n        int('a')\n"
        "def test_c():\n    other(1)\n"
        "def test_d():\n    silent(1)\n"
        "def test_e():\n    print(1)\n"
        "class TestMore:\n    def test_f(self):\n        torch.zeros(1)\n"
        "def test_g():\n    torch.testing.assert_close(1, 1)\n"
    )
    assert silent(file) == ["test_d", "test_e", "test_f"]
