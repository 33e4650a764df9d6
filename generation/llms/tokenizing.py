"""How many of a model's own tokens texts have, where its server tells: vLLM's and llama.cpp's `/tokenize`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import httpx2

from generation.llms import LLMSpec
from generation.llms.endpoint import NO_KEY, checked_key, server_root

_TIME_LIMIT_S = 1.0
"""For all texts of a question together. An estimate is near enough to be had at once instead."""

_KEPT = 20_000
_AT_A_TIME = 8
_PAUSE_S = 60.0
_LONG_PAUSE_S = 900.0
"""How long nothing is asked after no answer in time, and after an answer that there is no such thing."""


class TokenCounter:
    """Counts over HTTP, remembers by the texts' hashes, and pauses where counts cannot be had."""

    def __init__(
        self, spec: LLMSpec, client: httpx2.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        key = checked_key(spec)
        self._model = spec.model
        self._address = f"{server_root(spec.base_url)}/tokenize"
        self._headers = {} if key == NO_KEY else {"Authorization": f"Bearer {key}"}
        self._client = client
        self._clock = clock
        self._quiet_until = 0.0
        self._known: OrderedDict[bytes, int] = OrderedDict()

    async def count(self, texts: Sequence[str]) -> list[int] | None:
        """The tokens of each text, without those that begin and end a prompt; None where that cannot be had in time."""
        hashes = [hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in texts]
        # Held here: while the server is asked, other questions may drop what was known.
        known = {name: self._known[name] for name in hashes if name in self._known}
        missing = {name: text for name, text in zip(hashes, texts, strict=True) if name not in known}
        if missing:
            if self._clock() < self._quiet_until:
                return None
            counted = await self._ask(list(missing.values()))
            if counted is None:
                return None
            made = dict(zip(missing, counted, strict=True))
            known |= made
            self._known |= made
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return [known[name] for name in hashes]

    async def _ask(self, texts: Sequence[str]) -> list[int] | None:
        """The counts from the server; None, and a pause, where it does not give them."""
        turn = asyncio.Semaphore(_AT_A_TIME)
        try:
            async with asyncio.timeout(_TIME_LIMIT_S), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask_one(text, turn)) for text in texts]
        except* (TimeoutError, httpx2.TransportError):
            self._quiet_until = self._clock() + _PAUSE_S
        except* (_NoCountsError, ValueError, RecursionError, httpx2.HTTPError):
            self._quiet_until = self._clock() + _LONG_PAUSE_S
        else:
            return [task.result() for task in tasks]
        return None

    async def _ask_one(self, text: str, turn: asyncio.Semaphore) -> int:
        async with turn:
            # vLLM reads the prompt, llama.cpp the content.
            asked = {"model": self._model, "prompt": text, "content": text, "add_special_tokens": False}
            response = await self._client.post(self._address, json=asked, headers=self._headers)
        if response.status_code != 200:
            raise _NoCountsError
        answer = response.json()
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        if not isinstance(tokens, list):
            raise _NoCountsError
        return len(tokens)


class _NoCountsError(Exception):
    """The server does not count."""
