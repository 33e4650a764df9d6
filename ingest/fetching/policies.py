"""How far a fetcher goes on somebody's word, and with which key to a bucket."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.fetching.addresses import AddressPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """The bounds of what is fetched from other machines.

    timeout_s: how long a connection, or the next piece of an answer, may be waited for; total_timeout_s: how long an
    answer may take from the first request to its last byte, redirects and all.
    at_once: requests of one source at a time.
    robots: whether robots.txt is obeyed. max_files, max_list_bytes: what a source, and a list of its files, may hold.
    max_removed_share: which share of a source's documents may vanish from one run to the next.
    """

    addresses: AddressPolicy = field(default_factory=lambda: AddressPolicy(setting="sources.allow_networks"))
    user_agent: str = "Footnote"
    timeout_s: float = 20.0
    total_timeout_s: float = 300.0
    max_redirects: int = 5
    at_once: int = 4
    robots: bool = True
    max_files: int = 50_000
    max_list_bytes: int = 50 * 1024**2
    max_removed_share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAccess:
    """Where buckets are and who asks for them.

    endpoint: of an S3-compatible server; None for Amazon's. Without `access_key_id` the key is looked for where AWS's
    own tools look (AWS_*, profiles, roles), but for `anonymous`, which signs nothing.
    path_style: the bucket's name in the path instead of in the host's name.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    path_style: bool = False
