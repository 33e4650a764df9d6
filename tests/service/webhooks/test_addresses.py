"""Where a webhook may go."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fetching.addresses import AddressRefusedError, _meant, is_public
from retrieval.errors import InvalidRequestError
from service.webhooks.addresses import check_url, find_target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com\\@10.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://例え.jp/",
        "https://example.com/" + "a" * 2048,
        "https://example.com/\r\nHost: x",
    ],
)
def test_what_is_no_address_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        check_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ],
)
async def test_addresses_of_this_house_are_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(AddressRefusedError, match="not a public one"):
        await find_target(f"https://{host}/hook", allowed=())


async def test_public_addresses_are_taken_over_https_alone() -> None:
    target = await find_target("https://93.184.215.14:8443/hook", allowed=())
    assert (target.addresses, target.port) == ((ip_address("93.184.215.14"),), 8443)
    with pytest.raises(AddressRefusedError, match="has to be https"):
        await find_target("http://93.184.215.14/hook", allowed=())


async def test_allowed_networks_are_taken_over_http_too_and_no_others() -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    assert (await find_target("http://127.0.0.1/", allowed=allowed)).port == 80
    assert (await find_target("http://[fd00::1]/", allowed=allowed)).host == "fd00::1"
    with pytest.raises(AddressRefusedError):
        await find_target("http://10.0.0.1/", allowed=allowed)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_an_address_inside_another_is_judged_as_itself(number: int) -> None:
    inner = ip_address(number)
    if is_public(inner):
        return
    for outer in (
        f"::ffff:{inner}",
        f"64:ff9b::{inner}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"::{inner}",
    ):
        assert not all(is_public(meant) for meant in _meant(ip_address(outer))), outer
