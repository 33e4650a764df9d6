"""Copies: hits that say, in the same words, what a better hit says already.

Files are copied, exported, forwarded and quoted; their copies would fill a result with one piece of evidence. What
differs between them is typography: line breaks, hyphenation, quotation marks, bullets, emphasis, upper case, the full
stop at the end. All of that is taken out, and then a copy has the same words in the same order as the better hit, or as
a run of whole sentences in it, below the same title and headings.

No likeness by degrees, for a passage that differs in one word may differ in all that matters: a price, a version, a
"not", "employer" for "employee". (Of medical pages, those on hepatitis A and B, and on small cell and non-small cell
lung cancer, share nine tenths of their runs of five words.) Showing such a pair twice costs a place in the list; taking
one for the other costs the evidence. Titles and headings count for the same reason: the same clause stands in two
contracts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from retrieval.records import Hit, Passage

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("‘’‚′", "'"),
        **dict.fromkeys("“”„″«»", '"'),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff"),  # invisible
    }
)
_HYPHEN = re.compile(r"-(?<=[^\W\d_]-)(?:\n\s*)?(?=[^\W\d_])")
# Bullets, signs of quoting and of headings before a word; before a figure they may be its sign.
_LINE_MARK = re.compile(r"^[ \t]*(?:[>*•·‣▪#|-]+[ \t]+)+(?![ \t]*\d)", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)([*_]{1,3}|`{1,3})(?=\S)([^*_`\n]+?)(?<=\S)\1(?!\w)")
_NO_LETTER = re.compile(r"[\W_]+")
_BLANK_LINE = re.compile(r"\n\s*\n")
_MARKS = "|,;:，；："
_QUOTES = "\"'"
_ENDS = ".!…。！"
_ASKS = ("?", "？")
_COPY_OF = re.compile(r"^copy of\s+|[\s_-]+\(?copy\)?$|\s*\(\d{1,2}\)$", re.IGNORECASE)

_MOST_COMPARED = 16
"""Better hits in which a hit is looked for, of those that have all its words: what bounds the work."""


def without_copies(hits: Sequence[Hit]) -> list[Hit]:
    """The hits that are no copy of one before them, in order; each copy is under `also_at` of what it repeats."""
    if not _has_likeness([hit.passage.text for hit in hits]):
        return [*hits]
    kept: list[Hit] = []
    copies: dict[int, list[Passage]] = defaultdict(list)
    seen: dict[str, list[_Wording]] = defaultdict(list)
    places: dict[tuple[str, str], int] = {}
    for hit in hits:
        context, run = context_words(hit.passage), plain_words(hit.passage.text)
        wording = _Wording(place=len(kept), run=run, words=frozenset(run.split()))
        original = places.get((context, run))
        if original is None:
            original = wording.found_in(seen[context])
        if original is None:
            places[context, run] = wording.place
            seen[context].append(wording)
            kept.append(hit)
        else:
            copies[original] += [hit.passage, *hit.also_at]
    return [
        replace(hit, also_at=(*hit.also_at, *copies[place])) if place in copies else hit
        for place, hit in enumerate(kept)
    ]


def _has_likeness(texts: Sequence[str]) -> bool:
    """Whether the letters and digits of any text lie within those of one before it: what every copy's do.

    Mostly they do not, and taking out typography is what costs.
    """
    bare = [_NO_LETTER.sub("", _composed(text)).casefold() for text in texts]
    return any(later in earlier for place, later in enumerate(bare) for earlier in bare[:place])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wording:
    """The words of a hit; `place` is its place among the kept ones. The set only makes the comparison quick."""

    place: int
    run: str
    words: frozenset[str]

    def found_in(self, better: Sequence[_Wording]) -> int | None:
        """The place of the first that holds these words in this order."""
        likely = islice((other for other in better if self.words <= other.words), _MOST_COMPARED)
        return next((other.place for other in likely if self.run in other.run), None)


def context_words(passage: Passage) -> str:
    """What stands above a passage, without typography and without what marks a file's name as that of a copy."""
    title = passage.title
    while (shorter := _COPY_OF.sub("", title)) != title:
        title = shorter
    return "/".join(plain_words(part) for part in dict.fromkeys((title, *passage.headings)) if part)


def plain_words(text: str) -> str:
    """The words of a text without typography, in spaces, and " . " where it begins, a sentence or paragraph ends.

    So one text lies in another only from the beginning of a sentence to the end of one: "the office is open" is not
    found in "the office is open on Mondays".
    """
    if not text.isascii():
        text = _composed(text).translate(_SIGNS)
    text = _LINE_MARK.sub("", _HYPHEN.sub("", text))
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub(r"\2", text)
    words = ["."]
    for paragraph in _BLANK_LINE.split(text.casefold()):
        for word in paragraph.split():
            core, ends = _bare(word)
            if core:
                words.append(core)
            if ends and words[-1] != ".":
                words.append(".")
        if words[-1] != ".":
            words.append(".")
    return f" {' '.join(words)} "


def _composed(text: str) -> str:
    """The text with accents composed, so that it does not matter who wrote it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _bare(word: str) -> tuple[str, bool]:
    """A word without marks and quotation marks around it, and whether it ends a sentence.

    Beside a figure a quotation mark may stand for feet, minutes or inches, and stays.
    """
    core = word.rstrip(_MARKS).lstrip("|")
    bare = core.rstrip(_ENDS)
    ends = bare != core
    if bare and (bare[0] in _QUOTES or bare[-1] in _QUOTES):
        quoted = bare.strip(_QUOTES + _MARKS)
        if not any(sign.isdigit() for sign in quoted):
            bare = quoted.rstrip(_ENDS)
            ends = ends or bare != quoted
    return bare, ends or bare.endswith(_ASKS)
