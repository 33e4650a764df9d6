"""Small office files of the older binary formats: as much of each as a reader needs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_LEAST_STREAM = 4096
FOOTNOTE_CALL = "\x02"
_FLAGS = 0x0200


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file (OLE) of a few streams, each filled up to the size from which it has sectors of its own."""
    names = list(streams)
    contents = [streams[name].ljust(_LEAST_STREAM, b"\0") for name in names]
    contents = [content.ljust(-(-len(content) // _SECTOR) * _SECTOR, b"\0") for content in contents]
    fat: list[int] = []
    starts: list[int] = []
    for content in contents:
        starts.append(len(fat))
        count = len(content) // _SECTOR
        fat.extend([*range(len(fat) + 1, len(fat) + count), _END])
    entries = [_entry("Root Entry", 5, _END, 0, child=1)]
    for place, (name, start, content) in enumerate(zip(names, starts, contents, strict=True), start=1):
        sibling = place + 1 if place < len(names) else _FREE
        entries.append(_entry(name, 2, start, len(content), right=sibling))
    directory = b"".join(entries)
    directory = directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0")
    directory_start, directory_count = len(fat), len(directory) // _SECTOR
    fat.extend([*range(directory_start + 1, directory_start + directory_count), _END])
    fat_place = len(fat)
    fat.append(_FAT)
    assert len(fat) <= _SECTOR // 4, "one sector of the table must do"
    fat.extend([_FREE] * (_SECTOR // 4 - len(fat)))
    sizes = (bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0)
    places = (1, directory_start, 0, _LEAST_STREAM, _END, 0, _END, 0, fat_place)
    header = struct.pack("<8s16sHHHHH6sI9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", *sizes, *places)
    header = header.ljust(_SECTOR, b"\xff")
    return header + b"".join(contents) + directory + struct.pack(f"<{len(fat)}I", *fat)


def _entry(name: str, kind: int, start: int, size: int, *, child: int = _FREE, right: int = _FREE) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    return struct.pack("<64sHBBIII16sIQQIQ", encoded, len(encoded), kind, 1, _FREE, right, child, bytes(16), 0, 0, 0,
                       start, size)  # fmt: skip


def sprm(code: int, operand: bytes) -> bytes:
    """One property of a paragraph."""
    return struct.pack("<H", code) + operand


IN_TABLE = sprm(0x2416, b"\1")
ROW_END = IN_TABLE + sprm(0x2417, b"\1")


def doc(*paragraphs: tuple[str, int, bytes], notes: Sequence[str] = (), flags: int = 0) -> bytes:
    """A Word document of paragraphs: text with the sign that ends it, number of its style, properties.

    Styles 1 to 9 are headings, 10 is the title. `FOOTNOTE_CALL` in a text calls the next of `notes`.
    """
    return compound(doc_streams(*paragraphs, notes=notes, flags=flags))


def doc_streams(
    *paragraphs: tuple[str, int, bytes], notes: Sequence[str] = (), flags: int = 0
) -> dict[str, bytes]:
    """The streams of `doc`."""
    body = "".join(text for text, _, _ in paragraphs)
    footnotes = "".join(f"{FOOTNOTE_CALL}{note}\r" for note in notes)
    text = body + footnotes
    text_start = 2 * _SECTOR
    encoded = text.encode("utf-16-le", "surrogatepass")
    papx_start = -(-(text_start + len(encoded)) // _SECTOR) * _SECTOR
    table = bytearray(b"\0" * 8)
    pairs: dict[int, tuple[int, int]] = {}

    def put(index: int, content: bytes) -> None:
        pairs[index] = (len(table), len(content))
        table.extend(content)

    put(1, _style_sheet())
    put(13, struct.pack("<III", text_start, text_start + len(encoded), papx_start // _SECTOR))
    piece = struct.pack("<IIHIH", 0, len(text), 0, text_start, 0)
    put(33, b"\2" + struct.pack("<I", len(piece)) + piece)
    if notes:
        calls = [place for place, sign in enumerate(body) if sign == FOOTNOTE_CALL]
        put(2, struct.pack(f"<{len(calls) + 1}I", *calls, len(body)) + bytes(2 * len(calls)))
        bounds = [0]
        for note in notes:
            bounds.append(bounds[-1] + len(note) + 2)
        put(3, struct.pack(f"<{len(bounds) + 1}I", *bounds, bounds[-1] + 1))
    fib = bytearray(text_start)
    struct.pack_into("<HH", fib, 0, 0xA5EC, 0xC1)
    struct.pack_into("<H", fib, 10, _FLAGS | flags)
    struct.pack_into("<ii", fib, 0x4C, len(body), len(footnotes))
    for index, pair in pairs.items():
        struct.pack_into("<II", fib, 0x9A + 8 * index, *pair)
    document = (bytes(fib) + encoded).ljust(papx_start, b"\0") + _papx_page(paragraphs, text_start)
    return {"WordDocument": document, "1Table": bytes(table)}


def _papx_page(paragraphs: Sequence[tuple[str, int, bytes]], start: int) -> bytes:
    """The page that says of each paragraph where it ends, and its style and properties."""
    page = bytearray(_SECTOR)
    page[-1] = len(paragraphs)
    places = [start]
    end = _SECTOR - 1
    for number, (text, style, properties) in enumerate(paragraphs):
        places.append(places[-1] + 2 * len(text))
        content = struct.pack("<H", style) + properties
        content += b"\0" * ((len(content) + 1) % 2)
        end = (end - len(content) - 1) // 2 * 2
        page[end : end + 1 + len(content)] = bytes([(len(content) + 1) // 2]) + content
        page[4 * (len(paragraphs) + 1) + 13 * number] = end // 2
    struct.pack_into(f"<{len(places)}I", page, 0, *places)
    return bytes(page)


def _style_sheet() -> bytes:
    """Styles 0 (plain), 1 to 9 (headings) and 10 (title)."""
    content = struct.pack("<H", 18) + struct.pack("<HH", 11, 10).ljust(18, b"\0")
    for identity in (*range(10), 62):
        name = f"s{identity}"
        style = struct.pack("<HHHHH", identity, 1 | 0xFFF << 4, 1, 0, 0) + struct.pack("<H", len(name))
        style += name.encode("utf-16-le") + b"\0\0" + struct.pack("<HH", 2, identity)
        content += struct.pack("<H", len(style)) + style
    return content


def record(kind: int, content: bytes, *, instance: int = 0, container: bool = False) -> bytes:
    """A record of a presentation."""
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(content)) + content


def ppt_shape(kind: int, text: str, place: tuple[int, int, int, int]) -> bytes:
    """A shape with text of a kind (0 title, 1 body, 2 notes, 4 other); `place` is top, left, right, bottom."""
    box = record(3999, struct.pack("<I", kind)) + record(4000, text.encode("utf-16-le"))
    return record(
        0xF004,
        record(0xF010, struct.pack("<4h", *place)) + record(0xF00D, box, container=True),
        container=True,
    )


def ppt(*slides: tuple[Sequence[bytes], str], token: int = 0xE391C05F) -> bytes:
    """A presentation; a slide is its shapes and the text of its notes."""
    objects: list[bytes] = []
    slide_places, note_places = b"", b""
    for number, (shapes, notes) in enumerate(slides, start=1):
        identity = 255 + number if notes else 0
        atom = record(1007, struct.pack("<I8sIIHH", 0, bytes(8), 0, identity, 0, 0))
        objects.append(record(1006, atom + _drawing(shapes), container=True))
        slide_places += record(1011, struct.pack("<IIiII", 1 + len(objects), 0, 0, 600 + number, 0))
        if notes:
            objects.append(record(1008, _drawing([ppt_shape(2, notes, (0, 0, 9, 9))]), container=True))
            note_places += record(1011, struct.pack("<IIiII", 1 + len(objects), 0, 0, identity, 0))
    lists = record(4080, slide_places, container=True) + record(4080, note_places, instance=2, container=True)
    objects.insert(0, record(1000, lists, container=True))
    content = b""
    places = []
    for one in objects:
        places.append(len(content))
        content += one
    directory = len(content)
    content += record(6002, struct.pack(f"<I{len(places)}I", 1 | len(places) << 20, *places))
    edit = len(content)
    content += record(4085, struct.pack("<IIIII", 0, 0, 0, directory, 1))
    user = record(4086, struct.pack("<III", 20, token, edit))
    return compound({"PowerPoint Document": content, "Current User": user})


def _drawing(shapes: Sequence[bytes]) -> bytes:
    background = record(0xF004, b"", container=True)
    group = record(0xF003, background + b"".join(shapes), container=True)
    return record(1036, record(0xF002, group, container=True), container=True)


def xls(
    rows: Sequence[Sequence[str | float | None]], *, name: str = "Sheet", format_code: str = "0.0%"
) -> bytes:
    """A workbook of one sheet; numbers have the format `format_code`."""
    globals_ = _biff(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0)) + _biff(
        0x0042, struct.pack("<H", 1200)
    )
    globals_ += _biff(0x0031, struct.pack("<HHHHHBBBB", 200, 0, 0, 400, 0, 0, 0, 0, 0) + b"\5\0Arial") * 5
    globals_ += _biff(
        0x041E, struct.pack("<H", 164) + struct.pack("<HB", len(format_code), 0) + format_code.encode()
    )
    globals_ += b"".join(_biff(0x00E0, struct.pack("<HHH14x", 0, number, 0)) for number in (0, 164))
    sheet_name = struct.pack("<BB", len(name), 0) + name.encode()
    place = len(globals_) + 4 + 6 + len(sheet_name) + 4
    globals_ += _biff(0x0085, struct.pack("<IBB", place, 0, 0) + sheet_name) + _biff(0x000A, b"")
    sheet = _biff(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0))
    for row, cells in enumerate(rows):
        for column, value in enumerate(cells):
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                sheet += _biff(0x0204, struct.pack("<HHH", row, column, 0) + text)
            elif value is not None:
                sheet += _biff(0x0203, struct.pack("<HHHd", row, column, 1, value))
    return compound({"Workbook": globals_ + sheet + _biff(0x000A, b"")})


def _biff(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content
