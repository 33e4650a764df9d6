"""Texts and pairs of texts in, token ids out, cut to what a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
        try:
            encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError as exc:
            raise _not_unicode() from exc
        return [self._finish(each).ids for each in encoded]

    def pair_ids(self, first: str, second: str) -> tuple[list[int], list[int]]:
        """Token ids and segment ids of a pair, with special tokens.

        The second text is cut. The first is cut only where it leaves the second less than half of the room.
        """
        head, tail = self._encode(first), self._encode(second)
        head.truncate(max(self._pair_room - len(tail), self._pair_room // 2))
        tail.truncate(self._pair_room - len(head))
        joined = self._tokenizer.post_process(head, tail, True)
        return joined.ids, joined.type_ids

    def _encode(self, text: str) -> Encoding:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError as exc:
            raise _not_unicode() from exc

    def _finish(self, encoding: Encoding) -> Encoding:
        encoding.truncate(self._text_room)
        return self._tokenizer.post_process(encoding, None, True)


def _not_unicode() -> InvalidRequestError:
    return InvalidRequestError(
        "the text holds half of a surrogate pair, so it is not valid Unicode; "
        "replace such characters (they come from undecodable bytes) and try again"
    )
