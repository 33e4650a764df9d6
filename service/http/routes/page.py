"""GET /: the web page; GET /assets/…: its scripts and styles. Neither needs a key: what the page shows does."""

from __future__ import annotations

from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import Response

from retrieval.errors import NotFoundError
from service.http.etags import names
from service.http.site import SiteFile, the_site

router = APIRouter(include_in_schema=False)

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pages of documents, which the script fetches so as to say why there is none
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_GUARDS = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
)
_CHECKED_EACH_TIME = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page, which names the versions of all else."""
    return _response(request, the_site().page, cache_control=_CHECKED_EACH_TIME)


@router.api_route("/assets/{version}/{path:path}", methods=["GET", "HEAD"])
async def asset(version: str, path: str, request: Request) -> Response:
    """A script, a style or a picture. Of another version, as while several versions serve side by side, it is sent but
    not to be kept."""
    site = the_site()
    file = site.files.get(path)
    if file is None:
        raise NotFoundError("there is no such file.")
    return _response(
        request, file, cache_control=_FOR_GOOD if version == site.version else _CHECKED_EACH_TIME
    )


def _response(request: Request, file: SiteFile, *, cache_control: str) -> Response:
    headers = {**_GUARDS, "Cache-Control": cache_control, "ETag": file.tag, "Vary": "Accept-Encoding"}
    known = request.headers.get("if-none-match")
    if known is not None and names(known, file.tag):
        return Response(status_code=304, headers=headers)
    content = file.content
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        content = file.compressed
    return Response(content, headers=headers, media_type=file.media_type)


def _takes_gzip(accepted: str) -> bool:
    """Whether a browser takes gzip; one that says so with a weight of zero does not (RFC 9110, 12.5.3)."""
    for part in accepted.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
