"""What a person reads at 80 columns, and is told of what was typed."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.cells import cell_len

from conftest import blobs
from datastill import save
from datastill.cli import COMMANDS, _load
from datastill.cli.columns import listing, table
from datastill.cli.console import Console
from datastill.cli.folding import FRAME, folded, width_of
from datastill.cli.grammar import names_in, options_of
from datastill.comparison import label_bytes
from datastill.coresets import CORESETS
from datastill.methods import METHODS
from test_cli import Run, run

__all__ = ["run"]
README = (Path(__file__).parents[1] / "README.md").read_text()


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


ROWS = [("DM", "81.2 ± 0.3 % (n=5)", "+1.4 (+0.2 to +2.6)"), ("random", "79.8 ± 1.2 % (n=5)", "")]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_table_loses_no_words_and_cuts_none(columns: int) -> None:
    heads = ("trained on", "mean ± std", "minus random (95 %)")
    lines = list(table(heads, ROWS, columns))
    assert max(map(cell_len, lines)) <= columns
    said = words("\n".join(lines))
    assert not (words(" ".join(sum(ROWS, ()) + heads)) - said)
    whole = [cell for row in ROWS for cell in row if cell]
    assert all(any(cell in line for line in lines) for cell in whole)  # no cell is folded


def test_a_long_path_is_broken_where_it_has_joints() -> None:
    path = "condensed/FashionMNIST/a-method-with-a-long-name/IPC10"
    lines = list(listing(("", path), [("method", "DM")], 40))
    assert max(map(len, lines)) <= 40
    assert "".join(line.strip() for line in lines[:-1]) == path
    assert all(line.rstrip()[-1] in "/-" for line in lines[:-2])


def test_pages_show_tables_as_they_are_printed() -> None:
    blocks = re.findall(r"    Test accuracy.*\n((?:    \S.*\n)+)", README)
    assert len(blocks) == 2
    for block in blocks:
        shown = [line.strip() for line in block.splitlines()]
        head, *rows = (re.split(r"  +", line) for line in shown)
        full = [(*row, *[""] * (len(head) - len(row))) for row in rows]
        assert list(table(head, full, 80)) == shown


def test_one_set_has_one_number_of_bytes_of_labels(run: Run, tmp_path: Path) -> None:
    save(blobs(per_class=5), tmp_path / "set" / "synthetic.safetensors")
    assert "labels 20" in run("show set").out
    assert label_bytes(blobs(per_class=5)) == 20


def test_wide_letters_count_as_two() -> None:
    said = folded("猫猫猫 犬犬犬 鳥鳥鳥 魚魚魚", 20)
    assert said.splitlines() == ["猫猫猫 犬犬犬 鳥鳥鳥", "魚魚魚"]


def test_a_file_gets_lines_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(sys.stdout) is None
    assert folded("word " * 100, None) == "word " * 100
