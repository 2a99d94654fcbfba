"""What a person reads at 80 columns, and is told of what was typed."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.cells import cell_len

from datastill.cli import COMMANDS, _load
from datastill.cli.console import Console
from datastill.cli.folding import FRAME, folded, width_of
from datastill.cli.grammar import names_in, options_of
from datastill.coresets import CORESETS
from datastill.methods import METHODS
from test_cli import Run, run

__all__ = ["run"]


def words(text: str) -> Counter[str]:
    """Count words, without frames and without the backslashes that let a command go on."""
    return Counter(re.sub(rf"[{FRAME}]|-{{3,}}|\\$", " ", text, flags=re.M).split())


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in COMMANDS)])
def test_help_fits_80_columns_and_breaks_at_words(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    told: dict[int, str] = {}
    for columns in (80, 1000):
        monkeypatch.setenv("COLUMNS", str(columns))
        said = run(line)
        assert (said.code, said.err) == (0, "")
        told[columns] = said.out
    assert max(map(cell_len, told[80].splitlines())) <= 80
    assert words(told[80]) == words(told[1000])


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_speaks_of_types(run: Run, name: str) -> None:
    said = run(f"{name} --help").out
    assert "None" not in said
    assert "{METHODS}" not in said


@pytest.mark.parametrize(
    ("registry", "known"), [("METHODS", METHODS.names), ("CORESETS", CORESETS.names)]
)
def test_help_lists_what_is_registered(registry: str, known: list[str]) -> None:
    assert names_in(registry) == known


def test_the_help_lists_methods(run: Run) -> None:
    said = " ".join(run("distill --help").out.split())
    assert "DC, DM and DSA" in said.replace("│ │ ", "")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("train", "datastill train needs --dataset: Name of a dataset such as CIFAR10, path"),
        ("train --dataset", "--dataset needs a value"),
        ("train --dataset digits --num", "--num needs a whole number"),
        ("train --dataset digits --num three", "--num takes a whole number, found 'three'"),
        ("train --dataset digits --lr-net fast", "--lr-net takes a number, found 'fast'"),
        (
            "train --dataset digits --save-epochs 1 x",
            "--save-epochs takes whole numbers, found 'x'",
        ),
        ("distill --dataset digits --iterations many", "takes a whole number, found 'many'"),
        ("distill --dataset digits --alphas", "--alphas needs numbers"),
        ("distill --dataset digits --alphas big", "--alphas takes numbers, found 'big'"),
        (
            "distill --dataset digits --engine atuo",
            "takes auto, kernels, plain or compiled, found 'atuo'; did you mean 'auto'?",
        ),
        (
            "all --dataset digits --export zip",
            "--export takes folder, npz, pt, parquet or hub, found 'zip'",
        ),
        ("distill --dataset digits more", "no option takes more; see datastill distill --help"),
        ("validate a b", "no option takes b"),
        ("import", "datastill import needs PATH: File or folder to read."),
    ],
)
def test_what_was_typed_wrongly_is_told_in_words(run: Run, line: str, complaint: str) -> None:
    said = run(line)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    for jargon in ("{None}", "Expected", "instantiated", "literal", "parse", "(required)"):
        assert jargon not in said.err


def test_all_that_commands_take_is_known() -> None:
    for name in COMMANDS:
        for option in options_of(_load(name)).values():
            assert option.about, f"{name} --{option.name}"
            assert option.kind in (int, float, str, bool, Path), f"{name} --{option.name}"


def test_a_complaint_is_folded_where_columns_are_counted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "train --dataset nothing-of-the-kind-at-all"
    whole = run(line).err
    assert len(whole.splitlines()) == 1
    monkeypatch.setenv("COLUMNS", "60")
    said = run(line).err
    assert max(map(cell_len, said.splitlines())) <= 60
    assert words(said) == words(whole)


def test_what_is_said_is_folded_and_a_command_can_still_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (
        "datastill validate 'my sets/a b' --model ConvNetD2W32 MLP --num-eval 3 --against random"
    )
    text = f"look at the picture, which shows all of the images, then:\n  {command}"
    monkeypatch.setenv("COLUMNS", "48")
    Console().say(text)
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 48
    first = next(i for i, line in enumerate(said) if "validate" in line)
    assert all(line.endswith(" \\") for line in said[first:-1])
    assert " ".join(line.removesuffix("\\").strip() for line in said[first:]) == command
    assert any("'my sets/a b'" in line for line in said)


def test_wide_letters_count_as_two() -> None:
    said = folded("猫猫猫 犬犬犬 鳥鳥鳥 魚魚魚", 20)
    assert said.splitlines() == ["猫猫猫 犬犬犬 鳥鳥鳥", "魚魚魚"]


def test_a_file_gets_lines_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(sys.stdout) is None
    assert folded("word " * 100, None) == "word " * 100
