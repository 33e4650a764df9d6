"""Metadata: what whoever ingests says of a source's documents (team=hr, year=2026), to narrow searches down by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from retrieval.errors import InvalidRequestError

MAX_NAMES = 32
MAX_VALUE_CHARACTERS = 500
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}")

_UNFIT = {"Cc", "Cs"}  # control characters, NUL among them, and halves of characters


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise `InvalidRequestError` where names or values are not such as are kept."""
    if len(metadata) > MAX_NAMES:
        raise InvalidRequestError(f"metadata has {len(metadata):,} names; at most {MAX_NAMES} are accepted.")
    for name, value in metadata.items():
        if not NAME.fullmatch(name):
            raise InvalidRequestError(
                f"{name[:80]!r} is not a name of metadata. One has up to 63 lower-case letters, digits, '_', '.' and "
                "'-', a letter first: team, valid.from, cost-centre."
            )
        if not value.strip() or len(value) > MAX_VALUE_CHARACTERS:
            raise InvalidRequestError(
                f"the value of metadata '{name}' has {len(value):,} characters; it must have between 1 and "
                f"{MAX_VALUE_CHARACTERS}, not all of them spaces."
            )
        if not is_plain(value):
            raise InvalidRequestError(
                f"the value of metadata '{name}' holds a control character or half of one. Give plain text."
            )


def is_plain(text: str) -> bool:
    """Whether a text is free of control characters and of lone surrogates, which Postgres does not take."""
    return not any(unicodedata.category(character) in _UNFIT for character in text)
