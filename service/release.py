"""Which release this is."""

from __future__ import annotations

from importlib import metadata


def release() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("footnote-service")
    except metadata.PackageNotFoundError:
        return "(not installed)"  # run from a source tree
