"""Files of the web that a list names: a sitemap, a text or JSON with URLs, or a page with links.

Listing asks the server of every file what it is and in which state (ETag, Last-Modified), without its content; what
has not changed is not sent again. A file that the server says is not there (404, 410) has gone; whatever else goes
wrong with one leaves it as it is known, and a list that cannot be read leaves all.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.fetching.fetcher import Fetcher
from ingest.fetching.giving_up import Endurance
from ingest.fetching.inside import narrow
from ingest.sources import FoundFile, Listing, Skipped, SourceSpec, Unlisted
from ingest.sources.lists import Entry, ParsedList, parse_list
from ingest.sources.naming import name_file, stem_of
from ingest.sources.patterns import Patterns, is_hidden
from ingest.sources.robots import Robots
from ingest.sources.states import state_number, state_told, state_unknown

_GONE = frozenset({404, 410})
_MOST_SITEMAPS = 1_000
_LISTS_TIMES = 10
"""How many times as long as one file all lists of a source together may take."""


class WebSource:
    """Lists and fetches what the list at `spec.location` names."""

    def __init__(self, spec: SourceSpec) -> None:
        self._location = spec.location
        self._policy = spec.fetching
        self._patterns = Patterns(include=spec.include, exclude=spec.exclude)
        self._turns = threading.BoundedSemaphore(spec.fetching.at_once)
        self._endurance = Endurance()

    def discover(self, *, below: str = "") -> Listing:
        found = asyncio.run(self._discover(below))
        return Listing(
            files=tuple(sorted(found.files.values(), key=lambda file: file.path)),
            skipped=tuple(sorted(found.skipped, key=lambda entry: entry.path)),
            unlisted=tuple(sorted(found.unlisted, key=lambda part: part.path)),
            max_removed_share=self._policy.max_removed_share,
        )

    async def _discover(self, below: str) -> _Found:
        found = _Found()
        self._endurance.worked()  # whatever was before: this is another try
        async with Fetcher(await narrow(self._policy, self._location)) as fetcher:
            entries = await self._read_lists(fetcher, found)
            if below:
                entries = [entry for entry in entries if _is_below(entry, self._location, below)]
                found.skipped.clear()
            await self._look_at_all(fetcher, iter(entries), found)
        if below and not entries:
            raise self._unavailable(f"it names nothing at '{below}'")
        return found

    async def _read_lists(self, fetcher: Fetcher, found: _Found) -> list[Entry]:
        limit_s = _LISTS_TIMES * self._policy.total_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return [entry async for entry in self._entries(fetcher, found)]
        except TimeoutError as exc:
            raise self._unavailable(f"its sitemaps did not come within {limit_s:g} s") from exc

    async def _entries(self, fetcher: Fetcher, found: _Found) -> AsyncIterator[Entry]:
        """What the list names, and the lists that it names. Raises `SourceUnavailableError` where it cannot be read."""
        pending, seen, named = [self._location], {self._location}, set[str]()
        while pending:
            url = pending.pop(0)
            try:
                parsed = await self._fetch_list(fetcher, url)
            except (FileUnreadableError, FileTooLargeError) as exc:
                if url == self._location:
                    raise self._unavailable(str(exc)) from exc
                # What it would have named is not known: nothing may be concluded to be gone.
                shown = stem_of(url, self._location)
                found.unlisted.append(
                    Unlisted(path=shown, error=f"this sitemap could not be read: {exc}", everything=True)
                )
                continue
            for entry in parsed.entries:
                if entry.url is None:
                    found.skipped.append(Skipped(path=entry.shown, reason=entry.refusal))
                elif not parsed.sitemaps and entry.url not in named:
                    named.add(entry.url)
                    yield entry
                elif parsed.sitemaps and entry.url not in seen:
                    seen.add(entry.url)
                    pending.append(entry.url)
            if len(named) > self._policy.max_files or len(seen) > _MOST_SITEMAPS:
                raise self._unavailable(
                    f"it names more than {self._policy.max_files:,} files (sources.max_files) or "
                    f"{_MOST_SITEMAPS:,} sitemaps"
                )

    async def _fetch_list(self, fetcher: Fetcher, url: str) -> ParsedList:
        policy = self._policy
        answer = await fetcher.get(url, max_bytes=policy.max_list_bytes, setting="sources.max_list_bytes")
        if answer.status != 200:
            raise FileUnreadableError(f"the server answers {answer.status}")
        return await asyncio.to_thread(
            parse_list,
            answer.body,
            url=answer.url,
            max_bytes=policy.max_list_bytes,
            max_entries=policy.max_files,
        )

    def _unavailable(self, reason: str) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"the list at '{self._location}' cannot be read: {reason}. Nothing that is indexed from it was changed."
        )

    async def _look_at_all(self, fetcher: Fetcher, entries: Iterator[Entry], found: _Found) -> None:
        robots = Robots(fetcher, user_agent=self._policy.user_agent) if self._policy.robots else None

        async def take_next() -> None:
            for entry in entries:
                assert entry.url is not None, "entries without an address were skipped"
                stem = stem_of(entry.url, self._location)
                try:
                    self._endurance.begin()
                    await self._look_at(fetcher, robots, entry, entry.url, stem, found)
                    self._endurance.worked()
                except FileUnreadableError as exc:
                    self._endurance.failed()
                    found.unlisted.append(Unlisted(path=stem, error=str(exc), stem=True))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._policy.at_once):
                group.create_task(take_next())

    async def _look_at(
        self, fetcher: Fetcher, robots: Robots | None, entry: Entry, url: str, stem: str, found: _Found
    ) -> None:
        """Take note of a file. Raises `FileUnreadableError` where that cannot be done now."""
        if is_hidden(stem.partition("?")[0]):
            found.skip(stem, "hidden")
            return
        if self._patterns.exclude(stem):
            found.skip(stem, "excluded by rule")
            return
        if robots is not None and not await robots.allow(url):
            found.skip(stem, "the host's robots.txt asks not to fetch it")
            return
        answer = await fetcher.look(url)
        if answer.status in _GONE:
            found.skip(stem, f"the server answers {answer.status}: it is not there")
            return
        if answer.status != 200:
            raise FileUnreadableError(f"the server answers {answer.status}")
        naming = name_file(stem, answer.media_type)
        if naming.refusal is not None:
            if naming.doubtful:
                raise FileUnreadableError(naming.refusal)
            found.skip(naming.path, naming.refusal)
            return
        if reason := self._patterns.refuse(naming.path):
            found.skip(naming.path, reason)
        elif answer.length == 0:
            found.skip(naming.path, "empty")
        elif naming.path in found.files:
            found.skip(naming.path, "another file's name reads the same")
        else:
            lastmod = state_number(f"lastmod {entry.lastmod}") if entry.lastmod else None
            state = state_told(answer.headers) or lastmod or state_unknown()
            found.files[naming.path] = FoundFile(
                path=naming.path, size_bytes=answer.length or 0, mtime_ns=state, locator=url
            )

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        if found.size_bytes > max_bytes:
            raise FileTooLargeError.beyond(found.size_bytes, max_bytes)
        with self._turns:
            self._endurance.begin()
            try:
                content = asyncio.run(self._fetch(found, max_bytes))
            except FileReplacedError:
                raise
            except FileUnreadableError:
                self._endurance.failed()
                raise
            self._endurance.worked()
            return content

    async def _fetch(self, found: FoundFile, max_bytes: int) -> bytes:
        async with Fetcher(await narrow(self._policy, self._location)) as fetcher:
            answer = await fetcher.get(found.locator, max_bytes=max_bytes, setting="ingest.max_file_bytes")
        if answer.status != 200:
            raise FileUnreadableError(f"the server answers {answer.status}")
        naming = name_file(stem_of(found.locator, self._location), answer.media_type)
        if naming.refusal is not None or naming.path != found.path:
            raise FileUnreadableError(
                naming.refusal
                or "it is served as something else than when it was listed; the next run takes it"
            )
        state = state_told(answer.headers)
        if state is not None and state != found.mtime_ns:
            raise FileReplacedError(size_bytes=len(answer.body), mtime_ns=state)
        return answer.body


def _is_below(entry: Entry, location: str, below: str) -> bool:
    stem = stem_of(entry.url or "", location)
    return stem == below or stem.startswith(f"{below}/") or below.startswith(f"{stem}.")


@dataclass(slots=True)
class _Found:
    files: dict[str, FoundFile] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    unlisted: list[Unlisted] = field(default_factory=list)

    def skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(path=path, reason=reason))
