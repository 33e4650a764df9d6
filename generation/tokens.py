"""How long a text is in a language model's tokens, where its tokenizer is not at hand."""

from __future__ import annotations

import math

_ASCII_CHARACTERS_PER_TOKEN = 3.5
"""English prose has four to five characters a token with today's tokenizers, code and tables about three."""


def approximate_tokens(text: str) -> int:
    """An estimate on the high side: one token for every 3.5 ASCII and for every other character."""
    ascii_characters = sum(character.isascii() for character in text)
    return math.ceil(ascii_characters / _ASCII_CHARACTERS_PER_TOKEN) + len(text) - ascii_characters
