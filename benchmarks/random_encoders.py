"""Encoders with the sizes of real ones and random weights, saved as models are, and texts that they read.

For `embed_gpu.py`, which runs where there are torch, transformers and sentence-transformers, and nothing else of ours,
and for what plain sentence-transformers makes of the CPU (`embed_cpu.py`, `rerank.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

_VOCABULARY = 30_522
_SPREAD = 0.05
"""Standard deviation of the weights: about that of trained ones, and enough for different texts to differ."""
_SYLLABLES = [first + second for first in "bcdfghklmnprstvz" for second in "aeiou"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of an encoder: BERT's as an embedder, or XLM-R's with a classifier on top as a reranker."""

    layers: int
    width: int
    heads: int
    feed_forward: int
    reranks: bool = False

    def flops(self, lengths: Sequence[int]) -> float:
        """Floating-point operations of a forward pass over sequences of these lengths, without padding.

        A token costs two operations for each weight of a matrix (4 d² + 2 d f in a layer) and, in a sequence of T
        tokens, 4 d T a layer for the scores and the weighted sum of attention: a third of the 6 N + 12 L H Q T that
        PaLM counts for forward and backward (Chowdhery et al. 2022, appendix B), embeddings left out.
        """
        weights = self.layers * (4 * self.width**2 + 2 * self.width * self.feed_forward)
        return sum(2.0 * weights * length + 4.0 * self.layers * self.width * length**2 for length in lengths)


SHAPES = {
    "bge-small": Shape(layers=12, width=384, heads=12, feed_forward=1536),
    "bge-large": Shape(layers=24, width=1024, heads=16, feed_forward=4096),
    "bge-reranker-large": Shape(layers=24, width=1024, heads=16, feed_forward=4096, reranks=True),
    "tiny": Shape(layers=2, width=64, heads=4, feed_forward=128),
    "tiny-reranker": Shape(layers=2, width=64, heads=4, feed_forward=128, reranks=True),
}


def make_words() -> list[str]:
    """Different made-up words, as many as fit into the vocabulary beside five special tokens."""
    chooser = random.Random(1)
    words: set[str] = set()
    while len(words) < _VOCABULARY - 5:
        words.add("".join(chooser.choices(_SYLLABLES, k=chooser.randint(2, 4))))
    return sorted(words)


def make_texts(words: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Texts of random words, each of them a token."""
    chooser = random.Random(2)
    return [" ".join(chooser.choices(words, k=length)) for length in lengths]


def save_embedder(folder: Path, shape: Shape, words: Sequence[str]) -> None:
    """Save a randomly initialised model as sentence-transformers repositories are laid out: CLS, then L2."""
    torch.manual_seed(3)
    BertModel(_bert(shape)).save_pretrained(folder)
    _save_words(folder, words)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": shape.width, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


def save_bert_reranker(folder: Path, shape: Shape, words: Sequence[str]) -> None:
    """Save a randomly initialised BERT classifier of one label, as ms-marco-MiniLM cross-encoders are."""
    torch.manual_seed(5)
    config = _bert(shape)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    _save_words(folder, words)


def _bert(shape: Shape) -> BertConfig:
    return BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        initializer_range=_SPREAD,
    )


def _save_words(folder: Path, words: Sequence[str]) -> None:
    """Save a word-piece tokenizer that knows these words."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    BertTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=512
    ).save_pretrained(folder)


def save_reranker(folder: Path, shape: Shape, words: Sequence[str]) -> None:
    """Save a randomly initialised XLM-R classifier of one label, with a unigram tokenizer as XLM-R has it."""
    torch.manual_seed(4)
    config = XLMRobertaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        num_labels=1,
        initializer_range=_SPREAD,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    scored = [(piece, 0.0) for piece in special] + [(f"▁{word}", -10.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)
