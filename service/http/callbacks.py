"""Addresses that callers want to be told at: what is wrong with one is said at once."""

from __future__ import annotations

from ingest.fetching.addresses import AddressRefusedError
from retrieval.errors import InvalidRequestError
from service.settings import Settings
from service.webhooks.addresses import find_target
from service.work_policies import delivery_policy


async def check_callback(url: str, settings: Settings) -> None:
    """Refuse what would be refused when it is told. A name that is not found now may be found then.

    Raises `InvalidRequestError`.
    """
    try:
        await find_target(url, allowed=delivery_policy(settings).allowed)
    except AddressRefusedError as exc:
        raise InvalidRequestError(str(exc)) from exc
    except (OSError, UnicodeError):  # TimeoutError is one of them
        return
