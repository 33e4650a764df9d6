"""Tokenizers for tests, each a function from a text to where its tokens end, and an embedder without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def words(text: str) -> list[int]:
    """Like WordPiece: words and signs, a long word in pieces; white space counts nothing."""
    return [
        min(start + 6, match.end())
        for match in re.finditer(r"[^\W\u3000-\u9fff]+|[^\s]", text)
        for start in range(match.start(), match.end(), 6)
    ]


def pairs_of_characters(text: str) -> list[int]:
    """Like byte-level BPE: white space counts, and a token may lie across two words."""
    return [min(end, len(text)) for end in range(2, len(text) + 2, 2)]


def utf8_bytes(text: str) -> list[int]:
    """Several tokens a character, which end at the same place."""
    return [end for end, character in enumerate(text, 1) for _ in character.encode()]


def embed_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit rows; texts with the same first words are near each other."""
    rows = np.ones((len(texts), 26), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[ord(word[0]) % 26] += 9
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
