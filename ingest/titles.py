"""Titles of documents."""

from __future__ import annotations

from pathlib import PurePosixPath

MAX_TITLE_CHARACTERS = 300


def title_of(stated: str | None, path: str) -> str:
    """The title that a document states for itself, or else one from its path; fit to stand above every chunk."""
    return shorten_title(stated or title_from_path(path))


def shorten_title(title: str) -> str:
    """A title that may stand above every chunk: one that is a whole text (some files have such) would drown them."""
    return title if len(title) <= MAX_TITLE_CHARACTERS else title[: MAX_TITLE_CHARACTERS - 1].rstrip() + "…"


def title_from_path(path: str) -> str:
    """A title for a document that does not name its own: the file's name in words."""
    return " ".join(PurePosixPath(path).stem.replace("_", " ").replace("-", " ").split())
