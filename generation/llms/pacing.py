"""The time that an answer may take, to its first sign of life and as a whole, how long it may become, what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing

from generation.errors import LLMResponseError
from generation.llms import LLMSpec

_MOST_CHARACTERS_PER_TOKEN = 32
"""A token is seldom longer: a server that sends more does not keep to its limit."""

_MOST_TOKENS = 1_000_000_000
"""No request takes more; what does is no count."""

Explained = Callable[[str, float], AbstractContextManager[None]]
"""Turns what happens while the server does something ("to begin its answer") within so many seconds into our errors."""


async def paced(signs: AsyncGenerator[str], spec: LLMSpec, explained: Explained) -> AsyncGenerator[str]:
    """The pieces of text among `signs`, within the limits of `spec`, both counted from the first look.

    signs: pieces of text, or "" for a sign of life without any (a model that thinks). They are closed in any case.
    """
    started = asyncio.get_running_loop().time()
    first_by = started + min(spec.first_token_timeout_s, spec.total_timeout_s)
    whole_by = started + spec.total_timeout_s
    async with aclosing(signs):
        with explained("to begin its answer", spec.first_token_timeout_s):
            async with asyncio.timeout_at(first_by):
                sign = await anext(signs, None)
        while sign is not None:
            if sign:
                yield sign
            with explained("to finish its answer", spec.total_timeout_s):
                async with asyncio.timeout_at(whole_by):
                    sign = await anext(signs, None)


def check_length(llm: str, characters: int, max_tokens: int) -> None:
    """Raise `LLMResponseError` where an answer went on far past its limit. llm: as messages name it."""
    if characters > max_tokens * _MOST_CHARACTERS_PER_TOKEN:
        raise LLMResponseError(f"{llm} went on far past the limit of {max_tokens} tokens.")


def credible(prompt_tokens: int, completion_tokens: int) -> bool:
    """Whether a server's counts can be those of an answer: what callers pay and may take is counted by them."""
    return 0 <= prompt_tokens <= _MOST_TOKENS and 0 <= completion_tokens <= _MOST_TOKENS
