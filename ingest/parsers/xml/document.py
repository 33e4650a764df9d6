"""XML of any kind.

The text is written anew, since tags are no reading: documents (JATS articles, DocBook, TEI, DITA) as prose with their
headings, XHTML as the page that it is, and data (feeds, exports, configuration) as "name: value" lines, a block for
each record. Attributes are told of data alone. Comments and processing instructions are left out; no document type is
read, so that no entity is ever resolved and nothing is ever fetched (`xml_source`).
"""

from __future__ import annotations

from lxml import etree

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.machine_text import note_on_blobs
from ingest.parsers.markup.html import HtmlParser, declared_encoding
from ingest.parsers.text import TextBuilder, has_visible_text, one_line
from ingest.parsers.xml.elements import ElementWriter
from ingest.parsers.xml.jats import append_article, is_article
from ingest.parsers.xml.source import element_tree
from ingest.parsers.xml.text import line_of, local_name

# fmt: off
_PROSE = frozenset({
    "appendix", "article", "book", "chapter", "concept", "dita", "doc", "document", "part", "preface", "refentry",
    "reference", "section", "set", "task", "tei", "tei.2", "teicorpus", "topic", "worddocument",
})
# fmt: on
_LONGEST_TITLE = 300


class XmlParser:
    """Reads XML."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse an XML file; raises `ParseError` if it is empty, binary or no XML, `NoTextError` if it has no words."""
        source = read_text(content, file_name=file_name, declared=declared_encoding(content))
        root, mistake = element_tree(source)
        if root is None:
            raise ParseError(f"{file_name} is damaged: no element of XML can be read from it")
        if local_name(root) == "html":
            return HtmlParser().parse(content, file_name=file_name)
        builder = TextBuilder()
        articles = [element for element in root.iter("{*}article") if is_article(element)]
        writer = ElementWriter(builder, labelled=not articles and local_name(root) not in _PROSE)
        for article in articles:
            append_article(writer, article)
        if not articles:
            writer.write(root)
        notes = [f"{file_name} is not well formed ({mistake}): some of it may be missing"] if mistake else []
        if writer.is_full:
            notes.append(f"{file_name}: only the beginning of its text is kept")
        parsed = builder.build(
            title=_title(root),
            media_type="application/xml",
            notes=(*notes, *note_on_blobs(writer.blobs, file_name=file_name)),
        )
        if not has_visible_text(parsed.text):
            raise NoTextError(f"{file_name} contains no text")
        return parsed


def _title(root: etree._Element) -> str | None:
    """The first title near the root: the document's own, where it has one."""
    for path in (
        "{*}front/{*}article-meta/{*}title-group/{*}article-title",
        "{*}title",
        "{*}info/{*}title",
        "{*}channel/{*}title",
        "{*}teiHeader//{*}titleStmt/{*}title",
    ):
        element = root.find(path)
        if element is not None and 0 < len(title := line_of(element)) <= _LONGEST_TITLE:
            return one_line(title)
    return None
