"""Paths of files that come over HTTP: which ones are taken, before anything of them reaches a file system."""

from __future__ import annotations

import re
import unicodedata

from retrieval.errors import InvalidRequestError
from retrieval.metadata import is_plain

MAX_PATH_BYTES = 1_000
_MAX_NAME_BYTES = 200
# Names of devices on Windows, whatever follows a dot: folders of uploads are copied and shared.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_upload_path(path: str) -> str:
    """The path as it is kept, letters composed (NFC). Raises `InvalidRequestError` where it cannot be one.

    It has parts with single slashes between them, none of which leads out of the folder or is left out of folders by
    the rules for sources (hidden files, lock files).
    """
    if not is_plain(path):
        raise InvalidRequestError("the path of a file holds a control character or half of a character.")
    kept = unicodedata.normalize("NFC", path)
    shown = f"'{kept[:80]}'"
    if not kept.strip():
        raise InvalidRequestError("the path of a file is empty: give it a name.")
    if len(kept.encode()) > MAX_PATH_BYTES:
        raise InvalidRequestError(f"the path {shown}… has more than {MAX_PATH_BYTES:,} bytes.")
    if "\\" in kept:
        raise InvalidRequestError(f"the path {shown} holds a backslash: write / between folders.")
    if kept.startswith("/"):
        raise InvalidRequestError(f"the path {shown} begins with a slash: paths are relative, leave it out.")
    for name in kept.split("/"):
        if reason := _unfit(name):
            raise InvalidRequestError(f"the path {shown} cannot be kept: {reason}.")
    return kept


def _unfit(name: str) -> str | None:
    """Why a part of a path is not taken; None where it is."""
    if not name:
        return "it has an empty part, between two slashes or at its end"
    if name in {".", ".."}:
        return f"'{name}' is not a name"
    if name.startswith("."):
        return "a part that begins with a dot is hidden, and hidden files are not taken in"
    if name.startswith("~$"):
        return "a file that begins with ~$ is an office program's lock file"
    if name != name.strip():
        return "a part begins or ends with white space"
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"a part has more than {_MAX_NAME_BYTES} bytes"
    if _DEVICE.fullmatch(name):
        return f"'{name}' is the name of a device on some systems"
    return None
