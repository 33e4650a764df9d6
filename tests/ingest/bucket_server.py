"""A small S3 at the wire: ListObjectsV2 in pages, GetObject, and signatures (version 4), which it checks."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from ingest.fetching.policies import BucketAccess

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass(slots=True, kw_only=True)
class Buckets:
    """Objects by bucket and key. refuse: a status and a code that everything is answered with."""

    url: str
    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    page_size: int = 1000
    refuse: tuple[int, str] | None = None
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)

    def access(self, *, secret: str = SECRET) -> BucketAccess:
        return BucketAccess(
            endpoint=self.url,
            region="eu-test-1",
            access_key_id=KEY,
            secret_access_key=secret,
            path_style=True,
        )


@contextmanager
def serving_buckets() -> Iterator[Buckets]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
            asked = {
                name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
            }
            buckets.asked.append(f"{bucket}/{key}" if key else f"{bucket}?{asked.get('prefix', '')}")
            if buckets.refuse is not None:
                self._refuse(*buckets.refuse)
            elif not _is_signed(self.path, self.headers["Host"]):
                self._refuse(403, "SignatureDoesNotMatch")
            elif bucket not in buckets.objects:
                self._refuse(404, "NoSuchBucket")
            elif buckets.body is not None:
                self._send(200, buckets.body, "application/xml")
            elif not key:
                self._send(200, _page(buckets, bucket, asked), "application/xml")
            elif key not in buckets.objects[bucket]:
                self._refuse(404, "NoSuchKey")
            else:
                content = buckets.objects[bucket][key]
                self._send(200, content, "binary/octet-stream", etag=_etag(content))

        def _refuse(self, status: int, code: str) -> None:
            said = f"<Error><Code>{code}</Code><Message>No.</Message></Error>"
            self._send(status, said.encode(), "application/xml")

        def _send(self, status: int, body: bytes, media_type: str, etag: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            if etag:
                self.send_header("ETag", etag)
            if status == 301:
                self.send_header("x-amz-bucket-region", "eu-central-1")
                self.send_header("Location", "http://127.0.0.2/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    buckets = Buckets(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield buckets
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def _page(buckets: Buckets, bucket: str, asked: dict[str, str]) -> bytes:
    prefix, after = asked.get("prefix", ""), asked.get("continuation-token", "")
    keys = sorted(key for key in buckets.objects[bucket] if key.startswith(prefix) and key > after)
    page, rest = keys[: buckets.page_size], keys[buckets.page_size :]
    encode = (lambda key: quote(key, safe="/")) if asked.get("encoding-type") == "url" else escape
    contents = "".join(
        f"<Contents><Key>{encode(key)}</Key><LastModified>2026-01-31T09:30:00.000Z</LastModified>"
        f"<ETag>{escape(_etag(buckets.objects[bucket][key]))}</ETag><Size>{len(buckets.objects[bucket][key])}</Size>"
        "</Contents>"
        for key in page
    )
    more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
    encoding = "<EncodingType>url</EncodingType>" if asked.get("encoding-type") == "url" else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{encoding}'
        f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>{more}{contents}</ListBucketResult>"
    ).encode()


def _is_signed(path: str, host: str) -> bool:
    """Whether a URL is signed as it should be
    (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html)."""
    parts = urlsplit(path)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    signature = asked.pop("X-Amz-Signature", "")
    key, day, region, service, end = asked.get("X-Amz-Credential", "////").split("/")
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(asked[name], safe='-_.~')}" for name in sorted(asked)
    )
    request = "\n".join(["GET", parts.path, query, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    scope = f"{day}/{region}/{service}/{end}"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", asked.get("X-Amz-Date", ""), scope, hashed])
    secret = f"AWS4{SECRET}".encode()
    for part in (day, region, service, end):
        secret = hmac.new(secret, part.encode(), "sha256").digest()
    return key == KEY and hmac.compare_digest(
        signature, hmac.new(secret, to_sign.encode(), "sha256").hexdigest()
    )
