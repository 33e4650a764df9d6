"""Packed sequences give what transformers gives for padded ones, whatever their lengths, positions and segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.extras

VOCABULARY = 97
LENGTHS = (5, 40, 1, 17, 40, 2, 23)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    return str(request.param)


def _encoder(kind: str, **options: Any) -> Any:
    """A randomly initialised encoder of four heads of size 8, always the same one."""
    import torch
    import transformers

    torch.manual_seed(5)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 72,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }
    config = getattr(transformers, f"{kind}Config")(**sizes | options)
    return getattr(transformers, f"{kind}Model")(config).eval()


def _sequences(seed: int = 0) -> list[list[int]]:
    chooser = np.random.default_rng(seed)
    return [chooser.integers(3, VOCABULARY, length).tolist() for length in LENGTHS]


def _packed(model: Any, pooling: str) -> Any:
    from retrieval.fused_kernels import choose_add_norm
    from retrieval.packed_encoder import PackedEncoder, PackedPass

    encoder = PackedEncoder(model, choose_add_norm(str(model.device), model.dtype))
    return PackedPass(encoder, pooling=pooling, finish=lambda rows: rows)  # type: ignore[arg-type]


def _pooled_by_transformers(
    model: Any, sequences: list[list[int]], segments: list[list[int]] | None, pooling: str
) -> Any:
    import torch

    rows = []
    for index, ids in enumerate(sequences):
        kinds = None if segments is None else torch.tensor([segments[index]], device=model.device)
        states = model(torch.tensor([ids], device=model.device), token_type_ids=kinds).last_hidden_state[0]
        rows.append(states.mean(dim=0) if pooling == "mean" else states[0 if pooling == "cls" else -1])
    return torch.stack(rows)


def _run(forward: Any, sequences: list[list[int]], segments: list[list[int]] | None = None) -> Any:
    import torch

    with torch.inference_mode():
        return forward(sequences, segments)


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
@pytest.mark.parametrize("kind", ["Bert", "Roberta", "XLMRoberta"])
def test_pooled_rows_are_those_of_transformers(kind: str, pooling: str, device: str) -> None:
    import torch

    model, sequences = _encoder(kind).to(device), _sequences()
    with torch.inference_mode():
        expected = _pooled_by_transformers(model, sequences, None, pooling)
    assert torch.allclose(_run(_packed(model, pooling), sequences), expected, atol=2e-5)
    with torch.inference_mode():  # its projections lie in joined memory now
        assert torch.equal(_pooled_by_transformers(model, sequences, None, pooling), expected)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize(("kind", "sizes"), [("Bert", (384, 12, 1536)), ("XLMRoberta", (256, 4, 1000))])
def test_on_a_gpu_in_16_bits_rows_point_where_those_in_32_bits_do(
    kind: str, sizes: tuple[int, int, int], precision: str
) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    width, heads, inner = sizes
    model = _encoder(
        kind, hidden_size=width, num_attention_heads=heads, intermediate_size=inner, initializer_range=0.05
    )
    chooser = np.random.default_rng()
    for pooling in ("cls", "mean"):
        sequences = [
            chooser.integers(3, VOCABULARY, length).tolist() for length in chooser.integers(1, 60, 50)
        ]
        with torch.inference_mode():
            expected = _pooled_by_transformers(model.float().cpu(), sequences, None, pooling)
        rows = _run(_packed(model.to("cuda", getattr(torch, precision)), pooling), sequences)
        cosines = torch.nn.functional.cosine_similarity(rows.float().cpu(), expected)
        assert float(cosines.min()) > 0.999


def test_segments_count(device: str) -> None:
    import torch

    model, sequences = _encoder("Bert").to(device), _sequences()
    segments = [[int(place > 3) for place in range(len(ids))] for ids in sequences]
    with torch.inference_mode():
        expected = _pooled_by_transformers(model, sequences, segments, "cls")
    forward = _packed(model, "cls")
    assert torch.allclose(_run(forward, sequences, segments), expected, atol=2e-5)
    assert not torch.allclose(_run(forward, sequences), expected, atol=1e-2)


def test_a_padding_token_that_a_text_spells_out_has_the_position_that_transformers_gives_it() -> None:
    import torch

    model = _encoder("XLMRoberta", pad_token_id=1)
    sequences = [[0, 9, 1, 1, 12, 2], [0, 1, 2], [0, 5, 2]]
    with torch.inference_mode():
        mask = torch.ones(1, 6, dtype=torch.long)
        expected = model(torch.tensor(sequences[:1]), attention_mask=mask).last_hidden_state[0].mean(dim=0)
    assert torch.allclose(_run(_packed(model, "mean"), sequences)[0], expected, atol=2e-5)


def test_positions_begin_anew_with_each_sequence() -> None:
    import torch

    from retrieval.packed_sequences import pack

    sequences = [[7, 8, 9], [4], [1, 5, 1, 6]]
    packed = pack(sequences, None, device=torch.device("cpu"), padding_id=None)
    assert packed.ids.tolist() == [7, 8, 9, 4, 1, 5, 1, 6]
    assert packed.positions.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    assert packed.starts.tolist() == packed.bounds == [0, 3, 4, 8]
    assert packed.longest == 4
    offset = pack(sequences, None, device=torch.device("cpu"), padding_id=1)
    assert offset.positions.tolist() == [2, 3, 4, 2, 1, 2, 1, 3]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("Bert", {"hidden_act": "relu"}),
        ("Bert", {"is_decoder": True}),
        ("DistilBert", {}),
        ("Electra", {}),
    ],
)
def test_a_model_that_computes_otherwise_is_not_packed(kind: str, options: dict[str, Any]) -> None:
    from retrieval.fused_kernels import plain_add_norm
    from retrieval.packed_encoder import PackedEncoder, can_pack

    model = _encoder(kind, **options)
    assert not can_pack(model)
    with pytest.raises(ValueError, match="in a way that this encoder does not know"):
        PackedEncoder(model, plain_add_norm)


def test_a_linear_layer_that_was_replaced_is_not_packed() -> None:
    import torch

    from retrieval.packed_encoder import can_pack

    class Quantized(torch.nn.Linear):  # type: ignore[misc]
        pass

    model = _encoder("Bert")
    assert can_pack(model)
    model.encoder.layer[1].intermediate.dense = Quantized(32, 72)
    assert not can_pack(model)


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "XLMRoberta"])
def test_an_encoder_agrees_with_its_own_model_and_with_no_other(kind: str) -> None:
    import torch

    from retrieval.fused_kernels import plain_add_norm
    from retrieval.packed_encoder import PackedEncoder, agree

    model = _encoder(kind)
    encoder = PackedEncoder(model, plain_add_norm)
    assert agree(encoder, model)
    assert not agree(encoder, _encoder(kind, num_attention_heads=2))
    halved = _encoder(kind).to(torch.bfloat16)
    assert agree(PackedEncoder(halved, plain_add_norm), halved)


def test_packing_is_for_cpus_and_for_gpus_in_16_bits() -> None:
    import torch

    from retrieval.packed_encoder import PackedPass, choose_pass
    from retrieval.packed_sequences import packing_pays
    from retrieval.torch_batches import PaddedPass

    assert not packing_pays(device="cuda:0", dtype=torch.float32, head_size=64)
    padded = PaddedPass(lambda features: features["input_ids"], device="cpu", pad_id=0)

    def chosen(kind: str) -> Any:
        return choose_pass(_encoder(kind), padded, device="cpu", pooling="cls", finish=lambda rows: rows)

    assert isinstance(chosen("Bert"), PackedPass)
    assert chosen("Electra") is padded
