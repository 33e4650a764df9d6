"""XML as a tree, with nothing in it resolved but characters.

No document type ever reaches the parser: it is cut out before, and with it every entity, so that nothing can be
fetched, opened or blown up, in attributes either (where libxml2 replaces entities whatever it is told). What HTML and
the older article formats name by entity ("&eacute;") is replaced by the character; any other name stays as it is.
"""

from __future__ import annotations

import html.entities
import re

from lxml import etree

_MARKUP = re.compile(r"<!\[CDATA\[|<!--|<\?|<!DOCTYPE|&", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w{1,40}));")
_DOCTYPE_PART = re.compile(r"\"[^\"]*\"|'[^']*'|<!--|[\[\]>]")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CLOSERS = {"<![cdata[": "]]>", "<!--": "-->", "<?": "?>"}
_FATAL = etree.ErrorLevels.FATAL


def element_tree(source: str) -> tuple[etree._Element | None, str | None]:
    """The root element of an XML text, and in what way it is broken, or None. No root if it is not XML at all.

    What comes before a mistake is kept. Elements nest at most 256 deep (libxml2's limit), there are no comments and no
    processing instructions.
    """
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=True,
    )
    try:
        root = etree.fromstring(_harmless(source).encode(), parser)
    except etree.XMLSyntaxError:
        return None, None
    return root, next((_in_words(error) for error in parser.error_log if error.level >= _FATAL), None)


def _in_words(error: etree._LogEntry) -> str:
    """Where and how the text is broken, without any of its words."""
    kind = error.type_name.removeprefix("ERR_").replace("_", " ").lower()
    return f"line {error.line:,}: {kind}"


def _harmless(source: str) -> str:
    """The text without comments, instructions and document type, its entities replaced, as XML allows it."""
    source = _NOT_XML.sub("\ufffd", source)
    parts: list[str] = []
    cursor = 0
    while (found := _MARKUP.search(source, cursor)) is not None:
        parts.append(source[cursor : found.start()])
        opener = found[0].lower()
        if opener == "&":
            entity = _ENTITY.match(source, found.start())
            parts.append(_character(entity) if entity else "&amp;")
            cursor = entity.end() if entity else found.end()
        elif opener == "<!doctype":
            cursor = _end_of_doctype(source, found.end())
        else:
            end = source.find(_CLOSERS[opener], found.end())
            cursor = len(source) if end < 0 else end + len(_CLOSERS[opener])
            if opener == "<![cdata[":
                parts.append(source[found.start() : cursor])
    parts.append(source[cursor:])
    return "".join(parts).lstrip()


def _character(entity: re.Match[str]) -> str:
    """A reference as XML knows it without any document type."""
    decimal, hexadecimal, name = entity.groups()
    if name is not None:
        return entity[0] if name in _OF_XML else html.entities.html5.get(f"{name};", f"&amp;{name};")
    code = int(decimal) if decimal else int(hexadecimal, 16)
    is_allowed = (
        code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    )
    return entity[0] if is_allowed else "\ufffd"


def _end_of_doctype(source: str, start: int) -> int:
    """Where a document type ends: at the first ">" outside its quotations, comments and inner part."""
    depth, cursor = 0, start
    while (found := _DOCTYPE_PART.search(source, cursor)) is not None:
        cursor = found.end()
        if found[0] == "<!--":
            end = source.find("-->", cursor)
            cursor = len(source) if end < 0 else end + 3
        elif found[0] == ">" and depth <= 0:
            return cursor
        else:
            depth += {"[": 1, "]": -1}.get(found[0], 0)
    return len(source)
