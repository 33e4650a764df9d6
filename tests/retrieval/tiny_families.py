"""The families of embedding models that people use, each as a tiny one: files as the real one has them (architecture,
pooling, prompts, further modules), random weights and a small vocabulary. For tests marked `extras`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.retrieval.tiny_models import WORDS, save_tokenizer

WIDTH = 64
SEARCHING = "Represent this sentence for searching relevant passages: "
ASKED = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """A model by the name of a real one.

    kind: the architecture, as transformers calls its classes. ends: the tokens before and after a text.
    prompts: what its files say. prefixes: for a query and for a document, what has to be put before them in the end.
    dense: activations of the layers after pooling. loaded_as: a class of transformers beside {kind}Model.
    """

    name: str
    kind: str
    prefixes: tuple[str, str]
    pooling: Literal["cls_token", "mean_tokens", "lasttoken"] = "mean_tokens"
    prompts: Mapping[str, str] = field(default_factory=dict)
    normalize: bool = True
    dense: tuple[str, ...] = ()
    ends: tuple[str, str] = ("<s>", "</s>")
    padding_side: str = "right"
    max_seq_length: int | None = 48
    loaded_as: str = ""
    chat_template: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = (
    TinyModel(name="bge-small-en-v1.5", kind="Bert", pooling="cls_token", prefixes=(SEARCHING, "")),
    TinyModel(
        name="bge-base-zh-v1.5",
        kind="Bert",
        pooling="cls_token",
        prefixes=("为这个句子生成表示以用于检索相关文章：", ""),
    ),
    TinyModel(name="bge-m3", kind="XLMRoberta", pooling="cls_token", prefixes=("", "")),
    TinyModel(name="gte-base", kind="Bert", prefixes=("", "")),
    TinyModel(
        name="gte-modernbert-base", kind="ModernBert", pooling="cls_token", normalize=False, prefixes=("", "")
    ),
    TinyModel(name="e5-base-v2", kind="Bert", prefixes=("query: ", "passage: ")),
    TinyModel(name="multilingual-e5-base", kind="XLMRoberta", prefixes=("query: ", "passage: ")),
    TinyModel(name="multilingual-e5-large-instruct", kind="XLMRoberta", prefixes=(ASKED + " ", "")),
    TinyModel(
        name="mxbai-embed-large-v1",
        kind="Bert",
        pooling="cls_token",
        normalize=False,
        prompts={"query": SEARCHING, "passage": ""},
        prefixes=(SEARCHING, ""),
    ),
    TinyModel(
        name="snowflake-arctic-embed-m-v1.5",
        kind="Bert",
        pooling="cls_token",
        prompts={"query": SEARCHING},
        prefixes=(SEARCHING, ""),
    ),
    TinyModel(
        name="snowflake-arctic-embed-l-v2.0",
        kind="XLMRoberta",
        pooling="cls_token",
        prompts={"query": "query: "},
        prefixes=("query: ", ""),
    ),
    TinyModel(
        name="nomic-embed-text-v1.5", kind="NomicBert", prefixes=("search_query: ", "search_document: ")
    ),
    TinyModel(
        name="modernbert-embed-base", kind="ModernBert", prefixes=("search_query: ", "search_document: ")
    ),
    TinyModel(name="all-MiniLM-L12-v2", kind="Bert", max_seq_length=24, prefixes=("", "")),
    TinyModel(name="all-mpnet-base-v2", kind="MPNet", prefixes=("", "")),
    TinyModel(name="all-roberta-large-v1", kind="Roberta", max_seq_length=None, prefixes=("", "")),
    TinyModel(name="paraphrase-multilingual-MiniLM-L12-v2", kind="Bert", normalize=False, prefixes=("", "")),
    TinyModel(name="paraphrase-albert-small-v2", kind="Albert", normalize=False, prefixes=("", "")),
    TinyModel(
        name="distiluse-base-multilingual-cased-v2",
        kind="DistilBert",
        normalize=False,
        dense=("activation.Tanh",),
        prefixes=("", ""),
        options={"dim": WIDTH, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
    ),
    TinyModel(
        name="gtr-t5-base",
        kind="T5",
        loaded_as="T5EncoderModel",
        dense=("linear.Identity",),
        ends=("", "</s>"),
        max_seq_length=48,
        prefixes=("", ""),
        options={"d_model": WIDTH, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4},
    ),
    TinyModel(
        name="embeddinggemma-300m",
        kind="Gemma3Text",
        loaded_as="Gemma3TextModel",
        dense=("linear.Identity", "linear.Identity"),
        prompts={"query": "task: search result | query: ", "document": "title: none | text: "},
        prefixes=("task: search result | query: ", "title: none | text: "),
        options={
            "use_bidirectional_attention": True,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "sliding_window": 16,
        },
    ),
    TinyModel(
        name="Qwen3-Embedding-0.6B",
        kind="Qwen3",
        pooling="lasttoken",
        prompts={"query": ASKED, "document": ""},
        prefixes=(ASKED, ""),
        ends=("", "</s>"),
        padding_side="left",
        chat_template="{% for message in messages %}<|im_start|>{{ message['content'] }}{% endfor %}",
        options={"num_key_value_heads": 2, "head_dim": 16},
    ),
    TinyModel(
        name="e5-mistral-7b-instruct",
        kind="Mistral",
        pooling="lasttoken",
        prompts={"web_search_query": "Instruct: another\nQuery: "},
        prefixes=(ASKED + " ", ""),
        padding_side="left",
        options={"num_key_value_heads": 2, "head_dim": 16, "sliding_window": None},
    ),
)


def save_model(folder: Path, model: TinyModel) -> Path:
    """Save it as its repository is laid out, with weights that are always the same."""
    import torch
    import transformers

    torch.manual_seed(11)
    sizes: dict[str, Any] = {
        "vocab_size": 160,
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 66,
        "initializer_range": 0.1,
        "pad_token_id": 1 if model.kind != "Bert" else 0,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    config = getattr(transformers, f"{model.kind}Config")(**sizes | dict(model.options))
    getattr(transformers, model.loaded_as or f"{model.kind}Model")(config).save_pretrained(folder)
    if model.kind == "Bert":
        save_tokenizer(folder)
    else:
        _save_unigram_tokenizer(folder, model)
    _save_modules(folder, model)
    return folder


def _save_unigram_tokenizer(folder: Path, model: TinyModel) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = dict.fromkeys(
        [*(f"▁{word}" for word in WORDS.split()), "▁", *map(chr, range(97, 123)), *"?:,.", "\n"]
    )
    tokenizer = Tokenizer(
        models.Unigram(
            [(piece, 0.0) for piece in special] + [(piece, -float(len(piece) < 3)) for piece in pieces],
            unk_id=3,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    before, after = model.ends
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}".strip(), special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        padding_side=model.padding_side,
        chat_template=model.chat_template,
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)


def _save_modules(folder: Path, model: TinyModel) -> None:
    """As sentence-transformers wrote them when these models came out; the present one still reads it."""
    import torch
    from safetensors.torch import save_file

    kinds = ["Transformer", "Pooling", *["Dense"] * len(model.dense), *["Normalize"] * model.normalize]
    modules = []
    for index, kind in enumerate(kinds):
        path = "" if index == 0 else f"{index}_{kind}"
        modules.append(
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        (folder / path).mkdir(exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"word_embedding_dimension": WIDTH, f"pooling_mode_{model.pooling}": True}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_mean_tokens": False} | pooling)
    )
    for index, activation in enumerate(model.dense, start=2):
        layer = {
            "in_features": WIDTH,
            "out_features": WIDTH,
            "bias": False,
            "activation_function": f"torch.nn.modules.{activation}",
        }
        (folder / f"{index}_Dense" / "config.json").write_text(json.dumps(layer))
        save_file(
            {"linear.weight": torch.randn(WIDTH, WIDTH) / 8}, folder / f"{index}_Dense" / "model.safetensors"
        )
    told: dict[str, int] = {"do_lower_case": False}
    if model.max_seq_length is not None:
        told["max_seq_length"] = model.max_seq_length
    (folder / "sentence_bert_config.json").write_text(json.dumps(told))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"__version__": {"sentence_transformers": "2.7.0"}, "prompts": dict(model.prompts)})
    )
