"""The citation reader: a model's stream of text in, sentences with the passages they cite out. No I/O.

It decides character by character, so that any split of the stream gives the same result. Models cite in many
ways, and all of these are read: `[1]`, `[1, 2]`, `[1][2]`, `[1-3]`, `[^1]`, `[Passage 1]`, `【1†source】`, before or
after the full stop. Numbers that were not offered are dropped, and every marker is taken out of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from generation.sentences import Sentence, split_sentences

NOT_IN_SOURCES = "NOT_IN_SOURCES"
MISSING = "MISSING:"
"""What the prompt asks a model to say when the passages do not answer, or do not answer a part."""

_LONGEST_SENTENCE = 500
_LONGEST_MARKER = 48
_OPENING, _CLOSING = "[【［", "]】］"
_NUMBERS = r"\d{1,3}(?:\s*[-–—]\s*\d{1,3})?"
_MARKER = re.compile(
    rf"[\[【［]\s*\^?(?:(?:passages?|sources?)\s*)?({_NUMBERS}(?:\s*(?:[,;、，]|and|&)\s*{_NUMBERS})*)\s*(?:†.*)?[\]】］]",
    re.IGNORECASE,
)
_CUT_MARKER = re.compile(
    r"[\[【［]\s*\^?([a-z]*)\s*(?:\d(?:[\d\s,;、，&–—-]|and)*(?:an?|†.*)?)?", re.IGNORECASE
)
_NAMES = ("passages", "sources")
_WITHOUT_END = re.compile(r"[\w ,'’\"“”()%/-]*")
_RANGE = re.compile(r"(\d+)(?:\s*[-–—]\s*(\d+))?")
_CLINGS = ".,;:!?)。，；：！？…"
_FULL_STOPS = "。！？"
_THINKING, _THOUGHT = "<think>", "</think>"

_SOURCES = r"(?:passages?|sources?|documents?|context|excerpts?|(?:provided|given) (?:text|information))"
_SAY = r"(?:say|mention|state|contain|provide|specify|include|answer|give|indicate|cover|discuss|address|describe|tell)"
_SAID = r"(?:mentioned|stated|contained|provided|specified|included|answered|given|covered|found|described|available)"
_DECLINES = re.compile(
    rf"\b{_SOURCES}(?: \S+)? (?:do|does|did)(?:n[’']t| not) (?:\w+ )?{_SAY}\b"
    rf"|\b{_SOURCES} (?:contains?|provides?|gives?|has|have|offers?) no (?:\w+ )?(?:information|mention|answer)\b"
    rf"|\bnot (?:\w+ )?{_SAID} (?:in|by|within) (?:the |these |any of the |your )?(?:provided |given )?{_SOURCES}"
    r"|^(?:sorry\W+)?(?:but )?I (?:do not|don[’']t|cannot|can[’']t|could not|couldn[’']t|am unable|am not able)\b",
    re.IGNORECASE,
)
_WORD_BREAK = re.compile(r"[\W_]+")
_LINE_BREAKS = re.compile(r"\s*\n\s*")
_NOTHING = re.compile(r"\W*(?:nothing|none|n/?a|no)?\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedSentence:
    """A sentence without markers, and the numbers of the passages it cites, ascending.

    `separator` is what stood before it: white space, and a list marker at the start of an item.
    `written` is where it ends in all that `CitationReader.new_text` gives, in code points.
    """

    text: str
    separator: str
    passages: tuple[int, ...]
    written: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedText:
    """All of what a model said. `declined`: it began by saying that the passages do not answer.

    `missing` is what it says they leave open, in its own, unchecked words; "" where it only says that they do.
    """

    sentences: tuple[CitedSentence, ...]
    declined: bool
    missing: str | None


class CitationReader:
    """Reads one answer to which passages 1 … `offered` were offered."""

    def __init__(self, offered: int) -> None:
        self._offered = offered
        self._opening = ""  # the stream's first characters, while they may still open a block of thinking
        self._begun = False
        self._bracket = ""  # an unfinished bracket that may become a marker
        self._text = ""  # clean text from the end of the last sentence on
        self._unread = False  # whether a letter or digit was written since _text was last split
        self._space = ""  # the space before a marker, put back if a word follows
        self._marks: list[tuple[int, tuple[int, ...]]] = []  # offsets into _text, and passages
        self._sentences: list[CitedSentence] = []
        self._declined = False
        self._missing: str | None = None
        self._fresh = ""  # clean text that nobody has taken yet
        self._handed = 0  # how much of _text has gone into _fresh
        self._written = 0  # how much has gone there in all

    @property
    def declined(self) -> bool:
        """Whether the model began by saying that the passages do not answer; that stays as it is from then on."""
        return self._declined

    def new_text(self) -> str:
        """The clean text since the last call: what the model writes, before anybody knows what of it will stay."""
        text, self._fresh = self._fresh, ""
        return text

    def feed(self, chunk: str) -> tuple[CitedSentence, ...]:
        """Take the next piece of the stream; return the sentences that it completes."""
        known = len(self._sentences)
        for character in chunk:
            if self._begun:
                self._take(character)
            else:
                self._open(character)
        return tuple(self._sentences[known:])

    def finish(self) -> CitedText:
        """The stream has ended: return all of it. What remains open at its end is closed."""
        if not self._begun and not self._opening.lstrip().startswith(_THINKING):
            self._begin(self._opening)
        if _may_be_marker(self._bracket):
            self._bracket = ""  # an unfinished marker is no text
        self._release()
        self._complete(split_sentences(self._text, longest=_LONGEST_SENTENCE), len(self._text))
        return CitedText(sentences=tuple(self._sentences), declined=self._declined, missing=self._missing)

    def _open(self, character: str) -> None:
        """Skip a leading block of thinking, which some servers leave in the answer."""
        self._opening += character
        opening = self._opening.lstrip()
        if opening.startswith(_THINKING):
            if opening.endswith(_THOUGHT):
                self._begin("")
        elif not _THINKING.startswith(opening):
            self._begin(self._opening)

    def _begin(self, text: str) -> None:
        self._begun, self._opening = True, ""
        for character in text:
            self._take(character)

    def _take(self, character: str) -> None:
        """Tell markers from text."""
        if character in _OPENING:
            self._release()
            self._bracket = character
        elif not self._bracket:
            self._write(character)
        else:
            self._bracket += character
            if character in _CLOSING and (marker := _MARKER.fullmatch(self._bracket)):
                self._bracket = ""
                self._mark(tuple(self._numbers(marker[1])))
            elif character in _CLOSING or character == "\n" or len(self._bracket) > _LONGEST_MARKER:
                self._release()

    def _release(self) -> None:
        """The open bracket was no marker after all."""
        held, self._bracket = self._bracket, ""
        for character in held:
            self._write(character)

    def _numbers(self, inside: str) -> Iterator[int]:
        for first, last in _RANGE.findall(inside):
            for number in range(int(first), min(int(last or first), self._offered) + 1):
                if 1 <= number <= self._offered:
                    yield number

    def _mark(self, numbers: tuple[int, ...]) -> None:
        stripped = self._text.rstrip(" \t")
        self._space = self._space or self._text[len(stripped) :]
        self._text = stripped
        self._marks.append((len(stripped), numbers))

    def _write(self, character: str) -> None:
        """Append to the clean text; a new word may show that the sentence before it is complete."""
        character = _shown(character)
        if self._space and not character.isspace() and character not in _CLINGS:
            self._text += self._space
        if character:
            self._space = ""
        begins_word = (
            character != ""
            and not character.isspace()
            and (self._text[-1:].isspace() or self._text[-1:] in tuple(_FULL_STOPS))
        )
        self._text += character
        self._unread = self._unread or character.isalnum()
        # Without a word more there is no sentence more: signs alone would be split again and again.
        if begins_word and self._unread and not self._is_one_sentence():
            self._unread = False
            sentences = split_sentences(self._text, longest=_LONGEST_SENTENCE)
            if len(sentences) > 1:
                self._complete(sentences[:-1], sentences[-1].start)
        if character.strip():  # space may still be taken back for a marker
            self._offer()

    def _is_one_sentence(self) -> bool:
        """Whether nothing in the pending text can end a sentence, so that it need not be split to know."""
        return len(self._text) <= _LONGEST_SENTENCE and _WITHOUT_END.fullmatch(self._text) is not None

    def _offer(self) -> None:
        """Give out the pending text, unless it begins as a sign that the prompt asks for: that is not for readers."""
        rest = self._text[self._handed :]
        begins_line = not self._handed or "\n" in rest
        if not (begins_line and _may_be_sign(rest)):
            self._hand(len(self._text))

    def _hand(self, end: int) -> None:
        """Give out the pending text up to `end`."""
        piece = self._text[self._handed : end]
        piece = piece if self._written else piece.lstrip()
        self._fresh += piece
        self._written += len(piece)
        self._handed = max(self._handed, end)

    def _complete(self, sentences: list[Sentence], next_start: int) -> None:
        """Emit the first sentences of the pending text; the next one begins at `next_start`."""
        done = 0
        starts = [sentence.start for sentence in sentences[1:]]
        for sentence, following in zip(sentences, [*starts, next_start], strict=False):
            kept = [mark for mark in self._marks if self._belongs_after(mark[0], sentence.end, following)]
            numbers = {number for mark in self._marks if mark not in kept for number in mark[1]}
            self._marks = kept
            if self._handed > sentence.start or not _may_be_sign(sentence.text, whole=True):
                self._hand(sentence.end)
            self._handed = max(self._handed, sentence.end)
            written = self._written - (self._handed - sentence.end)
            self._emit(self._text[done : sentence.start], sentence.text, tuple(sorted(numbers)), written)
            done = sentence.end
        self._text = self._text[done:]
        self._handed = max(0, self._handed - done)
        self._marks = [(place - done, numbers) for place, numbers in self._marks]

    def _belongs_after(self, place: int, end: int, following: int) -> bool:
        """Whether a mark belongs to the sentence that begins at `following`, not to the one that ends at `end`.

        Between two sentences it belongs to the first, unless it opens the line of the second.
        """
        if place <= end or following >= len(self._text):
            return False
        return place >= following or (
            "\n" in self._text[end:place] and "\n" not in self._text[place:following]
        )

    def _emit(self, separator: str, text: str, passages: tuple[int, ...], written: int) -> None:
        text = " ".join(text.split())
        bare = _bare(text)
        if _WORD_BREAK.sub("_", bare).upper().startswith(NOT_IN_SOURCES):
            self._declined = self._declined or not self._sentences
            self._missing = self._missing or ""
        elif bare.upper().startswith(MISSING):
            said = bare[len(MISSING) :].strip("*_ ")
            if not _NOTHING.fullmatch(said):
                self._missing = self._missing or said
        elif _DECLINES.search(text):
            self._missing = self._missing or text
        else:
            separator = _LINE_BREAKS.sub(_one_or_two, separator) if self._sentences else separator.lstrip()
            self._sentences.append(
                CitedSentence(text=text, separator=separator, passages=passages, written=written)
            )


def _may_be_marker(bracket: str) -> bool:
    """Whether an open bracket is the beginning of a marker."""
    begun = _CUT_MARKER.fullmatch(bracket)
    return begun is not None and any(name.startswith(begun[1].lower()) for name in _NAMES)


def _bare(text: str) -> str:
    return text.strip("*_`#> .\"'\n")


def _may_be_sign(text: str, *, whole: bool = False) -> bool:
    """Whether a sentence is one of the signs that the prompt asks for or, unless it is `whole`, may become one."""
    bare = _bare(text).upper()
    word = _WORD_BREAK.sub("_", bare)
    if word.startswith(NOT_IN_SOURCES) or bare.startswith(MISSING):
        return True
    return not whole and (NOT_IN_SOURCES.startswith(word) or MISSING.startswith(bare))


def _one_or_two(line_breaks: re.Match[str]) -> str:
    return "\n" * min(2, line_breaks[0].count("\n"))


def _shown(character: str) -> str:
    """A character as it may be shown: no control characters, no lone surrogates."""
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cc" and character not in "\n\t" else character
