"""Where a request to an address for programs may come from: no page of another site, and no name that leads astray.

A key is needed anyway. This stands beside it, as the transport of the Model Context Protocol asks for, where a browser
could be used to reach a service that listens to its own machine alone (DNS rebinding).
"""

from __future__ import annotations

from starlette.requests import HTTPConnection

from service.http.browsers import is_forwarded, is_loopback, is_on_this_machine, is_own_origin
from service.http.refusals import CrossOriginError


def check_place(connection: HTTPConnection) -> None:
    """Raise `CrossOriginError` for a page of another site, and for a foreign name of the loopback address."""
    origin = connection.headers.get("origin")
    if origin is not None and not is_own_origin(connection, origin):
        raise CrossOriginError(
            "the request comes from a page of another site, which may not call this address: its Origin is not the "
            "Host that was asked."
        )
    server = connection.scope.get("server")
    is_local = server is not None and is_loopback(str(server[0]))
    if is_local and not is_forwarded(connection) and not is_on_this_machine(connection):
        raise CrossOriginError(
            "the service was reached on its own machine under a name that is none of this machine's. Call it by "
            "127.0.0.1 or localhost, or through a proxy that sends X-Forwarded-Host."
        )
