"""Which sources the networks of the house are open to."""

from __future__ import annotations

import pytest

from ingest.fetching.inside import narrow
from tests.ingest.web_server import policy


async def test_a_source_in_an_allowed_network_may_lead_into_it() -> None:
    told = policy("127.0.0.0/8")
    for source in ("http://127.0.0.1:8080/files.txt", "https://127.0.0.5/", "http://localhost/"):
        narrowed = await narrow(policy("127.0.0.0/8", "::1/128"), source)
        assert narrowed.addresses.allowed == policy("127.0.0.0/8", "::1/128").addresses.allowed
    assert await narrow(told, "http://127.0.0.1/") == told


@pytest.mark.parametrize(
    "source",
    [
        "https://93.184.215.14/files.txt",
        "http://93.184.215.14/",
        "http://10.0.0.1/",
        "https://nowhere.invalid/",
    ],
)
async def test_any_other_source_may_not(source: str) -> None:
    narrowed = await narrow(policy("127.0.0.0/8", "192.168.0.0/16"), source)
    assert narrowed.addresses.allowed == ()
