"""The structure: imports go down, plug-ins keep to themselves, and each power has one room."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "datastill"
RUNS = {
    "specs": "quota population | * | labels recipes | old_recipes settings",
    "conduct": "above observer stop futures differences | keeping | given | carrying",
    "folders": "finding gathering underway describing provenance | filing",
    "costs": "reached forecast | budget",
    "inputs": "reading computing originals | picking origin needed series | guiding",
    "executors": "pieces | *",
    "making": "training preparing relabelling exchanging | ranks course | lengthening telling"
    " | distilling",
    "validation": "finished trials material | plan validated apart ranking | early | table"
    " | validating comparing",
    "assessment": "scored | assessing",
    "studies": "workshop findings | examining | judging standing | material | pieces | apart"
    " | studying",
    "foresight": "probing | estimating | checking",
    "housekeeping": "catalogue state | inventory | cleaning",
    "compound": "whole sweeping demonstration",
    "showing": "outcomes summaries beholding | exhibiting | reporting notebook | records | live",
}
"""The rooms within ``runs``, from the ground up, each by its shelves: ``*`` is what has none."""
FLOORS = [
    {"base.notebooks", "base.wording", "base.usual"},
    {"base.errors", "base.signals", "base.moved", "base.waits", "base.version"},
    {"base.machine", "base.threads", "base.rng", "base.present", "base.load"},
    {"base.paths", "base.streams", "base.neighbours"},
    {"base.own_code", "base.libraries", "base.tensor_files"},
    {"base.registry", "base.costs"},
    {"evaluation.statistics", "evaluation.alike"},
    {"data.pixels"},
    {"data.tiles"},
    {"data.domain", "data.losses"},
    {"data.images"},
    {"data.classes", "data.soundness", "data.labels"},
    {"data"},
    {"identity"},
    {"augment", "networks", "datasets"},
    {"compute.cores"},
    {"compute.measuring", "compute.kernels"},
    {"compute.timing", "compute.peak", "compute.arithmetic", "compute.engine", "compute.rewording"},
    {"compute.route"},
    {"compute.tuning"},
    {"training.fitting"},
    {"training.accuracies", "training.fit", "training.dynamics", "training.labelling"},
    {"training.pool", "training.protocol", "training.stacked"},
    {"training.seeing"},
    {"training.coresets", "training.labeller"},
    {"distillation.parameters", "distillation.papers"},
    {"distillation.sharing", "distillation.state"},
    {"distillation.parametrisations"},
    {"distillation.learned", "distillation.residual"},
    {
        *("distillation.descent", "distillation.clom", "distillation.relabelling"),
        "evaluation.reference",
    },
    {"evaluation.evidence"},
    {"distillation.methods", "evaluation.assessments"},
    {"distillation.requirements", "distillation.weighing"},
    {"distillation.loop", "evaluation.validation", "evaluation.scores", "store"},
    {"distillation"},  # the page of the room hands on what is in the loop
    {"evaluation.plan"},
    {"evaluation.selection", "evaluation.studies", "evaluation.comparison"},
    {"store.results"},
    {"report"},
    {"exchange"},
    *(
        {f"runs.{room}.{name}" if name != "*" else f"runs.{room}" for name in shelf.split()}
        for room, shelves in RUNS.items()
        for shelf in shelves.split("|")
    ),
    {"runs"},
    {"cli"},
]
STRANGERS = ("distillation", "evaluation")
"""Rooms side by side: what takes both is a matter of the rooms above."""
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
ROOMS = {name.partition(".")[0] for name in LEVEL}
SHELVED = {
    name.partition(".")[0] for name in LEVEL if "." in name
}  # rooms with floors of their own
PLUGINS = {
    *("distillation.methods", "evaluation.assessments", "training.coresets"),
    *("networks", "datasets", "exchange"),
}
FILES = sorted(
    path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem[0] != "_"
)


def place(parts: list[str]) -> tuple[str, list[str]]:
    """Return the floor's name of a dotted name, and what comes after it."""
    lengths = (n for n in (3, 2, 1) if len(parts) >= n and ".".join(parts[:n]) in LEVEL)
    taken = next(lengths, 1)
    return ".".join(parts[:taken]), parts[taken:]


def room(path: Path) -> str:
    parts = list(path.relative_to(SOURCE).with_suffix("").parts)
    return place([part for part in parts if part != "__init__"])[0]


@dataclass(frozen=True)
class Read:
    """What a file says, without its tree: hundreds of those would make every later test slower.

    Attributes:
        imports: what it imports of the package, as parts of a dotted name.
        calls: the dotted names that it calls.
        constants: its texts.
        functions: how many lines its functions have.
        hasty: where it waits for less than a minute, by a number of milliseconds.
    """

    imports: list[list[str]]
    calls: list[str]
    constants: set[str]
    functions: dict[str, int]
    hasty: list[int]


@cache
def read(path: Path) -> Read:
    """Read a file, once: several tests ask."""
    found = Read([], [], set(), {}, [])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "datastill":
            inner = (node.module or "").split(".")[1:]
            found.imports.extend([*inner, alias.name] for alias in node.names)
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found.imports.extend(rest for first, *rest in names if first == "datastill" and rest)
        elif isinstance(node, ast.Call):
            found.calls.append(ast.unparse(node.func))
            found.hasty.extend(hasty(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.constants.add(node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            found.functions[node.name] = max(lines, found.functions.get(node.name, 0))
    return found


def hasty(call: ast.Call) -> Iterator[int]:
    """Yield the line of a call that waits for less than a minute."""
    if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("wait_for"):
        for each in call.keywords:
            known = each.arg == "timeout" and isinstance(each.value, ast.Constant)
            if known and not (isinstance(each.value.value, int) and each.value.value >= 60_000):
                yield call.lineno


def imports(path: Path) -> list[list[str]]:
    """Return what a file imports of the package, as parts of a dotted name."""
    return read(path).imports


def test_every_room_has_a_floor() -> None:
    described = {f"{name}" for name in SHELVED}  # the page of a room, which imports nothing
    assert {room(path) for path in FILES} <= set(LEVEL) | described
    for path in FILES:
        if path.relative_to(SOURCE).parts[0] == "runs" and room(path) == "runs":
            assert path.name == "__init__.py", f"{path} stands in none of the rooms"
            inner = path.parent != SOURCE / "runs"
            assert not (inner and imports(path)), path
    for name in described - set(LEVEL):
        assert not imports(SOURCE / name / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    for name in imports(path):
        there, rest = place(name)
        if there != here:
            assert LEVEL[there] < LEVEL[here], f"{path} imports {there}"
        elif here in PLUGINS and path.stem != "__init__":
            assert rest[:1] == ["base"], f"{path} imports another plug-in, {rest}"


@pytest.mark.parametrize("here", STRANGERS)
def test_making_and_judging_know_nothing_of_each_other(here: str) -> None:
    for path in (SOURCE / here).rglob("*.py"):
        for name in imports(path):
            assert name[0] not in {*STRANGERS} - {here}, f"{path} imports {'.'.join(name)}"


@pytest.mark.parametrize(
    ("forbidden", "allowed"),
    [
        (r"print|sys\.exit|input", {"cli"}),
        (
            r"(.+\.)?(open|write_text|write_bytes|unlink)",
            {
                *("store", "report", "datasets", "exchange"),
                *("base.threads", "base.neighbours", "base.streams", "base.tensor_files"),
            },
        ),
        (
            r"(.+\.)?mkdir",
            {"store", "report", "datasets", "exchange", "compute.kernels"}
            | {"base.machine", "base.neighbours"},
        ),
        (r"torch\.manual_seed|torch\.random\.\w+|torch\.default_generator\.\w+", {"base.rng"}),
        (r".+\.cuda", set()),
        (r"time\.time|datetime\.now", set()),
        (r"torch\.load", {"exchange", "datasets"}),
        (r"pickle\.\w+", set()),
    ],
)
def test_powers_have_one_room(forbidden: str, allowed: set[str]) -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in FILES
        if room(path) not in allowed
        for name in read(path).calls
        if re.fullmatch(forbidden, name)
    ]
    assert not found


def test_the_test_split_is_read_by_commands_that_report_only() -> None:
    """Distillation and assessment have no way to reach test images."""
    rooms = {
        *("distillation.methods", "distillation.loop", "distillation.clom"),
        *("training.pool", "training.seeing", "training.coresets", "evaluation.assessments"),
        *("evaluation.reference", "evaluation.evidence"),
        *("evaluation.scores", "evaluation.selection", "evaluation.studies"),
        *("runs.specs.population", "runs.studies.workshop"),
    }
    for path in FILES:
        if room(path) in rooms:
            assert not any(name[0] == "datasets" for name in imports(path)), path
    names = ("making/preparing", "making/distilling", "inputs/guiding")
    runs = [SOURCE / "runs" / f"{name}.py" for name in names]
    for file in (*runs, *(SOURCE / "cli" / f"{name}.py" for name in ("distill", "select"))):
        assert "test" not in read(file).constants


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda path: path.name
)
def test_no_test_reads_a_clock(path: Path) -> None:
    """A test that measures seconds fails where something else runs: clocks are handed in."""
    clocks = r"(.+\.)?(perf_counter|monotonic|process_time|thread_time)(_ns)?|time\.time(_ns)?"
    assert not [name for name in read(path).calls if re.fullmatch(clocks, name)]


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda path: path.name
)
def test_no_test_gives_up_on_a_browser_within_a_minute(path: Path) -> None:
    """What is waited for comes later on a busy machine; milliseconds, as Playwright has them."""
    assert not read(path).hasty


def test_the_command_line_is_thin() -> None:
    """It holds options, words and signals: whatever else there is serves Python as well."""
    found = {
        path.stem: len(path.read_text().splitlines()) for path in (SOURCE / "cli").glob("*.py")
    }
    assert not {name for name, lines in found.items() if lines > 200}
    assert sum(found.values()) < 2500


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_of_one_idea(path: Path) -> None:
    """What is longer holds several; docstrings and signatures count."""
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert not {name: lines for name, lines in read(path).functions.items() if lines > 40}


def test_help_need_not_wait_for_torch() -> None:
    """What takes long to import is imported inside of functions; annotations may name it."""
    for path in (SOURCE / "cli").rglob("*.py"):
        names = [
            node.module if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert not {(name or "").split(".")[0] for name in names} & {"torch", "numpy"}, path


def test_terminals_are_a_matter_of_the_command_line() -> None:
    for path in FILES:
        if room(path) != "cli":
            text = path.read_text()
            found = re.findall(r"^[ ]*(?:import|from) (?:rich|tyro|argparse)\b.*", text, flags=re.M)
            wide = ["from rich.cells import cell_len"] if room(path) == "report" else []
            assert not {*found} - {*wide}, path
