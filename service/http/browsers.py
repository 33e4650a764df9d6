"""What a browser is held to beside its cookie: where a request came from, and under which name it reached the service.

A cookie goes with every request to a host, whoever's page sends it: a page of another origin is refused here (CSRF).
A name of somebody else's that leads to this machine (DNS rebinding) is no name of a loopback service.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from service.http.refusals import CrossOriginError

COOKIE = "footnote_session"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What proxies add: whoever comes through one need not be on this machine.
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-original-host",
    "cf-connecting-ip",
    "true-client-ip",
)


def check_origin(connection: HTTPConnection) -> None:
    """Raise `CrossOriginError` unless a request that comes with a cookie comes from a page of the service's own.

    To read it is enough that the browser says nothing else; to change something it has to say so.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise CrossOriginError(_refusal())
    origin = connection.headers.get("origin")
    if origin is None:
        if connection.scope["method"] not in _SAFE:
            raise CrossOriginError(_refusal())
        return
    if not is_own_origin(connection, origin):
        raise CrossOriginError(_refusal())


def is_own_origin(connection: HTTPConnection, origin: str) -> bool:
    """Whether an Origin header names the host that the request was sent to; behind a proxy the scheme may differ."""
    scheme, separator, host = origin.partition("://")
    return bool(separator) and scheme in {"http", "https"} and host == connection.headers.get("host")


def _refusal() -> str:
    return (
        "a request with a session's cookie has to come from a page of this service, and say so (Origin). Programs send "
        "a key instead, in the header Authorization: Bearer KEY."
    )


def is_on_this_machine(connection: HTTPConnection) -> bool:
    """Whether a request was sent to a loopback service as such: under a name of this machine, and through no proxy."""
    if is_forwarded(connection):
        return False
    hosts = connection.headers.getlist("host")
    if len(hosts) != 1:
        return False
    try:
        name = urlsplit(f"//{hosts[0]}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def is_forwarded(connection: HTTPConnection) -> bool:
    """Whether a request says that it came through a proxy."""
    return any(name in connection.headers for name in _FORWARDED)


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own, in numbers."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, here or to a proxy: its cookie then goes over nothing else."""
    return connection.url.scheme == "https" or connection.headers.get("x-forwarded-proto") == "https"
