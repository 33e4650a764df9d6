"""Texts and pairs of texts in, token ids out, cut to what a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Encoding, Tokenizer

from retrieval.errors import InvalidRequestError, WeightsError


class TextTokenizer:
    """A model's tokenizer. It changes no state of its own, so threads may share it.

    `max_tokens` is the longest sequence in tokens, special tokens included. Truncation and padding that the
    tokenizer's file asks for are switched off: cutting happens here, and nothing is padded.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._text_room = max_tokens - tokenizer.num_special_tokens_to_add(False)
        self._pair_room = max_tokens - tokenizer.num_special_tokens_to_add(True)

    @classmethod
    def from_file(cls, path: Path, *, max_tokens: int) -> TextTokenizer:
        """Read a tokenizer.json. Raises `WeightsError`."""
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as exc:  # the library raises nothing more special
            raise WeightsError(f"the tokenizer {path} cannot be read: {exc}") from exc
        return cls(tokenizer, max_tokens=max_tokens)

    @classmethod
    def from_json(cls, written: str, *, max_tokens: int) -> TextTokenizer:
        """The tokenizer that `to_json` has written."""
        return cls(Tokenizer.from_str(written), max_tokens=max_tokens)

    def to_json(self) -> str:
        """All that it is, as tokenizer.json has it."""
        return self._tokenizer.to_str()

    def count(self, text: str) -> int:
        """Number of tokens of the whole `text`, without special tokens."""
        return len(self._encode(text))

    def token_ends(self, text: str) -> list[int]:
        """Where each token of the whole `text` ends, in characters, ascending, without special tokens."""
        return [end for _, end in self._encode(text).offsets]

    def text_ids(self, text: str) -> list[int]:
        """Token ids of `text`, cut, with special tokens."""
        return self._finish(self._encode(text)).ids

    def batch_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """`text_ids` of many texts, on as many threads as the tokenizers library sees fit."""
        ids = [each.ids for each in self._encode_batch(texts, whole=True)]
        # Few are: reading them twice costs less than cutting each and adding its special tokens here.
        too_long = [index for index, each in enumerate(ids) if len(each) > self._max_tokens]
        for index, each in zip(
            too_long, self._encode_batch([texts[index] for index in too_long]), strict=True
        ):
            ids[index] = self._finish(each).ids
        return ids

    def pair_ids(self, first: str, second: str) -> tuple[list[int], list[int]]:
        """Token ids and segment ids of a pair, with special tokens.

        The second text is cut. The first is cut only where it leaves the second less than half of the room.
        """
        return self._join(self._encode(first), self._encode(second))

    def batch_pair_ids(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """`pair_ids` of many pairs, on many threads; a text that stands in several pairs is read once."""
        texts = list(dict.fromkeys(chain.from_iterable(pairs)))
        encoded = dict(zip(texts, self._encode_batch(texts), strict=True))
        return [self._join(encoded[first], encoded[second]) for first, second in pairs]

    def cut(self, text: str) -> str:
        """The beginning of `text` that is no longer than the longest sequence, for models that tokenize themselves."""
        return self._beginning(text, self._text_room)

    def cut_pair(self, first: str, second: str) -> tuple[str, str]:
        """The beginnings of both texts that `pair_ids` reads, for models that tokenize themselves."""
        first = self._beginning(first, max(self._pair_room - self.count(second), self._pair_room // 2))
        return first, self._beginning(second, self._pair_room - self.count(first))

    def _beginning(self, text: str, room: int) -> str:
        ends = self.token_ends(text)
        kept, left = text, len(ends)
        # A word that is cut in two may come to more tokens than it had in these places.
        while (too_many := self.count(kept) - room) > 0:
            left = max(0, min(left, room + too_many) - too_many)
            kept = text[: ends[left - 1]] if left else ""
        return kept

    def _join(self, head: Encoding, tail: Encoding) -> tuple[list[int], list[int]]:
        head = _cut(head, max(self._pair_room - len(tail), self._pair_room // 2))
        tail = _cut(tail, self._pair_room - len(head))
        joined = self._tokenizer.post_process(head, tail, True)
        return joined.ids, joined.type_ids

    def _encode_batch(self, texts: Sequence[str], *, whole: bool = False) -> list[Encoding]:
        """Uncut; `whole` ones have their special tokens."""
        try:
            return self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=whole)
        except TypeError as exc:
            raise _not_unicode() from exc

    def _encode(self, text: str) -> Encoding:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError as exc:
            raise _not_unicode() from exc

    def _finish(self, encoding: Encoding) -> Encoding:
        encoding.truncate(self._text_room)
        return self._tokenizer.post_process(encoding, None, True)


def _cut(encoding: Encoding, room: int) -> Encoding:
    """The first `room` tokens. What was given stays whole, for it may belong to other pairs too."""
    if len(encoding) <= room:
        return encoding
    shorter = Encoding.merge([encoding])
    shorter.truncate(room)
    return shorter


def _not_unicode() -> InvalidRequestError:
    return InvalidRequestError(
        "the text holds half of a surrogate pair, so it is not valid Unicode; "
        "replace such characters (they come from undecodable bytes) and try again"
    )


@runtime_checkable
class WithTokenizer(Protocol):
    """A model whose tokenizer can be had, to be used where the model is not."""

    @property
    def tokenizer(self) -> TextTokenizer: ...
