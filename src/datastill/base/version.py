"""The version of datastill itself."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0+source"
"""What is said where it runs out of its source, and was never installed."""


@cache
def own_version() -> str:
    """Return it, as it was installed."""
    try:
        return version("datastill")
    except PackageNotFoundError:
        return UNKNOWN
