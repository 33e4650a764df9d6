"""Objects below a prefix of an S3-compatible bucket.

Requests are made and signed by botocore, which knows where regions are and where keys are found, and sent by the
fetcher, whose bounds hold here as everywhere. A redirect is not followed: it would be signed for another host.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import botocore
import botocore.config
import botocore.exceptions
import botocore.session
from lxml import etree

from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.fetching.fetcher import Answer, Fetcher
from ingest.fetching.policies import BucketAccess
from ingest.sources import FoundFile, Listing, Skipped, SourceSpec
from ingest.sources.patterns import Patterns, is_hidden, visible_path
from ingest.sources.states import state_number, state_told, state_unknown
from retrieval.errors import InvalidRequestError

_PAGE_BYTES = 16 * 1024**2
_SIGNED_FOR_S = 600
# Of a size: as many as a bigint of Postgres holds in any case.
_MOST_DIGITS = 18


class BucketSource:
    """Lists and fetches what lies at and below `spec.location`, s3://bucket/prefix/."""

    def __init__(self, spec: SourceSpec) -> None:
        self._location = spec.location
        self._bucket, _, self._prefix = spec.location.removeprefix("s3://").partition("/")
        self._policy = spec.fetching
        self._patterns = Patterns(include=spec.include, exclude=spec.exclude)
        self._turns = threading.BoundedSemaphore(spec.fetching.at_once)
        self._signer = _Signer(spec.buckets)

    def discover(self, *, below: str = "") -> Listing:
        try:
            objects = asyncio.run(self._list(below))
        except (FileUnreadableError, FileTooLargeError) as exc:
            raise SourceUnavailableError(
                f"'{self._location}' cannot be listed: {exc}. Nothing that is indexed from it was changed."
            ) from exc
        files: dict[str, FoundFile] = {}
        skipped: list[Skipped] = []
        for found in objects:
            if below and found.path != below and not found.path.startswith(f"{below}/"):
                continue
            if reason := self._refuse(found, files):
                skipped.append(Skipped(path=visible_path(found.path), reason=reason))
            else:
                files[found.path] = found
        if below and not (files or skipped):
            raise SourceUnavailableError(
                f"there is nothing at '{self._location}{below}'. Nothing that is indexed from it was changed."
            )
        return Listing(
            files=tuple(sorted(files.values(), key=lambda found: found.path)),
            skipped=tuple(skipped),
            unlisted=(),
            max_removed_share=self._policy.max_removed_share,
        )

    def _refuse(self, found: FoundFile, known: Mapping[str, FoundFile]) -> str | None:
        if is_hidden(found.path):
            return "hidden"
        if not found.path.isprintable() or found.path in known:
            return "its key has characters that are not printed, or reads like another"
        return self._patterns.refuse(found.path) or (None if found.size_bytes else "empty")

    async def _list(self, below: str) -> list[FoundFile]:
        """All objects, a page at a time."""
        found: list[FoundFile] = []
        token, tokens = "", set[str]()
        async with Fetcher(self._policy) as fetcher:
            while True:
                page = await self._page(fetcher, self._prefix + below, token)
                # A key that ends in a slash is what consoles make for a folder.
                found += [self._found(entry) for entry in page.objects if not entry.key.endswith("/")]
                if len(found) > self._policy.max_files:
                    raise FileTooLargeError(
                        f"it holds more than {self._policy.max_files:,} objects (sources.max_files)"
                    )
                if not page.next_token:
                    return found
                if page.next_token in tokens:
                    raise FileUnreadableError("the server lists the same page again and again")
                token = page.next_token
                tokens.add(token)

    def _found(self, entry: _Object) -> FoundFile:
        etag = entry.etag.strip()
        state = (
            state_told({"etag": etag}) if etag else state_number(entry.modified) if entry.modified else None
        )
        return FoundFile(
            path=entry.key.removeprefix(self._prefix),
            size_bytes=entry.size_bytes,
            mtime_ns=state or state_unknown(),
            locator=entry.key,
        )

    async def _page(self, fetcher: Fetcher, prefix: str, token: str) -> _Page:
        asked = {"Bucket": self._bucket, "Prefix": prefix, "EncodingType": "url"}
        if token:
            asked["ContinuationToken"] = token
        answer = await self._ask(fetcher, "list_objects_v2", asked, max_bytes=_PAGE_BYTES)
        if answer.status != 200:
            raise FileUnreadableError(_refusal(answer))
        return await asyncio.to_thread(_parse_page, answer.body)

    async def _ask(
        self, fetcher: Fetcher, operation: str, asked: Mapping[str, str], *, max_bytes: int
    ) -> Answer:
        url = await asyncio.to_thread(self._signer.sign, operation, asked)
        return await fetcher.get(url, max_bytes=max_bytes, redirects=False, setting="ingest.max_file_bytes")

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        if found.size_bytes > max_bytes:
            raise FileTooLargeError.beyond(found.size_bytes, max_bytes)
        with self._turns:
            return asyncio.run(self._fetch(found, max_bytes))

    async def _fetch(self, found: FoundFile, max_bytes: int) -> bytes:
        asked = {"Bucket": self._bucket, "Key": found.locator}
        async with Fetcher(self._policy) as fetcher:
            answer = await self._ask(fetcher, "get_object", asked, max_bytes=max_bytes)
        if answer.status != 200:
            raise FileUnreadableError(_refusal(answer))
        state = state_told(answer.headers)
        if state is not None and state != found.mtime_ns:
            raise FileReplacedError(size_bytes=len(answer.body), mtime_ns=state)
        return answer.body


class _Signer:
    """Makes signed URLs. They are as good as a key until they end, so they are neither kept nor shown."""

    def __init__(self, access: BucketAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._client: Any = None

    def sign(self, operation: str, asked: Mapping[str, str]) -> str:
        try:
            with self._lock:
                if self._client is None:
                    self._client = self._make_client()
                url: str = self._client.generate_presigned_url(
                    operation, Params=dict(asked), ExpiresIn=_SIGNED_FOR_S
                )
        except botocore.exceptions.NoCredentialsError as exc:
            raise FileUnreadableError(
                "there is no key for it. Set s3.access_key_id (FOOTNOTE_S3__ACCESS_KEY_ID) and s3.secret_access_key, "
                "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a bucket that is open to all, s3.anonymous"
            ) from exc
        except botocore.exceptions.ParamValidationError as exc:
            raise InvalidRequestError("its bucket's name is not one that a bucket can have") from exc
        except botocore.exceptions.BotoCoreError as exc:
            raise FileUnreadableError(f"its requests cannot be signed ({type(exc).__name__})") from exc
        return url

    def _make_client(self) -> Any:
        access = self._access
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=access.endpoint,
            region_name=access.region or "us-east-1",
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            aws_session_token=access.session_token,
            config=botocore.config.Config(
                signature_version=botocore.UNSIGNED if access.anonymous else "s3v4",
                s3={"addressing_style": "path" if access.path_style else "auto"},
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    key: str
    size_bytes: int
    etag: str
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    objects: tuple[_Object, ...]
    next_token: str


def _parse_page(content: bytes) -> _Page:
    """A page of ListObjectsV2
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)."""
    root = _root(content)
    if root is None or _name(root) != "ListBucketResult":
        raise FileUnreadableError("what the server sent is no list of a bucket")
    fields = _fields(root)
    encoded = fields.get("EncodingType") == "url"
    token = fields.get("NextContinuationToken", "") if fields.get("IsTruncated") == "true" else ""
    if fields.get("IsTruncated") == "true" and not token:
        raise FileUnreadableError("the server's list breaks off without saying how it goes on")
    return _Page(objects=tuple(_objects(root, encoded)), next_token=token)


def _objects(root: Any, encoded: bool) -> Iterator[_Object]:
    for element in root:
        if _name(element) == "Contents":
            fields = _fields(element)
            key, size = fields.get("Key", ""), fields.get("Size", "")
            if not key or not (size.isascii() and size.isdigit() and len(size) <= _MOST_DIGITS):
                raise FileUnreadableError("the server's list has an object without a key or a size")
            yield _Object(
                key=unquote_plus(key) if encoded else key,
                size_bytes=int(size),
                etag=fields.get("ETag", ""),
                modified=fields.get("LastModified", ""),
            )


def _refusal(answer: Answer) -> str:
    """Why S3 refuses, by the code in its answer
    (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    root = _root(answer.body) if answer.body else None
    code = _fields(root).get("Code", "")[:60] if root is not None else ""
    said = f"the server answers {answer.status} {code}".rstrip()
    if answer.status in {301, 307} or code in {"PermanentRedirect", "AuthorizationHeaderMalformed"}:
        region = answer.headers.get("x-amz-bucket-region", "")[:40]
        return f"{said}: the bucket is in another region{region and f', {region}'} (s3.region, FOOTNOTE_S3__REGION)"
    if answer.status == 403:
        return f"{said}: the key may not list or read it, or is wrong"
    return said


def _root(content: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None
    return None if root.getroottree().docinfo.doctype else root


def _fields(element: Any) -> dict[str, str]:
    return {_name(child): child.text or "" for child in element}


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
