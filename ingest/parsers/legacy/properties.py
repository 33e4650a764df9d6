"""The title that an older office file states in its properties (MS-OLEPS).

Read here and not by olefile, whose reader of properties does not end on some damaged files.
"""

from __future__ import annotations

import struct

from ingest.parsers.rtf.tokens import codec_of_page
from ingest.parsers.text import stated_title

_CODE_PAGE, _TITLE = 1, 2
_BYTES, _WIDE = 30, 31
_MOST_PROPERTIES = 200
_LONGEST_TITLE = 2_000


def title_of(stream: bytes) -> str | None:
    """The title in a stream "\\x05SummaryInformation", if it states one that can be read."""
    try:
        section = struct.unpack_from("<I", stream, 44)[0]
        count = min(struct.unpack_from("<I", stream, section + 4)[0], _MOST_PROPERTIES)
        pairs = struct.unpack_from(f"<{2 * count}I", stream, section + 8)
        places = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if _TITLE not in places:
            return None
        kind, length = struct.unpack_from("<II", stream, section + places[_TITLE])
        start = section + places[_TITLE] + 8
        page = (
            struct.unpack_from("<H", stream, section + places[_CODE_PAGE] + 4)[0]
            if _CODE_PAGE in places
            else 1252
        )
    except struct.error:
        return None
    if kind == _WIDE or page == 1200:
        size = 2 * length if kind == _WIDE else length
        title = stream[start : start + min(size, _LONGEST_TITLE)].decode("utf-16-le", "replace")
    elif kind == _BYTES:
        title = stream[start : start + min(length, _LONGEST_TITLE)].decode(codec_of_page(page), "replace")
    else:
        return None
    return stated_title(title.partition("\0")[0])
