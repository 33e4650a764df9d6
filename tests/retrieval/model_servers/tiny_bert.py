"""Write a BERT that embeds and one that reranks, of two layers with random weights: `python tiny_bert.py FOLDER`.

Run by a Python that has transformers. FOLDER gets `embedder` and `reranker`, each with a tokenizer of words and
letters. What they make of texts makes no sense, but a server serves them like any other.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path
from typing import Any

_WORDS = (
    "the a of in is was to and city people river mountain how many live where what population text number"
)
_POSITIONS = 128


def write_models(folder: Path) -> None:
    """Both models' weights, configurations and tokenizers, as Hugging Face lays them out."""
    import tokenizers
    import torch
    import transformers

    signs = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *_WORDS.split(),
        *signs,
        *(f"##{sign}" for sign in signs),
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    names: dict[str, Any] = {
        f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")
    }
    wrapped: Any = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=_POSITIONS, **names
    )
    for name, kind, labels in (
        ("embedder", transformers.BertModel, 2),
        ("reranker", transformers.BertForSequenceClassification, 1),
    ):
        torch.manual_seed(7)
        config = transformers.BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=_POSITIONS,
            num_labels=labels,
            initializer_range=0.5,
        )
        model: Any = kind(config)
        model.save_pretrained(folder / name)
        wrapped.save_pretrained(folder / name)


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
