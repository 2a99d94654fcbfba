"""What a person reads at 80 columns, and is told of what was typed."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.cells import cell_len

from conftest import blobs
from datastill import load, save
from datastill.base.errors import InputError
from datastill.base.own_code import names_in
from datastill.base.wording import counted
from datastill.cli import COMMANDS, parse
from datastill.cli import load as load_command
from datastill.cli.arguments import in_options
from datastill.cli.console import Bar, Console
from datastill.cli.described import asked
from datastill.cli.distill import Distill
from datastill.cli.grammar import options_of
from datastill.distillation.methods import METHODS
from datastill.evaluation.comparison import label_bytes
from datastill.report.columns import listing, table
from datastill.report.folding import FRAME, folded, width_of
from datastill.runs.conduct.differences import told
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.observer import Counted, Talking
from datastill.runs.folders.filing import filed
from datastill.runs.specs import DistillSpec
from datastill.store.results import results_in, rows_in
from datastill.training.coresets import CORESETS
from pictures import write_pictures
from test_cli import Run, run

__all__ = ["run"]
TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()


def words(text: str) -> Counter[str]:
    """Count words, without frames and without the backslashes that let a command go on."""
    return Counter(re.sub(rf"[{FRAME}]|-{{3,}}|\\$", " ", text, flags=re.M).split())


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in COMMANDS)])
def test_help_fits_80_columns_and_breaks_at_words(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    shown: dict[int, str] = {}
    for columns in (40, 80, 1000)[line != "--help" :]:
        monkeypatch.setenv("COLUMNS", str(columns))
        said = run(line)
        assert (said.code, said.err) == (0, "")
        shown[columns] = said.out
    assert max(map(cell_len, shown[80].splitlines())) <= 80
    assert words(shown[80]) == words(shown[1000]) == words(shown.get(40, shown[80]))
    assert max(map(cell_len, shown.get(40, "").splitlines()), default=0) <= 40


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
    assert "DC, DM, DSA, MTT, NCFM and TESLA" in said.replace("│ │ ", "")


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
        for option in options_of(load_command(name)).values():
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
    Console().message(text)
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
    blocks = re.findall(r"    Test accuracy.*\n((?:    \S.*\n)+)", TUTORIAL)
    assert len(blocks) == 2
    for block in blocks:
        shown = [line.strip() for line in block.splitlines()]
        head, *rows = (re.split(r"  +", line) for line in shown)
        full = [(*row, *[""] * (len(head) - len(row))) for row in rows]
        assert list(table(head, full, 80)) == shown


def test_a_long_path_leaves_room_for_what_is_said_of_it() -> None:
    path = "demo/pretrained_model/digits/original/ConvNetD2W32"
    row = (path, "357 kB", "pool: digits, ConvNetD2W32, 3 models", "held-out 97.1 to 100.0 %")
    lines = list(listing(("path", "size", "what it is", "how it did"), [row], 80))
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 4  # its head, and three
    assert "".join(line[:40].strip() for line in lines[1:]) == path


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


def test_a_note_that_has_no_room_gives_way_to_the_epoch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    shown: list[str] = []
    with Console().progress("training", 4) as bar:
        assert isinstance(bar, Bar)
        task = bar.progress.tasks[0]
        bar.within(0, 3, 10)
        shown.append(task.fields["note"])
        assert task.completed == 0.3
        bar.at(1, "ConvNetD2W32 on distilled with CLOM: 95.3 %")
        shown.append(task.fields["note"])
        bar.within(1, 4, 10)
        shown.append(task.fields["note"])
    assert shown[0] == shown[2].replace("4", "3") == "epoch 3 of 10"
    assert shown[1].startswith("ConvNetD2W32 on")
    assert max(map(cell_len, shown)) <= 80 - 8 - 46


def test_a_bar_shows_names_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    with Console().progress("a[/b]", 2) as bar:
        assert isinstance(bar, Bar)
        bar.at(1, "pets[red]\x1b[2J")
        bar.progress.refresh()
    shown = capsys.readouterr().err
    assert "a[/b]" in shown
    assert "1/2 pets[red]\\x1b[2J" in shown


def test_hints_repeat_the_options_that_matter(run: Run, tmp_path: Path) -> None:
    said = run("train --dataset digits --model MLP --num 1 --epochs 1 --device cpu --save-path po")
    assert said.out.splitlines()[-1].strip() == (
        "datastill distill --method DM --dataset digits --model MLP --alphas 100 "
        "--models-pool MLP --pool-path po --device cpu"
    )
    line = "distill --dataset digits --model MLP --ipc 1 --iterations 2 --engine plain"
    hint = run(line).out.splitlines()[-1].strip()
    assert hint == (
        "datastill validate condensed/digits/DM/IPC1 --model MLP --engine plain --against random"
    )
    assert run(f"{hint.removeprefix('datastill ')} --epochs 1 --num-eval 1").code == 0
    hint = run(f"{line} --model ConvNet --ipc 2 --save-path other").out.splitlines()[-1]
    assert "--model" not in hint  # it is the usual one


def test_a_finished_run_tells_its_numbers_again(run: Run) -> None:
    run("distill --dataset digits --model MLP --ipc 1 --iterations 2 --quiet")
    again = run("distill --dataset digits --model MLP --ipc 1 --iterations 2 --resume").out
    assert "is finished: 10 synthetic images after 2 updates" in again
    for line in (
        "validate condensed/digits/DM/IPC1 --model MLP ConvNetD1W16 --epochs 1 --num-eval 3 "
        "--against random",
        "compare condensed/digits/DM/IPC1 --model MLP --epochs 1 --num-eval 3 --real-epochs 1 "
        "--against random --dd-ranking --learning-rates 0.01",
    ):
        first, second = run(line), run(f"{line} --resume")
        assert (first.code, second.code) == (0, 0), second.err
        assert "is finished" in second.out
        table = first.out[first.out.index("Test accuracy") :]
        assert second.out[second.out.index("Test accuracy") :] == table
        assert "±" in table


def test_a_kept_validation_that_makes_no_sense_is_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="makes no sense"):
        results_in({"results": [{"source": "a"}]})
    with pytest.raises(InputError, match="makes no sense"):
        rows_in({"rows": [{"accuracies": {"values": ["x"]}}]})


def test_all_gives_no_hints_between_what_it_does_itself(run: Run) -> None:
    line = (
        "all --dataset digits --model MLP --ipc 1 --iterations 1 --epochs 1 --num-eval 1 "
        "--alphas 1 --num 1 --original-epochs 1"
    )
    said = run(line)
    assert said.code == 0, said.err
    assert "datastill " not in said.out
    assert "Original models of digits" in said.out
    assert "Test accuracy" in run(f"{line} --resume").out


def test_networks_in_the_making_are_shown_epoch_by_epoch(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int]] = []
    monkeypatch.setattr(Counted, "within", lambda _, *place: seen.append(place))
    run("distill --dataset digits --model MLP --ipc 1 --iterations 1 --quiet")
    run("validate condensed/digits/DM/IPC1 --model MLP --epochs 2 --num-eval 2")
    assert seen == [(0, 1, 3), (0, 2, 3), (0, 3, 3), (1, 1, 3), (1, 2, 3), (1, 3, 3)]


CHANGED = {
    "distill": ("--iterations 1", "--lr-img 0.5", "--batch-real 5", "--init real", "--seed 1",
                "--engine plain", "--model ConvNetD1W16", "--dsa-strategy flip", "--alphas 2",
                "--outer-loop 2", "--inner-loop 3", "--lr-net 0.5", "--batch-train 7",
                "--dis-metric mse"),
    "compare": ("--num-eval 2", "--seed 1", "--protocol dc --out c", "--real-epochs 2",
                "--against herding", "--model ConvNetD1W16", "--ipc 2 --out c"),
}  # fmt: skip


def test_a_run_that_was_asked_for_otherwise_is_told_by_options(run: Run) -> None:
    run("train --dataset digits --model MLP --num 1 --epochs 1 --quiet")
    made = (
        "distill --dataset digits --method DC --model MLP --ipc 1 --iterations 2 "
        "--batch-real 4 --inner-loop 1 --outer-loop 1 --quiet"
    )
    compared = (
        "compare condensed/digits/DC/IPC1 --model MLP --epochs 1 --num-eval 1 --real-epochs 1 "
        "--against random --out c --quiet"
    )
    assert (run(made).code, run(compared).code) == (0, 0)
    for change in CHANGED["compare"]:
        option = change.split()[0]
        said = run(re.sub(rf" {option} \S+", "", compared) + f" --resume {change}")
        assert said.code == 2, change
        assert re.search(rf"was begun (with|without) {option} ", said.err), said.err
        assert "." not in said.err.split(option)[0].rpartition(" was")[2]
    for change in CHANGED["distill"]:  # which gets a folder beside
        option, command, lines = change.split()[0], parse(f"{made} {change}".split()), []
        assert isinstance(command, Distill)
        watching = Talking(tell=lines.append)
        filed(asked(command, DistillSpec), Path("condensed/digits/DC/IPC1"), Keeping(), watching)
        (line,) = (in_options(line, None) for line in lines)
        assert re.search(rf"was begun (with|without) {option} ", line), line


def test_what_is_no_option_is_told_by_what_it_is() -> None:
    for name in ("real_fingerprint", "test_fingerprint", "set_fingerprint", "pool_fingerprint"):
        said = told(name, "b80d", "41aa")
        assert said.startswith("is of ")
        assert "b80d" not in said
        assert "_" not in said


def test_a_set_that_was_made_with_a_size_is_found_by_its_dataset(run: Run, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets", {"cat": 4, "dog": 4})
    line = "distill --dataset ./pets --model MLP --ipc 1 --iterations 1 --quiet --size"
    assert run(f"{line} 16").code == 0
    found = run("show --dataset ./pets --ipc 1")
    assert (found.code, found.out.splitlines()[0].split()) == (0, ["condensed/pets-16/DM/IPC1"])
    assert run("export --dataset ./pets --ipc 1 --to npz --out a.npz").code == 0
    assert run(f"{line} 16x24").code == 0
    said = run("show --dataset ./pets --ipc 1")
    assert said.code == 2
    assert "condensed/pets-16/DM/IPC1 and condensed/pets-16x24/DM/IPC1; name one" in said.err
    assert "no image set at condensed/pets/DC" in run("show --dataset ./pets --method DC").err


def test_more_images_than_there_are_is_told(run: Run) -> None:
    line = "distill --dataset digits --model MLP --iterations 1 --init noise --batch-real 4 --ipc"
    assert "1500 synthetic images are no fewer than the 1347 real ones" in run(f"{line} 150").out
    assert "no fewer" not in run(f"{line} 100").out


def test_a_share_for_tests_that_nobody_needs_is_told(run: Run) -> None:
    line = "distill --dataset digits --model MLP --iterations 1 --ipc 1 --test-share 0.5"
    assert "digits has test images of its own: --test-share 0.5 keeps no others" in run(line).out


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("validate {} --model MLP --epochs 1 --num-eval 1", "validation.json"),
        ("assess {} --models-pool MLP --assessments om-accuracy --draws 1", "assessment.json"),
    ],
)
def test_results_of_a_set_that_cannot_be_written_to_go_elsewhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, result: str
) -> None:
    run("train --dataset digits --model MLP --num 1 --epochs 1 --quiet")
    for ipc, name in ((1, "share"), (2, "other")):
        run(f"distill --dataset digits --model MLP --ipc {ipc} --iterations 1 --quiet")
        Path(f"condensed/digits/DM/IPC{ipc}").rename(name)
    before = {path: path.read_bytes() for path in Path("share").iterdir()}

    def refuse(folder: Path) -> None:
        if folder.name == "share":
            raise InputError("cannot write to share: Read-only file system")

    monkeypatch.setattr("datastill.runs.folders.finding.require_writable", refuse)
    said = run(line.format("share"))
    assert said.code == 2
    assert "Read-only file system; --out FOLDER takes the results" in said.err
    assert run(f"{line.format('share')} --out mine").code == 0
    assert run(f"{line.format('share')} --out mine").code == 0
    assert {path: path.read_bytes() for path in Path("share").iterdir()} == before
    assert Path("mine", result).is_file()
    assert load("mine").images.equal(load("share").images)
    said = run(f"{line.format('other')} --out mine")
    assert said.code == 2
    assert "mine holds another set; take another --out" in said.err


SOURCE = Path(__file__).parents[1] / "src" / "datastill"
THINGS = (
    "byte|channel|class|column|dataset|draw|epoch|experiment|file|image|label|letter|model|name|"
    "network|number|part|picture|pixel|row|set|snapshot|stage|step|tensor|thing|update|value"
)
SEVERAL = {
    "{len(names)} datasets",
    "{len(files)} parts",
    "{len(files)} snapshots",
    "{len(parts)} parts",
    "{len(tables)} files",
    "{len(tables)} parts",
    "{len(found)} steps",
    "{len(different)} different sets",
    "{len(found)} sets",
    "{len(names)} sets",
    "{len(value)} things",
    "{len(made.classes)} classes",
    "{len(real.domain.classes)} classes",
    "{len(shown)} classes",
}
"""What is said where there are two at least."""


def test_how_many_there_are_is_counted_everywhere() -> None:
    pattern = re.compile(rf"\{{len\([\w.]+\)\}} (?:[a-z]+ )?(?:{THINGS})e?s\b")
    said = {
        found[0]: path.name
        for path in SOURCE.rglob("*.py")
        for found in pattern.finditer(path.read_text())
    }
    assert {*said} <= SEVERAL, said
    assert (counted(1, "class"), counted(2, "class")) == ("1 class", "2 classes")
