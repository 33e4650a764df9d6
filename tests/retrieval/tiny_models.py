"""Models small enough to make and save in a test: randomly initialised ones. For tests marked `extras`."""

from __future__ import annotations

from pathlib import Path

WORDS = """
the a of in is was to and city people river mountain animal engine music number red green blue old new
large small fast slow where what who how many live lives population found made year
"""


def save_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer over a few words and all letters, as BERT models have it."""
    from transformers import BertTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{each}" for each in letters),
        *WORDS,
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    BertTokenizer(vocab=vocabulary, model_max_length=64).save_pretrained(folder)


def save_cross_encoder(folder: Path, *, labels: int = 1, kind: str = "Bert") -> Path:
    """A cross-encoder of two layers, as BERT or another `kind` has them, with random weights (always the same ones)."""
    import torch
    import transformers

    torch.manual_seed(7)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=128,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=2,
        num_labels=labels,
        initializer_range=0.5,
    )
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder
