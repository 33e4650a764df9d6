"""Where a model's server is, the key to it, and within which bounds it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from retrieval.errors import ConfigurationError

Location = Literal["inside", "outside"]
RerankForm = Literal["vllm", "jina", "cohere", "tei"]
ScoreKind = Literal["logits", "probabilities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """A server, and what it is asked for.

    section: of the settings, "embedder" or "reranker"; it is also what messages call the model.
    base_url: everything before "/embeddings" or "/rerank". api_key: None for a server that asks for none.
    location: "inside" promises that texts sent there stay in the house.
    tokenizer: a tokenizer.json, which cuts texts before they are sent. max_tokens: longest input by its count, special
        tokens included.
    batch_size: most texts in a request; fewer are sent to a server that takes fewer.
    requests_at_once: how many requests are under way at a time.
    timeout_s: how long a request may take.
    """

    section: Literal["embedder", "reranker"]
    base_url: str
    model: str
    location: Location
    tokenizer: Path
    api_key: str | None = field(default=None, repr=False)
    max_tokens: int = 512
    batch_size: int = 32
    requests_at_once: int = 4
    timeout_s: float = 60.0

    def setting(self, name: str) -> str:
        """What messages call the setting `name` of this model."""
        return f"{self.section}.{name} (FOOTNOTE_{self.section.upper()}__{name.upper()})"

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/")

    @property
    def shown(self) -> str:
        """The model and its server, as messages name them: without user, password and query, which may be secrets.

        Raises `ConfigurationError` where the address is none.
        """
        try:
            parts = urlsplit(self.url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            parts, port = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigurationError(
                f"{self.setting('base_url')} is not an http or https address without a query. Set it to the server's "
                "base URL, for example http://127.0.0.1:8000/v1"
            )
        return f"the {self.section} {self.model!r} at {parts.scheme}://{parts.hostname}{port}{parts.path}"

    def headers(self) -> dict[str, str]:
        """The key, without the line end that comes along with files. Raises `ConfigurationError`."""
        key = (self.api_key or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError(
                f"{self.setting('api_key')} holds characters that a key cannot have. Copy it again, without quotes or "
                "breaks."
            )
        return {"Authorization": f"Bearer {key}"} if key else {}
