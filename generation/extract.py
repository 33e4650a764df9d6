"""The extractive answer: the sources' own sentences, one to three, each cited at its exact place."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from generation.answers import AnswerPolicy, CheckedSentence, Citation
from generation.evidence import Evidence, ReadSentence
from retrieval.records import Passage

_CODE = r"(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
_LINK = re.compile(rf"{_CODE}|(?<!(?a:\w))!?\[(?P<text>[^\[\]]+)\]\([^()\s]*\)")
_STRONG = re.compile(
    rf"{_CODE}|(?<!(?a:[\w*]))\*\*(?=\S)(?P<stars>[^*]+?)(?<=\S)\*\*(?!(?a:[\w*]))"
    r"|(?<!\w)__(?=\S)(?P<lines>[^_]*\s[^_]*)(?<=\S)__(?!\w)"
)
"""Marks at the edges of words: within them they are powers, calls and names ("x**2", "on[key](event)", "__init__")."""

_EDGES = re.compile(r"^(?:\|\s+)+|(?:\s+\|)+$")
"""Of a table's row; without white space they may be those of "|x|"."""

_PASSAGE_WEIGHT = 0.5
"""Of the logit of the passage's best sentence beside the sentence's own: of two alike, that in the better passage
answers."""

_MARGIN = 3.0
"""A further sentence is quoted if it falls at most this far behind the best (logits): on squad2-dev the gold answer
is then within the quotes for 0.89 of the questions with 1.5 sentences a question, against 0.82 with one."""


def extract(evidence: Sequence[Evidence], *, policy: AnswerPolicy) -> tuple[CheckedSentence, ...]:
    """The sentences that answer best, in reading order: documents by their best evidence, sentences as they stand."""
    ranked = _ranked(evidence)
    chosen: list[tuple[int, Passage, ReadSentence]] = []
    for score, rank, passage, read in ranked:
        if len(chosen) == policy.max_sentences or score < ranked[0][0] - _MARGIN:
            break
        if not any(_same(passage, read, other, known) for _, other, known in chosen):
            chosen.append((rank, passage, read))
    ordered = _in_reading_order(chosen)
    # Code stands on lines of its own.
    apart = [read.sentence.is_code for _, read in ordered]
    return tuple(
        _quoted(passage, read, separator="\n\n" if any(apart[max(0, n - 1) : n + 1]) else " ")
        for n, (passage, read) in enumerate(ordered)
    )


def best_place(evidence: Sequence[Evidence]) -> Citation:
    """Where the sentence stands that answers best; there is one that was read. It is among those of `extract`."""
    _, _, passage, read = _ranked(evidence)[0]
    return Citation.of(passage, read.sentence.start, read.sentence.end)


def _ranked(evidence: Sequence[Evidence]) -> list[tuple[float, int, Passage, ReadSentence]]:
    """All sentences that were read, best first, each with its score, the rank of its passage, and the passage."""
    return sorted(
        (
            (read.logit + _PASSAGE_WEIGHT * piece.best_logit, rank, piece.passage, read)
            for rank, piece in enumerate(evidence)
            for read in piece.sentences
        ),
        key=lambda item: -item[0],
    )


def _same(passage: Passage, read: ReadSentence, other: Passage, known: ReadSentence) -> bool:
    """Whether two sentences overlap in one document (chunks may), or say the same in two."""
    start, end = passage.char_start + read.sentence.start, passage.char_start + read.sentence.end
    overlap = (
        passage.document_id == other.document_id
        and start < other.char_start + known.sentence.end
        and other.char_start + known.sentence.start < end
    )
    return overlap or _words(read).casefold() == _words(known).casefold()


def _in_reading_order(
    chosen: Sequence[tuple[int, Passage, ReadSentence]],
) -> list[tuple[Passage, ReadSentence]]:
    best_rank: dict[object, int] = {}
    for rank, passage, _ in chosen:
        best_rank[passage.document_id] = min(rank, best_rank.get(passage.document_id, rank))
    ordered = sorted(
        chosen,
        key=lambda item: (best_rank[item[1].document_id], item[1].char_start + item[2].sentence.start),
    )
    return [(passage, read) for _, passage, read in ordered]


def _quoted(passage: Passage, read: ReadSentence, *, separator: str) -> CheckedSentence:
    return CheckedSentence(
        text=_words(read),
        supported=True,
        support=1.0,  # it is its own source, word for word
        places=(Citation.of(passage, read.sentence.start, read.sentence.end),),
        separator=separator,
    )


def _words(read: ReadSentence) -> str:
    """The sentence on one line, without the marks of a Markdown table, a link or strong emphasis.

    Code keeps its lines, between fences as Markdown has them.
    """
    if read.sentence.is_code:
        return f"```\n{textwrap.dedent(read.sentence.text)}\n```"
    line = _EDGES.sub("", " ".join(read.sentence.text.split()))
    return _STRONG.sub(_unmarked, _LINK.sub(_unmarked, line))


def _unmarked(found: re.Match[str]) -> str:
    """What stands within marks; code with its own."""
    named = found.groupdict()
    return next(named[name] for name in ("code", "text", "stars", "lines") if named.get(name))
