"""An answer on a terminal says the same whether it is shown whole or as it comes about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from generation.answers import NO_USAGE, Answer, CheckedSentence, Citation, LookedAt
from generation.draft import Draft
from generation.events import AnswerEvent, Delta, Done, Retrieved, UsageReported
from service.cli.answer_display import show_answer, show_as_told
from tests.generation.build import document_id, passage

PLACE = Citation.of(passage("Leave is 16 weeks."), 0, 18)
LOOKED_AT = (LookedAt(document_id=document_id("a.md"), path="a.md", page=2, score=0.4),)


def told(*sentences: CheckedSentence, missing: str | None = None) -> list[AnswerEvent]:
    draft = Draft("mark")
    events: list[AnswerEvent] = [Retrieved(looked_at=LOOKED_AT), Delta(text="Leave is …")]
    for sentence in sentences:
        events += draft.add(sentence, 0)
    answer = Answer(
        status="answered" if sentences else "refused",
        sentences=draft.sentences,
        citations=draft.citations,
        missing=missing,
        looked_at=LOOKED_AT,
        model="m",
        usage=NO_USAGE,
    )
    return [*events, UsageReported(usage=NO_USAGE), Done(answer=answer)]


async def stream(events: Sequence[AnswerEvent]) -> AsyncIterator[AnswerEvent]:
    for event in events:
        yield event


@pytest.mark.parametrize(
    "events",
    [
        told(
            CheckedSentence(text="It is 16 weeks.", supported=True, support=0.9, places=(PLACE,)),
            CheckedSentence(text="It is [fine].", supported=False, support=0.1, places=()),
            missing="Something is left open.",
        ),
        told(missing="Nothing fits."),
    ],
)
async def test_what_is_shown_bit_by_bit_is_what_is_shown_whole(
    events: list[AnswerEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    await show_as_told(stream(events))
    bit_by_bit = capsys.readouterr().out
    assert isinstance(events[-1], Done)
    show_answer(events[-1].answer)
    assert capsys.readouterr().out == bit_by_bit
    assert "…" not in bit_by_bit
    for line in ("It is 16 weeks. [1]", "It is [fine]. ", "“Leave is 16 weeks.”"):
        assert (line in bit_by_bit) == (events[-1].answer.status == "answered")
    assert ("Looked at:" in bit_by_bit) == (events[-1].answer.status == "refused")
