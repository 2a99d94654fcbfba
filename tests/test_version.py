"""datastill runs out of its source too, where it was never installed."""

from importlib import metadata

import pytest

import datastill
from datastill.base import version


def test_what_was_installed_is_told() -> None:
    assert version.own_version() == metadata.version("datastill") == datastill.__version__


def test_a_source_that_was_never_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    version.own_version.cache_clear()
    monkeypatch.setattr(version, "version", missing)
    try:
        assert version.own_version() == "0+source"
    finally:
        version.own_version.cache_clear()
