"""Adapter and plain sentence-transformers on the same weights and inputs. For `embed_gpu.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, SentenceTransformer

from benchmarks.gpu_pipeline import PipelineResult, measure_pipeline, timed
from benchmarks.random_encoders import make_texts
from retrieval.embedders import EmbedderSpec, load_embedder
from retrieval.embedders.sentence_transformer import SentenceTransformerEmbedder
from retrieval.rerankers.cross_encoder import CrossEncoderReranker
from retrieval.torch_models import choose_dtype

_DOCUMENTS_AT_ONCE = 8
"""As `ingest.engines.local.LocalEngine` has it."""
_TEXTS_A_DOCUMENT = 32


class Contest(Protocol):
    """Adapter and plain model with the same weights, on the same inputs."""

    def run_adapter(self) -> NDArray[np.float32]: ...

    def run_plain(self, batch_size: int) -> NDArray[np.float32]: ...

    def run_pipeline(self, tokens: int, *, on_gpu: bool) -> list[PipelineResult]: ...

    def run_several(self, devices: str) -> float | None:
        """Seconds that the adapter takes in a process for each of several devices."""
        ...

    def close(self) -> None: ...


class Embedding:
    """Texts to vectors: `SentenceTransformerEmbedder` against `SentenceTransformer.encode`."""

    def __init__(
        self, folder: str, words: Sequence[str], lengths: Sequence[int], *, device: str, precision: str
    ) -> None:
        self._texts = make_texts(words, [length - 2 for length in lengths])
        self._adapter = SentenceTransformerEmbedder(folder, device=device, precision=precision)
        self._plain = SentenceTransformer(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": choose_dtype(precision)}
        )
        self._spec = EmbedderSpec(
            kind="sentence_transformer", model=folder, device=device, precision=precision
        )
        assert [self._adapter.count_tokens(text) + 2 for text in self._texts[:20]] == list(lengths[:20])

    def run_adapter(self) -> NDArray[np.float32]:
        return _on_threads(self._adapter, self._adapter.embed_documents, self._texts)

    def run_plain(self, batch_size: int) -> NDArray[np.float32]:
        rows = self._plain.encode(self._texts, batch_size=batch_size, show_progress_bar=False)
        return _as_fp32(rows)

    def run_pipeline(self, tokens: int, *, on_gpu: bool) -> list[PipelineResult]:
        filling = -(-2 * self._adapter.parallelism * self._adapter.batch_size // _TEXTS_A_DOCUMENT)
        return [
            measure_pipeline(
                self._adapter,
                self._texts,
                tokens=tokens,
                at_once=at_once,
                a_document=_TEXTS_A_DOCUMENT,
                on_gpu=on_gpu,
            )
            for at_once in sorted({_DOCUMENTS_AT_ONCE, filling})
        ]

    def run_several(self, devices: str) -> float | None:
        several = load_embedder(replace(self._spec, device=devices))
        try:
            run = partial(_on_threads, several, several.embed_documents, self._texts)
            run()
            return timed(run)[0]
        finally:
            several.close()

    def close(self) -> None:
        self._adapter.close()


class Reranking:
    """Pairs to logits: `CrossEncoderReranker` against `CrossEncoder.predict`. A question has 16 tokens."""

    def __init__(
        self, folder: str, words: Sequence[str], lengths: Sequence[int], *, device: str, precision: str
    ) -> None:
        questions = make_texts(words, [16] * len(lengths))
        passages = make_texts(words, [length - 20 for length in lengths])
        self._pairs = list(zip(questions, passages, strict=True))
        self._adapter = CrossEncoderReranker(folder, device=device, precision=precision)
        self._plain = CrossEncoder(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": choose_dtype(precision)}
        )
        read = self._plain.tokenizer(*map(list, zip(*self._pairs[:20], strict=True)))["input_ids"]
        assert [len(ids) for ids in read] == list(lengths[:20])

    def run_adapter(self) -> NDArray[np.float32]:
        return _on_threads(self._adapter, self._adapter.score, self._pairs)

    def run_plain(self, batch_size: int) -> NDArray[np.float32]:
        logits = self._plain.predict(
            self._pairs, batch_size=batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )
        return _as_fp32(logits)

    def run_pipeline(self, tokens: int, *, on_gpu: bool) -> list[PipelineResult]:
        return []

    def run_several(self, devices: str) -> float | None:
        return None

    def close(self) -> None:
        self._adapter.close()


def _as_fp32(values: Any) -> NDArray[np.float32]:
    converted: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    return converted


def _on_threads(
    adapter: Any, run: Callable[[Sequence[Any]], NDArray[np.float32]], items: Sequence[Any]
) -> NDArray[np.float32]:
    """As the batchers do: jobs of the adapter's batch size on as many threads as it can use."""
    size = adapter.batch_size
    jobs = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(adapter.parallelism) as threads:
        return np.concatenate(list(threads.map(run, jobs)))
