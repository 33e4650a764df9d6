"""The forms in which servers rerank: what is sent, what comes back, and what its scores are.

vllm     {"model", "query", "documents", "use_activation": false} → {"results": [{"index", "relevance_score"}]}
jina     the same without `use_activation`, of Jina and those that follow it
cohere   Cohere's v2, much the same
tei      {"query", "texts", "raw_scores": true, "truncate": true} → [{"index", "score"}]

The rest of Footnote reckons in logits. vLLM and TEI give them when asked to; of probabilities they are made with the
inverse of the logistic function, between bounds, for near 0 and 1 a server's rounding says nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ModelError
from retrieval.model_servers.client import ModelServer
from retrieval.model_servers.spec import RerankForm, ScoreKind
from retrieval.model_servers.vectors import figures, indexed

_FURTHEST_LOGIT = 16.0
"""Of what is made from a probability: nearer to 1, 32 bits have no figures left."""

_BYTES_BESIDE = 16 * 1024
_BYTES_PER_RESULT = 1024
_BYTES_PER_CHARACTER = 12
"""Some servers send the passages back, and JSON may escape each character of them."""


def most_bytes(passages: Sequence[str]) -> int:
    """The largest answer that these passages can need."""
    return _BYTES_BESIDE + sum(
        _BYTES_PER_RESULT + _BYTES_PER_CHARACTER * len(passage) for passage in passages
    )


def score_kind(form: RerankForm) -> ScoreKind:
    """What servers of a form send as a rule."""
    return "logits" if form in ("vllm", "tei") else "probabilities"


def ranking_request(
    form: RerankForm, scores: ScoreKind, *, model: str, question: str, passages: Sequence[str]
) -> dict[str, object]:
    """What is sent to have all of the passages scored."""
    if form == "tei":
        return {
            "query": question,
            "texts": list(passages),
            "raw_scores": scores == "logits",
            "truncate": True,
        }
    body: dict[str, object] = {
        "model": model,
        "query": question,
        "documents": list(passages),
        "top_n": len(passages),
    }
    match form:
        case "vllm":
            return body | {"use_activation": scores == "probabilities"}
        case "jina":
            return body | {"return_documents": False}
        case "cohere":
            return body


def read_logits(
    server: ModelServer, form: RerankForm, scores: ScoreKind, answer: Any, count: int
) -> NDArray[np.float32]:
    """The logits of the passages of a request, in their order: float32 of shape (count,).

    Raises `ModelUnavailableError` where that is not what was sent, and `ModelError` for a score that is not a number.
    """
    entries = indexed(server, answer, None if form == "tei" else "results", count)
    name = "score" if form == "tei" else "relevance_score"
    values = figures(server, [entry.get(name) for entry in entries])
    for place in np.flatnonzero(~np.isfinite(values)):
        raise ModelError(
            f"{server.name} sent a score that is not a finite number for passage {place + 1} of {count} of a request. "
            "The server's log may say why; models overflow at 16 bits with some texts."
        )
    if scores == "logits":
        return values.astype(np.float32)
    if values.min(initial=0) < 0 or values.max(initial=0) > 1:
        raise server.unreadable(
            f"scores that are no probabilities, for they are not between 0 and 1 (if they are logits, set "
            f"{server.spec.setting('scores')} to logits)"
        )
    return logits_of(values)


def logits_of(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """The inverse of the logistic function, from -16 to 16."""
    least = 1 / (1 + np.exp(_FURTHEST_LOGIT))
    clipped = np.clip(probabilities, least, 1 - least)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float32)
