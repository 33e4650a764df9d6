"""A webhook is sent: one signed POST to an address that was checked; no redirect is followed, no body read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

from ingest.fetching.addresses import AddressRefusedError, Network
from retrieval.errors import InvalidRequestError
from service.webhooks.addresses import Target, find_target

_TAKEN = range(200, 300)
_MOVED = range(300, 400)
_GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an attempt; `error` is None where it was taken. final: whether another attempt is of no use."""

    status: int | None
    error: str | None
    final: bool = False


async def send(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network],
    timeout_s: float,
) -> Outcome:
    """POST a body. Whatever the other side does, it takes no longer than `timeout_s`, and ends with an outcome."""
    try:
        async with asyncio.timeout(timeout_s):
            status = await _post(await find_target(url, allowed=allowed), body, headers)
    except AddressRefusedError as exc:
        # Not final: a name may point elsewhere for a while.
        return Outcome(status=None, error=str(exc))
    except InvalidRequestError as exc:
        return Outcome(status=None, error=str(exc), final=True)
    except TimeoutError:
        return Outcome(status=None, error=f"no answer within {timeout_s:g} s")
    except (OSError, UnicodeError):
        return Outcome(status=None, error="the host's name was not found")
    except httpx2.HTTPError as exc:
        return Outcome(status=None, error=f"the host could not be reached ({type(exc).__name__})")
    if status in _TAKEN:
        return Outcome(status=status, error=None)
    if status in _MOVED:
        return Outcome(status=status, error="it redirected, which is not followed")
    return Outcome(status=status, error=f"it was not taken, with the status {status}", final=status == _GONE)


async def _post(target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer. The connection goes to an address that was checked, under the name that was given."""
    url = httpx2.URL(target.url)
    # No proxy of the environment's: it would look the name up by itself.
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=None) as client:
        for address in target.addresses:
            request = client.build_request(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers={**headers, "Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": target.host},
            )
            try:
                response = await client.send(request, stream=True)
            except httpx2.ConnectError:
                if address == target.addresses[-1]:
                    raise
                continue
            await response.aclose()
            return response.status_code
    raise OSError("the name has no address")
