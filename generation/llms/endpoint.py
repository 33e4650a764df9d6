"""Where a language model's server is and the key to it: checked before anything is sent, shown without secrets."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2

from generation.llms import LLMSpec
from retrieval.errors import ConfigurationError

NO_KEY = "none"
"""Sent where no key is set: with an empty one the SDKs would take a key from the environment."""


def checked_key(spec: LLMSpec) -> str:
    """The key without the line end that comes along with files, or `NO_KEY`. Raises `ConfigurationError`."""
    key = (spec.api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"{spec.setting('api_key')} holds characters that a key cannot have. Copy it again, without quotes or "
            "breaks."
        )
    return key or NO_KEY


def shown_address(spec: LLMSpec, base_url: str, example: str) -> str:
    """The base URL without user, password and query, which may be secrets. Raises `ConfigurationError`."""
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"{spec.setting('base_url')} is not an http or https address. Set it to the server's base URL, for example "
            f"{example}"
        )
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"


def server_root(base_url: str) -> str:
    """The server that an OpenAI-compatible base URL belongs to, for what it offers beside that interface."""
    return base_url.rstrip("/").removesuffix("/v1")


def http_client(spec: LLMSpec) -> httpx2.AsyncClient:
    """A client that goes nowhere else: to an inside server, neither by a redirect nor through a proxy.

    "Inside" is a promise, which a proxy from the environment could break unseen.
    """
    timeout = httpx2.Timeout(spec.total_timeout_s, connect=spec.connect_timeout_s)
    transport = httpx2.AsyncHTTPTransport() if spec.location == "inside" else None
    return httpx2.AsyncClient(timeout=timeout, follow_redirects=False, transport=transport)
