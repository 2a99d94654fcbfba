"""The notebooks of the documentation run, and a notebook helps whoever types in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from copies import python

BOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have notebooks run by a copy of a process that has loaded the libraries of others."""
    folder = tmp_path_factory.mktemp("jupyter")
    line = python("-m", "ipykernel_launcher", "-f", "{connection_file}")
    file = folder / "kernels" / "python3" / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"argv": line, "display_name": "copied", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        yield


def outputs(book: Any) -> list[list[tuple[str, str]]]:
    """Return what each cell of code shows: kinds of pictures, and texts without their numbers."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    return [[seen(output) for output in cell.outputs] for cell in cells]


def seen(output: Any) -> tuple[str, str]:
    """Return what a notebook shows of an output: the richest form that it has, or its text."""
    forms = output.get("data") or {output["name"]: output["text"]}
    for kind in ("text/html", "image/png"):
        if kind in forms:
            return kind, ""
    ((kind, text),) = forms.items()
    return kind, masked(text)


def masked(text: str) -> str:
    """Return a text without numbers, and without what they make longer or shorter."""
    return re.sub(r"[\s(<>]+", " ", re.sub(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?", "#", text))


def test_there_are_two() -> None:
    assert [path.stem for path in BOOKS] == ["first-set", "own-images"]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_keeps(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 150_000
    run = nbformat.from_dict(kept)
    NotebookClient(run, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = outputs(run)
    assert shown == outputs(kept)
    assert sum(("image/png", "") in one or ("text/html", "") in one for one in shown) >= 3
    assert not any("stderr" in dict(one) for one in shown)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start what a notebook runs by, with datastill imported."""
    manager, client = start_new_kernel(cwd=str(tmp_path_factory.mktemp("notebook")))
    said(client, "import datastill as ds; from datastill import runs")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said(client: Any, code: str) -> dict[str, Any]:
    """Return what comes of code: its last value as a notebook gets it, or an error."""
    found: dict[str, Any] = {}

    def hear(message: Any) -> None:
        content = message["content"]
        if message["msg_type"] == "execute_result":
            found.update(content["data"])
        elif message["msg_type"] == "error":
            found["error"] = content["traceback"]

    client.execute_interactive(code, timeout=120, output_hook=hear)
    return found


def completed(client: Any, code: str) -> list[str]:
    found = client.complete(code, reply=True, timeout=60)["content"]["matches"]
    return [one.removeprefix("ds.").removeprefix("runs.") for one in found]


def test_a_kernel_completes_names(kernel: Any) -> None:
    assert {"load", "load_dataset"} <= {*completed(kernel, "ds.load")}
    assert {"show"} <= {*completed(kernel, "ds.sh")}
    assert {"DistillSpec", "Distilled"} <= {*completed(kernel, "runs.Dist")}
    assert any("DM" in one for one in completed(kernel, 'ds.METHODS["'))
    assert any("size" in one for one in completed(kernel, "ds.load_dataset('digits', si"))


def test_a_kernel_shows_a_set_as_a_picture(kernel: Any) -> None:
    assert "image/png" in said(kernel, "ds.show(ds.load_dataset('digits')[0], most=2)")
    assert "text/html" in said(kernel, "ds.load_dataset('digits')[1]")


def test_a_mistake_is_one_line_in_a_kernel(kernel: Any) -> None:
    lines = said(kernel, "name = 'digit'\nds.load_dataset(name)")["error"]
    assert lines == [
        "InputError: no dataset named 'digit'; did you mean 'digits'?",
        "  line 2: ds.load_dataset(name)",
    ]


def test_code_of_a_persons_own_is_shown_where_it_fails(kernel: Any) -> None:
    own = "def mine(domain):\n    return 1 / 0\n\nbuild = ds.builder(mine, real.domain)\n"
    said(kernel, "real, test = ds.load_dataset('digits')")
    lines = said(kernel, own + "build(key=ds.Key(0))")["error"]
    assert any("return 1 / 0" in line for line in lines)
    assert lines[-2].startswith("InputError: ")
    assert lines[-1] == "  line 5: build(key=ds.Key(0))"
