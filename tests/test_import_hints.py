"""Whoever does what a message says gets further: message, what it says, next message."""

import pickle
import re
import shlex
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import blobs
from datastill import save
from datastill.data import ImageSet
from datastill.datasets import load_split
from test_cli import Run, run
from test_exchange import matched, smooth, whitened

__all__ = ["run"]

DIGITS = load_split("digits", "train")
PIXELS = DIGITS.domain.pixels(DIGITS.images)
FEW = DIGITS.images[:40]
LABELS = DIGITS.labels[:40]
HEAVY = smooth(40, 0, (1, 8, 8)).pow(3)

ANSWERS = {
    "--dataset": "digits",
    "--normalised-with": "digits",
    "--out": "other",
    "--to": "npz",
    "--overwrite": None,
    "--experiment": "0",
}
"""What a person would say for each option that a message may ask for."""


def follow(run: Run, line: str, answers: Mapping[str, str | None] = ANSWERS) -> list[str]:
    """Do what messages say until a command succeeds, and return the messages."""
    told: list[str] = []
    for _ in range(5):
        said = run(line)
        if said.code == 0:
            return told
        assert said.code == 2, said.err
        message = said.err.strip()
        assert len(message.splitlines()) == 1, message
        assert message not in told, f"told twice: {message}"
        told.append(message)
        line = step(line, message, answers)
    raise AssertionError(f"no end: {told}")


def step(line: str, message: str, answers: Mapping[str, str | None]) -> str:
    """Return the command that somebody types who reads a message."""
    whole = re.search(r"(?:needs no import: |say )(datastill .*)$", message)
    if whole:
        return whole[1].removeprefix("datastill ")
    named = re.search(r"(?:name one of them|name the file of one): ([^,]+)", message)
    named = named or re.search(r"holds ([^,;]+)[^;]*; name one of them", message)
    if named:
        first, path, *rest = shlex.split(line)
        return shlex.join([first, f"{path}/{named[1]}", *rest])
    spelled = re.search(r"say (--normalised-with) (zca-pixels)", message)
    if spelled:
        return re.sub(rf"{spelled[1]} \S+", f"{spelled[1]} {spelled[2]}", line)
    for option in dict.fromkeys(re.findall(r"--[a-z][a-z-]+", message)):
        if option in line and option != "--to":
            continue
        if option in answers:
            value = answers[option]
            return f"{line} {option}" if value is None else f"{line} {option} {value}"
    raise AssertionError(f"nothing to do in: {message}")


# Files, as they are met.


def table(path: Path) -> str:
    torch.save({"images": FEW, "labels": LABELS}, path / "syn.pt")
    return "syn.pt"


def listed(path: Path) -> str:
    torch.save([FEW, LABELS], path / "data.pt")
    return "data.pt"


def reference(path: Path) -> str:
    torch.save({"data": [[FEW, LABELS]]}, path / "res_DSA_mine_ConvNet_4ipc.pt")
    return "res_DSA_mine_ConvNet_4ipc.pt"


def unclear(path: Path) -> str:
    torch.save({"images": HEAVY, "labels": LABELS}, path / "syn.pt")
    return "syn.pt"


def unclear_pair(path: Path) -> str:
    (path / "run").mkdir()
    matched(path / "run", HEAVY, LABELS)
    return "run"


def archive(path: Path) -> str:
    np.savez(path / "syn.npz", images=FEW.numpy(), labels=LABELS.numpy())
    return "syn.npz"


def pickled(path: Path) -> str:
    (path / "acc_0.5.pkl").write_bytes(pickle.dumps((FEW, LABELS)))
    return "acc_0.5.pkl"


def whole_folder(path: Path) -> str:
    (path / "run").mkdir()
    torch.save({"images": FEW, "labels": LABELS}, path / "run" / "dd_distilled.pt")
    (path / "run" / "log.txt").write_text("x")
    return "run"


def several(path: Path) -> str:
    for k in (1, 10):
        matched(path / "run", FEW, LABELS, f"a_ipc{k}")
    return "run"


def narrow(path: Path) -> str:
    torch.save({"images": whitened(PIXELS[:40], PIXELS), "labels": LABELS}, path / "syn.pt")
    return "syn.pt"


@pytest.mark.parametrize(
    ("make", "messages"),
    [
        (table, 1),
        (listed, 1),
        (reference, 1),
        (unclear, 1),
        (unclear_pair, 1),
        (archive, 1),
        (pickled, 1),
        (whole_folder, 2),
        (several, 2),
        (narrow, 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_messages_of_import_lead_to_a_set(
    make: Callable[[Path], str], messages: int, run: Run, tmp_path: Path
) -> None:
    assert len(follow(run, f"import {make(tmp_path)}")) == messages


def test_whitened_images_need_a_dataset_and_no_more(run: Run, tmp_path: Path) -> None:
    matched(tmp_path / "run", whitened(PIXELS[:40], PIXELS), LABELS)
    (told,) = follow(run, "import run")
    assert "look like whitened" in told
    answers = {**ANSWERS, "--normalised-with": "zca"}
    told = follow(run, f"import {narrow(tmp_path)} --out b", answers)
    assert "zca where they are whitened" in told[0]
    assert len(told) <= 3


def test_what_import_prints_next_works(run: Run, tmp_path: Path) -> None:
    """Classes that are numbers get the names of a dataset's; then the set is validated."""
    for make in ("{:05d}", "new{:03d}", "{}"):
        folder = tmp_path / "syn"
        for k in range(10):
            place = folder / make.format(k) / "0.png"
            place.parent.mkdir(parents=True)
            pixels = (PIXELS[DIGITS.labels == k][0, 0] * 255).round().byte().numpy()
            Image.fromarray(pixels).save(place)
        said = run("import syn --out made --overwrite")
        assert said.code == 0, said.err
        line = next_command(said.out).replace("NAME", "digits")
        assert line.startswith("import syn --dataset digits")
        said = run(line)
        assert said.code == 0, said.err
        line = next_command(said.out)
        assert line == "validate made --against random"
        said = run(f"{line} --model MLP --epochs 1 --num-eval 1 --no-dsa")
        assert said.code == 0, said.err
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()


def test_what_a_set_was_made_from_is_asked_for_where_it_does_not_lie(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mydata").mkdir()
    (tmp_path / "elsewhere").mkdir()
    pixels = (PIXELS[:200, 0] * 255).round().byte().numpy()
    np.savez(tmp_path / "mydata" / "real.npz", images=pixels, labels=DIGITS.labels[:200].numpy())
    torch.save({"images": PIXELS[:40], "labels": LABELS}, tmp_path / "syn.pt")
    assert run("import syn.pt --dataset mydata/real.npz --out made").code == 0
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("export ../made --to npz --out sent.npz").code == 0
    said = run("import sent.npz --out back")
    assert said.code == 0, said.err
    quick = "--model MLP --epochs 1 --num-eval 1 --no-dsa"
    line = next(each.strip() for each in said.out.splitlines() if "datastill validate" in each)
    line = line.removeprefix("datastill ")
    assert line == "validate back --dataset NAME --against random"
    for asked in (f"validate ../made {quick}", "assess ../made", "compare back --model MLP"):
        said = run(asked)
        assert said.code == 2
        assert "made from mydata/real.npz, which does not lie here" in said.err
        assert "name the path by --dataset" in said.err
    said = run(f"{line.replace('NAME', '../mydata/real.npz')} {quick}")
    assert said.code == 0, said.err


def test_validation_says_how_numbers_get_names(run: Run, tmp_path: Path) -> None:
    pixels = (PIXELS[:40, 0] * 255).round().byte().numpy()
    kinds = np.array([f"kind {k}" for k in LABELS.tolist()])
    np.savez(tmp_path / "own.npz", images=pixels, labels=kinds)
    torch.save({"images": PIXELS[:40], "labels": LABELS}, tmp_path / "syn.pt")
    assert run("import syn.pt --out made").code == 0
    line = "validate made --model MLP --epochs 1 --num-eval 1 --no-dsa"
    said = run(line)
    assert said.code == 2
    assert "name it by --dataset" in said.err
    for asked in (line, f"{line} --against random", "assess made", "compare made --model MLP"):
        said = run(f"{asked} --dataset ./own.npz")
        assert said.code == 2
        again = re.search(r"import it again with (--dataset \S+)$", said.err.strip())
        assert again is not None, (asked, said.err)
    assert run(f"import syn.pt {again[1]} --out made --overwrite").code == 0
    said = run(line)
    assert said.code == 0, said.err


def next_command(out: str) -> str:
    lines = [line.strip() for line in out.splitlines() if line.startswith("  datastill ")]
    return lines[-1].removeprefix("datastill ")


def test_options_are_repeated_in_what_comes_next(run: Run, tmp_path: Path) -> None:
    torch.save({"data": [[FEW, LABELS], [FEW, LABELS]]}, tmp_path / "a.pt")
    said = run("import a.pt --normalised-with 0.3/0.4 --experiment 1 --out b")
    assert said.code == 0, said.err
    line = next_command(said.out)
    expected = "import a.pt --normalised-with 0.3/0.4 --experiment 1 --dataset NAME --out b"
    assert line == f"{expected} --overwrite"
    assert run(line.replace("NAME", "digits")).code == 0


def test_images_alone_say_where_their_labels_go(run: Run, tmp_path: Path) -> None:
    torch.save(FEW, tmp_path / "syn.pt")
    torch.save(LABELS, tmp_path / "gt.pt")
    said = run("import syn.pt --dataset digits")
    assert "call it images.pt and put their labels beside it as labels.pt" in said.err
    (tmp_path / "syn.pt").rename(tmp_path / "images.pt")
    said = run("import images.pt --dataset digits")
    assert "expected them beside it in labels.pt" in said.err
    (tmp_path / "gt.pt").rename(tmp_path / "labels.pt")
    said = run("import labels.pt --dataset digits")
    assert "name the file of the images" in said.err
    assert run("import images.pt --dataset digits").code == 0


def test_a_pickle_that_wants_code_is_saved_anew(run: Run, tmp_path: Path) -> None:
    value = {"images": FEW, "labels": LABELS, "where": Path("x")}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    said = run("import a.pkl --dataset digits")
    assert "load it in Python and torch.save({'images': ..., 'labels': ...})" in said.err
    held = pickle.loads((tmp_path / "a.pkl").read_bytes())
    torch.save({"images": held["images"], "labels": held["labels"]}, tmp_path / "a.pt")
    assert run("import a.pt --dataset digits").code == 0


def test_archives_and_sets_of_our_own_say_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    matched(tmp_path / "run", FEW, LABELS)
    with tarfile.open(tmp_path / "run.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "run", "run")
    assert (
        "is packed: type tar -xf run.tar.gz -C . and name what comes out"
        in run("import run.tar.gz").err
    )
    assert run("import run --dataset digits --out made").code == 0
    said = run("import made")
    assert said.code == 2
    line = step("import made", said.err.strip(), {})
    assert line == "validate made"
    assert run(f"{line} --model MLP --epochs 1 --num-eval 1 --no-dsa").code == 0


def test_an_unknown_file_is_told_what_there_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    said = run("import a.bin")
    assert "choose --format from dataset: " in said.err
    assert "; folder: pictures" in said.err
    assert "; pt: tensors of torch.save or pickle" in said.err


@pytest.mark.parametrize("target", ["", "there.npz", "there"])
@pytest.mark.parametrize("to", ["npz", "folder"])
def test_messages_of_export_lead_to_a_file(to: str, target: str, run: Run, tmp_path: Path) -> None:
    save(blobs(per_class=1), tmp_path / "a.safetensors")
    (tmp_path / "there").mkdir()
    (tmp_path / "there.npz").write_bytes(b"x")
    out = f" --out {target}" if target else ""
    answers = {**ANSWERS, "--out": "free"}
    told = follow_out(run, f"export a.safetensors --to {to}{out}", answers)
    assert told <= 2


def follow_out(run: Run, line: str, answers: Mapping[str, str | None]) -> int:
    for count in range(4):
        said = run(line)
        if said.code == 0:
            return count
        assert said.code == 2
        asked = re.findall(r"--(?:out|overwrite)", said.err)
        assert asked, said.err
        value = answers[asked[0]]
        line = re.sub(r" --out \S+", "", line) if asked[0] == "--out" else line
        line += f" {asked[0]}" if value is None else f" {asked[0]} {value}"
    raise AssertionError(line)


def test_other_channels_go_where_the_message_says(run: Run, tmp_path: Path) -> None:
    data: ImageSet = blobs(shape=(2, 8, 8), per_class=1)
    save(data, tmp_path / "a.safetensors")
    told = follow(run, "export a.safetensors --to folder")
    assert "--to npz keeps any" in told[0]
    said = run("export a.safetensors --repo me/x --to npz")
    assert "add --to hub" in said.err
