"""What a language model replied when it was asked for a query or a passage: untrusted, and mostly wrapped in something.

Models number their lines, introduce them, quote them, think aloud, answer instead of rewriting, or refuse. Here is what
of a reply can be searched for, and why nothing can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from generation.sentences import split_sentences

LONGEST_QUERY = 400
LONGEST_PASSAGE = 2_000
"""Code points."""

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MARKER = re.compile(r"^(?:[-*•>#]+|\(?\d{1,2}[.):])\s+")
_LABEL = re.compile(
    r"^(?:(?:the|your|final|rewritten|re-?phrased|stand-?alone|search|improved|clearer|follow-?up|alternative|hypothetical)"
    r"\s+){0,3}(?:questions?|quer(?:y|ies)|passage|paragraph|variants?|versions?|output|result|answer(?:\s+is)?)(?:\s*\d{1,2})?\s*[:：]\s*",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"^(?:here(?:['’]s| is| are)|sure|certainly|of course|okay|below)\b.{0,200}[:：!.]$", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"^(?:i['’]?m sorry|i am sorry|sorry[,.]|i apologi[sz]e|unfortunately, i|as an ai\b|as a language model"
    r"|i (?:cannot|can['’]t|can not|am unable to|am not able to|won['’]t) "
    r"(?:assist|help with|provide|answer|fulfil|rewrite|rephrase|comply|generate|create|write)"
    r"|i (?:do not|don['’]t) (?:have|know))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_SMALL_WORDS = frozenset(
    _WORD.findall(
        "an and any are as at be but by can did do does for from had has have how if in into is it its no not of on or"
        " so that the their them there they this to was were what when where which who why will with you your"
    )
)
_FIGURE = re.compile(r"\w*\d\w*(?:[.,:/-]\w*\d\w*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Why a reply is of no use, as the end of a sentence that begins with "the language model"."""

    why: str


def read_query(reply: str, question: str, *, background: str = "") -> str | Unusable:
    """The one query in a reply to `question`; `background` is what else its words may come from.

    It has to keep the figures and codes of the question: without them a search looks for something else.
    """
    lines = list(_lines(reply))
    if not lines:
        return Unusable(why="wrote nothing that could be searched for")
    query = lines[0]
    if problem := _problem(query, f"{question} {background}", LONGEST_QUERY):
        return problem
    if lost := _figures(question) - _figures(query):
        return Unusable(why=f"left out {len(lost)} of the question's numbers or codes")
    return query


def read_queries(reply: str, question: str, *, most: int, cut: bool) -> list[str] | Unusable:
    """Up to `most` different queries in a reply, none of them the question again. `cut`: its last line is not whole."""
    lines = list(_lines(reply))
    if cut:
        lines = lines[:-1]
    if not lines:
        return Unusable(why="wrote nothing that could be searched for")
    problems = [problem for line in lines if (problem := _problem(line, question, LONGEST_QUERY))]
    different: dict[str, str] = {}
    for line in lines:
        if _problem(line, question, LONGEST_QUERY) is None and not is_same(line, question):
            different.setdefault(_folded(line), line)
    if not different:
        return problems[0] if problems else Unusable(why="only repeated the question")
    return list(different.values())[:most]


def read_passage(reply: str, question: str) -> str | Unusable:
    """The made-up passage in a reply, cut at the end of a sentence where it is long."""
    passage = " ".join(_lines(reply))
    if len(passage) > LONGEST_PASSAGE:
        ends = [sentence.end for sentence in split_sentences(passage) if sentence.end <= LONGEST_PASSAGE]
        passage = passage[: ends[-1] if ends else LONGEST_PASSAGE]
    if not passage:
        return Unusable(why="wrote nothing that could be searched for")
    return _problem(passage, question, LONGEST_PASSAGE) or passage


def is_same(text: str, question: str) -> bool:
    """Whether two queries differ in nothing but case, white space and signs."""
    return _folded(text) == _folded(question)


def _lines(reply: str) -> Iterator[str]:
    """The lines of a reply that say something, without what they are wrapped in."""
    reply = _CONTROL.sub(" ", _THOUGHT.sub("", reply).encode(errors="replace").decode())
    for line in reply.splitlines():
        bare = line.strip()
        if bare.startswith("```") or _INTRODUCTION.match(bare):
            continue
        bare = _LABEL.sub("", _MARKER.sub("", bare.strip("*_ "))).strip(' \t*_`"“”„«»')
        if any(character.isalnum() for character in bare):
            yield " ".join(bare.split())


def _problem(text: str, known: str, longest: int) -> Unusable | None:
    if _REFUSAL.match(text):
        return Unusable(why="declined")
    if len(text) > longest:
        return Unusable(why=f"wrote {len(text):,} characters where {longest:,} are the most")
    if _traits(known) and not _traits(text) & _traits(known):
        return Unusable(why="wrote something that has no word in common with the question")
    return None


def _traits(text: str) -> frozenset[str]:
    """By what two texts are seen to be about one thing: beginnings of words; single signs of scripts without spaces."""
    words = frozenset(word for word in _WORD.findall(text.casefold()) if len(word) > 1) - _SMALL_WORDS
    return frozenset(word[:5] for word in words if word.isascii()) | frozenset(
        sign for word in words if not word.isascii() for sign in word
    )


def _figures(text: str) -> frozenset[str]:
    return frozenset(figure.casefold() for figure in _FIGURE.findall(text))


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold())) or text
