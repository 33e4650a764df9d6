"""Where a webhook may go: to public addresses over https, and to the networks that the settings allow.

The name is looked up once for every attempt, *all* addresses that it has are checked, and the connection goes to one of
those that were checked: a name that points elsewhere a moment later changes nothing. Addresses that carry another one
inside (IPv4 in IPv6, 6to4, NAT64, Teredo) are judged by both.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from retrieval.errors import FootnoteError, InvalidRequestError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARACTERS = 2048
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ip_network("::/96")
_LOOKUP_S = 5.0


class AddressRefusedError(FootnoteError):
    """A webhook's address is not one that it may go to."""


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
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LOOKUP_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise OSError("the name has no address")
    for address in addresses:
        refusal = _refusal(address, encrypted=parts.scheme == "https", allowed=allowed)
        if refusal is not None:
            raise AddressRefusedError(f"the webhook may not go to this host: {refusal}.")
    return Target(url=url, host=host, port=port, addresses=tuple(dict.fromkeys(addresses)))


def _refusal(address: Address, *, encrypted: bool, allowed: Sequence[Network]) -> str | None:
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if not all(is_public(meant) for meant in _meant(address)):
        return "its address is not a public one, and not in webhooks.allow_networks"
    if not encrypted:
        return "outside webhooks.allow_networks it has to be https"
    return None


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet's, and of a single machine."""
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _meant(address: Address) -> list[Address]:
    """The address, and those that it carries inside and that a gateway may deliver to."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _IPV4_COMPATIBLE:
        return [address, low]
    if any(address in network for network in _NAT64):
        return [low]
    meant: list[Address] = [address]
    if address.sixtofour is not None:
        meant.append(address.sixtofour)
    if address.teredo is not None:
        meant.extend(address.teredo)
    return meant


def _refused(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"the webhook's address is none: {reason}.")
