"""Signatures of webhooks: HMAC-SHA256 over `timestamp.body`, with a secret of each subscriber's own.

    Footnote-Signature: t=1764280000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

Secrets are derived from one that the installation keeps, so that none has to be stored beside a key, and whoever knows
theirs can sign nothing that another subscriber would take.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from retrieval.database import Database, query

SIGNATURE_HEADER = "Footnote-Signature"
EVENT_HEADER = "Footnote-Event"
DELIVERY_HEADER = "Footnote-Delivery"


async def subscriber_secret(database: Database, configured: str | None, subscriber: UUID) -> str:
    """The secret of a key's webhooks, or of a source's; `configured` is the installation's, from the settings."""
    master = configured
    if master is None:
        row = await database.fetch_one(query("deliveries.secret"))
        assert row is not None, "a migration makes it"
        master = row["secret"]
    return "whsec_" + hmac.new(master.encode(), f"webhook {subscriber}".encode(), hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes, *, timestamp: int) -> str:
    """The value of the signature's header."""
    signed = str(timestamp).encode() + b"." + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
