"""Folders of prose for the benchmarks of ingestion: distinct documents, as many as are asked for.

The sentences are SciFact's where the evaluation data is at hand, else words made up with the frequencies that words
have (Zipf); a document is nine of them under a title, about 210 words.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "retrieval" / "scifact"

_SENTENCES_A_DOCUMENT = 9
_WORDS_A_SENTENCE = (8, 42)
_VOCABULARY = 40_000
_MADE_UP = 20_000
_FILES_A_FOLDER = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents as (title, text), each made when it is asked for. `origin` says of what."""

    origin: str
    originals: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]

    def document(self, number: int) -> tuple[str, str]:
        """The first ones are the data's own; later ones are made of their sentences, drawn anew for each."""
        if number < len(self.originals):
            return self.originals[number]
        chooser = random.Random(number)
        drawn = chooser.choices(self.sentences, k=_SENTENCES_A_DOCUMENT)
        return " ".join(drawn[0].split()[:12]), " ".join(drawn)


def load_corpus() -> Corpus:
    """SciFact's abstracts, or made-up prose where the evaluation data is not at hand."""
    file = DATA / "corpus.jsonl.gz"
    if not file.is_file():
        return Corpus(origin="made-up words", originals=(), sentences=tuple(_made_up_sentences()))
    with gzip.open(file, "rt") as lines:
        originals = tuple((row["title"], row["text"]) for row in map(json.loads, lines))
    sentences = tuple(s for _, text in originals for s in re.split(r"(?<=[.!?]) +", text) if s)
    return Corpus(origin="SciFact", originals=originals, sentences=sentences)


def _made_up_sentences() -> Iterator[str]:
    chooser = random.Random(1)
    syllables = [c + v + e for c in "bcdfglmnprst" for v in "aeiou" for e in ("", "n", "r", "s", "t")]
    words = [
        "".join(chooser.choices(syllables, k=min(4, 1 + rank.bit_length() // 4)))
        for rank in range(1, _VOCABULARY + 1)
    ]
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(1, _VOCABULARY + 1)))
    for _ in range(_MADE_UP):
        drawn = chooser.choices(words, cum_weights=weights, k=chooser.randint(*_WORDS_A_SENTENCE))
        yield " ".join(drawn).capitalize() + "."


def write_folder(folder: Path, corpus: Corpus, numbers: range) -> None:
    """Write documents as Markdown files, 250 to a folder."""
    for number in numbers:
        place = folder / f"{number // _FILES_A_FOLDER:04}"
        place.mkdir(parents=True, exist_ok=True)
        title, text = corpus.document(number)
        (place / f"{number:06}.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
