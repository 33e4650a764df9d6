"""Files made to harm their parser: archives that swell, entities that multiply, nesting without end, lying headers."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from email.message import EmailMessage

from tests.ingest.documents import simple_docx


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    """A copy of a zip archive, one member exchanged."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {member: opened.read(member) for member in opened.namelist()}
    return zipped(**{**members, name: content})


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
XML_BOMB = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "ha">{ENTITIES}]><a>&e11;</a>'.encode()
QUADRATIC = b'<!DOCTYPE a [<!ENTITY e "' + b"x" * 100_000 + b'">]><a>' + b"&e;" * 100_000 + b"</a>"
EXTERNAL = b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'


def png(width: int, height: int) -> bytes:
    """A picture that says it is this large and holds one row."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", header)
        + part(b"IDAT", zlib.compress(b"\0" * 1000))
        + part(b"IEND", b"")
    )


BODY = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'


def quick_bombs() -> Iterator[tuple[str, bytes]]:
    """Names and contents of files that are seen through at once."""
    docx = simple_docx("Text.")
    deep = BODY + "<w:tbl><w:tr><w:tc>" * 20_000
    yield "entities.docx", with_member(docx, "word/document.xml", XML_BOMB)
    yield "deep.docx", with_member(docx, "word/document.xml", deep.encode())
    yield "entities.xml", XML_BOMB
    yield "quadratic.xml", QUADRATIC
    yield "external.xml", EXTERNAL
    yield "deep.xml", b"<a>" * 100_000 + b"x" + b"</a>" * 100_000
    yield "wide-cell.html", b"<table><tr><td colspan=1000 rowspan=60000>x</table>" * 200
    yield "deep.json", b"[" * 100_000 + b"1" + b"]" * 100_000
    yield "deep-object.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "number.json", b"[" + b"9" * 1_000_000 + b"]"
    yield "deep.md", b"> " * 50_000 + b"x"
    yield "links.md", b"[" * 100_000
    yield "emphasis.md", b"*a **a " * 50_000
    yield "deep.rst", b"".join(b" " * n + b"* x\n\n" for n in range(1_000))
    yield (
        "include.rst",
        b".. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n\n.. csv-table::\n   :file: /etc/passwd\n",
    )
    yield "include.adoc", b"include::/etc/passwd[]\n"
    yield "include.org", b"#+INCLUDE: /etc/passwd\n* " + b"*" * 10_000
    yield "deep.rtf", b"{\\rtf1 " + b"{" * 100_000 + b"x"
    yield "hex.rtf", b"{\\rtf1 {\\pict " + b"00" * 5_000_000 + b"}}"
    yield "wide.csv", b"," * 5_000_000
    yield "cells.xlsx", zipped(**sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    yield "strings.xlsx", zipped(**{**sheet(""), "xl/sharedStrings.xml": XML_BOMB})
    yield "entities.xlsx", zipped(**{**sheet(""), "xl/workbook.xml": XML_BOMB})
    yield (
        "entities.odt",
        zipped(**{"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": XML_BOMB}),
    )
    yield "spaces.odt", odt('<text:p>a<text:s text:c="2000000000"/>b</text:p>')
    yield "entities.epub", zipped(**{"mimetype": b"application/epub+zip", "META-INF/container.xml": XML_BOMB})
    yield "slides.pptx", zipped(**{"[Content_Types].xml": XML_BOMB, "ppt/presentation.xml": XML_BOMB})
    yield "nested.eml", nested_mail(2_000)
    yield "header.eml", b"Subject: " + b"=?utf-8?q?" + b"=41" * 500_000 + b"?=\n\nx"
    yield "deep.ipynb", b'{"cells":' + b"[" * 100_000
    yield "huge.png", png(2**31 - 1, 2**31 - 1)
    yield "large.png", png(60_000, 60_000)
    yield "nothing.pdf", b"%PDF-1.7\n" + b"0 0 obj << " * 200_000
    yield "gzip.txt", gzip.compress(b"x" * 2**20)
    yield "marks.py", b"(" * 200_000
    yield "noise.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + random.Random(7).randbytes(2**20)
    yield "noise.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2**20
    yield "noise.ppt", random.Random(8).randbytes(2**16)
    yield "noise.xls", random.Random(9).randbytes(2**16)


def large_bombs() -> Iterator[tuple[str, bytes]]:
    """Those that take memory to make, or seconds to read."""
    docx = simple_docx("Text.")
    zeros = b"\0" * (200 * 2**20)
    spaces = BODY.encode() + b" " * (100 * 2**20) + b"</w:body></w:document>"
    yield "zip.docx", with_member(docx, "word/document.xml", zeros)
    yield (
        "spaces.docx",
        with_member(docx, "word/document.xml", spaces),
    )
    yield "attributes.xml", b"<a " + b" ".join(b"a%d='x'" % n for n in range(200_000)) + b"/>"
    yield "deep.html", b"<div>" * 100_000 + b"x"
    yield "deep-list.html", b"<ul><li>x" * 50_000
    yield "deep-table.html", b"<table><tr><td>x" * 20_000
    yield "deep-list.md", b"".join(b" " * n + b"- x\n" for n in range(2_000))
    yield "quote.csv", b'"' + b"a,b\n" * 1_000_000
    yield (
        "repeated.ods",
        ods(
            '<table:table-row table:number-rows-repeated="1048576"><table:table-cell office:value-type="string" '
            'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row>'
        ),
    )
    yield (
        "parts.eml",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: text/plain\n\nx\n" * 50_000,
    )
    yield "zip.eml", attachment("a.docx", with_member(docx, "word/document.xml", zeros))
    yield "mails.mbox", b"From a\nSubject: x\n\nx\n\n" * 50_000
    yield (
        "cell.ipynb",
        json.dumps({"cells": [{"cell_type": "code", "source": ["x" * 10]}] * 100_000}).encode(),
    )
    yield "cues.vtt", b"WEBVTT\n\n" + b"00:00.000 --> 00:01.000\nx\n\n" * 100_000
    yield "stream.pdf", pdf_of(zlib.compress(zlib.compress(b" " * 2**30)), "[/FlateDecode /FlateDecode]")
    yield "text.pdf", pdf_of(zlib.compress(b"BT /F 9 Tf (xxxxxxxx) Tj ET\n" * 2_000_000), "/FlateDecode")
    yield "line.txt", b"x" * (20 * 2**20)
    yield "zeros.txt", b"\0" * (20 * 2**20)


def sheet(rows: str) -> dict[str, bytes]:
    """The members of a workbook of one sheet."""
    formats = "http://schemas.openxmlformats.org"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    package = "application/vnd.openxmlformats-package"
    office = f"{formats}/officeDocument/2006/relationships"
    main = f'xmlns="{formats}/spreadsheetml/2006/main" xmlns:r="{office}"'

    def relation(name: str, target: str) -> bytes:
        relations = f'<Relationships xmlns="{formats}/package/2006/relationships">'
        return f'{relations}<Relationship Id="r1" Type="{office}/{name}" Target="{target}"/></Relationships>'.encode()

    types = (
        f'<Types xmlns="{formats}/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="{package}.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>'
    )
    workbook = f'<workbook {main}><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>'
    cells = f'<worksheet {main}><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>'
    return {
        "[Content_Types].xml": types.encode(),
        "_rels/.rels": relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": workbook.encode(),
        "xl/_rels/workbook.xml.rels": relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": cells.encode(),
    }


def opendocument(kind: str, body: str) -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table")
    )
    content = f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>"
    return zipped(
        **{"mimetype": f"application/vnd.oasis.opendocument.{kind}".encode(), "content.xml": content.encode()}
    )


def ods(rows: str) -> bytes:
    table = f'<table:table table:name="A">{rows}</table:table>'
    return opendocument("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")


def odt(paragraphs: str) -> bytes:
    return opendocument("text", f"<office:text>{paragraphs}</office:text>")


def nested_mail(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\n\n" * depth + b"Content-Type: text/plain\n\nx\n"


def attachment(name: str, content: bytes) -> bytes:
    message = EmailMessage()
    message.set_content("Text.")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def pdf_of(stream: bytes, filters: str) -> bytes:
    """A PDF of one page whose content is this packed stream."""
    return b"".join(
        (
            b"%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n",
            b"2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n",
            b"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F<<",
            b"/Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>> endobj\n",
            f"4 0 obj <</Length {len(stream)}/Filter {filters}>> stream\n".encode(),
            stream,
            b"\nendstream endobj\ntrailer <</Root 1 0 R>>\n",
        )
    )
