"""The draft: which checked sentences are told, and when. Pure: nothing is told that may be taken back.

drop     what is supported at once; the rest is dropped
mark     the same, and from the first supported sentence on the others too, marked; without one all are dropped
refuse   nothing before the end, and nothing at all if one sentence is unsupported
"""

from __future__ import annotations

from collections.abc import Iterator

from generation.answers import AnswerSentence, CheckedSentence, Citation, Numbering, Unsupported
from generation.events import CitationAdded, SentenceChecked, SentenceDropped

Told = CitationAdded | SentenceChecked | SentenceDropped


class Draft:
    """Takes the checked sentences of one answer in their order, and says what is told of them."""

    def __init__(self, unsupported: Unsupported) -> None:
        self._policy = unsupported
        self._numbering = Numbering()
        self._held: list[tuple[CheckedSentence, int]] = []
        self._sentences: list[AnswerSentence] = []
        self.checked = 0
        self.unsupported = 0
        self.dropped = 0

    @property
    def sentences(self) -> tuple[AnswerSentence, ...]:
        """The sentences told so far: those of the answer, in the end."""
        return tuple(self._sentences)

    @property
    def citations(self) -> tuple[Citation, ...]:
        return self._numbering.citations

    def add(self, checked: CheckedSentence, settled: int) -> Iterator[Told]:
        """The next sentence; `settled` is where it ends in the text of the deltas."""
        self.checked += 1
        self.unsupported += not checked.supported
        match self._policy:
            case "drop":
                yield from self._tell(checked, settled) if checked.supported else self._drop(settled)
            case "mark":
                self._held.append((checked, settled))
                if self._sentences or checked.supported:
                    yield from self._tell_held()
            case "refuse":
                if checked.supported:
                    self._held.append((checked, settled))
                else:
                    yield from self._drop(settled)

    def finish(self) -> Iterator[Told]:
        """The end: what was held until now is told, if it may be."""
        if self._policy == "refuse" and not self.unsupported:
            yield from self._tell_held()
        if self._policy == "mark":
            for _, settled in self._held:
                yield from self._drop(settled)

    def _tell_held(self) -> Iterator[Told]:
        held, self._held = self._held, []
        for checked, settled in held:
            yield from self._tell(checked, settled)

    def _tell(self, checked: CheckedSentence, settled: int) -> Iterator[Told]:
        sentence, places = self._numbering.add(checked)
        first = len(self.citations) - len(places)
        for number, citation in enumerate(places, start=first):
            yield CitationAdded(number=number, citation=citation)
        self._sentences.append(sentence)
        yield SentenceChecked(number=len(self._sentences) - 1, sentence=sentence, settled=settled)

    def _drop(self, settled: int) -> Iterator[Told]:
        self.dropped += 1
        yield SentenceDropped(settled=settled)
