"""Small office documents that are archives of XML: as much of each as a reader needs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
R = f'xmlns:r="{_OFFICE}/relationships"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        *(
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("style", "style"),
        ),
        *(("presentation", "presentation"), ("svg", "svg-compatible"), ("fo", "xsl-fo-compatible")),
    )
)


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip archive."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return file.getvalue()


def relations(*pairs: tuple[str, str]) -> str:
    """Relations of (kind, target), with the ids rId1, rId2, …"""
    entries = (
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/relationships/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(pairs, start=1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{"".join(entries)}</Relationships>'


def pptx(*slides: str, parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """A presentation; each slide is the XML of its shapes. `parts` come beside, or instead of, what is made here."""
    made: dict[str, str | bytes] = {
        "_rels/.rels": relations(("officeDocument", "ppt/presentation.xml")),
        "ppt/_rels/presentation.xml.rels": relations(
            *(("slide", f"slides/slide{number}.xml") for number in range(1, len(slides) + 1))
        ),
        "ppt/presentation.xml": f"<p:presentation {P} {R}><p:sldIdLst>"
        + "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, len(slides) + 1))
        + "</p:sldIdLst></p:presentation>",
    }
    for number, shapes in enumerate(slides, start=1):
        made[f"ppt/slides/slide{number}.xml"] = slide(shapes)
    return archive({**made, **(parts or {})})


def slide(shapes: str, root: str = "sld") -> str:
    """The XML of a slide, or of notes, with these shapes."""
    return f"<p:{root} {P} {A} {R}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:{root}>"


def shape(
    *paragraphs: str, placeholder: str | None = None, place: tuple[int, int, int, int] | None = None
) -> str:
    """A shape with text; a paragraph is its words, or its XML. `place` is left, top, width, height."""
    mark = "" if placeholder is None else f'<p:ph type="{placeholder}"/>'
    x, y, width, height = place or (0, 0, 0, 0)
    xfrm = f'<a:xfrm><a:off x="{x}" y="{y}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>' if place else ""
    written = (
        text if text.startswith("<") else f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs
    )
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr>{mark}</p:nvPr></p:nvSpPr>'
        f"<p:spPr>{xfrm}</p:spPr><p:txBody><a:bodyPr/>{''.join(written)}</p:txBody></p:sp>"
    )


def xlsx(
    *sheets: tuple[str, str],
    strings: Sequence[str] = (),
    formats: Sequence[str] = (),
    hidden: Sequence[str] = (),
    parts: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """A workbook; a sheet is its name and the XML of its rows. Cell style n has the n-th of `formats`, from 1."""
    related = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    entries = (
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"{_state(name, hidden)}/>'
        for number, (name, _) in enumerate(sheets, start=1)
    )
    numbered = (f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(formats))
    made: dict[str, str | bytes] = {
        "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
        "xl/_rels/workbook.xml.rels": relations(
            *related, ("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")
        ),
        "xl/workbook.xml": f"<workbook {S} {R}><sheets>{''.join(entries)}</sheets></workbook>",
        "xl/sharedStrings.xml": f"<sst {S}>{''.join(f'<si><t>{text}</t></si>' for text in strings)}</sst>",
        "xl/styles.xml": f"<styleSheet {S}><numFmts>{''.join(numbered)}</numFmts><cellXfs><xf numFmtId='0'/>"
        + "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(formats)))
        + "</cellXfs></styleSheet>",
    }
    for number, (_, rows) in enumerate(sheets, start=1):
        made[f"xl/worksheets/sheet{number}.xml"] = worksheet(rows)
    return archive({**made, **(parts or {})})


def worksheet(rows: str, after: str = "") -> str:
    """The XML of a sheet."""
    return (
        f"<worksheet {S} {R}><dimension ref='A1:XFD1048576'/><sheetData>{rows}</sheetData>{after}</worksheet>"
    )


def rows(*lines: Sequence[str | float | None], first: int = 1) -> str:
    """The XML of rows of numbers and inline texts."""
    written = []
    for number, line in enumerate(lines, start=first):
        cells = "".join(_cell(f"{chr(65 + place)}{number}", value) for place, value in enumerate(line))
        written.append(f'<row r="{number}">{cells}</row>')
    return "".join(written)


def odf(body: str, *, kind: str, styles: str = "", parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """An OpenDocument file of a kind ("text", "spreadsheet", "presentation"). `styles` are automatic styles."""
    content = (
        f"<office:document-content {ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    made = {"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content}
    return archive({**made, **(parts or {})})


def _state(name: str, hidden: Sequence[str]) -> str:
    return ' state="hidden"' if name in hidden else ""


def _cell(reference: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{reference}"><v>{value}</v></c>'
