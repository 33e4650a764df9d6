"""Where a webhook may go: what its URL has to look like, and which addresses its host may have
(`ingest.fetching.addresses`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ingest.fetching.addresses import (
    Address,
    AddressPolicy,
    AddressRefusedError,
    Network,
    find_addresses,
)
from retrieval.errors import InvalidRequestError

MAX_URL_CHARACTERS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a webhook goes: the URL as it was given, and the addresses that its name has now, all checked."""

    url: str
    host: str
    port: int
    addresses: tuple[Address, ...]


def check_url(url: str) -> SplitResult:
    """The parts of a URL that a webhook can have. Raises `InvalidRequestError`; nothing is looked up."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _refused("it is not a URL") from None
    if (
        len(url) > MAX_URL_CHARACTERS
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        raise _refused(f"it has at most {MAX_URL_CHARACTERS:,} characters, which are printable ASCII")
    if parts.scheme not in {"https", "http"} or not host:
        raise _refused("it begins with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _refused("it holds no user and no password; a signature tells who is calling")
    if parts.fragment:
        raise _refused("it has no fragment")
    if port == 0 or "%" in host:
        raise _refused("its host or port is none")
    return parts


async def find_target(url: str, *, allowed: Sequence[Network]) -> Target:
    """Look the URL's name up and check its addresses.

    Raises `AddressRefusedError`, `InvalidRequestError`, and `OSError` where the name has no address.
    """
    parts = check_url(url)
    host = parts.hostname
    assert host is not None, "it was checked"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    policy = AddressPolicy(allowed=allowed, setting="webhooks.allow_networks")
    try:
        addresses = await find_addresses(host, port, encrypted=parts.scheme == "https", policy=policy)
    except AddressRefusedError as exc:
        raise AddressRefusedError(f"the webhook may not go to this host: {exc}.") from exc
    return Target(url=url, host=host, port=port, addresses=addresses)


def _refused(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"the webhook's address is none: {reason}.")
