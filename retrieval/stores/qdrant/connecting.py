"""Connecting to Qdrant: a server, a folder for one process, or memory that goes with the process."""

from __future__ import annotations

import logging
import re
import sqlite3
import warnings
from dataclasses import dataclass
from pathlib import Path

from qdrant_client import AsyncQdrantClient

from retrieval.errors import ConfigurationError, StoreUnavailableError

logger = logging.getLogger(__name__)

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Qdrant:
    """A client, and what messages call that to which it speaks.

    is_server: a local client has no indexes, and searches exactly whatever it is told.
    """

    client: AsyncQdrantClient
    where: str
    is_server: bool


def connect(*, url: str | None, api_key: str | None, path: Path | None) -> Qdrant:
    """Nothing is sent yet. Raises `ConfigurationError` for a url or path that cannot be, `StoreUnavailableError` for a
    folder in use."""
    assert url is None or path is None, "a server or a folder, not both"
    if url is not None:
        # Whoever puts a name and a password into the address must not find them in a log.
        shown = re.sub(r"//[^/]*@", "//", url)
        return Qdrant(client=_reach(url, api_key, shown=shown), where=f"Qdrant at {shown}", is_server=True)
    if path is not None:
        return Qdrant(client=_open(path), where=f"Qdrant's folder '{path}'", is_server=False)
    return Qdrant(client=AsyncQdrantClient(":memory:"), where="Qdrant in memory", is_server=False)


def _reach(url: str, api_key: str | None, *, shown: str) -> AsyncQdrantClient:
    if api_key is not None and url.startswith("http:"):
        logger.warning(
            "The key for Qdrant at %s travels unencrypted: keep that network private, or use https.", shown
        )
    try:
        if not url:
            raise ValueError("it is empty")
        with warnings.catch_warnings():
            # Said above, in words that fit a log.
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection", UserWarning)
            # The check of versions would ask the server here and now, and warn where it does not answer.
            return AsyncQdrantClient(url, api_key=api_key, timeout=_TIMEOUT_S, check_compatibility=False)
    except ValueError as exc:
        raise ConfigurationError(
            f"store.url (FOOTNOTE_STORE__URL) is {shown!r}, which does not say where a server is. "
            "It looks like http://host:6333."
        ) from exc


def _open(path: Path) -> AsyncQdrantClient:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return AsyncQdrantClient(path=str(path))
    except RuntimeError as exc:
        raise StoreUnavailableError(
            f"Qdrant's folder '{path}' is in use by another process, and serves only one at a time. "
            "Stop the other one, or run a Qdrant server and set store.url (FOOTNOTE_STORE__URL)."
        ) from exc
    except (OSError, sqlite3.Error, ValueError, KeyError) as exc:
        raise ConfigurationError(
            f"Qdrant's folder '{path}' cannot be opened ({type(exc).__name__}: {exc}). Make it readable and writable, "
            "restore it from a backup, or move it away and build the indexes anew: footnote reindex."
        ) from exc
