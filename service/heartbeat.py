"""A heartbeat: a thread with a connection of its own, so that it goes on whatever the event loop is busy with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, LiteralString

import psycopg

_log = logging.getLogger(__name__)


class Heartbeat:
    """Runs a statement every `every_s` seconds for as long as it is entered.

    parameters: asked for at each beat; None skips it. An outage is waited out: what is renewed may be lost by then,
    which whoever holds it finds out when they write.
    """

    def __init__(
        self,
        dsn: str,
        statement: LiteralString,
        parameters: Callable[[], Mapping[str, Any] | None],
        *,
        every_s: float,
    ) -> None:
        self._dsn = dsn
        self._statement = statement
        self._parameters = parameters
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the beats, and does not wait for one that is under way: it renews nothing that was given away."""
        self._stop.set()

    def _run(self) -> None:
        connection: psycopg.Connection[tuple[Any, ...]] | None = None
        while not self._stop.wait(self._every_s):
            try:
                parameters = self._parameters()
                if parameters is None:
                    continue
                if connection is None or connection.closed:
                    connection = psycopg.connect(
                        self._dsn, autocommit=True, connect_timeout=5, application_name="footnote heartbeat"
                    )
                connection.execute(self._statement, parameters)
            except psycopg.Error as exc:
                _log.warning("a heartbeat was missed: %s", type(exc).__name__)
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()
