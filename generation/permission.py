"""Which language models passages may be sent to."""

from __future__ import annotations

from generation.errors import OutsideNotAllowedError
from generation.llms import LLM


def permitted(llm: LLM, *, allow_outside: bool) -> LLM:
    """What of `llm` may read the passages of a collection: all of it, or what is inside the house.

    Raises `OutsideNotAllowedError` where that is nothing.
    """
    if allow_outside:
        return llm
    inside = llm.inside()
    if inside is None:
        raise OutsideNotAllowedError(llm.model)
    return inside
