"""The compressed RTF in which Outlook keeps a body ([MS-OXRTFCP], LZFu)."""

from __future__ import annotations

import struct

MOST_BYTES = 64 * 2**20
_LZFU = 0x75465A4C
_UNCOMPRESSED = 0x414C454D
_HEADER = struct.Struct("<IIII")
_WINDOW = 4096
_SHORTEST_REFERENCE = 2
_PRIMED_WITH = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What the window holds at the start, by the specification."""


def decompressed(content: bytes) -> bytes | None:
    """The RTF; as far as it goes where it is cut off, None where it is none. The checksum is not asked: a mail whose
    body is damaged is read as far as it can be."""
    if len(content) < _HEADER.size:
        return None
    _, raw_size, kind, _ = _HEADER.unpack_from(content)
    if kind == _UNCOMPRESSED:
        return content[_HEADER.size : _HEADER.size + raw_size]
    return _unpacked(content[_HEADER.size :]) if kind == _LZFU else None


def _unpacked(content: bytes) -> bytes:
    """Undo the compression: eight tokens after each control byte, a byte of text or a place in the window each."""
    window = bytearray(_WINDOW)
    window[: len(_PRIMED_WITH)] = _PRIMED_WITH
    end = len(_PRIMED_WITH)
    text = bytearray()
    position = 0
    while position < len(content) and len(text) < MOST_BYTES:
        control = content[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                found = content[position : position + 1]
                position += 1
            else:
                reference = int.from_bytes(content[position : position + 2], "big")
                position += 2
                offset, length = reference >> 4, (reference & 0xF) + _SHORTEST_REFERENCE
                if offset == end or position > len(content):
                    return bytes(text)
                found = _copied(window, offset, end, length)
            for byte in found:
                window[end] = byte
                end = (end + 1) % _WINDOW
            text += found
    return bytes(text)


def _copied(window: bytearray, offset: int, end: int, length: int) -> bytes:
    """`length` bytes of the window from `offset`; what reaches its end goes on with what is being copied."""
    reach = (end - offset) % _WINDOW
    return bytes(window[(offset + index % reach) % _WINDOW] for index in range(length))
