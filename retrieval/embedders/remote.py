"""Any embedding model behind OpenAI's `/embeddings`: vLLM, TEI, Infinity, llama.cpp, OpenAI …

Texts are cut here, by a tokenizer of ours, and vectors are made unit vectors here, so that it does not matter what a
server does of either.

A server may run another model under the same name tomorrow, and most tell nothing of it. So a fixed text is embedded
when the model is loaded, and again after every disruption and every ten minutes that texts come: where its vector is no
longer the same, nothing more is taken from that server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import EmbedderIdentity, RemoteEmbedderSpec
from retrieval.errors import ModelUnavailableError
from retrieval.model_families import family_of
from retrieval.model_servers.batches import AdaptiveBatches
from retrieval.model_servers.client import ModelServer
from retrieval.model_servers.fingerprints import fingerprint
from retrieval.model_servers.refusals import RequestRefusedError
from retrieval.model_servers.vectors import most_bytes, read_vectors
from retrieval.sameness import SAME_VECTORS
from retrieval.tokenizing import TextTokenizer

logger = logging.getLogger(__name__)

_LOOKS_EVERY_S = 600.0
_LOAD_PATIENCE_S = 5.0
_DOCUMENT_PATIENCE_S = 30.0
_QUESTION_PATIENCE_S, _QUESTION_TIMEOUT_S = 5.0, 10.0
_PROBE = "The harbour office opens at seven; tickets for the night ferry are sold until noon."


class RemoteEmbedder:
    """Embeds by asking a server, which is asked once when this is made.

    Raises `WeightsError` for a tokenizer that cannot be read, `ConfigurationError`, and `ModelError` for a server that
    is away or does not embed.
    """

    def __init__(self, spec: RemoteEmbedderSpec, *, clock: Callable[[], float] = time.monotonic) -> None:
        server = spec.server
        self.max_tokens = server.max_tokens
        self.parallelism = server.requests_at_once
        self.batch_size = server.batch_size
        self.tokenizer = TextTokenizer.from_file(server.tokenizer, max_tokens=server.max_tokens)
        self._batches = AdaptiveBatches(server.batch_size)
        self._dimensions = spec.dimensions
        self._dimension: int | None = None
        self._encoding = "base64"
        self._clock = clock
        self._looking = threading.Lock()
        self._server = ModelServer(server)
        family = family_of(server.model)
        self.cosine_bounds = family.cosine_bounds
        with ExitStack() as unless_it_answers:
            unless_it_answers.callback(self._server.close)
            self._probe = self._first_vector()
            self._dimension = len(self._probe)
            self._check_dimension()
            known = fingerprint(self._server, revision=spec.revision)
            unless_it_answers.pop_all()
        self._note_looked()
        self.identity = EmbedderIdentity(
            model=server.model,
            fingerprint=known,
            dimension=self._dimension,
            pooling="server",
            normalized=True,
            query_prefix=family.query_prefix if spec.query_prefix is None else spec.query_prefix,
            document_prefix=family.document_prefix if spec.document_prefix is None else spec.document_prefix,
            precision="remote",
        )

    def count_tokens(self, text: str) -> int:
        return self.tokenizer.count(text)

    def token_ends(self, text: str) -> list[int]:
        return self.tokenizer.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed(
            [self.identity.document_prefix + text for text in texts], patience_s=_DOCUMENT_PATIENCE_S
        )

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._embed(
            [self.identity.query_prefix + text],
            patience_s=_QUESTION_PATIENCE_S,
            timeout_s=_QUESTION_TIMEOUT_S,
        )[0]
        return vector

    def close(self) -> None:
        self._server.close()

    def _embed(
        self, texts: Sequence[str], *, patience_s: float, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        rows = self._batches.run(
            [self.tokenizer.cut(text) for text in texts],
            lambda batch: self._ask(batch, patience_s=patience_s, timeout_s=timeout_s),
            describe=self._describe,
        )
        if rows and self._is_to_look():
            self._look(patience_s)
        return np.concatenate([np.empty((0, self.identity.dimension), dtype=np.float32), *rows])

    def _ask(
        self, texts: Sequence[str], *, patience_s: float, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        body: dict[str, object] = {
            "model": self._server.spec.model,
            # Some servers refuse a text of no length; a blank says as little.
            "input": [text or " " for text in texts],
            "encoding_format": self._encoding,
        }
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        answer = self._server.ask(
            "/embeddings",
            body,
            most_bytes=most_bytes(len(texts), self._dimension),
            patience_s=patience_s,
            timeout_s=timeout_s,
        )
        rows = read_vectors(self._server, answer, len(texts))
        if self._dimension is not None and rows.shape[1] != self._dimension:
            raise ModelUnavailableError(
                f"{self._server.name} sent vectors of {rows.shape[1]} dimensions; they had {self._dimension} when it "
                "was first asked. It runs another model now: start Footnote again, and see docs/models.md."
            )
        return rows

    def _first_vector(self) -> NDArray[np.float32]:
        """The probe's vector, in base64 (a third of the bytes) where the server can do that."""
        try:
            rows = self._ask([_PROBE], patience_s=_LOAD_PATIENCE_S)
        except RequestRefusedError:
            self._encoding = "float"
            rows = self._ask([_PROBE], patience_s=_LOAD_PATIENCE_S)
        vector: NDArray[np.float32] = rows[0]
        return vector

    def _check_dimension(self) -> None:
        if self._dimensions not in (None, self._dimension):
            raise ModelUnavailableError(
                f"{self._server.name} sent vectors of {self._dimension} dimensions, not of {self._dimensions}. Leave "
                f"{self._server.spec.setting('dimensions')} out, or name a model that can shorten its vectors."
            )

    def _is_to_look(self) -> bool:
        return self._disruptions != self._server.disruptions or self._clock() >= self._look_again_at

    def _look(self, patience_s: float) -> None:
        """See whether the probe still has the vector that it had at first."""
        with self._looking:
            if not self._is_to_look():
                return  # another thread has just done it
            seen = self._server.disruptions
            cosine = float(self._ask([_PROBE], patience_s=patience_s)[0] @ self._probe)
            if cosine < SAME_VECTORS:
                raise ModelUnavailableError(
                    f"{self._server.name} gives the same text another vector than when it was first asked (cosine "
                    f"{cosine:.3f}): it runs another model under the same name now. Nothing more was taken from it. "
                    "Start the former model there, or start Footnote again and see docs/models.md."
                )
            self._note_looked(seen)

    def _note_looked(self, disruptions: int | None = None) -> None:
        self._disruptions = self._server.disruptions if disruptions is None else disruptions
        self._look_again_at = self._clock() + _LOOKS_EVERY_S

    def _describe(self, text: str) -> str:
        return (
            f"a text of {len(text):,} characters, {self.tokenizer.count(text):,} tokens by "
            f"{self._server.spec.setting('tokenizer')}. Lower {self._server.spec.setting('max_tokens')} "
            f"({self.max_tokens}) to what the server's model reads, or give the model's own tokenizer"
        )
