"""RTF's control words that stand for a character, or say what a group is for."""

from __future__ import annotations

from typing import Literal

CHARACTERS = {
    **dict(zip(("tab", "line", "softline", "emdash", "endash", "bullet"), "\t\n\n—–•", strict=True)),
    **dict(zip(("lquote", "rquote", "ldblquote", "rdblquote"), "‘’“”", strict=True)),
    **dict(
        zip(("emspace", "enspace", "qmspace", "zwj", "zwnj"), "\u2003\u2002\u2005\u200d\u200c", strict=True)
    ),
    "nestcell": " ",
    "nestrow": " ",
}
SYMBOLS = {"~": "\u00a0", "_": "-", "\\": "\\", "{": "{", "}": "}"}
Destination = Literal["text", "skip", "note", "header", "title", "fonts", "styles", "label"]
_HEADERS = ("header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf")
_LEFT_OUT = (
    *(
        "colortbl",
        "info",
        "pict",
        "objdata",
        "fldinst",
        "nonshppict",
        "xe",
        "tc",
        "rxe",
        "sp",
        "upr",
        "filetbl",
    ),
    *("author", "operator", "subject", "doccomm", "keywords", "company", "manager"),
    *("mmathPict", "mmathPr", "mbegChr", "mendChr", "mchr", "msepChr", "mtype", "mpos"),
    *("msupHide", "msubHide", "mdegHide", "mlimLoc", "mgrow", "mctrlPr"),
)
DESTINATIONS: dict[str, Destination] = {
    **dict.fromkeys(_HEADERS, "header"),
    **dict.fromkeys(_LEFT_OUT, "skip"),
    **dict.fromkeys(("listtext", "pntext"), "label"),
    **dict.fromkeys(("footnote", "shptxt"), "note"),
    "title": "title",
    "fonttbl": "fonts",
    "stylesheet": "styles",
}
STARRED_TEXT = frozenset({"shpinst", "shprslt", "ud", "moMath", "moMathPara"})
"""Destinations that a reader may ignore, and this one does not."""
