"""Samples of mail formats and books."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO

from ingest.parsers.formats import ParserKind
from tests.ingest.samples.compound_files import compound_file, outlook_message

_CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def book(
    chapters: Mapping[str, str],
    *,
    title: str = "A guide",
    author: str = "Ann Author",
    contents: Mapping[str, str] | None = None,
    spine: Sequence[str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """An EPUB book.

    chapters: the body of each file by its name. contents: the table of contents (EPUB 2), label by target.
    spine: itemrefs' attributes besides what is made of the chapters' names. extra: further files by path.
    """
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in chapters
    )
    order = "".join(spine if spine is not None else (f'<itemref idref="{name}"/>' for name in chapters))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="2.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator></metadata>"
        f'<manifest><item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>{items}</manifest>'
        f'<spine toc="ncx">{order}</spine></package>'
    )
    points = "".join(
        f'<navPoint><navLabel><text>{label}</text></navLabel><content src="{target}"/></navPoint>'
        for target, label in (contents or {}).items()
    )
    files = {
        "META-INF/container.xml": _CONTAINER,
        "OEBPS/book.opf": package,
        "OEBPS/toc.ncx": f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>',
        **{f"OEBPS/{name}.xhtml": xhtml(body) for name, body in chapters.items()},
        **(extra or {}),
    }
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target_file:
        target_file.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, text in files.items():
            target_file.writestr(zipfile.ZipInfo(name), text)
    return archive.getvalue()


def xhtml(body: str) -> str:
    """A page of a book."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title/></head><body>{body}</body></html>'
    )


SAMPLES: dict[ParserKind, bytes] = {
    "mail": (
        "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        "Content-Type: text/plain; charset=utf-8\r\n\r\nHello 😀\0.\r\n\r\n> quoted\r\n--b\r\n"
        'Content-Type: text/markdown; name="notes.md"\r\nContent-Disposition: attachment; filename="notes.md"\r\n\r\n'
        "# Notes\r\n\r\n- one\r\n- two\r\n\r\n```\r\n  code\r\n```\r\n--b--\r\n"
    ).encode(),
    "outlook": compound_file(
        outlook_message(
            {0x0037: "Greetings", 0x0C1A: "Ann", 0x1000: "Hello.\r\n\r\nBye 😀.", 0x3FDE: 65001},
            attachments=[{0x3707: "notes.txt", 0x3701: b"Some notes.", 0x3705: 1}],
        )
    ),
    "epub": book(
        {
            "one": "<h1>One</h1><p>The <b>first</b> chapter.</p><ul><li>a</li><li>b</li></ul>",
            "two": "<p>The second.</p><pre>  code\n</pre>",
        },
        contents={"one.xhtml": "One", "two.xhtml": "Two"},
    ),
}
NO_TEXT: dict[ParserKind, bytes] = {
    "mail": b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n \r\n",
    "outlook": compound_file(outlook_message({0x001A: "IPM.Note", 0x1000: " \r\n"})),
    "epub": book({"one": '<img src="cover.jpg"/>'}),
}
