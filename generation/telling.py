"""How an answer ends, and how one in the sources' own sentences is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from generation.answers import NO_USAGE, Answer, CheckedSentence, Citation, LookedAt, ShortAnswer
from generation.draft import Draft
from generation.events import AnswerEvent, Delta, Done, UsageReported
from generation.llms import Usage
from generation.reasons import NO_SENTENCE
from generation.spans import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What every answer to a question says beside its sentences."""

    looked_at: tuple[LookedAt, ...]
    model: str

    def refused(self, reason: str, *, usage: Usage = NO_USAGE, dropped: int = 0) -> Answer:
        return Answer(
            status="refused",
            sentences=(),
            citations=(),
            missing=reason,
            looked_at=self.looked_at,
            model=self.model,
            usage=usage,
            dropped=dropped,
        )

    def answered(
        self, draft: Draft, *, missing: str | None, usage: Usage = NO_USAGE, short: ShortAnswer | None = None
    ) -> Answer:
        return Answer(
            status="partial" if missing else "answered",
            sentences=draft.sentences,
            citations=draft.citations,
            missing=missing,
            looked_at=self.looked_at,
            model=self.model,
            usage=usage,
            dropped=draft.dropped,
            short=short,
        )


def end(answer: Answer) -> tuple[AnswerEvent, ...]:
    """The last events of an answer."""
    return UsageReported(usage=answer.usage), Done(answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """What was said before the sources are quoted. `after`: the length of the text told so far."""

    after: int = 0
    missing: str | None = None
    usage: Usage = NO_USAGE
    dropped: int = 0


def quote(
    quoted: Sequence[CheckedSentence],
    result: Result,
    quoting: Quoting,
    best: Citation | None = None,
    span: Span | None = None,
) -> list[AnswerEvent]:
    """The sources' own sentences: written and checked at once. `span`: of the best one, what was asked for."""
    if not quoted:
        return [*end(result.refused(NO_SENTENCE))]
    draft, written = Draft("drop"), quoting.after
    events: list[AnswerEvent] = []
    for sentence in quoted:
        text = sentence.separator + sentence.text if written else sentence.text
        written += len(text)
        events += [Delta(text=text), *draft.add(sentence, written)]
    short = None
    if best is not None and span is not None and best in draft.citations:
        short = ShortAnswer(
            text=span.text,
            citation=draft.citations.index(best),
            char_start=best.char_start + span.start,
            char_end=best.char_start + span.end,
        )
    answer = result.answered(draft, missing=quoting.missing, usage=quoting.usage, short=short)
    return [*events, *end(replace(answer, dropped=quoting.dropped))]
