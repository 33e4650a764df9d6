"""Short answers: the name, number or date in a quoted sentence that a question asks for, where just one can be meant.

What a question asks for shows in its first words, and what in a sentence can be that by its form. What the question
itself names is no answer to it; a name or number stands beside something that the question speaks of. Where more than
one span is left, none is given: the sentence is the answer. A name or number counts only if the sentence answers the
question less without it, as the cross-encoder reads it.

On the sentence that holds the answer, a span was given for about half of the questions for a date or a number and a
sixth of those for a name. Of squad2-dev's, 0.98 of the dates, 0.75 of the numbers and 0.73 of the names were an answer
that counts as right, word for word; the rest is mostly one with a word more or less ("over 400", "fifty percent").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from generation.facts import content_words
from retrieval.reranking import PairScorer

Kind = Literal["number", "date", "name"]

_ASKS: Sequence[tuple[Kind, re.Pattern[str]]] = (
    (
        "date",
        re.compile(
            r"\b(?:when\b(?!\s+(?:the|a|an|is|are|was|were)\b.*,)|(?:what|which)\s+(?:year|date|day|month|century|decade)\b)",
            re.IGNORECASE,
        ),
    ),
    (
        "number",
        re.compile(
            r"\bhow\s+(?:many|much|old|tall|large|big|high|far|long|deep|wide|heavy|fast)\b"
            r"|\b(?:what|which)\s+(?:percentage|percent|proportion|number|amount|fraction|age)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "name",
        re.compile(
            r"^\W*(?:(?:to|by|for|with|from|of|in|at|on)\s+)?(?:who|whom|whose|where)\b"
            r"|\b(?:what|which)\s+(?:is|was)\s+the\s+(?:full\s+|first\s+|last\s+)?name\b"
            r"|\b(?:what|which)\s+(?:city|country|state|town|river|person|company|university|king|queen|president|author)\b",
            re.IGNORECASE,
        ),
    ),
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:1\d{3}|20\d{2})\b"
_DATE = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+{_YEAR})?"
    rf"|{_MONTH},?\s+{_YEAR}|\d{{4}}-\d{{2}}-\d{{2}}\b"
    rf"|(?:the\s+)?(?:\d{{1,2}}(?:st|nd|rd|th)|first|second|third)\s+century\b(?:\s+(?:BC|AD|BCE|CE)\b)?"
    rf"|(?<![\d.,$€£]){_YEAR}(?:[-–]\d{{2,4}}\b)?s?(?!\s*(?:people|men|women|tons?|km|miles|metres|meters|feet|%)))",
    re.IGNORECASE,
)
_SPELLED = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|one"
)
_SCALES = r"(?:percent|per cent|hundred|thousand|million|billion|trillion)"
_NUMBER = re.compile(
    rf"[$€£]?\s?(?<![\w.,])\d+(?:[.,]\d+)*(?![\w]|[.,]\d)(?:\s?%|\s{_SCALES}\b)*"
    rf"|\b(?:{_SPELLED})(?:[-\s](?:one|two|three|four|five|six|seven|eight|nine))?(?:\s{_SCALES})*\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<![\w.])[^\W\d_a-z][\w'’.-]*[\w'’](?:\s+(?:(?:of|the|de|von|van|der|la|le|du|di|da|del|al|bin|and)\s+){0,2}[^\W\d_a-z][\w'’-]*)*"
)
_RANGE_BEFORE = re.compile(
    r"\d(?:st|nd|rd|th)?\s*(?:\b(?:to|until|till|through|and|or)\b|[-–—/])\s*(?:the\s+)?$", re.IGNORECASE
)
_RANGE_AFTER = re.compile(r"\s*(?:\b(?:to|until|till|through)\b|[-–—/])\s*(?:the\s+)?\d", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_SHORT_WORDS = frozenset(
    _WORD.findall(
        "a an and as at but by for from he her his if in it its of on or she that the their there these they this those"
        " to we when where which while who with after before during since until although however according"
    )
)
_REACH = 3
"""Words between a span and a word of the question beside it, at most."""

_GAP = "…"
_LOSS = 1.0
"""What a sentence's logit loses at least when the span that answers is taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a sentence: `text == sentence[start:end]`."""

    start: int
    end: int
    text: str


def asked_for(question: str) -> Kind | None:
    """What kind of short answer a question asks for; None where it asks for none that has a form."""
    found = [
        (match.start(), kind) for kind, pattern in _ASKS if (match := pattern.search(question)) is not None
    ]
    return min(found)[1] if found else None


async def find_span(question: str, sentence: str, scorer: PairScorer) -> Span | None:
    """The one span of a sentence that answers the question; None where there is none, or more than one."""
    kind = asked_for(question)
    span = None if kind is None else _only_one(kind, question, sentence)
    if span is None or kind == "date":
        return span
    whole, without = await scorer.score(
        [(question, sentence), (question, sentence[: span.start] + _GAP + sentence[span.end :])]
    )
    return span if float(whole) - float(without) >= _LOSS else None


def _only_one(kind: Kind, question: str, sentence: str) -> Span | None:
    named = {*_folded(question)}
    every = list(_spans(kind, sentence))
    if kind == "date" and any(_is_half(span, sentence) for span in every):
        return None
    spans = [span for span in every if not {*_folded(span.text)} <= named]
    if kind != "date":
        spans = [span for span in spans if _stands_beside(span, sentence, question, after=kind == "number")]
    different = {" ".join(_folded(span.text)): span for span in reversed(spans)}
    return next(iter(different.values())) if len(different) == 1 else None


def _is_half(span: Span, sentence: str) -> bool:
    """Whether a span is one end of what the sentence tells: "9 May" of "3 to 9 May"."""
    return bool(_RANGE_BEFORE.search(sentence[: span.start]) or _RANGE_AFTER.match(sentence, span.end))


def _spans(kind: Kind, sentence: str) -> Iterator[Span]:
    match kind:
        case "date":
            matches = list(_DATE.finditer(sentence))
        case "number":
            dates = [found.span() for found in _DATE.finditer(sentence)]
            matches = [
                found
                for found in _NUMBER.finditer(sentence)
                if not any(start <= found.start() < end for start, end in dates)
            ]
        case "name":
            matches = list(_NAME.finditer(sentence))
    for found in matches:
        start, end = found.span()
        if kind == "name":
            start = _after_opener(sentence, start, end)
        text = sentence[start:end]
        start += len(text) - len(text.lstrip())
        if text.endswith(".") and end == len(sentence.rstrip()):
            end -= 1  # the sentence's
        if start < end:
            yield Span(start=start, end=end, text=sentence[start:end])


def _after_opener(sentence: str, start: int, end: int) -> int:
    """Where a name begins that a capital of another kind, as that of a sentence's first word, seems to begin."""
    words = list(_WORD.finditer(sentence, start, end))
    while words and words[0][0].casefold() in _SHORT_WORDS:
        words.pop(0)
    if not words or (
        len(words) == 1 and start == 0 and not words[0][0][1:].isupper() and not _is_proper(sentence)
    ):
        return end
    return words[0].start()


def _is_proper(sentence: str) -> bool:
    """Whether the first word of a sentence, alone, can be taken for a name: a verb of being or doing follows."""
    return bool(re.match(r"\W*\w+\s+(?:is|was|are|were|has|had|became|wrote|said|won|led|made)\b", sentence))


def _stands_beside(span: Span, sentence: str, question: str, *, after: bool) -> bool:
    """Whether something that the question speaks of stands near: after a number what it counts, else on either side."""
    asked = _stems(question)
    following = _WORD.findall(sentence[span.end :])[:_REACH]
    preceding = () if after else _WORD.findall(sentence[: span.start])[-_REACH:]
    return bool(asked & _stems(" ".join((*preceding, *following))))


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:5] for word in content_words(text))


def _folded(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
