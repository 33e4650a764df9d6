"""Articles of science in JATS (journals, PubMed Central): title, authors, abstract, sections, tables, references.

Of an article's metadata those are written that a reader finds on its first page; identifiers, history, licence and
roles of authors are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ingest.parsers.xml.elements import ElementWriter
from ingest.parsers.xml.text import line_of

_META = "{*}front/{*}article-meta"
_STUB = "{*}front-stub"


def is_article(element: etree._Element) -> bool:
    """Whether an element is an article of JATS, and not one of another vocabulary."""
    return element.find(_META) is not None


def append_article(writer: ElementWriter, article: etree._Element, *, level: int = 0) -> None:
    """Write an article, and the articles inside it (letters of reviewers, replies) after it."""
    meta = article.find(_META)
    meta = article.find(_STUB) if meta is None else meta
    if meta is not None:
        _append_front(writer, article, meta, level=level)
    for name in ("body", "back"):
        part = article.find(f"{{*}}{name}")
        for section in () if part is None else part:
            _append_section(writer, section, level=level + 1)
    for inner in (*article.findall("{*}sub-article"), *article.findall("{*}response")):
        append_article(writer, inner, level=level + 1)


def _append_front(
    writer: ElementWriter, article: etree._Element, meta: etree._Element, *, level: int
) -> None:
    if title := _line(meta, "{*}title-group/{*}article-title"):
        writer.heading(title, level=level + 1)
    if subtitle := _line(meta, "{*}title-group/{*}subtitle"):
        writer.paragraph(subtitle)
    for words in (
        ", ".join(_authors(meta)),
        "; ".join(_affiliations(meta)),
        ". ".join(_published(article, meta)),
    ):
        if words:
            writer.paragraph(words)
    for abstract in (*meta.findall("{*}abstract"), *meta.findall("{*}trans-abstract")):
        _append_section(writer, abstract, level=level + 1, title="Abstract")
    for keywords in meta.findall("{*}kwd-group"):
        words = ", ".join(filter(None, (line_of(keyword) for keyword in keywords.iter("{*}kwd"))))
        if words:
            writer.paragraph(f"{_line(keywords, '{*}title') or 'Keywords'}: {words}")


def _append_section(
    writer: ElementWriter, element: etree._Element, *, level: int, title: str | None = None
) -> None:
    """A part of an article below its own title, or below the one that such parts go by."""
    default = title or {"ack": "Acknowledgments", "ref-list": "References"}.get(
        etree.QName(element).localname
    )
    if default is None or element.find("{*}title") is not None:
        writer.write(element, level=level)
        return
    writer.heading(default, level=level + 1)
    for child in element:
        writer.write(child, level=level + 1)


def _authors(meta: etree._Element) -> Iterator[str]:
    for contributor in meta.findall("{*}contrib-group/{*}contrib"):
        if contributor.get("contrib-type") == "editor":
            continue
        name = contributor.find("{*}name")
        if name is not None:
            parts = (_line(name, f"{{*}}{part}") for part in ("prefix", "given-names", "surname", "suffix"))
            words = " ".join(filter(None, parts))
        else:
            words = _line(contributor, "{*}string-name") or _line(contributor, "{*}collab")
        if words:
            yield words


def _affiliations(meta: etree._Element) -> Iterator[str]:
    for affiliation in (*meta.findall("{*}aff"), *meta.findall("{*}contrib-group/{*}aff")):
        label = _line(affiliation, "{*}label")
        if words := line_of(affiliation):
            yield words.removeprefix(label).strip() if label else words


def _published(article: etree._Element, meta: etree._Element) -> Iterator[str]:
    """Where and when an article was published, and under which identifier it is known."""
    journal = _line(article, "{*}front/{*}journal-meta//{*}journal-title")
    year = _line(meta, "{*}pub-date/{*}year")
    if journal or year:
        yield ", ".join(filter(None, (journal, year)))
    doi = next(
        (element for element in meta.findall("{*}article-id") if element.get("pub-id-type") == "doi"), None
    )
    if doi is not None and line_of(doi):
        yield f"DOI: {line_of(doi)}"


def _line(element: etree._Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else line_of(found)
