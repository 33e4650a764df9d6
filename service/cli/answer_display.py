"""What a person sees of an answer: all of it, or its sentences as soon as they are final."""

from __future__ import annotations

from collections.abc import AsyncIterable

from rich.console import Console

from generation.answers import Answer, AnswerSentence
from generation.events import AnswerEvent, Done, Retrieved, SentenceChecked
from service.cli.display import place_of, shorten, show_searched, stdout


def show_answer(answer: Answer) -> None:
    """An answer with numbered footnotes; or the refusal and what was looked at."""
    console = stdout()
    show_searched(console, answer.searched)
    if answer.short is not None:
        console.print(answer.short.text, markup=False, style="bold")
    for sentence in answer.sentences:
        _show_sentence(console, sentence)
    _show_rest(console, answer)


async def show_as_told(events: AsyncIterable[AnswerEvent]) -> None:
    """The same, bit by bit, of an answer that is told; but for `short`, which is only known in the end."""
    console = stdout()
    async for event in events:
        match event:
            case Retrieved(searched=searched):
                show_searched(console, searched)
            case SentenceChecked(sentence=sentence):
                _show_sentence(console, sentence)
            case Done(answer=answer):
                _show_rest(console, answer)


def _show_sentence(console: Console, sentence: AnswerSentence) -> None:
    marks = "".join(f"[{number + 1}]" for number in sentence.citations)
    doubt = "" if sentence.supported else "  (not supported by the sources)"
    console.print(f"{sentence.text} {marks}{doubt}", markup=False)


def _show_rest(console: Console, answer: Answer) -> None:
    """What stands below the sentences."""
    if answer.status == "refused":
        console.print(answer.answer, markup=False)
    if answer.missing:
        console.print(answer.missing, markup=False, style="italic")
    if answer.status == "refused" and answer.looked_at:
        console.print("Looked at:", style="bold")
        for looked in answer.looked_at:
            console.print(f"  {place_of(looked.path, looked.page)}  ({looked.score:.2f})", markup=False)
    for number, citation in enumerate(answer.citations, start=1):
        span = f"characters {citation.char_start}–{citation.char_end}"
        console.print(
            f"\n[{number}] {place_of(citation.path, citation.page)}, {span}", markup=False, style="bold"
        )
        console.print(f"    “{shorten(citation.quote, 240)}”", markup=False)
        console.print(f"    document {citation.document_id}, revision {citation.revision}", style="dim")
