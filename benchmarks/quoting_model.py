"""A language model that writes as models do: sentences of the passages, kept or altered, cited in all formats.

What it says depends on its seed and its prompt alone. Some of it is stated by the passages and some is not, some
markers name passages that were not offered, and the stream is cut anywhere, so that the citation reader, the context
and the support check have all of their work to do.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from generation.citations import MISSING, NOT_IN_SOURCES
from generation.llms import Location, Message, TextDelta, Usage
from generation.llms.scripted import ScriptedLLM

_PASSAGE = re.compile(
    r'<passage number="(\d+)" from="[^"]*"(?: changed="[^"]*")?>\n(.*?)\n</passage>', re.DOTALL
)
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n+")
_FULL_STOP = re.compile(r"[.!?。]?$")
_SHORTEST, _LONGEST = 25, 350
_MARKERS = (
    "[{0}]",
    "[^{0}]",
    "【{0}】",
    "【{0}†source】",
    "[Passage {0}]",
    "［{0}］",
    "[{0}, {1}]",
    "[{0}][{1}]",
    "[{low}-{high}]",
    "[{low}–{high}]",
    "[{0}; {1}]",
    "[97]",
    "[{0}, 97]",
    "",
)
_LEADS = ("", "", "", "In short, ", "According to the handbook, ", "It is said that ")
_LAYOUTS = (" ", " ", "\n\n", "\n- ", "\n1. ")


class QuotingLLM:
    """Answers from the passages of each prompt; safe to use from many tasks at once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @property
    def model(self) -> str:
        return "quoting"

    @property
    def location(self) -> Location:
        return "inside"

    def inside(self) -> QuotingLLM:
        return self

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        chooser = random.Random(f"{self._seed}\n{messages[-1].content}")
        passages = {int(number): text for number, text in _PASSAGE.findall(messages[-1].content)}
        pieces = _cut_anywhere(compose(passages, chooser), chooser)
        async with aclosing(
            ScriptedLLM(*pieces, model=self.model).stream(messages, max_tokens=max_tokens)
        ) as s:
            async for event in s:
                yield event

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """None: it has no tokens."""

    async def close(self) -> None:
        """Nothing to close."""


def compose(passages: dict[int, str], chooser: random.Random) -> str:
    """An answer of one to four sentences of the passages, in one of the layouts, now and then none."""
    sentences = [
        (number, sentence)
        for number, text in passages.items()
        for sentence in _SENTENCE_END.split(text)
        if _SHORTEST <= len(sentence) <= _LONGEST
    ]
    if not sentences or chooser.random() < 0.02:
        return NOT_IN_SOURCES
    layout = chooser.choice(_LAYOUTS)
    chosen = chooser.sample(sentences, k=min(len(sentences), chooser.randint(1, 4)))
    told = [_cited(_altered(text, chooser), number, len(passages), chooser) for number, text in chosen]
    answer = layout.lstrip("\n").join(("", told[0])) + "".join(layout + text for text in told[1:])
    return f"{answer}\n{MISSING} what it costs." if chooser.random() < 0.05 else answer


def _altered(sentence: str, chooser: random.Random) -> str:
    words = sentence.split()
    match chooser.randrange(6):
        case 0:  # a word is left out
            del words[chooser.randrange(len(words))]
        case 1:  # another number: mostly not stated any more
            words = [re.sub(r"\d", str(chooser.randint(1, 9)), word, count=1) for word in words]
        case 2:  # half of it
            words = words[: max(4, len(words) * 2 // 3)]
    lead = chooser.choice(_LEADS)
    text = " ".join(words)
    return lead + (text[:1].lower() + text[1:] if lead else text)


def _cited(sentence: str, number: int, offered: int, chooser: random.Random) -> str:
    """The sentence with a marker before its full stop, after it, or on a line of its own."""
    other = chooser.randint(1, offered)
    marker = chooser.choice(_MARKERS).format(number, other, low=min(number, other), high=max(number, other))
    if not marker:
        return sentence
    stop = _FULL_STOP.search(sentence)
    assert stop is not None, "the end of a text is found in any text"
    body, end = sentence[: stop.start()], stop[0] or "."
    return chooser.choice(
        (f"{body} {marker}{end}", f"{body}{end} {marker}", f"{body}{end}{marker}", f"{body}{end}\n{marker}")
    )


def _cut_anywhere(text: str, chooser: random.Random) -> list[str]:
    pieces, start = [], 0
    while start < len(text):
        size = chooser.choice((1, 2, 3, 7, 20, 60))
        pieces.append(text[start : start + size])
        start += size
    return pieces
