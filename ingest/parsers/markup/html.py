"""HTML: the text that a reader of the page sees, without its scripts, menus and hidden parts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.errors import NoTextError, ParseError
from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.encoding import decode
from ingest.parsers.markup.html_tables import HtmlTable, holds_data
from ingest.parsers.text import TextBuilder, clean, has_visible_text, one_line

# fmt: off
_UNSEEN = frozenset({
    "annotation", "annotation-xml", "area", "audio", "canvas", "datalist", "embed", "head", "iframe", "input",
    "ix:header", "noframes", "noscript", "object", "script", "select", "style", "svg", "template", "textarea",
    "title", "video",
})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "hr", "html", "legend", "li", "listing", "main", "menu", "nav", "ol", "p", "plaintext",
    "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "xmp",
})
# fmt: on
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_KINDS: dict[str, BlockKind] = {
    **dict.fromkeys(_HEADINGS, "heading"),
    **dict.fromkeys(("li", "dt", "dd"), "list_item"),
    **dict.fromkeys(("pre", "listing", "xmp", "plaintext"), "code"),
}
_HIDING_STYLE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]+)|<\?xml[^>]{0,100}?encoding=["']([\w.-]+)""",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\n\r\f\v\xa0]+")
_SPACES_OF_A_LINE = re.compile(r" {2,}")
_AROUND_LINE_END = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{2,}")
_SOFT_HYPHEN = "\xad"

_KNOWN_AS = {
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "gb_2312-80"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601"), "cp949"),
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
}
_OF_TEXT = re.compile(
    r"windows-|cp\d|iso-?8859|iso-?2022|koi8|mac|gb|big5|shift|euc|utf-?8|hz", re.IGNORECASE
)


class HtmlParser:
    """Reads HTML and XHTML pages."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a page; raises `ParseError` if it is empty, binary, or shows no text."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        source = clean(decode(content, file_name=file_name, declared=declared_encoding(content)))
        page = LexborHTMLParser(source)
        title = page.css_first("head > title")
        for with_menus in (False, True):
            builder = TextBuilder()
            _Reader(builder, with_menus=with_menus).read(page)
            parsed = builder.build(title=title.text() if title else None, media_type="text/html")
            if has_visible_text(parsed.text):
                return parsed
        raise NoTextError(f"{file_name} contains no text")


def append_html(builder: TextBuilder, source: str, *, below: int = 0) -> None:
    """Append what a reader of the HTML `source` sees; its headings stand below a heading of level `below`."""
    _Reader(builder, with_menus=False, below=below).read(LexborHTMLParser(clean(source)))


def declared_encoding(content: bytes) -> str | None:
    """The Python name of the encoding that a page declares, as browsers understand it; None if none, or unknown."""
    found = _DECLARED.search(content[:4096])
    if found is None:
        return None
    label = (found[1] or found[2]).decode("ascii", errors="replace").lower()
    name = _KNOWN_AS.get(label, label)
    if not _OF_TEXT.match(name):
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


@dataclass(slots=True)
class _Open:
    """A block element being read: what its text is and, for a numbered list, the number of its next item."""

    kind: BlockKind
    level: int | None = None
    next_number: int | None = None


class _Reader:
    """Reads one page in document order, without recursion: pages nest as deep as they please.

    with_menus: whether navigation is read too.
    below: the level of the heading under which the page's own stand.
    """

    def __init__(self, builder: TextBuilder, *, with_menus: bool, below: int = 0) -> None:
        self._builder = builder
        self._with_menus = with_menus
        self._below = below
        self._open = [_Open("paragraph")]
        self._inline: list[str] = []
        self._number = ""
        self._table: HtmlTable | None = None

    def read(self, page: LexborHTMLParser) -> None:
        """Append the whole page to the builder."""
        for node, entering in self._walk(page.body or page.root):
            if node.tag == "-text":
                self._text(node.text_content or "")
            elif self._table is not None:
                self._in_table(self._table, node, entering=entering)
            elif node.tag == "br":
                self._inline.append("\n" if entering else "")
            elif node.tag in _BLOCKS:
                self._enter(node) if entering else self._leave(node)
        self._flush()

    def _walk(self, root: LexborNode | None) -> Iterator[tuple[LexborNode, bool]]:
        """Every element twice (entering it, leaving it) and every text once; skips what the page does not show."""
        path: list[LexborNode] = []
        node = root
        while node is not None:
            if node.tag == "-text":
                yield node, True
            elif not self._is_left_out(node):
                yield node, True
                if node.child is not None:
                    path.append(node)
                    node = node.child
                    continue
                yield node, False
            while path and node.next is None:
                node = path.pop()
                yield node, False
            node = node.next if path else None

    def _is_left_out(self, node: LexborNode) -> bool:
        tag = node.tag
        if (
            tag is None
            or tag.startswith(("-", "!"))
            or tag in _UNSEEN
            or (tag == "nav" and not self._with_menus)
        ):
            return True
        attributes = node.attributes
        if not attributes:
            return tag == "dialog"
        return (
            "hidden" in attributes
            or (tag == "dialog" and "open" not in attributes)
            or _HIDING_STYLE.search(attributes.get("style") or "") is not None
            or (attributes.get("role") == "navigation" and not self._with_menus)
        )

    def _text(self, text: str) -> None:
        text = text.replace(_SOFT_HYPHEN, "")
        is_code = self._open[-1].kind == "code"
        self._inline.append(text.replace("\xa0", " ") if is_code else _SPACES.sub(" ", text))

    def _enter(self, node: LexborNode) -> None:
        tag, around = str(node.tag), self._open[-1]
        if around.kind == "code":
            self._break_code_line()
            self._open.append(around)
            return
        self._flush()
        if tag == "table" and holds_data(node):
            self._table = HtmlTable()
            return
        kind = around.kind if around.kind == "heading" else _KINDS.get(tag, around.kind)
        level = int(tag[1]) + self._below if tag in _HEADINGS else around.level
        self._open.append(_Open(kind, level, _first_number(node) if tag == "ol" else None))
        if tag == "li" and around.next_number is not None:
            self._number = f"{around.next_number}. "
            around.next_number += 1

    def _leave(self, node: LexborNode) -> None:
        if self._open[-1].kind == "code" and self._open[-2].kind == "code":
            self._break_code_line()
        else:
            self._flush()
        self._open.pop()
        if node.tag == "li":
            self._number = ""

    def _break_code_line(self) -> None:
        if self._inline and not self._inline[-1].endswith("\n"):
            self._inline.append("\n")

    def _flush(self) -> None:
        """Append the text gathered since the last block's edge; an empty line within it parts two paragraphs."""
        text = "".join(self._inline)
        self._inline.clear()
        block = self._open[-1]
        if not text or text.isspace():
            return
        if block.kind == "code":
            self._builder.append("code", text)
            return
        text = _AROUND_LINE_END.sub("\n", _SPACES_OF_A_LINE.sub(" ", text)).strip()
        for part in (one_line(text),) if block.kind == "heading" else _EMPTY_LINES.split(text):
            self._builder.append(block.kind, self._number + part, level=block.level)
            self._number = ""

    def _in_table(self, table: HtmlTable, node: LexborNode, *, entering: bool) -> None:
        tag = node.tag
        if tag == "table":
            table.depth += 1 if entering else -1
            if table.depth == 0:
                table.append_to(self._builder)
                self._inline.clear()
                self._table = None
        elif tag == "tr" and entering:
            table.start_row()
        elif tag in ("td", "th", "caption"):
            text = one_line("".join(self._inline))
            self._inline.clear()
            if not entering and tag == "caption":
                self._builder.append("paragraph", text)
            elif not entering:
                table.add_cell(node, text)
        elif tag in _BLOCKS or tag == "br":
            self._inline.append(" ")


def _first_number(ordered_list: LexborNode) -> int | None:
    """The number that a list starts with; None where it counts in letters, or backwards."""
    attributes = ordered_list.attributes
    if attributes.get("type") not in (None, "", "1") or "reversed" in attributes:
        return None
    start = attributes.get("start") or ""
    return int(start) if re.fullmatch(r"\d{1,9}", start) else 1
