"""Rich Text Format (.rtf), after its specification 1.9.1."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.bounds import checked
from ingest.parsers.rtf.blocks import BlockWriter, Paragraph
from ingest.parsers.rtf.tokens import DEFAULT_CODEC, codec_of_charset, codec_of_page, tokens
from ingest.parsers.rtf.words import CHARACTERS, DESTINATIONS, STARRED_TEXT, SYMBOLS, Destination
from ingest.parsers.running_heads import running_heads
from ingest.parsers.text import TextBuilder, one_line, stated_title

_MEDIA_TYPE = "application/rtf"
_SIGNATURE = b"{\\rtf"
_DEEPEST = 5_000


class RtfParser:
    """Reads RTF files: notes after the paragraph that calls them, headers and footers once each at the end, lists with
    their numbers as the file has them. Hidden and deleted text, comments, pictures and index entries are left out.
    """

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a file; raises `ParseError` if it is no RTF or nested beyond reason."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        start = content[:1024].find(_SIGNATURE)
        if start < 0 or content[:start].strip(b"\xef\xbb\xbf\0 \t\r\n"):
            raise ParseError(f"{file_name} is no RTF file: it does not begin as one does")
        reader = _Reader(file_name)
        reader.read(content[start:])
        return checked(reader.build(), file_name)


class _Group:
    """What holds within a group, and for the groups in it until they say otherwise."""

    __slots__ = (
        "codec",
        "destination",
        "fonts_by_script",
        "is_hidden",
        "is_own",
        "script",
        "skipped_by_unicode",
    )

    def __init__(self) -> None:
        self.destination: Destination = "text"
        self.is_own = False
        self.is_hidden = False
        self.script = ""
        self.fonts_by_script: dict[str, int] = {}
        self.codec: str | None = None
        self.skipped_by_unicode = 1


class _Reader:
    """Reads one file."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._builder = TextBuilder()
        self._blocks = BlockWriter(self._builder)
        self._group = _Group()
        self._outer: list[_Group] = []
        self._codec = DEFAULT_CODEC
        self._codecs: dict[int, str | None] = {}
        self._default_font = 0
        self._font = self._style = 0
        self._written: dict[str, list[str]] = {
            name: [] for name in ("text", "note", "header", "title", "styles", "label")
        }
        self._bytes: list[bytes] = []
        self._to_skip = 0
        self._surrogate = 0
        self._starred = False
        self._paragraph = Paragraph()
        self._headers: list[str] = []
        self._title: str | None = None
        self._words: dict[str, Callable[[int | None], None]] = {
            **dict.fromkeys(("par", "sect", "page"), self._end_paragraph),
            **dict.fromkeys(("f", "af"), self._set_font),
            **dict.fromkeys(("v", "deleted"), self._set_hidden),
            "ansicpg": self._set_code_page,
            "cell": self._end_cell,
            "cellx": lambda _: self._blocks.define_cell(),
            "clmrg": lambda _: self._blocks.merge(left=True),
            "clvmrg": lambda _: self._blocks.merge(above=True),
            "cpg": self._set_font_page,
            "deff": self._set_default_font,
            "fcharset": self._set_charset,
            "mac": lambda _: self._set_code_page(10000),
            "pard": self._reset_paragraph,
            "pc": lambda _: self._set_code_page(437),
            "pca": lambda _: self._set_code_page(850),
            "plain": self._reset_text,
            "row": lambda _: self._blocks.row(),
            "s": self._set_style,
            "trowd": lambda _: self._blocks.define_row(),
            "u": self._write_unicode,
            "uc": self._set_skipped,
        }

    def read(self, content: bytes) -> None:
        """Read the file. Raises `ParseError` where it is nested beyond reason."""
        for token in tokens(content):
            match token.kind:
                case "open":
                    self._open()
                case "close":
                    self._close()
                case "word":
                    self._read_word(token.value, token.number)
                case "symbol":
                    self._read_symbol(token.value)
                case "text":
                    self._read_bytes(token.text)
        while self._outer:
            self._close()
        self._end_paragraph(None)
        self._blocks.end_table()

    def build(self) -> ParsedDocument:
        """The document as read."""
        for header in running_heads(self._headers):
            self._builder.append("paragraph", header)
        title = stated_title(self._title) or self._blocks.styled_title
        return self._builder.build(title=title, media_type=_MEDIA_TYPE)

    def _open(self) -> None:
        self._flush()
        if len(self._outer) >= _DEEPEST:
            raise ParseError(
                f"{self._file_name} is damaged: its groups are nested more than {_DEEPEST:,} deep"
            )
        self._outer.append(self._group)
        self._group = copy(self._group)
        self._group.is_own = False
        self._starred = False
        self._to_skip = 0

    def _close(self) -> None:
        self._flush()
        self._starred = False
        self._to_skip = 0
        if not self._outer:
            return
        ended, self._group = self._group, self._outer.pop()
        if ended.destination == "styles" and self._group.destination == "styles":
            self._blocks.styles[self._style] = self._taken("styles").strip().removesuffix(";").strip()
            self._style = 0
        elif ended.is_own:
            self._end_destination(ended.destination)

    def _end_destination(self, destination: Destination) -> None:
        if destination == "note":
            self._blocks.note(self._taken("note"))
        elif destination == "header":
            self._headers.append(self._taken("header"))
        elif destination == "title":
            self._title = self._taken("title")
        elif destination == "label":
            self._paragraph.label = one_line(self._taken("label"))
            self._paragraph.is_item = True
        elif destination == "styles":
            self._taken("styles")

    def _read_word(self, word: str, number: int | None) -> None:
        if word in CHARACTERS:
            self._write(CHARACTERS[word])
            return
        if word != "u":
            self._flush()
        starred, self._starred = self._starred, False
        if starred and word not in STARRED_TEXT and word not in DESTINATIONS:
            self._start("skip")
        elif word in STARRED_TEXT:
            self._start(
                "text" if self._group.destination == "skip" and word == "ud" else self._group.destination
            )
        elif word in DESTINATIONS:
            self._start(DESTINATIONS[word])
        elif word in self._words:
            self._words[word](number)
        elif word in ("loch", "hich", "dbch"):
            self._group.script = word
        elif word in ("intbl", "ls", "outlinelevel"):
            self._set_paragraph(word, number)

    def _read_symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._starred = True
        elif symbol in "\r\n":
            self._end_paragraph(None)
        elif symbol in SYMBOLS:
            self._write(SYMBOLS[symbol])

    def _read_bytes(self, text: bytes) -> None:
        skipped = min(self._to_skip, len(text))
        self._to_skip -= skipped
        if self._group.destination not in ("skip", "fonts"):
            self._bytes.append(text[skipped:])

    def _start(self, destination: Destination) -> None:
        """Begin what the group is for; within what is left out, all is left out, a title in its properties aside."""
        if (
            self._group.destination != "skip"
            or destination == "title"
            or self._is_unicode_of_pair(destination)
        ):
            self._group.destination = destination
            self._group.is_own = destination != "text"

    def _is_unicode_of_pair(self, destination: Destination) -> bool:
        return destination == "text" and len(self._outer) > 1 and self._outer[-1].destination == "skip"

    def _flush(self) -> None:
        """Decode the bytes that came in since the last control word, as the font's encoding has it."""
        if self._bytes:
            content, self._bytes = b"".join(self._bytes), []
            self._write((self._font_codec() or self._codec, content))

    def _font_codec(self) -> str | None:
        fonts = self._group.fonts_by_script
        return self._codecs.get(fonts.get(self._group.script, fonts.get("", self._default_font)))

    def _write(self, text: str | tuple[str, bytes]) -> None:
        if isinstance(text, str):
            self._flush()
            written = text
        else:
            written = text[1].decode(text[0], "replace")
        target = self._written.get(self._group.destination)
        if target is not None and not self._group.is_hidden:
            target.append(written)

    def _write_unicode(self, number: int | None) -> None:
        self._flush()
        code = (number or 0) % 0x10000
        if 0xD800 <= code < 0xDC00:
            self._surrogate = code
        elif 0xDC00 <= code < 0xE000 and self._surrogate:
            self._write(chr(0x10000 + ((self._surrogate - 0xD800) << 10) + code - 0xDC00))
            self._surrogate = 0
        else:
            self._write(chr(code))
        self._to_skip = self._group.skipped_by_unicode

    def _taken(self, destination: str) -> str:
        text = "".join(self._written[destination])
        self._written[destination].clear()
        return text

    def _end_paragraph(self, _number: int | None) -> None:
        self._flush()
        if self._group.destination in ("note", "header"):
            self._write("\n")
        elif self._group.destination == "text":
            self._blocks.paragraph(self._taken("text"), self._paragraph)
            self._paragraph = copy(self._paragraph)
            self._paragraph.label = ""

    def _end_cell(self, _number: int | None) -> None:
        self._flush()
        if self._group.destination == "text":
            self._paragraph.in_table = True
            label = f"{self._paragraph.label} " if self._paragraph.label else ""
            self._blocks.cell(label + self._taken("text"))
            self._paragraph.label = ""

    def _reset_paragraph(self, _number: int | None) -> None:
        if self._group.destination == "text":
            label = self._paragraph.label
            self._paragraph = Paragraph(label=label, is_item=bool(label))

    def _reset_text(self, _number: int | None) -> None:
        self._group.fonts_by_script = {}
        self._group.script = ""
        self._group.is_hidden = False

    def _set_paragraph(self, word: str, number: int | None) -> None:
        if self._group.destination != "text":
            return
        if word == "intbl":
            self._paragraph.in_table = True
        elif word == "ls":
            self._paragraph.is_item = bool(number or self._paragraph.label)
        else:
            self._paragraph.outline_level = number

    def _set_style(self, number: int | None) -> None:
        if self._group.destination == "styles":
            self._style = number or 0
        elif self._group.destination == "text":
            self._paragraph.style = number or 0

    def _set_code_page(self, number: int | None) -> None:
        self._codec = codec_of_page(number or 1252)

    def _set_default_font(self, number: int | None) -> None:
        self._default_font = number or 0

    def _set_font(self, number: int | None) -> None:
        if self._group.destination == "fonts":
            self._font = number or 0
        else:
            self._group.fonts_by_script = {**self._group.fonts_by_script, self._group.script: number or 0}

    def _set_charset(self, number: int | None) -> None:
        if self._group.destination == "fonts":
            self._codecs[self._font] = codec_of_charset(number or 0)

    def _set_font_page(self, number: int | None) -> None:
        if self._group.destination == "fonts" and number:
            self._codecs[self._font] = codec_of_page(number)

    def _set_skipped(self, number: int | None) -> None:
        self._group.skipped_by_unicode = max(0, min(number or 0, 10))

    def _set_hidden(self, number: int | None) -> None:
        self._group.is_hidden = number != 0
