"""robots.txt (RFC 9309): what a host asks of those who fetch by themselves."""

from __future__ import annotations

import asyncio
from urllib.parse import urlunsplit
from urllib.robotparser import RobotFileParser

from ingest.errors import FileTooLargeError, FileUnreadableError
from ingest.fetching.fetcher import Fetcher
from ingest.fetching.urls import origin_of

# The least that has to be read, and all that is (section 2.5).
_LONGEST_BYTES = 500 * 1024


class Robots:
    """The rules of hosts, each fetched once."""

    def __init__(self, fetcher: Fetcher, *, user_agent: str) -> None:
        self._fetcher = fetcher
        self._user_agent = user_agent
        self._rules: dict[tuple[str, str], asyncio.Task[RobotFileParser | None]] = {}

    async def allow(self, url: str) -> bool:
        """Whether a URL may be fetched. Raises `FileUnreadableError` where the host does not say for now."""
        origin = origin_of(url)
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._fetch(origin))
        rules = await asyncio.shield(self._rules[origin])
        return rules is None or rules.can_fetch(self._user_agent, url)

    async def _fetch(self, origin: tuple[str, str]) -> RobotFileParser | None:
        """None where there are no rules."""
        try:
            answer = await self._fetcher.get(
                urlunsplit((*origin, "/robots.txt", "", "")), max_bytes=_LONGEST_BYTES
            )
        except FileTooLargeError as exc:
            raise FileUnreadableError("the host's robots.txt is too long to be read") from exc
        except FileUnreadableError as exc:
            raise FileUnreadableError(f"the host's robots.txt could not be read: {exc}") from exc
        if 400 <= answer.status < 500 and answer.status != 429:
            return None
        if answer.status != 200:
            raise FileUnreadableError(
                f"the host's robots.txt could not be read: the server answers {answer.status}"
            )
        rules = RobotFileParser()
        rules.parse(answer.body.decode(errors="replace").splitlines())
        return rules
