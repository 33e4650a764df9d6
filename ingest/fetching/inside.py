"""Inside: which sources the networks of the house are open to.

Networks that the settings allow are there for sources that lie in them. A list on the internet that names an address of
such a network, or redirects to one, is not let in: whoever wrote it could have anything of the house's put into the
index.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from ingest.fetching.addresses import AddressRefusedError, find_addresses, is_allowed
from ingest.fetching.policies import FetchPolicy


async def narrow(policy: FetchPolicy, source: str) -> FetchPolicy:
    """The policy for what a source at a URL names or redirects to: without the allowed networks, unless it lies in one
    of them."""
    parts = urlsplit(source)
    encrypted = parts.scheme == "https"
    outside = replace(policy, addresses=replace(policy.addresses, allowed=()))
    try:
        addresses = await find_addresses(
            parts.hostname or "",
            parts.port or (443 if encrypted else 80),
            encrypted=encrypted,
            policy=policy.addresses,
        )
    except (AddressRefusedError, OSError, UnicodeError):
        return outside  # whoever fetches says what is wrong
    return policy if all(is_allowed(address, policy.addresses) for address in addresses) else outside
