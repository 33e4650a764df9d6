"""What stands at the top and foot of every page of a document: worth reading once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ingest.parsers.text import has_visible_text, one_line

_NUMBER = r"(?:\d+|[ivxlcdm]+)?"
_PAGE_NUMBER = re.compile(
    rf"\W*(?:page|pages|seite|blatt|página|pagina|pag|p|s)?\W*{_NUMBER}\W*(?:of|von|de|di|sur|van)?\W*{_NUMBER}\W*",
    re.IGNORECASE,
)
_LONGEST_PAGE_NUMBER = 40


def running_heads(texts: Iterable[str]) -> Iterator[str]:
    """Headers and footers on one line each, every one once; those that hold but a page number are left out."""
    for text in dict.fromkeys(map(one_line, texts)):
        is_number = len(text) < _LONGEST_PAGE_NUMBER and _PAGE_NUMBER.fullmatch(text) is not None
        if has_visible_text(text) and not is_number:
            yield text
