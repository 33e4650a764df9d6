"""What a model reads is cut, never padded, and no thread changes it for another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from retrieval.errors import InvalidRequestError, WeightsError
from retrieval.tokenizing import TextTokenizer

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"]
CLS, SEP, UNK = 0, 1, 2


def _tokenizer() -> Tokenizer:
    """A word-level tokenizer with BERT's template, whose file asks for truncation and for padding to 512."""
    vocabulary = {name: index for index, name in enumerate(["[CLS]", "[SEP]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding(length=512)
    return tokenizer


def _reader(max_tokens: int) -> TextTokenizer:
    return TextTokenizer(_tokenizer(), max_tokens=max_tokens)


def _ids(text: str) -> list[int]:
    plain = _tokenizer()
    plain.no_truncation()
    plain.no_padding()
    return plain.encode(text, add_special_tokens=False).ids


texts = st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=60).map(" ".join)
limits = st.integers(8, 64)


@given(text=texts, max_tokens=limits)
def test_a_text_keeps_its_beginning_and_its_special_tokens(text: str, max_tokens: int) -> None:
    expected = [CLS, *_ids(text)[: max_tokens - 2], SEP]
    assert _reader(max_tokens).text_ids(text) == expected
    assert _reader(max_tokens).batch_ids([text, text]) == [expected, expected]


@given(text=texts)
def test_counting_sees_the_whole_text_and_no_special_tokens(text: str) -> None:
    assert _reader(8).count(text) == len(text.split())


@given(first=texts, second=texts, max_tokens=limits)
def test_a_pair_fills_the_room_and_only_a_long_first_text_is_cut_to_half_of_it(
    first: str, second: str, max_tokens: int
) -> None:
    ids, segments = _reader(max_tokens).pair_ids(first, second)
    room = max_tokens - 3
    end = ids.index(SEP)
    head, tail = ids[1:end], ids[end + 1 : -1]
    assert head == _ids(first)[: len(head)]
    assert tail == _ids(second)[: len(tail)]
    assert segments == [0] * (len(head) + 2) + [1] * (len(tail) + 1)
    assert len(head) + len(tail) == min(room, len(_ids(first)) + len(_ids(second)))
    if len(_ids(first)) <= room // 2:
        assert head == _ids(first)


@given(
    pairs=st.lists(st.tuples(texts, texts), max_size=6), others=st.lists(texts, max_size=3), max_tokens=limits
)
def test_pairs_that_share_a_text_are_read_as_each_alone(
    pairs: list[tuple[str, str]], others: list[str], max_tokens: int
) -> None:
    reader = _reader(max_tokens)
    pairs = pairs + [(first, other) for first, _ in pairs for other in others]
    assert reader.batch_pair_ids(pairs) == [reader.pair_ids(*pair) for pair in pairs]


@given(first=texts, second=texts, max_tokens=limits)
def test_texts_are_cut_to_what_is_read_of_them(first: str, second: str, max_tokens: int) -> None:
    reader = _reader(max_tokens)
    cut = reader.cut(first)
    assert first.startswith(cut)
    assert reader.text_ids(cut) == reader.text_ids(first)
    assert reader.count(cut) == min(len(first.split()), max_tokens - 2)
    head, tail = reader.cut_pair(first, second)
    assert (first.startswith(head), second.startswith(tail)) == (True, True)
    assert reader.pair_ids(head, tail) == reader.pair_ids(first, second)
    assert reader.count(head) + reader.count(tail) <= max_tokens - 3


def _word_pieces() -> Tokenizer:
    """Single letters, and two pieces of several: a word that is cut in two falls into more of them."""
    pieces = ["[UNK]", *"abc", "##a", "##b", "##c", "abcabc", "##cba"]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@given(text=st.text("abc  d\n", max_size=200), max_tokens=st.integers(1, 20))
def test_a_text_that_is_cut_within_a_word_is_no_longer_than_it_may_be(text: str, max_tokens: int) -> None:
    reader = TextTokenizer(_word_pieces(), max_tokens=max_tokens)
    cut = reader.cut(text)
    assert text.startswith(cut)
    assert reader.count(cut) <= max_tokens
    if reader.count(text) <= max_tokens:
        assert cut == text


def test_half_a_surrogate_pair_is_refused_wherever_it_stands() -> None:
    reader = _reader(16)
    for attempt in (
        lambda: reader.count("\ud800"),
        lambda: reader.text_ids("fox \udfff"),
        lambda: reader.batch_ids(["fox", "\ud800"]),
        lambda: reader.pair_ids("fox", "\ud800"),
        lambda: reader.batch_pair_ids([("fox", "dog"), ("\ud800", "fox")]),
    ):
        with pytest.raises(InvalidRequestError, match="not valid Unicode"):
            attempt()


def test_threads_that_share_a_tokenizer_do_not_disturb_each_other() -> None:
    reader = _reader(16)
    long, short = " ".join(WORDS * 9), "the fox"
    with ThreadPoolExecutor(4) as threads:
        mixed = list(threads.map(reader.text_ids, [long, short] * 200))
        counts = list(threads.map(reader.count, [long, short] * 200))
    assert mixed == [reader.text_ids(long), reader.text_ids(short)] * 200
    assert counts == [81, 2] * 200


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WeightsError, match=f"the tokenizer {path} cannot be read: "):
        TextTokenizer.from_file(path, max_tokens=16)
