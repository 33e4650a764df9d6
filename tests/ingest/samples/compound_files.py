"""Compound files ([MS-CFB]), such as Outlook's messages are in: written here, since no library writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

Tree = Mapping[str, "bytes | Tree"]

_SECTOR, _SMALL, _CUT_OFF = 512, 64, 4096
_END, _FREE, _FAT_SECTOR, _NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Entry:
    name: str
    kind: int
    content: bytes = b""
    child: int = _NONE
    right: int = _NONE
    start: int = _END


@dataclass(slots=True)
class _Sectors:
    """Sectors of one size, and the table that chains them."""

    size: int
    parts: list[bytes] = field(default_factory=list)
    table: list[int] = field(default_factory=list)

    def add(self, content: bytes) -> int:
        """Append a chain of sectors; returns its first."""
        pieces = [content[start : start + self.size] for start in range(0, len(content), self.size)]
        if not pieces:
            return _END
        first = len(self.parts)
        self.parts.extend(piece.ljust(self.size, b"\0") for piece in pieces)
        self.table.extend([*range(first + 1, first + len(pieces)), _END])
        return first


def compound_file(tree: Tree) -> bytes:
    """A compound file of streams (bytes) and storages (mappings)."""
    entries = [_Entry("Root Entry", _ROOT)]
    _add_children(entries, entries[0], tree)
    small, sectors = _Sectors(_SMALL), _Sectors(_SECTOR)
    for entry in entries:
        if entry.kind == _STREAM:
            entry.start = (small if len(entry.content) < _CUT_OFF else sectors).add(entry.content)
    entries[0].content = b"".join(small.parts)
    entries[0].start = sectors.add(entries[0].content)
    small_table = sectors.add(struct.pack(f"<{len(small.table)}I", *small.table))
    directory = sectors.add(b"".join(map(_directory_entry, entries)))
    tables = 1
    while (len(sectors.parts) + tables) * 4 > tables * _SECTOR:
        tables += 1
    first_table = len(sectors.parts)
    table = [*sectors.table, *[_FAT_SECTOR] * tables]
    table += [_FREE] * (tables * _SECTOR // 4 - len(table))
    header = struct.pack(
        "<8s16s5H6x9I",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6),
        *(0, tables, directory, 0, _CUT_OFF, small_table, -(-len(small.table) * 4 // _SECTOR), _END, 0),
    )
    where = [*range(first_table, first_table + tables), *[_FREE] * (109 - tables)]
    return b"".join(
        [header, struct.pack("<109I", *where), *sectors.parts, struct.pack(f"<{len(table)}I", *table)]
    )


def outlook_message(
    properties: Mapping[int, object],
    *,
    attachments: Sequence[Mapping[int, object]] = (),
    recipients: Sequence[Mapping[int, object]] = (),
    encoding: str | None = None,
    header_size: int = 32,
) -> Tree:
    """The tree of an Outlook message ([MS-OXMSG]) of texts, bytes, numbers, moments and messages (trees) by their tags.

    `encoding` makes its texts 8-bit ones; `header_size` is 24 for a message inside another.
    """
    tree: dict[str, bytes | Tree] = dict(_properties(properties, encoding, header_size))
    for number, attachment in enumerate(attachments):
        tree[f"__attach_version1.0_#{number:08X}"] = dict(_properties(attachment, encoding, 8))
    for number, recipient in enumerate(recipients):
        tree[f"__recip_version1.0_#{number:08X}"] = dict(_properties(recipient, encoding, 8))
    return tree


def _properties(
    properties: Mapping[int, object], encoding: str | None, header_size: int
) -> dict[str, bytes | Tree]:
    found: dict[str, bytes | Tree] = {}
    entries = [bytes(header_size)]
    for number, value in properties.items():
        if isinstance(value, str):
            kind, content = (
                (0x1F, value.encode("utf-16-le")) if encoding is None else (0x1E, value.encode(encoding))
            )
            found[f"__substg1.0_{number:04X}{kind:04X}"] = content
            entries.append(struct.pack("<HHIQ", kind, number, 6, len(content) + 2))
        elif isinstance(value, bytes):
            found[f"__substg1.0_{number:04X}0102"] = value
            entries.append(struct.pack("<HHIQ", 0x102, number, 6, len(value)))
        elif isinstance(value, int):
            entries.append(struct.pack("<HHIQ", 0x03, number, 6, value))
        elif isinstance(value, datetime):
            ticks = int((value - _EPOCH).total_seconds()) * 10_000_000
            entries.append(struct.pack("<HHIQ", 0x40, number, 6, ticks))
        else:
            assert isinstance(value, dict)
            found[f"__substg1.0_{number:04X}000D"] = value
    return {**found, "__properties_version1.0": b"".join(entries)}


def _add_children(entries: list[_Entry], parent: _Entry, tree: Tree) -> None:
    previous: _Entry | None = None
    for name in sorted(tree, key=lambda name: (len(name), name.upper())):
        content = tree[name]
        is_stream = isinstance(content, bytes)
        entry = _Entry(
            name, _STREAM if is_stream else _STORAGE, content if isinstance(content, bytes) else b""
        )
        entries.append(entry)
        if previous is None:
            parent.child = len(entries) - 1
        else:
            previous.right = len(entries) - 1
        previous = entry
        if not isinstance(content, bytes):
            _add_children(entries, entry, content)


def _directory_entry(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBB3I16xI16xIQ",
        *(name, len(name), entry.kind, 1, _NONE, entry.right, entry.child),
        *(0, entry.start if entry.content else _END, len(entry.content)),
    )
