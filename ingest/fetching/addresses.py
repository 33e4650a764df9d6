"""Which addresses this service connects to on somebody's word: public ones, and the networks that the settings allow.

A name is looked up once for every connection, *all* addresses that it has are checked, and the connection goes to one
of those that were checked: a name that points elsewhere a moment later changes nothing. Addresses that carry another
one inside (IPv4 in IPv6, 6to4, NAT64, Teredo) are judged by both.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from retrieval.errors import FootnoteError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ip_network("::/96")
_LOOKUP_S = 10.0


class AddressRefusedError(FootnoteError):
    """A host is not one that may be connected to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Which addresses may be connected to.

    allowed: networks to which anything goes, public or not, encrypted or not.
    setting: the name of the setting that says so, for messages.
    plain_http: whether public addresses may be spoken to without encryption.
    """

    allowed: Sequence[Network] = ()
    setting: str = ""
    plain_http: bool = False


async def find_addresses(
    host: str, port: int, *, encrypted: bool, policy: AddressPolicy
) -> tuple[Address, ...]:
    """Look a name up and check all addresses that it has.

    Raises `AddressRefusedError` where one of them is refused, `TimeoutError`, and `OSError` or `UnicodeError` where the
    name has none.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LOOKUP_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise OSError("the name has no address")
    for address in addresses:
        refusal = _refusal(address, encrypted=encrypted, policy=policy)
        if refusal is not None:
            raise AddressRefusedError(refusal)
    return tuple(dict.fromkeys(addresses))


def _refusal(address: Address, *, encrypted: bool, policy: AddressPolicy) -> str | None:
    if is_allowed(address, policy):
        return None
    if not all(is_public(meant) for meant in _meant(address)):
        return f"its address is not a public one, and not in {policy.setting}"
    if not (encrypted or policy.plain_http):
        return f"outside {policy.setting} it has to be https"
    return None


def is_allowed(address: Address, policy: AddressPolicy) -> bool:
    """Whether an address lies in a network to which anything goes."""
    return any(address in network for network in policy.allowed if network.version == address.version)


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
