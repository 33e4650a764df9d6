"""Any cross-encoder behind a server's `/rerank`, in the form of vLLM, Jina, Cohere or TEI."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from retrieval.model_servers.batches import AdaptiveBatches
from retrieval.model_servers.client import ModelServer
from retrieval.model_servers.fingerprints import fingerprint
from retrieval.model_servers.rankings import most_bytes, ranking_request, read_logits, score_kind
from retrieval.rerankers import RemoteRerankerSpec
from retrieval.tokenizing import TextTokenizer

_PATIENCE_S = 5.0
"""A question waits."""

_PROBE = ("Is it ready?", "It is ready.")


class RemoteReranker:
    """Scores pairs by asking a server, once already when this is made. Pairs are cut here, by a tokenizer of ours.

    Raises `WeightsError` for a tokenizer that cannot be read, `ConfigurationError`, and `ModelError` for a server that
    is away or does not rerank.
    """

    def __init__(self, spec: RemoteRerankerSpec) -> None:
        server = spec.server
        self.max_tokens = server.max_tokens
        self.parallelism = server.requests_at_once
        self.batch_size = server.batch_size
        self._form = spec.form
        self._scores = spec.scores or score_kind(spec.form)
        self._tokenizer = TextTokenizer.from_file(server.tokenizer, max_tokens=server.max_tokens)
        self._batches = AdaptiveBatches(server.batch_size)
        self._server = ModelServer(server)
        try:
            self._ask(_PROBE[0], [_PROBE[1]])
            known = fingerprint(self._server, revision=spec.revision)
        except BaseException:
            self._server.close()
            raise
        self.name = f"{server.model}@{known[:8]}"

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        cut = [self._tokenizer.cut_pair(*pair) for pair in pairs]
        logits: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]
        for question, of_question in groupby(cut, key=lambda pair: pair[0]):
            logits += self._score(question, [passage for _, passage in of_question])
        return np.concatenate(logits)

    def close(self) -> None:
        self._server.close()

    def _score(self, question: str, passages: Sequence[str]) -> list[NDArray[np.float32]]:
        return self._batches.run(
            passages,
            lambda batch: self._ask(question, batch),
            describe=lambda passage: self._describe(question, passage),
            patient=False,
        )

    def _ask(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        # Some servers refuse a text of no length; a blank says as little.
        asked, texts = question or " ", [passage or " " for passage in passages]
        body = ranking_request(
            self._form, self._scores, model=self._server.spec.model, question=asked, passages=texts
        )
        answer = self._server.ask(
            "/rerank", body, most_bytes=most_bytes([asked, *texts]), patience_s=_PATIENCE_S
        )
        return read_logits(self._server, self._form, self._scores, answer, len(texts))

    def _describe(self, question: str, passage: str) -> str:
        setting = self._server.spec.setting
        return (
            f"a question of {len(question):,} characters and a passage of {len(passage):,}, "
            f"{self._tokenizer.count(question) + self._tokenizer.count(passage):,} tokens by {setting('tokenizer')}. "
            f"Lower {setting('max_tokens')} ({self.max_tokens}) to what the server's model reads, or give the model's "
            "own tokenizer"
        )
