"""What the README shows, and the pages that it leads to, is what works."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from datastill.base.rng import Key
from datastill.cli import ABOUT, COMMANDS, main, parse
from datastill.datasets import load_split
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.parameters import Sgd
from datastill.evaluation.assessments import ASSESSMENTS, Evidence
from datastill.networks import build, builder
from datastill.store import load
from datastill.training.pool import freeze

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
PYTHON = (ROOT / "docs" / "python.md").read_text()


def test_it_is_short_and_begins_with_two_commands() -> None:
    assert len(README.splitlines()) <= 100
    assert re.findall(r"^    make \w+$", README, flags=re.M) == ["    make demo", "    make test"]
    assert len(re.findall(r"^!\[", README, flags=re.M)) == 1
    table, *others = re.findall(r"(?:^\|.*\n)+", README, flags=re.M)
    assert len(others) <= 1
    assert table in RESULTS  # whose page says what it cannot tell


def test_the_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, *_ = re.findall(r"```python\n(.*?)```", PYTHON, flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 16
    exec(compile(code, "python.md", "exec"), {})
    assert re.search(
        r"20 \{'match': .*'clom': .*\n\d+\.\d ± \d+\.\d % \(n=2\)", capsys.readouterr().out
    )
    assert (tmp_path / "digits.safetensors").is_file()


ASSESSMENTS_PAGE = (ROOT / "docs" / "assessments.md").read_text()


@pytest.mark.parametrize("page", [README, ABOUT], ids=["README", "--help"])
def test_the_commands_are_understood(page: str) -> None:
    text = page.replace("\\\n", " ")
    lines = re.findall(rf"^ +datastill ((?:{'|'.join(COMMANDS)})\b.*)$", text, flags=re.M)
    assert {line.split()[0] for line in lines} >= {"train", "distill", "validate"}
    for line in lines:
        assert parse(line.split()) is not None


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_worked_example_of_a_new_method_works() -> None:
    page = (ROOT / "docs" / "new-method.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    registered = dict(METHODS._items)
    try:
        module = ModuleType("mixed_gradients")
        sys.modules["mixed_gradients"] = module
        exec(compile(code, "new-method.md", "exec"), module.__dict__)
        published = METHODS["MG"](1)
        real = load_split("digits", "train")
        task = Task(real, builder("ConvNetD2W16", real.domain), Key(0))
        descent = published.descent(2, updates=12, batch=32)
        still = published.descent(2, updates=12, batch=32, lr=0.0, optimisers={"labels": Sgd(0.0)})
        found, same = (list(distill(published.method, task, each)) for each in (descent, still))
        for moved, unmoved in zip(found[4:], same[4:], strict=True):  # under the same networks
            assert float(moved.losses["match"]) < 0.98 * float(unmoved.losses["match"])
        first, last = found[0].synthetic, found[-1].synthetic
        assert last.labels.shape == (20, 10)
        assert (last.labels - first.labels).abs().max() > 1e-3
        for line in re.findall(r"^ +datastill (distill .*)$", page, flags=re.M):
            assert parse(line.split()).method == "MG"
    finally:
        METHODS._items.clear()
        METHODS._items.update(registered)
        sys.modules.pop("mixed_gradients", None)


def test_the_page_of_assessments_holds(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", ASSESSMENTS_PAGE, flags=re.DOTALL)
    exec(compile(code, "assessments.md", "exec"), {})
    said = capsys.readouterr().out
    assert "kernel-ridge" in said
    assert "om-margin Interval(value=" in said
    rows = re.findall(r"^\| `([a-z-]+)` \| (higher|lower) \|", ASSESSMENTS_PAGE, flags=re.M)
    real = load_split("digits", "train")
    few = real.take(torch.cat([rows[:2] for rows in real.rows_by_class]))
    network = build("MLP", real.domain, key=Key(0))
    pool, unseen = (freeze(network, "MLP", real.domain, {}),), real.take(torch.arange(20))
    evidence = Evidence(few, real, pool, Key(0), held_out=unseen)
    found = {name: ASSESSMENTS[name](evidence).better for name in ASSESSMENTS.names}
    assert dict(rows) == found
    text = ASSESSMENTS_PAGE.replace("\\\n", " ")
    for line in re.findall(r"^ +datastill (study .*)$", text, flags=re.M):
        assert parse(line.split()) is not None


def test_the_page_of_reproducing_is_understood_and_its_first_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "reproducing.md").read_text()
    lines = re.findall(r"^ +(?:OMP_NUM_THREADS=2 )?datastill (.*)$", text, flags=re.M)
    assert len(lines) == 2
    commands = [parse(line.split()) for line in lines]
    assert commands[0].resuming.resume
    monkeypatch.chdir(tmp_path)
    short = f"{lines[1]} --model ConvNetD1W16 --quiet --save-path"
    for name in ("a", "b"):
        main([*short.split(), name])
    one, other = (load(tmp_path / name / "digits" / "DM" / "IPC1") for name in ("a", "b"))
    assert torch.equal(one.images, other.images)
    assert {**one.facts, "seconds": 0} == {**other.facts, "seconds": 0}
