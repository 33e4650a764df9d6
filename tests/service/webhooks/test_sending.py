"""A webhook is sent to the address that was checked, within its time, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network
from typing import Any

import pytest

from service.webhooks.sending import send
from tests.service.webhooks.receiver import receiving
from tests.service.workers import LOOPBACK


async def post(url: str, **changed: Any) -> Any:
    settings: dict[str, Any] = {"allowed": LOOPBACK, "timeout_s": 60.0} | changed
    return await send(url, b'{"a":1}', {"Content-Type": "application/json"}, **settings)


async def test_a_body_arrives_as_it_is_under_the_name_that_was_given() -> None:
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost") + "?a=b"
        outcome = await post(url, allowed=[*LOOPBACK, ip_network("::1/128")])
        assert (outcome.status, outcome.error) == (204, None)
        [got] = receiver.received
        assert (got.path, got.body) == ("/hook?a=b", b'{"a":1}')
        assert got.headers["Host"].startswith("localhost:")


async def test_a_redirect_is_not_followed() -> None:
    with receiving([302]) as receiver:
        outcome = await post(receiver.url)
        assert outcome.status == 302
        assert "redirected" in outcome.error
        assert len(receiver.received) == 1


async def test_what_is_gone_for_good_is_not_tried_again() -> None:
    with receiving([410, 500]) as receiver:
        assert (await post(receiver.url)).final
        assert not (await post(receiver.url)).final


async def test_a_name_that_points_elsewhere_after_the_check_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second look-up, which an attacker would answer with this machine, does not happen."""
    looked_up: list[str] = []

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> Any:
        looked_up.append(host)
        address = "192.0.2.1" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with receiving() as receiver:
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
        url = receiver.url.replace("127.0.0.1", "rebinding.example")
        outcome = await post(url, allowed=())
        assert "not a public one" in outcome.error
        assert looked_up == ["rebinding.example"]
        outcome = await post(url)
        assert looked_up == ["rebinding.example"] * 2
        assert outcome.status == 204


async def test_all_addresses_of_a_name_have_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.1", "10.0.0.1")
        ]

    with receiving() as receiver:
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
        outcome = await post(receiver.url.replace("127.0.0.1", "two.example"))
        assert "not a public one" in outcome.error
        assert receiver.received == []


async def test_a_receiver_that_says_nothing_is_left_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = await post(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.3)
        assert "no answer within 0.3 s" in outcome.error


async def test_nobody_there_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = await post(f"http://127.0.0.1:{port}/")
    assert "could not be reached" in outcome.error
    assert "not found" in (await post("http://no-such-host.invalid/")).error
