"""What happens while a question is answered, in the order in which it happens.

    Retrieved · (Delta | CitationAdded | SentenceChecked | SentenceDropped)… · UsageReported · Done

A `Delta` is what the model writes before anybody has checked it: for the eyes, if at all. What a `SentenceChecked` says
is final: it stands in the answer of `Done` as it was told, with the citations that were told before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from generation.answers import Answer, AnswerSentence, Citation, LookedAt, Rewriting, usage_as_json
from generation.llms import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """What was looked at, best first, and what was searched for where other words were looked for."""

    name: ClassVar[str] = "retrieved"
    looked_at: tuple[LookedAt, ...]
    searched: Rewriting | None = None

    def as_json(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"looked_at": [place.as_json() for place in self.looked_at]}
        return shape if self.searched is None else shape | {"searched": self.searched.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The next piece of the text, without markers, as it is written; provisional."""

    name: ClassVar[str] = "delta"
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationAdded:
    """A place that the next sentence cites: the answer's citation `number`, from 0."""

    name: ClassVar[str] = "citation"
    number: int
    citation: Citation

    def as_json(self) -> dict[str, Any]:
        return {"number": self.number, **self.citation.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceChecked:
    """The answer's sentence `number`, from 0: final.

    settled: how much of the deltas' text, in code points from its beginning, is decided on with this: what was shown of
        it gives way to the sentences.
    """

    name: ClassVar[str] = "sentence"
    number: int
    sentence: AnswerSentence
    settled: int

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            **self.sentence.as_json(),
            "separator": self.sentence.separator,
            "settled": self.settled,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceDropped:
    """A sentence that was written is not in the answer: nothing supports it. `settled` as of `SentenceChecked`."""

    name: ClassVar[str] = "dropped"
    settled: int

    def as_json(self) -> dict[str, Any]:
        return {"settled": self.settled}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """The tokens that wording the answer took."""

    name: ClassVar[str] = "usage"
    usage: Usage

    def as_json(self) -> dict[str, Any]:
        return usage_as_json(self.usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The whole answer; the last event."""

    name: ClassVar[str] = "done"
    answer: Answer

    def as_json(self) -> dict[str, Any]:
        return self.answer.as_json()


AnswerEvent = Retrieved | Delta | CitationAdded | SentenceChecked | SentenceDropped | UsageReported | Done
