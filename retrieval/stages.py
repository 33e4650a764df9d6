"""The stages of a search and of an answer, for whoever measures them: a name and a duration, and nothing else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

StageName = Literal[
    "answer",
    "first_text",
    "words",
    "embed",
    "search",
    "dense",
    "lexical",
    "rerank",
    "evidence",
    "context",
    "model",
    "first_token",
    "support",
]
"""
answer       a question, from its words to the last event
first_text   of that, until there is text to show
words        a follow-up made to stand alone, a question put into other words
embed        what is searched for, embedded
search       the candidates and their passages, in one snapshot of the database
dense        of that, the nearest vectors
lexical      of that, the best by BM25
rerank       the cross-encoder over the head of the list
evidence     the evidence check
context      the passages chosen and numbered for the language model
model        the language model, from the request to the end of its stream
first_token  of that, until its first piece of text
support      one sentence checked against what it cites
"""


class Stages(Protocol):
    """Measures stages. Safe to use from many tasks at once; a stage may be begun again while it runs elsewhere."""

    def stage(self, name: StageName) -> AbstractContextManager[None]:
        """To be entered when a stage begins and left when it ends, however it ends."""
        ...


class _Unmeasured:
    def stage(self, name: StageName) -> AbstractContextManager[None]:  # nobody wants to know
        return nullcontext()


NO_STAGES: Stages = _Unmeasured()
