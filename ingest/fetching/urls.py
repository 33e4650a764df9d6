"""URLs that something may be fetched from: what they have to look like, and what of them may be kept and shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from retrieval.errors import InvalidRequestError

MAX_URL_CHARACTERS = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Names of parameters that carry a key: a URL that has one is as secret as the key.
_KEY = re.compile(
    r"^(x-(amz|goog)-(signature|credential|security-token)|sig|signature|.*token|.*api[-_]?key|key|secret|.*password|"
    r"passwd|pwd|auth|authorization|jwt|sessionid|awsaccesskeyid)$",
    re.IGNORECASE,
)


def check_url(url: str) -> str:
    """A URL of the web in its plain form: host in lower case, no default port, no fragment.

    Raises `InvalidRequestError`, whose message does not repeat the URL.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _refused("it is not a URL") from None
    if parts.username is not None or parts.password is not None:
        raise _refused(
            "it holds a user or a password, which would be kept and shown with it. Leave them out; Footnote fetches "
            "what can be had without them"
        )
    if not url.isprintable() or "\\" in url or any(c.isspace() for c in url):
        raise _refused("it holds characters that no URL has")
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise _refused("it begins with https:// and a host")
    if port == 0 or "%" in host or not host.isascii():
        raise _refused("its host or port is none; a name that is not ASCII is written as punycode, xn--…")
    # Bytes that are not ASCII are written as browsers do.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    shown_host = f"[{host}]" if ":" in host else host
    netloc = shown_host if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{shown_host}:{port}"
    plain = urlunsplit((parts.scheme, netloc, path, query, ""))
    if len(plain) > MAX_URL_CHARACTERS:
        raise _refused(f"it has more than {MAX_URL_CHARACTERS:,} characters")
    return plain


def holds_key(url: str) -> bool:
    """Whether a URL's query carries what looks like a key or a signature."""
    return any(_KEY.match(name) for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and host of a URL, with its port where that is not the default."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _refused(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"this address cannot be fetched from: {reason}.")
