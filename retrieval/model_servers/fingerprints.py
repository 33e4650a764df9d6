"""What can be known of the model that a server runs, beside its name.

OpenAI's interface tells nothing of it. TEI does, at `/info`: the commit of the model's repository. What nobody tells
cannot be part of an identity; that the model stays the same is watched by its vectors instead
(`retrieval.embedders.remote`, `retrieval.sameness`).
"""

from __future__ import annotations

import hashlib
import json

from retrieval.errors import ConfigurationError
from retrieval.model_servers.client import ModelServer

_INFO_BYTES = 64 * 1024
_INFO_TIMEOUT_S = 5.0


def told_revision(server: ModelServer) -> str:
    """The revision of its model that the server tells, or "" where it tells none.

    Raises `ModelUnavailableError` where it could not be asked, for then it is not known whether it does.
    """
    root = server.spec.url.removesuffix("/v1")
    told = server.look(f"{root}/info", most_bytes=_INFO_BYTES, timeout_s=_INFO_TIMEOUT_S)
    revision = told.get("model_sha") if isinstance(told, dict) else None
    return revision if isinstance(revision, str) and revision.isalnum() else ""


def fingerprint(server: ModelServer, *, revision: str) -> str:
    """A sha256 (hex) of what is known of the server's model: its name, and the revision told or set.

    Raises `ConfigurationError` where the server tells another revision than was set.
    """
    told = told_revision(server)
    if revision and told and not told.startswith(revision):
        raise ConfigurationError(
            f"{server.name} runs revision {told[:40]} of its model, and {server.spec.setting('revision')} is "
            f"{revision}. Set the one that is meant, or start the server with it."
        )
    known = {"model": server.spec.model, "revision": told or revision}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
