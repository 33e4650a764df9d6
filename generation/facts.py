"""The checkable facts of a sentence: its numbers and its names, which its evidence must hold too.

A cross-encoder hardly sees that "16 weeks" became "18 weeks" or that one name stands where another stood; plain
comparison does. Numbers compare by value ("1,500" is "1.5 thousand"), months as
numbers, names without regard to case and inflection; an acronym agrees with the words it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)
_OPENERS = frozenset({
    "a", "according", "after", "all", "an", "and", "any", "as", "at", "before", "both", "but", "by", "during",
    "each", "every", "for", "from", "he", "her", "his", "how", "i", "if", "in", "it", "its", "no", "of", "on",
    "only", "or", "our", "she", "since", "that", "the", "their", "there", "these", "they", "this", "those", "to",
    "under", "until", "we", "what", "when", "where", "while", "who", "with", "yes", "you", "your",
})
# fmt: on
_INFLECTIONS = frozenset({"s", "es", "n", "en", "e", "er", "em", "ns"})
_WORD_VALUES = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    **{word: value for value, word in enumerate(_ORDINALS, start=1)},
}
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "k": 1_000,
    "million": 1_000_000,
    "m": 1_000_000,
    "bn": 1_000_000_000,
    "billion": 1_000_000_000,
}
_NOT_ALWAYS_NUMBERS = frozenset({"one", "first", "second"})
"""Words that are often no number ("one of them", "the second party"): they satisfy, they demand nothing."""

_DIGITS = re.compile(r"\d+(?:[.,'’\u00a0\u202f]\d+)*")
_FULL_HOUR = re.compile(r":00(?!\d)")
_SCALE = re.compile(rf"[\s\u00a0-]?({'|'.join(_SCALES)})\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’.&-][^\W\d_]+)*")
_COMPOUND = re.compile(rf"\b({'|'.join(_TENS)})[\s-]({'|'.join(_UNITS[1:10])})\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’]s?$")
_LETTERS_ALIKE = str.maketrans("İıſ\u212a", "iisk")
"""Letters that a pattern without regard to case takes for those of ASCII: old prints have "thouſand"."""

Readings = frozenset[Decimal]
"""The values that one written number may have: "1.500" is 1.5 or 1,500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a sentence states that can be compared: each number by its readings, each name in lower case."""

    numbers: frozenset[Readings]
    names: frozenset[str]

    def missing_from(self, evidence: str) -> Facts:
        """Those that `evidence` does not hold."""
        values = {value for readings in _numbers(evidence, every=True) for value in readings}
        words = [word.casefold() for word in _words(evidence)]
        known = {*words, *(part for word in words for part in re.split(r"[-.&]", word))}
        initials = "".join(word[0] for word in words)
        return Facts(
            numbers=frozenset(number for number in self.numbers if not number & values),
            names=frozenset(name for name in self.names if not _is_known(name, known, initials)),
        )

    def unless_named_in(self, context: str) -> Facts:
        """These facts without the names that `context` holds: a title names what its text calls "it"."""
        return Facts(numbers=self.numbers, names=self.missing_from(context).names)

    def __len__(self) -> int:
        return len(self.numbers) + len(self.names)


def facts_of(sentence: str) -> Facts:
    """The numbers and names of a sentence."""
    return Facts(numbers=frozenset(_numbers(sentence, every=False)), names=frozenset(_names(sentence)))


def content_words(text: str) -> frozenset[str]:
    """The words of four and more letters, and the numbers, in lower case: what two texts may have in common."""
    words = {word.casefold() for word in _words(text) if len(word) > 3 or not word.isascii()}
    return frozenset(words | set(_DIGITS.findall(text)))


def _numbers(text: str, *, every: bool) -> Iterator[Readings]:
    """The numbers of a text: `every` one for evidence, only those that make a claim for a sentence."""
    for match in _DIGITS.finditer(text):
        if not every and _FULL_HOUR.match(text, max(0, match.start() - 1)):
            continue
        scale = _SCALE.match(text, match.end())
        factor = _SCALES[_in_ascii(scale[1])] if scale else 1
        for readings in _readings(match[0]):
            # Multiplying rounds to 28 digits: two long numbers that differ in the last would be one.
            scaled = frozenset(value * factor for value in readings) if scale else readings
            # Evidence may also be read without its scale, for a sentence that leaves the unit out.
            yield scaled | readings if every else scaled
    for match in _COMPOUND.finditer(text):
        yield frozenset({Decimal(_WORD_VALUES[_in_ascii(match[1])] + _WORD_VALUES[_in_ascii(match[2])])})
    compounds = [] if every else [*_COMPOUND.finditer(text)]
    in_compounds = {place for match in compounds for place in (match.start(1), match.start(2))}
    for match in _WORD.finditer(text):
        word = _in_ascii(match[0])
        if match.start() in in_compounds or (word in _NOT_ALWAYS_NUMBERS and not every):
            continue
        if word in _WORD_VALUES:
            yield frozenset({Decimal(_WORD_VALUES[word])})
        if word in _MONTHS and match[0][0].isupper() and (every or match.start() > 0):  # "May I …"
            yield frozenset({Decimal(_MONTHS.index(word) + 1)})


def _in_ascii(matched: str) -> str:
    """A word of a pattern in the letters that the tables have."""
    return matched.translate(_LETTERS_ALIKE).lower()


def _readings(digits: str) -> Iterator[Readings]:
    """What a run of digits with separators may mean: thousands, a decimal, or several numbers (15.01.2026)."""
    parts = re.split(r"[^\d]", digits)
    thousands = all(len(part) == 3 for part in parts[1:])
    if len(parts) <= 2 or thousands:
        values = {Decimal("".join(parts))} if thousands else set[Decimal]()
        yield frozenset(values | ({Decimal(".".join(parts))} if len(parts) == 2 else set()))
    else:
        yield from (frozenset({Decimal(part)}) for part in parts)


def _names(sentence: str) -> Iterator[str]:
    """Capitalised words, save those that merely open a sentence, and words with a capital inside (NASA, iPhone)."""
    matches = list(_WORD.finditer(sentence))
    for index, match in enumerate(matches):
        word = _POSSESSIVE.sub("", match[0])
        if len(word) < 2 or word.lower() in _MONTHS or word.lower() in _WORD_VALUES:
            continue
        following = matches[index + 1][0] if index + 1 < len(matches) else ""
        opens = index == 0 or sentence[: match.start()].rstrip()[-1:] in tuple('.!?:;"“‘(•')
        named = word[0].isupper() and (
            not opens or (following[:1].isupper() and word.lower() not in _OPENERS)
        )
        if named or any(character.isupper() for character in word[1:]):
            yield word.casefold()


def _is_known(name: str, known: set[str], initials: str) -> bool:
    if name in known or (2 <= len(name) <= 6 and name in initials):
        return True
    return len(name) > 3 and (
        any(name.removesuffix(ending) in known for ending in _INFLECTIONS)
        or any(name + ending in known for ending in _INFLECTIONS)
    )


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        yield _POSSESSIVE.sub("", match[0]) or match[0]
