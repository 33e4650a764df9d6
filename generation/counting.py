"""How long texts are for a language model: in its own tokens where its server tells, else on the high side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from generation.llms import LLM
from generation.tokens import approximate_tokens

TokenCount = Callable[[str], int]


async def counted(texts: Sequence[str], llm: LLM) -> TokenCount:
    """A count that is exact for `texts` where the model's server counts them, and an estimate for all others."""
    counts = await llm.count_tokens(texts)
    known = {} if counts is None else dict(zip(texts, counts, strict=True))
    return lambda text: known[text] if text in known else approximate_tokens(text)
