"""Logging of the service: one line an event on standard error, with the id of the request that it belongs to.

Neither keys, questions nor documents' texts are ever logged.
"""

from __future__ import annotations

import json
import logging
import logging.config
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from service.observing import current_trace_id

LogStyle = Literal["plain", "json"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

# Attributes that log records of ours carry beside the message (`extra=`).
_FIELDS = ("method", "route", "status", "milliseconds", "reason", "key", "peer", "stages")


_QUIETER = (
    "botocore",
    "uvicorn.error",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "openai",
    "anthropic",
    "botocore",
    "google.auth",
    "mcp",
    "sse_starlette",
    "psycopg.pool",
    "procrastinate",
    "opentelemetry",
    "urllib3",
)


class _RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = REQUEST_ID.get() or "-"
        record.trace_id = current_trace_id() or "-"
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
            "trace_id": getattr(record, "trace_id", "-"),
        }
        entry |= {
            name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) not in (None, {})
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=True, default=str)


def configure_logging(style: LogStyle) -> None:
    """Send all of the process's log lines to standard error, in one style."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": _RequestIdFilter}},
            "formatters": {
                "plain": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
                "json": {"()": JsonFormatter},
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stderr",
                    "filters": ["request_id"],
                    "formatter": style,
                }
            },
            "root": {"level": "INFO", "handlers": ["stderr"]},
            "loggers": {
                # Their information is either said better by us, or names the URLs of other servers.
                name: {"level": "WARNING"}
                for name in _QUIETER
            },
        }
    )
