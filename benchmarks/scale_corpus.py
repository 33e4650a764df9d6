"""Corpora of any size made of a sample of real texts: mixtures of neighbours, in vectors and in words alike.

A document begins at one real chunk; each of its ten chunks is a mixture of a neighbour of that and of two neighbours of
the neighbour. The vector is the weighted sum of theirs, moved a little towards a chance direction between real vectors,
renormalised. The words are stretches of their texts in the same proportions, filled up with words from all texts, and
some that no text has: their number grows with the corpus as the vocabulary of real text does (Heaps' law). So words
have the frequencies, and vectors the neighbourhoods, of real ones. A smaller corpus is the beginning of a larger one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmarks.scale_sample import Sample

CHUNKS_A_DOCUMENT = 10
TITLE_WORDS = 4
_BLOCK = 2_000
_NEIGHBOURS = 16
_WEIGHTS = (4.0, 2.0, 1.0)
# With so much, neighbours are as near, and as many, as in the sample itself (docs/performance.md).
_DRIFT = 1.0
_FEWEST_WORDS, _MOST_WORDS = 130, 190
# Of its words, how many a chunk has from the texts that it is a mixture of, and how many that no text has.
_OWN_SHARE = 0.5
_NEW_SHARE = 0.025
# New words number about n ** _GROWTH among n that are drawn.
_GROWTH = 0.8
_WORD = re.compile(r"[a-z]{1,40}|[0-9]{1,12}")
_ONSETS, _VOWELS = "bdfgklmnprtv", "aeiou"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A corpus without its strings, in files: chunk i has the vector `vectors[i]` and, after its document's title,
    the words `words[starts[i] : starts[i + 1]]` of the vocabulary (above it: words that no text has).

    titles: of each document, int32 of shape (documents, TITLE_WORDS). origins: the sample's text each began at.
    """

    vectors: NDArray[np.float32]
    words: NDArray[np.int32]
    starts: NDArray[np.int64]
    titles: NDArray[np.int32]
    origins: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    vectors: NDArray[np.float32]
    words: list[NDArray[np.int32]]
    titles: NDArray[np.int32]
    origins: NDArray[np.int32]


class Mixer:
    """Makes corpora of a sample. `vocabulary`: its words, most frequent first."""

    def __init__(self, sample: Sample, seed: int) -> None:
        self._vectors = sample.vectors
        self._seed = seed
        self.vocabulary, texts = _tokenize(sample.texts)
        self._tokens = np.concatenate(texts)
        self._starts = np.cumsum([0, *(len(text) for text in texts)])
        self._near = _neighbours(sample.vectors, _NEIGHBOURS)

    def write(self, folder: Path, chunks: int) -> Made:
        """Make a corpus of so many chunks in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        dimension = self._vectors.shape[1]
        vectors = open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(chunks, dimension))
        lengths, titles, origins = [], [], []
        with (folder / "words.bin").open("wb") as words:
            for start in range(0, chunks, _BLOCK):
                block = self._block(start // _BLOCK)
                count = min(_BLOCK, chunks - start)
                vectors[start : start + count] = block.vectors[:count]
                for own in block.words[:count]:
                    words.write(own.tobytes())
                lengths += [len(own) for own in block.words[:count]]
                titles.append(block.titles)
                origins.append(block.origins)
        vectors.flush()
        documents = -(-chunks // CHUNKS_A_DOCUMENT)
        np.save(folder / "starts.npy", np.cumsum([0, *lengths], dtype=np.int64))
        np.save(folder / "titles.npy", np.concatenate(titles)[:documents])
        np.save(folder / "origins.npy", np.concatenate(origins)[:documents])
        return read_made(folder)

    def _block(self, number: int) -> _Block:
        chance = np.random.default_rng([self._seed, number])
        documents = _BLOCK // CHUNKS_A_DOCUMENT
        origins = chance.integers(len(self._near), size=documents)
        first = self._near[np.repeat(origins, CHUNKS_A_DOCUMENT), chance.integers(_NEIGHBOURS, size=_BLOCK)]
        others = self._near[first[:, np.newaxis], chance.integers(_NEIGHBOURS, size=(_BLOCK, 2))]
        bases = np.column_stack([first, others])
        weights = chance.dirichlet(_WEIGHTS, size=_BLOCK)
        return _Block(
            vectors=self._mix(bases, weights, chance),
            words=[self._write(*of, chance) for of in zip(bases, weights, strict=True)],
            titles=np.stack([self._stretch(origin, TITLE_WORDS, chance) for origin in origins]),
            origins=origins.astype(np.int32),
        )

    def _mix(
        self, bases: NDArray[np.intp], weights: NDArray[np.float64], chance: np.random.Generator
    ) -> NDArray[np.float32]:
        mixed = np.einsum("ij,ijk->ik", weights.astype(np.float32), self._vectors[bases])
        one, other = self._vectors[chance.integers(len(self._vectors), size=(2, len(bases)))]
        apart = one - other
        mixed += _DRIFT * chance.random((len(bases), 1), dtype=np.float32) * apart
        unit: NDArray[np.float32] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        return unit

    def _write(
        self, bases: NDArray[np.intp], weights: NDArray[np.float64], chance: np.random.Generator
    ) -> NDArray[np.int32]:
        """The words of one chunk."""
        length = int(chance.integers(_FEWEST_WORDS, _MOST_WORDS + 1))
        own = [
            self._stretch(int(base), round(_OWN_SHARE * length * weight), chance)
            for base, weight in zip(bases, weights, strict=True)
        ]
        rest = self._tokens[chance.integers(len(self._tokens), size=max(length - sum(map(len, own)), 0))]
        words = np.concatenate([*own, rest])
        new = np.flatnonzero(chance.random(len(words)) < _NEW_SHARE)
        ranks = np.minimum(chance.random(len(new)) ** (-1 / _GROWTH), 2e9 - len(self.vocabulary))
        words[new] = len(self.vocabulary) + ranks.astype(np.int32)
        return words

    def _stretch(self, text: int, count: int, chance: np.random.Generator) -> NDArray[np.int32]:
        """Neighbouring words of a text of the sample, from its end on to its beginning."""
        start, stop = self._starts[text], self._starts[text + 1]
        places = (chance.integers(stop - start) + np.arange(min(count, stop - start))) % (stop - start)
        stretch: NDArray[np.int32] = self._tokens[start + places]
        return stretch


def read_made(folder: Path) -> Made:
    """A corpus that was made, its large parts read as they are used."""
    return Made(
        vectors=np.load(folder / "vectors.npy", mmap_mode="r"),
        words=np.memmap(folder / "words.bin", dtype=np.int32, mode="r"),
        starts=np.load(folder / "starts.npy"),
        titles=np.load(folder / "titles.npy"),
        origins=np.load(folder / "origins.npy"),
    )


class Speller:
    """Words as strings."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._vocabulary = vocabulary

    def join(self, words: NDArray[np.int32]) -> str:
        known = len(self._vocabulary)
        return " ".join(
            self._vocabulary[word] if word < known else _new_word(word - known) for word in words.tolist()
        )


def _new_word(rank: int) -> str:
    """A word that no text has: `zq` and syllables that spell the rank."""
    spelled = "zq"
    while rank:
        rank, syllable = divmod(rank, len(_ONSETS) * len(_VOWELS))
        spelled += _ONSETS[syllable // len(_VOWELS)] + _VOWELS[syllable % len(_VOWELS)]
    return spelled


def _tokenize(texts: Sequence[str]) -> tuple[list[str], list[NDArray[np.int32]]]:
    """The vocabulary, most frequent word first, and each text in it."""
    split = [_WORD.findall(text.lower()) or ["blank"] for text in texts]
    numbers: dict[str, int] = {}
    rows = [np.array([numbers.setdefault(word, len(numbers)) for word in words]) for words in split]
    counts = np.bincount(np.concatenate(rows))
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    words = list(numbers)
    return [words[place] for place in order], [rank[row] for row in rows]


def _neighbours(vectors: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Of each vector the nearest ones, itself among them: int of shape (n, count), in no order."""
    return np.concatenate([_nearest(part, vectors, count) for part in _parts(vectors, 500)])


def _nearest(part: NDArray[np.float32], vectors: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    return np.argpartition(part @ vectors.T, -count, axis=1)[:, -count:]


def _parts(rows: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
