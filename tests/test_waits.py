"""Something is on the screen in time that says what is awaited, by order and an invented clock."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from conftest import blobs
from datastill.base import waits
from datastill.base.waits import ERASED, Watch, awaited
from datastill.cli.console import Console
from datastill.runs.inputs import reading
from datastill.runs.inputs.originals import Shelf
from datastill.runs.specs import DataSpec
from test_cli import Run, run

__all__ = ["run"]


class Screen:
    def __init__(self) -> None:
        self.seconds, self.text = 0.0, ""

    def write(self, text: str) -> None:
        self.text += text

    def watch(self, *, passing: bool = False) -> Watch:
        return Watch(self.write, passing, lambda: self.seconds)


@pytest.fixture(autouse=True)
def in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "SECONDS", 1.0)


def test_what_is_awaited_is_said_once_where_nothing_else_is_said() -> None:
    screen = Screen()
    watch = screen.watch()
    watch.begin("reading digits")
    watch.look()
    assert screen.text == ""
    screen.seconds = 1.0
    watch.look()
    watch.look()
    assert screen.text == "reading digits ...\n"
    watch.begin("training")
    screen.seconds = 1.9
    watch.said()  # something else was said meanwhile
    screen.seconds = 2.8
    watch.look()
    assert screen.text == "reading digits ...\n"
    screen.seconds = 2.9
    watch.look()
    assert screen.text.endswith("training ...\n")


def test_what_has_ended_is_not_said() -> None:
    screen = Screen()
    watch = screen.watch()
    watch.begin("reading digits")
    watch.begin("")
    screen.seconds = 9.0
    watch.look()
    assert screen.text == ""


def test_on_a_terminal_the_line_goes_when_there_is_another() -> None:
    screen = Screen()
    watch = screen.watch(passing=True)
    watch.begin("reading digits")
    screen.seconds = 2.0
    watch.look()
    assert screen.text == f"{ERASED}reading digits ..."
    watch.said()
    watch.said()
    assert screen.text == f"{ERASED}reading digits ...{ERASED}"


@pytest.mark.parametrize("loaded", [True, False])
def test_before_libraries_are_loaded_a_terminal_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], loaded: bool
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    if not loaded:
        monkeypatch.delitem(sys.modules, "torch")
    with waits.shown():
        shown.append(capsys.readouterr().err)
    assert shown == ["" if loaded else f"{ERASED}{waits.READY} ..."]
    assert capsys.readouterr().err == ("" if loaded else ERASED)


def test_nothing_is_shown_where_quiet_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    with waits.shown(quiet=True):
        pass
    assert capsys.readouterr().err == ""


def test_lines_and_bars_take_the_place_of_what_is_awaited(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    watch = screen.watch()
    monkeypatch.setattr(waits, "_watch", [watch])
    screen.seconds = 5.0
    Console().message("x")
    assert watch.since == 5.0
    with Console(plain=True).progress("training", 3):
        assert watch.what == "training"
        screen.seconds = 6.0
        watch.look()
    assert screen.text == "training ...\n"


Told = list[str]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Collect what is said to be awaited, and what is done, in their order."""
    found: Told = []
    log = logging.getLogger("datastill.waits")
    listener = waits._Listener(found.append)  # pyright: ignore
    log.addHandler(listener)
    monkeypatch.setattr(log, "level", logging.DEBUG)
    log.setLevel(logging.DEBUG)
    yield found  # type: ignore[misc]
    log.removeHandler(listener)
    log.setLevel(logging.NOTSET)


def done(told: Told, word: str, value: Any) -> Callable[..., Any]:
    def do(*_: Any, **__: Any) -> Any:
        told.append(word)
        return value

    return do


def test_images_are_read_after_it_was_said(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "load_split", done(told, "read", blobs()))
    monkeypatch.setattr(reading, "load_dataset", done(told, "read", (blobs(), None)))
    reading.read_train(DataSpec("digits"), "cpu")
    reading.read_all(DataSpec("digits"), "cpu")
    first = "reading the training images of digits"
    assert told == [first, "read", "", "reading the images of digits", "read", ""]


def test_models_are_read_after_it_was_said(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datastill.runs.inputs.originals.load_pool", done(told, "read", ()))
    Shelf("pool", blobs()).load(["MLP"], 1)
    assert told[:3] == ["reading original models in pool", "read", ""]


def test_what_is_awaited_ends_where_it_fails(told: Told) -> None:
    with pytest.raises(ValueError, match="x"), awaited("this"):
        raise ValueError("x")
    assert told == ["this", ""]
