"""Write a Llama of two layers with random weights, and an adapter to it: `python tiny_llama.py FOLDER`.

Run by a Python that has transformers. FOLDER gets `model`, with a tokenizer whose tokens are bytes, and `adapter`. What
they say makes no sense, but a server serves them like any other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"
)


def write_model(folder: Path) -> None:
    """The model's weights, configuration and tokenizer, as Hugging Face lays them out."""
    import tokenizers
    import torch
    import transformers

    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate(["<s>", "</s>", *alphabet])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    settings: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": _TEMPLATE}
    wrapped: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings)
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    model: Any = transformers.LlamaForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1}))


def write_adapter(folder: Path) -> None:
    """A LoRA adapter of rank 8 to the model's queries and values."""
    import safetensors.torch
    import torch

    folder.mkdir()
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16, "bias": "none"}
    targets = ["q_proj", "v_proj"]
    (folder / "adapter_config.json").write_text(json.dumps({**settings, "target_modules": targets}))
    weights = {}
    for layer in range(2):
        for target in targets:
            name = f"base_model.model.model.layers.{layer}.self_attn.{target}"
            weights[f"{name}.lora_A.weight"] = torch.randn(8, 128, dtype=torch.bfloat16)
            weights[f"{name}.lora_B.weight"] = torch.randn(128, 8, dtype=torch.bfloat16)
    safetensors.torch.save_file(weights, folder / "adapter_model.safetensors")


if __name__ == "__main__":
    write_model(Path(sys.argv[1]) / "model")
    write_adapter(Path(sys.argv[1]) / "adapter")
